#ifndef MODEL_CONTROL_ALLOC_H
#define MODEL_CONTROL_ALLOC_H

/* Allocators: pod addresses, node pod CIDRs, cluster IPs, node ports
 *
 * What is in the store is taken.  A new value starts from a place that follows from the seed and the object's name, and
 * goes on from there until it is free: so objects get the same values whatever else is in the cluster, save for
 * clashes.  Ranges as Kubernetes': the lower band of cluster IPs and node ports is left to those who choose by hand
 * (KEP-3070, KEP-3668). */

#include "model/input/loader.h"

typedef struct Alloc Alloc;

Alloc *alloc_new(const Input *input); /* Takes everything that the store's objects state. */
void alloc_free(Alloc *alloc);

void alloc_take_addr(Alloc *alloc, IpAddr addr);
void alloc_release_addr(Alloc *alloc, IpAddr addr);
bool alloc_addr_taken(const Alloc *alloc, IpAddr addr);
void alloc_take_service(Alloc *alloc, const Service *service);
void alloc_release_service(Alloc *alloc, const Service *service);

/* A free address of 'cidr' for "ns/name"; never its network, first host (the gateway) or broadcast address. */
bool alloc_pod_addr(Alloc *alloc, IpPrefix cidr, const char *ns, const char *name, IpAddr *ret_addr);
bool alloc_cluster_ip(Alloc *alloc, IpPrefix cidr, const char *ns, const char *name, IpAddr *ret_addr);
/* 'what' tells the ports of one Service apart. */
bool alloc_node_port(Alloc *alloc, const char *ns, const char *name, const char *what, uint16_t *ret_port);

/* The node whose pod CIDR holds 'addr'; NULL if none. */
const char *alloc_node_of_addr(const Alloc *alloc, IpAddr addr);
void alloc_add_pod_cidr(Alloc *alloc, IpPrefix cidr, const char *node);
/* The CIDR for node number 'index' of 'n_nodes' out of a cluster CIDR, or the next free one. */
bool alloc_pod_cidr(Alloc *alloc, IpPrefix cluster_cidr, uint32_t index, uint32_t n_nodes, const char *node,
                    IpPrefix *ret_cidr);

#endif
