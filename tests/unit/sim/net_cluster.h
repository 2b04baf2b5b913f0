#ifndef TESTS_UNIT_SIM_NET_CLUSTER_H
#define TESTS_UNIT_SIM_NET_CLUSTER_H

/* The topology of the recorded flows: three nodes with a pod bridge each on one segment with a router, a client behind
 * the router, one client pod and one or two endpoint pods per node.  Names are those of the records. */

#include "tests/unit/sim/net_world.h"

#define CLUSTER_NODES 3

typedef struct {
    NetWorld *world;
    Host *router, *client, *nodes[CLUSTER_NODES];
    Host *client_pods[CLUSTER_NODES]; /* 10.244.N.5 on v5p. */
} NetCluster;

static inline Host *
net_cluster_add_pod(NetCluster *c, uint32_t node, const char *name, uint32_t number)
{
    Host *pod = net_world_host(c->world, name, false);
    Host *host = c->nodes[node];
    g_autofree char *port = g_strdup_printf("v%up", number);
    g_autofree char *addr4 = g_strdup_printf("10.244.%u.%u/24", node, number);
    g_autofree char *addr6 = node == 0 ? g_strdup_printf("fd00:10:244::%x/64", number)
                                       : g_strdup_printf("fd00:10:244:%x::%x/64", node, number);
    g_autofree char *via4 = g_strdup_printf("10.244.%u.1", node);
    g_autofree char *via6 = node == 0 ? g_strdup("fd00:10:244::1") : g_strdup_printf("fd00:10:244:%x::1", node);

    net_world_wire(pod, "eth0", host, port);
    bridge_add_port(host_dev(host, "cni0"), host_dev(host, port), true);
    net_world_addr(pod, "eth0", addr4, addr6);
    net_world_route(pod, "0.0.0.0/0", via4, "eth0");
    net_world_route(pod, "::/0", via6, "eth0");
    return pod;
}

static inline void
net_cluster_add_node(NetCluster *c, uint32_t i)
{
    static const char *const names[] = {"minikube", "minikube-m02", "minikube-m03"};
    static const char *const ports[] = {"v-minikube", "v-kube-m02", "v-kube-m03"};
    static const char *const pods[] = {"p-client-0", "p-client-1", "p-client-2"};
    Host *node = net_world_host(c->world, names[i], true);
    g_autofree char *addr4 = g_strdup_printf("192.168.49.%u/24", i + 2);
    g_autofree char *addr6 = g_strdup_printf("fd00:49::%u/64", i + 2);
    g_autofree char *cni4 = g_strdup_printf("10.244.%u.1/24", i);
    g_autofree char *cni6 = i == 0 ? g_strdup("fd00:10:244::1/64") : g_strdup_printf("fd00:10:244:%u::1/64", i);

    c->nodes[i] = node;
    net_world_wire(node, "eth0", c->router, ports[i]);
    bridge_add_port(host_dev(c->router, "br-lan"), host_dev(c->router, ports[i]), false);
    net_world_addr(node, "eth0", addr4, addr6);
    netdev_new(node, "cni0", DEV_BRIDGE);
    net_world_addr(node, "cni0", cni4, cni6);
    net_world_route(node, "0.0.0.0/0", "192.168.49.1", "eth0");
    net_world_route(node, "::/0", "fd00:49::1", "eth0");
    c->client_pods[i] = net_cluster_add_pod(c, i, pods[i], 5);
}

static inline NetCluster *
net_cluster_new(void)
{
    NetCluster *c = g_new0(NetCluster, 1);

    c->world = net_world_new();
    c->router = net_world_host(c->world, "router", true);
    c->client = net_world_host(c->world, "client", false);
    netdev_new(c->router, "br-lan", DEV_BRIDGE);
    net_world_addr(c->router, "br-lan", "192.168.49.1/24", "fd00:49::1/64");
    net_world_wire(c->client, "eth0", c->router, "ext0");
    net_world_addr(c->router, "ext0", "198.51.100.1/24", "2001:db8:100::1/64");
    net_world_addr(c->client, "eth0", "198.51.100.10/24", "2001:db8:100::10/64");
    net_world_route(c->client, "0.0.0.0/0", "198.51.100.1", "eth0");
    net_world_route(c->client, "::/0", "2001:db8:100::1", "eth0");
    for (uint32_t i = 0; i < CLUSTER_NODES; i++)
        net_cluster_add_node(c, i);

    /* Everybody on the segment knows which node has which pods. */
    for (uint32_t i = 0; i < CLUSTER_NODES; i++) {
        g_autofree char *cidr4 = g_strdup_printf("10.244.%u.0/24", i);
        g_autofree char *cidr6 = i == 0 ? g_strdup("fd00:10:244::/64") : g_strdup_printf("fd00:10:244:%u::/64", i);
        g_autofree char *via4 = g_strdup_printf("192.168.49.%u", i + 2);
        g_autofree char *via6 = g_strdup_printf("fd00:49::%u", i + 2);
        net_world_route(c->router, cidr4, via4, "br-lan");
        net_world_route(c->router, cidr6, via6, "br-lan");
        for (uint32_t n = 0; n < CLUSTER_NODES; n++) {
            if (n == i)
                continue;
            net_world_route(c->nodes[n], cidr4, via4, "eth0");
            net_world_route(c->nodes[n], cidr6, via6, "eth0");
        }
    }
    return c;
}

static inline void
net_cluster_free(NetCluster *c)
{
    net_world_free(c->world);
    g_free(c);
}

#endif
