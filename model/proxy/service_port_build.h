#ifndef MODEL_PROXY_SERVICE_PORT_BUILD_H
#define MODEL_PROXY_SERVICE_PORT_BUILD_H

/* From a Service object to service ports of one family: what service_map.c is made of
 *
 * Source: kube-proxy pkg/proxy/serviceport.go newBaseServiceInfo(), pkg/proxy/util ShouldSkipService(). */

#include "model/proxy/arena.h"
#include "model/proxy/endpoint_list.h"
#include "model/proxy/service_port.h"

/* Neither has chains nor REJECT: headless, ExternalName, or not for kube-proxy. */
bool service_is_skipped(const Service *service);
/* How many service ports the family sees; 0: none of this Service. */
uint32_t service_n_ports(const Service *service, IpFamily family);
/* Those, in the order of spec.ports, without endpoints.  Memory is the arena's; 'service' is borrowed. */
void service_ports_build(const Service *service, IpFamily family, Arena *arena, ProxyServicePort **ret_ports);
/* Equal in all that rules depend on, endpoints aside. */
bool service_port_equal(const ProxyServicePort *a, const ProxyServicePort *b);

#endif
