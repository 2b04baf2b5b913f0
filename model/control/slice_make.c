#include "model/control/slice_make.h"

#include <string.h>

#include "model/control/hints.h"
#include "model/control/pod_names.h"
#include "sim/engine/vec.h"

#define LABEL_SERVICE    "kubernetes.io/service-name"
#define LABEL_MANAGED_BY "endpointslice.kubernetes.io/managed-by"
#define LABEL_HEADLESS   "service.kubernetes.io/headless"
#define CONTROLLER       "endpointslice-controller.k8s.io"
#define MIRRORING        "endpointslicemirroring-controller.k8s.io"
#define MAX_PORTS        256u

typedef struct {
    Store *store;
    Strings *strings;
    uint64_t seed;
    const Service *service;
    GPtrArray *made;
    IpFamily family;
    uint32_t serial;
    size_t first; /* Slices of this family begin here in 'made'. */
} Maker;

static void make_family(Maker *m, const Pod *const *pods, size_t n_pods);
static uint32_t resolve_ports(const Service *service, const Pod *pod, EndpointPort ports[MAX_PORTS]);
static EndpointSlice *slice_for(Maker *m, const EndpointPort *ports, uint32_t n_ports);
static void name_slices(Maker *m);
static bool ports_equal(const EndpointPort *a, uint32_t n_a, const EndpointPort *b, uint32_t n_b);
static Endpoint endpoint_of(const Maker *m, const Pod *pod, IpAddr addr);

bool
slice_is_ours(const EndpointSlice *slice)
{
    const char *by = labels_get(&slice->meta.labels, LABEL_MANAGED_BY);

    return by && (strcmp(by, CONTROLLER) == 0 || strcmp(by, MIRRORING) == 0);
}

bool
slices_are_ours(Store *store, const Service *service)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(store, service->meta.ns, service->meta.name, &n);

    if (service->selector.n == 0 || service->type == SERVICE_EXTERNALNAME)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!slice_is_ours(slices[i]))
            return false;
    return true;
}

void
slices_make(Store *store, uint64_t seed, const Service *service, const Pod *const *pods, size_t n_pods,
            IpFamily fallback, GPtrArray *ret_slices)
{
    Maker m = {store, store_strings(store), seed, service, ret_slices, fallback, 0, ret_slices->len};

    if (service->n_ip_families == 0)
        make_family(&m, pods, n_pods);
    for (uint32_t i = 0; i < service->n_ip_families; i++) {
        m.family = service->ip_families[i];
        make_family(&m, pods, n_pods);
    }
}

static bool
more_equal(const EndpointMore *a, const EndpointMore *b)
{
    return a->zone == b->zone && a->hint_zones == b->hint_zones && a->hint_nodes == b->hint_nodes;
}

bool
slice_equal(const EndpointSlice *a, const EndpointSlice *b)
{
    if (a->family != b->family || a->n_endpoints != b->n_endpoints ||
        !ports_equal(a->ports, a->n_ports, b->ports, b->n_ports))
        return false;
    for (uint32_t i = 0; i < a->n_endpoints; i++) {
        const Endpoint *x = &a->endpoints[i], *y = &b->endpoints[i];
        if (!ipaddr_eq(x->addr, y->addr) || x->conditions != y->conditions || x->node_name != y->node_name ||
            x->target != y->target || !more_equal(endpoint_more(x), endpoint_more(y)))
            return false;
    }
    return true;
}

static void
make_family(Maker *m, const Pod *const *pods, size_t n_pods)
{
    EndpointPort ports[MAX_PORTS];
    EndpointSlice *slice = NULL;

    m->first = m->made->len;
    for (size_t i = 0; i < n_pods; i++) {
        const Pod *pod = pods[i];
        if (pod->phase == POD_SUCCEEDED || pod->phase == POD_FAILED)
            continue;
        for (uint32_t k = 0; k < pod->n_ips; k++) {
            if (ipaddr_family(&pod->ips[k]) != m->family)
                continue;
            uint32_t n_ports = resolve_ports(m->service, pod, ports);
            if (!slice || slice->n_endpoints == SLICE_MAX_ENDPOINTS ||
                !ports_equal(slice->ports, slice->n_ports, ports, n_ports))
                slice = slice_for(m, ports, n_ports);
            slice->endpoints[slice->n_endpoints++] = endpoint_of(m, pod, pod->ips[k]);
            break;
        }
    }
    if (m->made->len == m->first)
        slice_for(m, NULL, 0);
    name_slices(m);
    hints_add(m->store, m->service, (EndpointSlice *const *)m->made->pdata + m->first, m->made->len - m->first);
}

static uint16_t
named_port(const Pod *pod, const char *name, uint8_t proto)
{
    for (uint32_t i = 0; i < pod->spec.n_containers; i++)
        for (uint32_t k = 0; k < pod->spec.containers[i].n_ports; k++) {
            const ContainerPort *port = &pod->spec.containers[i].ports[k];
            if (port->proto == proto && g_strcmp0(port->name, name) == 0)
                return port->port;
        }
    return 0;
}

/* A port that the pod does not name is left out. */
static uint32_t
resolve_ports(const Service *service, const Pod *pod, EndpointPort ports[MAX_PORTS])
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < service->n_ports && n < MAX_PORTS; i++) {
        const ServicePort *sp = &service->ports[i];
        uint16_t port = sp->target_name ? named_port(pod, sp->target_name, sp->proto)
                                        : (sp->target_port ? sp->target_port : sp->port);
        if (port)
            ports[n++] = (EndpointPort){sp->name, port, sp->proto, sp->app_protocol};
    }
    return n;
}

/* The open slice with these ports, or a new one. */
static EndpointSlice *
slice_for(Maker *m, const EndpointPort *ports, uint32_t n_ports)
{
    const Service *service = m->service;
    Strings *strings = m->strings;

    for (size_t i = m->first; i < m->made->len; i++) {
        EndpointSlice *open = m->made->pdata[i];
        if (open->n_endpoints < SLICE_MAX_ENDPOINTS && ports_equal(open->ports, open->n_ports, ports, n_ports))
            return open;
    }
    EndpointSlice *slice = (EndpointSlice *)api_new(KIND_ENDPOINTSLICE, service->meta.ns, NULL);
    slice->family = m->family;
    slice->service = service->meta.name;
    slice->meta.owner = service->meta.name;
    slice->meta.owner_kind = KIND_SERVICE;
    slice->meta.mark = service->meta.mark;
    slice->meta.labels = labels_copy(&service->meta.labels);
    labels_set(&slice->meta.labels, strings_add(strings, LABEL_MANAGED_BY), strings_add(strings, CONTROLLER));
    labels_set(&slice->meta.labels, strings_add(strings, LABEL_SERVICE), service->meta.name);
    if (service->n_cluster_ips && strcmp(service->cluster_ips[0], "None") == 0)
        labels_set(&slice->meta.labels, strings_add(strings, LABEL_HEADLESS), strings_add(strings, ""));
    slice->ports = n_ports ? g_memdup2(ports, n_ports * sizeof *ports) : NULL;
    slice->n_ports = n_ports;
    slice->endpoints = g_new0(Endpoint, SLICE_MAX_ENDPOINTS);
    g_ptr_array_add(m->made, slice);
    return slice;
}

/* The names of the slices of this family that are there, then new ones. */
static void
name_slices(Maker *m)
{
    size_t n_old;
    const EndpointSlice *const *old = store_slices_of(m->store, m->service->meta.ns, m->service->meta.name, &n_old);
    size_t at = 0;

    for (size_t i = m->first; i < m->made->len; i++) {
        EndpointSlice *slice = m->made->pdata[i];
        if (slice->n_endpoints < SLICE_MAX_ENDPOINTS)
            slice->endpoints = g_renew(Endpoint, slice->endpoints, MAX(1, slice->n_endpoints));
        while (at < n_old && (old[at]->family != m->family || !slice_is_ours(old[at])))
            at++;
        if (at < n_old) {
            slice->meta.name = old[at++]->meta.name;
            continue;
        }
        do {
            slice->meta.name = name_generated(m->strings, m->seed ^ m->family, m->service->meta.ns,
                                              m->service->meta.name, m->serial++);
        } while (store_get(m->store, KIND_ENDPOINTSLICE, m->service->meta.ns, slice->meta.name));
    }
}

static bool
ports_equal(const EndpointPort *a, uint32_t n_a, const EndpointPort *b, uint32_t n_b)
{
    if (n_a != n_b)
        return false;
    for (uint32_t i = 0; i < n_a; i++)
        if (a[i].port != b[i].port || a[i].proto != b[i].proto || g_strcmp0(a[i].name, b[i].name) != 0)
            return false;
    return true;
}

static Endpoint
endpoint_of(const Maker *m, const Pod *pod, IpAddr addr)
{
    const ApiObject *node = pod->spec.node_name ? store_get(m->store, KIND_NODE, "", pod->spec.node_name) : NULL;
    bool terminating = pod->meta.deletion_ns >= 0;
    Endpoint ep = {.addr = addr, .node_name = pod->spec.node_name, .target = pod->meta.name};

    if (m->service->publish_not_ready || (pod->ready && !terminating))
        ep.conditions |= EP_READY;
    if (pod->ready)
        ep.conditions |= EP_SERVING;
    if (terminating)
        ep.conditions |= EP_TERMINATING;
    if (node)
        endpoint_set_more(m->strings, &ep,
                          &(EndpointMore){.zone = labels_get(&node->labels, "topology.kubernetes.io/zone")});
    return ep;
}
