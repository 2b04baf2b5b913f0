#ifndef MODEL_CONTROL_SCHEDULE_H
#define MODEL_CONTROL_SCHEDULE_H

/* Scheduler: a node for a pod
 *
 * Nodes that are ready, not cordoned, carry no NoSchedule or NoExecute taint that the pod does not tolerate, and have
 * the labels that nodeSelector asks for.  Pods of one owner spread by count; which node comes first follows from the
 * owner's name, so that owners do not move each other's pods.  CPU and memory are not asked. */

#include "model/api/store.h"

typedef struct Scheduler Scheduler;

Scheduler *scheduler_new(Store *store, uint64_t seed);
void scheduler_free(Scheduler *scheduler);
/* Nodes have changed. */
void scheduler_nodes_changed(Scheduler *scheduler);
/* Counts a pod that has a node; or counts it no more. */
void scheduler_note(Scheduler *scheduler, const PodOutline *pod);
void scheduler_forget(Scheduler *scheduler, const PodOutline *pod);
/* A node for the pod, which is not counted there yet.  NULL: no node fits. */
const char *scheduler_find(Scheduler *scheduler, const Pod *pod);
/* The same for one of many: it is counted, and the next of its group goes on behind it. */
const char *scheduler_pick(Scheduler *scheduler, const Pod *pod);
bool schedule_selects(const KubeNode *node, const PodSpec *spec); /* It has the labels that nodeSelector asks for. */
/* 'daemon': with what a DaemonSet's pods tolerate besides. */
bool schedule_fits(const KubeNode *node, const PodSpec *spec, bool daemon);

#endif
