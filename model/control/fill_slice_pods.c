/* Pods that given EndpointSlices speak of but nobody gave: so that packets meet somebody there
 *
 * An endpoint's pod stands on its nodeName, or on the node whose pod CIDR holds the address; an address that is
 * nobody's stays outside the cluster.  Labels and containers come from the workload that the name points to, else the
 * labels from the Service's selector. */

#include <string.h>

#include "model/control/fill_private.h"
#include "model/control/pod_make.h"
#include "sim/engine/htable.h"
#include "sim/engine/vec.h"

typedef struct {
    const char *ns, *name;
} PodKey;

typedef struct {
    Fill *f;
    HTable by_addr;  /* IpAddr -> uint8_t: addresses that pods have. */
    HTable by_name;  /* PodKey -> Pod *, those in 'pods'. */
    HTable node_ips; /* IpAddr -> const char *. */
    GPtrArray *pods; /* New or changed, unstored. */
} SlicePods;

static void index_addrs(SlicePods *s);
static void take_endpoint(SlicePods *s, const EndpointSlice *slice, const Endpoint *ep);
static const char *node_of(const SlicePods *s, const Endpoint *ep, bool *ret_host);
static Pod *pod_for(SlicePods *s, const EndpointSlice *slice, const Endpoint *ep);
static void dress(SlicePods *s, const EndpointSlice *slice, Pod *pod);

void
fill_slice_pods(Fill *f)
{
    size_t n;
    const ApiObject *const *slices = store_list(f->store, KIND_ENDPOINTSLICE, &n);
    SlicePods s = {.f = f, .pods = g_ptr_array_new()};

    if (n == 0) {
        g_ptr_array_unref(s.pods);
        return;
    }
    htable_init(&s.by_addr, sizeof(IpAddr), sizeof(uint8_t));
    htable_init(&s.by_name, sizeof(PodKey), sizeof(Pod *));
    htable_init(&s.node_ips, sizeof(IpAddr), sizeof(const char *));
    index_addrs(&s);
    for (size_t i = 0; i < n; i++) {
        const EndpointSlice *slice = (const EndpointSlice *)slices[i];
        for (uint32_t k = 0; !slice->fqdn && k < slice->n_endpoints; k++)
            take_endpoint(&s, slice, &slice->endpoints[k]);
    }
    for (guint i = 0; i < s.pods->len; i++)
        store_put(f->store, s.pods->pdata[i]);
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
take_endpoint(SlicePods *s, const EndpointSlice *slice, const Endpoint *ep)
{
    bool host;
    const char *node_name;

    if (ipaddr_is_any(&ep->addr) || ipaddr_is_loopback(&ep->addr) || ipaddr_is_multicast(&ep->addr) ||
        ipaddr_is_linklocal(&ep->addr) || htable_find(&s->by_addr, &ep->addr))
        return;
    node_name = node_of(s, ep, &host);
    if (!node_name)
        return;
    Pod *pod = pod_for(s, slice, ep);
    if (!pod || pod->n_ips == 2 || (pod->n_ips == 1 && ipaddr_family(&pod->ips[0]) == ipaddr_family(&ep->addr)))
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

/* A pod to give the address to: one that is new, or given without an address. */
static Pod *
pod_for(SlicePods *s, const EndpointSlice *slice, const Endpoint *ep)
{
    Fill *f = s->f;
    const char *name = ep->target;
    bool is_new;

    if (!name) {
        char text[IPADDR_STR_SIZE];
        g_strdelimit(ipaddr_format(ep->addr, text), ".:", '-');
        name = strings_printf(f->strings, "%s-%s", slice->service ? slice->service : slice->meta.name, text);
    }
    PodKey key = {slice->meta.ns, name};
    Pod **known = htable_insert(&s->by_name, &key, &is_new);
    if (!is_new)
        return *known;
    const ApiObject *given = store_get(f->store, KIND_POD, slice->meta.ns, name);
    if (given && ((const Pod *)given)->n_ips)
        return NULL;
    Pod *pod = (Pod *)(given ? api_copy(given) : api_new(KIND_POD, slice->meta.ns, name));
    *known = pod;
    g_ptr_array_add(s->pods, pod);
    pod->phase = POD_RUNNING;
    pod->ready = (ep->conditions & (EP_READY | EP_SERVING)) != 0;
    if (given)
        return pod;
    pod->meta.mark = slice->meta.mark;
    pod->meta.deletion_ns = ep->conditions & EP_TERMINATING ? 0 : -1;
    dress(s, slice, pod);
    return pod;
}

/* The workload "web" has pods "web-..." with labels that the Service selects. */
static const Workload *
workload_of(Fill *f, const Pod *pod, const Service *service)
{
    g_autofree char *prefix = g_strdup(pod->meta.name);

    for (char *dash = strrchr(prefix, '-'); dash; dash = strrchr(prefix, '-')) {
        *dash = '\0';
        for (ApiKind kind = KIND_DEPLOYMENT; kind <= KIND_DAEMONSET; kind++) {
            const Workload *w = (const Workload *)store_get(f->store, kind, pod->meta.ns, prefix);
            if (w && labels_match(&service->selector, &w->template_labels))
                return w;
        }
    }
    return NULL;
}

static void
dress(SlicePods *s, const EndpointSlice *slice, Pod *pod)
{
    Fill *f = s->f;
    const Service *service =
        slice->service ? (const Service *)store_get(f->store, KIND_SERVICE, slice->meta.ns, slice->service) : NULL;
    const Workload *w = service ? workload_of(f, pod, service) : NULL;

    if (!service)
        return;
    if (!w) {
        pod->meta.labels = labels_copy(&service->selector);
        return;
    }
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
