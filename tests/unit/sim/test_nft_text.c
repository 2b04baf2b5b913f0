#include "sim/netfilter/nf_text.h"

#include <stdlib.h>
#include <string.h>

#include "sim/netfilter/ipt_names.h"
#include "tests/unit/test.h"

/* tests/conformance/nft/NAME.transaction holds nft transactions (those of kube-proxy's own tests, and more shapes);
 * NAME.list is what `nft -f` and `nft list ruleset` of nftables 1.0.6 made of it.  The reader below turns a transaction
 * into a rule set; printing it in both forms must give both files.                                                   */

typedef struct {
    NfNames *names;
    NfRuleset *rs;
    IpFamily family;
    const char *table;
    GPtrArray *chains;   /* NfChainBuilder, in order. */
    GArray *chain_ids;   /* uint32_t. */
    GArray *set_specs;   /* NfSetSpec. */
    GPtrArray *elements; /* GArray of NfElem, one per set. */
    uint32_t n_anonymous;
} Reader;

typedef struct {
    char **w; /* Words, NULL-terminated. */
    guint i;
} Words;

static char **
split(const char *line)
{
    GPtrArray *words = g_ptr_array_new();

    while (*line) {
        const char *end;
        line += strspn(line, " ");
        if (!*line)
            break;
        end = *line == '"' ? strchr(line + 1, '"') + 1 : line + strcspn(line, " ");
        if (*line == '"')
            g_ptr_array_add(words, g_strndup(line + 1, (gsize)(end - line - 2)));
        else
            g_ptr_array_add(words, g_strndup(line, (gsize)(end - line)));
        line = end;
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

static bool
take(Words *words, const char *text)
{
    g_auto(GStrv) want = g_strsplit(text, " ", -1);
    guint n = 0;

    for (; want[n]; n++)
        if (g_strcmp0(words->w[words->i + n], want[n]) != 0)
            return false;
    words->i += n;
    return true;
}

static const char *
next(Words *words)
{
    return words->w[words->i] ? words->w[words->i++] : "";
}

static IpPrefix
prefix(const char *text)
{
    IpPrefix p = {IPADDR_ANY4, 0};

    if (!ipprefix_parse(text, &p))
        test_check(false, __LINE__, __FILE__, __func__, "no address: %s", text);
    return p;
}

static uint32_t
key_field(Words *words)
{
    if (take(words, "ip saddr") || take(words, "ip6 saddr"))
        return NF_KEY_SADDR;
    if (take(words, "ip daddr") || take(words, "ip6 daddr"))
        return NF_KEY_DADDR;
    if (take(words, "meta l4proto"))
        return NF_KEY_PROTO;
    if (take(words, "th dport"))
        return NF_KEY_DPORT;
    return NF_KEY_NONE;
}

static uint32_t
proto(const char *name)
{
    uint32_t value = 0;

    T_TRUE(ipt_value_of(IPT_PROTOCOLS, name, &value));
    return value;
}

static void
put_key(NfElem *elem, uint32_t fields, uint32_t n_fields, Words *words)
{
    bool second = false;

    elem->addr_len = 255;
    for (uint32_t i = 0; i < n_fields; i++) {
        uint32_t field = fields >> 4 * i & 15;
        const char *text;

        if (i)
            take(words, ".");
        text = next(words);
        if (field == NF_KEY_SADDR || field == NF_KEY_DADDR) {
            IpPrefix p = prefix(text);
            if (second)
                elem->key.addr2 = p.addr;
            else
                elem->key.addr = p.addr;
            if (strchr(text, '/'))
                elem->addr_len = p.len;
            second = true;
        } else if (field == NF_KEY_PROTO) {
            elem->key.proto = (uint8_t)proto(text);
        } else {
            elem->key.port = (uint16_t)atoi(text);
        }
    }
}

/* "{ A , B }" or "{ A,B }" */
static uint32_t
anonymous_set(Reader *r, Words *words, uint32_t field)
{
    g_autoptr(GArray) elems = g_array_new(FALSE, TRUE, sizeof(NfElem));
    g_autofree char *name = g_strdup_printf("__set%u", r->n_anonymous++);
    NfSetSpec spec = {.id = nf_set_id(r->names, r->table, name),
                      .fields = field,
                      .n_fields = 1,
                      .anonymous = true,
                      .interval = true,
                      .comment = NF_NO_ID};

    take(words, "{");
    while (!take(words, "}")) {
        g_auto(GStrv) parts = g_strsplit(next(words), ",", -1);
        for (char **part = parts; *part; part++) {
            NfElem elem = {.comment = NF_NO_ID};
            Words one = {(char *[]){*part, NULL}, 0};
            if (!**part)
                continue;
            put_key(&elem, field, 1, &one);
            g_array_append_val(elems, elem);
        }
    }
    nf_ruleset_put_set(r->rs, nf_set_new(&spec, (NfElem *)(void *)elems->data, elems->len, NULL));
    return spec.id;
}

static NfExpr
dnat_to(const char *text)
{
    char *colon = strrchr(text, ':');
    g_autofree char *addr = g_strndup(text + (*text == '['), (gsize)(colon - text) - (*text == '[' ? 2 : 0));

    return nfx_dnat(prefix(addr).addr, (uint16_t)atoi(colon + 1), 0);
}

static void
numgen(Reader *r, Words *words, NfChainBuilder *b, NfOp op)
{
    g_autoptr(GArray) choices = g_array_new(FALSE, TRUE, sizeof(NfChoice));

    next(words); /* The modulus: as many as there are. */
    T_TRUE(take(words, op == NFX_NUMGEN_VMAP ? "vmap {" : "map {"));
    while (!take(words, "}")) {
        NfChoice choice = {0};
        if (take(words, ","))
            continue;
        next(words);
        T_TRUE(take(words, ":"));
        if (op == NFX_NUMGEN_VMAP) {
            T_TRUE(take(words, "goto"));
            choice.chain = nf_chain_id(r->names, r->table, next(words));
        } else {
            choice.addr = prefix(next(words)).addr;
            T_TRUE(take(words, "."));
            choice.port = (uint16_t)atoi(next(words));
        }
        g_array_append_val(choices, choice);
    }
    nf_rule_expr(
        b, nfx_u32(op, nf_rule_choices(b, (NfChoice *)(void *)choices->data, choices->len), choices->len, 0, false));
}

static void
keyed(Reader *r, Words *words, NfChainBuilder *b, uint32_t field)
{
    uint32_t fields = field;
    uint8_t n = 1;
    bool neg;

    while (take(words, ".")) {
        fields |= key_field(words) << 4 * n;
        n++;
    }
    neg = take(words, "!=");
    if (take(words, "vmap")) {
        nf_rule_expr(b, nfx_u32(NFX_VMAP, nf_set_id(r->names, r->table, next(words) + 1), fields, n, false));
    } else if (words->w[words->i][0] == '@') {
        nf_rule_expr(b, nfx_u32(NFX_LOOKUP, nf_set_id(r->names, r->table, next(words) + 1), fields, n, neg));
    } else if (words->w[words->i][0] == '{') {
        nf_rule_expr(b, nfx_u32(NFX_LOOKUP, anonymous_set(r, words, field), fields, 1, neg));
    } else if (field == NF_KEY_PROTO) {
        nf_rule_expr(b, nfx_u32(NFX_PROTO, proto(next(words)), 0, 0, neg));
    } else {
        IpPrefix p = prefix(next(words));
        nf_rule_expr(b, field == NF_KEY_SADDR ? nfx_saddr(p, neg) : nfx_daddr(p, neg));
    }
}

static void
read_rule(Reader *r, Words *words, NfChainBuilder *b)
{
    uint32_t mark, field;

    nf_rule_begin(b, 0);
    while (words->w[words->i]) {
        if ((field = key_field(words)))
            keyed(r, words, b, field);
        else if (take(words, "ct state new"))
            nf_rule_expr(b, nfx_u32(NFX_CT_STATE, NF_CT_NEW, 0, 0, false));
        else if (take(words, "ct status dnat"))
            nf_rule_expr(b, nfx_u32(NFX_CT_STATUS, NF_STATUS_DNAT, 0, 0, false));
        else if (take(words, "mark and")) {
            mark = (uint32_t)strtoul(next(words), NULL, 0);
            nf_rule_expr(b, nfx_u32(NFX_MARK_EQ0, mark, 0, 0, strcmp(next(words), "!=") == 0));
            next(words);
        } else if (take(words, "mark set mark or")) {
            mark = (uint32_t)strtoul(next(words), NULL, 0);
            nf_rule_expr(b, nfx_u32(NFX_SET_MARK, mark, mark, 0, false));
        } else if (take(words, "mark set mark xor")) {
            mark = (uint32_t)strtoul(next(words), NULL, 0);
            nf_rule_expr(b, nfx_u32(NFX_SET_MARK, mark, 0, 0, false));
        } else if (take(words, "fib saddr type local"))
            nf_rule_expr(b, nfx_u32(NFX_FIB_TYPE, NF_TYPE_LOCAL, 0, 0, false));
        else if (take(words, "fib daddr type local"))
            nf_rule_expr(b, nfx_u32(NFX_FIB_TYPE, NF_TYPE_LOCAL, 0, 1, false));
        else if (take(words, "iifname"))
            nf_rule_expr(b, nfx_u32(NFX_IIF, nf_text_id(r->names, next(words)), 0, 0, false));
        else if (take(words, "numgen random mod"))
            numgen(r, words, b, NFX_NUMGEN_VMAP);
        else if (take(words, "dnat ip addr . port to numgen random mod") ||
                 take(words, "dnat ip6 addr . port to numgen random mod"))
            numgen(r, words, b, NFX_NUMGEN_DNAT);
        else if (take(words, "dnat to"))
            nf_rule_expr(b, dnat_to(next(words)));
        else if (take(words, "update")) {
            uint32_t set = nf_set_id(r->names, r->table, next(words) + 1);
            take(words, "{");
            field = key_field(words);
            take(words, "}");
            nf_rule_expr(b, nfx_u32(NFX_SET_UPDATE, set, field, 1, false));
        } else if (take(words, "masquerade fully-random"))
            nf_rule_expr(b, nfx_u32(NFX_MASQUERADE, 0, 0, NF_NAT_RANDOM_FULLY, false));
        else if (take(words, "jump"))
            nf_rule_expr(b, nfx_jump(nf_chain_id(r->names, r->table, next(words))));
        else if (take(words, "goto"))
            nf_rule_expr(b, nfx_goto(nf_chain_id(r->names, r->table, next(words))));
        else if (take(words, "return"))
            nf_rule_expr(b, nfx_u32(NFX_RETURN, 0, 0, 0, false));
        else if (take(words, "drop"))
            nf_rule_expr(b, nfx_u32(NFX_DROP, 0, 0, 0, false));
        else if (take(words, "accept"))
            nf_rule_expr(b, nfx_u32(NFX_ACCEPT, 0, 0, 0, false));
        else if (take(words, "reject"))
            nf_rule_expr(b, nfx_u32(NFX_REJECT, REJECT_PORT_UNREACH, 0, 0, false));
        else if (take(words, "comment"))
            nf_rule_expr(b, nfx_comment(r->names, next(words)));
        else {
            test_check(false, __LINE__, __FILE__, __func__, "not understood: %s", next(words));
            break;
        }
    }
    nf_rule_end(b);
}

static void
read_set(Reader *r, Words *words, bool map)
{
    NfSetSpec spec = {.kind = map ? NF_SET_MAP : NF_SET_PLAIN, .comment = NF_NO_ID};

    spec.id = nf_set_id(r->names, r->table, next(words));
    while (words->w[words->i]) {
        const char *word = next(words);
        uint32_t field = NF_KEY_NONE;
        if (strcmp(word, "ipv4_addr") == 0 || strcmp(word, "ipv6_addr") == 0)
            field = NF_KEY_DADDR;
        else if (strcmp(word, "inet_proto") == 0)
            field = NF_KEY_PROTO;
        else if (strcmp(word, "inet_service") == 0)
            field = NF_KEY_DPORT;
        else if (strcmp(word, "dynamic,timeout") == 0)
            spec.dynamic = true;
        else if (strcmp(word, "interval") == 0)
            spec.interval = true;
        else if (strcmp(word, "timeout") == 0)
            spec.timeout_s = (uint32_t)atoi(next(words));
        else if (strcmp(word, "comment") == 0)
            spec.comment = nf_text_id(r->names, next(words));
        if (field)
            spec.fields |= field << 4 * spec.n_fields++;
    }
    g_array_append_val(r->set_specs, spec);
    g_ptr_array_add(r->elements, g_array_new(FALSE, TRUE, sizeof(NfElem)));
}

static void
read_element(Reader *r, Words *words)
{
    uint32_t id = nf_set_id(r->names, r->table, next(words));

    for (guint i = 0; i < r->set_specs->len; i++) {
        const NfSetSpec *spec = &g_array_index(r->set_specs, NfSetSpec, i);
        NfElem elem = {.comment = NF_NO_ID};
        if (spec->id != id)
            continue;
        take(words, "{");
        put_key(&elem, spec->fields, spec->n_fields, words);
        if (take(words, "comment"))
            elem.comment = nf_text_id(r->names, next(words));
        if (take(words, ": goto")) {
            elem.verdict = NFX_GOTO;
            elem.chain = nf_chain_id(r->names, r->table, next(words));
        } else if (take(words, ": drop")) {
            elem.verdict = NFX_DROP;
        }
        g_array_append_val((GArray *)g_ptr_array_index(r->elements, i), elem);
        return;
    }
    test_check(false, __LINE__, __FILE__, __func__, "no such set");
}

static void
read_chain(Reader *r, Words *words)
{
    NfChainSpec spec = {.comment = NF_NO_ID, .policy = NF_ACCEPT};

    spec.id = nf_chain_id(r->names, r->table, next(words));
    while (words->w[words->i]) {
        if (take(words, "type filter"))
            spec.is_base = true;
        else if (take(words, "type nat")) {
            spec.is_base = true;
            spec.type = NF_TYPE_NAT_CHAIN;
        } else if (take(words, "hook")) {
            const char *hook = next(words);
            for (spec.hook = NF_PREROUTING; strcmp(nf_hook_name(spec.hook, false), hook) != 0;)
                spec.hook++;
        } else if (take(words, "priority"))
            spec.priority = atoi(next(words));
        else if (take(words, "comment"))
            spec.comment = nf_text_id(r->names, next(words));
        else
            next(words);
    }
    g_ptr_array_add(r->chains, nf_chain_builder_new(r->names, &spec));
    g_array_append_val(r->chain_ids, spec.id);
}

static void
read_line(Reader *r, const char *line)
{
    g_auto(GStrv) w = split(line);
    Words words = {w, 4};
    const char *what = w[1];

    if (strcmp(what, "table") == 0) {
        if (take(&words, "{ comment"))
            nf_ruleset_set_comment(r->rs, nf_text_id(r->names, next(&words)));
    } else if (strcmp(what, "set") == 0 || strcmp(what, "map") == 0) {
        read_set(r, &words, strcmp(what, "map") == 0);
    } else if (strcmp(what, "chain") == 0) {
        read_chain(r, &words);
    } else if (strcmp(what, "element") == 0) {
        read_element(r, &words);
    } else {
        uint32_t id = nf_chain_id(r->names, r->table, next(&words));
        for (guint i = 0; i < r->chain_ids->len; i++)
            if (g_array_index(r->chain_ids, uint32_t, i) == id)
                read_rule(r, &words, g_ptr_array_index(r->chains, i));
    }
}

/* Is it "add KIND ..." with one of these kinds? */
static bool
is_of(const char *line, const char *kinds)
{
    g_auto(GStrv) kind = g_strsplit(kinds, " ", -1);

    for (char **k = kind; *k; k++)
        if (g_str_has_prefix(line, "add ") && g_str_has_prefix(line + 4, *k) && line[4 + strlen(*k)] == ' ')
            return true;
    return false;
}

/* Objects are created in the order table, sets, maps, chains, as a transaction that names chains ahead must do. */
static NfRuleset *
read_transaction(NfNames *names, char **lines)
{
    static const char *const passes[] = {"table", "set map", "chain", "rule", "element"};
    bool v6 = g_str_has_prefix(lines[0], "add table ip6 ");
    Reader r = {.names = names, .family = v6 ? FAMILY_IPV6 : FAMILY_IPV4};
    g_auto(GStrv) first = g_strsplit(lines[0], " ", -1);
    g_autoptr(GError) error = NULL;

    r.rs = nf_ruleset_new(names, NF_DIALECT_NFT, r.family);
    r.table = first[3];
    r.chains = g_ptr_array_new();
    r.chain_ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    r.set_specs = g_array_new(FALSE, FALSE, sizeof(NfSetSpec));
    r.elements = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    for (size_t pass = 0; pass < G_N_ELEMENTS(passes); pass++)
        for (char **line = lines; *line; line++)
            if (is_of(*line, passes[pass]))
                read_line(&r, *line);
    for (guint i = 0; i < r.set_specs->len; i++) {
        GArray *elems = g_ptr_array_index(r.elements, i);
        nf_ruleset_put_set(r.rs, nf_set_new(&g_array_index(r.set_specs, NfSetSpec, i), (NfElem *)(void *)elems->data,
                                            elems->len, &error));
    }
    for (guint i = 0; i < r.chains->len; i++)
        nf_ruleset_put_chain(r.rs, nf_chain_seal(g_ptr_array_index(r.chains, i)));
    test_check(nf_ruleset_seal(r.rs, &error), __LINE__, __FILE__, __func__, "%s", error ? error->message : "");
    g_ptr_array_unref(r.chains);
    g_array_unref(r.chain_ids);
    g_array_unref(r.set_specs);
    g_ptr_array_unref(r.elements);
    return r.rs;
}

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines that begin with "add ", sorted: order between objects is free, order within a chain is checked by the list. */
static char *
sorted_lines(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GPtrArray *kept = g_ptr_array_new();
    char *joined;

    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "add "))
            g_ptr_array_add(kept, *line);
    qsort(kept->pdata, kept->len, sizeof(char *), compare_lines);
    g_ptr_array_add(kept, NULL);
    joined = g_strjoinv("\n", (char **)kept->pdata);
    g_ptr_array_free(kept, TRUE);
    return joined;
}

static void
check_file(const char *name)
{
    g_autofree char *transaction_file = g_strdup_printf("tests/conformance/nft/%s.transaction", name);
    g_autofree char *list_file = g_strdup_printf("tests/conformance/nft/%s.list", name);
    g_autofree char *transaction = NULL;
    g_autofree char *list = NULL;
    g_autoptr(GString) got = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    g_autofree char *want_sorted = NULL;
    g_autofree char *got_sorted = NULL;
    g_auto(GStrv) want_lines = NULL;
    g_auto(GStrv) got_lines = NULL;
    NfNames *names = nf_names_new();
    NfRuleset *rs;

    if (!T_TRUE(g_file_get_contents(transaction_file, &transaction, NULL, NULL)) ||
        !T_TRUE(g_file_get_contents(list_file, &list, NULL, NULL)))
        return;
    lines = g_strsplit(transaction, "\n", -1);
    rs = read_transaction(names, lines);

    nf_print_nft_transaction(got, rs);
    want_sorted = sorted_lines(transaction);
    got_sorted = sorted_lines(got->str);
    T_EQ_STR(got_sorted, want_sorted);

    g_string_truncate(got, 0);
    nf_print_nft_ruleset(got, rs, NULL);
    want_lines = g_strsplit(list, "\n", -1);
    got_lines = g_strsplit(got->str, "\n", -1);
    for (guint i = 0; want_lines[i] && got_lines[i]; i++)
        if (!T_EQ_STR(got_lines[i], want_lines[i]))
            break;
    T_EQ_U64(g_strv_length(got_lines), g_strv_length(want_lines));
    nf_ruleset_unref(rs);
    nf_names_unref(names);
}

static void
test_v135(void)
{
    check_file("overall");
    check_file("bad-ips");
}

static void
test_v136(void)
{
    check_file("overall-v1.36");
}

static void
test_shapes(void)
{
    check_file("shapes");
    check_file("sorting");
}

const TestSuite suite_nft_text = {
    "sim/nft_text",
    {{"kube-proxy's golden transaction prints as written and as nft lists it", test_v135},
     {"the layout of 1.36 prints as written and as nft lists it", test_v136},
     {"other rules, IPv6 and the order of elements print as nft lists them", test_shapes}}};
