#ifndef MODEL_CLOUD_LB_PRIVATE_H
#define MODEL_CLOUD_LB_PRIVATE_H

/* The inside of load balancers, for this room's own files only
 *
 * Targets are never freed before their Lb: flows point at them.  A target that comes back is the same one again. */

#include "model/cloud/lb.h"
#include "sim/engine/htable.h"
#include "sim/engine/timer.h"
#include "sim/engine/vec.h"
#include "sim/transport/app.h"

typedef struct LbTarget LbTarget;
typedef struct ProxyPair ProxyPair;   /* lb_proxy.c */
typedef struct UdpSession UdpSession; /* lb_proxy_udp.c */

struct LbTarget {
    Lb *lb;
    char *name, *zone;
    ClusterNode *node; /* The node, or the pod's. */
    IpAddr addrs[2];
    uint32_t n_addrs;
    uint16_t *ports; /* Pods: by index of the Service's port; 0: none.  NULL for nodes. */
    uint64_t id;     /* Of its name: for keyed draws. */
    LbTargetState state;
    bool wanted; /* The controller wants it registered. */
    uint32_t weight;
    uint32_t ok_in_row, bad_in_row;
    SimTime first_bad;
    uint64_t n_flows, n_active;
    /* Probing (lb_probe.c). */
    SimEntity entity;
    Timer probe_timer;
    Timer leave_timer; /* The next step of deregistration. */
    SimTime probe_started;
    Socket *probe_socket;
    HttpClient *probe_http;
    Rng jitter;
};

/* One flow through the load balancer (nat, dsr, BGP); 'key' as the client sends it. */
typedef struct {
    IpAddr src, dst;
    uint16_t sport, dport;
    uint8_t proto, zero[3];
} LbTuple;
_Static_assert(sizeof(LbTuple) == 40, "a hashed key has no padding");

typedef struct {
    LbTuple key;
    LbTuple reply; /* As the target answers; proto 0: not followed (dsr). */
    LbTarget *target;
    SimTime last;
    uint64_t generation; /* Of the targets when it was chosen (ECMP). */
    bool used, fin[2], closed, reset;
} LbFlow;

struct Lb {
    Cloud *cloud;
    const LbProfile *profile;
    char *ns, *name, *text; /* text: "ns/name" */
    Service *service;       /* Referenced: as the controller last saw it. */
    Host *host;
    HostForwarder forwarder;
    SimEntity entity;
    uint64_t id;
    IpAddr vips[2], own[2];
    uint32_t n_vips, n_own;
    GPtrArray *targets;     /* LbTarget, by name. */
    uint64_t generation;    /* Moves with every change of the set of usable targets. */
    uint64_t members;       /* Hash of that set: the ECMP router's view. */
    VEC(LbTarget *) usable; /* Scratch of lb_hash.c. */
    VEC(uint64_t) weights;
    HTable by_key; /* LbTuple -> index in flows. */
    VEC(LbFlow) flows;
    VEC(uint32_t) free_flows;
    size_t sweep_at;
    uint64_t round_robin;
    bool round_robin_set;
    /* Proxy. */
    VEC(Socket *) listeners;
    ProxyPair *pairs;
    VEC(Socket *) udp_listeners;
    UdpSession *sessions;
    HTable by_client; /* SessionKey of lb_proxy_udp.c -> UdpSession *. */
    /* Announce and route: the node that has the address now. */
    ClusterNode *announcer;
    bool told_no_target; /* Since it had one last. */
    bool announced;
};

struct Cloud {
    Cluster *cluster;
    LbProfile profile;
    GPtrArray *lbs; /* Lb, by namespace and name. */
    uint32_t watch;
    SimEntity entity;
    Timer service_timer, node_timer, target_timer, provision_timer, watch_timer;
    HTable replies; /* LbTuple -> ReplyRef: whose flow an answer is. */
    HostForwarder router_forwarder;
    Host *prober; /* Whose address the profile's probeSource is; NULL: each load balancer probes by itself. */
    GPtrArray *provisioning; /* Provisioning, in order of request. */
    GPtrArray *refused;      /* "ns/name" of Services that got none for their protocols, as told. */
    VEC(LbHealthEvent) history;
    bool settled; /* cloud_new() is over. */
    bool held;    /* Nobody probes (cluster_hold()). */
    bool writing; /* The controller itself changes the store. */
};

typedef struct {
    Lb *lb;
    uint32_t flow;
} ReplyRef;

/* --- vip.c --- */
/* The addresses of a Service's load balancer: those in its status, else as allocated by name. */
uint32_t vip_of_service(Input *input, const LbProfile *profile, const Service *service, IpAddr ret_vips[2]);
/* The status that the profile's controller writes. */
void vip_set_ingress(Strings *strings, const LbProfile *profile, Service *service, const IpAddr *vips, uint32_t n);
bool lb_class_handled(const LbProfile *profile, const Service *service);
uint8_t lb_protocol_bit(uint8_t proto); /* LB_CARRIES_* of an IpProto. */
/* The first port that this kind of load balancer cannot carry; its controller then makes none at all.  NULL: fine. */
const ServicePort *lb_port_refused(const LbProfile *profile, const Service *service);

/* --- lb.c --- */
Lb *lb_new(Cloud *cloud, const Service *service);
void lb_free(Lb *lb);
void lb_take_service(Lb *lb, const Service *service); /* A new version of its Service. */
void cloud_add_lb(Cloud *cloud, const Service *service);
void cloud_remove_lb(Cloud *cloud, Lb *lb);

/* --- lb_controller.c --- */
void controller_start(Cloud *cloud);
void controller_stop(Cloud *cloud);

/* --- lb_targets.c --- */
void targets_reconcile(Lb *lb);
void targets_free(Lb *lb);
void target_set_state(LbTarget *target, LbTargetState state, const char *cause);
LbTarget *targets_find(const Lb *lb, const char *name);
uint16_t target_port(const LbTarget *target, uint32_t service_port);
bool target_addr(const LbTarget *target, IpFamily family, IpAddr *ret_addr);
/* The state that the probes would find at rest. */
bool target_predict(const LbTarget *target);
const LbProbe *lb_probe(const Lb *lb);

/* --- lb_probe.c --- */
void probe_start(LbTarget *target);
void probe_stop(LbTarget *target);

/* --- lb_hash.c --- */
/* A target for a new flow to the Service's port of that index, or NULL.  'after': the target that a resilient or
 * consistent hash had chosen before, or NULL. */
LbTarget *lb_choose(Lb *lb, uint32_t service_port, IpFamily family, uint64_t flow, IpAddr src);
/* Ranks by a hash of names: for who announces. */
uint64_t lb_rank(const char *node, IpAddr vip);

/* --- lb_forward.c --- */
ForwardVerdict forward_client(Lb *lb, Packet *pkt, ForwardTo *ret_to, NetDev *dev);
void forward_start(Lb *lb); /* On its own host. */
void forward_stop(Lb *lb);
void forward_flush(Lb *lb); /* Forgets all flows. */
/* The router's side: steers replies, balances announced addresses. */
void forward_router(Cloud *cloud, bool on);
/* A target turned unhealthy or left: what its flows suffer. */
void forward_target_lost(LbTarget *target, LbUnhealthyFlows what);

/* --- lb_proxy.c --- */
void proxy_start(Lb *lb); /* Listens, and stops listening, as the Service's ports say. */
void proxy_stop(Lb *lb);
void proxy_target_lost(LbTarget *target, LbUnhealthyFlows what);

/* --- lb_proxy_udp.c --- */
void proxy_udp_start(Lb *lb); /* As proxy_start(), after the addresses are known. */
void proxy_udp_stop(Lb *lb);
void proxy_udp_flush(Lb *lb);                 /* Forgets all sessions. */
void proxy_udp_target_lost(LbTarget *target); /* It turned unhealthy or left. */

/* --- lb_announce.c --- */
void announce_update(Lb *lb);
void announce_stop(Lb *lb);
void announce_watch(Lb *lb);

#endif
