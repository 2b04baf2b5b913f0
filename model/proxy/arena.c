#include "model/proxy/arena.h"

#include <glib.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

/* Arenas are as many as service ports and mostly small: the first block holds just what is asked for, the next ones
 * that or a quarter of what there was, within these. */
#define BLOCK_SIZE_MIN 64
#define BLOCK_SIZE_MAX 8192

struct ArenaBlock {
    ArenaBlock *next;
    size_t used, size;
    size_t total; /* Of this one and those before. */
    alignas(8) char data[];
};

static uint64_t nothing; /* What an allocation of no bytes points to. */

static ArenaBlock *
add_block(Arena *arena, size_t size)
{
    ArenaBlock *block = g_malloc(sizeof *block + size);

    block->next = arena->blocks;
    block->used = 0;
    block->size = size;
    block->total = size + (block->next ? block->next->total : 0);
    return arena->blocks = block;
}

void
arena_reserve(Arena *arena, size_t size)
{
    if (size && (!arena->blocks || arena->blocks->size - arena->blocks->used < size))
        add_block(arena, size);
}

void *
arena_alloc(Arena *arena, size_t size)
{
    ArenaBlock *block = arena->blocks;
    void *p;

    if (size == 0)
        return &nothing;
    size = arena_size(size);
    if (!block || block->size - block->used < size) {
        size_t grown = block ? CLAMP(block->total / 4, BLOCK_SIZE_MIN, BLOCK_SIZE_MAX) : size;
        block = add_block(arena, MAX(size, arena->block_size ? arena->block_size : grown));
    }
    p = block->data + block->used;
    block->used += size;
    return memset(p, 0, size);
}

void *
arena_copy(Arena *arena, const void *data, size_t size)
{
    void *p = arena_alloc(arena, size);

    if (size)
        memcpy(p, data, size);
    return p;
}

char *
arena_strdup(Arena *arena, const char *text)
{
    return text ? arena_copy(arena, text, strlen(text) + 1) : NULL;
}

void
arena_clear(Arena *arena)
{
    for (ArenaBlock *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        g_free(block);
    }
    arena->blocks = NULL;
}
