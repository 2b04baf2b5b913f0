#ifndef SIM_NETFILTER_NF_RULESET_INT_H
#define SIM_NETFILTER_NF_RULESET_INT_H

/* A rule set, inside the room */

#include "sim/engine/vec.h"
#include "sim/netfilter/nf_ids.h"
#include "sim/netfilter/nf_maker.h"

/* An object of a rule set for the checks of seal(): chains and sets name each other. */
typedef struct {
    bool is_set;
    uint32_t id;
} NfNode;

typedef struct {
    NfNode by, named;
} NfNaming;

struct NfRuleset {
    uint32_t refs;
    NfDialect dialect;
    IpFamily family;
    bool sealed, uses_ct;
    uint32_t comment;           /* Of an nft table: text id or NF_NO_ID. */
    const char *table_order[8]; /* As a dump had its tables; borrowed from the names. */
    size_t n_table_order;
    NfNames *names;
    NfRuleset *base; /* Of an overlay. */
    NfIds chains, sets;
    VEC(uint32_t) base_ids; /* Base chains, of both base and overlay. */
    VEC(NfNode) touched;    /* Since the last seal: what the next must check. */
    VEC(NfNaming) namings;  /* Since the last seal, not of overlays: what was not named by that node before. */
    GHashTable *named;      /* Since the last seal: how much more often is each named?  By seal's key; or NULL. */
    /* Made by seal: base chains of a hook are hooked[first_hooked[hook]] up to the next hook's first. */
    uint8_t first_hooked[NF_N_HOOKS + 1];
    const NfChain **hooked;
    struct NfCallers *callers; /* Of a base: made when an overlay's seal first needs it. */
};

/* The slow part of nf_ruleset_walk_chain(). */
const NfChain *nf_ruleset_make_chain(const NfRuleset *rs, uint32_t chain_id);

/* NULL if none. */
static inline const NfChain *
nf_ruleset_walk_chain(const NfRuleset *rs, uint32_t chain_id)
{
    void *obj = nf_ids_get(&rs->chains, chain_id);

    return G_LIKELY(!nf_is_maker(obj)) ? obj : nf_ruleset_make_chain(rs, chain_id);
}

/* Borrowed; NULL if there is none, or nobody holds it. */
static inline const NfChain *
nf_ruleset_made_chain(const NfRuleset *rs, uint32_t chain_id)
{
    void *obj = nf_ids_get(&rs->chains, chain_id);

    return nf_is_maker(obj) ? nf_maker_made(nf_maker_of(obj), chain_id) : obj;
}

/* nf_seal.c */
bool nf_ruleset_check(NfRuleset *rs, GError **error);
/* Notes what is named more or less often when 'obj' takes the place of 'was' (either may be NULL); not for overlays. */
void nf_ruleset_count_names(NfRuleset *rs, NfNode node, const void *was, const void *obj);
void nf_callers_free(struct NfCallers *callers);

#endif
