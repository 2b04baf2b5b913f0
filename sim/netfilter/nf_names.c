/* Names to dense ids and back: open addressing over (hash, id); entries by id in one array, bytes in a chunk */

#include <glib.h>
#include <string.h>

#include "sim/engine/htable.h"
#include "sim/engine/vec.h"
#include "sim/netfilter/nf_chain.h"

/* A text, or a name within a table; the bytes live in the chunk. */
typedef struct {
    const char *table, *name; /* Equal tables are equal pointers; NULL for texts. */
} Name;

typedef struct {
    uint32_t hash;
    uint32_t id; /* NF_NO_ID: free. */
} NameSlot;

typedef struct {
    VEC(Name) names; /* By id. */
    NameSlot *slots;
    uint32_t mask; /* At most three quarters of the slots are taken. */
} NameSpace;

struct NfNames {
    uint32_t refs;
    GStringChunk *chunk;
    NameSpace texts; /* Id 0 is the empty text. */
    NameSpace chains, sets;
    void *spare_builder;
};

static void name_space_init(NameSpace *space);
static void name_space_clear(NameSpace *space);
static uint32_t name_space_id(NfNames *names, NameSpace *space, const char *table, const char *name);
static uint32_t name_space_find(const NameSpace *space, const char *table, const char *name);
static const Name *name_space_get(const NameSpace *space, uint32_t id);
static uint32_t name_hash(const char *table, const char *name);
static NameSlot *name_slot(const NameSpace *space, uint32_t hash, const char *table, const char *name);
static void name_space_grow(NameSpace *space);

NfNames *
nf_names_new(void)
{
    NfNames *names = g_new0(NfNames, 1);

    names->refs = 1;
    names->chunk = g_string_chunk_new(65536);
    name_space_init(&names->texts);
    name_space_init(&names->chains);
    name_space_init(&names->sets);
    nf_text_id(names, "");
    return names;
}

NfNames *
nf_names_ref(NfNames *names)
{
    names->refs++;
    return names;
}

void
nf_names_unref(NfNames *names)
{
    if (!names || --names->refs)
        return;
    nf_chain_builder_destroy(names->spare_builder);
    name_space_clear(&names->texts);
    name_space_clear(&names->chains);
    name_space_clear(&names->sets);
    g_string_chunk_free(names->chunk);
    g_free(names);
}

void **
nf_names_spare_builder(NfNames *names)
{
    return &names->spare_builder;
}

uint32_t
nf_text_id(NfNames *names, const char *text)
{
    return name_space_id(names, &names->texts, NULL, text);
}

uint32_t
nf_text_find(const NfNames *names, const char *text)
{
    return name_space_find(&names->texts, NULL, text);
}

const char *
nf_text(const NfNames *names, uint32_t id)
{
    return name_space_get(&names->texts, id)->name;
}

uint32_t
nf_chain_id(NfNames *names, const char *table, const char *name)
{
    return name_space_id(names, &names->chains, table, name);
}

uint32_t
nf_chain_find(const NfNames *names, const char *table, const char *name)
{
    return name_space_find(&names->chains, table, name);
}

const char *
nf_chain_name(const NfNames *names, uint32_t chain_id)
{
    return name_space_get(&names->chains, chain_id)->name;
}

const char *
nf_chain_table(const NfNames *names, uint32_t chain_id)
{
    return name_space_get(&names->chains, chain_id)->table;
}

uint32_t
nf_set_id(NfNames *names, const char *table, const char *name)
{
    return name_space_id(names, &names->sets, table, name);
}

uint32_t
nf_set_find(const NfNames *names, const char *table, const char *name)
{
    return name_space_find(&names->sets, table, name);
}

const char *
nf_set_name(const NfNames *names, uint32_t set_id)
{
    return name_space_get(&names->sets, set_id)->name;
}

const char *
nf_set_table(const NfNames *names, uint32_t set_id)
{
    return name_space_get(&names->sets, set_id)->table;
}

static void
name_space_init(NameSpace *space)
{
    space->mask = 15;
    space->slots = g_malloc(16 * sizeof *space->slots);
    memset(space->slots, 0xff, 16 * sizeof *space->slots);
}

static void
name_space_clear(NameSpace *space)
{
    vec_clear(&space->names);
    g_free(space->slots);
}

static uint32_t
name_space_id(NfNames *names, NameSpace *space, const char *table, const char *name)
{
    uint32_t hash = name_hash(table, name);
    NameSlot *slot = name_slot(space, hash, table, name);
    Name made;

    if (slot->id != NF_NO_ID)
        return slot->id;
    *slot = (NameSlot){hash, (uint32_t)space->names.len};
    made.table = table ? nf_text(names, nf_text_id(names, table)) : NULL;
    made.name = g_string_chunk_insert(names->chunk, name);
    vec_push(&space->names, made);
    if (space->names.len * 4 > (size_t)space->mask * 3)
        name_space_grow(space);
    return (uint32_t)space->names.len - 1;
}

static uint32_t
name_space_find(const NameSpace *space, const char *table, const char *name)
{
    return name_slot(space, name_hash(table, name), table, name)->id;
}

static const Name *
name_space_get(const NameSpace *space, uint32_t id)
{
    g_assert(id < space->names.len);
    return &space->names.data[id];
}

static uint32_t
name_hash(const char *table, const char *name)
{
    uint32_t hash = htable_hash(name, strlen(name));

    return table ? hash ^ htable_hash(table, strlen(table)) * 31 : hash;
}

/* The slot of a name, or the free one that it would take. */
static NameSlot *
name_slot(const NameSpace *space, uint32_t hash, const char *table, const char *name)
{
    for (uint32_t i = hash & space->mask;; i = (i + 1) & space->mask) {
        NameSlot *slot = &space->slots[i];
        const Name *known;

        if (slot->id == NF_NO_ID)
            return slot;
        if (slot->hash != hash)
            continue;
        known = &space->names.data[slot->id];
        if (strcmp(known->name, name) == 0 && (!table || strcmp(known->table, table) == 0))
            return slot;
    }
}

static void
name_space_grow(NameSpace *space)
{
    NameSlot *old = space->slots;
    uint32_t old_mask = space->mask;

    space->mask = space->mask * 2 + 1;
    space->slots = g_malloc_n((size_t)space->mask + 1, sizeof *space->slots);
    memset(space->slots, 0xff, ((size_t)space->mask + 1) * sizeof *space->slots);
    for (uint32_t k = 0; k <= old_mask; k++) {
        uint32_t i = old[k].hash & space->mask;

        if (old[k].id == NF_NO_ID)
            continue;
        while (space->slots[i].id != NF_NO_ID)
            i = (i + 1) & space->mask;
        space->slots[i] = old[k];
    }
    g_free(old);
}
