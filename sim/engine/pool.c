/* Pools: slabs and a free list threaded through the free objects. */

#include "sim/engine/pool.h"

#include <assert.h>
#include <glib.h>
#include <stdlib.h>

/* Under ASan free objects are poisoned, so that a use after release is found as with malloc. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(POOL_ASAN)
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n)   ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

#define SLAB_HEADER 64 /* A cache line: objects whose size is a multiple of it do not straddle lines. */

static void grow(Pool *pool);

void
pool_init(Pool *pool, size_t object_size, uint32_t objects_per_slab)
{
    *pool = (Pool){.object_size = (MAX(object_size, sizeof(void *)) + 15) & ~(size_t)15, .per_slab = objects_per_slab};
}

void
pool_clear(Pool *pool)
{
    void *slab = pool->slabs;

    while (slab) {
        void *next = *(void **)slab;
        UNPOISON(slab, SLAB_HEADER + pool->object_size * pool->per_slab);
        free(slab);
        slab = next;
    }
    pool->slabs = pool->free_list = NULL;
    pool->in_use = pool->n_slabs = 0;
}

void *
pool_alloc(Pool *pool)
{
    void *object;

    if (!pool->free_list)
        grow(pool);
    object = pool->free_list;
    UNPOISON(object, pool->object_size);
    pool->free_list = *(void **)object;
    if (++pool->in_use > pool->peak)
        pool->peak = pool->in_use;
    return object;
}

void
pool_release(Pool *pool, void *object)
{
    assert(pool->in_use > 0);
    *(void **)object = pool->free_list;
    pool->free_list = object;
    pool->in_use--;
    POISON(object, pool->object_size);
}

uint64_t
pool_bytes(const Pool *pool)
{
    return pool->n_slabs * (SLAB_HEADER + pool->object_size * pool->per_slab);
}

static void
grow(Pool *pool)
{
    size_t size = SLAB_HEADER + pool->object_size * pool->per_slab;
    uint8_t *slab = aligned_alloc(64, (size + 63) & ~(size_t)63);

    if (!slab)
        g_error("out of memory: slab of %zu bytes", size);
    *(void **)slab = pool->slabs;
    pool->slabs = slab;
    pool->n_slabs++;
    /* From the last to the first, so that they are handed out in the order of their addresses. */
    for (uint32_t i = pool->per_slab; i-- > 0;) {
        void **object = (void **)(slab + SLAB_HEADER + i * pool->object_size);
        *object = pool->free_list;
        pool->free_list = object;
        POISON(object, pool->object_size);
    }
}
