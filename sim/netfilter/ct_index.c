#include "sim/netfilter/ct_index.h"

#include <glib.h>
#include <stdbool.h>

#define MIN_CAP 32u

static void index_grow(CtIndex *index);
static void index_put(CtIndex *index, CtIndexEntry entry);

void
ct_index_clear(CtIndex *index)
{
    g_free(index->entries);
    *index = (CtIndex){0};
}

void
ct_index_insert(CtIndex *index, uint32_t hash, uint32_t ref)
{
    g_assert(ref != 0);
    if ((uint64_t)(index->len + 1) * 5 > (uint64_t)index->cap * 4)
        index_grow(index);
    index_put(index, (CtIndexEntry){hash, ref});
    index->len++;
}

void
ct_index_remove(CtIndex *index, uint32_t hash, uint32_t ref)
{
    uint32_t hole = ct_index_home(index, hash);

    while (index->entries[hole].hash != hash || index->entries[hole].ref != ref) {
        g_assert(index->entries[hole].ref != 0);
        hole = ct_index_next(index, hole);
    }
    /* Move back what probed past the hole, so that no probe ends early. */
    for (uint32_t pos = ct_index_next(index, hole); index->entries[pos].ref != 0; pos = ct_index_next(index, pos)) {
        uint32_t home = ct_index_home(index, index->entries[pos].hash);
        bool stays = hole <= pos ? hole < home && home <= pos : hole < home || home <= pos;

        if (!stays) {
            index->entries[hole] = index->entries[pos];
            hole = pos;
        }
    }
    index->entries[hole] = (CtIndexEntry){0};
    index->len--;
}

static void
index_grow(CtIndex *index)
{
    CtIndexEntry *old = index->entries;
    uint32_t old_cap = index->cap;

    index->cap = MAX(MIN_CAP, old_cap + old_cap / 2);
    index->entries = g_new0(CtIndexEntry, index->cap);
    for (uint32_t i = 0; i < old_cap; i++)
        if (old[i].ref != 0)
            index_put(index, old[i]);
    g_free(old);
}

static void
index_put(CtIndex *index, CtIndexEntry entry)
{
    uint32_t pos = ct_index_home(index, entry.hash);

    while (index->entries[pos].ref != 0)
        pos = ct_index_next(index, pos);
    index->entries[pos] = entry;
}
