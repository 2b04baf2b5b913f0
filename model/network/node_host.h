#ifndef MODEL_NETWORK_NODE_HOST_H
#define MODEL_NETWORK_NODE_HOST_H

/* A node's own network namespace: interfaces, addresses, sysctls; without links or pods
 *
 * Addresses come from the Node object (InternalIPs on eth0, the first host of each pod CIDR on cni0 in bridge networks)
 * and from Cluster.spec.nodes[].interfaces, which adds to them or replaces an interface of the same name.  Sysctls are
 * the kernel's defaults, then what kubelet and kube-proxy set (ip_forward, conntrack limits, route_localnet), then
 * Cluster.spec.kernel. */

#include "model/input/loader.h"
#include "sim/net/host.h"

/* Prefix lengths of a node's eth0 where nothing else is said: one /24 (IPv4) or /64 (IPv6) segment. */
#define NODE_PREFIX_LEN4 24
#define NODE_PREFIX_LEN6 64

/* NULL with diagnostics in input->diags if a sysctl is unknown or out of range. */
Host *node_host_new(Sim *sim, Input *input, const KubeNode *node);

/* The node's side of a pod CIDR: its first host address. */
IpAddr pod_cidr_gateway(IpPrefix cidr);

#endif
