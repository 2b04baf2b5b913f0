#ifndef MODEL_CONTROL_CONTROLLERS_PRIVATE_H
#define MODEL_CONTROL_CONTROLLERS_PRIVATE_H

/* The inside of the running controllers, for this room's own files only
 *
 * One watch on the store turns changes into work: (kind of work, namespace, name), each item with an entity and a timer
 * of its own, so that controllers of unrelated objects never move each other.  Reconciling reads the store and writes
 * new objects; that again is a change.  Delays: a controller acts clocks.controller_latency after the change, its write
 * lands clocks.api_latency later (both before the write, as one wait). */

#include "model/control/alloc.h"
#include "model/control/control.h"
#include "model/control/schedule.h"
#include "sim/engine/htable.h"
#include "sim/engine/timer.h"

typedef enum {
    WORK_DEPLOYMENT,
    WORK_REPLICASET,
    WORK_STATEFULSET,
    WORK_DAEMONSET,
    WORK_SLICES,
    WORK_SCHEDULE,
    WORK_TAINTS, /* Of a pod: its node's. */
    WORK_NODE,
    WORK_EVICT, /* Of a pod: drain asks again. */
} WorkKind;

typedef struct {
    Controllers *c;
    WorkKind kind;
    const char *ns, *name;
    SimEntity entity;
    Timer timer;
    SimTime last_write; /* Of slices. */
    SimTime since;      /* WORK_TAINTS, WORK_EVICT: when taints were first seen, or a budget refused; -1: not now. */
    SimTime meant;      /* WORK_EVICT: creation time of the pod that is meant. */
    uint64_t serial;    /* Pods named so far. */
    bool told;          /* A complaint that is made once. */
    /* StatefulSets and DaemonSets, each with a reference: as at the start (NULL: still so), and as before the update
     * that is under way (NULL: none is). */
    const Workload *first, *current;
} Work;

typedef struct Kubelet Kubelet;     /* kubelet.c: the pods' lives. */
typedef struct NodeLives NodeLives; /* node_life.c */

struct Controllers {
    Cluster *cluster;
    Sim *sim;
    Input *input;
    Store *store;
    Strings *strings;
    uint64_t seed;
    ControlClocks clocks;
    Alloc *alloc;
    uint32_t watch;
    HTable works; /* WorkKey -> Work *. */
    GPtrArray *all_works;
    Kubelet *kubelet;
    NodeLives *nodes;
    Scheduler *scheduler; /* NULL until a pod wants a node; counts the active pods. */
};

/* Does this work 'delay' after now, or earlier if that was already asked for. */
Work *work_add(Controllers *c, WorkKind kind, const char *ns, const char *name, SimTime delay);
void work_set_current(Work *work, const Workload *current);
/* The item without asking for anything. */
Work *work_of(Controllers *c, WorkKind kind, const char *ns, const char *name);
/* The usual wait of a controller that heard of a change. */
SimTime reaction(const Controllers *c);

void deployment_reconcile(Controllers *c, const Workload *deployment);
void replicaset_reconcile(Controllers *c, Work *work, const Workload *rs);
void statefulset_reconcile(Controllers *c, Work *work, const Workload *set);
void daemonset_reconcile(Controllers *c, Work *work, const Workload *set);
void slices_reconcile(Controllers *c, Work *work, const Service *service);
void schedule_pod(Controllers *c, Work *work, const Pod *pod);
void schedule_pod_changed(Controllers *c, const Pod *old, const Pod *new_);
/* taint_eviction.c */
void taints_review(Controllers *c, Work *work, const Pod *pod);
void taints_node_changed(Controllers *c, const KubeNode *old, const KubeNode *new_);
void taints_pod_bound(Controllers *c, const Pod *pod);
/* drain.c */
void drain_node(Controllers *c, const char *node);
void eviction_attempt(Controllers *c, Work *work, const Pod *pod);
/* Services whose hints no longer fit the zones' CPU. */
void slices_nodes_changed(Controllers *c);
/* The Services whose endpoints this pod was or is one of. */
void slices_pod_changed(Controllers *c, const Pod *old, const Pod *new_);

/* Pods of the owner, by name. */
GPtrArray *pods_owned(Controllers *c, const char *ns, ApiKind owner_kind, const char *owner);
bool pod_active(const Pod *pod); /* Neither over nor being deleted. */
/* Ready for the owner's minReadySeconds (a NULL pod is not).  Where that is still to come, the owner has work of the
 * kind 'again' when it comes. */
bool pod_available(Controllers *c, const Pod *pod, const Workload *owner, WorkKind again);
/* Made from the set's template as it is now. */
bool pod_is_current(const Work *work, const Workload *set, const Pod *pod);
/* Asks for its end: deletionTimestamp, or gone at once where no kubelet has it. */
void pod_delete(Controllers *c, const Pod *pod, const char *why);
void pod_create(Controllers *c, const Workload *owner, const char *name, const char *node);
const char *pod_new_name(Controllers *c, Work *work, const Workload *owner);

Kubelet *kubelet_new(Controllers *c);
void kubelet_free(Kubelet *kubelet);
void kubelet_pod_changed(Kubelet *kubelet, const Pod *old, const Pod *new_);
SimTime kubelet_ready_since(Kubelet *kubelet, const Pod *pod);
void kubelet_node_down(Kubelet *kubelet, const ClusterNode *node);
void kubelet_node_up(Kubelet *kubelet, const ClusterNode *node);

NodeLives *node_lives_new(Controllers *c);
void node_lives_free(NodeLives *lives);
void node_life_fail(NodeLives *lives, ClusterNode *node);
void node_life_recover(NodeLives *lives, ClusterNode *node);
/* Readiness and cordons become taints. */
void node_review(Controllers *c, const KubeNode *node);

#endif
