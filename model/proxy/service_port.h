#ifndef MODEL_PROXY_SERVICE_PORT_H
#define MODEL_PROXY_SERVICE_PORT_H

/* Service ports and their endpoints, as one proxier of one IP family sees them
 *
 * Source: kube-proxy pkg/proxy/serviceport.go, servicechangetracker.go, endpointslicecache.go,
 * endpointschangetracker.go (v1.30 to v1.36).  What a family does not see (the other family's addresses) is not in
 * here.  Lists are shared by all nodes: what depends on a node is in choice.h.
 *
 * Order: service ports by namespace/name, then port name as in the Service's list, then protocol (our stable order
 * where kube-proxy iterates a Go map); endpoints by the string "ip:port". */

#include "model/api/config.h"
#include "model/api/store.h"

typedef struct ServiceMap ServiceMap;

typedef struct {
    const Endpoint *from; /* In the slice, which whoever holds the list holds, too. */
    /* The same address and port given again with other conditions or another node: a node takes the last occurrence
     * that is local to it, else the first.  In order of occurrence: so many elements further on; 0: no
     * more.  They stand behind the list. */
    uint32_t again;
    uint16_t port;
    bool as_written; /* Rules print its address as it was written (releases before lenient rewriting). */
} ProxyEndpoint;

/* NULL: there is no more. */
static inline const ProxyEndpoint *
endpoint_again(const ProxyEndpoint *ep)
{
    return ep->again ? ep + ep->again : NULL;
}

/* Its address as rules print it. */
#define ENDPOINT_TEXT_SIZE 128
const char *endpoint_ip(const ProxyEndpoint *ep, char buf[static IPADDR_STR_SIZE]);
/* "ip:port" ("[ip6]:port"): sort key and hash input. */
const char *endpoint_text(const ProxyEndpoint *ep, char buf[static ENDPOINT_TEXT_SIZE]);
/* Equal in that text. */
bool endpoint_same(const ProxyEndpoint *a, const ProxyEndpoint *b);

/* Fields stand by size. */
typedef struct {
    const Service *service; /* Borrowed from the store's object (referenced by the entry). */
    const char *ns, *name, *port_name;
    const char *text;     /* "ns/name:port" or "ns/name". */
    IpAddr *external_ips; /* Of this family, canonical, order kept. */
    IpAddr *lb_vips;
    IpPrefix *source_ranges;
    const ProxyEndpoint *endpoints; /* Sorted, without duplicates. */
    IpAddr cluster_ip;
    uint32_t n_external_ips, n_lb_vips, n_source_ranges, n_endpoints;
    int32_t affinity_timeout_s;
    uint16_t port, node_port, health_check_node_port;
    uint8_t proto;
    bool etp_local : 1, itp_local : 1; /* Derived from type and policies. */
    bool externally_accessible : 1, uses_cluster : 1, uses_local : 1;
    bool affinity : 1;
    bool hints_enabled : 1; /* The annotation that v1.30 wants is set and not disabled. */
} ProxyServicePort;

/* A Service with its endpoints in one state of theirs.  There are as many as Services, and most are asked for nothing
 * once rules were decided: the ports are made from the object when somebody asks, until they sleep again.  NULL may be
 * passed to the first two. */
typedef struct ServiceEntry ServiceEntry;
const ServiceEntry *service_entry_ref(const ServiceEntry *entry);
void service_entry_unref(const ServiceEntry *entry);
const Service *service_entry_service(const ServiceEntry *entry);
/* Never given twice; new whenever the Service or any of its endpoints change. */
uint64_t service_entry_generation(const ServiceEntry *entry);
/* The same, of what the Service says, whatever its endpoints. */
uint64_t service_entry_service_generation(const ServiceEntry *entry);
uint32_t service_entry_n_ports(const ServiceEntry *entry);
/* In the order of spec.ports; borrowed, until the entry sleeps. */
const ProxyServicePort *service_entry_ports(const ServiceEntry *entry);
/* Nobody has a pointer to its ports any more. */
void service_entry_sleep(const ServiceEntry *entry);
bool service_entry_sleeps(const ServiceEntry *entry);

/* Builds the map of a family from the store, which it watches. */
ServiceMap *service_map_new(Store *store, IpFamily family, KubeVersion version);
void service_map_free(ServiceMap *map);
/* Takes in the changes since the last update; returns true if anything changed. */
bool service_map_update(ServiceMap *map);
/* By namespace, then name; borrowed. */
const ServiceEntry *const *service_map_entries(const ServiceMap *map, size_t *ret_n);
/* Higher after each change: that of the newest entry, or of the last removal. */
uint64_t service_map_generation(const ServiceMap *map);
/* True if the last update changed the UDP endpoints of a service port, or removed a UDP service port: what makes
 * kube-proxy look for stale conntrack entries. */
bool service_map_udp_changed(const ServiceMap *map);
/* Counts the updates that did so: for users of one map that look at different times. */
uint64_t service_map_udp_generation(const ServiceMap *map);
/* Distinct addresses of Ready endpoints of a Service on a node: what its health check server reports.
 * 0 if there is no such Service. */
uint32_t service_map_local_ready(const ServiceMap *map, const char *ns, const char *service, const char *node);
/* False if no service port has a health check node port. */
bool service_map_has_health_checks(const ServiceMap *map);
IpFamily service_map_family(const ServiceMap *map);
/* Sum of all endpoints of all service ports (large-cluster mode). */
size_t service_map_total_endpoints(const ServiceMap *map);

#endif
