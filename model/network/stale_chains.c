#include "model/network/stale_chains.h"

#include "sim/engine/simtime.h"
#include "sim/engine/vec.h"

typedef struct {
    uint32_t chain;
    SimTime since;
} Stale;

struct StaleChains {
    VEC(Stale) chains; /* By id. */
};

StaleChains *
stale_chains_new(void)
{
    return g_new0(StaleChains, 1);
}

void
stale_chains_free(StaleChains *stale)
{
    if (!stale)
        return;
    vec_clear(&stale->chains);
    g_free(stale);
}

bool
stale_chains_any(const StaleChains *stale)
{
    return stale && stale->chains.len > 0;
}

/* When it became stale: 'now' if it was not before. */
static SimTime
stale_since(const StaleChains *stale, uint32_t chain, SimTime now)
{
    for (size_t i = 0; i < stale->chains.len; i++)
        if (stale->chains.data[i].chain == chain)
            return stale->chains.data[i].since;
    return now;
}

static NfChain *
empty_chain(const NfRuleset *rs, uint32_t chain)
{
    const NfChainSpec *spec = nf_chain_spec(nf_ruleset_chain(rs, chain));

    return nf_chain_seal(nf_chain_builder_new(nf_ruleset_names(rs), spec));
}

NfRuleset *
stale_chains_keep(StaleChains *stale, const NfRuleset *in_force, NfRuleset *next, int64_t now)
{
    StaleChains kept = {0};
    size_t n;
    g_autofree uint32_t *changed = nf_ruleset_changed_chains(next, in_force, &n);
    NfRuleset *with_stale;

    for (size_t i = 0; i < n; i++) {
        Stale s = {changed[i], stale_since(stale, changed[i], now)};
        if (!nf_ruleset_has_chain(next, s.chain) && now - s.since <= SIMTIME_SEC)
            vec_push(&kept.chains, s);
    }
    vec_clear(&stale->chains);
    *stale = kept;
    if (kept.chains.len == 0)
        return next;
    with_stale = nf_ruleset_next(next);
    for (size_t i = 0; i < kept.chains.len; i++)
        nf_ruleset_put_chain(with_stale, empty_chain(in_force, kept.chains.data[i].chain));
    if (!nf_ruleset_seal(with_stale, NULL)) {
        nf_ruleset_unref(with_stale);
        return next;
    }
    nf_ruleset_unref(next);
    return with_stale;
}
