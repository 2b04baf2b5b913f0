/* Pods on nodes with NoExecute taints: evicted at once, after their tolerationSeconds, or never
 *
 * Source: k8s pkg/controller/tainteviction.  The wait begins when the controller first sees pod and taint together; a
 * taint that goes and comes back begins it anew.  Budgets are not asked: pods are deleted, not evicted by the API. */

#include "model/api/tolerations.h"
#include "model/control/controllers_private.h"

#include <string.h>

static bool
is_no_execute(const Taint *taint)
{
    return strcmp(taint->effect, "NoExecute") == 0;
}

static bool
has_no_execute(const KubeNode *node)
{
    for (uint32_t i = 0; node && i < node->n_taints; i++)
        if (is_no_execute(&node->taints[i]))
            return true;
    return false;
}

/* Seconds until the pod must go, as a time: -1: it may stay.  *ret_taint: the taint that decides. */
static SimTime
patience(const Controllers *c, const KubeNode *node, const Pod *pod, const Taint **ret_taint)
{
    SimTime least = -1;

    for (uint32_t i = 0; i < node->n_taints; i++) {
        const Taint *taint = &node->taints[i];
        int64_t seconds;
        SimTime wait;
        if (!is_no_execute(taint))
            continue;
        if (!pod_bears(&pod->spec, pod_is_daemon(pod), taint, &seconds))
            wait = 0;
        else if (seconds == TOLERATION_FOR_EVER)
            continue;
        else
            wait = seconds == TOLERATION_DEFAULT ? c->clocks.eviction : seconds * SIMTIME_SEC;
        if (least < 0 || wait < least) {
            least = wait;
            *ret_taint = taint;
        }
    }
    return least;
}

void
taints_review(Controllers *c, Work *work, const Pod *pod)
{
    const KubeNode *node =
        pod->spec.node_name ? (const KubeNode *)store_get(c->store, KIND_NODE, "", pod->spec.node_name) : NULL;
    const Taint *taint = NULL;
    SimTime wait = node && pod_active(pod) ? patience(c, node, pod, &taint) : -1;
    g_autofree char *why = NULL;

    if (wait < 0) {
        work->since = -1;
        return;
    }
    if (work->since < 0)
        work->since = c->sim->now;
    if (work->since + wait > c->sim->now) {
        work_add(c, WORK_TAINTS, pod->meta.ns, pod->meta.name, work->since + wait - c->sim->now);
        return;
    }
    if (strcmp(taint->key, TAINT_UNREACHABLE) == 0)
        why = g_strdup("evicted from its unreachable node");
    else
        why = g_strdup_printf("evicted: it does not tolerate taint %s of node %s%s", taint->key, node->meta.name,
                              wait ? " any longer" : "");
    pod_delete(c, pod, why);
}

static bool
same_taints(const KubeNode *a, const KubeNode *b)
{
    if (a->n_taints != b->n_taints)
        return false;
    for (uint32_t i = 0; i < a->n_taints; i++)
        if (strcmp(a->taints[i].key, b->taints[i].key) != 0 || g_strcmp0(a->taints[i].value, b->taints[i].value) != 0 ||
            strcmp(a->taints[i].effect, b->taints[i].effect) != 0)
            return false;
    return true;
}

void
taints_node_changed(Controllers *c, const KubeNode *old, const KubeNode *new_)
{
    size_t n;
    const ApiObject *const *pods = store_list(c->store, KIND_POD, &n);

    if (!new_ ||
        (old ? same_taints(old, new_) || (!has_no_execute(old) && !has_no_execute(new_)) : !has_no_execute(new_)))
        return;
    for (size_t i = 0; i < n; i++)
        if (g_strcmp0(((const Pod *)pods[i])->spec.node_name, new_->meta.name) == 0)
            work_add(c, WORK_TAINTS, pods[i]->ns, pods[i]->name, 0);
}

void
taints_pod_bound(Controllers *c, const Pod *pod)
{
    if (has_no_execute((const KubeNode *)store_get(c->store, KIND_NODE, "", pod->spec.node_name)))
        work_add(c, WORK_TAINTS, pod->meta.ns, pod->meta.name, 0);
}
