/* kube-proxy's nftables rules as one transaction, in the form of knftables' dump: one "add" line an object
 *
 * Table, sets and maps, chains, rules, elements, each in order of creation.  Upstream's golden files group lines by
 * service; they are compared object by object. */

#include <string.h>

#include "sim/netfilter/nf_chain.h"
#include "sim/netfilter/nf_text.h"
#include "sim/netfilter/nft_print.h"

typedef struct {
    GString *out;
    const NfRuleset *rs;
    const NfNames *names;
    const char *ip;
} Transaction;

static void add_set(const Transaction *t, const NfSet *set);
static void add_chain(const Transaction *t, uint32_t id);
static void add_rules(const Transaction *t, uint32_t id);
static void add_elements(const Transaction *t, const NfSet *set);

void
nf_print_nft_transaction(GString *out, const NfRuleset *rs)
{
    Transaction t = {out, rs, nf_ruleset_names(rs), nf_ruleset_family(rs) == FAMILY_IPV6 ? "ip6" : "ip"};
    const char *tables[8];
    size_t n_tables = nf_ruleset_tables(rs, tables), n_sets, n_chains;
    g_autofree uint32_t *sets = nf_ruleset_set_ids(rs, &n_sets);
    g_autofree uint32_t *chains = nf_ruleset_chain_ids(rs, &n_chains);

    for (size_t i = 0; i < n_tables; i++) {
        g_string_append_printf(out, "add table %s %s", t.ip, tables[i]);
        if (nf_ruleset_comment(rs) != NF_NO_ID)
            g_string_append_printf(out, " { comment \"%s\" ; }", nf_text(t.names, nf_ruleset_comment(rs)));
        g_string_append_c(out, '\n');
    }
    for (size_t i = 0; i < n_sets; i++)
        if (!nf_set_spec(nf_ruleset_set(rs, sets[i]))->anonymous)
            add_set(&t, nf_ruleset_set(rs, sets[i]));
    for (size_t i = 0; i < n_chains; i++)
        add_chain(&t, chains[i]);
    for (size_t i = 0; i < n_chains; i++)
        add_rules(&t, chains[i]);
    for (size_t i = 0; i < n_sets; i++)
        if (!nf_set_spec(nf_ruleset_set(rs, sets[i]))->anonymous)
            add_elements(&t, nf_ruleset_set(rs, sets[i]));
}

static void
add_set(const Transaction *t, const NfSet *set)
{
    const NfSetSpec *spec = nf_set_spec(set);
    bool map = spec->kind == NF_SET_MAP;

    g_string_append_printf(t->out, "add %s %s %s %s { type ", map ? "map" : "set", t->ip,
                           nf_set_table(t->names, spec->id), nf_set_name(t->names, spec->id));
    nft_print_type(t->out, t->rs, spec);
    g_string_append(t->out, map ? " : verdict ;" : " ;");
    if (spec->interval)
        g_string_append(t->out, " flags interval ;");
    else if (spec->dynamic || spec->timeout_s)
        g_string_append_printf(t->out, " flags %s%s ;", spec->dynamic ? "dynamic" : "",
                               spec->timeout_s ? (spec->dynamic ? ",timeout" : "timeout") : "");
    if (spec->timeout_s)
        g_string_append_printf(t->out, " timeout %us ;", spec->timeout_s);
    if (spec->comment != NF_NO_ID)
        g_string_append_printf(t->out, " comment \"%s\" ;", nf_text(t->names, spec->comment));
    g_string_append(t->out, " }\n");
}

static void
add_chain(const Transaction *t, uint32_t id)
{
    static const char *const types[] = {"filter", "nat", "route"};
    NfChain *chain = nf_ruleset_take_chain(t->rs, id);
    const NfChainSpec *spec = nf_chain_spec(chain);

    g_string_append_printf(t->out, "add chain %s %s %s", t->ip, nf_chain_table(t->names, spec->id),
                           nf_chain_name(t->names, spec->id));
    if (spec->is_base || spec->comment != NF_NO_ID)
        g_string_append(t->out, " {");
    if (spec->is_base)
        g_string_append_printf(t->out, " type %s hook %s priority %d ;", types[spec->type],
                               nf_hook_name(spec->hook, false), spec->priority);
    if (spec->comment != NF_NO_ID)
        g_string_append_printf(t->out, " comment \"%s\" ;", nf_text(t->names, spec->comment));
    if (spec->is_base || spec->comment != NF_NO_ID)
        g_string_append(t->out, " }");
    g_string_append_c(t->out, '\n');
    nf_chain_unref(chain);
}

static void
add_rules(const Transaction *t, uint32_t id)
{
    NfChain *chain = nf_ruleset_take_chain(t->rs, id);

    for (uint32_t i = 0; i < nf_chain_n_rules(chain); i++) {
        g_string_append_printf(t->out, "add rule %s %s %s ", t->ip, nf_chain_table(t->names, id),
                               nf_chain_name(t->names, id));
        nft_print_rule(t->out, t->rs, chain, i, NFT_WRITTEN);
        g_string_append_c(t->out, '\n');
    }
    nf_chain_unref(chain);
}

static void
add_elements(const Transaction *t, const NfSet *set)
{
    const NfSetSpec *spec = nf_set_spec(set);
    size_t n;
    const NfElem *elems = nf_set_elems(set, &n);

    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(t->out, "add element %s %s %s { ", t->ip, nf_set_table(t->names, spec->id),
                               nf_set_name(t->names, spec->id));
        nft_print_element(t->out, t->rs, spec, &elems[i]);
        g_string_append(t->out, " }\n");
    }
}
