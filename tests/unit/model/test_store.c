#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

static ApiObject *
new_object(Store *store, ApiKind kind, const char *ns, const char *name)
{
    return api_new(kind, strings_add(store_strings(store), ns), strings_add(store_strings(store), name));
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Random puts and removals against a sorted array of "ns/name". */
static void
test_twin(void)
{
    uint32_t seed = g_random_int();
    GRand *rand = g_rand_new_with_seed(seed);
    Store *store = store_new();
    g_autoptr(GHashTable) twin = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int step = 0; step < 3000; step++) {
        g_autofree char *ns = g_strdup_printf("n%d", g_rand_int_range(rand, 0, 4));
        g_autofree char *name = g_strdup_printf("o%d", g_rand_int_range(rand, 0, 100));
        char *key = g_strdup_printf("%s/%s", ns, name);
        if (g_rand_int_range(rand, 0, 3)) {
            store_put(store, new_object(store, KIND_SERVICE, ns, name));
            g_hash_table_add(twin, key);
        } else {
            bool there = g_hash_table_remove(twin, key);
            if (!test_check(store_remove(store, KIND_SERVICE, ns, name) == there, __LINE__, __FILE__, __func__,
                            "removal of %s, seed %u", key, seed))
                step = 3000;
            g_free(key);
        }
        if (step % 50)
            continue;
        guint n_want;
        size_t n;
        g_autofree char **want = (char **)g_hash_table_get_keys_as_array(twin, &n_want);
        qsort(want, n_want, sizeof *want, compare_names);
        const ApiObject *const *list = store_list(store, KIND_SERVICE, &n);
        T_EQ_U64(n, n_want);
        for (size_t i = 0; i < MIN(n, n_want); i++) {
            g_autofree char *got = g_strdup_printf("%s/%s", list[i]->ns, list[i]->name);
            T_EQ_STR(got, want[i]);
            T_TRUE(store_get(store, KIND_SERVICE, list[i]->ns, list[i]->name) == list[i]);
        }
    }
    g_rand_free(rand);
    store_free(store);
}

typedef struct {
    GString *log;
    Store *store;
    uint32_t id;
} Watching;

static void
log_event(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    static const char *const names[] = {"+", "~", "-"};
    Watching *w = user;
    g_string_append_printf(w->log, "%s%s ", names[event], (new_ ? new_ : old)->name);
    if (event == STORE_DELETED)
        store_unwatch(w->store, w->id);
}

static void
test_watch(void)
{
    Store *store = store_new();
    g_autoptr(GString) log = g_string_new(NULL);
    Watching w = {log, store, 0};
    w.id = store_watch(store, log_event, &w);
    store_put(store, new_object(store, KIND_POD, "d", "a"));
    store_put(store, new_object(store, KIND_POD, "d", "a"));
    T_EQ_U64(store_version(store), 2);
    T_EQ_U64(store_get(store, KIND_POD, "d", "a")->version, 2);
    store_remove(store, KIND_POD, "d", "a");
    store_put(store, new_object(store, KIND_POD, "d", "b"));
    T_EQ_STR(log->str, "+a ~a -a ");
    store_free(store);
}

static void
put_slice(Store *store, const char *name, const char *service)
{
    EndpointSlice *slice = (EndpointSlice *)new_object(store, KIND_ENDPOINTSLICE, "d", name);
    slice->service = strings_add(store_strings(store), service);
    store_put(store, &slice->meta);
}

static void
test_slices(void)
{
    Store *store = store_new();
    size_t n;
    put_slice(store, "web-2", "web");
    put_slice(store, "web-1", "web");
    put_slice(store, "db-1", "db");
    const EndpointSlice *const *slices = store_slices_of(store, "d", "web", &n);
    T_EQ_U64(n, 2);
    T_EQ_STR(slices[0]->meta.name, "web-1");
    put_slice(store, "web-1", "db");
    store_slices_of(store, "d", "web", &n);
    T_EQ_U64(n, 1);
    slices = store_slices_of(store, "d", "db", &n);
    T_EQ_U64(n, 2);
    T_EQ_STR(slices[1]->meta.name, "web-1");
    store_remove(store, KIND_ENDPOINTSLICE, "d", "db-1");
    store_slices_of(store, "d", "db", &n);
    T_EQ_U64(n, 1);
    store_slices_of(store, "d", "none", &n);
    T_EQ_U64(n, 0);
    store_free(store);
}

static void
test_strings(void)
{
    Strings *strings = strings_new();
    const char *a = strings_add(strings, "10.244.1.7");
    for (int i = 0; i < 5000; i++)
        strings_printf(strings, "text-%d", i);
    T_TRUE(strings_add(strings, "10.244.1.7") == a && strings_find(strings, "10.244.1.7") == a);
    T_TRUE(strings_find(strings, "text-4999") != NULL && !strings_find(strings, "text-5000"));
    const char *const list[] = {"zone-a", "zone-b"};
    T_TRUE(strings_list(strings, list, 2) == strings_list(strings, list, 2));
    T_TRUE(strings_list(strings, list, 1) != strings_list(strings, list, 2));
    strings_free(strings);
}

const TestSuite suite_store = {
    "model/store",
    {{"listing and lookup agree with a sorted array", test_twin},
     {"watchers hear of each change in order and may leave", test_watch},
     {"slices are found by their Service", test_slices},
     {"equal texts and lists are one", test_strings}},
};
