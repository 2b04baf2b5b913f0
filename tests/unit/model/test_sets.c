/* StatefulSets and DaemonSets under change: how many at a time, in which order */

#include "model/control/control.h"
#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

#define NODES                                                                                                          \
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: alpha}\n"                                                       \
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: beta}\n"                                                        \
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: gamma}\n"
#define TEMPLATE                                                                                                       \
    "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n"                         \
    "    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: i}]}\n"

typedef struct {
    Input *input;
    Cluster *cluster;
    Controllers *c;
    uint32_t watch;
    uint32_t least_ready, most_pods, most_ending, most_starting; /* At any instant. */
    GString *order;                                              /* Names of pods as they were deleted. */
} SetWorld;

static void
on_change(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    SetWorld *w = user;
    size_t n;
    const ApiObject *const *pods = store_list(w->input->store, KIND_POD, &n);
    uint32_t ready = 0, ending = 0, starting = 0;

    (void)event;
    if (new_ && new_->kind == KIND_POD && new_->deletion_ns >= 0 && old && old->deletion_ns < 0)
        g_string_append_printf(w->order, "%s ", new_->name);
    for (size_t i = 0; i < n; i++) {
        bool ends = pods[i]->deletion_ns >= 0;
        ending += ends;
        ready += ((const Pod *)pods[i])->ready && !ends;
        starting += !((const Pod *)pods[i])->ready && !ends;
    }
    w->least_ready = MIN(w->least_ready, ready);
    w->most_pods = MAX(w->most_pods, (uint32_t)n);
    w->most_ending = MAX(w->most_ending, ending);
    w->most_starting = MAX(w->most_starting, starting);
}

static SetWorld *
world_new(const char *cluster, const char *kind, const char *spec)
{
    SetWorld *w = g_new0(SetWorld, 1);
    g_autofree char *text =
        g_strdup_printf("apiVersion: svcsim/v1\nkind: Cluster\nspec: {%s}\n" NODES
                        "---\napiVersion: apps/v1\nkind: %s\nmetadata: {name: web}\nspec:\n%s" TEMPLATE,
                        cluster, kind, spec);
    ControlClocks clocks;

    w->input = input_load_text("sets.yaml", text);
    T_TRUE(control_fill(w->input));
    T_EQ_U64(diags_errors(w->input->diags), 0);
    w->cluster = cluster_new(w->input, &(ClusterOptions){.seed = 1});
    control_clocks_decode(w->input->diags, NULL, &w->input->cluster.version, &clocks);
    w->c = controllers_new(w->cluster, &clocks);
    w->order = g_string_new(NULL);
    w->least_ready = UINT32_MAX;
    w->watch = store_watch(w->input->store, on_change, w);
    return w;
}

static void
world_free(SetWorld *w)
{
    store_unwatch(w->input->store, w->watch);
    controllers_free(w->c);
    cluster_free(w->cluster);
    input_free(w->input);
    g_string_free(w->order, TRUE);
    g_free(w);
}

static void
roll_out(SetWorld *w, ApiKind kind)
{
    char *error = NULL;

    T_TRUE(control_rollout(w->c, kind, "default", "web", &error));
    sim_run_until(cluster_sim(w->cluster), 60 * SIMTIME_SEC);
}

static void
test_one_at_a_time(void)
{
    SetWorld *w = world_new("", "StatefulSet", "  replicas: 3\n");

    roll_out(w, KIND_STATEFULSET);
    T_EQ_STR(w->order->str, "web-2 web-1 web-0 ");
    T_EQ_U64(w->least_ready, 2);
    world_free(w);
}

/* Members start one after the other, and leave so from the top, unless they are Parallel. */
static void
test_scaling(void)
{
    static const char *const policies[] = {"OrderedReady", "Parallel"};

    for (int parallel = 0; parallel < 2; parallel++) {
        g_autofree char *spec = g_strdup_printf("  replicas: 1\n  podManagementPolicy: %s\n", policies[parallel]);
        SetWorld *w = world_new("", "StatefulSet", spec);
        Sim *sim = cluster_sim(w->cluster);
        char *error = NULL;
        size_t n;
        T_TRUE(control_scale(w->c, KIND_STATEFULSET, "default", "web", 4, &error));
        sim_run_until(sim, 30 * SIMTIME_SEC);
        T_EQ_U64(w->most_starting, parallel ? 3 : 1);
        T_TRUE(control_scale(w->c, KIND_STATEFULSET, "default", "web", 1, &error));
        sim_run_until(sim, 60 * SIMTIME_SEC);
        T_EQ_STR(w->order->str, "web-3 web-2 web-1 ");
        T_EQ_U64(w->most_ending, parallel ? 3 : 1);
        store_list(w->input->store, KIND_POD, &n);
        T_EQ_U64(n, 1);
        world_free(w);
    }
}

/* Without its gate the field is dropped, and that is said. */
static void
test_several_at_a_time(void)
{
    static const char spec[] =
        "  replicas: 5\n  podManagementPolicy: Parallel\n  updateStrategy: {rollingUpdate: {maxUnavailable: 2}}\n";
    SetWorld *w = world_new("", "StatefulSet", spec);
    char *message = said(w->input->diags, DIAG_WARNING);

    T_TRUE(strstr(message, "maxUnavailable of StatefulSet default/web is ignored") != NULL);
    free(message);
    roll_out(w, KIND_STATEFULSET);
    T_EQ_STR(w->order->str, "web-4 web-3 web-2 web-1 web-0 ");
    T_EQ_U64(w->least_ready, 4);
    world_free(w);

    w = world_new("featureGates: {MaxUnavailableStatefulSet: true}", "StatefulSet", spec);
    T_EQ_U64(diags_warnings(w->input->diags), 0);
    roll_out(w, KIND_STATEFULSET);
    T_EQ_STR(w->order->str, "web-4 web-3 web-2 web-1 web-0 ");
    T_EQ_U64(w->least_ready, 3);
    T_EQ_U64(w->most_ending, 2);
    world_free(w);
}

static void
test_partition(void)
{
    SetWorld *w =
        world_new("", "StatefulSet",
                  "  replicas: 3\n  ordinals: {start: 5}\n  updateStrategy: {rollingUpdate: {partition: 2}}\n");

    roll_out(w, KIND_STATEFULSET);
    T_EQ_STR(w->order->str, "web-7 ");
    world_free(w);
}

static void
test_on_delete(void)
{
    static const char *const kinds[] = {"StatefulSet", "DaemonSet"};

    for (int i = 0; i < 2; i++) {
        SetWorld *w = world_new("", kinds[i], "  updateStrategy: {type: OnDelete}\n");
        roll_out(w, i ? KIND_DAEMONSET : KIND_STATEFULSET);
        T_EQ_STR(w->order->str, "");
        world_free(w);
    }
}

static void
test_daemons(void)
{
    static const struct {
        const char *limits;
        uint32_t least_ready, most_pods;
    } cases[] = {
        {"maxUnavailable: 1", 2, 3},
        {"maxUnavailable: 2", 1, 3},
        {"maxUnavailable: 34%", 1, 3},            /* Rounded up. */
        {"maxUnavailable: 0, maxSurge: 1", 3, 5}, /* Three, the next one, and one that is ending. */
        {"maxUnavailable: 0, maxSurge: 100%", 3, 6},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *spec = g_strdup_printf("  updateStrategy: {rollingUpdate: {%s}}\n", cases[i].limits);
        SetWorld *w = world_new("", "DaemonSet", spec);
        size_t n;
        roll_out(w, KIND_DAEMONSET);
        T_EQ_U64(w->least_ready, cases[i].least_ready);
        T_EQ_U64(w->most_pods, cases[i].most_pods);
        store_list(w->input->store, KIND_POD, &n);
        T_EQ_U64(n, 3);
        world_free(w);
    }
}

static void
test_faults(void)
{
    static const struct {
        const char *limits, *message;
    } cases[] = {{"maxSurge: 1", "needs maxUnavailable: 0"}, {"maxUnavailable: 0", "cannot both be 0"}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: web}\nspec:\n"
                                                "  updateStrategy: {rollingUpdate: {%s}}\n" TEMPLATE,
                                                cases[i].limits);
        Input *input = input_load_text("set.yaml", text);
        char *message = said(input->diags, DIAG_ERROR);
        T_TRUE(strstr(message, cases[i].message) != NULL);
        free(message);
        input_free(input);
    }
}

const TestSuite suite_sets = {"model/sets",
                              {{"a StatefulSet is updated from the top, one by one", test_one_at_a_time},
                               {"members start and leave in order", test_scaling},
                               {"maxUnavailable of a StatefulSet, with its gate", test_several_at_a_time},
                               {"nothing below the partition is updated", test_partition},
                               {"OnDelete waits", test_on_delete},
                               {"a DaemonSet's limits", test_daemons},
                               {"limits that contradict each other", test_faults}}};
