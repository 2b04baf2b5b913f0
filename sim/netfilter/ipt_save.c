/* iptables-save: rules and dumps
 *
 * A dump lists, per table, the chains (built-in ones in the order of the hooks, then the others by name) and then the
 * rules of each chain in the same order (iptables 1.8.9, iptables/nft.c, and its legacy twin).                       */

#include <stdlib.h>
#include <string.h>

#include "sim/netfilter/ipt_print.h"
#include "sim/netfilter/nf_text.h"

static int compare_chains(const void *a, const void *b, void *names);
static void print_chain_line(GString *out, const NfRuleset *rs, const NfState *state, const NfChain *chain);
static const char *policy_name(NfVerdict policy);

void
nf_print_iptables_save(GString *out, const NfRuleset *rs)
{
    nf_print_iptables_save_counters(out, rs, NULL);
}

void
nf_print_iptables_save_counters(GString *out, const NfRuleset *rs, const NfState *state)
{
    const char *tables[8];
    size_t n_tables = nf_ruleset_tables(rs, tables);

    for (size_t t = 0; t < n_tables; t++) {
        size_t n_chains;
        g_autofree const NfChain **chains = ipt_table_chains(rs, tables[t], &n_chains);

        g_string_append_printf(out, "*%s\n", tables[t]);
        for (size_t i = 0; i < n_chains; i++)
            print_chain_line(out, rs, state, chains[i]);
        for (size_t i = 0; i < n_chains; i++) {
            for (uint32_t r = 0; r < nf_chain_n_rules(chains[i]); r++) {
                if (state) {
                    NfCounter counter = nf_state_counter(state, rs, nf_chain_spec(chains[i])->id, r);
                    g_string_append_printf(out, "[%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT "] ", counter.packets,
                                           counter.bytes);
                }
                nf_print_iptables_rule(out, rs, chains[i], r);
                g_string_append_c(out, '\n');
            }
        }
        g_string_append(out, "COMMIT\n");
    }
}

void
nf_print_iptables_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index)
{
    IptPrinter p = {out, rs, nf_ruleset_names(rs), chain, IPT_SAVE};
    const NfRule *rule = nf_chain_rule(chain, index);
    const NfExpr *exprs = nf_chain_exprs(chain, rule);

    g_string_append_printf(out, "-A %s", nf_chain_name(p.names, nf_chain_spec(chain)->id));
    for (uint32_t i = 0; i < rule->n; i++) {
        switch (ipt_part(&exprs[i])) {
        case IPT_PART_IP:
            ipt_print_ip(&p, &exprs[i]);
            break;
        case IPT_PART_MATCH:
            ipt_print_match(&p, &exprs[i]);
            break;
        case IPT_PART_TARGET:
            ipt_print_target(&p, &exprs[i]);
            break;
        }
    }
}

void
nf_print_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index)
{
    if (nf_ruleset_dialect(rs) == NF_DIALECT_NFT)
        nf_print_nft_rule(out, rs, chain, index);
    else
        nf_print_iptables_rule(out, rs, chain, index);
}

const NfChain **
ipt_table_chains(const NfRuleset *rs, const char *table, size_t *ret_n)
{
    const NfNames *names = nf_ruleset_names(rs);
    size_t n_ids, n = 0;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rs, &n_ids);
    const NfChain **chains = g_new(const NfChain *, n_ids + 1);

    for (size_t i = 0; i < n_ids; i++)
        if (strcmp(nf_chain_table(names, ids[i]), table) == 0)
            chains[n++] = nf_ruleset_chain(rs, ids[i]);
    g_qsort_with_data(chains, (int)n, sizeof *chains, compare_chains, (void *)names);
    *ret_n = n;
    return chains;
}

static int
compare_chains(const void *a, const void *b, void *names)
{
    const NfChainSpec *x = nf_chain_spec(*(const NfChain *const *)a), *y = nf_chain_spec(*(const NfChain *const *)b);

    if (x->is_base != y->is_base)
        return x->is_base ? -1 : 1;
    if (x->is_base)
        return (int)x->hook - (int)y->hook;
    return strcmp(nf_chain_name(names, x->id), nf_chain_name(names, y->id));
}

static void
print_chain_line(GString *out, const NfRuleset *rs, const NfState *state, const NfChain *chain)
{
    const NfChainSpec *spec = nf_chain_spec(chain);
    NfCounter counter = {0, 0};

    if (state && spec->is_base)
        counter = nf_state_counter(state, rs, spec->id, nf_chain_n_rules(chain));
    g_string_append_printf(out, ":%s %s [%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT "]\n",
                           nf_chain_name(nf_ruleset_names(rs), spec->id),
                           spec->is_base ? policy_name(spec->policy) : "-", counter.packets, counter.bytes);
}

static const char *
policy_name(NfVerdict policy)
{
    return policy == NF_ACCEPT ? "ACCEPT" : "DROP";
}
