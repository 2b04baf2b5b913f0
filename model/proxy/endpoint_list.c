#include "model/proxy/endpoint_list.h"

#include <glib.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/engine/vec.h"

/* An endpoint on its way into a list; 'order' makes the sort stable. */
typedef struct {
    ProxyEndpoint ep;
    uint32_t order;
} Candidate;

typedef struct {
    const char *port_name;
    uint8_t proto;
    VEC(Candidate) candidates;
} Collector;

typedef VEC(Collector) Collectors;

static Collector *
collector_of(Collectors *collectors, const EndpointPort *port)
{
    for (size_t i = 0; i < collectors->len; i++) {
        Collector *c = &collectors->data[i];
        if (c->proto == port->proto && strcmp(c->port_name, port->name) == 0)
            return c;
    }
    vec_push(collectors, (Collector){.port_name = port->name, .proto = port->proto});
    return vec_last(collectors);
}

/* Texts of an endpoint in one piece of memory: "ip:port", then "ip". */
static void
set_texts(Arena *arena, const Endpoint *from, KubeVersion version, ProxyEndpoint *ep)
{
    char canonical[IPADDR_STR_SIZE];
    const char *ip = ipaddr_format(from->addr, canonical);
    bool v6 = ipaddr_family(&from->addr) == FAMILY_IPV6;
    size_t len;
    char *text;

    if (version.minor <= 30 && from->raw)
        ip = from->raw;
    len = strlen(ip);
    text = arena_alloc(arena, 2 * len + sizeof "[]:65535" + 1);
    if (v6) {
        int n = sprintf(text, "[%s]:%u", ip, ep->port);
        ep->ip_text = memcpy(text + n + 1, ip, len + 1);
    } else {
        char digits[6];
        char *d = digits + sizeof digits;
        uint16_t port = ep->port;
        size_t n_digits;
        do
            *--d = (char)('0' + port % 10);
        while (port /= 10);
        n_digits = (size_t)(digits + sizeof digits - d);
        memcpy(text, ip, len);
        text[len] = ':';
        memcpy(text + len + 1, d, n_digits);
        ep->ip_text = memcpy(text + len + n_digits + 2, ip, len + 1);
    }
    ep->text = text;
}

static void
collect_slice(Collectors *collectors, const EndpointSlice *slice, IpFamily family, KubeVersion version, Arena *arena)
{
    for (uint32_t p = 0; p < slice->n_ports; p++) {
        const EndpointPort *port = &slice->ports[p];
        Collector *collector;
        if (!port->name || port->port == 0)
            continue;
        collector = collector_of(collectors, port);
        for (uint32_t i = 0; i < slice->n_endpoints; i++) {
            const Endpoint *from = &slice->endpoints[i];
            ProxyEndpoint ep = {.addr = from->addr,
                                .port = port->port,
                                .conditions = from->conditions,
                                .node_name = from->node_name,
                                .zone = from->zone,
                                .hint_zones = from->hint_zones,
                                .hint_nodes = from->hint_nodes,
                                .target = from->target};
            if (ipaddr_family(&from->addr) != family || ipaddr_is_any(&from->addr))
                continue;
            set_texts(arena, from, version, &ep);
            vec_push(&collector->candidates, (Candidate){ep, (uint32_t)collector->candidates.len});
        }
    }
}

static int
candidate_cmp(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;
    int c = strcmp(x->ep.text, y->ep.text);

    return c ? c : (x->order > y->order) - (x->order < y->order);
}

static bool
hints_equal(const char *const *a, const char *const *b)
{
    if (a == b)
        return true;
    if (!a || !b)
        return (!a || !a[0]) && (!b || !b[0]);
    return g_strv_equal((const gchar *const *)a, (const gchar *const *)b);
}

/* Equal in all that a node can make of it. */
static bool
endpoint_equal(const ProxyEndpoint *a, const ProxyEndpoint *b)
{
    for (; a && b; a = a->again, b = b->again)
        if (a->port != b->port || a->conditions != b->conditions || strcmp(a->text, b->text) != 0 ||
            g_strcmp0(a->node_name, b->node_name) != 0 || !hints_equal(a->hint_zones, b->hint_zones) ||
            !hints_equal(a->hint_nodes, b->hint_nodes))
            return false;
    return !a && !b;
}

/* Sorts, and hangs repeated occurrences that say something else under the first. */
static EndpointList
finish(Collector *collector, Arena *arena)
{
    size_t n = collector->candidates.len, n_kept = 0;
    Candidate *candidates = collector->candidates.data;
    ProxyEndpoint *kept = arena_alloc(arena, n * sizeof *kept);

    if (n)
        qsort(candidates, n, sizeof *candidates, candidate_cmp);
    for (size_t i = 0; i < n; i++) {
        const ProxyEndpoint *ep = &candidates[i].ep;
        ProxyEndpoint *first = n_kept ? &kept[n_kept - 1] : NULL;
        const ProxyEndpoint **end;
        if (!first || strcmp(first->text, ep->text) != 0) {
            kept[n_kept++] = *ep;
            continue;
        }
        for (end = &first->again; *end; end = (const ProxyEndpoint **)&(*end)->again)
            ;
        *end = arena_copy(arena, ep, sizeof *ep);
    }
    vec_clear(&collector->candidates);
    return (EndpointList){collector->port_name, collector->proto, kept, (uint32_t)n_kept};
}

static int
list_cmp(const void *a, const void *b)
{
    const EndpointList *x = a, *y = b;
    int c = strcmp(x->port_name, y->port_name);

    return c ? c : x->proto - y->proto;
}

void
endpoint_lists_build(Store *store, const char *ns, const char *service, IpFamily family, KubeVersion version,
                     Arena *arena, EndpointLists *ret_lists)
{
    Collectors collectors = {0};
    size_t n_slices;
    const EndpointSlice *const *slices = store_slices_of(store, ns, service, &n_slices);
    EndpointList *lists;
    uint32_t n_lists = 0;

    for (size_t i = 0; i < n_slices; i++)
        if (!slices[i]->fqdn && !proxy_object_hidden(&slices[i]->meta))
            collect_slice(&collectors, slices[i], family, version, arena);
    lists = arena_alloc(arena, collectors.len * sizeof *lists);
    for (size_t i = 0; i < collectors.len; i++) {
        EndpointList list = finish(&collectors.data[i], arena);
        if (list.n_endpoints)
            lists[n_lists++] = list;
    }
    if (n_lists)
        qsort(lists, n_lists, sizeof *lists, list_cmp);
    vec_clear(&collectors);
    *ret_lists = (EndpointLists){lists, n_lists};
}

const EndpointList *
endpoint_lists_find(const EndpointLists *lists, const char *port_name, uint8_t proto)
{
    for (uint32_t i = 0; i < lists->n_lists; i++)
        if (lists->lists[i].proto == proto && strcmp(lists->lists[i].port_name, port_name) == 0)
            return &lists->lists[i];
    return NULL;
}

bool
endpoint_list_equal(const EndpointList *a, const EndpointList *b)
{
    uint32_t n_a = a ? a->n_endpoints : 0, n_b = b ? b->n_endpoints : 0;

    if (n_a != n_b)
        return false;
    for (uint32_t i = 0; i < n_a; i++)
        if (!endpoint_equal(&a->endpoints[i], &b->endpoints[i]))
            return false;
    return true;
}

static bool
udp_missing(const EndpointLists *a, const EndpointLists *b)
{
    for (uint32_t i = 0; i < a->n_lists; i++)
        if (a->lists[i].proto == IPPROTO_UDP &&
            !endpoint_list_equal(&a->lists[i], endpoint_lists_find(b, a->lists[i].port_name, IPPROTO_UDP)))
            return true;
    return false;
}

bool
endpoint_lists_udp_differ(const EndpointLists *a, const EndpointLists *b)
{
    return udp_missing(a, b) || udp_missing(b, a);
}

bool
proxy_object_hidden(const ApiObject *object)
{
    return labels_get(&object->labels, "service.kubernetes.io/service-proxy-name") ||
           labels_get(&object->labels, "service.kubernetes.io/headless");
}
