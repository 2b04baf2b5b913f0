#ifndef MODEL_INPUT_ARENA_H
#define MODEL_INPUT_ARENA_H

/* Arenas: memory that is given back as a whole
 *
 * A zeroed Arena is empty.  arena_reset() keeps up to ARENA_KEEP bytes for reuse, so that reading one object after
 * another allocates nothing in the steady state.  Memory is aligned to 8 bytes and not initialised. */

#include <stddef.h>
#include <stdint.h>

#define ARENA_KEEP (4u << 20)

typedef struct ArenaChunk ArenaChunk;

typedef struct {
    ArenaChunk *chunks; /* Newest first; allocation is from the first. */
    char *at, *end;
} Arena;

void *arena_grow(Arena *arena, size_t size); /* For arena_alloc() only. */

static inline void *
arena_alloc(Arena *arena, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if ((size_t)(arena->end - arena->at) < size)
        return arena_grow(arena, size);
    void *p = arena->at;
    arena->at += size;
    return p;
}

/* A NUL-terminated copy. */
char *arena_text(Arena *arena, const char *text, size_t length);
void arena_reset(Arena *arena);
void arena_clear(Arena *arena);

#endif
