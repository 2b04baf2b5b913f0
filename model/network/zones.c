/* Zones: where nodes carry zone labels of more than one kind, each zone has a switch of its own between its nodes and
 * the router
 *
 * Node to node costs latency.node within a zone and latency.zone across zones.  The switches forward frames only (hosts
 * "zone/NAME" without addresses), so that addressing and routing are those of one segment.  The bridge network keeps
 * the plain topology of the recorded flows. */

#include "model/network/cluster_private.h"

#include <string.h>

static const char *
zone_of(const KubeNode *node)
{
    return labels_get(&node->meta.labels, "topology.kubernetes.io/zone");
}

static bool
has_several_zones(Cluster *c)
{
    size_t n;
    const ApiObject *const *nodes = store_list(c->input->store, KIND_NODE, &n);
    const char *first = n ? zone_of((const KubeNode *)nodes[0]) : NULL;

    for (size_t i = 1; i < n; i++)
        if (g_strcmp0(zone_of((const KubeNode *)nodes[i]), first) != 0)
            return true;
    return false;
}

static Host *
zone_switch_new(Cluster *c, const char *zone)
{
    const ClusterSpec *spec = &c->input->cluster;
    g_autofree char *name = g_strdup_printf("zone/%s", zone);
    g_autofree char *port_name = g_strdup_printf("z-%s", zone);
    LinkParams uplink = link_of(MAX(0, spec->network.latency_zone - spec->network.latency_node) / 2);
    Host *host = host_new(c->sim, name);
    NetDev *bridge = netdev_new(host, "br0", DEV_BRIDGE);
    NetDev *up = netdev_new(host, "uplink", DEV_VETH);
    NetDev *port = netdev_new(c->router, port_name, DEV_VETH);
    HostSysctls *sysctls = host_sysctls(host);

    sysctls->bridge_nf_call_iptables = sysctls->bridge_nf_call_ip6tables = false;
    netdev_connect(up, port, &uplink);
    bridge_add_port(bridge, up, false);
    bridge_add_port(c->lan, port, false);
    g_ptr_array_add(c->switches, host);
    return host;
}

NetDev *
zone_bridge(Cluster *c, const KubeNode *node)
{
    const char *zone = zone_of(node);
    g_autofree char *name = NULL;

    if (!zone || c->input->cluster.network.kind == NETWORK_BRIDGE || !has_several_zones(c))
        return c->lan;
    name = g_strdup_printf("zone/%s", zone);
    for (guint i = 0; i < c->switches->len; i++)
        if (strcmp(host_name(c->switches->pdata[i]), name) == 0)
            return host_dev(c->switches->pdata[i], "br0");
    return host_dev(zone_switch_new(c, zone), "br0");
}
