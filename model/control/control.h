#ifndef MODEL_CONTROL_CONTROL_H
#define MODEL_CONTROL_CONTROL_H

/* Controllers: what fills the gaps that manifests leave, and keeps filling them in time
 *
 * control_fill() brings an Input to the steady state that a cluster with these manifests would reach: pods of workloads
 * (names with hash suffixes), scheduling, pod IPs from node CIDRs, cluster IPs, node ports, EndpointSlices, load
 * balancer status, system services.  What an object states is kept; a Service that has a clusterIP gets nothing
 * added.  Deterministic: allocations follow names and the seed, so that adding an object does not move the others.
 *
 * Controllers run in a Cluster and react to changes with the real delays. */

#include "model/network/cluster.h"

/* Diagnostics go to input->diags; false on errors (exhausted ranges, impossible schedules are warnings and Pending
 * pods). */
bool control_fill(Input *input);

/* Clocks of the control plane, all settable by a Scenario's `clocks`. */
#define CONTROL_CLOCKS(X)                                                                                              \
    X(api_latency, "apiLatency", 5 * SIMTIME_MSEC)                /* One write to the API server. */                   \
    X(controller_latency, "controllerLatency", 20 * SIMTIME_MSEC) /* From a change to the controller's reaction. */    \
    X(slice_retry, "endpointSliceRetry", 1 * SIMTIME_SEC)         /* After a write that its cache has not seen yet. */ \
    X(schedule, "schedule", 20 * SIMTIME_MSEC)                                                                         \
    X(container_start, "containerStart", 1500 * SIMTIME_MSEC) /* Image present: sandbox, CNI, container. */            \
    X(kubelet_sync, "kubeletSync", 100 * SIMTIME_MSEC)        /* kubelet notices a change of its pod. */               \
    X(status_update, "statusUpdate", 100 * SIMTIME_MSEC)      /* Pod status to the API server. */                      \
    X(node_status, "nodeStatus", 10 * SIMTIME_SEC)                                                                     \
    X(node_grace, "nodeMonitorGracePeriod", 50 * SIMTIME_SEC)                                                          \
    X(eviction, "podEvictionTimeout", 300 * SIMTIME_SEC) /* Toleration of unreachable and not-ready. */                \
    X(lb_node_sync, "loadBalancerNodeSync", 100 * SIMTIME_SEC)                                                         \
    X(lb_service_sync, "loadBalancerServiceSync", 30 * SIMTIME_SEC)

typedef struct {
#define CLOCK_FIELD(field, name, value) SimTime field;
    CONTROL_CLOCKS(CLOCK_FIELD)
#undef CLOCK_FIELD
} ControlClocks;
/* NULL tree: the defaults of that version. */
bool control_clocks_decode(Diags *diags, const DocNode *clocks, const KubeVersion *version, ControlClocks *ret_clocks);

typedef struct Controllers Controllers;
Controllers *controllers_new(Cluster *cluster, const ControlClocks *clocks);
void controllers_free(Controllers *controllers);

/* Operations of scenario steps; false with a message (caller frees) if the object is not there or the request makes no
 * sense. */
bool control_apply(Controllers *c, ApiObject *object, char **ret_error);
bool control_delete(Controllers *c, ApiKind kind, const char *ns, const char *name, char **ret_error);
bool control_patch(Controllers *c, ApiKind kind, const char *ns, const char *name, const DocNode *patch,
                   char **ret_error);
bool control_scale(Controllers *c, ApiKind kind, const char *ns, const char *name, int32_t replicas, char **ret_error);
bool control_rollout(Controllers *c, ApiKind kind, const char *ns, const char *name, char **ret_error);
bool control_cordon(Controllers *c, const char *node, bool on, char **ret_error);
bool control_drain(Controllers *c, const char *node, char **ret_error);
bool control_fail_node(Controllers *c, const char *node, char **ret_error); /* Silently: power lost. */
bool control_recover_node(Controllers *c, const char *node, char **ret_error);

#endif
