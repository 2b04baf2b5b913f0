#ifndef MODEL_NETWORK_CLUSTER_PRIVATE_H
#define MODEL_NETWORK_CLUSTER_PRIVATE_H

/* The inside of a Cluster, for this room's own files only */

#include "model/network/cluster.h"
#include "model/network/dormant_pods.h"
#include "model/network/node_proxy.h"
#include "model/network/pod_apps.h"
#include "model/network/pod_plan.h"
#include "model/network/slice_index.h"
#include "sim/engine/htable.h"

/* One L2 segment of nodes: those whose addresses share a /24 (IPv4) or /64 (IPv6). */
typedef struct {
    IpPrefix prefix;
    IpAddr gateway; /* The router's address on it. */
    GArray *routes; /* Route: pod CIDRs of its nodes. */
} Segment;

/* Nodes that stand on the same segments, one of each family, share one table of the segments' routes. */
typedef struct {
    uint32_t segments[2]; /* Indices; twice the same with one family. */
    FibBase *routes;
} Neighbourhood;

/* The names of routed addresses. */
typedef struct {
    IpAddr addr;
    Host *host;
} OutsideAddr;

typedef struct {
    char *name; /* Owned. */
    IpAddr addr;
} OutsideName;

struct Cluster {
    Sim *sim;
    Input *input;
    ClusterOptions options;
    GPtrArray *nodes; /* ClusterNode, by name. */
    GPtrArray *pods;  /* ClusterPod, but for those that are dormant; pods_sort(). */
    bool pods_sorted;
    HTable pod_names;       /* PodName -> ClusterPod *. */
    DormantPods *dormant;   /* NULL: none yet. */
    GPtrArray *clients;     /* ClusterClient, in order of writing. */
    GPtrArray *outside;     /* Host: load balancers and the like, in order of creation. */
    GPtrArray *hosts;       /* Of cluster_hosts(). */
    GHashTable *node_names; /* Name -> ClusterNode. */
    GHashTable *by_addr;    /* IpAddr -> AddrOwner, look-ups only. */
    SliceIndex *slices;     /* Of the input's store. */
    PodPlans *plans;        /* Of the pods that wait to be made. */
    GArray *segments;       /* Segment, in order of first use. */
    GArray *neighbourhoods; /* Neighbourhood, in order of first use. */
    Host *router;
    GPtrArray *switches; /* Host: one per zone, where there are several. */
    NetDev *lan;         /* The router's bridge towards the nodes. */
    uint32_t n_ext;      /* Devices ext0, ext1, ... so far. */
    uint32_t n_lan_hosts;
    ClusterListener listener; /* Or zero. */
    GArray *names;            /* OutsideName, in order of creation. */
    ProxyFleet *proxies;
    Storyteller tell; /* NULL: nobody listens. */
    void *tell_user;
    AppCallObserver calls; /* Functions NULL: nobody listens. */
    bool ending;           /* cluster_free() is at work. */
};

/* What host->user points to. */
typedef enum { OWNER_NODE, OWNER_POD, OWNER_CLIENT, OWNER_OUTSIDE } OwnerKind;
typedef struct {
    OwnerKind kind;
    union {
        ClusterNode *node;
        ClusterPod *pod;
        ClusterClient *client;
    };
} HostOwner;

/* Behind each ClusterPod. */
typedef struct PodRecord PodRecord;
struct PodRecord {
    ClusterPod pod;
    HostOwner owner;
    PodRecord *prev, *next; /* Of those of its node that wait. */
    const PodPlan *plan;    /* Of one that waits; NULL: no applications. */
    uint32_t port;          /* Index kept for its node's port; 0: none. */
    bool latent;            /* Not made yet: its host and runtime are NULL. */
};

/* Texts are interned: pointers are the key. */
typedef struct {
    const char *ns, *name;
} PodName;

/* pods.c */
/* Who has the address, or NULL.  A dormant pod gets its ClusterPod. */
const HostOwner *cluster_owner(const Cluster *c, IpAddr addr);
void pods_sort(Cluster *c);    /* 'pods' by namespace and name. */
void pods_declare(Cluster *c); /* The store's pods; most wait. */
void pods_start(Cluster *c);   /* The applications of those that are made. */
void pods_free(Cluster *c);    /* All of them. */
/* The plain name of the port for 'addr' belongs to a pod that waits. */
bool node_port_is_kept(const ClusterNode *node, IpAddr addr);

/* What VXLAN adds to an IPv4 frame (RFC 7348). */
#define VXLAN_OVERHEAD 50

/* topology.c */
void topology_build_router(Cluster *c);
void topology_attach_node(Cluster *c, ClusterNode *node, const KubeNode *object);
void topology_attach_pod(Cluster *c, ClusterPod *pod, uint32_t port); /* 'port': index kept for it, or 0. */
void topology_detach_pod(Cluster *c, ClusterPod *pod);
/* zones.c: the bridge that a node's port joins. */
NetDev *zone_bridge(Cluster *c, const KubeNode *node);
/* overlay.c: after all nodes are attached. */
void overlay_build(Cluster *c);
/* outside.c */
bool outside_build_clients(Cluster *c);
void outside_build_proxy_ingress(Cluster *c);
/* outside_apps.c: what listens on the host `lb`. */
void outside_start_apps(Cluster *c);
Host *outside_attach(Cluster *c, const char *name, const IpAddr *addrs, size_t n, const LinkParams *link);

/* A route of 'host' by a device or a next hop; 'via' any: on link. */
void route_add(Host *host, IpPrefix prefix, const NetDev *dev, IpAddr via);
LinkParams link_of(SimTime latency);

#endif
