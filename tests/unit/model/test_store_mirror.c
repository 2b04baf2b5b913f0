/* The naive twin of a mirror is a store of its own, with objects of its own, that takes each change in when it is due.
 */

#include "model/api/store.h"
#include "sim/engine/rng.h"
#include "sim/engine/vec.h"
#include "tests/unit/test.h"

#define SHOWN (STORE_KIND(KIND_SERVICE) | STORE_KIND(KIND_ENDPOINTSLICE) | STORE_KIND(KIND_NODE))

static const ApiKind KINDS[] = {KIND_SERVICE, KIND_ENDPOINTSLICE, KIND_NODE, KIND_POD, KIND_NAMESPACE};
static const char *const SPACES[] = {"a", "b"};
static const char *const NAMES[] = {"db", "web", "web-1", "x", "y"};
static const char *const SERVICES[] = {NULL, "web", "db", "none"};

/* An object of this number is put, or removed if it is 0. */
typedef struct {
    SimTime due;
    ApiKind kind;
    const char *ns, *name, *service;
    int64_t number;
} Change;

typedef struct {
    Store *origin, *mirror, *twin;
    uint64_t mirror_version, twin_version; /* At the start. */
    SimTime now, lag;
    VEC(Change) queue; /* The twin's. */
    size_t n_taken;
    GString *mirror_told, *twin_told;
} World;

static bool
shows(ApiKind kind)
{
    return SHOWN & STORE_KIND(kind);
}

static void
change(Store *store, const Change *c)
{
    ApiObject *object;

    if (!c->number) {
        store_remove(store, c->kind, c->ns, c->name);
        return;
    }
    object = api_new(c->kind, strings_add(store_strings(store), c->ns), strings_add(store_strings(store), c->name));
    object->created_ns = c->number;
    if (c->kind == KIND_ENDPOINTSLICE)
        ((EndpointSlice *)object)->service = strings_add(store_strings(store), c->service);
    store_put(store, object);
}

static void
on_origin(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    World *w = user;
    const ApiObject *object = new_ ? new_ : old;

    (void)event;
    T_TRUE(store_hold(w->mirror, w->now + w->lag, old, new_) == shows(object->kind));
}

static void
tell(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    const ApiObject *object = new_ ? new_ : old;

    g_string_append_printf(user, "%d %d %s/%s %" PRId64 " %" PRId64 "\n", event, object->kind, object->ns, object->name,
                           old ? old->created_ns : 0, new_ ? new_->created_ns : 0);
}

static void
append_object(GString *text, const ApiObject *object)
{
    if (object)
        g_string_append_printf(text, " %s/%s=%" PRId64, object->ns, object->name, object->created_ns);
    else
        g_string_append(text, " -");
}

/* All that can be read: each object by its number. */
static GString *
read_all(Store *store)
{
    GString *text = g_string_new(NULL);

    for (size_t k = 0; k < G_N_ELEMENTS(KINDS); k++) {
        size_t n;
        const ApiObject *const *list = store_list(store, KINDS[k], &n);
        g_string_append_printf(text, "\n%d:", KINDS[k]);
        for (size_t i = 0; i < n; i++)
            append_object(text, list[i]);
        g_string_append(text, "\n got");
        for (size_t i = 0; i < G_N_ELEMENTS(SPACES) * G_N_ELEMENTS(NAMES); i++)
            append_object(text, store_get(store, KINDS[k], SPACES[i % 2], NAMES[i / 2]));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(SPACES) * (G_N_ELEMENTS(SERVICES) - 1); i++) {
        size_t n;
        const EndpointSlice *const *slices = store_slices_of(store, SPACES[i % 2], SERVICES[1 + i / 2], &n);
        g_string_append_printf(text, "\nof %s/%s:", SPACES[i % 2], SERVICES[1 + i / 2]);
        for (size_t s = 0; s < n; s++)
            append_object(text, &slices[s]->meta);
    }
    return text;
}

static Change
random_change(Rng *rng, int64_t number)
{
    return (Change){.kind = KINDS[rng_below(rng, G_N_ELEMENTS(KINDS))],
                    .ns = SPACES[rng_below(rng, G_N_ELEMENTS(SPACES))],
                    .name = NAMES[rng_below(rng, G_N_ELEMENTS(NAMES))],
                    .service = SERVICES[rng_below(rng, G_N_ELEMENTS(SERVICES))],
                    .number = rng_below(rng, 3) ? number : 0};
}

static void
world_open(World *w, Rng *rng)
{
    *w = (World){.origin = store_new(), .twin = store_new(), .lag = 10};
    for (int64_t i = 1; i <= 60; i++) {
        Change c = random_change(rng, i);
        change(w->origin, &c);
        if (shows(c.kind))
            change(w->twin, &c);
    }
    w->mirror = store_new_mirror(w->origin, SHOWN);
    w->mirror_version = store_version(w->mirror);
    w->twin_version = store_version(w->twin);
    w->mirror_told = g_string_new(NULL);
    w->twin_told = g_string_new(NULL);
    store_watch(w->origin, on_origin, w);
    store_watch(w->mirror, tell, w->mirror_told);
    store_watch(w->twin, tell, w->twin_told);
}

static void
world_close(World *w)
{
    store_free(w->mirror);
    /* The mirror has let go of everything. */
    for (size_t k = 0; k < G_N_ELEMENTS(KINDS); k++) {
        size_t n;
        const ApiObject *const *list = store_list(w->origin, KINDS[k], &n);
        for (size_t i = 0; i < n; i++)
            T_EQ_U64(list[i]->refs, 1);
    }
    store_free(w->origin);
    store_free(w->twin);
    vec_clear(&w->queue);
    g_string_free(w->mirror_told, TRUE);
    g_string_free(w->twin_told, TRUE);
}

static void
world_change(World *w, Change c)
{
    bool is_one = c.number || store_get(w->origin, c.kind, c.ns, c.name);

    change(w->origin, &c);
    c.due = w->now + w->lag;
    if (is_one && shows(c.kind))
        vec_push(&w->queue, c);
}

static void
world_wait(World *w, SimTime time)
{
    size_t n = w->n_taken;

    w->now += time;
    T_EQ_I64(store_next_due(w->mirror), n < w->queue.len ? w->queue.data[n].due : SIMTIME_NEVER);
    while (w->n_taken < w->queue.len && w->queue.data[w->n_taken].due <= w->now)
        change(w->twin, &w->queue.data[w->n_taken++]);
    T_EQ_U64(store_catch_up(w->mirror, w->now), w->n_taken - n);
}

static bool
world_check(World *w)
{
    g_autoptr(GString) got = read_all(w->mirror), want = read_all(w->twin);

    return T_EQ_STR(got->str, want->str) && T_EQ_STR(w->mirror_told->str, w->twin_told->str) &&
           T_EQ_U64(store_version(w->mirror) - w->mirror_version, store_version(w->twin) - w->twin_version);
}

static void
test_twin(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        Rng rng = rng_stream(seed, "store_mirror", "twin");
        World w;
        world_open(&w, &rng);
        for (int64_t step = 0; step < 400; step++) {
            switch (rng_below(&rng, 8)) {
            case 0:
                w.lag = rng_below(&rng, 30);
                break;
            case 1:
            case 2:
                world_wait(&w, rng_below(&rng, 12));
                break;
            default:
                world_change(&w, random_change(&rng, 100 + step));
            }
            if (!test_check(world_check(&w), __LINE__, __FILE__, __func__, "seed %" PRIu64 ", step %d", seed,
                            (int)step))
                break;
        }
        if (seed % 2)
            world_wait(&w, 100);
        T_TRUE(world_check(&w));
        world_close(&w);
    }
}

/* Several changes of one object, a removal among them, are seen one by one; a slice goes to another Service last. */
static void
test_changes_of_one(void)
{
    Rng rng = rng_stream(1, "store_mirror", "one");
    const Change slice = {.kind = KIND_ENDPOINTSLICE, .ns = "a", .name = "x", .service = "web"};
    World w;
    Change c = slice;
    size_t n;

    world_open(&w, &rng);
    c.number = 201;
    world_change(&w, c);
    world_wait(&w, 100);
    for (int64_t number = 202; number <= 205; number++) {
        c.number = number == 203 ? 0 : number;
        c.service = number == 205 ? "other" : "web";
        world_change(&w, c);
        world_wait(&w, 1);
        T_EQ_I64(store_get(w.mirror, KIND_ENDPOINTSLICE, "a", "x")->created_ns, 201);
    }
    for (int i = 0; i < 4; i++) {
        world_check(&w);
        store_slices_of(w.mirror, "a", "other", &n);
        T_EQ_U64(n, 0);
        world_wait(&w, i ? 1 : 6);
    }
    world_check(&w);
    T_EQ_I64(store_slices_of(w.mirror, "a", "other", &n)[0]->meta.created_ns, 205);
    T_EQ_I64(store_next_due(w.mirror), SIMTIME_NEVER);
    world_close(&w);
}

/* What does not differ is not copied. */
static void
test_shares(void)
{
    Rng rng = rng_stream(2, "store_mirror", "shares");
    World w;
    size_t n, n_origin;

    world_open(&w, &rng);
    for (int round = 0; round < 2; round++) {
        T_TRUE(store_list(w.mirror, KIND_SERVICE, &n) == store_list(w.origin, KIND_SERVICE, &n_origin));
        T_TRUE(store_slices_of(w.mirror, "a", "web", &n) == store_slices_of(w.origin, "a", "web", &n_origin));
        world_change(&w, (Change){.kind = KIND_SERVICE, .ns = "a", .name = "web", .number = 300});
        world_change(&w, (Change){.kind = KIND_ENDPOINTSLICE, .ns = "a", .name = "y", .service = "web", .number = 301});
        T_TRUE(store_list(w.mirror, KIND_SERVICE, &n) != store_list(w.origin, KIND_SERVICE, &n_origin));
        T_TRUE(store_slices_of(w.mirror, "a", "web", &n) != store_slices_of(w.origin, "a", "web", &n_origin));
        T_TRUE(store_slices_of(w.mirror, "a", "db", &n) == store_slices_of(w.origin, "a", "db", &n_origin));
        T_TRUE(store_list(w.mirror, KIND_NODE, &n) == store_list(w.origin, KIND_NODE, &n_origin));
        world_wait(&w, w.lag);
    }
    world_close(&w);
}

const TestSuite suite_store_mirror = {
    "model/store_mirror",
    {{"a mirror reads as a copy that takes changes in when they are due", test_twin},
     {"changes of one object are seen one by one", test_changes_of_one},
     {"what does not differ is the origin's", test_shares}},
};
