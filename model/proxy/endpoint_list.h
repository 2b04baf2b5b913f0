#ifndef MODEL_PROXY_ENDPOINT_LIST_H
#define MODEL_PROXY_ENDPOINT_LIST_H

/* Endpoints of a service from its slices, by port name and protocol
 *
 * Source: kube-proxy pkg/proxy/endpointslicecache.go (endpointInfoByServicePort, addEndpoints).
 * The Service object plays no part here: slices name the service by label.  Texts of the store (node names, hints) are
 * borrowed, as they are interned for the store's life; the rest is in the caller's arena. */

#include "model/proxy/arena.h"
#include "model/proxy/service_port.h"

typedef struct {
    const char *port_name;
    uint8_t proto;
    const ProxyEndpoint *endpoints; /* Sorted by text, without duplicates. */
    uint32_t n_endpoints;
} EndpointList;

typedef struct {
    const EndpointList *lists;  /* Sorted by port name, then protocol. */
    uint32_t n_lists, n_slices; /* References to the slices, as the endpoints are theirs, stand behind the lists. */
} EndpointLists;

void endpoint_lists_build(Store *store, const char *ns, const char *service, IpFamily family, KubeVersion version,
                          Arena *arena, EndpointLists *ret_lists);
void endpoint_lists_clear(EndpointLists *lists); /* What the arena does not. */
const EndpointList *endpoint_lists_find(const EndpointLists *lists, const char *port_name, uint8_t proto);
bool endpoint_list_equal(const EndpointList *a, const EndpointList *b);
/* A change of UDP endpoints from 'a' to 'b': one added, removed, renamed or renumbered. */
bool endpoint_lists_udp_differ(const EndpointLists *a, const EndpointLists *b);
/* kube-proxy's informers do not show such an object to it. */
bool proxy_object_hidden(const ApiObject *object);

#endif
