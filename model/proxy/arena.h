#ifndef MODEL_PROXY_ARENA_H
#define MODEL_PROXY_ARENA_H

/* Arena: memory of one owner that is freed at once
 *
 * The texts and lists of a Service live and die together; 100,000 endpoints make a few blocks, not 300,000
 * allocations.  A zeroed arena is empty.                                                                           */

#include <stddef.h>

typedef struct ArenaBlock ArenaBlock;

typedef struct {
    ArenaBlock *blocks;
    size_t block_size; /* 0: the default. */
} Arena;

void *arena_alloc(Arena *arena, size_t size); /* Zeroed, aligned for any type. */
/* The next allocations fit into one block if they are this much together; arena_size() of each counts. */
void arena_reserve(Arena *arena, size_t size);
static inline size_t
arena_size(size_t size)
{
    return (size + 7) & ~(size_t)7;
}
void *arena_copy(Arena *arena, const void *data, size_t size);
char *arena_strdup(Arena *arena, const char *text); /* NULL stays NULL. */
void arena_clear(Arena *arena);

#endif
