#ifndef MODEL_NETWORK_DORMANT_PODS_H
#define MODEL_NETWORK_DORMANT_PODS_H

/* Pods that follow from slices and that nobody has looked for
 *
 * Such a pod is no ClusterPod yet: 16 bytes for what its node keeps for it, and a place in an index of addresses.  It
 * is known by its number in the store's ImpliedPods, which has its names, addresses and node. */

#include "model/api/implied_pods.h"
#include "model/network/pod_plan.h"

#define DORMANT_NONE UINT32_MAX

typedef struct DormantPods DormantPods;

DormantPods *dormant_pods_new(ImpliedPods *implied); /* Of none if NULL. */
void dormant_pods_free(DormantPods *pods);

/* 'port': index kept for its node's port.  Those of a node are a list, the last added first. */
void dormant_pods_add(DormantPods *pods, const PodOutline *outline, ClusterNode *node, uint32_t port,
                      const PodPlan *plan);
/* It is dormant no more. */
void dormant_pods_take(DormantPods *pods, uint32_t number, ClusterNode *node);

/* DORMANT_NONE: none. */
uint32_t dormant_pods_by_name(const DormantPods *pods, const char *ns, const char *name);
uint32_t dormant_pods_by_addr(const DormantPods *pods, IpAddr addr);
uint32_t dormant_pods_of_node(const DormantPods *pods, const ClusterNode *node);
uint32_t dormant_pods_next(const DormantPods *pods, uint32_t number); /* On its node. */
uint32_t dormant_pods_any(const DormantPods *pods, uint32_t from);    /* The first number from this one on. */

uint32_t dormant_pods_port(const DormantPods *pods, uint32_t number);
const PodPlan *dormant_pods_plan(const DormantPods *pods, uint32_t number);
void dormant_pods_outline(const DormantPods *pods, uint32_t number, PodOutline *ret_outline);

#endif
