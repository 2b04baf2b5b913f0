#ifndef MODEL_NETWORK_CONNTRACK_CLEANUP_H
#define MODEL_NETWORK_CONNTRACK_CLEANUP_H

/* Stale UDP entries: what kube-proxy deletes from a node's conntrack table after a sync
 *
 * Source: kube-proxy pkg/proxy/conntrack/cleanup.go.  TCP and SCTP entries are never touched.
 *   before 1.32  the changes are listed: entries of UDP endpoints that went, of UDP Services that got their first
 *                endpoint, of clusterIPs of UDP Services that went;
 *   from 1.32    reconciled: entries to a UDP service port with a serving endpoint whose reply does not come from one.
 * Both run only if UDP endpoints or service ports changed. */

#include "model/network/cluster.h"
#include "model/proxy/service_port.h"

typedef struct UdpState UdpState;

/* The UDP side of a map, as of now; reference counted: the nodes of a group share it. */
UdpState *udp_state_new(const ServiceMap *map);
UdpState *udp_state_ref(UdpState *state);
void udp_state_unref(UdpState *state);
/* Cleans the table of 'host' after a sync from 'before' (NULL: the first) to 'after'; returns the number of entries
 * deleted. */
size_t conntrack_cleanup(Host *host, const UdpState *before, const UdpState *after, IpFamily family,
                         KubeVersion version);

#endif
