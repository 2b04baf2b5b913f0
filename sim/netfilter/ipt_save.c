/* iptables-save: rules and dumps
 *
 * A dump lists, per table, the chains (built-in ones in the order of the hooks, then the others by name) and then the
 * rules of each chain in the same order (iptables 1.8.9, iptables/nft.c, and its legacy twin).                       */

#include <stdlib.h>
#include <string.h>

#include "sim/engine/text_out.h"
#include "sim/netfilter/ipt_print.h"
#include "sim/netfilter/nf_chain.h"
#include "sim/netfilter/nf_text.h"

/* What chains are sorted by: built-in ones first, by hook, then by name.  Of a name the first bytes lie in the key, so
 * that few comparisons touch the text. */
typedef struct {
    uint64_t head[3];
    IptChain chain;
} ChainKey;

static ChainKey chain_key(const NfRuleset *rs, uint32_t id);
static int compare_keys(const void *a, const void *b);
static void print_chain_line(GString *out, const NfRuleset *rs, const NfState *state, const IptChain *chain);
static const char *policy_name(NfVerdict policy);
static void print_rules(GString *out, const NfRuleset *rs, const NfState *state, uint32_t id);
static void print_rules_by_id(GString *out, const NfRuleset *rs, const NfState *state, const char *table,
                              const IptChain *chains, size_t n);

#define PRINT_BY_ID_MIN 1000

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
        g_autofree IptChain *chains = ipt_table_chains(rs, tables[t], &n_chains);

        g_string_append_printf(out, "*%s\n", tables[t]);
        for (size_t i = 0; i < n_chains; i++)
            print_chain_line(out, rs, state, &chains[i]);
        if (n_chains < PRINT_BY_ID_MIN)
            for (size_t i = 0; i < n_chains; i++)
                print_rules(out, rs, state, chains[i].id);
        else
            print_rules_by_id(out, rs, state, tables[t], chains, n_chains);
        g_string_append(out, "COMMIT\n");
    }
}

static void
print_rules(GString *out, const NfRuleset *rs, const NfState *state, uint32_t id)
{
    NfChain *chain = nf_ruleset_take_chain(rs, id);

    for (uint32_t r = 0; r < nf_chain_n_rules(chain); r++) {
        if (state) {
            NfCounter counter = nf_state_counter(state, rs, id, r);
            g_string_append_printf(out, "[%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT "] ", counter.packets,
                                   counter.bytes);
        }
        nf_print_iptables_rule(out, rs, chain, r);
        g_string_append_c(out, '\n');
    }
    nf_chain_unref(chain);
}

/* Names are hashes: in their order, every step to the next chain would miss the caches.  So rules are printed in the
 * order of ids, which is that of Services and endpoints, and then put in the order of names. */
static void
print_rules_by_id(GString *out, const NfRuleset *rs, const NfState *state, const char *table, const IptChain *chains,
                  size_t n)
{
    size_t n_ids, before = out->len;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rs, &n_ids);
    g_autofree size_t *starts = g_new(size_t, ids[n_ids - 1] + 1), *ends = g_new(size_t, ids[n_ids - 1] + 1);
    g_autoptr(GString) rules = g_string_new(NULL);

    for (size_t i = 0; i < n_ids; i++) {
        if (strcmp(nf_chain_table(nf_ruleset_names(rs), ids[i]), table) != 0)
            continue;
        starts[ids[i]] = rules->len;
        print_rules(rules, rs, state, ids[i]);
        ends[ids[i]] = rules->len;
    }
    g_string_set_size(out, before + rules->len); /* Room for all, at once. */
    g_string_truncate(out, before);
    for (size_t i = 0; i < n; i++)
        g_string_append_len(out, rules->str + starts[chains[i].id],
                            (gssize)(ends[chains[i].id] - starts[chains[i].id]));
}

void
nf_print_iptables_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index)
{
    IptPrinter p = {out, rs, nf_ruleset_names(rs), chain, IPT_SAVE};
    const NfRule *rule = nf_chain_rule(chain, index);
    const NfExpr *exprs = nf_chain_exprs(chain, index);

    TEXT_LIT(out, "-A ");
    text_str(out, nf_chain_name(p.names, nf_chain_spec(chain)->id));
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

IptChain *
ipt_table_chains(const NfRuleset *rs, const char *table, size_t *ret_n)
{
    const NfNames *names = nf_ruleset_names(rs);
    size_t n_ids, n = 0;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rs, &n_ids);
    g_autofree ChainKey *keys = g_new(ChainKey, n_ids + 1);
    IptChain *chains;

    for (size_t i = 0; i < n_ids; i++)
        if (strcmp(nf_chain_table(names, ids[i]), table) == 0)
            keys[n++] = chain_key(rs, ids[i]);
    qsort(keys, n, sizeof *keys, compare_keys);
    chains = g_new(IptChain, n + 1);
    for (size_t i = 0; i < n; i++)
        chains[i] = keys[i].chain;
    *ret_n = n;
    return chains;
}

static ChainKey
chain_key(const NfRuleset *rs, uint32_t id)
{
    ChainKey key = {.chain = {nf_chain_name(nf_ruleset_names(rs), id), id}};
    const char *name = key.chain.name;

    if (nf_ruleset_is_base_chain(rs, id)) {
        key.head[1] = nf_chain_spec(nf_ruleset_chain(rs, id))->hook;
        return key;
    }
    key.head[0] = 1;
    for (size_t i = 0; i < 16 && name[i]; i++)
        key.head[1 + i / 8] |= (uint64_t)(uint8_t)name[i] << (56 - i % 8 * 8);
    return key;
}

static int
compare_keys(const void *a, const void *b)
{
    const ChainKey *x = a, *y = b;

    for (size_t i = 0; i < G_N_ELEMENTS(x->head); i++)
        if (x->head[i] != y->head[i])
            return x->head[i] < y->head[i] ? -1 : 1;
    return strcmp(x->chain.name, y->chain.name);
}

static void
print_chain_line(GString *out, const NfRuleset *rs, const NfState *state, const IptChain *chain)
{
    const NfChain *base = nf_ruleset_is_base_chain(rs, chain->id) ? nf_ruleset_chain(rs, chain->id) : NULL;
    NfCounter counter = {0, 0};

    if (state && base)
        counter = nf_state_counter(state, rs, chain->id, nf_chain_n_rules(base));
    TEXT_LIT(out, ":");
    text_str(out, chain->name);
    TEXT_LIT(out, " ");
    text_str(out, base ? policy_name(nf_chain_spec(base)->policy) : "-");
    TEXT_LIT(out, " [");
    text_u64(out, counter.packets);
    TEXT_LIT(out, ":");
    text_u64(out, counter.bytes);
    TEXT_LIT(out, "]\n");
}

static const char *
policy_name(NfVerdict policy)
{
    return policy == NF_ACCEPT ? "ACCEPT" : "DROP";
}
