#ifndef MODEL_CLOUD_LB_H
#define MODEL_CLOUD_LB_H

/* Load balancers of a cluster: one for each Service of type LoadBalancer, of the kind that a profile describes
 *
 * Nothing here decides over a packet on paper: a load balancer is a host that packets travel through, its probes are
 * connections over the simulated network, its targets' state follows from their results.
 *
 *   proxy     a host "lb/NS-NAME" on the nodes' segment listens on the Service's ports and connects to targets
 *   nat, dsr  the same host forwards packets (sim/net/host.h, HostForwarder); with nat and the client's address kept,
 *             the router steers the replies back, as a provider's fabric does
 *   route     no host: the router (the user's machine, for minikube tunnel) has a route to one node
 *   announce  no host: nodes announce the address to the router, by L2 (one node) or BGP (all, ECMP)
 *
 * At time 0 the cluster is at rest: targets are registered and in the state that the probes would find.  From then on
 * only probes change it. */

#include "model/cloud/profile.h"
#include "model/network/cluster.h"

typedef struct Cloud Cloud;
typedef struct Lb Lb;

/* control_fill()'s last step: the load balancers' status of Services that no API server has stored yet.
 * Without Cluster.spec.loadBalancer there is none.  False on errors (told in input->diags). */
bool cloud_fill(Input *input);

/* NULL without Cluster.spec.loadBalancer.  Services that have an ingress have their load balancer at once; others get
 * theirs after the profile's provisioning time. */
Cloud *cloud_new(Cluster *cluster);
void cloud_free(Cloud *cloud);
const LbProfile *cloud_profile(const Cloud *cloud);

typedef enum {
    LB_TARGET_INITIAL, /* Registered, not yet known. */
    LB_TARGET_HEALTHY,
    LB_TARGET_UNHEALTHY,
    LB_TARGET_DRAINING, /* Deregistered: live flows go on, no new ones. */
    LB_TARGET_GONE,
} LbTargetState;
const char *lb_target_state_name(LbTargetState state);

/* NULL if the Service has none (yet). */
Lb *cloud_lb(const Cloud *cloud, const char *ns, const char *service);
Lb *const *cloud_lbs(const Cloud *cloud, size_t *ret_n); /* By namespace and name. */
const char *lb_name(const Lb *lb);                       /* "default/web" */
Host *lb_host(const Lb *lb);                             /* NULL for route and announce. */
/* Its host fails, or works again; a proxy then listens anew.  Nothing happens to one without a host. */
void lb_set_down(Lb *lb, bool down);
bool lb_address(const Lb *lb, IpFamily family, IpAddr *ret_addr);

typedef struct {
    const char *name; /* "minikube-m02", or "default/web-0" for a pod. */
    LbTargetState state;
    uint32_t weight;
    uint64_t flows;  /* Given to it so far. */
    uint64_t active; /* Now. */
} LbTargetInfo;
/* Targets by name; those that are gone are left out.  Caller frees the array. */
LbTargetInfo *lb_targets(const Lb *lb, size_t *ret_n);

/* A change of a target's state, for reports. */
typedef struct {
    SimTime at;
    const char *lb, *target; /* As lb_name() and LbTargetInfo. */
    LbTargetState from, to;
    const char *cause; /* "HTTP 503", "timeout", "registered", ...; owned by the Cloud. */
    SimTime first_bad; /* Start of the first probe of the series that led to it; -1: none. */
} LbHealthEvent;
/* Oldest first, the states at time 0 included. */
const LbHealthEvent *lb_health_history(const Cloud *cloud, size_t *ret_n);

#endif
