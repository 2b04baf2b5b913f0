#ifndef MODEL_NETWORK_HEALTH_SERVERS_H
#define MODEL_NETWORK_HEALTH_SERVERS_H

/* kube-proxy's health servers on one node: real listeners that answer real packets
 *
 * Source: kube-proxy pkg/proxy/healthcheck/service_health.go (healthCheckNodePort of Services with
 * externalTrafficPolicy Local), proxy_health.go and cmd/kube-proxy/app/server.go (:10256 /healthz, /livez); KEP-3836.
 *
 * What a Service's server says is what the last sync put into the kernel.  A sync takes the counts when it starts
 * (health_servers_collect()) and shows them when its rules are in force (health_servers_apply()). */

#include "model/network/cluster.h"
#include "model/proxy/proxier.h"

#define PROXY_HEALTHZ_PORT 10256

typedef struct HealthServers HealthServers;

/* 'proxy' (borrowed) is asked for its own health. */
HealthServers *health_servers_new(ClusterNode *node, const NodeProxy *proxy);
void health_servers_free(HealthServers *servers);

/* The next state: Services with a health check node port in 'maps' (IPv4, IPv6), their ready endpoints on this node. */
void health_servers_collect(HealthServers *servers, ServiceMap *const maps[2]);
/* The collected state is in force: listeners open and close.  'listen': false for clusters without applications. */
void health_servers_apply(HealthServers *servers, const ProxyConfig *config, const ProxyNode info[2], bool listen);

/* Ready local endpoints of a Service with a health check node port; -1: it has none. */
int health_servers_local_ready(const HealthServers *servers, const char *ns, const char *service);

#endif
