/* Hash table: linear probing; an entry is its key, padded to 8 bytes, and its value; hashes live in an array of their
 * own so that a probe touches the entry only when the hash fits. */

#include "sim/engine/htable.h"

#include <assert.h>
#include <glib.h>
#include <string.h>

#include "sim/engine/prefetch.h"

enum { HASH_FREE, HASH_TOMB, HASH_MIN };

#define MIN_LOG2_CAP 3

static void rehash(HTable *table, uint32_t log2_cap);

static inline size_t
value_offset(const HTable *table)
{
    return ((size_t)table->key_size + 7) & ~(size_t)7;
}

static inline size_t
capacity(const HTable *table)
{
    return table->data ? (size_t)1 << table->log2_cap : 0;
}

static inline uint8_t *
entry_at(const HTable *table, size_t slot)
{
    return table->data + slot * table->stride;
}

static inline uint64_t
mix(uint64_t h, uint64_t word)
{
    unsigned __int128 product = (unsigned __int128)(h ^ word) * UINT64_C(0xa0761d6478bd642f);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint32_t
hash_bytes(const uint8_t *p, size_t size)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ size;
    uint64_t word;

    for (; size >= 8; p += 8, size -= 8) {
        memcpy(&word, p, 8);
        h = mix(h, word);
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, p, size);
        h = mix(h, word);
    }
    h = (h ^ (h >> 32)) * UINT64_C(0xe7037ed1a0b428db);
    return (uint32_t)(h >> 32);
}

/* With a size that the compiler knows, the usual ones take no loop; so in keys_equal(). */
static inline uint32_t
hash_key(const void *key, size_t size)
{
    switch (size) {
    case 4:
        return hash_bytes(key, 4);
    case 8:
        return hash_bytes(key, 8);
    case 16:
        return hash_bytes(key, 16);
    case 24:
        return hash_bytes(key, 24);
    case 40:
        return hash_bytes(key, 40);
    default:
        return hash_bytes(key, size);
    }
}

static inline bool
keys_equal(const void *a, const void *b, size_t size)
{
    switch (size) {
    case 4:
        return memcmp(a, b, 4) == 0;
    case 8:
        return memcmp(a, b, 8) == 0;
    case 16:
        return memcmp(a, b, 16) == 0;
    case 24:
        return memcmp(a, b, 24) == 0;
    case 40:
        return memcmp(a, b, 40) == 0;
    default:
        return memcmp(a, b, size) == 0;
    }
}

/* The stored form of a hash: never one of the two marks. */
static inline uint32_t
key_hash(const HTable *table, const void *key)
{
    uint32_t hash = hash_key(key, table->key_size);

    return hash < HASH_MIN ? hash + HASH_MIN : hash;
}

static inline size_t
home_slot(const HTable *table, uint32_t hash)
{
    return hash & (((size_t)1 << table->log2_cap) - 1);
}

static inline size_t
find_slot(const HTable *table, const void *key, uint32_t hash)
{
    size_t mask = capacity(table) - 1;

    for (size_t slot = home_slot(table, hash);; slot = (slot + 1) & mask) {
        if (table->hashes[slot] == hash && keys_equal(entry_at(table, slot), key, table->key_size))
            return slot;
        if (table->hashes[slot] == HASH_FREE)
            return SIZE_MAX;
    }
}

void
htable_init(HTable *table, size_t key_size, size_t value_size)
{
    *table = (HTable){.key_size = (uint32_t)key_size, .value_size = (uint32_t)value_size};
    table->stride = (uint32_t)(value_offset(table) + ((value_size + 7) & ~(size_t)7));
}

void
htable_clear(HTable *table)
{
    g_free(table->data);
    g_free(table->hashes);
    htable_init(table, table->key_size, table->value_size);
}

void
htable_empty(HTable *table)
{
    if (table->len + table->n_tombs > 0)
        memset(table->hashes, 0, capacity(table) * sizeof *table->hashes);
    table->len = table->n_tombs = 0;
}

void
htable_prefetch(const HTable *table, const void *key)
{
    size_t slot;

    if (!table->data)
        return;
    slot = home_slot(table, key_hash(table, key));
    cache_prefetch(&table->hashes[slot], sizeof *table->hashes);
    cache_prefetch(entry_at(table, slot), table->stride);
}

void *
htable_find(const HTable *table, const void *key)
{
    size_t slot;

    if (!table->data)
        return NULL;
    slot = find_slot(table, key, key_hash(table, key));
    return slot == SIZE_MAX ? NULL : entry_at(table, slot) + value_offset(table);
}

void *
htable_insert(HTable *table, const void *key, bool *ret_new)
{
    uint32_t hash = key_hash(table, key);
    size_t slot = table->data ? find_slot(table, key, hash) : SIZE_MAX;
    uint8_t *entry;

    if (ret_new)
        *ret_new = slot == SIZE_MAX;
    if (slot != SIZE_MAX)
        return entry_at(table, slot) + value_offset(table);

    /* At most 3/4 of the slots are taken, tombstones included; mostly tombstones: same size again. */
    if ((table->len + table->n_tombs + 1) * 4 > capacity(table) * 3) {
        uint32_t log2_cap = MAX(table->log2_cap, MIN_LOG2_CAP);
        while ((table->len + 1) * 2 > (size_t)1 << log2_cap)
            log2_cap++;
        rehash(table, log2_cap);
    }
    for (slot = home_slot(table, hash); table->hashes[slot] >= HASH_MIN;)
        slot = (slot + 1) & (capacity(table) - 1);
    if (table->hashes[slot] == HASH_TOMB)
        table->n_tombs--;
    table->hashes[slot] = hash;
    table->len++;
    entry = entry_at(table, slot);
    memcpy(entry, key, table->key_size);
    memset(entry + value_offset(table), 0, table->stride - value_offset(table));
    return entry + value_offset(table);
}

bool
htable_remove(HTable *table, const void *key)
{
    size_t mask = capacity(table) - 1;
    size_t slot;

    if (!table->data)
        return false;
    slot = find_slot(table, key, key_hash(table, key));
    if (slot == SIZE_MAX)
        return false;
    table->len--;
    table->hashes[slot] = HASH_TOMB;
    table->n_tombs++;
    /* At the end of a run a tombstone keeps nothing together: free it, and those in front of it. */
    if (table->hashes[(slot + 1) & mask] == HASH_FREE) {
        for (; table->hashes[slot] == HASH_TOMB; slot = (slot - 1) & mask) {
            table->hashes[slot] = HASH_FREE;
            table->n_tombs--;
        }
    }
    return true;
}

size_t
htable_bytes(const HTable *table)
{
    return capacity(table) * (table->stride + sizeof *table->hashes);
}

uint32_t
htable_hash(const void *key, size_t size)
{
    return hash_key(key, size);
}

static void
rehash(HTable *table, uint32_t log2_cap)
{
    HTable old = *table;
    size_t old_cap = capacity(&old);

    assert(log2_cap < 32);
    table->log2_cap = log2_cap;
    table->n_tombs = 0;
    table->data = g_malloc_n((size_t)1 << log2_cap, table->stride);
    table->hashes = g_new0(uint32_t, (size_t)1 << log2_cap);
    for (size_t i = 0; i < old_cap; i++) {
        size_t slot;
        if (old.hashes[i] < HASH_MIN)
            continue;
        slot = home_slot(table, old.hashes[i]);
        while (table->hashes[slot] != HASH_FREE)
            slot = (slot + 1) & (capacity(table) - 1);
        table->hashes[slot] = old.hashes[i];
        memcpy(entry_at(table, slot), entry_at(&old, i), table->stride);
    }
    g_free(old.data);
    g_free(old.hashes);
}
