/* `iptables -L` (iptables 1.8.9, nf_tables back end: iptables/nft-shared.c, xshared.c)
 *
 * Names come from the rules alone: addresses, ports and users are numbers even without -n, as on a machine whose
 * /etc/hosts, /etc/services and /etc/passwd are empty.                                                               */

#include <string.h>

#include "sim/engine/htable.h"
#include "sim/netfilter/ipt_names.h"
#include "sim/netfilter/ipt_print.h"
#include "sim/netfilter/nf_text.h"

typedef struct {
    GString *out;
    const NfRuleset *rs;
    const NfState *state;
    const NfListOptions *options;
} List;

static void print_chain(const List *list, const NfChain *chain, const HTable *references);
static void count_references(HTable *references, const NfChain *const *chains, size_t n);
static void print_header(const List *list);
static void print_rule(const List *list, const NfChain *chain, uint32_t index);
static void print_number(const List *list, uint64_t number, bool in_columns);
static void print_address(const List *list, const NfExpr *e);
static void print_interface(const List *list, const NfExpr *e, const NfNames *names);
static const char *find_fragment(const NfExpr *exprs, uint32_t n, const NfNames *names);

bool
nf_print_iptables_list(GString *out, const NfRuleset *rs, const NfState *state, const char *table,
                       const NfListOptions *options)
{
    List list = {out, rs, state, options};
    size_t n, n_printed = 0;
    g_autofree IptChain *ids = ipt_table_chains(rs, table, &n);
    g_autofree const NfChain **chains = g_new(const NfChain *, n + 1);
    HTable references;

    for (size_t i = 0; i < n; i++)
        chains[i] = nf_ruleset_chain(rs, ids[i].id);
    htable_init(&references, sizeof(uint32_t), sizeof(uint32_t));
    count_references(&references, chains, n);
    for (size_t i = 0; i < n; i++) {
        const char *name = nf_chain_name(nf_ruleset_names(rs), nf_chain_spec(chains[i])->id);
        if (options->chain && strcmp(options->chain, name) != 0)
            continue;
        if (n_printed++)
            g_string_append_c(out, '\n');
        print_chain(&list, chains[i], &references);
    }
    htable_clear(&references);
    return n_printed || !options->chain;
}

static void
print_chain(const List *list, const NfChain *chain, const HTable *references)
{
    const NfChainSpec *spec = nf_chain_spec(chain);
    GString *out = list->out;
    NfCounter counter = {0, 0};

    g_string_append_printf(out, "Chain %s (", nf_chain_name(nf_ruleset_names(list->rs), spec->id));
    if (spec->is_base) {
        g_string_append_printf(out, "policy %s", spec->policy == NF_ACCEPT ? "ACCEPT" : "DROP");
        if (list->options->verbose) {
            if (list->state)
                counter = nf_state_counter(list->state, list->rs, spec->id, nf_chain_n_rules(chain));
            g_string_append_c(out, ' ');
            print_number(list, counter.packets, false);
            g_string_append(out, "packets, ");
            print_number(list, counter.bytes, false);
            g_string_append(out, "bytes");
        }
        g_string_append(out, ")\n");
    } else {
        const uint32_t *count = htable_find(references, &spec->id);
        g_string_append_printf(out, "%u references)\n", count ? *count : 0);
    }
    print_header(list);
    for (uint32_t i = 0; i < nf_chain_n_rules(chain); i++)
        print_rule(list, chain, i);
}

/* Jumps and gotos to each chain, by its id. */
static void
count_references(HTable *references, const NfChain *const *chains, size_t n)
{
    for (size_t c = 0; c < n; c++) {
        for (uint32_t r = 0; r < nf_chain_n_rules(chains[c]); r++) {
            const NfRule *rule = nf_chain_rule(chains[c], r);
            const NfExpr *last = rule->n ? nf_chain_exprs(chains[c], r) + rule->n - 1 : NULL;
            if (last && (last->op == NFX_JUMP || last->op == NFX_GOTO))
                ++*(uint32_t *)htable_insert(references, &last->a, NULL);
        }
    }
}

static void
print_header(const List *list)
{
    GString *out = list->out;

    if (list->options->line_numbers)
        g_string_append_printf(out, "%-4s ", "num");
    if (list->options->verbose) {
        if (list->options->exact)
            g_string_append_printf(out, "%8s %10s ", "pkts", "bytes");
        else
            g_string_append_printf(out, "%5s %5s ", "pkts", "bytes");
    }
    g_string_append_printf(out, "%-9s  prot opt", "target");
    if (list->options->verbose)
        g_string_append_printf(out, " %-6s %-6s ", "in", "out");
    g_string_append_printf(out, " %-19s  %-19s \n", "source", "destination");
}

static void
print_rule(const List *list, const NfChain *chain, uint32_t index)
{
    const NfListOptions *options = list->options;
    IptPrinter p = {list->out, list->rs, nf_ruleset_names(list->rs), chain, IPT_SAVE};
    const NfRule *rule = nf_chain_rule(chain, index);
    const NfExpr *exprs = nf_chain_exprs(chain, index), *ip[NFX_PROTO + 1] = {NULL}, *target = NULL;
    const char *fragment = find_fragment(exprs, rule->n, p.names), *protocol;
    char name[64], number[8];

    for (uint32_t i = 0; i < rule->n; i++) {
        if (ipt_part(&exprs[i]) == IPT_PART_IP)
            ip[exprs[i].op] = &exprs[i];
        else if (ipt_part(&exprs[i]) == IPT_PART_TARGET)
            target = &exprs[i];
    }
    if (options->line_numbers)
        g_string_append_printf(p.out, "%-4u ", index + 1);
    if (options->verbose) {
        NfCounter counter = {0, 0};
        if (list->state)
            counter = nf_state_counter(list->state, list->rs, nf_chain_spec(chain)->id, index);
        print_number(list, counter.packets, true);
        print_number(list, counter.bytes, true);
    }
    g_string_append_printf(p.out, "%-9s ", target ? ipt_list_target_name(&p, target, name, sizeof name) : "");

    g_string_append_c(p.out, ip[NFX_PROTO] && ip[NFX_PROTO]->neg ? '!' : ' ');
    g_snprintf(number, sizeof number, "%u", ip[NFX_PROTO] ? ip[NFX_PROTO]->a : 0);
    protocol = number;
    if (!options->numeric)
        protocol = ip[NFX_PROTO] ? ipt_name_of(IPT_PROTOCOLS, ip[NFX_PROTO]->a) : "all";
    g_string_append_printf(p.out, "%-4s %s ", protocol ? protocol : number, fragment);

    if (options->verbose) {
        g_string_append_c(p.out, ' ');
        print_interface(list, ip[NFX_IIF], p.names);
        print_interface(list, ip[NFX_OIF], p.names);
    }
    print_address(list, ip[NFX_SADDR]);
    print_address(list, ip[NFX_DADDR]);
    if (target && target->op == NFX_GOTO)
        g_string_append(p.out, "[goto] ");
    for (uint32_t i = 0; i < rule->n; i++)
        if (ipt_part(&exprs[i]) == IPT_PART_MATCH)
            ipt_list_match(&p, &exprs[i], options->numeric);
    if (target)
        ipt_list_target(&p, target, options->numeric);
    g_string_append_c(p.out, '\n');
}

/* "  123 ", " 123K ". */
static void
print_number(const List *list, uint64_t number, bool in_columns)
{
    static const char units[] = "KMGT";
    int width = in_columns ? 4 : 0;

    if (list->options->exact) {
        g_string_append_printf(list->out, "%*" G_GUINT64_FORMAT " ", in_columns ? 8 : 0, number);
        return;
    }
    if (number <= 99999) {
        g_string_append_printf(list->out, "%*" G_GUINT64_FORMAT " ", in_columns ? 5 : 0, number);
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        number = (number + 500) / 1000;
        if (number <= 9999 || i == 3) {
            g_string_append_printf(list->out, "%*" G_GUINT64_FORMAT "%c ", width, number, units[i]);
            return;
        }
    }
}

static void
print_address(const List *list, const NfExpr *e)
{
    bool v6 = nf_ruleset_family(list->rs) == FAMILY_IPV6;
    char addr[IPADDR_STR_SIZE], text[IPADDR_STR_SIZE + 5];

    if (!e) {
        g_strlcpy(text, !list->options->numeric ? "anywhere" : v6 ? "::/0" : "0.0.0.0/0", sizeof text);
    } else {
        ipaddr_format(e->addr, addr);
        if (e->len == (v6 ? 128 : 32))
            g_strlcpy(text, addr, sizeof text);
        else
            g_snprintf(text, sizeof text, "%s/%u", addr, e->len);
    }
    g_string_append_printf(list->out, "%c%-19s ", e && e->neg ? '!' : ' ', text);
}

static void
print_interface(const List *list, const NfExpr *e, const NfNames *names)
{
    char text[32];

    if (e)
        g_snprintf(text, sizeof text, "%s%s%s", e->neg ? "!" : "", nf_text(names, e->a), e->len ? "+" : "");
    else
        g_strlcpy(text, list->options->numeric ? "*" : "any", sizeof text);
    g_string_append_printf(list->out, "%-6s ", text);
}

/* The option column: "-f" is kept as an unmodelled match. */
static const char *
find_fragment(const NfExpr *exprs, uint32_t n, const NfNames *names)
{
    for (uint32_t i = 0; i < n; i++) {
        if (exprs[i].op != NFX_UNKNOWN_MATCH)
            continue;
        if (strcmp(nf_text(names, exprs[i].a), "-f") == 0)
            return "-f";
        if (strcmp(nf_text(names, exprs[i].a), "! -f") == 0)
            return "!f";
    }
    return "--";
}
