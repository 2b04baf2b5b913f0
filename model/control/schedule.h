#ifndef MODEL_CONTROL_SCHEDULE_H
#define MODEL_CONTROL_SCHEDULE_H

/* Scheduler: a node for a pod
 *
 * Nodes that are ready, not cordoned, carry no NoSchedule or NoExecute taint that the pod does not tolerate, and have
 * the labels that nodeSelector asks for.  Pods of one owner spread by count; which node comes first follows from the
 * owner's name, so that owners do not move each other's pods.  CPU and memory are not asked. */

#include "model/api/store.h"

typedef struct Scheduler Scheduler;

Scheduler *scheduler_new(Store *store, uint64_t seed); /* Sees the nodes as they are now. */
void scheduler_free(Scheduler *scheduler);
/* Counts a pod that has a node. */
void scheduler_note(Scheduler *scheduler, const PodOutline *pod);
/* NULL: no node fits.  'daemon': with what a DaemonSet's pods tolerate besides. */
const char *scheduler_pick(Scheduler *scheduler, const Pod *pod);
bool schedule_selects(const KubeNode *node, const PodSpec *spec); /* It has the labels that nodeSelector asks for. */
bool schedule_fits(const KubeNode *node, const PodSpec *spec, bool daemon);

#endif
