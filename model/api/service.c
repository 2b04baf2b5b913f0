/* Service: decode, defaults of the API server, encode */

#include <string.h>

#include "model/api/api_encode.h"

#define NODE_PORT_MIN 30000
#define NODE_PORT_MAX 32767

static const char *const types[] = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName", NULL};
static const char *const policies[] = {"Cluster", "Local", NULL};
static const char *const affinities[] = {"None", "ClientIP", NULL};
static const char *const families[] = {"IPv4", "IPv6", NULL};
static const char *const family_policies[] = {"SingleStack", "PreferDualStack", "RequireDualStack", NULL};
static const char *const ip_modes[] = {"VIP", "Proxy", NULL};
static const char *const distributions[] = {"PreferClose", "PreferSameZone", "PreferSameNode", NULL};

static void read_addresses(ApiReader *r, const DocNode *spec, Service *s);
static void read_ports(ApiReader *r, const DocNode *spec, Service *s);
static void read_external(ApiReader *r, const DocNode *spec, Service *s);
static void read_ingress(ApiReader *r, const DocNode *root, Service *s);
static void check_port(ApiReader *r, const DocNode *node, const Service *s, const ServicePort *port);
static void check_policies(ApiReader *r, const DocNode *spec, const Service *s);

bool
service_decode(ApiReader *r, const DocNode *root, Service *s)
{
    static const char *const known[] = {"type",
                                        "selector",
                                        "clusterIP",
                                        "clusterIPs",
                                        "ipFamilies",
                                        "ipFamilyPolicy",
                                        "ports",
                                        "externalIPs",
                                        "loadBalancerSourceRanges",
                                        "externalTrafficPolicy",
                                        "internalTrafficPolicy",
                                        "sessionAffinity",
                                        "sessionAffinityConfig",
                                        "healthCheckNodePort",
                                        "allocateLoadBalancerNodePorts",
                                        "publishNotReadyAddresses",
                                        "loadBalancerClass",
                                        "loadBalancerIP",
                                        "externalName",
                                        "trafficDistribution",
                                        NULL};
    const DocNode *spec = node_map(r->diags, root, "spec");
    if (!spec) {
        node_require(r->diags, root, "spec");
        return false;
    }
    s->type = (ServiceType)node_enum(r->diags, spec, "type", SERVICE_CLUSTERIP, types);
    s->selector = read_labels(r, spec, "selector");
    read_addresses(r, spec, s);
    read_ports(r, spec, s);
    read_external(r, spec, s);
    s->external_policy = (TrafficPolicy)node_enum(r->diags, spec, "externalTrafficPolicy", POLICY_CLUSTER, policies);
    s->internal_policy = (TrafficPolicy)node_enum(r->diags, spec, "internalTrafficPolicy", POLICY_CLUSTER, policies);
    s->affinity_client_ip = node_enum(r->diags, spec, "sessionAffinity", 0, affinities) == 1;
    const DocNode *client = node_map(r->diags, node_map(r->diags, spec, "sessionAffinityConfig"), "clientIP");
    s->affinity_timeout_s = (int32_t)node_int(r->diags, client, "timeoutSeconds", 10800, 1, 86400);
    s->health_check_node_port = read_port(r, spec, "healthCheckNodePort");
    s->allocate_node_ports = node_bool(r->diags, spec, "allocateLoadBalancerNodePorts", true);
    s->publish_not_ready = node_bool(r->diags, spec, "publishNotReadyAddresses", false);
    s->lb_class = read_text(r, spec, "loadBalancerClass", NULL);
    s->lb_ip = read_text(r, spec, "loadBalancerIP", NULL);
    s->external_name = read_text(r, spec, "externalName", NULL);
    int distribution = node_enum(r->diags, spec, "trafficDistribution", -1, distributions);
    s->traffic_distribution = distribution < 0 ? NULL : distributions[distribution];
    if (s->type == SERVICE_EXTERNALNAME && !s->external_name)
        node_diag(r->diags, DIAG_ERROR, spec, "type ExternalName without an externalName");
    check_policies(r, spec, s);
    read_ingress(r, root, s);
    node_report_unused(r->diags, spec, DIAG_NOTE, known);
    return true;
}

DocNode *
service_encode(DocArena *arena, const Service *s, DocNode **ret_status)
{
    DocOut out = {.arena = arena};
    put_text(&out, "type", types[s->type]);
    put_labels(&out, "selector", &s->selector);
    if (s->n_cluster_ips) {
        put_text(&out, "clusterIP", s->cluster_ips[0]);
        put_texts(&out, "clusterIPs", s->cluster_ips, s->n_cluster_ips);
    }
    const char *names[2];
    for (uint32_t i = 0; i < s->n_ip_families; i++)
        names[i] = families[s->ip_families[i] == FAMILY_IPV6];
    put_texts(&out, "ipFamilies", names, s->n_ip_families);
    put_text(&out, "ipFamilyPolicy", family_policies[s->ip_family_policy]);
    DocOut ports = {.arena = arena};
    for (uint32_t i = 0; i < s->n_ports; i++) {
        const ServicePort *p = &s->ports[i];
        DocOut port = {.arena = arena};
        if (*p->name)
            put_text(&port, "name", p->name);
        put_text(&port, "protocol", proto_text(p->proto));
        put_int(&port, "port", p->port);
        if (p->target_name)
            put_text(&port, "targetPort", p->target_name);
        else if (p->target_port)
            put_int(&port, "targetPort", p->target_port);
        if (p->node_port)
            put_int(&port, "nodePort", p->node_port);
        put_text(&port, "appProtocol", p->app_protocol);
        put_item(&ports, out_map(&port));
    }
    if (s->n_ports)
        put_node(&out, "ports", out_seq(&ports));
    put_texts(&out, "externalIPs", s->external_ips, s->n_external_ips);
    put_texts(&out, "loadBalancerSourceRanges", s->source_ranges, s->n_source_ranges);
    bool external = s->type == SERVICE_NODEPORT || s->type == SERVICE_LOADBALANCER || s->n_external_ips;
    if (external || s->external_policy == POLICY_LOCAL)
        put_text(&out, "externalTrafficPolicy", policies[s->external_policy]);
    put_text(&out, "internalTrafficPolicy", policies[s->internal_policy]);
    put_text(&out, "sessionAffinity", affinities[s->affinity_client_ip]);
    if (s->affinity_client_ip) {
        DocOut client = {.arena = arena}, config = {.arena = arena};
        put_int(&client, "timeoutSeconds", s->affinity_timeout_s);
        put_node(&config, "clientIP", out_map(&client));
        put_node(&out, "sessionAffinityConfig", out_map(&config));
    }
    if (s->health_check_node_port)
        put_int(&out, "healthCheckNodePort", s->health_check_node_port);
    if (s->type == SERVICE_LOADBALANCER || !s->allocate_node_ports)
        put_bool(&out, "allocateLoadBalancerNodePorts", s->allocate_node_ports);
    if (s->publish_not_ready)
        put_bool(&out, "publishNotReadyAddresses", true);
    put_text(&out, "loadBalancerClass", s->lb_class);
    put_text(&out, "loadBalancerIP", s->lb_ip);
    put_text(&out, "externalName", s->external_name);
    put_text(&out, "trafficDistribution", s->traffic_distribution);

    DocOut status = {.arena = arena}, balancer = {.arena = arena}, ingress = {.arena = arena};
    for (uint32_t i = 0; i < s->n_ingress; i++) {
        DocOut entry = {.arena = arena};
        put_text(&entry, "ip", s->ingress[i].ip);
        if (s->ingress[i].ip)
            put_text(&entry, "ipMode", ip_modes[s->ingress[i].ip_mode]);
        put_text(&entry, "hostname", s->ingress[i].hostname);
        put_item(&ingress, out_map(&entry));
    }
    if (s->n_ingress)
        put_node(&balancer, "ingress", out_seq(&ingress));
    put_node(&status, "loadBalancer", out_map(&balancer));
    *ret_status = out_map(&status);
    return out_map(&out);
}

/* clusterIPs, else clusterIP; families as stated, else those of the addresses. */
static void
read_addresses(ApiReader *r, const DocNode *spec, Service *s)
{
    const char *first = read_text(r, spec, "clusterIP", NULL);
    first = first && *first ? first : NULL;
    s->cluster_ips = read_texts(r, spec, "clusterIPs", &s->n_cluster_ips);
    if (s->n_cluster_ips && first && strcmp(s->cluster_ips[0], first) != 0) {
        node_diag(r->diags, DIAG_WARNING, node_get(spec, "clusterIPs"), "clusterIPs[0] %s differs from clusterIP %s",
                  s->cluster_ips[0], first);
        diag_hint(r->diags, "an API server refuses this; clusterIP stands");
        s->cluster_ips[0] = first;
    } else if (!s->n_cluster_ips && first) {
        s->cluster_ips = g_new(const char *, 1);
        s->cluster_ips[0] = first;
        s->n_cluster_ips = 1;
    }
    if (s->n_cluster_ips > 2) {
        node_diag(r->diags, DIAG_WARNING, node_get(spec, "clusterIPs"), "more than two addresses, the rest is ignored");
        s->n_cluster_ips = 2;
    }
    s->has_cluster_ip = s->n_cluster_ips > 0;
    const DocNode *list = node_seq(r->diags, spec, "ipFamilies");
    for (uint32_t i = 0; list && i < list->n && s->n_ip_families < 2; i++) {
        int family;
        if (node_read_enum(r->diags, list->items[i], families, &family))
            s->ip_families[s->n_ip_families++] = family ? FAMILY_IPV6 : FAMILY_IPV4;
    }
    for (uint32_t i = 0; i < s->n_cluster_ips; i++) {
        IpAddr addr;
        bool none = strcmp(s->cluster_ips[i], "None") == 0;
        bool ok = !none && ipaddr_parse_sloppy(s->cluster_ips[i], &addr);
        if (!ok && !none)
            node_diag(r->diags, DIAG_WARNING, node_get(spec, node_get(spec, "clusterIP") ? "clusterIP" : "clusterIPs"),
                      "\"%s\" is not an IP address, kube-proxy ignores it", s->cluster_ips[i]);
        if (ok && !list)
            s->ip_families[s->n_ip_families++] = (uint8_t)ipaddr_family(&addr);
    }
    s->ip_family_policy = (uint8_t)node_enum(r->diags, spec, "ipFamilyPolicy", s->n_ip_families > 1, family_policies);
}

static void
read_ports(ApiReader *r, const DocNode *spec, Service *s)
{
    static const char *const known[] = {"name", "protocol", "port", "targetPort", "nodePort", "appProtocol", NULL};
    const DocNode *seq = node_seq(r->diags, spec, "ports");
    bool headless = s->n_cluster_ips && strcmp(s->cluster_ips[0], "None") == 0;
    if ((!seq || !seq->n) && !headless && s->type != SERVICE_EXTERNALNAME)
        node_diag(r->diags, DIAG_WARNING, spec, "a Service without ports routes nothing");
    if (!seq || !seq->n)
        return;
    s->ports = g_new0(ServicePort, seq->n);
    for (uint32_t i = 0; i < seq->n; i++) {
        const DocNode *node = seq->items[i];
        if (!node_expect(r->diags, node, NODE_MAPPING))
            continue;
        ServicePort *port = &s->ports[s->n_ports];
        *port = (ServicePort){.mark = node->mark};
        port->name = read_text(r, node, "name", "");
        port->proto = read_proto(r, node, "protocol");
        if (!node_get(node, "port"))
            node_diag(r->diags, DIAG_WARNING, node, "missing field \"port\"");
        port->port = (uint16_t)node_int(r->diags, node, "port", 0, 1, 65535);
        port->target_port = read_port_ref(r, node, "targetPort", &port->target_name);
        if (!port->target_port && !port->target_name)
            port->target_port = port->port;
        port->node_port = read_port(r, node, "nodePort");
        port->app_protocol = read_text(r, node, "appProtocol", NULL);
        node_report_unused(r->diags, node, DIAG_NOTE, known);
        check_port(r, node, s, port);
        s->n_ports++;
    }
}

static void
check_port(ApiReader *r, const DocNode *node, const Service *s, const ServicePort *port)
{
    if (port->node_port && (s->type == SERVICE_CLUSTERIP || s->type == SERVICE_EXTERNALNAME)) {
        node_diag(r->diags, DIAG_WARNING, node_get(node, "nodePort"), "a nodePort on type %s", types[s->type]);
        diag_hint(r->diags, "an API server refuses this, kube-proxy would open it");
    } else if (port->node_port && (port->node_port < NODE_PORT_MIN || port->node_port > NODE_PORT_MAX)) {
        node_diag(r->diags, DIAG_WARNING, node_get(node, "nodePort"),
                  "%u is outside the usual range of node ports (%d to %d)", port->node_port, NODE_PORT_MIN,
                  NODE_PORT_MAX);
    }
    if (s->n_ports && !*port->name)
        node_diag(r->diags, DIAG_WARNING, node, "each of several ports needs a name");
    for (uint32_t i = 0; i < s->n_ports; i++) {
        const ServicePort *other = &s->ports[i];
        if (other->port == port->port && other->proto == port->proto) {
            node_diag(r->diags, DIAG_WARNING, node, "port %u/%s is given twice", port->port, proto_text(port->proto));
            diag_note(r->diags, other->mark, "first given here");
        } else if (*port->name && strcmp(other->name, port->name) == 0) {
            node_diag(r->diags, DIAG_WARNING, node, "two ports have the name \"%s\"", port->name);
            diag_note(r->diags, other->mark, "first given here");
        }
    }
}

static void
read_external(ApiReader *r, const DocNode *spec, Service *s)
{
    s->external_ips = read_texts(r, spec, "externalIPs", &s->n_external_ips);
    s->source_ranges = read_texts(r, spec, "loadBalancerSourceRanges", &s->n_source_ranges);
    const DocNode *seq = node_get(spec, "externalIPs");
    for (uint32_t i = 0; i < s->n_external_ips; i++) {
        IpAddr addr;
        if (!ipaddr_parse_sloppy(s->external_ips[i], &addr))
            node_diag(r->diags, DIAG_WARNING, seq, "\"%s\" is not an IP address, kube-proxy ignores it",
                      s->external_ips[i]);
    }
    seq = node_get(spec, "loadBalancerSourceRanges");
    for (uint32_t i = 0; i < s->n_source_ranges; i++) {
        IpPrefix prefix;
        g_autofree char *trimmed = g_strstrip(g_strdup(s->source_ranges[i]));
        if (!ipprefix_parse_sloppy(trimmed, &prefix))
            node_diag(r->diags, DIAG_WARNING, seq, "\"%s\" is not a range such as 10.0.0.0/8, kube-proxy ignores it",
                      s->source_ranges[i]);
    }
}

static void
check_policies(ApiReader *r, const DocNode *spec, const Service *s)
{
    bool external = s->type == SERVICE_NODEPORT || s->type == SERVICE_LOADBALANCER ||
                    (s->type == SERVICE_CLUSTERIP && s->n_external_ips);
    if (node_get(spec, "externalTrafficPolicy") && !external) {
        node_diag(r->diags, DIAG_WARNING, node_get(spec, "externalTrafficPolicy"), "no effect on type %s%s",
                  types[s->type], s->type == SERVICE_CLUSTERIP ? " without externalIPs" : "");
        if (s->type == SERVICE_CLUSTERIP)
            diag_hint(r->diags, "traffic to the clusterIP follows internalTrafficPolicy");
    }
    bool checked = s->type == SERVICE_LOADBALANCER && s->external_policy == POLICY_LOCAL;
    if (s->health_check_node_port && !checked)
        node_diag(r->diags, DIAG_WARNING, node_get(spec, "healthCheckNodePort"),
                  "no effect without type LoadBalancer and externalTrafficPolicy Local");
    if (s->n_source_ranges && s->type != SERVICE_LOADBALANCER)
        node_diag(r->diags, DIAG_WARNING, node_get(spec, "loadBalancerSourceRanges"), "no effect on type %s",
                  types[s->type]);
}

static void
read_ingress(ApiReader *r, const DocNode *root, Service *s)
{
    const DocNode *status = node_map(r->diags, root, "status");
    const DocNode *seq = node_seq(r->diags, node_map(r->diags, status, "loadBalancer"), "ingress");
    if (!seq || !seq->n)
        return;
    s->ingress = g_new0(LbIngress, seq->n);
    for (uint32_t i = 0; i < seq->n; i++) {
        const DocNode *node = seq->items[i];
        if (!node_expect(r->diags, node, NODE_MAPPING))
            continue;
        LbIngress *ingress = &s->ingress[s->n_ingress++];
        ingress->ip = read_text(r, node, "ip", NULL);
        ingress->hostname = read_text(r, node, "hostname", NULL);
        ingress->ip_mode = (IpMode)node_enum(r->diags, node, "ipMode", IPMODE_VIP, ip_modes);
        IpAddr addr;
        if (ingress->ip && !ipaddr_parse_sloppy(ingress->ip, &addr))
            node_diag(r->diags, DIAG_WARNING, node_get(node, "ip"),
                      "\"%s\" is not an IP address, kube-proxy ignores it", ingress->ip);
    }
}

bool
service_has_family(const Service *s, IpFamily family)
{
    for (uint32_t i = 0; i < s->n_cluster_ips; i++) {
        IpAddr addr;
        if (ipaddr_parse_sloppy(s->cluster_ips[i], &addr) && ipaddr_family(&addr) == family)
            return true;
    }
    return false;
}
