/* Wires: the router and its segments, nodes on them, pods behind nodes.
 *
 * Names and addresses are those of the recorded topology: router bridge br-lan (the segment's .1), ports "v-" + the
 * last eight characters of the node's name, pod ports "v<last octet>p" on cni0.  Two nodes talk over the segment
 * without a routed hop; nodes of different segments over the router. */

#include "model/network/cluster_private.h"

#include "model/network/node_host.h"

/* A veth crossing: 10 to 50 us for veth and bridge. */
#define VETH_LATENCY (10 * SIMTIME_USEC)

LinkParams
link_of(SimTime latency)
{
    return (LinkParams){.latency = latency};
}

void
route_add(Host *host, IpPrefix prefix, const NetDev *dev, IpAddr via)
{
    fib_add(host_fib(host), &(Route){.prefix = prefix, .type = ROUTE_UNICAST, .dev = dev, .via = via});
}

static IpAddr
any_of(IpAddr addr)
{
    return ipaddr_is_v4(&addr) ? IPADDR_ANY4 : IPADDR_ANY6;
}

static IpPrefix
default_of(IpAddr addr)
{
    return (IpPrefix){any_of(addr), 0};
}

/* --- Router and segments
 * ---------------------------------------------------------------------------------------------- */

void
topology_build_router(Cluster *c)
{
    HostSysctls *sysctls;

    c->router = host_new(c->sim, "router");
    sysctls = host_sysctls(c->router);
    sysctls->ip_forward = sysctls->ip6_forward = true;
    sysctls->send_redirects = false;
    sysctls->bridge_nf_call_iptables = sysctls->bridge_nf_call_ip6tables = false;
    c->lan = netdev_new(c->router, "br-lan", DEV_BRIDGE);
}

static Segment *
segment_at(const Cluster *c, uint32_t index)
{
    return &g_array_index(c->segments, Segment, index);
}

/* The first host address of the segment, or its last if a node has that one. */
static IpAddr
choose_gateway(Cluster *c, IpPrefix segment)
{
    IpAddr first = ipaddr_add(segment.addr, 1);
    size_t n;
    const ApiObject *const *nodes = store_list(c->input->store, KIND_NODE, &n);

    for (size_t i = 0; i < n; i++) {
        const KubeNode *node = (const KubeNode *)nodes[i];
        for (uint32_t j = 0; j < node->n_internal_ips; j++)
            if (ipaddr_eq(node->internal_ips[j], first))
                return ipaddr_add(segment.addr, 254);
    }
    return first;
}

static uint32_t
segment_of(Cluster *c, IpAddr addr)
{
    uint8_t len = ipaddr_is_v4(&addr) ? NODE_PREFIX_LEN4 : NODE_PREFIX_LEN6;
    Segment segment = {.prefix = ipprefix_network((IpPrefix){addr, len})};

    for (guint i = 0; i < c->segments->len; i++) {
        const Segment *s = segment_at(c, i);
        if (s->prefix.len == len && ipaddr_eq(s->prefix.addr, segment.prefix.addr))
            return i;
    }
    segment.gateway = choose_gateway(c, segment.prefix);
    segment.routes = g_array_new(FALSE, FALSE, sizeof(Route));
    netdev_add_addr(c->lan, (IpPrefix){segment.gateway, len});
    g_array_append_val(c->segments, segment);
    return c->segments->len - 1;
}

static void
share_routes(FibBase *base, const Segment *segment)
{
    for (guint i = 0; i < segment->routes->len; i++)
        fib_base_add(base, &g_array_index(segment->routes, Route, i));
}

static FibBase *
neighbourhood_of(Cluster *c, const ClusterNode *node)
{
    Neighbourhood own = {.segments = {segment_of(c, node->ips[0]), segment_of(c, node->ips[node->n_ips - 1])}};

    for (guint i = 0; i < c->neighbourhoods->len; i++) {
        const Neighbourhood *known = &g_array_index(c->neighbourhoods, Neighbourhood, i);
        if (known->segments[0] == own.segments[0] && known->segments[1] == own.segments[1])
            return known->routes;
    }
    own.routes = fib_base_new();
    share_routes(own.routes, segment_at(c, own.segments[0]));
    if (own.segments[1] != own.segments[0])
        share_routes(own.routes, segment_at(c, own.segments[1]));
    g_array_append_val(c->neighbourhoods, own);
    return own.routes;
}

/* --- Nodes
 * ------------------------------------------------------------------------------------------------------------ */

static NetDev *
switch_port(Host *router, const char *name)
{
    size_t len = strlen(name);
    g_autofree char *port = g_strdup_printf("v-%s", len > 8 ? name + len - 8 : name);
    uint32_t serial = 0;

    while (host_dev(router, port)) {
        g_free(port);
        port = g_strdup_printf("v%u-%s", ++serial, len > 8 ? name + len - 8 : name);
    }
    return netdev_new(router, port, DEV_VETH);
}

/* Pod traffic to a node: from its segment by the node's address, from elsewhere by the router. */
static void
announce_pod_cidr(Cluster *c, IpPrefix cidr, IpAddr node_ip)
{
    uint32_t segment = segment_of(c, node_ip);
    Route route = {.prefix = cidr, .type = ROUTE_UNICAST, .via = node_ip};

    g_array_append_val(segment_at(c, segment)->routes, route);
    for (guint i = 0; i < c->neighbourhoods->len; i++) {
        const Neighbourhood *n = &g_array_index(c->neighbourhoods, Neighbourhood, i);
        if (n->segments[0] == segment || n->segments[1] == segment)
            fib_base_add(n->routes, &route);
    }
    route_add(c->router, cidr, c->lan, node_ip);
}

static void
announce_pod_cidrs(Cluster *c, const ClusterNode *node, const KubeNode *object)
{
    for (uint32_t i = 0; i < object->n_pod_cidrs; i++) {
        IpPrefix cidr;
        if (!ipprefix_parse(object->pod_cidrs[i], &cidr))
            continue;
        for (uint32_t j = 0; j < node->n_ips; j++)
            if (ipaddr_family(&node->ips[j]) == ipaddr_family(&cidr.addr))
                announce_pod_cidr(c, cidr, node->ips[j]);
    }
}

void
topology_attach_node(Cluster *c, ClusterNode *node, const KubeNode *object)
{
    NetDev *bridge = zone_bridge(c, object);
    NetDev *port = switch_port(netdev_host(bridge), node->name);
    LinkParams half = link_of(c->input->cluster.network.latency_node / 2);

    netdev_connect(node->eth0, port, &half);
    bridge_add_port(bridge, port, false);
    netdev_set_mtu(node->eth0, c->input->cluster.network.mtu);
    announce_pod_cidrs(c, node, object);
    fib_set_base(host_fib(node->host), neighbourhood_of(c, node));
    for (uint32_t i = 0; i < node->n_ips; i++)
        route_add(node->host, default_of(node->ips[i]), node->eth0,
                  segment_at(c, segment_of(c, node->ips[i]))->gateway);
}

/* --- Pods
 * ------------------------------------------------------------------------------------------------------------- */

/* NULL: outside. */
static const IpPrefix *
pod_cidr_of(const ClusterNode *node, IpAddr addr)
{
    for (uint32_t i = 0; i < node->n_cidrs; i++)
        if (ipprefix_contains(&node->cidrs[i], addr))
            return &node->cidrs[i];
    return NULL;
}

/* "v10p" for 10.244.0.10: the last octet; more of the address only where that name is taken. */
static NetDev *
node_port(const ClusterNode *on, IpAddr addr, uint32_t index)
{
    g_autofree char *name = g_strdup_printf("v%up", addr.b[15]);
    Host *node = on->host;

    if (index)
        return netdev_new_at(node, name, DEV_VETH, index);
    if (host_dev(node, name) || node_port_is_kept(on, addr)) {
        g_free(name);
        name = g_strdup_printf("v%u-%up", addr.b[14], addr.b[15]);
    }
    for (uint32_t serial = 2; host_dev(node, name); serial++) {
        g_free(name);
        name = g_strdup_printf("v%u-%u-%u", addr.b[14], addr.b[15], serial);
    }
    return netdev_new(node, name, DEV_VETH);
}

/* A pod address outside every pod CIDR of its node (VPC-routed pods): its own route everywhere. */
static void
announce_pod_addr(Cluster *c, const ClusterPod *pod, IpAddr addr)
{
    for (uint32_t i = 0; i < pod->node->n_ips; i++)
        if (ipaddr_family(&pod->node->ips[i]) == ipaddr_family(&addr))
            announce_pod_cidr(c, ipprefix_host(addr), pod->node->ips[i]);
}

static void
attach_by_bridge(ClusterPod *pod, NetDev *port, NetDev *eth0, IpAddr addr, IpPrefix cidr)
{
    if (!netdev_master(port))
        bridge_add_port(pod->node->cni0, port, true);
    netdev_add_addr(eth0, (IpPrefix){addr, cidr.len});
    route_add(pod->made_host, default_of(addr), eth0, pod_cidr_gateway(cidr));
}

static void
attach_by_route(ClusterPod *pod, NetDev *port, NetDev *eth0, IpAddr addr, IpAddr gateway)
{
    netdev_add_addr(port, ipprefix_host(gateway));
    route_add(pod->node->host, ipprefix_host(addr), port, any_of(addr));
    netdev_add_addr(eth0, ipprefix_host(addr));
    route_add(pod->made_host, ipprefix_host(gateway), eth0, any_of(gateway));
    route_add(pod->made_host, default_of(addr), eth0, gateway);
}

void
topology_attach_pod(Cluster *c, ClusterPod *pod, uint32_t index)
{
    NetDev *port = node_port(pod->node, pod->ips[0], index);
    NetDev *eth0 = netdev_new(pod->made_host, "eth0", DEV_VETH);
    LinkParams link = link_of(VETH_LATENCY);
    uint32_t mtu = c->input->cluster.network.mtu;

    if (c->input->cluster.network.kind == NETWORK_VXLAN)
        mtu -= VXLAN_OVERHEAD;
    netdev_connect(eth0, port, &link);
    netdev_set_mtu(eth0, mtu);
    netdev_set_mtu(port, mtu);
    for (uint32_t i = 0; i < pod->n_ips; i++) {
        const IpPrefix *cidr = pod_cidr_of(pod->node, pod->ips[i]);
        if (cidr && pod->node->cni0) {
            attach_by_bridge(pod, port, eth0, pod->ips[i], *cidr);
            continue;
        }
        if (!cidr)
            announce_pod_addr(c, pod, pod->ips[i]);
        attach_by_route(pod, port, eth0, pod->ips[i], cidr ? pod_cidr_gateway(*cidr) : pod->node->ips[0]);
    }
}

void
topology_detach_pod(Cluster *c, ClusterPod *pod)
{
    NetDev *eth0 = host_dev(pod->made_host, "eth0");
    NetDev *port = netdev_peer(eth0);

    /* Then the node goes with all its routes. */
    if (c->ending)
        return;
    for (uint32_t i = 0; i < pod->n_ips; i++) {
        IpPrefix host_route = ipprefix_host(pod->ips[i]);
        fib_remove(host_fib(pod->node->host), &host_route, port);
    }
    netdev_disconnect(eth0);
    netdev_delete(port);
}
