/* What controllers of pods share: pods made, deleted, told apart by revision; the ReplicaSet controller */

#include <stdlib.h>
#include <string.h>

#include "model/control/controllers_private.h"
#include "model/control/pod_make.h"
#include "model/control/pod_names.h"
#include "model/control/schedule.h"

#define LABEL_REVISION "controller-revision-hash"

static int compare_victims(const void *a, const void *b);

GPtrArray *
pods_owned(Controllers *c, const char *ns, ApiKind owner_kind, const char *owner)
{
    GPtrArray *pods = g_ptr_array_new();
    size_t n;
    const ApiObject *const *list = store_list(c->store, KIND_POD, &n);

    for (size_t i = 0; i < n; i++)
        if (list[i]->owner && list[i]->owner_kind == owner_kind && strcmp(list[i]->ns, ns) == 0 &&
            strcmp(list[i]->owner, owner) == 0)
            g_ptr_array_add(pods, (gpointer)list[i]);
    return pods;
}

bool
pod_active(const Pod *pod)
{
    return pod->meta.deletion_ns < 0 && pod->phase != POD_SUCCEEDED && pod->phase != POD_FAILED;
}

bool
pod_available(Controllers *c, const Pod *pod, const Workload *owner, WorkKind again)
{
    SimTime min_ready = owner->min_ready_s * SIMTIME_SEC, since;

    if (!pod || !pod_active(pod) || !pod->ready)
        return false;
    if (min_ready == 0)
        return true;
    since = kubelet_ready_since(c->kubelet, pod);
    if (since + min_ready <= c->sim->now)
        return true;
    work_add(c, again, owner->meta.ns, owner->meta.name, since + min_ready - c->sim->now);
    return false;
}

void
pod_create(Controllers *c, const Workload *owner, const char *name, const char *node)
{
    Pod *pod = pod_of_workload(owner, name, c->sim->now);

    pod->spec.node_name = node;
    if (owner->meta.kind != KIND_REPLICASET)
        labels_set(&pod->meta.labels, strings_add(c->strings, LABEL_REVISION),
                   name_template_hash(c->strings, owner->template_hash));
    cluster_story(c->cluster, "pod %s/%s is created", pod->meta.ns, name);
    store_put(c->store, &pod->meta);
}

const char *
pod_new_name(Controllers *c, Work *work, const Workload *owner)
{
    const char *name;

    do {
        name = name_generated(c->strings, c->seed, owner->meta.ns, owner->meta.name, work->serial++);
    } while (store_get(c->store, KIND_POD, owner->meta.ns, name));
    return name;
}

void
pod_delete(Controllers *c, const Pod *pod, const char *why)
{
    if (pod->meta.deletion_ns >= 0)
        return;
    cluster_story(c->cluster, "pod %s/%s is %s", pod->meta.ns, pod->meta.name, why);
    if (!pod->spec.node_name) {
        store_remove(c->store, KIND_POD, pod->meta.ns, pod->meta.name);
        return;
    }
    Pod *copy = (Pod *)api_copy(&pod->meta);
    copy->meta.deletion_ns = c->sim->now;
    store_put(c->store, &copy->meta);
}

/* What was there before the first change is of the template of that time, whatever its labels say. */
bool
pod_is_current(const Work *work, const Workload *set, const Pod *pod)
{
    const char *revision = labels_get(&pod->meta.labels, LABEL_REVISION);

    if (pod->meta.created_ns == 0)
        return !work->first || work->first->template_hash == set->template_hash;
    return g_strcmp0(revision, name_template_hash(work->c->strings, set->template_hash)) == 0;
}

/* --- ReplicaSet ----------------------------------------------------------------------------------------------------
 */

void
replicaset_reconcile(Controllers *c, Work *work, const Workload *rs)
{
    g_autoptr(GPtrArray) pods = pods_owned(c, rs->meta.ns, KIND_REPLICASET, rs->meta.name);

    if (work->serial == 0)
        work->serial = pods->len;
    for (guint i = 0; i < pods->len;)
        if (pod_active(pods->pdata[i]))
            i++;
        else
            g_ptr_array_remove_index(pods, i);
    for (int32_t have = (int32_t)pods->len; have < rs->replicas; have++)
        pod_create(c, rs, pod_new_name(c, work, rs), NULL);
    if ((int32_t)pods->len <= rs->replicas)
        return;
    guint surplus = pods->len - (guint)rs->replicas;
    qsort(pods->pdata, pods->len, sizeof *pods->pdata, compare_victims);
    for (guint i = 0; i < pods->len; i++)
        api_ref(pods->pdata[i]);
    for (guint i = 0; i < surplus; i++)
        pod_delete(c, pods->pdata[i], "deleted");
    for (guint i = 0; i < pods->len; i++)
        api_unref(pods->pdata[i]);
}

/* Who goes first (controller_utils.go ActivePodsWithRanks): without a node, Pending, not ready, the youngest. */
static int
compare_victims(const void *a, const void *b)
{
    const Pod *x = *(const Pod *const *)a, *y = *(const Pod *const *)b;

    if ((x->spec.node_name == NULL) != (y->spec.node_name == NULL))
        return x->spec.node_name == NULL ? -1 : 1;
    if (x->phase != y->phase)
        return x->phase < y->phase ? -1 : 1;
    if (x->ready != y->ready)
        return x->ready ? 1 : -1;
    if (x->meta.created_ns != y->meta.created_ns)
        return x->meta.created_ns > y->meta.created_ns ? -1 : 1;
    return strcmp(x->meta.name, y->meta.name);
}

/* --- Scheduler -----------------------------------------------------------------------------------------------------
 */

static Scheduler *
begin_scheduler(Controllers *c)
{
    Scheduler *scheduler = scheduler_new(c->store, c->seed);
    PodCursor cursor = {0};

    for (const PodOutline *outline; (outline = store_next_pod(c->store, &cursor));)
        if (!outline->object || pod_active(outline->object))
            scheduler_note(scheduler, outline);
    return scheduler;
}

void
schedule_pod_changed(Controllers *c, const Pod *old, const Pod *new_)
{
    PodOutline outline;

    if (!c->scheduler)
        return;
    if (old && pod_active(old)) {
        pod_outline(old, &outline);
        scheduler_forget(c->scheduler, &outline);
    }
    if (new_ && pod_active(new_)) {
        pod_outline(new_, &outline);
        scheduler_note(c->scheduler, &outline);
    }
}

void
schedule_pod(Controllers *c, Work *work, const Pod *pod)
{
    const char *node;

    if (pod->spec.node_name || pod->meta.deletion_ns >= 0)
        return;
    if (!c->scheduler)
        c->scheduler = begin_scheduler(c);
    node = scheduler_find(c->scheduler, pod);
    if (!node) {
        if (!work->told)
            cluster_story(c->cluster, "pod %s/%s stays Pending: no node fits", pod->meta.ns, pod->meta.name);
        work->told = true;
        return;
    }
    Pod *copy = (Pod *)api_copy(&pod->meta);
    copy->spec.node_name = node;
    store_put(c->store, &copy->meta);
}
