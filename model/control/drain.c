/* kubectl drain: a cordon, then an eviction of each pod, asked for again every 5 s while a budget refuses it
 *
 * Source: k8s.io/kubectl pkg/drain/drain.go (evictPods()).  Pods of DaemonSets stay, as with --ignore-daemonsets; the
 * wait has no end, as with the default --timeout=0. */

#include "model/api/tolerations.h"
#include "model/control/budgets.h"
#include "model/control/controllers_private.h"

#include <string.h>

#define EVICTION_RETRY (5 * SIMTIME_SEC)

static void
tell_refused(const Controllers *c, const Pod *pod, const Budget *b)
{
    BudgetStatus status = budget_status(c->store, b);

    cluster_story(
        c->cluster,
        "eviction of pod %s/%s is refused (429): budget %s wants %d healthy pods and has %d; drain asks again every "
        "%d s",
        pod->meta.ns, pod->meta.name, b->meta.name, status.desired, status.healthy,
        (int)(EVICTION_RETRY / SIMTIME_SEC));
}

/* 'work' remembers which pod of that name was meant. */
void
eviction_attempt(Controllers *c, Work *work, const Pod *pod)
{
    const Budget *budget;
    g_autofree char *why = NULL;

    if (work->meant != pod->meta.created_ns || !pod_active(pod))
        return;
    switch (eviction_ask(c->store, pod, &budget)) {
    case EVICTION_ALLOWED:
        if (work->since >= 0)
            why = g_strdup_printf("evicted, %.0f s after its budget first refused",
                                  (double)(c->sim->now - work->since) / SIMTIME_SEC);
        pod_delete(c, pod, why ? why : "evicted");
        break;
    case EVICTION_REFUSED:
        if (work->since < 0) {
            work->since = c->sim->now;
            tell_refused(c, pod, budget);
        }
        work_add(c, WORK_EVICT, pod->meta.ns, pod->meta.name, EVICTION_RETRY);
        break;
    case EVICTION_ERROR:
        cluster_story(c->cluster,
                      "eviction of pod %s/%s fails (500): more than one PodDisruptionBudget covers it; it stays",
                      pod->meta.ns, pod->meta.name);
        break;
    }
}

void
drain_node(Controllers *c, const char *node)
{
    size_t n;
    const ApiObject *const *list = store_list(c->store, KIND_POD, &n);
    g_autofree const ApiObject **all = g_memdup2(list, n * sizeof *list);

    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)all[i];
        bool mirror = pod->spec.host_network && !pod->meta.owner; /* Static pods of the control plane. */
        Work *work;
        if (g_strcmp0(pod->spec.node_name, node) != 0 || !pod_active(pod) || pod_is_daemon(pod) || mirror)
            continue;
        work = work_of(c, WORK_EVICT, pod->meta.ns, pod->meta.name);
        work->meant = pod->meta.created_ns;
        work->since = -1;
        eviction_attempt(c, work, pod);
    }
}
