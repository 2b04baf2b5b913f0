#ifndef SIM_NETFILTER_CT_INDEX_H
#define SIM_NETFILTER_CT_INDEX_H

/* Index of the connection table: (hash, reference) pairs in open addressing
 *
 * Linear probing without tombstones.  The home of a hash is its share of the capacity, so that entries stand nearly in
 * order of their hash: a range of hashes (a bucket of the kernel's table) is a stretch of the array, and the capacity
 * need not be a power of two (it grows by half, which keeps the array between 53 % and 80 % full).
 * A reference is never 0.  Several entries may have the same hash, even the same reference with another hash. */

#include <stdint.h>

typedef struct {
    uint32_t hash, ref; /* ref 0: empty. */
} CtIndexEntry;

typedef struct {
    CtIndexEntry *entries;
    uint32_t cap, len;
} CtIndex;

void ct_index_clear(CtIndex *index);
void ct_index_insert(CtIndex *index, uint32_t hash, uint32_t ref);
/* Removes the entry (hash, ref), which must exist. */
void ct_index_remove(CtIndex *index, uint32_t hash, uint32_t ref);

static inline uint32_t
ct_index_home(const CtIndex *index, uint32_t hash)
{
    return (uint32_t)((uint64_t)hash * index->cap >> 32);
}

static inline uint32_t
ct_index_next(const CtIndex *index, uint32_t pos)
{
    return pos + 1 == index->cap ? 0 : pos + 1;
}

#endif
