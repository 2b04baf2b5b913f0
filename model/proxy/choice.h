#ifndef MODEL_PROXY_CHOICE_H
#define MODEL_PROXY_CHOICE_H

/* Which endpoints a service port uses on a node: the one decision that all modes share
 *
 * Source: kube-proxy pkg/proxy/topology.go CategorizeEndpoints. */

#include "model/proxy/service_port.h"

/* What of a node decides. */
typedef struct {
    const char *name;
    const char *zone; /* Label topology.kubernetes.io/zone, or NULL. */
    KubeVersion version;
} ChoiceNode;

typedef struct {
    const ProxyEndpoint **cluster; /* Lists are in 'memory', sorted as the service port's endpoints. */
    uint32_t n_cluster;
    const ProxyEndpoint **local;
    uint32_t n_local;
    const ProxyEndpoint **reachable;
    uint32_t n_reachable;
    bool uses_cluster, uses_local; /* Lists present at all. */
    bool has_endpoints, has_internal, has_external;
    const char *topology_mode;    /* "", "PreferSameZone", "PreferSameNode": for explanations. */
    const ProxyEndpoint **memory; /* Owned. */
} EndpointChoice;

void endpoint_choice(const ProxyServicePort *port, const ChoiceNode *node, EndpointChoice *ret_choice);
void endpoint_choice_clear(EndpointChoice *choice);

bool endpoint_is_local(const ProxyEndpoint *ep, const ChoiceNode *node);
/* The occurrence of a repeated endpoint that a node goes by. */
const ProxyEndpoint *endpoint_on_node(const ProxyEndpoint *ep, const ChoiceNode *node);

#endif
