#include "model/control/budgets.h"

#include <string.h>

bool
budget_covers(const Budget *b, const Pod *pod)
{
    return strcmp(b->meta.ns, pod->meta.ns) == 0 && (b->selects_all || labels_match(&b->selector, &pod->meta.labels));
}

/* The controller whose scale counts: of a ReplicaSet's pod that is its Deployment. */
static const Workload *
scale_of(Store *store, const Pod *pod)
{
    const char *ns = pod->meta.ns;
    const ApiObject *owner = pod->meta.owner ? store_get(store, pod->meta.owner_kind, ns, pod->meta.owner) : NULL;
    const ApiObject *deployment;

    if (!owner || (owner->kind != KIND_REPLICASET && owner->kind != KIND_STATEFULSET))
        return NULL;
    deployment = owner->owner ? store_get(store, KIND_DEPLOYMENT, ns, owner->owner) : NULL;
    return (const Workload *)(deployment ? deployment : owner);
}

typedef struct {
    int32_t pods, healthy, scale; /* scale -1: a controller without one. */
} Covered;

static Covered
count_covered(Store *store, const Budget *b)
{
    Covered covered = {0};
    g_autoptr(GPtrArray) seen = g_ptr_array_new();
    size_t n;
    const ApiObject *const *pods = store_list(store, KIND_POD, &n);

    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)pods[i];
        const Workload *scale;
        if (!budget_covers(b, pod) || pod->phase == POD_SUCCEEDED || pod->phase == POD_FAILED)
            continue;
        covered.pods++;
        covered.healthy += pod->ready && pod->meta.deletion_ns < 0;
        scale = scale_of(store, pod);
        if (scale && !g_ptr_array_find(seen, scale, NULL)) {
            g_ptr_array_add(seen, (gpointer)scale);
            covered.scale += covered.scale < 0 ? 0 : scale->replicas;
        } else if (!scale && pod->meta.owner) {
            covered.scale = -1;
        }
    }
    return covered;
}

/* Percentages round up. */
static int32_t
scaled(IntOrPercent value, int32_t of)
{
    return value.percent ? (of * value.value + 99) / 100 : value.value;
}

BudgetStatus
budget_status(Store *store, const Budget *b)
{
    Covered covered = count_covered(store, b);
    BudgetStatus status = {.healthy = covered.healthy};

    if (b->has_max || b->min_available.percent) {
        status.expected = covered.scale;
        status.desired = b->has_max ? MAX(0, covered.scale - scaled(b->max_unavailable, covered.scale))
                                    : scaled(b->min_available, covered.scale);
    } else if (b->has_min) {
        status.expected = covered.pods;
        status.desired = b->min_available.value;
    }
    if (status.expected < 0)
        status.desired = 0;
    status.allowed = status.expected > 0 ? MAX(0, covered.healthy - status.desired) : 0;
    return status;
}

EvictionAnswer
eviction_ask(Store *store, const Pod *pod, const Budget **ret_budget)
{
    const Budget *found = NULL;
    BudgetStatus status;
    size_t n;
    const ApiObject *const *budgets = store_list(store, KIND_BUDGET, &n);

    *ret_budget = NULL;
    /* canIgnorePDB() */
    if (pod->phase != POD_RUNNING || pod->meta.deletion_ns >= 0)
        return EVICTION_ALLOWED;
    for (size_t i = 0; i < n; i++) {
        if (!budget_covers((const Budget *)budgets[i], pod))
            continue;
        if (found)
            return EVICTION_ERROR;
        *ret_budget = found = (const Budget *)budgets[i];
    }
    if (!found)
        return EVICTION_ALLOWED;
    status = budget_status(store, found);
    if (!pod->ready && (found->always_allow || (status.healthy >= status.desired && status.desired > 0)))
        return EVICTION_ALLOWED;
    return status.allowed > 0 ? EVICTION_ALLOWED : EVICTION_REFUSED;
}
