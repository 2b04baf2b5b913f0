/* ReplicaSet, StatefulSet and DaemonSet controllers, and what they share: pods made and deleted */

#include <stdlib.h>
#include <string.h>

#include "model/control/controllers_private.h"
#include "model/control/pod_make.h"
#include "model/control/pod_names.h"
#include "model/control/schedule.h"

#define LABEL_REVISION "controller-revision-hash"

static int compare_victims(const void *a, const void *b);
static bool of_old_revision(Controllers *c, const Workload *set, const Pod *pod);

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
pod_available(Controllers *c, const Pod *pod, SimTime min_ready, SimTime *ret_wait)
{
    SimTime since;

    *ret_wait = 0;
    if (!pod_active(pod) || !pod->ready)
        return false;
    if (min_ready == 0)
        return true;
    since = kubelet_ready_since(c->kubelet, pod);
    if (since + min_ready <= c->sim->now)
        return true;
    *ret_wait = since + min_ready - c->sim->now;
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

/* --- StatefulSet ---------------------------------------------------------------------------------------------------
 */

/* A pod without the label was there before the first change. */
static bool
of_old_revision(Controllers *c, const Workload *set, const Pod *pod)
{
    const char *revision = labels_get(&pod->meta.labels, LABEL_REVISION);

    if (!revision)
        return pod->meta.created_ns == 0 &&
               labels_get(&set->template_annotations, "kubectl.kubernetes.io/restartedAt") != NULL;
    return strcmp(revision, name_template_hash(c->strings, set->template_hash)) != 0;
}

static const Pod *
member(Controllers *c, const Workload *set, int32_t ordinal)
{
    g_autofree char *name = g_strdup_printf("%s-%d", set->meta.name, ordinal);

    return (const Pod *)store_get(c->store, KIND_POD, set->meta.ns, name);
}

/* The highest ordinal in use, whatever its state. */
static int32_t
last_ordinal(Controllers *c, const Workload *set)
{
    g_autoptr(GPtrArray) pods = pods_owned(c, set->meta.ns, KIND_STATEFULSET, set->meta.name);
    int32_t last = -1;

    for (guint i = 0; i < pods->len; i++) {
        const char *dash = strrchr(((const Pod *)pods->pdata[i])->meta.name, '-');
        if (dash)
            last = MAX(last, atoi(dash + 1));
    }
    return last;
}

/* One step; what follows comes with the next change.  Source: stateful_set_control.go. */
void
statefulset_reconcile(Controllers *c, const Workload *set)
{
    for (int32_t i = 0; i < set->replicas; i++) {
        const Pod *pod = member(c, set, i);
        if (!pod)
            pod_create(c, set, strings_printf(c->strings, "%s-%d", set->meta.name, i), NULL);
        if (!set->parallel && (!pod || !pod->ready || !pod_active(pod)))
            return;
    }
    for (int32_t i = last_ordinal(c, set); i >= set->replicas; i--) {
        const Pod *pod = member(c, set, i);
        if (pod && pod_active(pod))
            pod_delete(c, pod, "deleted");
        if (pod && !set->parallel)
            return;
    }
    for (int32_t i = set->replicas - 1; i >= 0; i--) {
        const Pod *pod = member(c, set, i);
        if (!pod || !pod_active(pod) || !pod->ready)
            return;
        if (!of_old_revision(c, set, pod))
            continue;
        pod_delete(c, pod, "deleted");
        return;
    }
}

/* --- DaemonSet -----------------------------------------------------------------------------------------------------
 */

static int32_t
allowed_unavailable(const Workload *set, size_t n_nodes)
{
    if (!set->max_unavailable.percent)
        return MAX(1, set->max_unavailable.value);
    return MAX(1, (int32_t)((n_nodes * (size_t)set->max_unavailable.value + 99) / 100));
}

void
daemonset_reconcile(Controllers *c, Work *work, const Workload *set)
{
    g_autoptr(GPtrArray) pods = pods_owned(c, set->meta.ns, KIND_DAEMONSET, set->meta.name);
    size_t n;
    const ApiObject *const *nodes = store_list(c->store, KIND_NODE, &n);
    int32_t unavailable = 0;

    for (size_t i = 0; i < n; i++) {
        const Pod *own = NULL;
        if (!schedule_fits((const KubeNode *)nodes[i], &set->template, true))
            continue;
        for (guint k = 0; k < pods->len && !own; k++)
            if (g_strcmp0(((const Pod *)pods->pdata[k])->spec.node_name, nodes[i]->name) == 0)
                own = pods->pdata[k];
        if (!own)
            pod_create(c, set, pod_new_name(c, work, set), nodes[i]->name);
        if (!own || !pod_active(own) || !own->ready)
            unavailable++;
    }
    int32_t room = allowed_unavailable(set, n) - unavailable;
    for (guint i = 0; i < pods->len && room > 0; i++) {
        const Pod *pod = pods->pdata[i];
        if (!pod_active(pod) || !of_old_revision(c, set, pod))
            continue;
        if (pod->ready)
            room--;
        pod_delete(c, pod, "deleted");
    }
}

/* --- Scheduler -----------------------------------------------------------------------------------------------------
 */

void
schedule_pod(Controllers *c, Work *work, const Pod *pod)
{
    Scheduler *scheduler;
    const char *node;
    size_t n;

    if (pod->spec.node_name || pod->meta.deletion_ns >= 0)
        return;
    scheduler = scheduler_new(c->store, c->seed);
    const ApiObject *const *pods = store_list(c->store, KIND_POD, &n);
    for (size_t i = 0; i < n; i++)
        if (pod_active((const Pod *)pods[i]))
            scheduler_note(scheduler, (const Pod *)pods[i]);
    node = scheduler_pick(scheduler, pod);
    scheduler_free(scheduler);
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
