#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/api/store_mirror.h"
#include "model/api/store_private.h"
#include "sim/engine/htable.h"

typedef struct {
    HTable by_name;    /* NameKey -> uint32_t slot in 'objects'. */
    ObjectVec objects; /* Sorted if 'sorted'; removed ones are NULL until the next listing. */
    bool sorted;
    uint32_t n_holes;
} KindTable;

typedef struct {
    uint32_t id;
    StoreWatch watch; /* NULL: unwatched while watchers were being told. */
    void *user;
} Watcher;

struct Store {
    Strings *strings;
    StoreMirror *mirror; /* Not NULL: has what is asked for, and 'strings' are its origin's; 'kinds' are empty. */
    uint64_t version;
    KindTable kinds[API_N_KINDS];
    HTable by_service; /* NameKey of the Service -> uint32_t index in 'slice_lists'. */
    VEC(ObjectVec) slice_lists;
    VEC(Watcher) watchers;
    uint32_t next_watcher;
    ImpliedPods *implied;     /* NULL: none. */
    bool implied_left;        /* Some of them wait. */
    uint64_t implied_version; /* Of their objects. */
    uint32_t telling;         /* Depth of notifications under way. */
};

static Store *store_make(Strings *strings);
static NameKey key_of(const ApiObject *object);
static const ApiObject *find_object(const Store *store, ApiKind kind, const char *ns, const char *name);
static void enter(KindTable *table, const ApiObject *object, uint32_t *slot);
static void enter_implied(Store *store, Pod *pod);
static void make_implied(Store *store);
static void tidy(KindTable *table);
static ObjectVec *slice_list(Store *store, const char *ns, const char *service, bool create);
static void index_slice(Store *store, const ApiObject *old, const ApiObject *new_);
static void tell(Store *store, StoreEvent event, const ApiObject *old, const ApiObject *new_);
static void drop_unwatched(Store *store);

Store *
store_new(void)
{
    return store_make(strings_new());
}

Store *
store_new_mirror(Store *of, uint32_t kinds)
{
    Store *store = store_make(of->strings);
    store->version = of->version;
    store->mirror = store_mirror_new(of, kinds);
    return store;
}

static Store *
store_make(Strings *strings)
{
    Store *store = g_new0(Store, 1);
    store->strings = strings;
    for (int k = 0; k < API_N_KINDS; k++) {
        htable_init(&store->kinds[k].by_name, sizeof(NameKey), sizeof(uint32_t));
        store->kinds[k].sorted = true;
    }
    htable_init(&store->by_service, sizeof(NameKey), sizeof(uint32_t));
    return store;
}

void
store_free(Store *store)
{
    if (!store)
        return;
    for (int k = 0; k < API_N_KINDS; k++) {
        KindTable *table = &store->kinds[k];
        for (size_t i = 0; i < table->objects.len; i++)
            api_unref((ApiObject *)table->objects.data[i]);
        vec_clear(&table->objects);
        htable_clear(&table->by_name);
    }
    for (size_t i = 0; i < store->slice_lists.len; i++)
        vec_clear(&store->slice_lists.data[i]);
    vec_clear(&store->slice_lists);
    htable_clear(&store->by_service);
    vec_clear(&store->watchers);
    implied_pods_unref(store->implied);
    if (store->mirror)
        store_mirror_free(store->mirror);
    else
        strings_free(store->strings);
    g_free(store);
}

Strings *
store_strings(Store *store)
{
    return store->strings;
}

uint64_t
store_version(const Store *store)
{
    return store->version;
}

void
store_put(Store *store, ApiObject *object)
{
    assert(!store->mirror);
    KindTable *table = &store->kinds[object->kind];
    object->ns = strings_add(store->strings, object->ns ? object->ns : "");
    object->name = strings_add(store->strings, object->name);
    object->version = ++store->version;
    NameKey key = key_of(object);
    bool is_new;
    if (object->kind == KIND_POD)
        find_object(store, KIND_POD, object->ns, object->name); /* One that waits is replaced, too. */
    uint32_t *slot = htable_insert(&table->by_name, &key, &is_new);
    const ApiObject *old = NULL;
    if (is_new) {
        enter(table, object, slot);
    } else {
        old = table->objects.data[*slot];
        table->objects.data[*slot] = object;
    }
    if (object->kind == KIND_ENDPOINTSLICE)
        index_slice(store, old, object);
    /* A watcher may replace or remove the object: hold it. */
    api_ref(object);
    tell(store, old ? STORE_MODIFIED : STORE_ADDED, old, object);
    api_unref(object);
    api_unref((ApiObject *)old);
}

bool
store_remove(Store *store, ApiKind kind, const char *ns, const char *name)
{
    assert(!store->mirror);
    KindTable *table = &store->kinds[kind];
    const ApiObject *old = find_object(store, kind, ns, name);
    if (!old)
        return false;
    NameKey key = key_of(old);
    table->objects.data[*(uint32_t *)htable_find(&table->by_name, &key)] = NULL;
    table->n_holes++;
    htable_remove(&table->by_name, &key);
    store->version++;
    if (kind == KIND_ENDPOINTSLICE)
        index_slice(store, old, NULL);
    tell(store, STORE_DELETED, old, NULL);
    api_unref((ApiObject *)old);
    return true;
}

const ApiObject *
store_get(const Store *store, ApiKind kind, const char *ns, const char *name)
{
    return store->mirror ? store_mirror_get(store->mirror, kind, ns, name) : find_object(store, kind, ns, name);
}

const ApiObject *const *
store_list(Store *store, ApiKind kind, size_t *ret_n)
{
    if (store->mirror)
        return store_mirror_list(store->mirror, kind, ret_n);
    if (kind == KIND_POD && store->implied_left)
        make_implied(store);
    return store_list_made(store, kind, ret_n);
}

const ApiObject *const *
store_list_made(Store *store, ApiKind kind, size_t *ret_n)
{
    KindTable *table = &store->kinds[kind];
    tidy(table);
    *ret_n = table->objects.len;
    return table->objects.data;
}

void
store_imply(Store *store, ImpliedPods *pods)
{
    if (store->implied_left)
        make_implied(store);
    implied_pods_unref(store->implied);
    store->implied = pods;
    store->implied_left = true;
    store->implied_version = ++store->version;
}

ImpliedPods *
store_implied(Store *store)
{
    return store->implied;
}

const PodOutline *
store_next_pod(Store *store, PodCursor *cursor)
{
    size_t n;
    const ApiObject *const *objects = store_list_made(store, KIND_POD, &n);
    const PodOutline *waiting = &cursor->waiting;
    const Pod *pod = cursor->n_objects < n ? (const Pod *)objects[cursor->n_objects] : NULL;
    if (!cursor->ahead && store->implied_left)
        cursor->ahead = implied_pods_next(store->implied, &cursor->n_implied, &cursor->waiting);
    int order = pod && cursor->ahead ? strcmp(pod->meta.ns, waiting->ns) : 0;
    if (pod && cursor->ahead && order == 0)
        order = strcmp(pod->meta.name, waiting->name);
    if (cursor->ahead && (!pod || order > 0)) {
        cursor->ahead = false;
        return waiting;
    }
    if (!pod)
        return NULL;
    cursor->n_objects++;
    pod_outline(pod, &cursor->made);
    return &cursor->made;
}

const EndpointSlice *const *
store_slices_of(Store *store, const char *ns, const char *service, size_t *ret_n)
{
    if (store->mirror)
        return store_mirror_slices_of(store->mirror, ns, service, ret_n);
    const ObjectVec *list = slice_list(store, ns, service, false);
    *ret_n = list ? list->len : 0;
    return list ? (const EndpointSlice *const *)list->data : NULL;
}

uint32_t
store_watch(Store *store, StoreWatch watch, void *user)
{
    Watcher watcher = {++store->next_watcher, watch, user};
    vec_push(&store->watchers, watcher);
    return watcher.id;
}

void
store_unwatch(Store *store, uint32_t id)
{
    for (size_t i = 0; i < store->watchers.len; i++)
        if (store->watchers.data[i].id == id)
            store->watchers.data[i].watch = NULL;
    if (!store->telling)
        drop_unwatched(store);
}

bool
store_hold(Store *mirror, SimTime due, const ApiObject *old, const ApiObject *new_)
{
    return store_mirror_hold(mirror->mirror, due, old, new_);
}

SimTime
store_next_due(const Store *mirror)
{
    return store_mirror_next_due(mirror->mirror);
}

size_t
store_catch_up(Store *mirror, SimTime now)
{
    const ApiObject *old, *new_;
    size_t n = 0;
    for (; store_mirror_step(mirror->mirror, now, &old, &new_); n++) {
        mirror->version++;
        tell(mirror, !old ? STORE_ADDED : new_ ? STORE_MODIFIED : STORE_DELETED, old, new_);
        api_unref((ApiObject *)old);
        api_unref((ApiObject *)new_);
    }
    return n;
}

static NameKey
key_of(const ApiObject *object)
{
    return (NameKey){object->ns, object->name};
}

bool
name_key_find(const Strings *strings, const char *ns, const char *name, NameKey *ret_key)
{
    *ret_key = (NameKey){strings_find(strings, ns ? ns : ""), strings_find(strings, name)};
    return ret_key->ns && ret_key->name;
}

/* What has waited so far is made: to the outside nothing changes. */
static const ApiObject *
find_object(const Store *store, ApiKind kind, const char *ns, const char *name)
{
    const KindTable *table = &store->kinds[kind];
    NameKey key;
    const uint32_t *slot = name_key_find(store->strings, ns, name, &key) ? htable_find(&table->by_name, &key) : NULL;
    if (slot)
        return table->objects.data[*slot];
    Pod *pod = kind == KIND_POD && store->implied_left ? implied_pods_make(store->implied, ns ? ns : "", name) : NULL;
    if (pod)
        enter_implied((Store *)store, pod);
    return pod ? &pod->meta : NULL;
}

static void
enter(KindTable *table, const ApiObject *object, uint32_t *slot)
{
    const ApiObject *last = table->objects.len ? *vec_last(&table->objects) : NULL;
    table->sorted = table->sorted && (table->objects.len == 0 || (last && compare_objects(&last, &object) < 0));
    *slot = (uint32_t)table->objects.len;
    vec_push(&table->objects, object);
}

static void
enter_implied(Store *store, Pod *pod)
{
    KindTable *table = &store->kinds[KIND_POD];
    NameKey key = key_of(&pod->meta);
    pod->meta.version = store->implied_version;
    enter(table, &pod->meta, htable_insert(&table->by_name, &key, NULL));
}

static void
make_implied(Store *store)
{
    size_t at = 0;
    for (Pod *pod; (pod = implied_pods_make_next(store->implied, &at));)
        enter_implied(store, pod);
    store->implied_left = false;
}

/* Puts the listing in order and its holes out; slots move with the objects. */
static void
tidy(KindTable *table)
{
    if (table->sorted && !table->n_holes)
        return;
    size_t n = 0;
    for (size_t i = 0; i < table->objects.len; i++)
        if (table->objects.data[i])
            table->objects.data[n++] = table->objects.data[i];
    table->objects.len = n;
    table->n_holes = 0;
    if (!table->sorted)
        qsort(table->objects.data, n, sizeof *table->objects.data, compare_objects);
    table->sorted = true;
    for (size_t i = 0; i < n; i++) {
        NameKey key = key_of(table->objects.data[i]);
        *(uint32_t *)htable_find(&table->by_name, &key) = (uint32_t)i;
    }
}

int
compare_objects(const void *a, const void *b)
{
    const ApiObject *x = *(const ApiObject *const *)a, *y = *(const ApiObject *const *)b;
    int order = x->ns == y->ns ? 0 : strcmp(x->ns, y->ns);
    return order ? order : strcmp(x->name, y->name);
}

static ObjectVec *
slice_list(Store *store, const char *ns, const char *service, bool create)
{
    NameKey key;
    bool is_new = false;
    if (create) {
        strings_add(store->strings, ns);
        strings_add(store->strings, service);
    }
    if (!name_key_find(store->strings, ns, service, &key))
        return NULL;
    uint32_t *at = create ? htable_insert(&store->by_service, &key, &is_new) : htable_find(&store->by_service, &key);
    if (!at)
        return NULL;
    if (is_new) {
        *at = (uint32_t)store->slice_lists.len;
        vec_push(&store->slice_lists, (ObjectVec){0});
    }
    return &store->slice_lists.data[*at];
}

/* Keeps each Service's slices sorted by name; there are few. */
static void
index_slice(Store *store, const ApiObject *old, const ApiObject *new_)
{
    const char *was = old ? ((const EndpointSlice *)old)->service : NULL;
    const char *is = new_ ? ((const EndpointSlice *)new_)->service : NULL;
    if (was)
        slices_drop(slice_list(store, old->ns, was, false), old);
    if (is)
        slices_add(slice_list(store, new_->ns, is, true), new_);
}

void
slices_add(ObjectVec *list, const ApiObject *slice)
{
    /* Most have one. */
    if (list->cap == 0) {
        list->data = g_new(const ApiObject *, 1);
        list->cap = 1;
    }
    vec_push(list, slice);
    for (size_t i = list->len - 1; i > 0 && strcmp(list->data[i - 1]->name, slice->name) > 0; i--) {
        list->data[i] = list->data[i - 1];
        list->data[i - 1] = slice;
    }
}

void
slices_drop(ObjectVec *list, const ApiObject *slice)
{
    for (size_t i = 0; i < list->len; i++)
        if (list->data[i] == slice) {
            vec_remove(list, i);
            return;
        }
}

static void
tell(Store *store, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    store->telling++;
    /* Watchers that are added now hear of the next change. */
    size_t n = store->watchers.len;
    for (size_t i = 0; i < n; i++) {
        Watcher watcher = store->watchers.data[i];
        if (watcher.watch)
            watcher.watch(watcher.user, event, old, new_);
    }
    if (--store->telling == 0)
        drop_unwatched(store);
}

static void
drop_unwatched(Store *store)
{
    size_t n = 0;
    for (size_t i = 0; i < store->watchers.len; i++)
        if (store->watchers.data[i].watch)
            store->watchers.data[n++] = store->watchers.data[i];
    store->watchers.len = n;
}
