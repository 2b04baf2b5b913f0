/* DaemonSet controller: one pod on every node that fits; updates within maxUnavailable, or with a second pod (maxSurge)
 *
 * Source: k8s pkg/controller/daemon/daemon_controller.go (manage) and update.go (rollingUpdate). */

#include <string.h>

#include "model/control/controllers_private.h"
#include "model/control/schedule.h"

typedef struct {
    Controllers *c;
    Work *work;
    const Workload *set;
    GPtrArray *pods; /* Those of the set, by name. */
} DaemonPass;

/* What a node has of the set. */
typedef struct {
    const Pod *current, *old; /* Active ones. */
    bool ending;              /* One is being deleted. */
} NodeDaemons;

static NodeDaemons
daemons_of(const DaemonPass *p, const char *node)
{
    NodeDaemons d = {0};

    for (guint i = 0; i < p->pods->len; i++) {
        const Pod *pod = p->pods->pdata[i];
        if (g_strcmp0(pod->spec.node_name, node) != 0)
            continue;
        if (!pod_active(pod))
            d.ending = true;
        else if (pod_is_current(p->work, p->set, pod))
            d.current = pod;
        else
            d.old = pod;
    }
    return d;
}

static void
create_on(const DaemonPass *p, const char *node)
{
    pod_create(p->c, p->set, pod_new_name(p->c, p->work, p->set), node);
}

/* From a node that the set no longer asks for.  One that a taint keeps away may stay: NoExecute is taint_eviction.c's.
 */
static void
delete_from(const DaemonPass *p, const NodeDaemons *d)
{
    if (d->current)
        pod_delete(p->c, d->current, "deleted");
    if (d->old)
        pod_delete(p->c, d->old, "deleted");
}

/* Both limits round up. */
static int32_t
limit_of(IntOrPercent limit, size_t n_nodes)
{
    return limit.percent ? (int32_t)((n_nodes * (size_t)limit.value + 99) / 100) : limit.value;
}

/* Old pods go; those that serve nobody first of all, without a limit. */
static void
update_in_place(const DaemonPass *p, const GPtrArray *nodes)
{
    int32_t room = MAX(1, limit_of(p->set->max_unavailable, nodes->len));

    for (guint i = 0; i < nodes->len; i++) {
        NodeDaemons d = daemons_of(p, ((const KubeNode *)nodes->pdata[i])->meta.name);
        room -= !pod_available(p->c, d.current ? d.current : d.old, p->set, WORK_DAEMONSET);
    }
    for (guint i = 0; i < nodes->len; i++) {
        NodeDaemons d = daemons_of(p, ((const KubeNode *)nodes->pdata[i])->meta.name);
        if (!d.old || d.current)
            continue;
        if (pod_available(p->c, d.old, p->set, WORK_DAEMONSET) && room-- <= 0)
            continue;
        pod_delete(p->c, d.old, "deleted");
    }
}

/* A second pod beside the old one, which goes when the new one is available. */
static void
update_with_surge(const DaemonPass *p, const GPtrArray *nodes)
{
    int32_t room = limit_of(p->set->max_surge, nodes->len);

    for (guint i = 0; i < nodes->len; i++) {
        NodeDaemons d = daemons_of(p, ((const KubeNode *)nodes->pdata[i])->meta.name);
        if (!d.old || !d.current)
            continue;
        if (pod_available(p->c, d.current, p->set, WORK_DAEMONSET))
            pod_delete(p->c, d.old, "deleted");
        else
            room--;
    }
    for (guint i = 0; i < nodes->len; i++) {
        const char *name = ((const KubeNode *)nodes->pdata[i])->meta.name;
        NodeDaemons d = daemons_of(p, name);
        if (!d.old || d.current)
            continue;
        if (pod_available(p->c, d.old, p->set, WORK_DAEMONSET) && room-- <= 0)
            continue;
        create_on(p, name);
    }
}

void
daemonset_reconcile(Controllers *c, Work *work, const Workload *set)
{
    g_autoptr(GPtrArray) pods = pods_owned(c, set->meta.ns, KIND_DAEMONSET, set->meta.name);
    g_autoptr(GPtrArray) fitting = g_ptr_array_new();
    DaemonPass p = {.c = c, .work = work, .set = set, .pods = pods};
    size_t n;
    const ApiObject *const *nodes = store_list(c->store, KIND_NODE, &n);

    for (guint i = 0; i < pods->len; i++)
        api_ref(pods->pdata[i]);
    for (size_t i = 0; i < n; i++) {
        const KubeNode *node = (const KubeNode *)nodes[i];
        NodeDaemons d = daemons_of(&p, node->meta.name);
        if (!schedule_selects(node, &set->template))
            delete_from(&p, &d);
        if (!schedule_fits(node, &set->template, true))
            continue;
        g_ptr_array_add(fitting, (gpointer)nodes[i]);
        if (!d.current && !d.old && !d.ending)
            create_on(&p, nodes[i]->name);
    }
    if (!set->on_delete && limit_of(set->max_surge, fitting->len) > 0)
        update_with_surge(&p, fitting);
    else if (!set->on_delete)
        update_in_place(&p, fitting);
    for (guint i = 0; i < pods->len; i++)
        api_unref(pods->pdata[i]);
}
