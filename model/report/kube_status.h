#ifndef MODEL_REPORT_KUBE_STATUS_H
#define MODEL_REPORT_KUBE_STATUS_H

/* What an API server and kubectl derive from objects before they print them: ages, states, counts, lists
 *
 * Sources: apimachinery util/duration.HumanDuration, kubernetes pkg/printers/internalversion/printers.go (1.30 to
 * 1.34). A ReplicaSet's or Deployment's status is not stored: it is counted from the pods that exist now. */

#include "model/input/loader.h"

/* "5s", "2m30s", "26h", "3d". */
void kube_append_age(GString *out, SimTime age);
const char *kube_pod_status(const Pod *pod); /* The STATUS column. */
/* "app=web,tier=front", or "<none>". */
void kube_append_labels(GString *out, const Labels *labels);
/* "control-plane", or "<none>". */
void kube_append_roles(GString *out, const KubeNode *node);
/* "v1.34.0": the node's own, else the cluster's. */
void kube_append_version(GString *out, const Input *input, const KubeNode *node);
/* kubectl's name of the kind with its group: "deployment.apps". */
const char *kube_kind_prefix(ApiKind kind);

typedef struct {
    int32_t desired, current, ready, updated;
} WorkloadCounts;
WorkloadCounts kube_workload_counts(Input *input, const Workload *workload);

/* "10.0.0.1:80,10.0.0.2:80 + 2 more...": ready endpoints of a Service's slices, port by port, each in order of address;
 * of one port (by name) or of all (NULL); of one family or of both (0).  Returns their number; at most 'show' are
 * printed. */
uint32_t kube_append_endpoints(GString *out, Input *input, const ApiObject *service, const char *port_name, int family,
                               uint32_t show);

#endif
