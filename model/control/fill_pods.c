/* Workloads to pods, pods to nodes */

#include <string.h>

#include "model/control/fill_private.h"
#include "model/control/pod_make.h"
#include "model/control/pod_names.h"
#include "sim/engine/htable.h"
#include "sim/engine/rng.h"

#define REVISION "deployment.kubernetes.io/revision"

typedef struct {
    const char *ns, *owner;
} OwnerKey;

static void index_replicasets(Fill *f);
static void fill_deployment(Fill *f, const LabelIndex *index, const Workload *w);
static void fill_replicas(Fill *f, const LabelIndex *index, const Workload *counted, const Workload *owner);
static void fill_statefulset(Fill *f, const Workload *w);
static void fill_daemonset(Fill *f, const LabelIndex *index, const Workload *w);
static const char *free_pod_name(Fill *f, const Workload *owner, GHashTable *made, uint64_t *serial);
static bool lacks_place(const Pod *pod);
static void place_pod(Fill *f, Scheduler *scheduler, Pod *pod);

void
fill_workloads(Fill *f)
{
    LabelIndex *index;

    if (!fill_has_workloads(f))
        return;
    index = label_index_new();
    f->adopted = g_ptr_array_new();
    fill_index_pods(f->store, index);
    index_replicasets(f);
    for (ApiKind kind = KIND_DEPLOYMENT; kind <= KIND_DAEMONSET; kind++) {
        size_t n;
        const ApiObject *const *list = store_list(f->store, kind, &n);
        g_autofree const ApiObject **all = g_memdup2(list, n * sizeof *list);
        for (size_t i = 0; i < n; i++) {
            const Workload *w = (const Workload *)all[i];
            if (kind == KIND_DEPLOYMENT)
                fill_deployment(f, index, w);
            else if (kind == KIND_STATEFULSET)
                fill_statefulset(f, w);
            else if (kind == KIND_DAEMONSET)
                fill_daemonset(f, index, w);
            else if (!w->meta.owner || !store_get(f->store, KIND_DEPLOYMENT, w->meta.ns, w->meta.owner))
                fill_replicas(f, index, w, w);
        }
    }
    /* Only now: the index borrows the pods as they were. */
    for (guint i = 0; i < f->adopted->len; i++)
        store_put(f->store, f->adopted->pdata[i]);
    g_ptr_array_unref(f->adopted);
    htable_clear(&f->replicasets);
    label_index_free(index);
}

bool
pod_belongs(const Store *store, const Pod *pod, const Workload *w)
{
    if (!pod->meta.owner)
        return true;
    if (w->meta.kind != KIND_DEPLOYMENT)
        return pod->meta.owner_kind == w->meta.kind && strcmp(pod->meta.owner, w->meta.name) == 0;
    if (pod->meta.owner_kind != KIND_REPLICASET)
        return false;
    const ApiObject *rs = store_get(store, KIND_REPLICASET, pod->meta.ns, pod->meta.owner);
    if (rs && rs->owner)
        return strcmp(rs->owner, w->meta.name) == 0;
    size_t length = strlen(w->meta.name);
    return strncmp(pod->meta.owner, w->meta.name, length) == 0 && pod->meta.owner[length] == '-';
}

/* The revision that a given ReplicaSet says it is; one without that counts if it has replicas. */
static gint64
revision_of(const Workload *rs)
{
    const char *text = labels_get(&rs->meta.annotations, REVISION);

    return text ? g_ascii_strtoll(text, NULL, 10) : rs->replicas > 0;
}

/* The better one to stand for the Deployment's template. */
static const Workload *
better_replicaset(const Workload *best, const Workload *rs, const Workload *deployment)
{
    if (best && best->template_hash == deployment->template_hash)
        return best;
    if (rs->template_hash == deployment->template_hash)
        return rs;
    return !best || revision_of(rs) > revision_of(best) ? rs : best;
}

/* The given ReplicaSets by their Deployments. */
static void
index_replicasets(Fill *f)
{
    size_t n;
    const ApiObject *const *list = store_list(f->store, KIND_REPLICASET, &n);

    htable_init(&f->replicasets, sizeof(OwnerKey), sizeof(const Workload *));
    for (size_t i = 0; i < n; i++) {
        const Workload *rs = (const Workload *)list[i];
        const ApiObject *deployment =
            rs->meta.owner ? store_get(f->store, KIND_DEPLOYMENT, rs->meta.ns, rs->meta.owner) : NULL;
        if (!deployment)
            continue;
        OwnerKey key = {rs->meta.ns, rs->meta.owner};
        const Workload **best = htable_insert(&f->replicasets, &key, NULL);
        *best = better_replicaset(*best, rs, (const Workload *)deployment);
    }
}

static uint32_t
alive_of(const Fill *f, const Workload *w, const GPtrArray *pods)
{
    uint32_t n = 0;

    for (guint i = 0; i < pods->len; i++) {
        const Pod *pod = pods->pdata[i];
        if (pod->meta.deletion_ns < 0 && pod->phase != POD_SUCCEEDED && pod->phase != POD_FAILED &&
            pod_belongs(f->store, pod, w))
            n++;
    }
    return n;
}

/* A controller adopts what its selector chooses and nobody owns. */
static void
adopt(Fill *f, const Workload *owner, const GPtrArray *pods)
{
    for (guint i = 0; i < pods->len; i++) {
        const Pod *pod = pods->pdata[i];
        if (pod->meta.owner || pod->meta.deletion_ns >= 0)
            continue;
        Pod *copy = (Pod *)api_copy(&pod->meta);
        copy->meta.owner = owner->meta.name;
        copy->meta.owner_kind = owner->meta.kind;
        g_ptr_array_add(f->adopted, copy);
    }
}

/* The ReplicaSet that given pods name: that of the first of them. */
static const char *
replicaset_of_pods(const Fill *f, const Workload *w, const GPtrArray *pods)
{
    for (guint i = 0; i < pods->len; i++) {
        const Pod *pod = pods->pdata[i];
        if (pod->meta.owner && pod->meta.deletion_ns < 0 && pod_belongs(f->store, pod, w))
            return pod->meta.owner;
    }
    return NULL;
}

static void
fill_deployment(Fill *f, const LabelIndex *index, const Workload *w)
{
    OwnerKey key = {w->meta.ns, w->meta.name};
    const Workload *const *rs = htable_find(&f->replicasets, &key);
    g_autoptr(GPtrArray) pods = g_ptr_array_new();
    Workload *own;

    label_index_find(index, w->meta.ns, &w->selector, pods);
    if (rs) {
        own = (Workload *)api_copy(&(*rs)->meta);
        own->template_hash = w->template_hash;
    } else {
        const char *name = replicaset_of_pods(f, w, pods);
        const char *hash = name && g_str_has_prefix(name, w->meta.name) && name[strlen(w->meta.name)] == '-'
                               ? strings_add(f->strings, name + strlen(w->meta.name) + 1)
                               : name_template_hash(f->strings, w->template_hash);
        if (!name)
            name = strings_printf(f->strings, "%s-%s", w->meta.name, hash);
        own = replicaset_of(f->strings, w, name, hash, 0);
        labels_set(&own->meta.annotations, strings_add(f->strings, REVISION), strings_add(f->strings, "1"));
    }
    own->replicas = w->replicas;
    store_put(f->store, &own->meta);
    fill_replicas(f, index, w, own);
}

/* Pods of 'owner' until 'counted' (it, or its Deployment) has its replicas. */
static void
fill_replicas(Fill *f, const LabelIndex *index, const Workload *counted, const Workload *owner)
{
    g_autoptr(GPtrArray) pods = g_ptr_array_new();
    g_autoptr(GHashTable) made = g_hash_table_new(NULL, NULL);
    uint64_t serial = 0;

    label_index_find(index, counted->meta.ns, &counted->selector, pods);
    adopt(f, owner, pods);
    for (uint32_t have = alive_of(f, counted, pods); have < (uint32_t)counted->replicas; have++)
        g_ptr_array_add(f->pods, pod_of_workload(owner, free_pod_name(f, owner, made, &serial), 0));
}

/* Neither in the store nor in 'made' (interned names), to which it is added. */
static const char *
free_pod_name(Fill *f, const Workload *owner, GHashTable *made, uint64_t *serial)
{
    const char *name;

    do
        name = name_generated(f->strings, f->seed, owner->meta.ns, owner->meta.name, (*serial)++);
    while (store_get(f->store, KIND_POD, owner->meta.ns, name) || !g_hash_table_add(made, (gpointer)name));
    return name;
}

static void
fill_statefulset(Fill *f, const Workload *w)
{
    for (int32_t i = 0; i < w->replicas; i++) {
        const char *name = strings_printf(f->strings, "%s-%d", w->meta.name, w->start_ordinal + i);
        if (!store_get(f->store, KIND_POD, w->meta.ns, name))
            g_ptr_array_add(f->pods, pod_of_workload(w, name, 0));
    }
}

static void
fill_daemonset(Fill *f, const LabelIndex *index, const Workload *w)
{
    size_t n;
    const ApiObject *const *nodes = store_list(f->store, KIND_NODE, &n);
    g_autoptr(GPtrArray) pods = g_ptr_array_new();
    g_autoptr(GHashTable) made = g_hash_table_new(NULL, NULL);
    HTable there;

    htable_init(&there, sizeof(const char *), sizeof(uint8_t));
    label_index_find(index, w->meta.ns, &w->selector, pods);
    for (guint i = 0; i < pods->len; i++) {
        const Pod *pod = pods->pdata[i];
        if (pod->spec.node_name && pod_belongs(f->store, pod, w))
            htable_insert(&there, &pod->spec.node_name, NULL);
    }
    for (size_t i = 0; i < n; i++) {
        const KubeNode *node = (const KubeNode *)nodes[i];
        uint64_t serial = rng_hash_str(0, node->meta.name);
        if (htable_find(&there, &node->meta.name) || !schedule_fits(node, &w->template, true))
            continue;
        Pod *pod = pod_of_workload(w, free_pod_name(f, w, made, &serial), 0);
        pod->spec.node_name = node->meta.name;
        g_ptr_array_add(f->pods, pod);
    }
    htable_clear(&there);
}

void
fill_placement(Fill *f)
{
    size_t n;
    /* Those that follow from slices have their place. */
    const ApiObject *const *list = store_list_made(f->store, KIND_POD, &n);
    Scheduler *scheduler = NULL;
    PodCursor cursor = {0};
    guint n_made = f->pods->len;

    for (size_t i = 0; i < n; i++)
        if (lacks_place((const Pod *)list[i]))
            g_ptr_array_add(f->pods, api_copy(list[i]));
    if (f->pods->len)
        scheduler = scheduler_new(f->store, f->seed);
    for (const PodOutline *outline; scheduler && (outline = store_next_pod(f->store, &cursor));)
        scheduler_note(scheduler, outline);
    /* Given ones first: nothing that is made comes before them. */
    for (guint i = 0; i < f->pods->len; i++)
        place_pod(f, scheduler, f->pods->pdata[(i + n_made) % f->pods->len]);
    for (guint i = 0; i < f->pods->len; i++)
        store_put(f->store, f->pods->pdata[i]);
    scheduler_free(scheduler);
}

static bool
lacks_place(const Pod *pod)
{
    bool over = pod->phase == POD_SUCCEEDED || pod->phase == POD_FAILED;

    return !over && (!pod->spec.node_name || pod->n_ips == 0);
}

static void
place_pod(Fill *f, Scheduler *scheduler, Pod *pod)
{
    const char *name = pod->spec.node_name;
    const KubeNode *node;

    if (!name && pod->n_ips)
        name = alloc_node_of_addr(f->alloc, pod->ips[0]);
    if (!name)
        name = scheduler_pick(scheduler, pod);
    if (!name) {
        diag(f->input->diags, DIAG_WARNING, pod->meta.mark, "Pod %s/%s stays Pending: no node fits", pod->meta.ns,
             pod->meta.name);
        return;
    }
    node = fill_node(f, name);
    if (!node)
        return;
    if (!pod_place(f->alloc, node, pod)) {
        diag(f->input->diags, DIAG_WARNING, pod->meta.mark,
             "Pod %s/%s stays Pending: no pod address is left on node %s", pod->meta.ns, pod->meta.name, name);
    } else if (pod->phase == POD_PENDING) {
        pod->phase = POD_RUNNING;
        pod->ready = true;
    }
}
