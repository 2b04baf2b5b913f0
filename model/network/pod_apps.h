#ifndef MODEL_NETWORK_POD_APPS_H
#define MODEL_NETWORK_POD_APPS_H

/* What runs in a pod: HTTP, echo and DNS servers on its ports, as Application documents say
 *
 * Default: listen on all containerPorts and on every port that a slice gives the pod; TCP answers HTTP with JSON that
 * has the pod's name, UDP and SCTP echo it.  `http.calls` calls other Services first (through DNS, as an application
 * would).      */

#include "model/network/pod_plan.h"

/* Of a pod that has run since the start of the simulation, made now: it listens at once. */
PodRuntime *pod_runtime_new(ClusterPod *pod, const PodPlan *plan);
PodRuntime *pod_runtime_start(ClusterPod *pod); /* The processes begin to listen (after Application.startup). */
void pod_runtime_term(PodRuntime *runtime);     /* SIGTERM: drain, or exit, or nothing. */
void pod_runtime_kill(PodRuntime *runtime);     /* SIGKILL: everything closes as the kernel does it; frees. */
/* After SIGTERM: the processes have nothing left to do. */
bool pod_runtime_exited(const PodRuntime *runtime);
bool pod_runtime_listening(const PodRuntime *runtime);
const ApplicationSpec *pod_runtime_spec(const PodRuntime *runtime); /* NULL: the default application. */
/* Answers its readiness probe now (the scenario can break it). */
bool pod_runtime_healthy(const PodRuntime *runtime);
void pod_runtime_set_healthy(PodRuntime *runtime, bool healthy);

/* Calls that applications make themselves: whoever keeps books on connections gives them their identity and hears the
 * end. */
typedef struct {
    uint64_t (*begin)(void *user, ClusterPod *from, const char *to, uint64_t parent_flow); /* Returns the flow id. */
    void (*dial)(void *user, uint64_t flow, IpAddr to, uint16_t port);
    void (*end)(void *user, uint64_t flow, const HttpResult *result); /* NULL: the name did not resolve. */
    void *user;
} AppCallObserver;
void cluster_set_call_observer(Cluster *cluster, const AppCallObserver *observer); /* NULL removes. */

typedef struct {
    uint64_t connections, requests, active;
} PodAppStats;
PodAppStats pod_runtime_stats(const PodRuntime *runtime);

#endif
