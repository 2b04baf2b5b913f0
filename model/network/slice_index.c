#include "model/network/slice_index.h"

#include "sim/engine/htable.h"
#include "sim/engine/vec.h"

#define NONE UINT32_MAX

/* Mentions of one address are chained in order. */
typedef struct {
    const EndpointSlice *slice;
    uint32_t next; /* NONE: the last. */
} Mention;

typedef struct {
    uint32_t first, last;
} Chain;

struct SliceIndex {
    Store *store;
    uint64_t version; /* Of the store that was read; 0: none yet. */
    VEC(Mention) mentions;
    HTable chains; /* IpAddr -> Chain. */
};

SliceIndex *
slice_index_new(Store *store)
{
    SliceIndex *index = g_new0(SliceIndex, 1);

    index->store = store;
    htable_init(&index->chains, sizeof(IpAddr), sizeof(Chain));
    return index;
}

void
slice_index_free(SliceIndex *index)
{
    if (!index)
        return;
    vec_clear(&index->mentions);
    htable_clear(&index->chains);
    g_free(index);
}

void
slice_index_forget(SliceIndex *index)
{
    vec_clear(&index->mentions);
    htable_clear(&index->chains);
    htable_init(&index->chains, sizeof(IpAddr), sizeof(Chain));
    index->version = 0;
}

static void
mention(SliceIndex *index, const EndpointSlice *slice, const IpAddr *addr)
{
    bool is_new;
    Chain *chain = htable_insert(&index->chains, addr, &is_new);
    uint32_t at = (uint32_t)index->mentions.len;

    if (!is_new && index->mentions.data[chain->last].slice == slice)
        return;
    vec_push(&index->mentions, (Mention){slice, NONE});
    if (is_new)
        chain->first = at;
    else
        index->mentions.data[chain->last].next = at;
    chain->last = at;
}

static void
read_store(SliceIndex *index)
{
    size_t n;
    const ApiObject *const *slices = store_list(index->store, KIND_ENDPOINTSLICE, &n);

    htable_clear(&index->chains);
    index->mentions.len = 0;
    for (size_t i = 0; i < n; i++) {
        const EndpointSlice *slice = (const EndpointSlice *)slices[i];
        for (uint32_t k = 0; k < slice->n_endpoints; k++)
            mention(index, slice, &slice->endpoints[k].addr);
    }
    index->version = store_version(index->store);
}

void
slice_index_each(SliceIndex *index, IpAddr addr, void (*each)(const EndpointSlice *slice, void *user), void *user)
{
    const Chain *chain;

    if (index->version != store_version(index->store))
        read_store(index);
    chain = htable_find(&index->chains, &addr);
    for (uint32_t at = chain ? chain->first : NONE; at != NONE; at = index->mentions.data[at].next)
        each(index->mentions.data[at].slice, user);
}
