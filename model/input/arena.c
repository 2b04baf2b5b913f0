#include "model/input/arena.h"

#include <glib.h>
#include <string.h>

#define ARENA_FIRST (16u << 10)
#define ARENA_CHUNK (1u << 20)

struct ArenaChunk {
    ArenaChunk *next;
    size_t size;
    char data[];
};

static void arena_use(Arena *arena, ArenaChunk *chunk);

void *
arena_grow(Arena *arena, size_t size)
{
    size_t want = arena->chunks ? MIN(arena->chunks->size * 2, ARENA_CHUNK) : ARENA_FIRST;
    want = MAX(want, size);
    ArenaChunk *chunk = g_malloc(sizeof *chunk + want);
    chunk->size = want;
    chunk->next = arena->chunks;
    arena_use(arena, chunk);
    arena->at += size;
    return chunk->data;
}

char *
arena_text(Arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void
arena_reset(Arena *arena)
{
    if (!arena->chunks)
        return;
    ArenaChunk *keep = arena->chunks;
    for (ArenaChunk *c = keep->next, *next; c; c = next) {
        next = c->next;
        if (c->size > keep->size && c->size <= ARENA_KEEP) {
            g_free(keep);
            keep = c;
        } else {
            g_free(c);
        }
    }
    keep->next = NULL;
    if (keep->size > ARENA_KEEP) {
        g_free(keep);
        *arena = (Arena){0};
        return;
    }
    arena_use(arena, keep);
}

void
arena_clear(Arena *arena)
{
    for (ArenaChunk *c = arena->chunks, *next; c; c = next) {
        next = c->next;
        g_free(c);
    }
    *arena = (Arena){0};
}

static void
arena_use(Arena *arena, ArenaChunk *chunk)
{
    arena->chunks = chunk;
    arena->at = chunk->data;
    arena->end = chunk->data + chunk->size;
}
