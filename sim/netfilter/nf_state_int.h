#ifndef SIM_NETFILTER_NF_STATE_INT_H
#define SIM_NETFILTER_NF_STATE_INT_H

/* Rule state, inside the room: what the evaluator reads and writes */

#include "sim/engine/htable.h"
#include "sim/engine/vec.h"
#include "sim/netfilter/nf_chain.h"
#include "sim/netfilter/nf_state.h"

/* Of one limit, or nth. */
typedef struct {
    SimTime last;      /* limit: when credit was last added. */
    uint64_t credit;   /* limit: nanoseconds saved up. */
    uint32_t n_seen;   /* nth: packets so far, modulo 'every'. */
    uint32_t is_begun; /* limit: the bucket was filled. */
} NfAux;

#define NF_COUNTER_PAGE 64

/* Of one chain that was hit; keyed by the chain object, so that a replaced chain begins at zero. */
typedef struct NfBlock {
    NfChain *chain;       /* Holds a reference. */
    NfAux *aux;           /* chain->n_state of them, or NULL. */
    struct NfBlock *then; /* The block that the last packet came to after this one, or NULL. */
    NfCounter *pages[];   /* A single page stands behind them in the same memory. */
} NfBlock;

/* The block of a chain; made on first call. */
NfBlock *nf_state_block(NfState *state, const NfChain *chain);
/* Slow part of nf_block_count(). */
void nf_block_add_page(NfBlock *block, uint32_t page);

static inline void
nf_block_count(NfBlock *block, uint32_t rule, uint32_t bytes)
{
    uint32_t page = rule / NF_COUNTER_PAGE;
    NfCounter *counter;

    if (__builtin_expect(!block->pages[page], 0))
        nf_block_add_page(block, page);
    counter = &block->pages[page][rule % NF_COUNTER_PAGE];
    counter->packets++;
    counter->bytes += bytes;
}

NfAux *nf_block_aux(NfBlock *block, uint32_t slot);

/* xt_limit.c: takes from a bucket of burst tokens that fills at one per interval. */
bool nf_bucket_take(NfAux *bucket, SimTime now, uint64_t interval_ns, uint32_t burst);
/* xt_hashlimit.c: the table with this name, made as 'rate' says if there is none; valid until the next call. */
typedef struct {
    char *name;
    IpFamily family;
    NfHashLimitTable rate;
    HTable buckets; /* NfKey -> NfAux. */
} NfHashLimit;
NfHashLimit *nf_state_hashlimit(NfState *state, IpFamily family, const char *name, const NfHashLimitTable *rate);
/* True while the rate is not exceeded. */
bool nf_hashlimit_take(NfHashLimit *table, SimTime now, const NfKey *key);
/* xt_recent.c; the match without inversion aside from 'neg'. */
bool nf_state_recent_match(NfState *state, const NfNames *names, const NfExpr *expr, const Packet *pkt);
/* nft_dynset.c: adds or refreshes; false if the set is full. */
bool nf_state_set_update(NfState *state, const NfSetSpec *spec, const NfKey *key);
bool nf_state_set_has(const NfState *state, uint32_t set_id, const NfKey *key);

/* Parts of the state in files of their own. */
typedef struct NfRecentTables NfRecentTables;
NfRecentTables *nf_recent_new(void);
void nf_recent_free(NfRecentTables *recent);
bool nf_recent_match(NfRecentTables *recent, SimTime now, const NfNames *names, const NfExpr *expr, const Packet *pkt);
void nf_recent_each(const NfRecentTables *recent, const char *list, void (*each)(const NfDynElem *elem, void *user),
                    void *user);

typedef struct NfDynSets NfDynSets;
NfDynSets *nf_dynsets_new(void);
void nf_dynsets_free(NfDynSets *sets);
bool nf_dynsets_update(NfDynSets *sets, SimTime now, const NfSetSpec *spec, const NfKey *key);
bool nf_dynsets_has(const NfDynSets *sets, SimTime now, uint32_t set_id, const NfKey *key);
void nf_dynsets_remove(NfDynSets *sets, uint32_t set_id);
/* Ids of sets with content. */
const uint32_t *nf_dynsets_ids(const NfDynSets *sets, size_t *ret_n);
void nf_dynsets_each(const NfDynSets *sets, SimTime now, uint32_t set_id,
                     void (*each)(const NfDynElem *elem, void *user), void *user);

#endif
