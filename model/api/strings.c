/* Interned texts: open addressing over pointers, the bytes in an arena */

#include <stdarg.h>
#include <string.h>

#include "model/api/object.h"

typedef struct {
    const char *text;
    uint32_t hash, length;
} Entry;

struct Strings {
    DocArena arena;
    Entry *entries;
    size_t cap, len; /* cap is a power of two; at most half full. */
    GHashTable *lists;
    GHashTable *records;
};

static uint32_t hash_text(const char *text, size_t length);
static void grow(Strings *strings);
typedef struct {
    size_t size;
    const void *data;
} Record;

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
    uint32_t hash = hash_text(text, length);
    size_t i = hash & (strings->cap - 1);
    for (; strings->entries[i].text; i = (i + 1) & (strings->cap - 1)) {
        const Entry *e = &strings->entries[i];
        if (e->hash == hash && e->length == length && memcmp(e->text, text, length) == 0)
            return e->text;
    }
    const char *copy = doc_arena_text(&strings->arena, text, length);
    strings->entries[i] = (Entry){copy, hash, (uint32_t)length};
    if (++strings->len * 2 > strings->cap)
        grow(strings);
    return copy;
}

const char *
strings_find(const Strings *strings, const char *text)
{
    size_t length = strlen(text);
    uint32_t hash = hash_text(text, length);
    for (size_t i = hash & (strings->cap - 1); strings->entries[i].text; i = (i + 1) & (strings->cap - 1)) {
        const Entry *e = &strings->entries[i];
        if (e->hash == hash && e->length == length && memcmp(e->text, text, length) == 0)
            return e->text;
    }
    return NULL;
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
        if (!old[k].text)
            continue;
        size_t i = old[k].hash & (strings->cap - 1);
        while (strings->entries[i].text)
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
