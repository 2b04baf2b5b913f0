#include "model/api/implied_pods.h"

#include <stdlib.h>
#include <string.h>

#include "sim/engine/vec.h"

/* A slice, and the Service whose selector its pods have for labels; held. */
typedef struct {
    const EndpointSlice *slice;
    const Service *service; /* Or NULL. */
} Source;

typedef struct {
    uint32_t source;
    uint32_t endpoint : 31;
    uint32_t made : 1; /* Waits no more. */
} Reference;

struct ImpliedPods {
    uint32_t refs;
    Strings *strings;
    VEC(Source) sources;
    VEC(Reference) references; /* Sealed: by namespace, name, and in the order of adding. */
    const KubeNode **nodes;    /* Held; by name. */
    size_t n_nodes;
};

/* A reference while they are sorted. */
typedef struct {
    const char *ns, *name;
    Reference reference;
} Entry;

static Reference reference_at(const ImpliedPods *pods, size_t i);
static const EndpointSlice *slice_of(const ImpliedPods *pods, Reference r);
static const Endpoint *endpoint_of(const ImpliedPods *pods, Reference r);
static int compare_entries(const void *a, const void *b);
static int compare_key(const ImpliedPods *pods, size_t i, const char *ns, const char *name);
static size_t end_of_pod(const ImpliedPods *pods, size_t first);
static Pod *make(ImpliedPods *pods, size_t first, size_t end);
static const KubeNode *node_named(const ImpliedPods *pods, const char *name);
static uint32_t addrs_of(const ImpliedPods *pods, size_t first, size_t end, IpAddr ret_ips[2]);

ImpliedPods *
implied_pods_new(Strings *strings, const ApiObject *const *nodes, size_t n_nodes)
{
    ImpliedPods *pods = g_new0(ImpliedPods, 1);

    pods->refs = 1;
    pods->strings = strings;
    pods->nodes = g_new(const KubeNode *, n_nodes);
    pods->n_nodes = n_nodes;
    for (size_t i = 0; i < n_nodes; i++)
        pods->nodes[i] = (const KubeNode *)api_ref((ApiObject *)nodes[i]);
    return pods;
}

ImpliedPods *
implied_pods_ref(ImpliedPods *pods)
{
    pods->refs++;
    return pods;
}

void
implied_pods_unref(ImpliedPods *pods)
{
    if (!pods || --pods->refs)
        return;
    for (size_t i = 0; i < pods->sources.len; i++) {
        api_unref((ApiObject *)pods->sources.data[i].slice);
        api_unref((ApiObject *)pods->sources.data[i].service);
    }
    for (size_t i = 0; i < pods->n_nodes; i++)
        api_unref((ApiObject *)pods->nodes[i]);
    vec_clear(&pods->sources);
    vec_clear(&pods->references);
    g_free(pods->nodes);
    g_free(pods);
}

void
implied_pods_add(ImpliedPods *pods, const EndpointSlice *slice, uint32_t endpoint, const Service *service)
{
    if (pods->sources.len == 0 || vec_last(&pods->sources)->slice != slice) {
        vec_push(&pods->sources, (Source){slice, service});
        api_ref((ApiObject *)slice);
        if (service)
            api_ref((ApiObject *)service);
    }
    vec_push(&pods->references, (Reference){(uint32_t)pods->sources.len - 1, endpoint, 0});
}

Pod *
implied_pods_take(ImpliedPods *pods, size_t i)
{
    return make(pods, i, i + 1);
}

void
implied_pods_seal(ImpliedPods *pods)
{
    size_t n = 0;
    g_autofree Entry *entries = g_new(Entry, pods->references.len);
    DocArena names = {0};
    char buf[IMPLIED_NAME_SIZE];

    for (size_t i = 0; i < pods->references.len; i++) {
        Reference r = pods->references.data[i];
        const EndpointSlice *slice = slice_of(pods, r);
        const char *name = implied_pod_name(slice, endpoint_of(pods, r), buf);
        if (!r.made)
            entries[n++] = (Entry){slice->meta.ns, name == buf ? doc_arena_text(&names, buf, strlen(buf)) : name, r};
    }
    if (n)
        qsort(entries, n, sizeof *entries, compare_entries);
    vec_clear(&pods->references);
    vec_reserve(&pods->references, n);
    for (size_t i = 0; i < n; i++)
        vec_push(&pods->references, entries[i].reference);
    doc_arena_clear(&names);
}

const char *
implied_pod_name(const EndpointSlice *slice, const Endpoint *ep, char buf[static IMPLIED_NAME_SIZE])
{
    char address[IPADDR_STR_SIZE];

    if (ep->target)
        return ep->target;
    g_strdelimit(ipaddr_format(ep->addr, address), ".:", '-');
    g_snprintf(buf, IMPLIED_NAME_SIZE, "%s-%s", slice->service ? slice->service : slice->meta.name, address);
    return buf;
}

void
pod_outline(const Pod *pod, PodOutline *ret_outline)
{
    ret_outline->ns = pod->meta.ns;
    ret_outline->name = pod->meta.name;
    ret_outline->node_name = pod->spec.node_name;
    ret_outline->labels = &pod->meta.labels;
    memcpy(ret_outline->ips, pod->ips, sizeof pod->ips);
    ret_outline->n_ips = pod->n_ips;
    ret_outline->object = pod;
    ret_outline->number = ret_outline->n_endpoints = 0;
}

size_t
implied_pods_len(const ImpliedPods *pods)
{
    return pods->references.len;
}

const IpAddr *
implied_pods_addr(const ImpliedPods *pods, size_t endpoint)
{
    return &endpoint_of(pods, reference_at(pods, endpoint))->addr;
}

size_t
implied_pods_of_endpoint(const ImpliedPods *pods, size_t endpoint)
{
    const EndpointSlice *slice = slice_of(pods, reference_at(pods, endpoint));
    char buf[IMPLIED_NAME_SIZE];
    const char *name = implied_pod_name(slice, endpoint_of(pods, reference_at(pods, endpoint)), buf);

    while (endpoint > 0 && compare_key(pods, endpoint - 1, slice->meta.ns, name) == 0)
        endpoint--;
    return endpoint;
}

bool
implied_pods_find(const ImpliedPods *pods, const char *ns, const char *name, size_t *ret_number)
{
    size_t low = 0, high = pods->references.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_key(pods, middle, ns, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_number = low;
    return low < pods->references.len && compare_key(pods, low, ns, name) == 0;
}

void
implied_pods_outline(const ImpliedPods *pods, size_t number, PodOutline *ret_outline)
{
    static const Labels none;
    Reference r = reference_at(pods, number);
    const Endpoint *ep = endpoint_of(pods, r);
    const Service *service = pods->sources.data[r.source].service;

    ret_outline->ns = slice_of(pods, r)->meta.ns;
    ret_outline->name = implied_pod_name(slice_of(pods, r), ep, ret_outline->text);
    ret_outline->node_name = ep->node_name;
    ret_outline->labels = service ? &service->selector : &none;
    ret_outline->object = NULL;
    ret_outline->number = number;
    ret_outline->n_endpoints = end_of_pod(pods, number) - number;
    ret_outline->n_ips = addrs_of(pods, number, number + ret_outline->n_endpoints, ret_outline->ips);
}

bool
implied_pods_next(const ImpliedPods *pods, size_t *at, PodOutline *ret_outline)
{
    size_t first = *at;

    while (first < pods->references.len && reference_at(pods, first).made)
        first++;
    if (first == pods->references.len)
        return false;
    implied_pods_outline(pods, first, ret_outline);
    *at = first + ret_outline->n_endpoints;
    return true;
}

Pod *
implied_pods_make(ImpliedPods *pods, const char *ns, const char *name)
{
    size_t number;

    if (!implied_pods_find(pods, ns, name, &number) || reference_at(pods, number).made)
        return NULL;
    return make(pods, number, end_of_pod(pods, number));
}

Pod *
implied_pods_make_next(ImpliedPods *pods, size_t *at)
{
    size_t first = *at;

    while (first < pods->references.len && pods->references.data[first].made)
        first++;
    if (first == pods->references.len)
        return NULL;
    *at = end_of_pod(pods, first);
    return make(pods, first, *at);
}

static Reference
reference_at(const ImpliedPods *pods, size_t i)
{
    return pods->references.data[i];
}

static const EndpointSlice *
slice_of(const ImpliedPods *pods, Reference r)
{
    return pods->sources.data[r.source].slice;
}

static const Endpoint *
endpoint_of(const ImpliedPods *pods, Reference r)
{
    return &slice_of(pods, r)->endpoints[r.endpoint];
}

static int
compare_entries(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    int order = x->ns == y->ns ? 0 : strcmp(x->ns, y->ns);

    if (order == 0)
        order = strcmp(x->name, y->name);
    if (order == 0)
        order = (x->reference.source > y->reference.source) - (x->reference.source < y->reference.source);
    return order ? order : (int)x->reference.endpoint - (int)y->reference.endpoint;
}

static int
compare_key(const ImpliedPods *pods, size_t i, const char *ns, const char *name)
{
    const EndpointSlice *slice = slice_of(pods, reference_at(pods, i));
    char buf[IMPLIED_NAME_SIZE];
    int order = strcmp(slice->meta.ns, ns);

    return order ? order : strcmp(implied_pod_name(slice, endpoint_of(pods, reference_at(pods, i)), buf), name);
}

/* Those of one name follow each other. */
static size_t
end_of_pod(const ImpliedPods *pods, size_t first)
{
    const EndpointSlice *slice = slice_of(pods, reference_at(pods, first));
    char buf[IMPLIED_NAME_SIZE];
    const char *name = implied_pod_name(slice, endpoint_of(pods, reference_at(pods, first)), buf);
    size_t end = first + 1;

    while (end < pods->references.len && compare_key(pods, end, slice->meta.ns, name) == 0)
        end++;
    return end;
}

static Pod *
make(ImpliedPods *pods, size_t first, size_t end)
{
    Reference r = reference_at(pods, first);
    const EndpointSlice *slice = slice_of(pods, r);
    const Endpoint *ep = endpoint_of(pods, r);
    const Service *service = pods->sources.data[r.source].service;
    const KubeNode *node = node_named(pods, endpoint_of(pods, reference_at(pods, end - 1))->node_name);
    char buf[IMPLIED_NAME_SIZE];
    Pod *pod = (Pod *)api_new(KIND_POD, slice->meta.ns, strings_add(pods->strings, implied_pod_name(slice, ep, buf)));

    pod->meta.mark = slice->meta.mark;
    if (service)
        pod->meta.labels = labels_copy(&service->selector);
    pod->phase = POD_RUNNING;
    pod->ready = (ep->conditions & (EP_READY | EP_SERVING)) != 0;
    pod->spec.node_name = ep->node_name;
    if (node && node->n_internal_ips)
        pod->host_ip = node->internal_ips[0];
    pod->n_ips = addrs_of(pods, first, end, pod->ips);
    for (size_t i = first; i < end; i++)
        pods->references.data[i].made = 1;
    return pod;
}

static const KubeNode *
node_named(const ImpliedPods *pods, const char *name)
{
    size_t low = 0, high = pods->n_nodes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(pods->nodes[middle]->meta.name, name);
        if (order == 0)
            return pods->nodes[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* One of each family. */
static uint32_t
addrs_of(const ImpliedPods *pods, size_t first, size_t end, IpAddr ret_ips[2])
{
    uint32_t n = 0;

    for (size_t i = first; i < end && n < 2; i++) {
        const IpAddr *addr = &endpoint_of(pods, reference_at(pods, i))->addr;
        if (n == 0 || ipaddr_family(addr) != ipaddr_family(&ret_ips[0]))
            ret_ips[n++] = *addr;
    }
    return n;
}
