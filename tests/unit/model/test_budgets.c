#include "model/control/budgets.h"
#include "model/control/control.h"
#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

#define NODE "apiVersion: v1\nkind: Node\nmetadata: {name: alpha}\n"
#define POD(name, labels, status)                                                                                      \
    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " name ", labels: {" labels "}}\n"                               \
    "spec: {nodeName: alpha, containers: [{name: c}]}\nstatus: {phase: " status "}\n"

/* 'replicas' pods of a Deployment, the first 'broken' of them not ready. */
static Input *
world(const char *budget, int replicas, int broken)
{
    g_autofree char *text = g_strdup_printf(
        NODE "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: %d\n"
             "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n"
             "    spec: {containers: [{name: c}]}\n"
             "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\n"
             "spec: {selector: {matchLabels: {app: web}}, %s}\n",
        replicas, budget);
    Input *input = input_load_text("budget.yaml", text);
    size_t n;
    const ApiObject *const *pods;

    T_TRUE(control_fill(input));
    pods = store_list(input->store, KIND_POD, &n);
    g_autofree const ApiObject **all = g_memdup2(pods, n * sizeof *pods);
    for (size_t i = 0; i < n && (int)i < broken; i++) {
        Pod *copy = (Pod *)api_copy(all[i]);
        copy->ready = false;
        store_put(input->store, &copy->meta);
    }
    return input;
}

static void
test_arithmetic(void)
{
    static const struct {
        const char *budget;
        int replicas, broken, desired, healthy, allowed;
    } cases[] = {
        {"minAvailable: 2", 3, 0, 2, 3, 1},       {"minAvailable: 3", 3, 0, 3, 3, 0},
        {"minAvailable: 2", 3, 2, 2, 1, 0},       {"minAvailable: 0", 3, 0, 0, 3, 3},
        {"maxUnavailable: 1", 3, 0, 2, 3, 1},     {"maxUnavailable: 1", 3, 1, 2, 2, 0},
        {"maxUnavailable: 0", 3, 0, 3, 3, 0},     {"maxUnavailable: 5", 3, 0, 0, 3, 3},
        {"maxUnavailable: 30%", 10, 0, 7, 10, 3}, {"maxUnavailable: 25%", 3, 0, 2, 3, 1}, /* 0.75 up to 1. */
        {"minAvailable: 50%", 3, 0, 2, 3, 1},                                             /* 1.5 up to 2. */
        {"minAvailable: 100%", 4, 0, 4, 4, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Input *input = world(cases[i].budget, cases[i].replicas, cases[i].broken);
        BudgetStatus status = budget_status(input->store, (const Budget *)only_object(input, KIND_BUDGET));
        T_EQ_I64(status.expected, cases[i].replicas);
        T_EQ_I64(status.desired, cases[i].desired);
        T_EQ_I64(status.healthy, cases[i].healthy);
        T_EQ_I64(status.allowed, cases[i].allowed);
        input_free(input);
    }
}

/* Ready and not ready pods under both policies, at and below the budget. */
static void
test_unhealthy(void)
{
    static const struct {
        const char *budget;
        int broken;
        EvictionAnswer broken_pod, ready_pod;
    } cases[] = {
        {"minAvailable: 2", 1, EVICTION_ALLOWED, EVICTION_REFUSED},
        {"minAvailable: 2", 2, EVICTION_REFUSED, EVICTION_REFUSED},
        {"minAvailable: 2, unhealthyPodEvictionPolicy: AlwaysAllow", 2, EVICTION_ALLOWED, EVICTION_REFUSED},
        {"maxUnavailable: 2", 1, EVICTION_ALLOWED, EVICTION_ALLOWED},
        {"minAvailable: 0", 1, EVICTION_ALLOWED, EVICTION_ALLOWED},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Input *input = world(cases[i].budget, 3, cases[i].broken);
        size_t n;
        const ApiObject *const *pods = store_list(input->store, KIND_POD, &n);
        const Budget *budget;
        T_EQ_U64(n, 3);
        T_EQ_I64(eviction_ask(input->store, (const Pod *)pods[0], &budget), cases[i].broken_pod);
        T_EQ_I64(eviction_ask(input->store, (const Pod *)pods[2], &budget), cases[i].ready_pod);
        T_TRUE(budget != NULL);
        input_free(input);
    }
}

static void
test_covers(void)
{
    Input *input = input_load_text(
        "budgets.yaml",
        NODE POD("one", "app: a", "Running") POD("two", "app: a, tier: x", "Running") POD("other", "app: b", "Running")
            POD("late", "app: a",
                "Pending") "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n"
                           "spec: {minAvailable: 9, selector: {matchLabels: {app: a}}}\n"
                           "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: x}\n"
                           "spec: {minAvailable: 1, selector: {matchLabels: {tier: x}}}\n"
                           "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: elsewhere, "
                           "namespace: far}\n"
                           "spec: {minAvailable: 9, selector: {}}\n");
    const Budget *budget;

    T_EQ_U64(diags_errors(input->diags), 0);
    T_EQ_I64(eviction_ask(input->store, (const Pod *)store_get(input->store, KIND_POD, "default", "one"), &budget),
             EVICTION_REFUSED);
    T_EQ_STR(budget->meta.name, "a");
    T_EQ_I64(eviction_ask(input->store, (const Pod *)store_get(input->store, KIND_POD, "default", "two"), &budget),
             EVICTION_ERROR);
    T_EQ_I64(eviction_ask(input->store, (const Pod *)store_get(input->store, KIND_POD, "default", "other"), &budget),
             EVICTION_ALLOWED);
    T_EQ_I64(eviction_ask(input->store, (const Pod *)store_get(input->store, KIND_POD, "default", "late"), &budget),
             EVICTION_ALLOWED);
    input_free(input);
}

/* What a DaemonSet's pods have is no scale: nothing is allowed, as the controller fails safe. */
static void
test_no_scale(void)
{
    Input *input = input_load_text("daemons.yaml", NODE
                                   "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d}\nspec:\n"
                                   "  selector: {matchLabels: {app: d}}\n  template: {metadata: {labels: {app: d}}, "
                                   "spec: {containers: [{name: c}]}}\n"
                                   "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: d}\n"
                                   "spec: {maxUnavailable: 1, selector: {matchLabels: {app: d}}}\n");
    BudgetStatus status;

    T_TRUE(control_fill(input));
    status = budget_status(input->store, (const Budget *)only_object(input, KIND_BUDGET));
    T_EQ_I64(status.expected, -1);
    T_EQ_I64(status.healthy, 1);
    T_EQ_I64(status.allowed, 0);
    input_free(input);
}

static void
test_faults(void)
{
    static const struct {
        const char *spec, *message;
    } cases[] = {
        {"minAvailable: 1, maxUnavailable: 1", "one of minAvailable and maxUnavailable"},
        {"minAvailable: many", "neither a number nor a percentage"},
        {"minAvailable: 1, unhealthyPodEvictionPolicy: Always", "Always"},
        {"selector: {matchLabels: {a: b}}", "no eviction will ever be allowed"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\nspec: {%s}\n", cases[i].spec);
        Input *input = input_load_text("budget.yaml", text);
        char *message = said(input->diags, DIAG_WARNING);
        T_TRUE(strstr(message, cases[i].message) != NULL);
        free(message);
        input_free(input);
    }
}

const TestSuite suite_budgets = {"model/budgets",
                                 {{"what budgets allow", test_arithmetic},
                                  {"pods that are not ready", test_unhealthy},
                                  {"which budget covers a pod", test_covers},
                                  {"pods without a scale", test_no_scale},
                                  {"faults are told", test_faults}}};
