#ifndef MODEL_CONTROL_BUDGETS_H
#define MODEL_CONTROL_BUDGETS_H

/* PodDisruptionBudgets: what they allow, now
 *
 * What the disruption controller would write into the status once it has seen everything.  Sources: k8s
 * pkg/controller/disruption/disruption.go (getExpectedPodCount, countHealthyPods, updatePdbStatus), the eviction
 * subresource in pkg/registry/core/pod/storage/eviction.go. */

#include "model/api/store.h"

typedef struct {
    int32_t expected; /* Pods that should be there; -1: not known (a pod without a scale), nothing is allowed. */
    int32_t desired;  /* That must stay healthy. */
    int32_t healthy;  /* Ready and not being deleted. */
    int32_t allowed;  /* Evictions, now. */
} BudgetStatus;

BudgetStatus budget_status(Store *store, const Budget *budget);
bool budget_covers(const Budget *budget, const Pod *pod);

typedef enum {
    EVICTION_ALLOWED,
    EVICTION_REFUSED, /* 429 Too Many Requests: later, perhaps. */
    EVICTION_ERROR,   /* 500: never. */
} EvictionAnswer;
/* *ret_budget: the one that decided, or NULL. */
EvictionAnswer eviction_ask(Store *store, const Pod *pod, const Budget **ret_budget);

#endif
