/* A change concerns the Services of the slice before and after it.  While any waits that concerns a Service, the mirror
 * keeps its own list of that Service's slices: without one, no slice that either list has differs. */

#include "model/api/store_mirror.h"

#include <stdlib.h>

#include "model/api/store_private.h"
#include "sim/engine/htable.h"

typedef struct {
    NameKey name;
    uint64_t kind; /* ApiKind; this wide, so that there is no padding. */
} ObjectKey;

/* What is shown of a key. */
typedef struct {
    const ApiObject *object; /* Referenced; NULL: none. */
    uint32_t n_waiting;      /* Changes of the key. */
} Shown;

typedef struct {
    ObjectVec list;
    uint32_t n_waiting; /* Changes that concern the Service. */
} OwnSlices;

typedef struct {
    SimTime due;
    ObjectKey key;
    const ApiObject *object; /* Referenced; NULL: deleted. */
} Change;

struct StoreMirror {
    Store *origin;
    uint32_t kinds; /* Set of STORE_KIND(). */
    VEC(Change) changes;
    size_t n_through;             /* Of 'changes', at its start, that do not wait any more. */
    HTable shown;                 /* ObjectKey -> Shown. */
    HTable own_slices;            /* NameKey of the Service -> OwnSlices. */
    ObjectVec lists[API_N_KINDS]; /* What store_mirror_list() returned last, if it is not the origin's. */
};

static bool is_waiting(const StoreMirror *mirror);
static ObjectKey key_of(const ApiObject *object);
static bool collect_shown(StoreMirror *mirror, ApiKind kind, ObjectVec *list);
static void remove_doubles(ObjectVec *list);
static uint32_t services_of(const ApiObject *old, const ApiObject *new_, const char *ret_services[2]);
static void swap_slices(ObjectVec *list, const char *service, const ApiObject *out, const ApiObject *in);
static void hold_slices(StoreMirror *mirror, const char *service, const ApiObject *old, const ApiObject *new_);
static void let_slices_through(StoreMirror *mirror, const char *service, const ApiObject *old, const ApiObject *new_);
static void forget_changes(StoreMirror *mirror);

StoreMirror *
store_mirror_new(Store *origin, uint32_t kinds)
{
    StoreMirror *mirror = g_new0(StoreMirror, 1);
    mirror->origin = origin;
    mirror->kinds = kinds;
    htable_init(&mirror->shown, sizeof(ObjectKey), sizeof(Shown));
    htable_init(&mirror->own_slices, sizeof(NameKey), sizeof(OwnSlices));
    return mirror;
}

void
store_mirror_free(StoreMirror *mirror)
{
    const ApiObject *old, *new_;
    while (store_mirror_step(mirror, SIMTIME_NEVER, &old, &new_)) {
        api_unref((ApiObject *)old);
        api_unref((ApiObject *)new_);
    }
    g_free(mirror);
}

const ApiObject *
store_mirror_get(const StoreMirror *mirror, ApiKind kind, const char *ns, const char *name)
{
    if (!(mirror->kinds & STORE_KIND(kind)))
        return NULL;
    ObjectKey key = {.kind = kind};
    const Shown *shown = is_waiting(mirror) && name_key_find(store_strings(mirror->origin), ns, name, &key.name)
                             ? htable_find(&mirror->shown, &key)
                             : NULL;
    return shown ? shown->object : store_get(mirror->origin, kind, ns, name);
}

const ApiObject *const *
store_mirror_list(StoreMirror *mirror, ApiKind kind, size_t *ret_n)
{
    *ret_n = 0;
    if (!(mirror->kinds & STORE_KIND(kind)))
        return NULL;
    size_t n;
    const ApiObject *const *objects = store_list(mirror->origin, kind, &n);
    ObjectVec *list = &mirror->lists[kind];
    list->len = 0;
    if (!collect_shown(mirror, kind, list)) {
        *ret_n = n;
        return objects;
    }
    for (size_t i = 0; i < n; i++) {
        ObjectKey key = key_of(objects[i]);
        if (!htable_find(&mirror->shown, &key))
            vec_push(list, objects[i]);
    }
    if (list->len)
        qsort(list->data, list->len, sizeof *list->data, compare_objects);
    remove_doubles(list);
    *ret_n = list->len;
    return list->data;
}

const EndpointSlice *const *
store_mirror_slices_of(const StoreMirror *mirror, const char *ns, const char *service, size_t *ret_n)
{
    *ret_n = 0;
    if (!(mirror->kinds & STORE_KIND(KIND_ENDPOINTSLICE)))
        return NULL;
    NameKey key;
    const OwnSlices *own = is_waiting(mirror) && name_key_find(store_strings(mirror->origin), ns, service, &key)
                               ? htable_find(&mirror->own_slices, &key)
                               : NULL;
    if (!own)
        return store_slices_of(mirror->origin, ns, service, ret_n);
    *ret_n = own->list.len;
    return (const EndpointSlice *const *)own->list.data;
}

bool
store_mirror_hold(StoreMirror *mirror, SimTime due, const ApiObject *old, const ApiObject *new_)
{
    const ApiObject *object = new_ ? new_ : old;
    if (!(mirror->kinds & STORE_KIND(object->kind)))
        return false;
    ObjectKey key = key_of(object);
    bool is_new;
    Shown *shown = htable_insert(&mirror->shown, &key, &is_new);
    if (is_new)
        shown->object = old ? api_ref((ApiObject *)old) : NULL;
    shown->n_waiting++;
    vec_push(&mirror->changes, (Change){due, key, new_ ? api_ref((ApiObject *)new_) : NULL});
    const char *services[2];
    for (uint32_t i = 0, n = services_of(old, new_, services); i < n; i++)
        hold_slices(mirror, services[i], old, new_);
    return true;
}

SimTime
store_mirror_next_due(const StoreMirror *mirror)
{
    return is_waiting(mirror) ? mirror->changes.data[mirror->n_through].due : SIMTIME_NEVER;
}

bool
store_mirror_step(StoreMirror *mirror, SimTime now, const ApiObject **ret_old, const ApiObject **ret_new)
{
    if (!is_waiting(mirror) || store_mirror_next_due(mirror) > now)
        return false;
    Change change = mirror->changes.data[mirror->n_through++];
    Shown *shown = htable_find(&mirror->shown, &change.key);
    *ret_old = shown->object;
    *ret_new = change.object;
    if (--shown->n_waiting)
        shown->object = change.object ? api_ref((ApiObject *)change.object) : NULL;
    else
        htable_remove(&mirror->shown, &change.key); /* As the origin has it. */
    const char *services[2];
    for (uint32_t i = 0, n = services_of(*ret_old, *ret_new, services); i < n; i++)
        let_slices_through(mirror, services[i], *ret_old, *ret_new);
    forget_changes(mirror);
    return true;
}

static bool
is_waiting(const StoreMirror *mirror)
{
    return mirror->n_through < mirror->changes.len;
}

static ObjectKey
key_of(const ApiObject *object)
{
    return (ObjectKey){{object->ns, object->name}, object->kind};
}

/* Adds what is shown of keys with changes that wait, some of it more than once.  False: there are no such keys. */
static bool
collect_shown(StoreMirror *mirror, ApiKind kind, ObjectVec *list)
{
    bool any = false;
    for (size_t i = mirror->n_through; i < mirror->changes.len; i++) {
        const ObjectKey *key = &mirror->changes.data[i].key;
        if (key->kind != kind)
            continue;
        const Shown *shown = htable_find(&mirror->shown, key);
        if (shown->object)
            vec_push(list, shown->object);
        any = true;
    }
    return any;
}

static void
remove_doubles(ObjectVec *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->len; i++)
        if (n == 0 || list->data[n - 1] != list->data[i])
            list->data[n++] = list->data[i];
    list->len = n;
}

/* The Services that a change concerns. */
static uint32_t
services_of(const ApiObject *old, const ApiObject *new_, const char *ret_services[2])
{
    if ((new_ ? new_ : old)->kind != KIND_ENDPOINTSLICE)
        return 0;
    const char *was = old ? ((const EndpointSlice *)old)->service : NULL;
    const char *is = new_ ? ((const EndpointSlice *)new_)->service : NULL;
    uint32_t n = 0;
    if (was)
        ret_services[n++] = was;
    if (is && (!was || strcmp(is, was) != 0))
        ret_services[n++] = is;
    return n;
}

static void
swap_slices(ObjectVec *list, const char *service, const ApiObject *out, const ApiObject *in)
{
    if (out && g_strcmp0(((const EndpointSlice *)out)->service, service) == 0)
        slices_drop(list, out);
    if (in && g_strcmp0(((const EndpointSlice *)in)->service, service) == 0)
        slices_add(list, in);
}

static void
hold_slices(StoreMirror *mirror, const char *service, const ApiObject *old, const ApiObject *new_)
{
    const char *ns = (new_ ? new_ : old)->ns;
    NameKey key;
    name_key_find(store_strings(mirror->origin), ns, service, &key);
    bool is_new;
    OwnSlices *own = htable_insert(&mirror->own_slices, &key, &is_new);
    own->n_waiting++;
    if (!is_new)
        return;
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(mirror->origin, ns, service, &n);
    for (size_t i = 0; i < n; i++)
        vec_push(&own->list, &slices[i]->meta);
    swap_slices(&own->list, service, new_, old);
}

static void
let_slices_through(StoreMirror *mirror, const char *service, const ApiObject *old, const ApiObject *new_)
{
    NameKey key;
    name_key_find(store_strings(mirror->origin), (new_ ? new_ : old)->ns, service, &key);
    OwnSlices *own = htable_find(&mirror->own_slices, &key);
    swap_slices(&own->list, service, old, new_);
    if (--own->n_waiting)
        return;
    vec_clear(&own->list);
    htable_remove(&mirror->own_slices, &key);
}

/* Gives back the memory of changes that do not wait any more. */
static void
forget_changes(StoreMirror *mirror)
{
    if (!is_waiting(mirror)) {
        vec_clear(&mirror->changes);
        htable_clear(&mirror->shown);
        htable_clear(&mirror->own_slices);
        for (int k = 0; k < API_N_KINDS; k++)
            vec_clear(&mirror->lists[k]);
        mirror->n_through = 0;
    } else if (mirror->n_through > mirror->changes.len / 2) {
        mirror->changes.len -= mirror->n_through;
        memmove(mirror->changes.data, mirror->changes.data + mirror->n_through,
                mirror->changes.len * sizeof *mirror->changes.data);
        mirror->n_through = 0;
    }
}
