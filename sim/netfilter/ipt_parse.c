#include "sim/netfilter/ipt_parse.h"

#include <string.h>

static void parse_line(IptParser *parser, char *line);
static void parse_table(IptParser *parser, const char *name);
static void parse_chain(IptParser *parser, const char *line);
static void parse_append(IptParser *parser, const char *line);
static void end_table(IptParser *parser);
static void drop_table(IptParser *parser);
static GArray *split_words(const char *line);
static void free_token(gpointer token);
static void free_note(gpointer note);
static bool base_chain(const char *table, const char *name, NfChainSpec *ret_spec);

NfRuleset *
nf_parse_iptables_save(NfNames *names, IpFamily family, const char *text, size_t size, GPtrArray **ret_notes)
{
    IptParser parser = {.names = names, .family = family};
    const char *end = text + size;
    bool any_table = false;
    g_autoptr(GError) error = NULL;

    parser.rs = nf_ruleset_new(names, NF_DIALECT_IPTABLES, family);
    parser.notes = g_ptr_array_new_with_free_func(free_note);
    parser.builders = g_ptr_array_new_with_free_func((GDestroyNotify)nf_chain_builder_free);
    parser.declared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    parser.hash_limits = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    parser.recent_cuts = g_hash_table_new(NULL, NULL);

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((newline ? newline : end) - text);
        g_autofree char *line = g_strndup(text, length);

        parser.line++;
        if (strlen(line) != length)
            ipt_note(&parser, true, (uint32_t)strlen(line) + 1, 1, g_strdup("a zero byte in the text"),
                     "iptables-save writes text only: is this the right file?");
        else
            parse_line(&parser, g_strchomp(line));
        any_table |= parser.table != NULL;
        text = newline ? newline + 1 : end;
    }
    if (parser.table) {
        ipt_note(&parser, true, 1, 0, g_strdup_printf("table %s has no COMMIT: the dump is cut off", parser.table),
                 NULL);
        drop_table(&parser);
    }
    if (!any_table)
        ipt_note(&parser, true, 1, 0, g_strdup("no table in the dump"),
                 "the output of iptables-save or ip6tables-save is expected, it begins with a line like *filter");
    if (!parser.failed && !nf_ruleset_seal(parser.rs, &error))
        ipt_note(&parser, true, 1, 0, g_strdup(error->message), NULL);

    g_ptr_array_unref(parser.builders);
    g_hash_table_unref(parser.declared);
    g_hash_table_unref(parser.hash_limits);
    g_hash_table_unref(parser.recent_cuts);
    *ret_notes = parser.notes;
    if (parser.failed)
        g_clear_pointer(&parser.rs, nf_ruleset_unref);
    return parser.rs;
}

void
ipt_note(IptParser *parser, bool error, uint32_t column, uint32_t length, char *message, const char *hint)
{
    NfParseNote *note = g_new0(NfParseNote, 1);

    note->line = parser->line;
    note->column = column;
    note->length = length;
    note->error = error;
    note->message = message;
    note->hint = g_strdup(hint);
    parser->failed |= error;
    g_ptr_array_add(parser->notes, note);
}

static void
parse_line(IptParser *parser, char *line)
{
    if (!*line)
        return;
    switch (*line) {
    case '#':
        if (strstr(line, "iptables-legacy tables present"))
            ipt_note(parser, false, 1, (uint32_t)strlen(line),
                     g_strdup("the node has legacy tables, too, which this dump does not show"),
                     "run iptables-legacy-save there and look");
        return;
    case '*':
        parse_table(parser, line + 1);
        return;
    case ':':
        parse_chain(parser, line);
        return;
    case '-':
    case '[':
        parse_append(parser, line);
        return;
    default:
        if (strcmp(line, "COMMIT") == 0) {
            if (parser->table)
                end_table(parser);
            else
                ipt_note(parser, true, 1, 6, g_strdup("COMMIT without a table"), NULL);
            return;
        }
        ipt_note(parser, true, 1, (uint32_t)strlen(line), g_strdup("this is no line of an iptables-save dump"),
                 "lines begin with '*', ':', '-A', '[' or '#', or are COMMIT");
    }
}

static void
parse_table(IptParser *parser, const char *name)
{
    static const char *const tables[] = {"raw", "mangle", "nat", "filter", "security"};
    if (parser->table) {
        ipt_note(parser, true, 1, 0, g_strdup_printf("table %s has no COMMIT", parser->table),
                 "COMMIT ends a table before the next begins");
        drop_table(parser);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        if (strcmp(name, tables[i]) == 0)
            parser->table = tables[i];
    if (!parser->table)
        ipt_note(parser, true, 2, (uint32_t)strlen(name), g_strdup_printf("there is no table \"%s\"", name),
                 "the tables are raw, mangle, nat, filter and security");
    if (!parser->table)
        return;
    for (uint32_t i = 0; i < parser->n_seen; i++)
        if (parser->seen[i] == parser->table) {
            ipt_note(parser, true, 2, (uint32_t)strlen(name), g_strdup_printf("table %s stands here twice", name),
                     "walk one dump at a time");
            return;
        }
    parser->seen[parser->n_seen++] = parser->table;
    nf_ruleset_order_table(parser->rs, parser->table);
}

/* ":NAME POLICY [packets:bytes]" */
static void
parse_chain(IptParser *parser, const char *line)
{
    g_autoptr(GArray) words = split_words(line + 1);
    const IptToken *word = (const IptToken *)(void *)words->data;
    NfChainSpec spec = {.comment = NF_NO_ID, .policy = NF_ACCEPT};
    bool is_base;

    if (!parser->table) {
        ipt_note(parser, true, 1, (uint32_t)strlen(line), g_strdup("a chain outside of a table"),
                 "a line like *filter goes before");
        return;
    }
    if (words->len < 2) {
        ipt_note(parser, true, 1, (uint32_t)strlen(line), g_strdup("a chain line needs a name and a policy"),
                 ":NAME ACCEPT [0:0], or :NAME - [0:0] for a user's chain");
        return;
    }
    if (strlen(word[0].text) > 28) {
        ipt_note(parser, true, 2, word[0].end, g_strdup_printf("chain name \"%s\" is too long", word[0].text),
                 "28 characters at most");
        return;
    }
    is_base = base_chain(parser->table, word[0].text, &spec);
    /* "-" leaves the policy as it is, that is ACCEPT. */
    if (is_base && strcmp(word[1].text, "ACCEPT") != 0 && strcmp(word[1].text, "DROP") != 0 &&
        strcmp(word[1].text, "-") != 0) {
        ipt_note(parser, true, 2 + word[1].start, word[1].end - word[1].start,
                 g_strdup_printf("built-in chain %s has policy \"%s\"", word[0].text, word[1].text),
                 "the policy is ACCEPT or DROP");
        return;
    }
    if (g_hash_table_contains(parser->declared, word[0].text)) {
        ipt_note(parser, true, 2, word[0].end, g_strdup_printf("chain %s is declared twice", word[0].text), NULL);
        return;
    }
    if (is_base && strcmp(word[1].text, "DROP") == 0)
        spec.policy = NF_DROP;
    spec.id = nf_chain_id(parser->names, parser->table, word[0].text);
    g_ptr_array_add(parser->builders, nf_chain_builder_new(parser->names, &spec));
    g_hash_table_insert(parser->declared, g_strdup(word[0].text), GUINT_TO_POINTER(parser->builders->len));
}

/* "[packets:bytes] -A CHAIN ..." */
static void
parse_append(IptParser *parser, const char *line)
{
    g_autoptr(GArray) words = split_words(line);
    const IptToken *word = (const IptToken *)(void *)words->data;
    uint32_t pos = words->len && word[0].text[0] == '[' ? 1 : 0, number;

    if (words->len < pos + 2 || (strcmp(word[pos].text, "-A") != 0 && strcmp(word[pos].text, "--append") != 0)) {
        ipt_note(parser, true, 1, (uint32_t)strlen(line), g_strdup("only -A CHAIN ... makes sense in a dump"),
                 "input for iptables-restore may hold more: load it and take iptables-save's output");
        return;
    }
    if (!parser->table) {
        ipt_note(parser, true, 1, (uint32_t)strlen(line), g_strdup("a rule outside of a table"),
                 "a line like *filter goes before");
        return;
    }
    number = GPOINTER_TO_UINT(g_hash_table_lookup(parser->declared, word[pos + 1].text));
    if (!number) {
        ipt_note(parser, true, word[pos + 1].start + 1, word[pos + 1].end - word[pos + 1].start,
                 g_strdup_printf("table %s has no chain \"%s\"", parser->table, word[pos + 1].text),
                 "chains are declared by a line like :NAME - [0:0]");
        return;
    }
    ipt_parse_rule(parser, line, words, pos + 2, g_ptr_array_index(parser->builders, number - 1));
}

static void
end_table(IptParser *parser)
{
    for (uint32_t i = 0; i < parser->builders->len; i++) {
        NfChain *chain = nf_chain_seal(g_steal_pointer(&g_ptr_array_index(parser->builders, i)));
        nf_ruleset_put_chain(parser->rs, chain);
    }
    drop_table(parser);
}

static void
drop_table(IptParser *parser)
{
    g_ptr_array_set_size(parser->builders, 0);
    g_hash_table_remove_all(parser->declared);
    parser->table = NULL;
}

/* As iptables-restore: blanks separate, double quotes hold together, a backslash in quotes takes the next character. */
static GArray *
split_words(const char *line)
{
    GArray *words = g_array_new(FALSE, FALSE, sizeof(IptToken));
    const char *at = line;

    g_array_set_clear_func(words, free_token);
    for (;;) {
        IptToken token = {0};
        GString *text;
        bool open = false;

        at += strspn(at, " \t");
        if (!*at)
            return words;
        text = g_string_new(NULL);
        token.start = (uint32_t)(at - line);
        for (; *at && (open || (*at != ' ' && *at != '\t')); at++) {
            if (*at == '"') {
                open = !open;
                token.quoted = true;
            } else if (open && *at == '\\' && at[1]) {
                g_string_append_c(text, *++at);
            } else {
                g_string_append_c(text, *at);
            }
        }
        token.end = (uint32_t)(at - line);
        token.text = g_string_free(text, FALSE);
        g_array_append_val(words, token);
    }
}

static void
free_token(gpointer token)
{
    g_free(((IptToken *)token)->text);
}

static void
free_note(gpointer data)
{
    NfParseNote *note = data;

    g_free(note->message);
    g_free(note->hint);
    g_free(note);
}

/* Fills hook, type and priority if 'name' is built in (net/ipv4/netfilter/iptable_*.c). */
static bool
base_chain(const char *table, const char *name, NfChainSpec *ret_spec)
{
    static const struct {
        const char *table;
        NfHook hook;
        NfChainType type;
        int32_t priority;
    } chains[] = {
        {"raw", NF_PREROUTING, NF_TYPE_FILTER_CHAIN, NF_PRI_RAW},
        {"raw", NF_OUTPUT, NF_TYPE_FILTER_CHAIN, NF_PRI_RAW},
        {"mangle", NF_PREROUTING, NF_TYPE_FILTER_CHAIN, NF_PRI_MANGLE},
        {"mangle", NF_INPUT, NF_TYPE_FILTER_CHAIN, NF_PRI_MANGLE},
        {"mangle", NF_FORWARD, NF_TYPE_FILTER_CHAIN, NF_PRI_MANGLE},
        {"mangle", NF_OUTPUT, NF_TYPE_ROUTE_CHAIN, NF_PRI_MANGLE},
        {"mangle", NF_POSTROUTING, NF_TYPE_FILTER_CHAIN, NF_PRI_MANGLE},
        {"nat", NF_PREROUTING, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_DST},
        {"nat", NF_INPUT, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_SRC},
        {"nat", NF_OUTPUT, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_DST},
        {"nat", NF_POSTROUTING, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_SRC},
        {"filter", NF_INPUT, NF_TYPE_FILTER_CHAIN, NF_PRI_FILTER},
        {"filter", NF_FORWARD, NF_TYPE_FILTER_CHAIN, NF_PRI_FILTER},
        {"filter", NF_OUTPUT, NF_TYPE_FILTER_CHAIN, NF_PRI_FILTER},
        {"security", NF_INPUT, NF_TYPE_FILTER_CHAIN, NF_PRI_SECURITY},
        {"security", NF_FORWARD, NF_TYPE_FILTER_CHAIN, NF_PRI_SECURITY},
        {"security", NF_OUTPUT, NF_TYPE_FILTER_CHAIN, NF_PRI_SECURITY},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(chains); i++) {
        if (strcmp(chains[i].table, table) != 0 || strcmp(nf_hook_name(chains[i].hook, true), name) != 0)
            continue;
        ret_spec->is_base = true;
        ret_spec->hook = chains[i].hook;
        ret_spec->type = chains[i].type;
        ret_spec->priority = chains[i].priority;
        return true;
    }
    return false;
}
