/* Pods that follow from slices: made whenever, they are the same */

#include <string.h>

#include "model/api/api_encode.h"
#include "model/control/control.h"
#include "model/network/cluster.h"
#include "tests/unit/test.h"

#define NODE(name, octet)                                                                                              \
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: " name "}\nspec: {podCIDR: 10.1." octet ".0/24}\n"              \
    "status: {addresses: [{type: InternalIP, address: 172.16.0.1" octet                                                \
    "}, {type: InternalIP, address: \"fd00::1" octet "\"}]}\n"
#define SERVICE(name, labels)                                                                                          \
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: " name "}\nspec: {clusterIP: None, selector: {" labels       \
    "}, ports: [{name: p, port: 80}]}\n"
#define SLICE(name, service, type, endpoints)                                                                          \
    "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " name                                \
    ", labels: {kubernetes.io/service-name: " service "}}\naddressType: " type "\nports: [{name: p, port: 8080}]\n"    \
    "endpoints:\n" endpoints
#define TARGET(name) ", targetRef: {kind: Pod, name: " name "}}\n"

static const char world[] = NODE("a", "0") NODE("b", "1") SERVICE("web", "app: web") SERVICE(
    "x",
    "app: x, tier: t") SLICE("web-4", "web", "IPv4",
                             "- {addresses: [10.1.0.5], nodeName: a" TARGET("dual") /* And an IPv6 address. */
                             "- {addresses: [10.1.0.6], nodeName: a" TARGET("half") /* And a node's address. */
                             "- {addresses: [10.1.1.8], nodeName: b}\n"             /* Named by address. */
                             "- {addresses: [10.1.1.9], nodeName: b, conditions: {ready: false, serving: false}}\n"
                             "- {addresses: [10.1.0.61], nodeName: a" TARGET("dual") /* Has one of the family. */
                             "- {addresses: [10.1.0.62], nodeName: nowhere}\n"
                             "- {addresses: [10.1.1.10], nodeName: b, conditions: {terminating: true}" TARGET("ending"))
    SLICE("web-6", "web", "IPv6",
          "- {addresses: [\"fd01::5\"], nodeName: b" TARGET("dual") "- {addresses: [\"fd00::10\"], nodeName: a" TARGET(
              "half") "- {addresses: [\"fd01::8\"], nodeName: b}\n")
        SLICE("x-4", "x", "IPv4",
              "- {addresses: [10.1.0.5], nodeName: a" TARGET("dual") "- {addresses: [10.1.0.70], nodeName: a" TARGET(
                  "web-10-1-1-8") /* Another's name. */
              "- {addresses: [10.1.0.71], nodeName: a}\n");
static const char *const names[] = {"dual",         "ending",      "half",        "web-10-1-1-8",
                                    "web-10-1-1-9", "web-fd01--8", "x-10-1-0-71", NULL};
#define N_WAITING 5

static Input *
filled(void)
{
    Input *input = input_load_text("world.yaml", world);

    T_EQ_U64(diags_errors(input->diags), 0);
    T_TRUE(control_fill(input));
    return input;
}

static char *
text_of(const ApiObject *object)
{
    DocArena arena = {0};
    GString *text = g_string_new(object->name);
    const Pod *pod = (const Pod *)object;
    char addr[IPADDR_STR_SIZE];

    g_string_append_printf(text, " line %u host %s ", object->mark.line, ipaddr_format(pod->host_ip, addr));
    doc_write_flow(api_encode(&arena, object), text);
    doc_arena_clear(&arena);
    return g_string_free(text, FALSE);
}

/* One by one, from the last, over a cluster, and after what they follow from has changed: as all at once. */
static void
test_whenever(void)
{
    Input *at_once = filled(), *later = filled();
    size_t n, n_made;
    const ApiObject *const *all = store_list(at_once->store, KIND_POD, &n);
    Cluster *cluster;

    T_EQ_U64(n, G_N_ELEMENTS(names) - 1);
    store_list_made(later->store, KIND_POD, &n_made);
    T_EQ_U64(n_made, n - N_WAITING);
    cluster = cluster_new(later, &(ClusterOptions){.seed = 1});
    T_TRUE(store_remove(later->store, KIND_SERVICE, "default", "web"));
    T_TRUE(store_remove(later->store, KIND_ENDPOINTSLICE, "default", "web-4"));
    T_TRUE(store_remove(later->store, KIND_NODE, "", "b"));
    for (size_t i = n; i-- > 0;) {
        const ApiObject *pod = store_get(later->store, KIND_POD, "default", names[i]);
        if (!test_check(pod != NULL, __LINE__, __FILE__, __func__, "no pod %s", names[i]))
            continue;
        g_autofree char *want = text_of(all[i]), *got = text_of(pod);
        T_EQ_STR(got, want);
        T_TRUE(store_get(later->store, KIND_POD, "default", names[i]) == pod);
    }
    store_list_made(later->store, KIND_POD, &n_made);
    T_EQ_U64(n_made, n);
    T_TRUE(store_get(later->store, KIND_POD, "default", "web-10-1-1-7") == NULL);
    T_TRUE(store_get(later->store, KIND_POD, "other", "dual") == NULL);
    cluster_free(cluster);
    input_free(later);
    input_free(at_once);
}

static void
check_outlines(Store *store, size_t want)
{
    PodCursor cursor = {0};
    size_t n = 0;

    for (const PodOutline *pod; (pod = store_next_pod(store, &cursor)); n++)
        T_EQ_STR(pod->name, names[n]);
    T_EQ_U64(n, want);
}

/* The outlines come in the same order whatever is made, and say what the object says. */
static void
test_outlines(void)
{
    for (size_t made = 0; names[made]; made++) {
        Input *input = filled();
        PodCursor cursor = {0};
        store_get(input->store, KIND_POD, "default", names[made]);
        check_outlines(input->store, G_N_ELEMENTS(names) - 1);
        for (const PodOutline *pod; (pod = store_next_pod(input->store, &cursor));) {
            Input *other = filled();
            const Pod *object = (const Pod *)store_get(other->store, KIND_POD, pod->ns, pod->name);
            T_EQ_STR(pod->node_name, object->spec.node_name);
            T_EQ_U64(pod->n_ips, object->n_ips);
            T_TRUE(memcmp(pod->ips, object->ips, pod->n_ips * sizeof *pod->ips) == 0);
            T_EQ_U64(pod->labels->n, object->meta.labels.n);
            input_free(other);
        }
        input_free(input);
    }
}

typedef struct {
    const ApiObject *old, *new_;
    unsigned n;
} Told;

static void
on_change(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    Told *told = user;

    (void)event;
    told->old = old;
    told->new_ = new_;
    told->n++;
}

/* Who watches hears of changes with what was there before, and nothing of objects that are made. */
static void
test_changes(void)
{
    Input *input = filled();
    Told told = {0};
    const char *name = strings_add(store_strings(input->store), "web-fd01--8");
    size_t n;

    store_watch(input->store, on_change, &told);
    T_TRUE(store_get(input->store, KIND_POD, "default", "dual") != NULL);
    T_EQ_U64(told.n, 0);
    store_put(input->store, api_new(KIND_POD, strings_add(store_strings(input->store), "default"), name));
    T_EQ_U64(told.n, 1);
    T_TRUE(told.old && told.new_ && told.old != told.new_);
    T_TRUE(store_remove(input->store, KIND_POD, "default", "web-10-1-1-9"));
    T_EQ_U64(told.n, 2);
    T_TRUE(told.old && !told.new_);
    T_TRUE(!store_remove(input->store, KIND_POD, "default", "web-10-1-1-9"));
    T_TRUE(store_get(input->store, KIND_POD, "default", "web-10-1-1-9") == NULL);
    store_list(input->store, KIND_POD, &n);
    T_EQ_U64(n, G_N_ELEMENTS(names) - 2);
    T_EQ_U64(told.n, 2);
    input_free(input);
}

const TestSuite suite_implied = {
    "implied pods",
    {{"made whenever, they are the same", test_whenever},
     {"outlines say what the objects say", test_outlines},
     {"watchers hear of changes only", test_changes}},
};
