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

/* What chains are sorted by: built-in ones first, by hook, then by name. */
typedef struct {
    uint8_t head[16]; /* The name's first bytes, so that few comparisons touch the text; of a built-in one 0, hook. */
    IptChain chain;
} ChainKey;

static ChainKey chain_key(const NfRuleset *rs, uint32_t id);
static void sort_keys(ChainKey *keys, ChainKey *spare, size_t n, size_t n_equal);
static int compare_keys(const void *a, const void *b);
static void print_chain_line(GString *out, const NfRuleset *rs, const NfState *state, const IptChain *chain);
static const char *policy_name(NfVerdict policy);
static void print_rule(const IptPrinter *p, const char *chain_name, size_t chain_name_len, uint32_t index);
static void print_rules(GString *out, const NfRuleset *rs, const NfState *state, uint32_t id);
static void print_rules_by_id(GString *out, const NfRuleset *rs, const NfState *state, const char *table,
                              const IptChain *chains, size_t n);

#define PRINT_BY_ID_MIN 1000
#define SORT_FEW        16 /* Keys that are compared, not counted. */

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
    IptPrinter p = {out, rs, nf_ruleset_names(rs), chain, IPT_SAVE};
    const char *name = nf_chain_name(p.names, id);
    size_t name_len = strlen(name);

    for (uint32_t r = 0; r < nf_chain_n_rules(chain); r++) {
        if (state) {
            NfCounter counter = nf_state_counter(state, rs, id, r);
            g_string_append_printf(out, "[%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT "] ", counter.packets,
                                   counter.bytes);
        }
        print_rule(&p, name, name_len, r);
        TEXT_LIT(out, "\n");
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
    const char *name = nf_chain_name(p.names, nf_chain_spec(chain)->id);

    print_rule(&p, name, strlen(name), index);
}

static void
print_rule(const IptPrinter *p, const char *chain_name, size_t chain_name_len, uint32_t index)
{
    const NfRule *rule = nf_chain_rule(p->chain, index);
    const NfExpr *exprs = nf_chain_exprs(p->chain, index);

    TEXT_LIT(p->out, "-A ");
    text_append(p->out, chain_name, chain_name_len);
    for (uint32_t i = 0; i < rule->n; i++) {
        switch (ipt_part(&exprs[i])) {
        case IPT_PART_IP:
            ipt_print_ip(p, &exprs[i]);
            break;
        case IPT_PART_MATCH:
            ipt_print_match(p, &exprs[i]);
            break;
        case IPT_PART_TARGET:
            ipt_print_target(p, &exprs[i]);
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
    g_autofree ChainKey *keys = g_new(ChainKey, n_ids + 1), *spare = g_new(ChainKey, n_ids + 1);
    IptChain *chains;

    for (size_t i = 0; i < n_ids; i++)
        if (strcmp(nf_chain_table(names, ids[i]), table) == 0)
            keys[n++] = chain_key(rs, ids[i]);
    sort_keys(keys, spare, n, 0);
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

    if (nf_ruleset_is_base_chain(rs, id))
        key.head[1] = (uint8_t)nf_chain_spec(nf_ruleset_chain(rs, id))->hook;
    else
        memcpy(key.head, key.chain.name, strnlen(key.chain.name, sizeof key.head));
    return key;
}

/* Many by the byte after the 'n_equal' that are equal, then those of each byte for themselves: names are hashes, and
 * every second comparison of two would surprise the processor.  'spare' has room for 'n'. */
static void
sort_keys(ChainKey *keys, ChainKey *spare, size_t n, size_t n_equal)
{
    size_t ends[UINT8_MAX + 1] = {0}, end = 0;

    if (n <= SORT_FEW || n_equal == sizeof keys->head) {
        qsort(keys, n, sizeof *keys, compare_keys);
        return;
    }
    for (size_t i = 0; i < n; i++)
        ends[keys[i].head[n_equal]]++;
    if (ends[keys->head[n_equal]] == n) {
        sort_keys(keys, spare, n, n_equal + 1);
        return;
    }
    for (size_t byte = 0; byte <= UINT8_MAX; byte++)
        ends[byte] = end += ends[byte];
    memcpy(spare, keys, n * sizeof *keys);
    for (size_t i = n; i-- > 0;)
        keys[--ends[spare[i].head[n_equal]]] = spare[i];
    /* Ends are starts now. */
    for (size_t byte = 0; byte <= UINT8_MAX; byte++) {
        end = byte < UINT8_MAX ? ends[byte + 1] : n;
        if (end - ends[byte] > 1)
            sort_keys(keys + ends[byte], spare, end - ends[byte], n_equal + 1);
    }
}

static int
compare_keys(const void *a, const void *b)
{
    const ChainKey *x = a, *y = b;
    int order = memcmp(x->head, y->head, sizeof x->head);

    return order ? order : strcmp(x->chain.name, y->chain.name);
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
