#ifndef MODEL_INPUT_DOC_ARENA_H
#define MODEL_INPUT_DOC_ARENA_H

/* Arenas for document trees: memory that is given back as a whole
 *
 * A zeroed DocArena is empty.  doc_arena_reset() keeps up to DOC_ARENA_KEEP bytes for reuse, so that reading one object
 * after another allocates nothing in the steady state.  Memory is aligned to 8 bytes and not initialised. */

#include <stddef.h>
#include <stdint.h>

#define DOC_ARENA_KEEP (4u << 20)

typedef struct DocArenaChunk DocArenaChunk;

typedef struct {
    DocArenaChunk *chunks; /* Newest first; allocation is from the first. */
    char *at, *end;
} DocArena;

void *doc_arena_grow(DocArena *arena, size_t size); /* For doc_arena_alloc() only. */

static inline void *
doc_arena_alloc(DocArena *arena, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if ((size_t)(arena->end - arena->at) < size)
        return doc_arena_grow(arena, size);
    void *p = arena->at;
    arena->at += size;
    return p;
}

/* A NUL-terminated copy. */
char *doc_arena_text(DocArena *arena, const char *text, size_t length);
void doc_arena_reset(DocArena *arena);
void doc_arena_clear(DocArena *arena);

#endif
