#ifndef MODEL_CONTROL_POD_PROBE_H
#define MODEL_CONTROL_POD_PROBE_H

/* Probes: real connections from the node to its pod
 *
 * Source: k8s pkg/kubelet/prober/worker.go.  A worker ticks every period from when the kubelet saw the pod; a tick
 * before initialDelaySeconds does nothing; the first readiness probe also runs when the container starts.  The result
 * turns after successThreshold or failureThreshold answers in a row.  exec and gRPC probes send nothing: they tell
 * whether the application is well. */

#include "model/network/cluster.h"
#include "sim/engine/timer.h"

typedef enum { ROLE_STARTUP, ROLE_READINESS, ROLE_LIVENESS } ProbeRole;

typedef struct PodProbe PodProbe;
/* The result turned. */
typedef void (*ProbeTurned)(void *user, PodProbe *probe);

/* NULL if the container has no such probe.  'spec' must outlive it.  'ticks_from': the worker's start. */
PodProbe *pod_probe_new(ClusterPod *pod, const PodSpec *spec, uint32_t container, ProbeRole role, SimTime ticks_from,
                        bool initially, ProbeTurned turned, void *user);
void pod_probe_free(PodProbe *probe);
ProbeRole pod_probe_role(const PodProbe *probe);
bool pod_probe_ok(const PodProbe *probe);
/* The container has started (again): the result is what it is before any probe; 'at_once': probes now too. */
void pod_probe_begin(PodProbe *probe, bool at_once);

#endif
