#include "model/proxy/service_port.h"

#include <glib.h>
#include <string.h>

#include "model/proxy/service_port_build.h"

/* proxyutil.GetClusterIPByFamily(). */
static bool
cluster_ip_of_family(const Service *service, IpFamily family, IpAddr *ret_addr)
{
    const char *text = NULL;
    IpAddr addr;

    if (service->n_ip_families == 0) {
        text = service->n_cluster_ips ? service->cluster_ips[0] : NULL;
    } else {
        for (uint32_t i = 0; i < service->n_ip_families && !text; i++)
            if (service->ip_families[i] == family && i < service->n_cluster_ips)
                text = service->cluster_ips[i];
    }
    if (!text || !ipaddr_parse_sloppy(text, &addr) || ipaddr_family(&addr) != family)
        return false;
    *ret_addr = addr;
    return true;
}

bool
service_is_skipped(const Service *service)
{
    const char *ip = service->n_cluster_ips ? service->cluster_ips[0] : NULL;

    return service->type == SERVICE_EXTERNALNAME || !ip || !ip[0] || strcmp(ip, "None") == 0 ||
           proxy_object_hidden(&service->meta);
}

/* apiservice.ExternallyAccessible(): of the object, whatever the family. */
static bool
object_externally_accessible(const Service *service)
{
    return service->type == SERVICE_LOADBALANCER || service->type == SERVICE_NODEPORT ||
           (service->type == SERVICE_CLUSTERIP && service->n_external_ips > 0);
}

static IpAddr *
external_ips(const Service *service, IpFamily family, Arena *arena, uint32_t *ret_n)
{
    IpAddr *list = arena_alloc(arena, service->n_external_ips * sizeof *list);
    uint32_t n = 0;

    for (uint32_t i = 0; i < service->n_external_ips; i++)
        if (ipaddr_parse_sloppy(service->external_ips[i], &list[n]) && ipaddr_family(&list[n]) == family)
            n++;
    *ret_n = n;
    return list;
}

static IpAddr *
lb_vips(const Service *service, IpFamily family, Arena *arena, uint32_t *ret_n)
{
    IpAddr *list = arena_alloc(arena, service->n_ingress * sizeof *list);
    uint32_t n = 0;

    for (uint32_t i = 0; i < service->n_ingress; i++) {
        const LbIngress *ingress = &service->ingress[i];
        if (ingress->ip && ingress->ip_mode != IPMODE_PROXY && ipaddr_parse_sloppy(ingress->ip, &list[n]) &&
            ipaddr_family(&list[n]) == family)
            n++;
    }
    *ret_n = n;
    return list;
}

static IpPrefix *
source_ranges(const Service *service, IpFamily family, Arena *arena, uint32_t *ret_n)
{
    IpPrefix *list = arena_alloc(arena, service->n_source_ranges * sizeof *list);
    uint32_t n = 0;

    for (uint32_t i = 0; i < service->n_source_ranges; i++) {
        g_autofree char *text = g_strstrip(g_strdup(service->source_ranges[i]));
        if (ipprefix_parse_sloppy(text, &list[n]) && ipaddr_family(&list[n].addr) == family)
            n++;
    }
    *ret_n = n;
    return list;
}

/* What kube-proxy v1.30 asks before it looks at hints: the deprecated annotation has precedence, even if empty. */
static bool
hints_enabled(const Service *service)
{
    const char *value = labels_get(&service->meta.annotations, "service.kubernetes.io/topology-aware-hints");

    if (!value)
        value = labels_get(&service->meta.annotations, "service.kubernetes.io/topology-mode");
    return value && value[0] && strcmp(value, "disabled") != 0 && strcmp(value, "Disabled") != 0;
}

static const char *
port_text(Arena *arena, const Service *service, const char *port_name)
{
    size_t ns = strlen(service->meta.ns), name = strlen(service->meta.name), port = strlen(port_name);
    char *text = arena_alloc(arena, ns + name + port + 3), *at = text;

    at = mempcpy(at, service->meta.ns, ns);
    *at++ = '/';
    at = mempcpy(at, service->meta.name, name);
    if (port)
        *at++ = ':';
    memcpy(at, port_name, port);
    return text;
}

/* What service_ports_build() allocates. */
static size_t
room_for(const Service *service)
{
    size_t room = service->n_ports * sizeof(ProxyServicePort) +
                  (service->n_external_ips + (size_t)service->n_ingress) * sizeof(IpAddr) +
                  arena_size(service->n_source_ranges * sizeof(IpPrefix));

    for (uint32_t i = 0; i < service->n_ports; i++) {
        const char *name = service->ports[i].name ? service->ports[i].name : "";
        room += arena_size(strlen(service->meta.ns) + strlen(service->meta.name) + strlen(name) + 3);
    }
    return room;
}

uint32_t
service_n_ports(const Service *service, IpFamily family)
{
    IpAddr cluster_ip;

    return service_is_skipped(service) || !cluster_ip_of_family(service, family, &cluster_ip) ? 0 : service->n_ports;
}

void
service_ports_build(const Service *service, IpFamily family, Arena *arena, ProxyServicePort **ret_ports)
{
    ProxyServicePort common = {.service = service, .ns = service->meta.ns, .name = service->meta.name};
    ProxyServicePort *ports;
    bool external_object = object_externally_accessible(service);

    cluster_ip_of_family(service, family, &common.cluster_ip);
    arena_reserve(arena, room_for(service));
    common.external_ips = external_ips(service, family, arena, &common.n_external_ips);
    common.lb_vips = lb_vips(service, family, arena, &common.n_lb_vips);
    common.source_ranges = source_ranges(service, family, arena, &common.n_source_ranges);
    common.etp_local = external_object && service->external_policy == POLICY_LOCAL;
    common.itp_local = service->internal_policy == POLICY_LOCAL;
    if (service->type == SERVICE_LOADBALANCER && common.etp_local)
        common.health_check_node_port = service->health_check_node_port;
    common.affinity = service->affinity_client_ip;
    common.affinity_timeout_s = service->affinity_timeout_s;
    common.hints_enabled = hints_enabled(service);

    ports = arena_alloc(arena, service->n_ports * sizeof *ports);
    for (uint32_t i = 0; i < service->n_ports; i++) {
        const ServicePort *from = &service->ports[i];
        ProxyServicePort *port = &ports[i];
        *port = common;
        port->port_name = from->name ? from->name : "";
        port->text = port_text(arena, service, port->port_name);
        port->proto = from->proto;
        port->port = from->port;
        port->node_port = from->node_port;
        port->externally_accessible = port->node_port != 0 || port->n_lb_vips > 0 || port->n_external_ips > 0;
        port->uses_cluster = !port->itp_local || port->externally_accessible;
        port->uses_local = port->itp_local || (port->etp_local && port->externally_accessible);
    }
    *ret_ports = ports;
}

static bool
addrs_equal(const IpAddr *a, uint32_t n_a, const IpAddr *b, uint32_t n_b)
{
    if (n_a != n_b)
        return false;
    for (uint32_t i = 0; i < n_a; i++)
        if (!ipaddr_eq(a[i], b[i]))
            return false;
    return true;
}

static bool
ranges_equal(const IpPrefix *a, uint32_t n_a, const IpPrefix *b, uint32_t n_b)
{
    if (n_a != n_b)
        return false;
    for (uint32_t i = 0; i < n_a; i++)
        if (!ipaddr_eq(a[i].addr, b[i].addr) || a[i].len != b[i].len)
            return false;
    return true;
}

bool
service_port_equal(const ProxyServicePort *a, const ProxyServicePort *b)
{
    return strcmp(a->text, b->text) == 0 && a->proto == b->proto && a->port == b->port &&
           a->node_port == b->node_port && ipaddr_eq(a->cluster_ip, b->cluster_ip) &&
           addrs_equal(a->external_ips, a->n_external_ips, b->external_ips, b->n_external_ips) &&
           addrs_equal(a->lb_vips, a->n_lb_vips, b->lb_vips, b->n_lb_vips) &&
           ranges_equal(a->source_ranges, a->n_source_ranges, b->source_ranges, b->n_source_ranges) &&
           a->etp_local == b->etp_local && a->itp_local == b->itp_local &&
           a->health_check_node_port == b->health_check_node_port && a->affinity == b->affinity &&
           a->affinity_timeout_s == b->affinity_timeout_s && a->hints_enabled == b->hints_enabled;
}
