#include <string.h>

#include "model/control/control.h"
#include "model/network/node_proxy.h"
#include "tests/unit/test.h"

#define NODES                                                                                                          \
    "apiVersion: v1\nkind: Node\nmetadata: {name: alpha}\n---\n"                                                       \
    "apiVersion: v1\nkind: Node\nmetadata: {name: beta}\n---\n"                                                        \
    "apiVersion: v1\nkind: Node\nmetadata: {name: gamma}\n---\n"
#define SERVICE                                                                                                        \
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  selector: {app: web}\n  ports: [{port: 80, "       \
    "targetPort: 8080}]\n---\n"
#define SCENARIO "apiVersion: svcsim/v1\nkind: Scenario\nspec: {steps: [{at: 1h, cordon: {node: alpha}}]}\n"

typedef struct {
    Input *input;
    Cluster *cluster;
    Controllers *c;
    Sim *sim;
    GString *story;
    uint32_t watch;
    int32_t least_ready, most_pods;  /* Of app=web, over all instants so far. */
    SimTime end_ready, first_change; /* First instant with an endpoint not ready; of any slice change. */
} World;

static char *
deployment(const char *replicas, const char *spec, const char *container, const char *pod)
{
    return g_strdup_printf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: %s\n"
                           "  selector: {matchLabels: {app: web}}\n%s  template:\n    metadata: {labels: {app: web}}\n"
                           "    spec:\n%s      containers:\n      - name: c\n        image: x\n"
                           "        ports: [{containerPort: 8080}]\n%s---\n",
                           replicas, spec, pod, container);
}

static void
tell(void *user, const char *text)
{
    World *w = user;

    g_string_append_printf(w->story, "%.3f %s\n", (double)w->sim->now / 1e9, text);
}

static void
count(World *w, int32_t *ret_ready, int32_t *ret_pods)
{
    size_t n;
    const ApiObject *const *pods = store_list(w->input->store, KIND_POD, &n);

    *ret_ready = *ret_pods = 0;
    for (size_t i = 0; i < n; i++) {
        if (g_strcmp0(labels_get(&pods[i]->labels, "app"), "web") != 0 || pods[i]->deletion_ns >= 0)
            continue;
        ++*ret_pods;
        *ret_ready += ((const Pod *)pods[i])->ready;
    }
}

static void
on_change(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    World *w = user;
    int32_t ready, pods;

    (void)event;
    (void)old;
    if (new_ && new_->kind == KIND_ENDPOINTSLICE && w->first_change < 0)
        w->first_change = w->sim->now;
    count(w, &ready, &pods);
    w->least_ready = MIN(w->least_ready, ready);
    w->most_pods = MAX(w->most_pods, pods);
}

static World *
world_new(const char *text)
{
    World *w = g_new0(World, 1);
    ControlClocks clocks;
    ClusterOptions options = {.seed = 1};

    w->input = input_load_text("test.yaml", text);
    T_TRUE(control_fill(w->input));
    T_EQ_U64(diags_errors(w->input->diags), 0);
    diags_print(w->input->diags, stderr, DIAG_ERROR);
    w->cluster = cluster_new(w->input, &options);
    w->sim = cluster_sim(w->cluster);
    w->story = g_string_new(NULL);
    control_clocks_decode(w->input->diags, NULL, &w->input->cluster.version, &clocks);
    w->c = controllers_new(w->cluster, &clocks);
    cluster_set_storyteller(w->cluster, tell, w);
    count(w, &w->least_ready, &w->most_pods);
    w->first_change = -1;
    w->watch = store_watch(w->input->store, on_change, w);
    return w;
}

static void
world_free(World *w)
{
    store_unwatch(w->input->store, w->watch);
    if (g_getenv("STORY"))
        fputs(w->story->str, stderr);
    cluster_set_storyteller(w->cluster, NULL, NULL);
    controllers_free(w->c);
    cluster_free(w->cluster);
    input_free(w->input);
    g_string_free(w->story, TRUE);
    g_free(w);
}

static void
run_to(World *w, double seconds)
{
    sim_run_until(w->sim, (SimTime)(seconds * 1e9));
}

static void
ok(World *w, bool done, char *error)
{
    (void)w;
    test_check(done, __LINE__, __FILE__, __func__, "%s", error ? error : "ok");
    g_free(error);
}

static size_t
n_pods(World *w)
{
    size_t n;

    store_list(w->input->store, KIND_POD, &n);
    return n;
}

static uint32_t
endpoints(World *w, uint8_t conditions)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(w->input->store, "default", "web", &n);
    uint32_t found = 0;

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < slices[i]->n_endpoints; k++)
            found += (slices[i]->endpoints[k].conditions & conditions) == conditions;
    return found;
}

/* The limits hold at every change of the store, whatever the strategy. */
static void
test_rollout(void)
{
    static const struct {
        const char *strategy;
        int32_t replicas, least, most;
    } cases[] = {
        {"", 4, 3, 5},
        {"  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}\n", 4, 3, 4},
        {"  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}\n", 4, 4, 5},
        {"  strategy: {rollingUpdate: {maxSurge: 50%, maxUnavailable: 50%}}\n  minReadySeconds: 7\n", 4, 2, 6},
        {"  strategy: {type: Recreate}\n", 4, 0, 4},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *d = deployment("4", cases[i].strategy, "", "      terminationGracePeriodSeconds: 5\n");
        g_autofree char *text = g_strconcat(NODES, d, SERVICE SCENARIO, NULL);
        World *w = world_new(text);
        char *error = NULL;
        size_t n;
        run_to(w, 5);
        T_EQ_U64(w->story->len, 0);
        ok(w, control_rollout(w->c, KIND_DEPLOYMENT, "default", "web", &error), error);
        run_to(w, 120);
        T_TRUE(w->least_ready >= cases[i].least);
        T_TRUE(w->most_pods <= cases[i].most);
        T_EQ_U64(n_pods(w), 4);
        T_EQ_U64(endpoints(w, EP_READY), 4);
        T_EQ_U64(endpoints(w, EP_TERMINATING), 0);
        const ApiObject *const *sets = store_list(w->input->store, KIND_REPLICASET, &n);
        T_EQ_U64(n, 2);
        T_EQ_I64(((const Workload *)sets[0])->replicas + ((const Workload *)sets[1])->replicas, 4);
        cluster_pods(w->cluster, &n);
        T_EQ_U64(n, 4);
        world_free(w);
    }
}

/* The order of an end: endpoint first, SIGTERM after preStop, the address last. */
static void
test_deletion(void)
{
    g_autofree char *d = deployment("1", "", "        lifecycle: {preStop: {sleep: {seconds: 4}}}\n", "");
    g_autofree char *text = g_strconcat(NODES, d, SERVICE SCENARIO, NULL);
    World *w = world_new(text);
    char *error = NULL;
    size_t n;
    const ApiObject *pod = store_list(w->input->store, KIND_POD, &n)[0];
    const char *name = pod->name;

    run_to(w, 1);
    ok(w, control_delete(w->c, KIND_POD, "default", name, &error), error);
    run_to(w, 1.05);
    T_EQ_U64(endpoints(w, EP_TERMINATING | EP_SERVING), 1);
    T_TRUE(endpoints(w, EP_READY) == 0);
    T_TRUE(w->first_change == (SimTime)1.025e9);
    T_TRUE(strstr(w->story->str, "SIGTERM") == NULL);
    T_TRUE(strstr(w->story->str, "1.025 EndpointSlice of default/web: 0 ready, 1 terminating\n") != NULL);
    run_to(w, 5);
    T_TRUE(strstr(w->story->str, "SIGTERM") == NULL);
    run_to(w, 5.15);
    T_TRUE(strstr(w->story->str, "5.100 pod") != NULL && strstr(w->story->str, "gets SIGTERM") != NULL);
    run_to(w, 10);
    T_TRUE(cluster_pod(w->cluster, "default", name) == NULL);
    T_TRUE(store_get(w->input->store, KIND_POD, "default", name) == NULL);
    T_EQ_U64(endpoints(w, EP_READY), 1);
    world_free(w);
}

static void
test_readiness(void)
{
    g_autofree char *d =
        deployment("1", "", "        readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 3}\n", "");
    g_autofree char *text = g_strconcat(
        NODES, d, SERVICE,
        "apiVersion: svcsim/v1\nkind: Application\nspec: {selector: {app: web}, startup: 4s}\n---\n" SCENARIO, NULL);
    World *w = world_new(text);
    char *error = NULL;

    run_to(w, 60);
    T_EQ_U64(w->story->len, 0);
    ok(w, control_scale(w->c, KIND_DEPLOYMENT, "default", "web", 2, &error), error);
    run_to(w, 64);
    T_EQ_U64(endpoints(w, 0), 2);
    T_EQ_U64(endpoints(w, EP_READY), 1);
    run_to(w, 75);
    T_EQ_U64(endpoints(w, EP_READY), 2);
    T_TRUE(strstr(w->story->str, "becomes ready") != NULL);
    world_free(w);
}

static void
test_liveness(void)
{
    g_autofree char *d = deployment("1", "",
                                    "        livenessProbe: {tcpSocket: {port: 9999}, periodSeconds: 2}\n"
                                    "        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 2}\n",
                                    "");
    g_autofree char *text = g_strconcat(NODES, d, SERVICE SCENARIO, NULL);
    World *w = world_new(text);

    run_to(w, 40);
    T_TRUE(strstr(w->story->str, "fails its liveness probe") != NULL);
    T_TRUE(strstr(w->story->str, "becomes ready") != NULL);
    T_EQ_U64(n_pods(w), 1);
    world_free(w);
}

static void
test_drain(void)
{
    g_autofree char *d = deployment("6", "", "", "      terminationGracePeriodSeconds: 5\n");
    g_autofree char *text = g_strconcat(NODES, d, SERVICE SCENARIO, NULL);
    World *w = world_new(text);
    char *error = NULL;
    size_t n;

    run_to(w, 1);
    ok(w, control_drain(w->c, "beta", &error), error);
    run_to(w, 30);
    const ApiObject *const *pods = store_list(w->input->store, KIND_POD, &n);
    T_EQ_U64(n, 6);
    for (size_t i = 0; i < n; i++)
        T_TRUE(strcmp(((const Pod *)pods[i])->spec.node_name, "beta") != 0);
    T_EQ_U64(endpoints(w, EP_READY), 6);
    ok(w, control_cordon(w->c, "beta", false, &error), error);
    T_TRUE(!control_cordon(w->c, "nowhere", true, &error));
    T_EQ_STR(error, "no Node \"nowhere\"");
    g_free(error);
    world_free(w);
}

/* Silent for the grace period; then not ready; evicted 300 s later; back with what is left. */
static void
test_node_failure(void)
{
    g_autofree char *d = deployment("3", "", "", "");
    g_autofree char *text = g_strconcat(NODES, d, SERVICE SCENARIO, NULL);
    World *w = world_new(text);
    char *error = NULL;

    run_to(w, 20);
    ok(w, control_fail_node(w->c, "beta", &error), error);
    T_TRUE(!control_fail_node(w->c, "beta", &error));
    g_clear_pointer(&error, g_free);
    run_to(w, 59);
    T_EQ_U64(endpoints(w, EP_READY), 3);
    run_to(w, 71);
    T_EQ_U64(endpoints(w, EP_READY), 2);
    T_EQ_U64(endpoints(w, EP_TERMINATING), 0);
    run_to(w, 355);
    T_EQ_U64(n_pods(w), 3);
    run_to(w, 380);
    T_EQ_U64(n_pods(w), 4);
    T_EQ_U64(endpoints(w, EP_READY), 3);
    T_EQ_U64(endpoints(w, EP_TERMINATING), 1);
    ok(w, control_recover_node(w->c, "beta", &error), error);
    run_to(w, 400);
    T_EQ_U64(n_pods(w), 3);
    T_TRUE(((const KubeNode *)store_get(w->input->store, KIND_NODE, "", "beta"))->ready);
    world_free(w);
}

static void
test_short_failure(void)
{
    g_autofree char *d = deployment("3", "", "        readinessProbe: {tcpSocket: {port: 8080}}\n", "");
    g_autofree char *text = g_strconcat(NODES, d, SERVICE SCENARIO, NULL);
    World *w = world_new(text);
    char *error = NULL;

    run_to(w, 20);
    ok(w, control_fail_node(w->c, "beta", &error), error);
    run_to(w, 100);
    T_EQ_U64(endpoints(w, EP_READY), 2);
    ok(w, control_recover_node(w->c, "beta", &error), error);
    run_to(w, 140);
    T_EQ_U64(n_pods(w), 3);
    T_EQ_U64(endpoints(w, EP_READY), 3);
    world_free(w);
}

static void
test_services(void)
{
    g_autofree char *d = deployment("2", "", "", "");
    g_autofree char *text = g_strconcat(NODES, d, SERVICE SCENARIO, NULL);
    World *w = world_new(text);
    char *error = NULL;
    const Service *s = (const Service *)store_get(w->input->store, KIND_SERVICE, "default", "web");
    const char *ip = s->cluster_ips[0];
    DocArena arena = {0};

    run_to(w, 1);
    const DocNode *patch = doc_from_path(w->input->diags, &arena, (Mark){0}, "spec.type", "NodePort");
    ok(w, control_patch(w->c, KIND_SERVICE, "default", "web", patch, &error), error);
    s = (const Service *)store_get(w->input->store, KIND_SERVICE, "default", "web");
    T_EQ_STR(s->cluster_ips[0], ip);
    T_TRUE(s->ports[0].node_port >= 30000);
    ok(w, control_delete(w->c, KIND_SERVICE, "default", "web", &error), error);
    T_EQ_U64(endpoints(w, 0), 0);
    ok(w, control_delete(w->c, KIND_DEPLOYMENT, "default", "web", &error), error);
    run_to(w, 60);
    T_EQ_U64(n_pods(w), 0);
    doc_arena_clear(&arena);
    world_free(w);
}

static void
test_same_again(void)
{
    char *stories[2] = {0};

    for (int i = 0; i < 2; i++) {
        g_autofree char *d = deployment("5", "", "        readinessProbe: {httpGet: {port: 8080}}\n", "");
        g_autofree char *text = g_strconcat(NODES, d, SERVICE SCENARIO, NULL);
        World *w = world_new(text);
        char *error = NULL;
        run_to(w, 3);
        ok(w, control_rollout(w->c, KIND_DEPLOYMENT, "default", "web", &error), error);
        run_to(w, 60);
        stories[i] = g_strdup(w->story->str);
        world_free(w);
    }
    T_TRUE(strlen(stories[0]) > 200);
    T_EQ_STR(stories[1], stories[0]);
    g_free(stories[0]);
    g_free(stories[1]);
}

const TestSuite suite_control = {"model/control",
                                 {{"a rollout keeps maxSurge and maxUnavailable at every instant", test_rollout},
                                  {"a deleted pod leaves its slice first, the network last", test_deletion},
                                  {"a pod is an endpoint in use when its readiness probe succeeds", test_readiness},
                                  {"a failing liveness probe restarts the containers", test_liveness},
                                  {"drain moves the pods elsewhere", test_drain},
                                  {"a dead node's pods become unready, then are evicted", test_node_failure},
                                  {"a node that comes back in time runs its pods again", test_short_failure},
                                  {"Services keep their addresses and get missing ones", test_services},
                                  {"the same input tells the same story", test_same_again},
                                  {0}}};
