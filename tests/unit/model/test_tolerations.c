#include "model/api/tolerations.h"
#include "model/control/schedule.h"
#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

/* Tolerations and taints as core/v1/toleration.go pairs them. */
static void
test_pairs(void)
{
    static const struct {
        Toleration toleration;
        Taint taint;
        bool bears;
    } cases[] = {
        {{"gpu", "yes", "NoSchedule", false, -1}, {"gpu", "yes", "NoSchedule"}, true},
        {{"gpu", "yes", "NoSchedule", false, -1}, {"gpu", "no", "NoSchedule"}, false},
        {{"gpu", "yes", "NoSchedule", false, -1}, {"gpu", "yes", "NoExecute"}, false},
        {{"gpu", "yes", NULL, false, -1}, {"gpu", "yes", "NoExecute"}, true},
        {{"gpu", NULL, NULL, true, -1}, {"gpu", "whatever", "NoSchedule"}, true},
        {{"gpu", NULL, NULL, true, -1}, {"cpu", "whatever", "NoSchedule"}, false},
        {{"gpu", NULL, NULL, false, -1}, {"gpu", NULL, "NoSchedule"}, true},
        {{"gpu", NULL, NULL, false, -1}, {"gpu", "yes", "NoSchedule"}, false},
        {{"", NULL, NULL, true, -1}, {"anything", "yes", "NoExecute"}, true},
        {{"", NULL, "NoSchedule", true, -1}, {"anything", "yes", "NoExecute"}, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        T_EQ_I64(toleration_bears(&cases[i].toleration, &cases[i].taint), cases[i].bears);
}

static void
test_added(void)
{
    static const Taint unreachable = {TAINT_UNREACHABLE, NULL, "NoExecute"},
                       not_ready = {TAINT_NOT_READY, NULL, "NoExecute"};
    static const Taint cordoned = {TAINT_UNSCHEDULABLE, NULL, "NoSchedule"};
    Toleration own = {TAINT_UNREACHABLE, NULL, "NoExecute", true, 10};
    PodSpec plain = {0}, quick = {.tolerations = &own, .n_tolerations = 1};
    int64_t seconds;

    T_TRUE(pod_bears(&plain, false, &unreachable, &seconds));
    T_EQ_I64(seconds, TOLERATION_DEFAULT);
    T_TRUE(pod_bears(&quick, false, &unreachable, &seconds));
    T_EQ_I64(seconds, 10);
    T_TRUE(pod_bears(&quick, false, &not_ready, &seconds));
    T_EQ_I64(seconds, TOLERATION_DEFAULT);
    T_TRUE(pod_bears(&plain, true, &unreachable, &seconds));
    T_EQ_I64(seconds, TOLERATION_FOR_EVER);
    T_TRUE(!pod_bears(&plain, false, &cordoned, &seconds));
    T_TRUE(pod_bears(&plain, true, &cordoned, &seconds));
}

static void
test_scheduling(void)
{
    Taint gpu = {"gpu", "yes", "NoSchedule"}, hint = {"gpu", "yes", "PreferNoSchedule"};
    Toleration own = {"gpu", "yes", "NoSchedule", false, -1}, all = {"", NULL, NULL, true, -1};
    PodSpec plain = {0}, bearing = {.tolerations = &own, .n_tolerations = 1},
            any = {.tolerations = &all, .n_tolerations = 1};
    KubeNode node = {.ready = true};

    T_TRUE(schedule_fits(&node, &plain, false));
    node.taints = &gpu;
    node.n_taints = 1;
    T_TRUE(!schedule_fits(&node, &plain, false));
    T_TRUE(!schedule_fits(&node, &plain, true)); /* A DaemonSet's pods bear the node's own conditions only. */
    T_TRUE(schedule_fits(&node, &bearing, false));
    node.taints = &hint;
    T_TRUE(schedule_fits(&node, &plain, false));
    node.unschedulable = true;
    T_TRUE(!schedule_fits(&node, &plain, false));
    T_TRUE(!schedule_fits(&node, &bearing, false));
    T_TRUE(schedule_fits(&node, &plain, true));
    T_TRUE(schedule_fits(&node, &any, false));
    node.unschedulable = false;
    node.ready = false;
    T_TRUE(!schedule_fits(&node, &plain, false));
    T_TRUE(schedule_fits(&node, &plain, true));
    T_TRUE(schedule_fits(&node, &any, false));
}

static void
test_faults(void)
{
    static const struct {
        const char *toleration, *message;
    } cases[] = {
        {"{value: x}", "needs operator: Exists"},
        {"{key: a, operator: Exists, value: x}", "takes no value"},
        {"{key: a, operator: Exists, tolerationSeconds: 5}", "needs effect: NoExecute"},
        {"{key: a, operator: Is}", "Is"},
        {"{key: a, operator: Exists, effect: Never}", "Never"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strdup_printf("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  tolerations: [%s]\n"
                            "  containers: [{name: c}]\n",
                            cases[i].toleration);
        Input *input = input_load_text("pod.yaml", text);
        char *message = said(input->diags, DIAG_ERROR);
        T_TRUE(diags_errors(input->diags) == 1);
        T_TRUE(strstr(message, cases[i].message) != NULL);
        free(message);
        input_free(input);
    }
}

const TestSuite suite_tolerations = {"model/tolerations",
                                     {{"taints and tolerations pair as in Kubernetes", test_pairs},
                                      {"what the API server and the DaemonSet controller add", test_added},
                                      {"nodes that fit", test_scheduling},
                                      {"faults are told", test_faults}}};
