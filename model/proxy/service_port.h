#ifndef MODEL_PROXY_SERVICE_PORT_H
#define MODEL_PROXY_SERVICE_PORT_H

/* Service ports and their endpoints, as one proxier of one IP family sees them
 *
 * Source: kube-proxy pkg/proxy/serviceport.go, servicechangetracker.go, endpointslicecache.go,
 * endpointschangetracker.go (v1.30 to v1.36).  What a family does not see (the other family's addresses) is not in
 * here.  Lists are shared by all nodes: what depends on a node is in choice.h.
 *
 * Order: service ports by namespace/name, then port name as in the Service's list, then protocol (our stable order
 * where kube-proxy iterates a Go map); endpoints by the string "ip:port" (SEMANTICS 1.10). */

#include "model/api/config.h"
#include "model/api/store.h"

typedef struct ServiceMap ServiceMap;

typedef struct {
    IpAddr addr;
    uint16_t port;
    uint8_t conditions;    /* EP_*. */
    const char *ip_text;   /* What rules print: canonical, or as written in releases before lenient rewriting. */
    const char *text;      /* "ip:port" ("[ip6]:port"): sort key and hash input. */
    const char *node_name; /* NULL: never local. */
    const char *zone;
    const char *const *hint_zones; /* NULL-terminated or NULL. */
    const char *const *hint_nodes;
    const char *target; /* Pod, or NULL. */
    uint32_t origin;    /* For explanations. */
} ProxyEndpoint;

typedef struct {
    const Service *service; /* Borrowed from the store's object (referenced by the map). */
    const char *ns, *name, *port_name;
    const char *text; /* "ns/name:port" or "ns/name" (SEMANTICS 4.4). */
    uint8_t proto;
    uint16_t port, node_port;
    IpAddr cluster_ip;
    IpAddr *external_ips; /* Of this family, canonical, order kept. */
    uint32_t n_external_ips;
    IpAddr *lb_vips;
    uint32_t n_lb_vips;
    IpPrefix *source_ranges;
    uint32_t n_source_ranges;
    bool etp_local, itp_local; /* Derived, SEMANTICS 1.6. */
    bool externally_accessible, uses_cluster, uses_local;
    uint16_t health_check_node_port;
    bool affinity;
    int32_t affinity_timeout_s;
    bool hints_enabled;             /* The annotation that v1.30 wants is set and not disabled. */
    const ProxyEndpoint *endpoints; /* Sorted, without duplicates. */
    uint32_t n_endpoints;
    uint64_t generation; /* Changes whenever this service port or its endpoints change. */
} ProxyServicePort;

/* Builds the map of a family from the store. */
ServiceMap *service_map_new(Store *store, IpFamily family, KubeVersion version);
void service_map_free(ServiceMap *map);
/* Takes in the changes since the last update; returns true if anything changed. */
bool service_map_update(ServiceMap *map);
const ProxyServicePort *service_map_ports(const ServiceMap *map, size_t *ret_n);
/* Sum of all endpoints of all service ports (large-cluster mode). */
size_t service_map_total_endpoints(const ServiceMap *map);

#endif
