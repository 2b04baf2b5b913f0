/* `nft list ruleset` (src/rule.c of nftables 1.0.6): a table's sets and maps, then its chains, each in order of
 * creation */

#include <stdlib.h>
#include <string.h>

#include "sim/netfilter/nf_chain.h"
#include "sim/netfilter/nf_text.h"
#include "sim/netfilter/nft_print.h"

static void print_set(GString *out, const NfRuleset *rs, const NfState *state, const NfSet *set);
static void print_elements(GString *out, const NfRuleset *rs, const NfState *state, const NfSet *set);
static void print_dynamic(const NfDynElem *elem, void *user);
static void print_delimiter(GString *out, const NfSetSpec *spec, IpFamily family, size_t *count);
static void print_chain(GString *out, const NfRuleset *rs, uint32_t id);
static void print_priority(GString *out, NfHook hook, int32_t priority);

void
nf_print_nft_ruleset(GString *out, const NfRuleset *rs, const NfState *state)
{
    const NfNames *names = nf_ruleset_names(rs);
    const char *tables[8];
    size_t n_tables = nf_ruleset_tables(rs, tables), n_sets, n_chains;
    g_autofree uint32_t *sets = nf_ruleset_set_ids(rs, &n_sets);
    g_autofree uint32_t *chains = nf_ruleset_chain_ids(rs, &n_chains);

    for (size_t t = 0; t < n_tables; t++) {
        const char *gap = "";

        g_string_append_printf(out, "table %s %s {\n", nf_ruleset_family(rs) == FAMILY_IPV6 ? "ip6" : "ip", tables[t]);
        if (nf_ruleset_comment(rs) != NF_NO_ID)
            g_string_append_printf(out, "\tcomment \"%s\"\n", nf_text(names, nf_ruleset_comment(rs)));
        for (size_t i = 0; i < n_sets; i++) {
            const NfSet *set = nf_ruleset_set(rs, sets[i]);
            if (nf_set_spec(set)->anonymous || strcmp(nf_set_table(names, sets[i]), tables[t]) != 0)
                continue;
            g_string_append(out, gap);
            print_set(out, rs, state, set);
            gap = "\n";
        }
        for (size_t i = 0; i < n_chains; i++) {
            if (strcmp(nf_chain_table(names, chains[i]), tables[t]) != 0)
                continue;
            g_string_append(out, gap);
            print_chain(out, rs, chains[i]);
            gap = "\n";
        }
        g_string_append(out, "}\n");
    }
}

static void
print_set(GString *out, const NfRuleset *rs, const NfState *state, const NfSet *set)
{
    const NfSetSpec *spec = nf_set_spec(set);
    const NfNames *names = nf_ruleset_names(rs);
    bool map = spec->kind == NF_SET_MAP;

    g_string_append_printf(out, "\t%s %s {\n\t\ttype ", map ? "map" : "set", nf_set_name(names, spec->id));
    nft_print_type(out, rs, spec);
    g_string_append(out, map ? " : verdict\n" : "\n");
    if (spec->dynamic)
        g_string_append(out, "\t\tsize 65535\n"); /* The kernel's default for sets that packets fill. */
    if (spec->dynamic || spec->interval || spec->timeout_s) {
        const char *comma = "";
        g_string_append(out, "\t\tflags ");
        if (spec->interval) {
            g_string_append(out, "interval");
            comma = ",";
        }
        if (spec->dynamic) {
            g_string_append_printf(out, "%sdynamic", comma);
            comma = ",";
        }
        if (spec->timeout_s)
            g_string_append_printf(out, "%stimeout", comma);
        g_string_append_c(out, '\n');
    }
    if (spec->timeout_s) {
        g_string_append(out, "\t\ttimeout ");
        nft_print_time(out, (uint64_t)spec->timeout_s * 1000);
        g_string_append_c(out, '\n');
    }
    if (spec->comment != NF_NO_ID)
        g_string_append_printf(out, "\t\tcomment \"%s\"\n", nf_text(names, spec->comment));
    print_elements(out, rs, state, set);
    g_string_append(out, "\t}\n");
}

typedef struct {
    GString *out;
    const NfSetSpec *spec;
    size_t n, count;
    SimTime now;
} Dynamic;

static void
print_elements(GString *out, const NfRuleset *rs, const NfState *state, const NfSet *set)
{
    const NfSetSpec *spec = nf_set_spec(set);
    size_t n, count = 0;
    g_autofree const NfElem **elems = nft_sorted_elements(set, &n);

    if (spec->dynamic) {
        Dynamic dynamic = {.out = out, .spec = spec};
        if (state) {
            dynamic.now = nf_state_now(state);
            nf_state_dynamic_set(state, spec->id, print_dynamic, &dynamic);
        }
        if (dynamic.n)
            g_string_append(out, " }\n");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (i)
            print_delimiter(out, spec, nf_ruleset_family(rs), &count);
        else
            g_string_append(out, "\t\telements = { ");
        nft_print_element(out, rs, spec, elems[i]);
    }
    if (n)
        g_string_append(out, " }\n");
}

static void
print_dynamic(const NfDynElem *elem, void *user)
{
    Dynamic *d = user;
    char addr[IPADDR_STR_SIZE];

    if (d->n++)
        print_delimiter(d->out, d->spec, ipaddr_family(&elem->addr), &d->count);
    else
        g_string_append(d->out, "\t\telements = { ");
    g_string_append(d->out, ipaddr_format(elem->addr, addr));
    if (elem->expires != SIMTIME_NEVER) {
        g_string_append(d->out, " expires ");
        nft_print_time(d->out, (uint64_t)(elem->expires - d->now) / 1000000);
    }
}

/* Addresses stand two in a line, numbers five, everything else alone (calculate_delim()). */
static void
print_delimiter(GString *out, const NfSetSpec *spec, IpFamily family, size_t *count)
{
    NfKeyField field = spec->n_fields == 1 ? (NfKeyField)(spec->fields & 15) : NF_KEY_NONE;
    size_t in_line = 1;

    switch (field) {
    case NF_KEY_SADDR:
    case NF_KEY_DADDR:
        in_line = family == FAMILY_IPV6 ? 1 : 2;
        break;
    case NF_KEY_PROTO:
    case NF_KEY_SPORT:
    case NF_KEY_DPORT:
    case NF_KEY_MARK:
        in_line = 5;
        break;
    case NF_KEY_NONE:
    case NF_KEY_IIF:
    case NF_KEY_OIF:
        break;
    }
    if (++*count < in_line) {
        g_string_append(out, ", ");
        return;
    }
    *count = 0;
    g_string_append(out, ",\n\t\t\t     ");
}

static void
print_chain(GString *out, const NfRuleset *rs, uint32_t id)
{
    static const char *const types[] = {"filter", "nat", "route"};
    NfChain *chain = nf_ruleset_take_chain(rs, id);
    const NfChainSpec *spec = nf_chain_spec(chain);
    const NfNames *names = nf_ruleset_names(rs);

    g_string_append_printf(out, "\tchain %s {\n", nf_chain_name(names, spec->id));
    if (spec->comment != NF_NO_ID)
        g_string_append_printf(out, "\t\tcomment \"%s\"\n", nf_text(names, spec->comment));
    if (spec->is_base) {
        g_string_append_printf(out, "\t\ttype %s hook %s priority ", types[spec->type],
                               nf_hook_name(spec->hook, false));
        print_priority(out, spec->hook, spec->priority);
        g_string_append_printf(out, "; policy %s;\n", spec->policy == NF_ACCEPT ? "accept" : "drop");
    }
    for (uint32_t i = 0; i < nf_chain_n_rules(chain); i++) {
        g_string_append(out, "\t\t");
        nft_print_rule(out, rs, chain, i, NFT_LIST);
        g_string_append_c(out, '\n');
    }
    nf_chain_unref(chain);
    g_string_append(out, "\t}\n");
}

/* "dstnat - 10": a name if one is within ten. */
static void
print_priority(GString *out, NfHook hook, int32_t priority)
{
    static const struct {
        const char *name;
        int32_t priority;
        int hook; /* -1: all. */
    } names[] = {
        {"raw", NF_PRI_RAW, -1},       {"mangle", NF_PRI_MANGLE, -1},     {"dstnat", NF_PRI_NAT_DST, NF_PREROUTING},
        {"filter", NF_PRI_FILTER, -1}, {"security", NF_PRI_SECURITY, -1}, {"srcnat", NF_PRI_NAT_SRC, NF_POSTROUTING}};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        int32_t offset = priority - names[i].priority;
        if (ABS(offset) > 10 || (names[i].hook >= 0 && names[i].hook != (int)hook))
            continue;
        g_string_append(out, names[i].name);
        if (offset)
            g_string_append_printf(out, " %c %d", offset > 0 ? '+' : '-', ABS(offset));
        return;
    }
    g_string_append_printf(out, "%d", priority);
}
