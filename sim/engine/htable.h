#ifndef SIM_ENGINE_HTABLE_H
#define SIM_ENGINE_HTABLE_H

/* Hash table for small plain keys: open addressing, keys and values inline, no allocation on lookup
 *
 * Keys are padding-free plain data of one fixed size (memset before filling).  Iteration is deliberately absent:
 * no order of a hash table may reach an output.  Keep a vector beside it where an order is needed.                */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t key_size, value_size, stride;
    uint32_t log2_cap; /* 0 with data NULL: empty. */
    size_t len, n_tombs;
    uint8_t *data;
    uint32_t *hashes; /* 0: free, 1: tombstone. */
} HTable;

void htable_init(HTable *table, size_t key_size, size_t value_size);
void htable_clear(HTable *table);
void htable_empty(HTable *table);                           /* The same, but keeps its memory. */
void htable_prefetch(const HTable *table, const void *key); /* Asks the caches for what htable_find() will read. */
void *htable_find(const HTable *table, const void *key);
/* The value of 'key'; a new one is zeroed.  'ret_new' may be NULL. */
void *htable_insert(HTable *table, const void *key, bool *ret_new);
bool htable_remove(HTable *table, const void *key);
size_t htable_bytes(const HTable *table);
uint32_t htable_hash(const void *key, size_t size);

#endif
