/* Names to dense ids and back: open addressing over (hash, id); entries by id in one array, bytes in obstacks
 *
 * Names of chains may be made when somebody asks.  Then ids fall into ranges, of interned names and of such; a reserved
 * range enters the table when its owner goes, or when a name is sought that may be its. */

#include <glib.h>
#include <obstack.h>
#include <string.h>

#include "sim/engine/htable.h"
#include "sim/engine/vec.h"
#include "sim/netfilter/nf_chain.h"

#define obstack_chunk_alloc g_malloc
#define obstack_chunk_free  g_free

/* A text, or a name within a table; the bytes live in an obstack. */
typedef struct {
    const char *table, *name; /* Equal tables are equal pointers; NULL for texts. */
} Name;

typedef struct {
    uint32_t hash;
    uint32_t id; /* NF_NO_ID: free. */
} NameSlot;

typedef struct {
    uint32_t first, n;
    uint32_t base;     /* Of interned names: the first one's place among them. */
    uint16_t namer;    /* 1 + index among the namers; 0: interned names. */
    bool in_table;     /* Of reserved ones: the table has them all. */
    void *owner;       /* NULL: gone. */
    const char **made; /* Texts by index, as far as somebody asked; or NULL. */
} NameRange;

#define BYTES_CHUNK (64 * 1024 - 64)
#define HINT_IDS    32 /* A hint stands for so many. */

typedef struct {
    VEC(Name) names; /* Interned: by id, or where there are ranges, by their bases. */
    NameSlot *slots;
    uint32_t mask; /* At most three quarters of the slots are taken. */
    uint32_t n_ids, n_in_table;
    VEC(NameRange) ranges;   /* By first id; none as long as nothing is reserved. */
    VEC(uint32_t) hints;     /* The range of every HINT_IDS-th id. */
    uint32_t n_not_in_table; /* Ranges. */
} NameSpace;

typedef struct {
    const NfNamer *namer;
    const char *table; /* Interned. */
} Namer;

struct NfNames {
    uint32_t refs;
    struct obstack text_bytes, name_bytes; /* Of texts; of chains and sets. */
    NameSpace texts;                       /* Id 0 is the empty text. */
    NameSpace chains, sets;
    VEC(Namer) namers;
    void *spare_builder;
};

static void name_space_init(NameSpace *space);
static void name_space_clear(NameSpace *space);
static uint32_t name_space_id(NfNames *names, NameSpace *space, const char *table, const char *name);
static uint32_t name_space_find(const NfNames *names, const NameSpace *space, const char *table, const char *name);
static Name name_space_get(const NfNames *names, const NameSpace *space, uint32_t id);
static uint32_t name_hash(const char *table, const char *name);
static NameSlot *name_slot(const NfNames *names, const NameSpace *space, uint32_t hash, const char *table,
                           const char *name);
static void name_space_grow(NameSpace *space);
static void name_space_refill(const NfNames *names, NameSpace *space);
static NameRange *range_of(const NameSpace *space, uint32_t id);
static const char *reserved_name(NfNames *names, NameRange *range, uint32_t index);
static void range_into_table(NfNames *names, NameRange *range);
static bool all_into_table(NfNames *names, const char *name);

NfNames *
nf_names_new(void)
{
    NfNames *names = g_new0(NfNames, 1);

    names->refs = 1;
    obstack_begin(&names->text_bytes, BYTES_CHUNK);
    obstack_begin(&names->name_bytes, BYTES_CHUNK);
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
    vec_clear(&names->namers);
    obstack_free(&names->text_bytes, NULL);
    obstack_free(&names->name_bytes, NULL);
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
    return name_space_find(names, &names->texts, NULL, text);
}

const char *
nf_text(const NfNames *names, uint32_t id)
{
    return name_space_get(names, &names->texts, id).name;
}

NfTextMark
nf_texts_mark(const NfNames *names)
{
    return (NfTextMark){names->texts.n_ids, names->chains.n_ids, names->sets.n_ids, names->texts.mask};
}

/* The last ones in a probe sequence go first, so that none of those before them is cut off. */
void
nf_texts_forget(NfNames *names, const NfTextMark *mark)
{
    NameSpace *texts = &names->texts;

    /* Tables of chains and sets are texts, too. */
    if (names->chains.n_ids != mark->n_chains || names->sets.n_ids != mark->n_sets || texts->n_ids == mark->n_texts)
        return;
    for (uint32_t id = texts->n_ids; texts->mask == mark->mask && id-- > mark->n_texts;)
        name_slot(names, texts, name_hash(NULL, texts->names.data[id].name), NULL, texts->names.data[id].name)->id =
            NF_NO_ID;
    obstack_free(&names->text_bytes, (void *)texts->names.data[mark->n_texts].name);
    texts->names.len = texts->n_ids = texts->n_in_table = mark->n_texts;
    if (texts->mask != mark->mask)
        name_space_refill(names, texts);
}

uint32_t
nf_chain_id(NfNames *names, const char *table, const char *name)
{
    uint32_t id = nf_chain_find(names, table, name);

    return id != NF_NO_ID ? id : name_space_id(names, &names->chains, table, name);
}

uint32_t
nf_chain_id_unreserved(NfNames *names, const char *table, const char *name)
{
    return name_space_id(names, &names->chains, table, name);
}

uint32_t
nf_chain_find(const NfNames *names, const char *table, const char *name)
{
    uint32_t id = name_space_find(names, &names->chains, table, name);

    if (id != NF_NO_ID || !all_into_table((NfNames *)names, name))
        return id;
    return name_space_find(names, &names->chains, table, name);
}

const char *
nf_chain_name(const NfNames *names, uint32_t chain_id)
{
    return name_space_get(names, &names->chains, chain_id).name;
}

const char *
nf_chain_table(const NfNames *names, uint32_t chain_id)
{
    const NameSpace *space = &names->chains;
    const NameRange *range = space->ranges.len ? range_of(space, chain_id) : NULL;

    return range && range->namer ? names->namers.data[range->namer - 1].table
                                 : name_space_get(names, space, chain_id).table;
}

uint32_t
nf_set_id(NfNames *names, const char *table, const char *name)
{
    return name_space_id(names, &names->sets, table, name);
}

uint32_t
nf_set_find(const NfNames *names, const char *table, const char *name)
{
    return name_space_find(names, &names->sets, table, name);
}

const char *
nf_set_name(const NfNames *names, uint32_t set_id)
{
    return name_space_get(names, &names->sets, set_id).name;
}

const char *
nf_set_table(const NfNames *names, uint32_t set_id)
{
    return name_space_get(names, &names->sets, set_id).table;
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
    for (size_t i = 0; i < space->ranges.len; i++)
        g_free(space->ranges.data[i].made);
    vec_clear(&space->ranges);
    vec_clear(&space->hints);
    vec_clear(&space->names);
    g_free(space->slots);
}

/* The next 'n' ids are of 'range'. */
static void
add_range(NameSpace *space, NameRange range)
{
    range.first = space->n_ids;
    space->n_ids += range.n;
    vec_push(&space->ranges, range);
    while (space->hints.len * HINT_IDS < space->n_ids)
        vec_push(&space->hints, (uint32_t)space->ranges.len - 1);
}

/* The next id, of an interned name. */
static uint32_t
add_id(NameSpace *space, Name name)
{
    NameRange *last = space->ranges.len ? vec_last(&space->ranges) : NULL;

    vec_push(&space->names, name);
    if (last && last->namer) {
        add_range(space, (NameRange){.n = 1, .base = (uint32_t)space->names.len - 1});
    } else {
        if (last)
            last->n++;
        space->n_ids++;
        if (last && space->hints.len * HINT_IDS < space->n_ids)
            vec_push(&space->hints, (uint32_t)space->ranges.len - 1);
    }
    return space->n_ids - 1;
}

static uint32_t
name_space_id(NfNames *names, NameSpace *space, const char *table, const char *name)
{
    uint32_t hash = name_hash(table, name), id;
    NameSlot *slot = name_slot(names, space, hash, table, name);
    Name made;

    if (slot->id != NF_NO_ID)
        return slot->id;
    *slot = (NameSlot){hash, space->n_ids};
    made.table = table ? nf_text(names, nf_text_id(names, table)) : NULL;
    made.name = obstack_copy0(table ? &names->name_bytes : &names->text_bytes, name, strlen(name));
    id = add_id(space, made);
    if (++space->n_in_table * UINT64_C(4) > space->mask * UINT64_C(3))
        name_space_grow(space);
    return id;
}

/* --- Reserved names ----------------------------------------------------------------------------------------------- */

static uint16_t
namer_index(NfNames *names, const NfNamer *namer)
{
    size_t i;

    for (i = 0; i < names->namers.len && names->namers.data[i].namer != namer; i++)
        ;
    if (i == names->namers.len)
        vec_push(&names->namers, (Namer){namer, nf_text(names, nf_text_id(names, namer->table))});
    return (uint16_t)(i + 1);
}

uint32_t
nf_chain_reserve(NfNames *names, const NfNamer *namer, void *owner, uint32_t n)
{
    NameSpace *space = &names->chains;
    uint32_t n_ids = space->n_ids;

    if (n == 0)
        return NF_NO_ID;
    if (space->ranges.len == 0 && n_ids) { /* What there is is interned. */
        space->n_ids = 0;
        add_range(space, (NameRange){.n = n_ids});
    }
    add_range(space, (NameRange){.n = n, .namer = namer_index(names, namer), .owner = owner});
    space->n_not_in_table++;
    return n_ids;
}

void
nf_chain_settle(NfNames *names, uint32_t first, bool forget)
{
    NameRange *range = range_of(&names->chains, first);

    g_assert(range->first == first && range->namer);
    if (!forget) {
        range_into_table(names, range);
    } else if (!range->in_table) {
        range->in_table = true;
        names->chains.n_not_in_table--;
    }
    range->owner = NULL;
}

static NameRange *
range_of(const NameSpace *space, uint32_t id)
{
    NameRange *range = &space->ranges.data[space->hints.data[id / HINT_IDS]];

    while (id - range->first >= range->n)
        range++;
    return range;
}

static const char *
reserved_name(NfNames *names, NameRange *range, uint32_t index)
{
    char name[NF_NAME_SIZE];

    if (!range->made)
        range->made = g_new0(const char *, range->n);
    if (!range->made[index]) {
        g_assert(range->owner);
        names->namers.data[range->namer - 1].namer->name(range->owner, index, name);
        range->made[index] = obstack_copy0(&names->name_bytes, name, strlen(name));
    }
    return range->made[index];
}

static void
range_into_table(NfNames *names, NameRange *range)
{
    NameSpace *space = &names->chains;
    const char *table = names->namers.data[range->namer - 1].table;

    if (range->in_table)
        return;
    for (uint32_t i = 0; i < range->n; i++) {
        const char *name = reserved_name(names, range, i);
        uint32_t hash = name_hash(table, name);

        *name_slot(names, space, hash, table, name) = (NameSlot){hash, range->first + i};
        if (++space->n_in_table * UINT64_C(4) > space->mask * UINT64_C(3))
            name_space_grow(space);
    }
    range->in_table = true;
    space->n_not_in_table--;
}

/* Somebody seeks 'name', which the table has not: false if nothing that is missing there may be called so. */
static bool
all_into_table(NfNames *names, const char *name)
{
    NameSpace *space = &names->chains;
    bool may_be = false;

    for (size_t i = 0; i < names->namers.len && space->n_not_in_table; i++)
        may_be |= names->namers.data[i].namer->may_be(name);
    for (size_t i = 0; i < space->ranges.len && may_be; i++)
        if (space->ranges.data[i].namer)
            range_into_table(names, &space->ranges.data[i]);
    return may_be;
}

/* --- Both --------------------------------------------------------------------------------------------------------- */

static uint32_t
name_space_find(const NfNames *names, const NameSpace *space, const char *table, const char *name)
{
    return name_slot(names, space, name_hash(table, name), table, name)->id;
}

static Name
name_space_get(const NfNames *names, const NameSpace *space, uint32_t id)
{
    NameRange *range;

    g_assert(id < space->n_ids);
    if (space->ranges.len == 0)
        return space->names.data[id];
    range = range_of(space, id);
    if (!range->namer)
        return space->names.data[range->base + (id - range->first)];
    return (Name){names->namers.data[range->namer - 1].table,
                  reserved_name((NfNames *)names, range, id - range->first)};
}

static uint32_t
name_hash(const char *table, const char *name)
{
    uint32_t hash = htable_hash(name, strlen(name));

    return table ? hash ^ htable_hash(table, strlen(table)) * 31 : hash;
}

/* The slot of a name, or the free one that it would take. */
static NameSlot *
name_slot(const NfNames *names, const NameSpace *space, uint32_t hash, const char *table, const char *name)
{
    for (uint32_t i = hash & space->mask;; i = (i + 1) & space->mask) {
        NameSlot *slot = &space->slots[i];
        Name known;

        if (slot->id == NF_NO_ID)
            return slot;
        if (slot->hash != hash)
            continue;
        known = name_space_get(names, space, slot->id);
        if (strcmp(known.name, name) == 0 && (!table || strcmp(known.table, table) == 0))
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

/* Of interned names, without a range. */
static void
name_space_refill(const NfNames *names, NameSpace *space)
{
    memset(space->slots, 0xff, ((size_t)space->mask + 1) * sizeof *space->slots);
    for (uint32_t id = 0; id < space->n_ids; id++) {
        const Name *name = &space->names.data[id];
        uint32_t hash = name_hash(name->table, name->name);

        *name_slot(names, space, hash, name->table, name->name) = (NameSlot){hash, id};
    }
}
