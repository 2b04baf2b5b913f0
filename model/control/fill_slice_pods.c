/* Pods that given EndpointSlices speak of but nobody gave: so that packets meet somebody there
 *
 * An endpoint's pod stands on its nodeName, or on the node whose pod CIDR holds the address; an address that is
 * nobody's stays outside the cluster.  Labels and containers come from the workload that the name points to, else the
 * labels from the Service's selector.  Most such pods are only noted here, and made when they are asked for
 * (api/implied_pods.h). */

#include <string.h>

#include "model/control/fill_private.h"
#include "model/control/pod_make.h"
#include "sim/engine/htable.h"
#include "sim/engine/vec.h"

typedef struct {
    const char *ns, *name;
} PodKey;

/* What has become of a name that slices have spoken of. */
typedef struct {
    Pod *pod;        /* In 'pods'; NULL: it waits, or was given with its address. */
    uint32_t waits;  /* 1 + its number in 'implied'; 0: it does not. */
    uint8_t n_addrs; /* Of one that waits. */
    uint8_t family;  /* Of its first. */
} Known;

typedef struct {
    Fill *f;
    HTable by_addr;  /* IpAddr -> uint8_t: addresses that pods have. */
    HTable by_name;  /* PodKey -> Known. */
    HTable node_ips; /* IpAddr -> const char *. */
    GPtrArray *pods; /* New or changed, unstored. */
    ImpliedPods *implied;
    uint32_t n_implied;
    const Service *service; /* Of the slice that is read, or NULL. */
    bool any_given, any_workload;
} SlicePods;

static void index_addrs(SlicePods *s);
static void take_endpoint(SlicePods *s, const EndpointSlice *slice, uint32_t index);
static const char *node_of(const SlicePods *s, const Endpoint *ep, bool *ret_host);
static bool take_again(SlicePods *s, Known *known, const EndpointSlice *slice, uint32_t index, bool may_wait);
static Pod *pod_new(SlicePods *s, const EndpointSlice *slice, const Endpoint *ep, const char *name, const Pod *given,
                    const Workload *w);
static void let_wait(SlicePods *s, Known *known, const EndpointSlice *slice, uint32_t index);
static const Workload *workload_of(const SlicePods *s, const EndpointSlice *slice, const char *name);
static void dress(Fill *f, const Workload *w, Pod *pod);

void
fill_slice_pods(Fill *f)
{
    size_t n, n_nodes;
    const ApiObject *const *slices = store_list(f->store, KIND_ENDPOINTSLICE, &n);
    const ApiObject *const *nodes = store_list(f->store, KIND_NODE, &n_nodes);
    SlicePods s = {.f = f, .pods = g_ptr_array_new()};

    if (n == 0) {
        g_ptr_array_unref(s.pods);
        return;
    }
    htable_init(&s.by_addr, sizeof(IpAddr), sizeof(uint8_t));
    htable_init(&s.by_name, sizeof(PodKey), sizeof(Known));
    htable_init(&s.node_ips, sizeof(IpAddr), sizeof(const char *));
    s.implied = implied_pods_new(f->strings, nodes, n_nodes);
    s.any_workload = fill_has_workloads(f);
    index_addrs(&s);
    for (size_t i = 0; i < n; i++) {
        const EndpointSlice *slice = (const EndpointSlice *)slices[i];
        s.service =
            slice->service ? (const Service *)store_get(f->store, KIND_SERVICE, slice->meta.ns, slice->service) : NULL;
        for (uint32_t k = 0; !slice->fqdn && k < slice->n_endpoints; k++)
            take_endpoint(&s, slice, k);
    }
    for (guint i = 0; i < s.pods->len; i++)
        store_put(f->store, s.pods->pdata[i]);
    implied_pods_seal(s.implied);
    store_imply(f->store, s.implied);
    htable_clear(&s.by_addr);
    htable_clear(&s.by_name);
    htable_clear(&s.node_ips);
    g_ptr_array_unref(s.pods);
}

static void
index_addrs(SlicePods *s)
{
    size_t n;
    const ApiObject *const *pods = store_list(s->f->store, KIND_POD, &n);

    s->any_given = n > 0;
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < ((const Pod *)pods[i])->n_ips; k++)
            htable_insert(&s->by_addr, &((const Pod *)pods[i])->ips[k], NULL);
    const ApiObject *const *nodes = store_list(s->f->store, KIND_NODE, &n);
    for (size_t i = 0; i < n; i++) {
        const KubeNode *node = (const KubeNode *)nodes[i];
        for (uint32_t k = 0; k < node->n_internal_ips; k++)
            *(const char **)htable_insert(&s->node_ips, &node->internal_ips[k], NULL) = node->meta.name;
    }
}

static void
take_endpoint(SlicePods *s, const EndpointSlice *slice, uint32_t index)
{
    const Endpoint *ep = &slice->endpoints[index];
    Known unnamed = {0}, *known = &unnamed;
    char buf[IMPLIED_NAME_SIZE];
    const char *node_name, *name;
    bool host, is_new = true;

    if (ipaddr_is_any(&ep->addr) || ipaddr_is_loopback(&ep->addr) || ipaddr_is_multicast(&ep->addr) ||
        ipaddr_is_linklocal(&ep->addr) || htable_find(&s->by_addr, &ep->addr))
        return;
    node_name = node_of(s, ep, &host);
    if (!node_name)
        return;
    bool may_wait = !host && ep->node_name && !(ep->conditions & EP_TERMINATING);
    /* A name that is no text of the input is nobody else's. */
    name = ep->target ? ep->target : strings_find(s->f->strings, implied_pod_name(slice, ep, buf));
    if (name) {
        PodKey key = {slice->meta.ns, name};
        known = htable_insert(&s->by_name, &key, &is_new);
    }
    if (is_new) {
        const Pod *given =
            s->any_given && name ? (const Pod *)store_get(s->f->store, KIND_POD, slice->meta.ns, name) : NULL;
        if (given && given->n_ips)
            return;
        const Workload *w = given ? NULL : workload_of(s, slice, name ? name : buf);
        if (!given && !w && may_wait) {
            let_wait(s, known, slice, index);
            return;
        }
        known->pod = pod_new(s, slice, ep, name ? name : strings_add(s->f->strings, buf), given, w);
    } else if (!take_again(s, known, slice, index, may_wait)) {
        return;
    }
    Pod *pod = known->pod;
    if (pod->n_ips == 2 || (pod->n_ips == 1 && ipaddr_family(&pod->ips[0]) == ipaddr_family(&ep->addr)))
        return;
    const KubeNode *node = fill_node(s->f, node_name);
    if (!pod->spec.node_name)
        pod->spec.node_name = node->meta.name;
    pod->spec.host_network |= host;
    if (node->n_internal_ips)
        pod->host_ip = node->internal_ips[0];
    pod->ips[pod->n_ips++] = ep->addr;
    /* Several Services may have one hostNetwork pod as endpoint, and several such pods share the address. */
    if (!host)
        htable_insert(&s->by_addr, &ep->addr, NULL);
}

static const char *
node_of(const SlicePods *s, const Endpoint *ep, bool *ret_host)
{
    const char *const *owner = htable_find(&s->node_ips, &ep->addr);

    *ret_host = owner != NULL;
    if (owner)
        return *owner;
    if (ep->node_name)
        return fill_node(s->f, ep->node_name) ? ep->node_name : NULL;
    return alloc_node_of_addr(s->f->alloc, ep->addr);
}

/* Another endpoint of a known name: true if its pod is to be given the address. */
static bool
take_again(SlicePods *s, Known *known, const EndpointSlice *slice, uint32_t index, bool may_wait)
{
    const Endpoint *ep = &slice->endpoints[index];

    if (!known->waits)
        return known->pod != NULL;
    if (known->n_addrs == 2 || known->family == ipaddr_family(&ep->addr))
        return false;
    if (may_wait) {
        let_wait(s, known, slice, index);
        return false;
    }
    known->pod = implied_pods_take(s->implied, known->waits - 1);
    known->waits = 0;
    g_ptr_array_add(s->pods, known->pod);
    return true;
}

static void
let_wait(SlicePods *s, Known *known, const EndpointSlice *slice, uint32_t index)
{
    const IpAddr *addr = &slice->endpoints[index].addr;

    implied_pods_add(s->implied, slice, index, s->service);
    s->n_implied++;
    if (!known->waits)
        known->waits = s->n_implied;
    if (known->n_addrs++ == 0)
        known->family = (uint8_t)ipaddr_family(addr);
    htable_insert(&s->by_addr, addr, NULL);
}

/* One that is new, or was given without an address. */
static Pod *
pod_new(SlicePods *s, const EndpointSlice *slice, const Endpoint *ep, const char *name, const Pod *given,
        const Workload *w)
{
    Pod *pod = (Pod *)(given ? api_copy(&given->meta) : api_new(KIND_POD, slice->meta.ns, name));

    g_ptr_array_add(s->pods, pod);
    pod->phase = POD_RUNNING;
    pod->ready = (ep->conditions & (EP_READY | EP_SERVING)) != 0;
    if (given)
        return pod;
    pod->meta.mark = slice->meta.mark;
    pod->meta.deletion_ns = ep->conditions & EP_TERMINATING ? 0 : -1;
    if (w)
        dress(s->f, w, pod);
    else if (s->service)
        pod->meta.labels = labels_copy(&s->service->selector);
    return pod;
}

/* The workload "web" has pods "web-..." with labels that the Service selects. */
static const Workload *
workload_of(const SlicePods *s, const EndpointSlice *slice, const char *name)
{
    g_autofree char *prefix = s->any_workload && s->service ? g_strdup(name) : NULL;

    for (char *dash = prefix ? strrchr(prefix, '-') : NULL; dash; dash = strrchr(prefix, '-')) {
        *dash = '\0';
        for (ApiKind kind = KIND_DEPLOYMENT; kind <= KIND_DAEMONSET; kind++) {
            const Workload *w = (const Workload *)store_get(s->f->store, kind, slice->meta.ns, prefix);
            if (w && labels_match(&s->service->selector, &w->template_labels))
                return w;
        }
    }
    return NULL;
}

/* As that workload would have made it. */
static void
dress(Fill *f, const Workload *w, Pod *pod)
{
    Pod *made = pod_of_workload(w, pod->meta.name, 0);
    if (w->meta.kind == KIND_DEPLOYMENT) {
        /* Its ReplicaSet is what stands before the last dash, if the name goes that far. */
        const char *dash = strrchr(pod->meta.name, '-');
        size_t length = (size_t)(dash - pod->meta.name);
        size_t own = strlen(w->meta.name);
        made->meta.owner_kind = KIND_REPLICASET;
        if (length > own + 1) {
            made->meta.owner = strings_add_len(f->strings, pod->meta.name, length);
            labels_set(&made->meta.labels, strings_add(f->strings, LABEL_TEMPLATE_HASH),
                       strings_add_len(f->strings, pod->meta.name + own + 1, length - own - 1));
        } else {
            made->meta.owner = NULL;
        }
    }
    made->phase = pod->phase;
    made->ready = pod->ready;
    made->meta.deletion_ns = pod->meta.deletion_ns;
    made->meta.mark = pod->meta.mark;
    /* The pod is empty so far: the two change places. */
    Pod empty = *pod;
    *pod = *made;
    *made = empty;
    api_unref(&made->meta);
}
