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
    const char *text;
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

const char *
endpoint_ip(const ProxyEndpoint *ep, char buf[static IPADDR_STR_SIZE])
{
    return ep->as_written ? endpoint_more(ep->from)->raw : ipaddr_format(ep->from->addr, buf);
}

const char *
endpoint_text(const ProxyEndpoint *ep, char buf[static ENDPOINT_TEXT_SIZE])
{
    char canonical[IPADDR_STR_SIZE];
    const char *ip = endpoint_ip(ep, canonical);
    size_t len = strlen(ip);
    char digits[6], *d = digits + sizeof digits;
    uint16_t port = ep->port;

    if (ipaddr_family(&ep->from->addr) == FAMILY_IPV6 || len > ENDPOINT_TEXT_SIZE - 8) {
        g_snprintf(buf, ENDPOINT_TEXT_SIZE, ipaddr_is_v4(&ep->from->addr) ? "%s:%u" : "[%s]:%u", ip, port);
        return buf;
    }
    memcpy(buf, ip, len);
    buf[len++] = ':';
    do
        *--d = (char)('0' + port % 10);
    while (port /= 10);
    memcpy(buf + len, d, (size_t)(digits + sizeof digits - d));
    buf[len + (size_t)(digits + sizeof digits - d)] = '\0';
    return buf;
}

bool
endpoint_same(const ProxyEndpoint *a, const ProxyEndpoint *b)
{
    char ip_a[IPADDR_STR_SIZE], ip_b[IPADDR_STR_SIZE];

    if (a->port != b->port)
        return false;
    if (!a->as_written && !b->as_written)
        return ipaddr_eq(a->from->addr, b->from->addr);
    return strcmp(endpoint_ip(a, ip_a), endpoint_ip(b, ip_b)) == 0;
}

static void
collect_slice(Collectors *collectors, const EndpointSlice *slice, IpFamily family, KubeVersion version, Arena *scratch)
{
    char text[ENDPOINT_TEXT_SIZE];

    for (uint32_t p = 0; p < slice->n_ports; p++) {
        const EndpointPort *port = &slice->ports[p];
        Collector *collector;
        if (!port->name || port->port == 0)
            continue;
        collector = collector_of(collectors, port);
        for (uint32_t i = 0; i < slice->n_endpoints; i++) {
            const Endpoint *from = &slice->endpoints[i];
            ProxyEndpoint ep = {.from = from,
                                .port = port->port,
                                .as_written = version.minor <= 30 && endpoint_more(from)->raw != NULL};
            if (ipaddr_family(&from->addr) != family || ipaddr_is_any(&from->addr))
                continue;
            vec_push(&collector->candidates, (Candidate){ep, arena_strdup(scratch, endpoint_text(&ep, text)),
                                                         (uint32_t)collector->candidates.len});
        }
    }
}

static int
candidate_cmp(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;
    int c = strcmp(x->text, y->text);

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
    for (; a && b; a = endpoint_again(a), b = endpoint_again(b))
        if (a->from->conditions != b->from->conditions || !endpoint_same(a, b) ||
            g_strcmp0(a->from->node_name, b->from->node_name) != 0 ||
            !hints_equal(endpoint_more(a->from)->hint_zones, endpoint_more(b->from)->hint_zones) ||
            !hints_equal(endpoint_more(a->from)->hint_nodes, endpoint_more(b->from)->hint_nodes))
            return false;
    return !a && !b;
}

/* Sorts, and hangs repeated occurrences that say something else under the first. */
static EndpointList
finish(Collector *collector, Arena *arena)
{
    size_t n = collector->candidates.len, n_kept = 0, at = 0, first = 0;
    Candidate *candidates = collector->candidates.data;
    ProxyEndpoint *all;

    if (n)
        qsort(candidates, n, sizeof *candidates, candidate_cmp);
    for (size_t i = 0; i < n; i++)
        n_kept += i == 0 || strcmp(candidates[i - 1].text, candidates[i].text) != 0;
    all = arena_alloc(arena, n * sizeof *all);
    for (size_t i = 0, extra = n_kept; i < n; i++) {
        if (i == 0 || strcmp(candidates[i - 1].text, candidates[i].text) != 0) {
            at = first++;
        } else {
            all[at].again = (uint32_t)(extra - at);
            at = extra++;
        }
        all[at] = candidates[i].ep;
    }
    vec_clear(&collector->candidates);
    return (EndpointList){collector->port_name, collector->proto, all, (uint32_t)n_kept};
}

static int
list_cmp(const void *a, const void *b)
{
    const EndpointList *x = a, *y = b;
    int c = strcmp(x->port_name, y->port_name);

    return c ? c : x->proto - y->proto;
}

static bool
is_used(const EndpointSlice *slice)
{
    return !slice->fqdn && !proxy_object_hidden(&slice->meta);
}

void
endpoint_lists_build(Store *store, const char *ns, const char *service, IpFamily family, KubeVersion version,
                     Arena *arena, EndpointLists *ret_lists)
{
    Collectors collectors = {0};
    Arena scratch = {.block_size = 4096};
    size_t n_slices;
    const EndpointSlice *const *slices = store_slices_of(store, ns, service, &n_slices);
    EndpointList *lists;
    EndpointSlice **held;
    uint32_t n_lists = 0, n_held = 0;
    size_t n_all = 0;

    for (size_t i = 0; i < n_slices; i++)
        if (is_used(slices[i])) {
            n_held++;
            collect_slice(&collectors, slices[i], family, version, &scratch);
        }
    for (size_t i = 0; i < collectors.len; i++) {
        n_lists += collectors.data[i].candidates.len > 0;
        n_all += collectors.data[i].candidates.len;
    }
    arena_reserve(arena, n_held * sizeof *held + n_lists * sizeof *lists + n_all * sizeof(ProxyEndpoint));
    lists = arena_alloc(arena, n_lists * sizeof *lists + n_held * sizeof *held);
    held = (EndpointSlice **)(void *)(lists + n_lists);
    n_held = n_lists = 0;
    for (size_t i = 0; i < n_slices; i++)
        if (is_used(slices[i]))
            held[n_held++] = (EndpointSlice *)api_ref((ApiObject *)slices[i]);
    for (size_t i = 0; i < collectors.len; i++)
        if (collectors.data[i].candidates.len)
            lists[n_lists++] = finish(&collectors.data[i], arena);
    if (n_lists)
        qsort(lists, n_lists, sizeof *lists, list_cmp);
    vec_clear(&collectors);
    arena_clear(&scratch);
    *ret_lists = (EndpointLists){lists, n_lists, n_held};
}

void
endpoint_lists_clear(EndpointLists *lists)
{
    EndpointSlice *const *slices = (EndpointSlice *const *)(const void *)(lists->lists + lists->n_lists);

    for (uint32_t i = 0; i < lists->n_slices; i++)
        api_unref(&slices[i]->meta);
    lists->n_slices = 0;
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
