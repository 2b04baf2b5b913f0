#ifndef MODEL_CONTROL_FILL_PRIVATE_H
#define MODEL_CONTROL_FILL_PRIVATE_H

/* The inside of control_fill(), for this room's own files only
 *
 * Each step sees what the steps before it have stored.  The order is that of a cluster coming up: nodes, system
 * services, pods (first those that given slices speak of), addresses, then slices from selectors. */

#include "model/control/alloc.h"
#include "model/control/label_index.h"
#include "model/control/schedule.h"
#include "sim/engine/htable.h"

typedef struct {
    Input *input;
    Store *store;
    Strings *strings;
    uint64_t seed;
    Alloc *alloc;
    HTable nodes;       /* Interned name -> const KubeNode *, after fill_nodes(). */
    HTable replicasets; /* fill_pods.c */
    GPtrArray *adopted; /* Copies of ownerless pods that a workload has taken; fill_pods.c */
    GPtrArray *pods;    /* Made for workloads, unstored until fill_placement(). */
} Fill;

bool fill_has_workloads(const Fill *f);                     /* Any that makes pods. */
const KubeNode *fill_node(const Fill *f, const char *name); /* By an interned name. */
void fill_nodes(Fill *f);      /* Node objects where there are none; InternalIPs; pod CIDRs where pods need them. */
void fill_system(Fill *f);     /* Cluster.spec.systemServices. */
void fill_slice_pods(Fill *f); /* Pods that given slices speak of. */
void fill_workloads(Fill *f);  /* Pods of Deployments and the like. */
void fill_placement(Fill *f);  /* Nodes, addresses and phase Running for pods that lack them. */
void fill_services(Fill *f);   /* Cluster IPs, node ports. */
void fill_slices(Fill *f);     /* EndpointSlices from selectors. */

/* --- Shared with the running controllers --- */

/* What the API server adds when a Service is written: cluster IPs, node ports, health check port.  'service' is
 * unstored; false with a message in *ret_error (caller frees) if a range is used up. */
bool service_complete(Alloc *alloc, const ClusterSpec *cluster, Strings *strings, Service *service, char **ret_error);
/* All pods of the store. */
void fill_index_pods(Store *store, LabelIndex *index);
/* This pod counts for that workload: owned by it (by a ReplicaSet of it), or nobody's. */
bool pod_belongs(const Store *store, const Pod *pod, const Workload *workload);
/* Of a Service that names no family. */
IpFamily cluster_family(const ClusterSpec *cluster);

#endif
