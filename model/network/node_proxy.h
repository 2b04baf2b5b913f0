#ifndef MODEL_NETWORK_NODE_PROXY_H
#define MODEL_NETWORK_NODE_PROXY_H

/* kube-proxy on a node, in time: watches, bounded-frequency syncs, conntrack cleanup, health servers
 *
 * Source: kube-proxy cmd/kube-proxy/app, pkg/proxy/runner (BoundedFrequencyRunner), pkg/proxy/conntrack,
 * pkg/proxy/healthcheck. Changes of Services and EndpointSlices reach a node after its watch latency; a sync runs at
 * most every minSyncPeriod (burst 2), at least every syncPeriod; loading takes time that grows with the rules
 * written.  What is in the kernel between syncs is the older generation: nodes may disagree. */

#include "model/network/cluster.h"
#include "model/proxy/proxier.h"

/* Clocks, with their defaults; scenarios may set them. */
typedef struct {
    SimTime watch_latency_min, watch_latency_max; /* Per node, drawn once: 5 ms .. 50 ms. */
    SimTime load_base, load_per_rule;             /* Duration of a sync. */
} ProxyClocks;

/* All nodes' proxies; made by cluster_new() (syncs everything once, at no time). */
typedef struct ProxyFleet ProxyFleet;
ProxyFleet *proxy_fleet_new(Cluster *cluster);
void proxy_fleet_free(ProxyFleet *fleet);
ProxyFleet *cluster_proxies(const Cluster *cluster);
void proxy_fleet_set_clocks(ProxyFleet *fleet, const ProxyClocks *clocks);

/* The rules in force on a node; NULL: none (ipvs, failed sync). */
NfRuleset *node_proxy_ruleset(const NodeProxy *proxy, IpFamily family);
ProxyMode node_proxy_mode(const NodeProxy *proxy);
const char *node_proxy_error(const NodeProxy *proxy, IpFamily family); /* Of the last sync, or NULL. */
const ProxyCompiler *node_proxy_compiler(const NodeProxy *proxy, IpFamily family);
const ServiceMap *node_proxy_services(const NodeProxy *proxy, IpFamily family);
/* Faults: it stops syncing (and its health fails after 2 x syncPeriod), or it goes on. */
void node_proxy_set_stuck(NodeProxy *proxy, bool stuck);
/* Did it not sync for some of that time?  Since when and until when (SIMTIME_NEVER: it still does not). */
bool node_proxy_was_stuck(const NodeProxy *proxy, SimTime from, SimTime to, SimTime *ret_since, SimTime *ret_until);
/* The node was down and is up again: a new kube-proxy syncs at once and opens its health servers. */
void node_proxy_restart(NodeProxy *proxy);
/* What /healthz on :10256 says now: 200 or 503 (KEP-3836: also 503 when the node is being deleted). */
int node_proxy_healthz(const NodeProxy *proxy);
/* /livez: the same without regard to the node's fate. */
bool node_proxy_live(const NodeProxy *proxy);
/* False while the node is being deleted or taken away by the autoscaler: load balancers should drain it. */
bool node_proxy_eligible(const NodeProxy *proxy);
/* Ready local endpoints of a Service with a healthCheckNodePort, as of the last sync; -1: no such service port. */
int node_proxy_local_ready(const NodeProxy *proxy, const char *ns, const char *service);

typedef struct {
    SimTime at, done;
    uint32_t rules_written;
    bool full;
} ProxySync;
/* Syncs so far, oldest first. */
const ProxySync *node_proxy_syncs(const NodeProxy *proxy, size_t *ret_n);

#endif
