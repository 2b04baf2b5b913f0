#include <glib.h>
#include <string.h>

#include "sim/netfilter/nf_ruleset.h"

/* A name within a table; both texts live in the chunk. */
typedef struct {
    const char *table, *name;
    uint32_t id;
} Name;

typedef struct {
    GHashTable *ids;  /* Name (key only) -> Name. */
    GPtrArray *names; /* Name by id; owned. */
} NameSpace;

struct NfNames {
    uint32_t refs;
    GStringChunk *chunk;
    GHashTable *text_ids; /* Text -> id. */
    GPtrArray *texts;     /* By id; index 0 is the empty text. */
    NameSpace chains, sets;
};

static void name_space_init(NameSpace *space);
static void name_space_clear(NameSpace *space);
static uint32_t name_space_id(NfNames *names, NameSpace *space, const char *table, const char *name);
static uint32_t name_space_find(const NameSpace *space, const char *table, const char *name);
static const Name *name_space_get(const NameSpace *space, uint32_t id);

NfNames *
nf_names_new(void)
{
    NfNames *names = g_new0(NfNames, 1);

    names->refs = 1;
    names->chunk = g_string_chunk_new(16384);
    names->text_ids = g_hash_table_new(g_str_hash, g_str_equal);
    names->texts = g_ptr_array_new();
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
    name_space_clear(&names->chains);
    name_space_clear(&names->sets);
    g_hash_table_unref(names->text_ids);
    g_ptr_array_unref(names->texts);
    g_string_chunk_free(names->chunk);
    g_free(names);
}

uint32_t
nf_text_id(NfNames *names, const char *text)
{
    gpointer id;
    char *copy;

    if (g_hash_table_lookup_extended(names->text_ids, text, NULL, &id))
        return GPOINTER_TO_UINT(id);
    copy = g_string_chunk_insert(names->chunk, text);
    g_hash_table_insert(names->text_ids, copy, GUINT_TO_POINTER(names->texts->len));
    g_ptr_array_add(names->texts, copy);
    return names->texts->len - 1;
}

uint32_t
nf_text_find(const NfNames *names, const char *text)
{
    gpointer id;

    if (g_hash_table_lookup_extended(names->text_ids, text, NULL, &id))
        return GPOINTER_TO_UINT(id);
    return NF_NO_ID;
}

const char *
nf_text(const NfNames *names, uint32_t id)
{
    g_assert(id < names->texts->len);
    return names->texts->pdata[id];
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

static guint
name_hash(gconstpointer key)
{
    const Name *name = key;

    return g_str_hash(name->table) * 31 + g_str_hash(name->name);
}

static gboolean
name_equal(gconstpointer a, gconstpointer b)
{
    const Name *x = a, *y = b;

    return strcmp(x->name, y->name) == 0 && strcmp(x->table, y->table) == 0;
}

static void
name_space_init(NameSpace *space)
{
    space->ids = g_hash_table_new(name_hash, name_equal);
    space->names = g_ptr_array_new_with_free_func(g_free);
}

static void
name_space_clear(NameSpace *space)
{
    g_hash_table_unref(space->ids);
    g_ptr_array_unref(space->names);
}

static uint32_t
name_space_id(NfNames *names, NameSpace *space, const char *table, const char *name)
{
    uint32_t id = name_space_find(space, table, name);
    Name *made;

    if (id != NF_NO_ID)
        return id;
    made = g_new(Name, 1);
    made->table = nf_text(names, nf_text_id(names, table)); /* Equal tables are equal pointers. */
    made->name = g_string_chunk_insert(names->chunk, name);
    made->id = space->names->len;
    g_ptr_array_add(space->names, made);
    g_hash_table_add(space->ids, made);
    return made->id;
}

static uint32_t
name_space_find(const NameSpace *space, const char *table, const char *name)
{
    const Name key = {.table = table, .name = name};
    const Name *found = g_hash_table_lookup(space->ids, &key);

    return found ? found->id : NF_NO_ID;
}

static const Name *
name_space_get(const NameSpace *space, uint32_t id)
{
    g_assert(id < space->names->len);
    return space->names->pdata[id];
}
