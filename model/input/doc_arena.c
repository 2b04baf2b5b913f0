#include "model/input/doc_arena.h"

#include <glib.h>
#include <string.h>

#define DOC_ARENA_FIRST (16u << 10)
#define DOC_ARENA_CHUNK (1u << 20)

struct DocArenaChunk {
    DocArenaChunk *next;
    size_t size;
    char data[];
};

static void doc_arena_use(DocArena *arena, DocArenaChunk *chunk);

void *
doc_arena_grow(DocArena *arena, size_t size)
{
    size_t want = arena->chunks ? MIN(arena->chunks->size * 2, DOC_ARENA_CHUNK) : DOC_ARENA_FIRST;
    want = MAX(want, size);
    DocArenaChunk *chunk = g_malloc(sizeof *chunk + want);
    chunk->size = want;
    chunk->next = arena->chunks;
    doc_arena_use(arena, chunk);
    arena->at += size;
    return chunk->data;
}

char *
doc_arena_text(DocArena *arena, const char *text, size_t length)
{
    char *copy = doc_arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void
doc_arena_reset(DocArena *arena)
{
    if (!arena->chunks)
        return;
    DocArenaChunk *keep = arena->chunks;
    for (DocArenaChunk *c = keep->next, *next; c; c = next) {
        next = c->next;
        if (c->size > keep->size && c->size <= DOC_ARENA_KEEP) {
            g_free(keep);
            keep = c;
        } else {
            g_free(c);
        }
    }
    keep->next = NULL;
    if (keep->size > DOC_ARENA_KEEP) {
        g_free(keep);
        *arena = (DocArena){0};
        return;
    }
    doc_arena_use(arena, keep);
}

void
doc_arena_clear(DocArena *arena)
{
    for (DocArenaChunk *c = arena->chunks, *next; c; c = next) {
        next = c->next;
        g_free(c);
    }
    *arena = (DocArena){0};
}

static void
doc_arena_use(DocArena *arena, DocArenaChunk *chunk)
{
    arena->chunks = chunk;
    arena->at = chunk->data;
    arena->end = chunk->data + chunk->size;
}
