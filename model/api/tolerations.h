#ifndef MODEL_API_TOLERATIONS_H
#define MODEL_API_TOLERATIONS_H

/* Taints and what bears them
 *
 * A pod bears what its spec says, and what the API server and the DaemonSet controller add: not-ready and unreachable
 * for DEFAULT_TOLERATION_S (plugin DefaultTolerationSeconds), pods of a DaemonSet for ever, those also pressure and
 * cordons.  What is added is not stored: it follows from the spec and from 'daemon'.  Sources: k8s
 * core/v1/toleration.go, plugin/pkg/admission/defaulttolerationseconds, pkg/controller/daemon/util. */

#include "model/api/object.h"

/* Values of Toleration.seconds beside a number. */
#define TOLERATION_FOR_EVER (-1)
#define TOLERATION_DEFAULT                                                                                             \
    (-2) /* Added by the API server: DEFAULT_TOLERATION_S, unless a scenario's clocks differ.                          \
          */

#define DEFAULT_TOLERATION_S 300

#define TAINT_NOT_READY     "node.kubernetes.io/not-ready"
#define TAINT_UNREACHABLE   "node.kubernetes.io/unreachable"
#define TAINT_UNSCHEDULABLE "node.kubernetes.io/unschedulable"

/* At most so many are added to those of the spec. */
#define TOLERATIONS_ADDED 8

/* All that the pod bears, those of the spec first.  'ret' has room for spec->n_tolerations + TOLERATIONS_ADDED. */
uint32_t tolerations_of(const PodSpec *spec, bool daemon, Toleration *ret);
bool toleration_bears(const Toleration *toleration, const Taint *taint);
/* *ret_seconds: how long, as the first toleration that fits says. */
bool pod_bears(const PodSpec *spec, bool daemon, const Taint *taint, int64_t *ret_seconds);
bool pod_is_daemon(const Pod *pod);

#endif
