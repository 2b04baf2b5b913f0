/* The running controllers: what they own, the watch, the queue of work */

#include "model/control/controllers_private.h"

#include <string.h>

typedef struct {
    const char *ns, *name;
    uint64_t kind;
} WorkKey;

static const char *const work_names[] = {"deployment", "replicaset", "statefulset", "daemonset", "slices",
                                         "schedule",   "taints",     "node",        "evict"};

static void on_change(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_);
static void on_work(Sim *sim, void *owner);
static void begin_unfinished(Controllers *c);
static void pod_changed(Controllers *c, StoreEvent event, const Pod *old, const Pod *new_);
static void node_changed(Controllers *c, const KubeNode *old, const KubeNode *new_);

Controllers *
controllers_new(Cluster *cluster, const ControlClocks *clocks)
{
    Controllers *c = g_new0(Controllers, 1);

    c->cluster = cluster;
    c->sim = cluster_sim(cluster);
    c->input = cluster_input(cluster);
    c->store = cluster_store(cluster);
    c->strings = store_strings(c->store);
    c->seed = c->input->scenario.seed;
    c->clocks = *clocks;
    c->alloc = alloc_new(c->input);
    c->all_works = g_ptr_array_new();
    htable_init(&c->works, sizeof(WorkKey), sizeof(Work *));
    c->kubelet = kubelet_new(c);
    c->nodes = node_lives_new(c);
    c->watch = store_watch(c->store, on_change, c);
    begin_unfinished(c);
    return c;
}

void
controllers_free(Controllers *c)
{
    if (!c)
        return;
    store_unwatch(c->store, c->watch);
    node_lives_free(c->nodes);
    kubelet_free(c->kubelet);
    for (guint i = 0; i < c->all_works->len; i++) {
        Work *work = c->all_works->pdata[i];
        timer_free(c->sim, &work->timer);
        sim_entity_free(c->sim, work->entity);
        if (work->first)
            api_unref((ApiObject *)&work->first->meta);
        work_set_current(work, NULL);
        g_free(work);
    }
    g_ptr_array_unref(c->all_works);
    htable_clear(&c->works);
    scheduler_free(c->scheduler);
    alloc_free(c->alloc);
    g_free(c);
}

Work *
work_of(Controllers *c, WorkKind kind, const char *ns, const char *name)
{
    WorkKey key = {strings_add(c->strings, ns), strings_add(c->strings, name), kind};
    bool is_new;
    Work **slot = htable_insert(&c->works, &key, &is_new);

    if (is_new) {
        g_autofree char *entity = g_strdup_printf("control/%s/%s/%s", work_names[kind], ns, name);
        *slot = g_new0(Work, 1);
        **slot = (Work){
            .c = c, .kind = kind, .ns = key.ns, .name = key.name, .last_write = -SIMTIME_SEC * 3600, .since = -1};
        (*slot)->entity = sim_entity(c->sim, entity);
        (*slot)->timer = timer_new(c->sim, "control.work", &(*slot)->entity, on_work, *slot);
        g_ptr_array_add(c->all_works, *slot);
    }
    return *slot;
}

Work *
work_add(Controllers *c, WorkKind kind, const char *ns, const char *name, SimTime delay)
{
    Work *work = work_of(c, kind, ns, name);
    SimTime at = c->sim->now + delay;

    if (!timer_armed(c->sim, work->timer) || timer_deadline(c->sim, work->timer) > at)
        timer_arm(c->sim, work->timer, at);
    return work;
}

void
work_set_current(Work *work, const Workload *current)
{
    if (current)
        api_ref((ApiObject *)&current->meta);
    if (work->current)
        api_unref((ApiObject *)&work->current->meta);
    work->current = current;
}

/* A StatefulSet or DaemonSet got another template. */
static void
note_revision(Work *work, const Workload *old, const Workload *new_)
{
    if (!old || !new_ || old->template_hash == new_->template_hash)
        return;
    if (!work->first)
        work->first = (const Workload *)api_ref((ApiObject *)&old->meta);
    if (!work->current)
        work_set_current(work, old);
}

SimTime
reaction(const Controllers *c)
{
    return c->clocks.controller_latency + c->clocks.api_latency;
}

static void
on_work(Sim *sim, void *owner)
{
    Work *work = owner;
    Controllers *c = work->c;
    static const ApiKind kinds[] = {KIND_DEPLOYMENT, KIND_REPLICASET, KIND_STATEFULSET, KIND_DAEMONSET, KIND_SERVICE,
                                    KIND_POD,        KIND_POD,        KIND_NODE,        KIND_POD};
    const ApiObject *object = store_get(c->store, kinds[work->kind], work->ns, work->name);

    (void)sim;
    if (!object)
        return;
    /* What is reconciled may be replaced on the way. */
    api_ref((ApiObject *)object);
    switch (work->kind) {
    case WORK_DEPLOYMENT:
        deployment_reconcile(c, (const Workload *)object);
        break;
    case WORK_REPLICASET:
        replicaset_reconcile(c, work, (const Workload *)object);
        break;
    case WORK_STATEFULSET:
        statefulset_reconcile(c, work, (const Workload *)object);
        break;
    case WORK_DAEMONSET:
        daemonset_reconcile(c, work, (const Workload *)object);
        break;
    case WORK_SLICES:
        slices_reconcile(c, work, (const Service *)object);
        break;
    case WORK_SCHEDULE:
        schedule_pod(c, work, (const Pod *)object);
        break;
    case WORK_TAINTS:
        taints_review(c, work, (const Pod *)object);
        break;
    case WORK_NODE:
        node_review(c, (const KubeNode *)object);
        break;
    case WORK_EVICT:
        eviction_attempt(c, work, (const Pod *)object);
        break;
    }
    api_unref((ApiObject *)object);
}

/* Pods that were given Pending or being deleted go on from there. */
static void
begin_unfinished(Controllers *c)
{
    size_t n;
    const ApiObject *const *pods = store_list_made(c->store, KIND_POD, &n);

    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)pods[i];
        if (!pod->spec.node_name && pod->phase == POD_PENDING)
            work_add(c, WORK_SCHEDULE, pod->meta.ns, pod->meta.name, c->clocks.schedule);
    }
}

static void
on_change(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    Controllers *c = user;
    const ApiObject *object = new_ ? new_ : old;
    SimTime soon = reaction(c);

    switch (object->kind) {
    case KIND_POD:
        pod_changed(c, event, (const Pod *)old, (const Pod *)new_);
        break;
    case KIND_NODE:
        node_changed(c, (const KubeNode *)old, (const KubeNode *)new_);
        break;
    case KIND_DEPLOYMENT:
        work_add(c, WORK_DEPLOYMENT, object->ns, object->name, soon);
        break;
    case KIND_REPLICASET:
        if (object->owner && object->owner_kind == KIND_DEPLOYMENT)
            work_add(c, WORK_DEPLOYMENT, object->ns, object->owner, soon);
        work_add(c, WORK_REPLICASET, object->ns, object->name, soon);
        break;
    case KIND_STATEFULSET:
        note_revision(work_add(c, WORK_STATEFULSET, object->ns, object->name, soon), (const Workload *)old,
                      (const Workload *)new_);
        break;
    case KIND_DAEMONSET:
        note_revision(work_add(c, WORK_DAEMONSET, object->ns, object->name, soon), (const Workload *)old,
                      (const Workload *)new_);
        break;
    case KIND_SERVICE:
        work_add(c, WORK_SLICES, object->ns, object->name, soon);
        break;
    case KIND_ENDPOINTSLICE:
        if (event == STORE_DELETED && ((const EndpointSlice *)old)->service)
            work_add(c, WORK_SLICES, old->ns, ((const EndpointSlice *)old)->service, soon);
        break;
    case KIND_NAMESPACE:
    case KIND_ENDPOINTS:
    case KIND_BUDGET:
    case API_N_KINDS:
        break;
    }
}

static void
owner_of_pod_changed(Controllers *c, const Pod *pod)
{
    const char *ns = pod->meta.ns, *owner = pod->meta.owner;
    SimTime soon = reaction(c);

    if (!owner)
        return;
    if (pod->meta.owner_kind == KIND_REPLICASET) {
        const ApiObject *rs = store_get(c->store, KIND_REPLICASET, ns, owner);
        work_add(c, WORK_REPLICASET, ns, owner, soon);
        if (rs && rs->owner)
            work_add(c, WORK_DEPLOYMENT, ns, rs->owner, soon);
    } else if (pod->meta.owner_kind == KIND_STATEFULSET) {
        work_add(c, WORK_STATEFULSET, ns, owner, soon);
    } else if (pod->meta.owner_kind == KIND_DAEMONSET) {
        work_add(c, WORK_DAEMONSET, ns, owner, soon);
    }
}

static void
pod_changed(Controllers *c, StoreEvent event, const Pod *old, const Pod *new_)
{
    schedule_pod_changed(c, old, new_);
    owner_of_pod_changed(c, new_ ? new_ : old);
    slices_pod_changed(c, old, new_);
    if (new_ && !new_->spec.node_name && new_->meta.deletion_ns < 0)
        work_add(c, WORK_SCHEDULE, new_->meta.ns, new_->meta.name, c->clocks.schedule);
    if (new_ && new_->spec.node_name && (!old || !old->spec.node_name))
        taints_pod_bound(c, new_);
    if (event == STORE_DELETED && !old->spec.host_network)
        for (uint32_t i = 0; i < old->n_ips; i++)
            alloc_release_addr(c->alloc, old->ips[i]);
    kubelet_pod_changed(c->kubelet, old, new_);
}

/* Pods that wait for a node, and daemons, may find one now. */
static void
node_changed(Controllers *c, const KubeNode *old, const KubeNode *new_)
{
    size_t n;
    const ApiObject *const *pods = store_list_made(c->store, KIND_POD, &n);

    if (c->scheduler)
        scheduler_nodes_changed(c->scheduler);
    for (size_t i = 0; i < n; i++)
        if (!((const Pod *)pods[i])->spec.node_name && pods[i]->deletion_ns < 0)
            work_add(c, WORK_SCHEDULE, pods[i]->ns, pods[i]->name, c->clocks.schedule);
    const ApiObject *const *sets = store_list(c->store, KIND_DAEMONSET, &n);
    for (size_t i = 0; i < n; i++)
        work_add(c, WORK_DAEMONSET, sets[i]->ns, sets[i]->name, reaction(c));
    slices_nodes_changed(c);
    taints_node_changed(c, old, new_);
    if (old && new_ && (old->unschedulable != new_->unschedulable || old->ready != new_->ready))
        work_add(c, WORK_NODE, "", new_->meta.name, reaction(c));
}
