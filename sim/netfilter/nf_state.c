#include "sim/netfilter/nf_ruleset_int.h"
#include "sim/netfilter/nf_state_int.h"

#include <string.h>

struct NfState {
    Sim *sim;
    NfBlock **blocks; /* Open addressing by chain; NULL: free. */
    uint32_t n_blocks, block_mask;
    NfRecentTables *recent;
    NfDynSets *dynsets;
    VEC(NfHashLimit) hashlimits; /* Few: searched by name. */
};

static void block_free(NfBlock *block);
static uint32_t n_pages(const NfChain *chain);
static NfBlock **block_slot(const NfState *state, const NfChain *chain);
static NfBlock *block_add(NfState *state, const NfChain *chain);
static void blocks_resize(NfState *state, uint32_t cap);

NfState *
nf_state_new(Sim *sim)
{
    NfState *state = g_new0(NfState, 1);

    state->sim = sim;
    return state;
}

static void
forget_dynamic(NfState *state)
{
    g_clear_pointer(&state->recent, nf_recent_free);
    g_clear_pointer(&state->dynsets, nf_dynsets_free);
    for (size_t i = 0; i < state->hashlimits.len; i++) {
        g_free(state->hashlimits.data[i].name);
        htable_clear(&state->hashlimits.data[i].buckets);
    }
    vec_clear(&state->hashlimits);
}

void
nf_state_free(NfState *state)
{
    if (!state)
        return;
    for (uint32_t i = 0; state->blocks && i <= state->block_mask; i++)
        block_free(state->blocks[i]);
    g_free(state->blocks);
    forget_dynamic(state);
    g_free(state);
}

SimTime
nf_state_now(const NfState *state)
{
    return state->sim->now;
}

NfCounter
nf_state_counter(const NfState *state, const NfRuleset *rs, uint32_t chain_id, uint32_t rule)
{
    const NfChain *chain = nf_ruleset_made_chain(rs, chain_id);
    const NfBlock *block = chain && state->blocks ? *block_slot(state, chain) : NULL;
    const NfCounter *page = block && rule <= chain->n_rules ? block->pages[rule / NF_COUNTER_PAGE] : NULL;

    return page ? page[rule % NF_COUNTER_PAGE] : (NfCounter){0, 0};
}

void
nf_state_replaced(NfState *state, const NfRuleset *from, const NfRuleset *to)
{
    uint32_t n_kept = 0;

    for (uint32_t i = 0; state->blocks && i <= state->block_mask; i++) {
        NfBlock *block = state->blocks[i];

        if (block && from && nf_ruleset_holds(from, block->chain) && !(to && nf_ruleset_holds(to, block->chain))) {
            block_free(block);
            state->blocks[i] = NULL;
        } else if (block) {
            block->then = NULL;
            n_kept++;
        }
    }
    state->n_blocks = n_kept;
    if (state->blocks)
        blocks_resize(state, state->block_mask + 1);
    if (from && state->dynsets) {
        size_t n;
        const uint32_t *ids = nf_dynsets_ids(state->dynsets, &n);
        for (size_t i = n; i-- > 0;)
            if (nf_ruleset_set(from, ids[i]) && !(to && nf_ruleset_set(to, ids[i])))
                nf_dynsets_remove(state->dynsets, ids[i]);
    }
}

void
nf_state_zero(NfState *state)
{
    for (uint32_t i = 0; state->blocks && i <= state->block_mask; i++) {
        NfBlock *block = state->blocks[i];
        if (block && n_pages(block->chain) == 1)
            memset(block->pages[0], 0, (block->chain->n_rules + 1) * sizeof(NfCounter));
        for (uint32_t p = 0; block && p < n_pages(block->chain) && n_pages(block->chain) > 1; p++)
            g_clear_pointer(&block->pages[p], g_free);
    }
}

void
nf_state_forget(NfState *state)
{
    nf_state_zero(state);
    forget_dynamic(state);
}

void
nf_state_recent(const NfState *state, const char *list, void (*each)(const NfDynElem *elem, void *user), void *user)
{
    if (state->recent)
        nf_recent_each(state->recent, list, each, user);
}

void
nf_state_dynamic_set(const NfState *state, uint32_t set_id, void (*each)(const NfDynElem *elem, void *user), void *user)
{
    if (state->dynsets)
        nf_dynsets_each(state->dynsets, state->sim->now, set_id, each, user);
}

/* --- For the evaluator -------------------------------------------------------------------------------------------- */

NfBlock *
nf_state_block(NfState *state, const NfChain *chain)
{
    NfBlock *block = state->blocks ? *block_slot(state, chain) : NULL;

    return block ? block : block_add(state, chain);
}

void
nf_block_add_page(NfBlock *block, uint32_t page)
{
    uint32_t left = block->chain->n_rules + 1 - page * NF_COUNTER_PAGE;

    block->pages[page] = g_new0(NfCounter, MIN(left, NF_COUNTER_PAGE));
}

NfAux *
nf_block_aux(NfBlock *block, uint32_t slot)
{
    if (!block->aux)
        block->aux = g_new0(NfAux, block->chain->n_state);
    return &block->aux[slot];
}

bool
nf_bucket_take(NfAux *bucket, SimTime now, uint64_t interval_ns, uint32_t burst)
{
    uint64_t cap = interval_ns * burst;

    if (!bucket->is_begun) {
        bucket->is_begun = 1;
        bucket->credit = cap;
    } else {
        bucket->credit = MIN(bucket->credit + (uint64_t)(now - bucket->last), cap);
    }
    bucket->last = now;
    if (bucket->credit < interval_ns)
        return false;
    bucket->credit -= interval_ns;
    return true;
}

NfHashLimit *
nf_state_hashlimit(NfState *state, IpFamily family, const char *name, const NfHashLimitTable *rate)
{
    NfHashLimit *table;

    for (size_t i = 0; i < state->hashlimits.len; i++) {
        table = &state->hashlimits.data[i];
        if (table->family == family && strcmp(table->name, name) == 0)
            return table;
    }
    vec_push(&state->hashlimits, (NfHashLimit){.name = g_strdup(name), .family = family, .rate = *rate});
    table = vec_last(&state->hashlimits);
    htable_init(&table->buckets, sizeof(NfKey), sizeof(NfAux));
    return table;
}

bool
nf_hashlimit_take(NfHashLimit *table, SimTime now, const NfKey *key)
{
    return nf_bucket_take(htable_insert(&table->buckets, key, NULL), now, table->rate.interval_ns, table->rate.burst);
}

bool
nf_state_recent_match(NfState *state, const NfNames *names, const NfExpr *expr, const Packet *pkt)
{
    if (!state->recent)
        state->recent = nf_recent_new();
    return nf_recent_match(state->recent, state->sim->now, names, expr, pkt);
}

bool
nf_state_set_update(NfState *state, const NfSetSpec *spec, const NfKey *key)
{
    if (!state->dynsets)
        state->dynsets = nf_dynsets_new();
    return nf_dynsets_update(state->dynsets, state->sim->now, spec, key);
}

bool
nf_state_set_has(const NfState *state, uint32_t set_id, const NfKey *key)
{
    return state->dynsets && nf_dynsets_has(state->dynsets, state->sim->now, set_id, key);
}

static uint32_t
n_pages(const NfChain *chain)
{
    return chain->n_rules / NF_COUNTER_PAGE + 1; /* The policy's counter stands behind the last rule. */
}

static void
block_free(NfBlock *block)
{
    if (!block)
        return;
    for (uint32_t p = 0; p < n_pages(block->chain) && n_pages(block->chain) > 1; p++)
        g_free(block->pages[p]);
    g_free(block->aux);
    nf_chain_unref(block->chain);
    g_free(block);
}

static NfBlock **
block_slot(const NfState *state, const NfChain *chain)
{
    uint32_t i = nf_hash_words((uintptr_t)chain, 0) & state->block_mask;

    while (state->blocks[i] && state->blocks[i]->chain != chain)
        i = (i + 1) & state->block_mask;
    return &state->blocks[i];
}

static NfBlock *
block_add(NfState *state, const NfChain *chain)
{
    uint32_t pages = n_pages(chain);
    size_t head = sizeof(NfBlock) + pages * sizeof(NfCounter *);
    NfBlock *block = g_malloc0(head + (pages == 1 ? (chain->n_rules + 1) * sizeof(NfCounter) : 0));

    if (pages == 1)
        block->pages[0] = (NfCounter *)(void *)((uint8_t *)block + head);
    /* A state keeps the chain alive, so that its address names it for good; nothing in it is written. */
    block->chain = nf_chain_ref((NfChain *)chain);
    if (!state->blocks || (state->n_blocks + 1) * 2 > state->block_mask + 1)
        blocks_resize(state, state->blocks ? (state->block_mask + 1) * 2 : 16);
    *block_slot(state, chain) = block;
    state->n_blocks++;
    return block;
}

static void
blocks_resize(NfState *state, uint32_t cap)
{
    NfBlock **old = state->blocks;
    uint32_t old_cap = old ? state->block_mask + 1 : 0;

    state->blocks = g_new0(NfBlock *, cap);
    state->block_mask = cap - 1;
    for (uint32_t i = 0; i < old_cap; i++)
        if (old[i])
            *block_slot(state, old[i]->chain) = old[i];
    g_free(old);
}
