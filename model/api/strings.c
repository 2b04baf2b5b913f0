/* Interned texts: open addressing over 8-byte entries, the bytes in blocks of their own */

#include <stdarg.h>
#include <string.h>

#include "model/api/object.h"
#include "sim/engine/vec.h"

/* A text is its length, its bytes and a NUL, and begins at a multiple of 8 bytes.  Its place is the number of its block
 * and the offset there in units of 8 bytes; 0: none. */
#define OFFSET_BITS 17
#define BLOCK_MAX   ((size_t)8 << OFFSET_BITS) /* Of a block that has several texts. */
#define BLOCK_FIRST ((size_t)16 << 10)
#define MAX_BLOCKS  (1u << (32 - OFFSET_BITS))

typedef struct {
    uint32_t hash, place;
} Entry;

typedef struct {
    uint32_t length;
    char bytes[];
} Text;

/* Of strings_record(). */
typedef struct {
    size_t size;
    const void *data;
} Record;

struct Strings {
    DocArena arena;
    VEC(char *) blocks;
    size_t used, size; /* Of the last of 'blocks'. */
    Entry *entries;
    size_t cap, len; /* cap is a power of two; at most two thirds full. */
    GHashTable *lists;
    GHashTable *records;
};

static const char *find_text(const Strings *strings, const char *text, size_t length, uint32_t hash, size_t *ret_slot);
static uint32_t add_text(Strings *strings, const char *text, size_t length);
static const Text *text_at(const Strings *strings, uint32_t place);
static uint32_t hash_text(const char *text, size_t length);
static void grow(Strings *strings);
static guint record_hash(gconstpointer record);
static gboolean record_equal(gconstpointer a, gconstpointer b);
static guint list_hash(gconstpointer list);
static gboolean list_equal(gconstpointer a, gconstpointer b);

Strings *
strings_new(void)
{
    Strings *strings = g_new0(Strings, 1);
    strings->cap = 1024;
    strings->entries = g_new0(Entry, strings->cap);
    strings->lists = g_hash_table_new(list_hash, list_equal);
    strings->records = g_hash_table_new(record_hash, record_equal);
    return strings;
}

void
strings_free(Strings *strings)
{
    if (!strings)
        return;
    g_hash_table_unref(strings->lists);
    g_hash_table_unref(strings->records);
    doc_arena_clear(&strings->arena);
    for (size_t i = 0; i < strings->blocks.len; i++)
        g_free(strings->blocks.data[i]);
    vec_clear(&strings->blocks);
    g_free(strings->entries);
    g_free(strings);
}

const char *
strings_add(Strings *strings, const char *text)
{
    return text ? strings_add_len(strings, text, strlen(text)) : NULL;
}

const char *
strings_add_len(Strings *strings, const char *text, size_t length)
{
    uint32_t hash = hash_text(text, length), place;
    size_t slot;
    const char *known = find_text(strings, text, length, hash, &slot);

    if (known)
        return known;
    place = add_text(strings, text, length);
    strings->entries[slot] = (Entry){hash, place};
    if (++strings->len * 3 > strings->cap * 2)
        grow(strings);
    return text_at(strings, place)->bytes;
}

const char *
strings_find(const Strings *strings, const char *text)
{
    size_t length = strlen(text), slot;

    return find_text(strings, text, length, hash_text(text, length), &slot);
}

const char *
strings_printf(Strings *strings, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return strings_add(strings, text);
}

void *
strings_alloc(Strings *strings, size_t size)
{
    return memset(doc_arena_alloc(&strings->arena, MAX(size, 1)), 0, size);
}

const DocNode *
node_keep(Strings *strings, const DocNode *node)
{
    return doc_copy(&strings->arena, node);
}

const char *const *
strings_list(Strings *strings, const char *const *texts, size_t n)
{
    g_autofree const char **list = g_new0(const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        list[i] = strings_add(strings, texts[i]);
    const char *const *known = g_hash_table_lookup(strings->lists, list);
    if (known)
        return known;
    const char **kept = strings_alloc(strings, (n + 1) * sizeof *kept);
    memcpy(kept, list, n * sizeof *kept);
    g_hash_table_add(strings->lists, kept);
    return kept;
}

const void *
strings_record(Strings *strings, const void *record, size_t size)
{
    Record *known = g_hash_table_lookup(strings->records, &(Record){size, record});
    if (!known) {
        known = strings_alloc(strings, sizeof *known);
        *known = (Record){size, memcpy(strings_alloc(strings, size), record, size)};
        g_hash_table_add(strings->records, known);
    }
    return known->data;
}

static const Text *
text_at(const Strings *strings, uint32_t place)
{
    const char *block = strings->blocks.data[place >> OFFSET_BITS];

    return (const Text *)(block + (size_t)(place & ((1u << OFFSET_BITS) - 1)) * 8);
}

/* NULL: it is not there, and belongs into *ret_slot. */
static const char *
find_text(const Strings *strings, const char *text, size_t length, uint32_t hash, size_t *ret_slot)
{
    size_t i = hash & (strings->cap - 1);

    for (; strings->entries[i].place; i = (i + 1) & (strings->cap - 1)) {
        const Text *t;
        if (strings->entries[i].hash != hash)
            continue;
        t = text_at(strings, strings->entries[i].place);
        if (t->length == length && memcmp(t->bytes, text, length) == 0)
            return t->bytes;
    }
    *ret_slot = i;
    return NULL;
}

static uint32_t
add_text(Strings *strings, const char *text, size_t length)
{
    size_t size = (sizeof(Text) + length + 1 + 7) & ~(size_t)7;
    Text *t;

    if (strings->size - strings->used < size) {
        size_t own = strings->size ? MIN(strings->size * 2, BLOCK_MAX) : BLOCK_FIRST;
        g_assert(strings->blocks.len < MAX_BLOCKS && length < UINT32_MAX);
        strings->size = MAX(own, size + 8);
        strings->used = 8; /* No text has place 0. */
        vec_push(&strings->blocks, g_malloc(strings->size));
    }
    t = (Text *)(*vec_last(&strings->blocks) + strings->used);
    t->length = (uint32_t)length;
    memcpy(t->bytes, text, length);
    t->bytes[length] = '\0';
    uint32_t place = (uint32_t)((strings->blocks.len - 1) << OFFSET_BITS | strings->used / 8);
    strings->used += size;
    return place;
}

/* FNV-1a over 8 bytes at a time, folded. */
static uint32_t
hash_text(const char *text, size_t length)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ length;
    for (; length >= 8; text += 8, length -= 8) {
        uint64_t w;
        memcpy(&w, text, 8);
        h = (h ^ w) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    for (; length; text++, length--)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    return (uint32_t)(h * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static void
grow(Strings *strings)
{
    Entry *old = strings->entries;
    size_t old_cap = strings->cap;
    strings->cap *= 2;
    strings->entries = g_new0(Entry, strings->cap);
    for (size_t k = 0; k < old_cap; k++) {
        if (!old[k].place)
            continue;
        size_t i = old[k].hash & (strings->cap - 1);
        while (strings->entries[i].place)
            i = (i + 1) & (strings->cap - 1);
        strings->entries[i] = old[k];
    }
    g_free(old);
}

static guint
record_hash(gconstpointer record)
{
    const Record *r = record;
    return hash_text(r->data, r->size);
}

static gboolean
record_equal(gconstpointer a, gconstpointer b)
{
    const Record *x = a, *y = b;
    return x->size == y->size && memcmp(x->data, y->data, x->size) == 0;
}

static guint
list_hash(gconstpointer list)
{
    guint h = 5381;
    for (const char *const *p = list; *p; p++)
        h = h * 33 + g_str_hash(*p);
    return h;
}

/* The members are interned: pointers decide. */
static gboolean
list_equal(gconstpointer a, gconstpointer b)
{
    const char *const *x = a, *const *y = b;
    for (; *x && *x == *y; x++, y++)
        ;
    return *x == *y;
}
