/* The vxlan network: pod traffic between nodes is wrapped (flannel's shape)
 *
 * Every node has a device flannel.1 with the base address of its pod CIDR; other nodes' CIDRs are routed to theirs over
 * it, and the device maps that next hop to the node's address.  Node addresses stay unwrapped. */

#include "model/network/cluster_private.h"

#define VXLAN_NAME "flannel.1"
/* flannel's default network identifier. */
#define VXLAN_VNI 1

static bool
cidr_of_family(const KubeNode *node, IpFamily family, IpPrefix *ret_cidr)
{
    for (uint32_t i = 0; i < node->n_pod_cidrs; i++)
        if (ipprefix_parse(node->pod_cidrs[i], ret_cidr) && ipaddr_family(&ret_cidr->addr) == family) {
            *ret_cidr = ipprefix_network(*ret_cidr);
            return true;
        }
    return false;
}

static const KubeNode *
object_of(const Cluster *c, const ClusterNode *node)
{
    return (const KubeNode *)store_get(c->input->store, KIND_NODE, "", node->name);
}

static void
make_device(const Cluster *c, ClusterNode *node)
{
    NetDev *dev = netdev_new(node->host, VXLAN_NAME, DEV_VXLAN);

    vxlan_configure(dev, VXLAN_VNI, node->ips[0], false);
    netdev_set_mtu(dev, c->input->cluster.network.mtu - VXLAN_OVERHEAD);
    for (uint32_t i = 0; i < node->n_ips; i++) {
        IpPrefix cidr;
        if (cidr_of_family(object_of(c, node), ipaddr_family(&node->ips[i]), &cidr))
            netdev_add_addr(dev, ipprefix_host(cidr.addr));
    }
}

/* From 'node' to the pods of 'other'. */
static void
join(const Cluster *c, ClusterNode *node, const ClusterNode *other)
{
    NetDev *dev = host_dev(node->host, VXLAN_NAME);

    for (uint32_t i = 0; i < other->n_ips; i++) {
        IpFamily family = ipaddr_family(&other->ips[i]);
        IpPrefix cidr;
        if (!cidr_of_family(object_of(c, other), family, &cidr))
            continue;
        route_add(node->host, ipprefix_host(cidr.addr), dev, family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6);
        route_add(node->host, cidr, dev, cidr.addr);
        vxlan_add_remote(dev, cidr.addr, other->ips[0]);
    }
}

void
overlay_build(Cluster *c)
{
    if (c->input->cluster.network.kind != NETWORK_VXLAN)
        return;
    for (guint i = 0; i < c->nodes->len; i++)
        make_device(c, c->nodes->pdata[i]);
    for (guint i = 0; i < c->nodes->len; i++)
        for (guint j = 0; j < c->nodes->len; j++)
            if (i != j)
                join(c, c->nodes->pdata[i], c->nodes->pdata[j]);
}
