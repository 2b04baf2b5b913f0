#ifndef MODEL_NETWORK_CLUSTER_H
#define MODEL_NETWORK_CLUSTER_H

/* Cluster: API objects turned into simulated hosts, links and addresses
 *
 * Built from an Input whose gaps the controllers have filled (control_fill()).  At time 0 everything in the store runs
 * and every node has done its first full sync.  Owns the Sim; the Input is borrowed and outlives it.
 *
 * Topologies, by ClusterSpec.network.kind:
 *
 *   bridge   That of the recorded flows: nodes' eth0 on one L2 segment with `router` (its bridge br-lan, ports "v-" and
 *            the last 8 characters of the node), pods' eth0 on a bridge cni0 by ports "v<last octet>p"; plain routes.
 *
 *   routed   The same without the pod bridge: a /32 (or /128) route to each veth.
 *
 *   vxlan    As bridge, and pod traffic between nodes in VXLAN by flannel.1, MTU - 50 (overlay.c).
 *
 *   cloud    As routed.  In every kind but bridge, nodes of different zones are further apart (zones.c).
 *
 * Clients and load balancers hang on the router.  The router answers net-unreachable for what it has no route to.
 *
 * Host names: node "minikube"; pod "pod/NAME" (namespace default) or "pod/NS/NAME"; "client/NAME"; "router"; on
 * the nodes' segment "lb/...". */

#include "model/input/loader.h"
#include "sim/net/host.h"
#include "sim/transport/app.h"

typedef struct Cluster Cluster;
typedef struct ClusterNode ClusterNode;
typedef struct ClusterPod ClusterPod;
typedef struct ClusterClient ClusterClient;
typedef struct NodeProxy NodeProxy;   /* model/network/node_proxy.h */
typedef struct PodRuntime PodRuntime; /* model/network/pod_apps.h */

struct ClusterNode {
    Cluster *cluster;
    const char *name;
    Host *host;
    NetDev *eth0, *cni0; /* cni0: bridge kind only. */
    IpAddr ips[2];
    uint32_t n_ips;
    const char *zone; /* Or NULL. */
    NodeProxy *proxy;
    bool failed;
    SimTime failed_at, recovered_at; /* The last time; -1: never. */
    uint32_t index;                  /* Dense, in order of name. */
    uint32_t gateways;               /* By cidr: the pod whose port is first to have the gateway's address is made. */
    uint32_t n_cidrs;
    IpPrefix *cidrs;             /* Of its pods. */
    ClusterPod *latent;          /* Pods that wait to be made (pods.c), by falling port index. */
    uint32_t dormant, n_dormant; /* Others, of which there is no ClusterPod yet: the last declared (dormant_pods.h). */
    uint32_t latent_octets[8];   /* Last octets of the first addresses of both, a bit each. */
};

struct ClusterPod {
    Cluster *cluster;
    const char *ns, *name;
    ClusterNode *node;
    Host *made_host; /* The node's own for hostNetwork pods; NULL: not made yet.  Use cluster_pod_host(). */
    bool host_network;
    uint32_t n_ips;
    IpAddr ips[2];
    PodRuntime *made_runtime; /* Its applications; NULL before start and after death.  Use cluster_pod_runtime(). */
};

struct ClusterClient {
    const char *name;
    Host *host;
    IpAddr *addrs;
    uint32_t n_addrs;
};

typedef struct {
    uint64_t seed;
    bool no_apps; /* Hosts and rules only (walk, rules). */
    bool no_pods; /* Not even pod namespaces. */
    bool linear;  /* Evaluate rules without their index. */
} ClusterOptions;

/* NULL with diagnostics (a node without address, an unknown sysctl, ...). */
Cluster *cluster_new(Input *input, const ClusterOptions *options);
void cluster_free(Cluster *cluster);

Sim *cluster_sim(const Cluster *cluster);
Input *cluster_input(const Cluster *cluster);
Store *cluster_store(const Cluster *cluster);

ClusterNode *cluster_node(const Cluster *cluster, const char *name);
ClusterNode *const *cluster_nodes(const Cluster *cluster, size_t *ret_n); /* By name. */
ClusterPod *cluster_pod(const Cluster *cluster, const char *ns, const char *name);
/* Pods that have a network namespace now, by namespace and name; some wait to be made until somebody looks for them. */
ClusterPod *const *cluster_pods(const Cluster *cluster, size_t *ret_n);
Host *cluster_pod_host(ClusterPod *pod);          /* Made if need be. */
PodRuntime *cluster_pod_runtime(ClusterPod *pod); /* Likewise. */
/* What it runs, made or not; NULL: the default application, or none. */
const ApplicationSpec *cluster_pod_application(const ClusterPod *pod);
ClusterPod *cluster_pod_of_host(const Cluster *cluster, const Host *host);
ClusterPod *cluster_pod_by_ip(const Cluster *cluster, IpAddr addr);
ClusterNode *cluster_node_by_ip(const Cluster *cluster, IpAddr addr);
ClusterNode *cluster_node_of_host(const Cluster *cluster, const Host *host); /* NULL for others. */
ClusterClient *cluster_client(const Cluster *cluster, const char *name);
ClusterClient *const *cluster_clients(const Cluster *cluster, size_t *ret_n);
Host *cluster_router(const Cluster *cluster);
/* Hosts in a stable order: nodes, pods, clients, router, load balancers.  Makes all pods. */
Host *const *cluster_hosts(Cluster *cluster, size_t *ret_n);
Host *const *cluster_hosts_made(Cluster *cluster, size_t *ret_n); /* Without pods that nobody has looked for. */

/* The network side of a pod's life, called by the kubelet model. */
ClusterPod *cluster_pod_add(Cluster *cluster, const Pod *pod); /* Namespace, veth, routes; applications not started. */
void cluster_pod_remove(Cluster *cluster, ClusterPod *pod);    /* The address vanishes; sockets die. */

/* A host on the outside network with these addresses ("lb"), linked to the router with the client latency. */
Host *cluster_add_outside_host(Cluster *cluster, const char *name, const IpAddr *addrs, size_t n,
                               const LinkParams *link);
/* A host on the nodes' segment (a load balancer, "lb/..."), with an address of its own for each family that the nodes
 * have. */
Host *cluster_add_lan_host(Cluster *cluster, const char *name, IpAddr ret_addrs[2], uint32_t *ret_n);
bool cluster_is_lan_host(const Host *host);
/* It answers for 'addr' too: the router sends that to 'own', its address of the same family. */
void cluster_lan_host_take(Cluster *cluster, Host *host, IpAddr own, IpAddr addr);
/* The router sends 'addr' to a neighbour on the nodes' segment; next hop any: the segment is asked who has it. */
void cluster_route_lan(Cluster *cluster, IpAddr addr, IpAddr next_hop);
/* One more next hop of equal cost. */
void cluster_route_lan_also(Cluster *cluster, IpAddr addr, IpAddr next_hop);
void cluster_unroute(Cluster *cluster, IpAddr addr);
NetDev *cluster_lan(const Cluster *cluster); /* The router's side of the segment. */
/* The outside routes 'addr' to that node from now on (--via, DSR load balancers, announcements); NULL: nowhere. */
void cluster_route_outside(Cluster *cluster, IpAddr addr, const ClusterNode *via);
/* Where the outside routes 'addr' now, to be put back after a question that needed another route. */
typedef struct {
    bool present;
    Route route;
} OutsideRoute;
OutsideRoute cluster_outside_route(const Cluster *cluster, IpAddr addr);
void cluster_restore_outside_route(Cluster *cluster, IpAddr addr, const OutsideRoute *before);
/* cluster_route_outside() to any host on the outside network. */
void cluster_route_outside_host(Cluster *cluster, IpAddr addr, Host *host);

/* Forgets connections, affinity and counters, keeps the rules: the next flow starts fresh. */
void cluster_flush_flows(Cluster *cluster);
/* The world stands still but for packets while a question is asked of it many times over: nobody probes. */
void cluster_hold(Cluster *cluster, bool hold);
/* Who else remembers flows and changes by itself (load balancers) is told both; one listener, NULL: none. */
typedef struct {
    void (*flush)(void *user);
    void (*hold)(void *user, bool hold);
    void *user;
} ClusterListener;
void cluster_set_listener(Cluster *cluster, const ClusterListener *listener);

/* The story of a run, in words: whoever tells it listens here. */
typedef void (*Storyteller)(void *user, const char *text);
void cluster_set_storyteller(Cluster *cluster, Storyteller tell, void *user);
void cluster_story(Cluster *cluster, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* resolv.conf of a pod (cluster DNS, search list of its namespace, ndots 5) or of a node or client. */
void cluster_resolv_conf(const Cluster *cluster, const Host *host, ResolvConf *ret_conf);

/* Names that the outside resolves (load balancers' hostnames): the address of the family, if there is one. */
void cluster_add_name(Cluster *cluster, const char *name, IpAddr addr);
bool cluster_resolve_name(const Cluster *cluster, const char *name, IpFamily prefer, IpAddr *ret_addr);

/* Friendly name of an address: "pod default/web-0", "node minikube", "Service default/web clusterIP", "client laptop",
 * or NULL. */
const char *cluster_name_addr(const Cluster *cluster, IpAddr addr, char *buf, size_t size);

#endif
