/* The outside of the cluster: clients, load balancer hosts, and where the outside routes a Service's address. */

#include "model/network/cluster_private.h"

/* The gateway's address on a client's link: the first of the client's /24 or /64, or the second if that is the client.
 */
static IpAddr
gateway_for(IpAddr addr)
{
    IpPrefix net = ipprefix_network((IpPrefix){addr, ipaddr_is_v4(&addr) ? 24 : 64});
    IpAddr first = ipaddr_add(net.addr, 1);

    return ipaddr_eq(first, addr) ? ipaddr_add(net.addr, 2) : first;
}

static IpAddr
on_link(IpAddr addr)
{
    return ipaddr_is_v4(&addr) ? IPADDR_ANY4 : IPADDR_ANY6;
}

/* One cable to the router, by a device ext0, ext1, ... of its own; addresses are host routes, so that two outside hosts
 * may have addresses of one prefix. */
Host *
outside_attach(Cluster *c, const char *name, const IpAddr *addrs, size_t n, const LinkParams *link)
{
    g_autofree char *ext_name = g_strdup_printf("ext%u", c->n_ext++);
    Host *host = host_new(c->sim, name);
    NetDev *eth0 = netdev_new(host, "eth0", DEV_VETH);
    NetDev *ext = netdev_new(c->router, ext_name, DEV_VETH);

    netdev_connect(eth0, ext, link);
    for (size_t i = 0; i < n; i++) {
        IpAddr gateway = gateway_for(addrs[i]);
        IpPrefix everything = {on_link(addrs[i]), 0};
        netdev_add_addr(eth0, ipprefix_host(addrs[i]));
        netdev_add_addr(ext, ipprefix_host(gateway));
        route_add(c->router, ipprefix_host(addrs[i]), ext, on_link(addrs[i]));
        route_add(host, ipprefix_host(gateway), eth0, on_link(gateway));
        route_add(host, everything, eth0, gateway);
    }
    return host;
}

Host *
cluster_add_outside_host(Cluster *c, const char *name, const IpAddr *addrs, size_t n, const LinkParams *link)
{
    Host *host = outside_attach(c, name, addrs, n, link);
    HostOwner *owner = g_new0(HostOwner, 1);

    owner->kind = OWNER_OUTSIDE;
    host_set_user(host, owner);
    g_ptr_array_add(c->outside, host);
    return host;
}

static bool
add_client(Cluster *c, const ClientSpec *spec)
{
    g_autofree char *host_name = g_strdup_printf("client/%s", spec->name);
    LinkParams link = link_of(c->input->cluster.network.latency_client);
    ClusterClient *client;
    HostOwner *owner;

    if (cluster_client(c, spec->name)) {
        diag(c->input->diags, DIAG_ERROR, spec->mark, "client \"%s\" stands twice in Cluster.spec.clients", spec->name);
        return false;
    }
    client = g_new0(ClusterClient, 1);
    client->name = spec->name;
    client->addrs = spec->addrs;
    client->n_addrs = spec->n_addrs;
    client->host = outside_attach(c, host_name, spec->addrs, spec->n_addrs, &link);
    owner = g_new0(HostOwner, 1);
    owner->kind = OWNER_CLIENT;
    owner->client = client;
    host_set_user(client->host, owner);
    for (uint32_t i = 0; i < client->n_addrs; i++)
        g_hash_table_insert(c->by_addr, &client->addrs[i], owner);
    g_ptr_array_add(c->clients, client);
    return true;
}

bool
outside_build_clients(Cluster *c)
{
    bool ok = true;

    for (uint32_t i = 0; i < c->input->cluster.n_clients; i++)
        ok &= add_client(c, &c->input->cluster.clients[i]);
    return ok;
}

/* --- Load balancers on the nodes' segment
 * ---------------------------------------------------------------------------------------------------- */

static bool
addr_taken(const Cluster *c, IpAddr addr)
{
    size_t n;
    const ApiObject *const *nodes = store_list(c->input->store, KIND_NODE, &n);

    if (cluster_owner(c, addr))
        return true;
    for (size_t i = 0; i < n; i++) {
        const KubeNode *node = (const KubeNode *)nodes[i];
        for (uint32_t j = 0; j < node->n_internal_ips; j++)
            if (ipaddr_eq(node->internal_ips[j], addr))
                return true;
    }
    for (guint i = 0; i < c->outside->len; i++)
        if (fib_is_local(host_fib(c->outside->pdata[i]), addr, NULL))
            return true;
    return fib_is_local(host_fib(c->router), addr, NULL);
}

/* From the end of the segment downwards. */
static bool
free_segment_addr(const Cluster *c, const Segment *segment, IpAddr *ret_addr)
{
    for (uint64_t n = 250; n > 1; n--) {
        *ret_addr = ipaddr_add(segment->prefix.addr, n);
        if (!addr_taken(c, *ret_addr))
            return true;
    }
    return false;
}

static NetDev *
lan_attach(Cluster *c, Host *host, const char *port_name)
{
    LinkParams link = link_of(c->input->cluster.network.latency_node / 2);
    NetDev *port = netdev_new(c->router, port_name, DEV_VETH);
    NetDev *eth0 = netdev_new(host, "eth0", DEV_VETH);
    HostOwner *owner = g_new0(HostOwner, 1);

    netdev_connect(eth0, port, &link);
    bridge_add_port(c->lan, port, false);
    netdev_set_mtu(eth0, c->input->cluster.network.mtu);
    owner->kind = OWNER_OUTSIDE;
    host_set_user(host, owner);
    g_ptr_array_add(c->outside, host);
    return eth0;
}

/* Segment of an address family that has no address on 'host' yet. */
static void
give_segment_addrs(Cluster *c, Host *host, NetDev *eth0, IpAddr ret_addrs[2], uint32_t *ret_n)
{
    *ret_n = 0;
    for (guint i = 0; i < c->segments->len && *ret_n < 2; i++) {
        const Segment *segment = &g_array_index(c->segments, Segment, i);
        IpAddr addr;
        if (*ret_n == 1 && ipaddr_family(&ret_addrs[0]) == ipaddr_family(&segment->gateway))
            continue;
        if (!free_segment_addr(c, segment, &addr))
            continue;
        netdev_add_addr(eth0, (IpPrefix){addr, segment->prefix.len});
        route_add(host, (IpPrefix){on_link(addr), 0}, eth0, segment->gateway);
        ret_addrs[(*ret_n)++] = addr;
    }
}

Host *
cluster_add_lan_host(Cluster *c, const char *name, IpAddr ret_addrs[2], uint32_t *ret_n)
{
    g_autofree char *port_name = g_strdup_printf("lb%u", c->n_lan_hosts++);
    Host *host = host_new(c->sim, name);
    NetDev *eth0 = lan_attach(c, host, port_name);

    give_segment_addrs(c, host, eth0, ret_addrs, ret_n);
    return host;
}

bool
cluster_is_lan_host(const Host *host)
{
    return g_str_has_prefix(host_name(host), "lb/");
}

void
cluster_lan_host_take(Cluster *c, Host *host, IpAddr own, IpAddr addr)
{
    NetDev *eth0 = host_dev(host, "eth0");

    if (!fib_is_local(host_fib(host), addr, NULL))
        netdev_add_addr(eth0, ipprefix_host(addr));
    cluster_route_lan(c, addr, own);
}

void
cluster_route_lan(Cluster *c, IpAddr addr, IpAddr next_hop)
{
    IpPrefix host_route = ipprefix_host(addr);

    fib_remove(host_fib(c->router), &host_route, NULL);
    route_add(c->router, host_route, c->lan, next_hop);
}

void
cluster_route_lan_also(Cluster *c, IpAddr addr, IpAddr next_hop)
{
    fib_add_nexthop(host_fib(c->router), &(Route){.prefix = ipprefix_host(addr),
                                                  .type = ROUTE_UNICAST,
                                                  .dev = c->lan,
                                                  .via = next_hop,
                                                  .src = ipaddr_is_v4(&addr) ? IPADDR_ANY4 : IPADDR_ANY6});
}

void
cluster_unroute(Cluster *c, IpAddr addr)
{
    IpPrefix host_route = ipprefix_host(addr);

    fib_remove(host_fib(c->router), &host_route, NULL);
}

NetDev *
cluster_lan(const Cluster *c)
{
    return c->lan;
}

/* The host `lb` on the nodes' first segment. */
static Host *
build_lb_host(Cluster *c)
{
    Host *lb = host_new(c->sim, "lb");

    lan_attach(c, lb, "v-lb");
    return lb;
}

static void
give_lb_address(Cluster *c, Host *lb, IpAddr addr)
{
    NetDev *eth0 = host_dev(lb, "eth0");
    bool has_default = false;

    if (fib_is_local(host_fib(lb), addr, NULL))
        return;
    netdev_add_addr(eth0, ipprefix_host(addr));
    route_add(c->router, ipprefix_host(addr), c->lan, on_link(addr));
    for (guint i = 0; i < c->segments->len; i++) {
        const Segment *segment = &g_array_index(c->segments, Segment, i);
        if (ipaddr_family(&segment->gateway) != ipaddr_family(&addr))
            continue;
        route_add(lb, segment->prefix, eth0, on_link(addr));
        if (!has_default)
            route_add(lb, (IpPrefix){on_link(addr), 0}, eth0, segment->gateway);
        has_default = true;
    }
}

/* Ingress addresses with ipMode Proxy belong to a host `lb`, which accepts their ports; unless a load balancer is
 * described, which then owns them (model/cloud). */
void
outside_build_proxy_ingress(Cluster *c)
{
    Host *lb = NULL;
    size_t n;
    const ApiObject *const *objects = store_list(c->input->store, KIND_SERVICE, &n);

    if (c->input->cluster.lb_profile || c->input->cluster.lb_inline)
        return;
    for (size_t i = 0; i < n; i++) {
        const Service *s = (const Service *)objects[i];
        for (uint32_t j = 0; j < s->n_ingress; j++) {
            IpAddr addr;
            if (s->ingress[j].ip_mode != IPMODE_PROXY || !s->ingress[j].ip ||
                !ipaddr_parse_sloppy(s->ingress[j].ip, &addr))
                continue;
            if (!lb)
                lb = build_lb_host(c);
            give_lb_address(c, lb, addr);
        }
    }
}

void
cluster_route_outside(Cluster *c, IpAddr addr, const ClusterNode *via)
{
    IpPrefix host_route = ipprefix_host(addr);

    fib_remove(host_fib(c->router), &host_route, NULL);
    for (uint32_t i = 0; via && i < via->n_ips; i++)
        if (ipaddr_family(&via->ips[i]) == ipaddr_family(&addr))
            route_add(c->router, host_route, c->lan, via->ips[i]);
}

void
cluster_route_outside_host(Cluster *c, IpAddr addr, Host *host)
{
    IpPrefix host_route = ipprefix_host(addr);
    NetDev *ext = netdev_peer(host_dev(host, "eth0"));

    fib_remove(host_fib(c->router), &host_route, NULL);
    route_add(c->router, host_route, ext, on_link(addr));
}

OutsideRoute
cluster_outside_route(const Cluster *c, IpAddr addr)
{
    const Route *route = fib_lookup(host_fib(c->router), addr);
    IpPrefix host_route = ipprefix_host(addr);

    if (!route || route->prefix.len != host_route.len || route->type != ROUTE_UNICAST)
        return (OutsideRoute){0};
    return (OutsideRoute){.present = true, .route = *route};
}

void
cluster_restore_outside_route(Cluster *c, IpAddr addr, const OutsideRoute *before)
{
    IpPrefix host_route = ipprefix_host(addr);

    fib_remove(host_fib(c->router), &host_route, NULL);
    if (before->present)
        fib_add(host_fib(c->router), &before->route);
}

/* --- Names
 * -------------------------------------------------------------------------------------------------------------- */

void
cluster_add_name(Cluster *c, const char *name, IpAddr addr)
{
    OutsideName entry = {g_strdup(name), addr};

    g_array_append_val(c->names, entry);
}

bool
cluster_resolve_name(const Cluster *c, const char *name, IpFamily prefer, IpAddr *ret_addr)
{
    bool found = false;

    for (guint i = 0; i < c->names->len; i++) {
        const OutsideName *entry = &g_array_index(c->names, OutsideName, i);
        if (strcmp(entry->name, name) != 0)
            continue;
        if (!found || ipaddr_family(&entry->addr) == prefer)
            *ret_addr = entry->addr;
        found = true;
    }
    return found;
}
