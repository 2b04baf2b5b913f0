#ifndef MODEL_CONTROL_POD_MAKE_H
#define MODEL_CONTROL_POD_MAKE_H

/* Pods out of templates, and their addresses */

#include "model/control/alloc.h"

#define LABEL_TEMPLATE_HASH "pod-template-hash"

/* A new, unstored Pending pod of 'owner' (ReplicaSet, StatefulSet, DaemonSet). */
Pod *pod_of_workload(const Workload *owner, const char *name, int64_t now);
/* A new, unstored ReplicaSet of a Deployment, with the template as it is now. */
Workload *replicaset_of(Strings *strings, const Workload *deployment, const char *name, const char *hash, int64_t now);
/* Puts an unstored pod on a node: nodeName, hostIP and pod IPs, as far as it has none.  False: no address is left. */
bool pod_place(Alloc *alloc, const KubeNode *node, Pod *pod);

#endif
