/* StatefulSet controller: one pod for each ordinal, in order
 *
 * Each pass takes one step; what follows comes with the next change.  Below a partition, pods that are made again are
 * of the revision that the update started from.  maxUnavailable needs the feature gate MaxUnavailableStatefulSet, off
 * by default in all versions modelled.  Source: k8s pkg/controller/statefulset/stateful_set_control.go. */

#include <stdlib.h>
#include <string.h>

#include "model/control/controllers_private.h"

typedef struct {
    Controllers *c;
    Work *work;
    const Workload *set;
    int32_t first, end; /* Ordinals: [first, end). */
} SetPass;

static const Pod *
member(const SetPass *p, int32_t ordinal)
{
    g_autofree char *name = g_strdup_printf("%s-%d", p->set->meta.name, ordinal);

    return (const Pod *)store_get(p->c->store, KIND_POD, p->set->meta.ns, name);
}

/* newVersionedStatefulSetPod(). */
static const Workload *
revision_for(const SetPass *p, int32_t ordinal)
{
    return p->work->current && ordinal < p->first + p->set->partition ? p->work->current : p->set;
}

/* False: wait before going on. */
static bool
make_members(const SetPass *p)
{
    for (int32_t i = p->first; i < p->end; i++) {
        const Pod *pod = member(p, i);
        if (!pod)
            pod_create(p->c, revision_for(p, i), strings_printf(p->c->strings, "%s-%d", p->set->meta.name, i), NULL);
        if (!p->set->parallel && !pod_available(p->c, pod, p->set, WORK_STATEFULSET))
            return false;
    }
    return true;
}

static int
compare_ordinals(gconstpointer a, gconstpointer b)
{
    return *(const int32_t *)b - *(const int32_t *)a;
}

/* Ordinals of pods that are not wanted, highest first. */
static GArray *
condemned(const SetPass *p)
{
    g_autoptr(GPtrArray) pods = pods_owned(p->c, p->set->meta.ns, KIND_STATEFULSET, p->set->meta.name);
    GArray *ordinals = g_array_new(FALSE, FALSE, sizeof(int32_t));

    for (guint i = 0; i < pods->len; i++) {
        const char *dash = strrchr(((const Pod *)pods->pdata[i])->meta.name, '-');
        int32_t ordinal = dash ? atoi(dash + 1) : -1;
        if (ordinal >= 0 && (ordinal < p->first || ordinal >= p->end))
            g_array_append_val(ordinals, ordinal);
    }
    g_array_sort(ordinals, compare_ordinals);
    return ordinals;
}

static bool
remove_condemned(const SetPass *p)
{
    g_autoptr(GArray) ordinals = condemned(p);

    for (guint i = 0; i < ordinals->len; i++) {
        const Pod *pod = member(p, g_array_index(ordinals, int32_t, i));
        if (pod && pod_active(pod))
            pod_delete(p->c, pod, "deleted");
        if (pod && !p->set->parallel)
            return false;
    }
    return true;
}

/* The classic way: from the top, the next only when all above it are available again. */
static void
update_one(const SetPass *p)
{
    for (int32_t i = p->end - 1; i >= p->first + p->set->partition; i--) {
        const Pod *pod = member(p, i);
        if (pod && pod_active(pod) && !pod_is_current(p->work, p->set, pod)) {
            pod_delete(p->c, pod, "deleted");
            return;
        }
        if (!pod_available(p->c, pod, p->set, WORK_STATEFULSET))
            return;
    }
}

static void
update_several(const SetPass *p)
{
    IntOrPercent limit = p->set->max_unavailable;
    int32_t n = p->end - p->first, room = MAX(1, limit.percent ? n * limit.value / 100 : limit.value);

    for (int32_t i = p->first; i < p->end; i++)
        room -= !pod_available(p->c, member(p, i), p->set, WORK_STATEFULSET);
    for (int32_t i = p->end - 1; i >= p->first + p->set->partition && room > 0; i--) {
        const Pod *pod = member(p, i);
        if (!pod || !pod_active(pod) || pod_is_current(p->work, p->set, pod))
            continue;
        pod_delete(p->c, pod, "deleted");
        room--;
    }
}

/* An update is complete when every pod is of the new revision: from then on that is what pods below a partition get. */
static void
complete_update(const SetPass *p)
{
    for (int32_t i = p->first; i < p->end; i++) {
        const Pod *pod = member(p, i);
        if (!pod || !pod_active(pod) || !pod_is_current(p->work, p->set, pod))
            return;
    }
    work_set_current(p->work, NULL);
}

void
statefulset_reconcile(Controllers *c, Work *work, const Workload *set)
{
    SetPass p = {
        .c = c, .work = work, .set = set, .first = set->start_ordinal, .end = set->start_ordinal + set->replicas};

    if (!make_members(&p) || !remove_condemned(&p))
        return;
    complete_update(&p);
    if (set->on_delete)
        return;
    if (c->input->cluster.max_unavailable_statefulset)
        update_several(&p);
    else
        update_one(&p);
}
