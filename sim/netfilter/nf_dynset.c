/* Content of dynamic sets (nft_dynset.c, nft_set_hash.c): elements with timeouts that expire lazily */

#include <stdlib.h>
#include <string.h>

#include "sim/netfilter/nf_state_int.h"

#define SET_MAX 65535 /* What the kernel takes for a dynamic set without a size. */

typedef struct {
    NfKey key;
    SimTime last_seen, expires;
} Elem;

typedef struct {
    VEC(Elem) elems;
    HTable by_key; /* NfKey -> index in elems, uint32_t. */
    size_t purge_at;
} DynSet;

struct NfDynSets {
    VEC(uint32_t) ids;
    HTable by_id; /* Set id -> DynSet *. */
};

static DynSet *set_find(const NfDynSets *sets, uint32_t set_id);
static void set_purge(DynSet *set, SimTime now);
static void set_free(DynSet *set);

NfDynSets *
nf_dynsets_new(void)
{
    NfDynSets *sets = g_new0(NfDynSets, 1);

    htable_init(&sets->by_id, sizeof(uint32_t), sizeof(DynSet *));
    return sets;
}

void
nf_dynsets_free(NfDynSets *sets)
{
    if (!sets)
        return;
    for (size_t i = 0; i < sets->ids.len; i++)
        set_free(set_find(sets, sets->ids.data[i]));
    vec_clear(&sets->ids);
    htable_clear(&sets->by_id);
    g_free(sets);
}

bool
nf_dynsets_update(NfDynSets *sets, SimTime now, const NfSetSpec *spec, const NfKey *key)
{
    DynSet *set = set_find(sets, spec->id);
    uint32_t *index;
    bool is_new;

    if (!set) {
        set = g_new0(DynSet, 1);
        htable_init(&set->by_key, sizeof(NfKey), sizeof(uint32_t));
        set->purge_at = 64;
        *(DynSet **)htable_insert(&sets->by_id, &spec->id, NULL) = set;
        vec_push(&sets->ids, spec->id);
    }
    if (set->elems.len >= set->purge_at)
        set_purge(set, now);
    index = htable_find(&set->by_key, key);
    if (!index) {
        if (set->elems.len >= SET_MAX)
            return false;
        index = htable_insert(&set->by_key, key, &is_new);
        *index = (uint32_t)set->elems.len;
        vec_push(&set->elems, (Elem){.key = *key});
    }
    set->elems.data[*index].last_seen = now;
    set->elems.data[*index].expires = spec->timeout_s ? now + spec->timeout_s * SIMTIME_SEC : SIMTIME_NEVER;
    return true;
}

bool
nf_dynsets_has(const NfDynSets *sets, SimTime now, uint32_t set_id, const NfKey *key)
{
    const DynSet *set = set_find(sets, set_id);
    const uint32_t *index = set ? htable_find(&set->by_key, key) : NULL;

    return index && now < set->elems.data[*index].expires;
}

void
nf_dynsets_remove(NfDynSets *sets, uint32_t set_id)
{
    size_t i;

    for (i = 0; i < sets->ids.len && sets->ids.data[i] != set_id; i++)
        ;
    if (i == sets->ids.len)
        return;
    vec_remove(&sets->ids, i);
    set_free(set_find(sets, set_id));
    htable_remove(&sets->by_id, &set_id);
}

const uint32_t *
nf_dynsets_ids(const NfDynSets *sets, size_t *ret_n)
{
    *ret_n = sets->ids.len;
    return sets->ids.data;
}

static int
elem_cmp(const void *a, const void *b)
{
    return ipaddr_cmp(&((const NfDynElem *)a)->addr, &((const NfDynElem *)b)->addr);
}

void
nf_dynsets_each(const NfDynSets *sets, SimTime now, uint32_t set_id, void (*each)(const NfDynElem *elem, void *user),
                void *user)
{
    const DynSet *set = set_find(sets, set_id);
    g_autofree NfDynElem *elems = g_new0(NfDynElem, set ? set->elems.len + 1 : 1);
    size_t n = 0;

    for (size_t i = 0; set && i < set->elems.len; i++) {
        const Elem *elem = &set->elems.data[i];
        if (now < elem->expires)
            elems[n++] = (NfDynElem){elem->key.addr, elem->last_seen, elem->expires, 0};
    }
    qsort(elems, n, sizeof *elems, elem_cmp);
    for (size_t i = 0; i < n; i++)
        each(&elems[i], user);
}

static DynSet *
set_find(const NfDynSets *sets, uint32_t set_id)
{
    DynSet **found = htable_find(&sets->by_id, &set_id);

    return found ? *found : NULL;
}

/* Drops what expired; next time when it has doubled, so that the cost per element is constant. */
static void
set_purge(DynSet *set, SimTime now)
{
    size_t kept = 0;

    htable_clear(&set->by_key);
    htable_init(&set->by_key, sizeof(NfKey), sizeof(uint32_t));
    for (size_t i = 0; i < set->elems.len; i++)
        if (now < set->elems.data[i].expires) {
            set->elems.data[kept] = set->elems.data[i];
            *(uint32_t *)htable_insert(&set->by_key, &set->elems.data[kept].key, NULL) = (uint32_t)kept;
            kept++;
        }
    set->elems.len = kept;
    set->purge_at = MIN(MAX(kept * 2, 64), SET_MAX);
}

static void
set_free(DynSet *set)
{
    vec_clear(&set->elems);
    htable_clear(&set->by_key);
    g_free(set);
}
