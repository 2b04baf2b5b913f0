#ifndef SIM_ENGINE_PREFETCH_H
#define SIM_ENGINE_PREFETCH_H

/* Asks the caches for memory that will soon be read or written; never faults, never waits */

#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64u

static inline void
cache_prefetch(const void *memory, size_t size)
{
    uintptr_t line = (uintptr_t)memory & ~(uintptr_t)(CACHE_LINE - 1);

    for (; line < (uintptr_t)memory + size; line += CACHE_LINE)
        __builtin_prefetch((const void *)line, 1);
}

#endif
