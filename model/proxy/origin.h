#ifndef MODEL_PROXY_ORIGIN_H
#define MODEL_PROXY_ORIGIN_H

/* Where rules come from
 *
 * NfRule.origin is one number.  Each service port (in each state of it) has a range of numbers, one for every site and
 * endpoint; a site is one line of a compiler that writes rules, and stands for the field that made it do so.  Nothing
 * is stored per rule, and words are made only when somebody asks.
 *
 * Invariant: number = port's first + (endpoint index + 1, or 0 for none) * ORIGIN_N_SITES + site. */

#include "model/proxy/arena.h"
#include "model/proxy/service_port.h"

/* One line: id, the field or fact behind such a rule (NULL: the Service as such). */
#define ORIGIN_SITES(X)                                                                                                \
    X(NONE, NULL)                                                                                                      \
    X(HOOK, "hook of kube-proxy")                                                                                      \
    X(STATIC, "fixed rule of kube-proxy")                                                                              \
    X(MASQUERADE, "iptables.masqueradeBit")                                                                            \
    X(LOCALNET, "iptables.localhostNodePorts")                                                                         \
    X(INVALID, "nf_conntrack_tcp_be_liberal")                                                                          \
    X(NODEPORTS, "nodePortAddresses")                                                                                  \
    X(SERVICE_CIDR, "Cluster serviceCIDRs")                                                                            \
    X(MASQUERADE_ALL, "masqueradeAll")                                                                                 \
    X(MASQUERADE_OUTSIDE, "clusterCIDR: sources outside are masqueraded")                                              \
    X(HAIRPINS, "hairpin: an endpoint that reaches itself")                                                            \
    X(NO_EXTERNAL_PORT, "no usable endpoints for externalTrafficPolicy")                                               \
    X(NO_ENDPOINTS, "no endpoints")                                                                                    \
    X(NO_ENDPOINTS_INTERNAL, "no endpoints")                                                                           \
    X(NO_ENDPOINTS_PORT, "no endpoints")                                                                               \
    X(FIREWALL_IP, "spec.loadBalancerSourceRanges")                                                                    \
    X(HAIRPIN_ELEM, "hairpin: an endpoint that reaches itself")                                                        \
    X(CLUSTER_IP, "spec.clusterIP")                                                                                    \
    X(CLUSTER_IP_MASQ, "clusterCIDR: sources outside are masqueraded")                                                 \
    X(CLUSTER_IP_MASQ_ALL, "masqueradeAll")                                                                            \
    X(NO_INTERNAL, "no usable endpoints for internalTrafficPolicy")                                                    \
    X(NO_EXTERNAL, "no usable endpoints for externalTrafficPolicy")                                                    \
    X(EXTERNAL_IP, "spec.externalIPs")                                                                                 \
    X(LB_VIP, "status.loadBalancer.ingress")                                                                           \
    X(SOURCE_RANGE, "spec.loadBalancerSourceRanges")                                                                   \
    X(SOURCE_NODE, "spec.loadBalancerSourceRanges contains the node")                                                  \
    X(NODE_PORT, "spec.ports.nodePort")                                                                                \
    X(HEALTH_CHECK, "spec.healthCheckNodePort")                                                                        \
    X(EXT_MASQ, "spec.externalTrafficPolicy: Cluster")                                                                 \
    X(EXT_CLUSTER, "spec.externalTrafficPolicy: Cluster")                                                              \
    X(EXT_POD, "spec.externalTrafficPolicy: Local, short cut for pods")                                                \
    X(EXT_LOCAL_MASQ, "spec.externalTrafficPolicy: Local, short cut for the node")                                     \
    X(EXT_LOCAL_JUMP, "spec.externalTrafficPolicy: Local, short cut for the node")                                     \
    X(EXT_LOCAL, "spec.externalTrafficPolicy: Local")                                                                  \
    X(AFFINITY, "spec.sessionAffinity: ClientIP")                                                                      \
    X(AFFINITY_SET, "spec.sessionAffinity: ClientIP")                                                                  \
    X(BALANCE, "EndpointSlice endpoints")                                                                              \
    X(HAIRPIN, "hairpin: an endpoint that reaches itself")                                                             \
    X(DNAT, "EndpointSlice ports")

typedef enum {
#define ORIGIN_ENUM(id, field) SITE_##id,
    ORIGIN_SITES(ORIGIN_ENUM)
#undef ORIGIN_ENUM
        ORIGIN_N_SITES
} OriginSite;

typedef struct Origins Origins;

Origins *origins_new(void);
void origins_free(Origins *origins);
/* How many numbers a port has. */
static inline uint32_t
origin_numbers(const ProxyServicePort *port)
{
    return ORIGIN_N_SITES * (port->n_endpoints + 1);
}
/* Registers a state of a Service, its ports one after the other; the origins of the first one's rules are then ORIGIN()
 * of the returned number. */
uint32_t origins_add_service(Origins *origins, const ServiceEntry *entry);

/* The origin of a rule written on this line; 'first' 0: of no Service; 'endpoint' -1: of no endpoint. */
#define ORIGIN(origins, first, endpoint, site) origin_at((origins), (first), (endpoint), (site), __FILE__, __LINE__)
uint32_t origin_at(Origins *origins, uint32_t first, int64_t endpoint, OriginSite site, const char *file, int line);

typedef struct {
    const char *object, *detail, *field, *source;
} OriginWords;
/* False: unknown.  Texts live as long as 'origins'. */
bool origins_resolve(Origins *origins, uint32_t origin, OriginWords *ret_words);

#endif
