#ifndef MODEL_NETWORK_POD_PLAN_H
#define MODEL_NETWORK_POD_PLAN_H

/* What the processes of a pod do when they start: which Application they are and which ports they listen on
 *
 * Without an Application's `ports`: all containerPorts and every port that a slice gives the pod.  What is known of a
 * pod at the start of a run is kept, so that it can be made later as if it had been made then; equal plans are one. */

#include "model/network/cluster.h"
#include "model/network/slice_index.h"

typedef struct {
    uint16_t port;
    uint8_t proto, zero;
} PlanPort;

typedef struct {
    const ApplicationSpec *spec; /* NULL: the default application. */
    uint32_t n_ports;
    PlanPort ports[]; /* In the order of listening, each once. */
} PodPlan;

const Pod *pod_object(const ClusterPod *pod); /* Of the store, now; NULL: none. */
/* By its labels; NULL: the default. */
const ApplicationSpec *pod_application(const Input *input, const char *ns, const Labels *labels);
/* By what the store says now; 'object': the pod's if it has containers, else NULL may do; g_free(). */
PodPlan *pod_plan_new(const ClusterPod *pod, const Pod *object, const ApplicationSpec *spec, SliceIndex *slices);
/* Pods of the cluster's DNS answer for the cluster, others for themselves. */
bool pod_is_dns(const Labels *labels);

typedef struct PodPlans PodPlans; /* A set without repetition. */
PodPlans *pod_plans_new(void);
void pod_plans_free(PodPlans *plans);
/* The one that equals 'plan', which is taken. */
const PodPlan *pod_plans_keep(PodPlans *plans, PodPlan *plan);

#endif
