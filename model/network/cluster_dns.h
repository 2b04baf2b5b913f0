#ifndef MODEL_NETWORK_CLUSTER_DNS_H
#define MODEL_NETWORK_CLUSTER_DNS_H

/* Cluster DNS: the records of kubernetes/dns (specification 1.1.0), answered by the kube-dns pods
 *
 * NAME.NS.svc.cluster.local: A/AAAA of the clusterIPs; headless: the ready endpoints' addresses; ExternalName is not
 * followed.  POD-IP.NS.pod.cluster.local answers as CoreDNS's `pods insecure`.  Names outside cluster.local: NXDOMAIN.
 */

#include "model/network/cluster.h"

App *cluster_dns_server(Cluster *cluster, Host *host, IpAddr addr, uint16_t port, SocketError *ret_error);

/* The records of a name, as the server answers them. */
void cluster_dns_lookup(void *cluster, const char *name, uint16_t type, DnsAnswer *ret_answer);

#endif
