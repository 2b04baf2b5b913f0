#ifndef SIM_ENGINE_POOL_H
#define SIM_ENGINE_POOL_H

/* Pools: fixed-size objects in slabs with a free list
 *
 * Addresses are stable.  Nothing is given back to the system before pool_clear().  'in_use' is checked in every test's
 * tear-down: a leak fails the test that leaked.                                                                    */

#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t object_size;
    uint32_t per_slab;
    uint64_t in_use, peak, n_slabs;
    void *free_list;
    void *slabs;
} Pool;

void pool_init(Pool *pool, size_t object_size, uint32_t objects_per_slab);
void pool_clear(Pool *pool);
/* Uninitialised memory; never NULL. */
void *pool_alloc(Pool *pool);
void pool_release(Pool *pool, void *object);
uint64_t pool_bytes(const Pool *pool);

#endif
