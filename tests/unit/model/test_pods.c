/* Pods are made when somebody looks for them, and nothing tells when that was */

#include "model/control/control.h"
#include "model/network/node_host.h"
#include "model/network/pod_apps.h"
#include "model/report/host_text.h"
#include "model/report/trace_run.h"
#include "tests/unit/test.h"

#define N_PODS 5

/* d has the last octet of c, and with it another port name; e is outside its node's range. */
static const char *const addrs[N_PODS] = {"10.244.0.5", "10.244.0.6", "10.244.0.7", "10.244.1.7", "10.99.0.8"};

static const char node[] =
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDR: 10.244.0.0/16}\n"
    "status: {addresses: [{type: InternalIP, address: 192.168.49.2}]}\n"
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default}\n"
    "spec: {clusterIP: 10.96.0.10, ports: [{port: 80, targetPort: 80}]}\n"
    "---\napiVersion: svcsim/v1\nkind: Application\nmetadata: {name: frail, namespace: default}\n"
    "spec: {selector: {app: c}, http: {body: hello}}\n";

typedef struct {
    Input *input;
    Cluster *cluster;
    ClusterPod *pods[N_PODS];
} World;

static void
add_given(GString *yaml, int i)
{
    g_string_append_printf(yaml,
                           "---\napiVersion: v1\nkind: Pod\nmetadata: {name: %c, namespace: default, labels: {app: "
                           "%c}}\nspec: {nodeName: n1, containers: [{name: c, ports: [{containerPort: 80}]}]}\n"
                           "status: {podIP: %s}\n",
                           'a' + i, 'a' + i, addrs[i]);
}

/* The same pod, of which a slice alone tells. */
static void
add_slice(GString *yaml, int i)
{
    g_string_append_printf(yaml,
                           "---\napiVersion: v1\nkind: Service\nmetadata: {name: of-%c, namespace: default}\nspec: "
                           "{clusterIP: None, selector: {app: %c}, ports: [{port: 80}]}\n"
                           "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: of-%c-1, "
                           "namespace: default, labels: {kubernetes.io/service-name: of-%c}}\naddressType: IPv4\n"
                           "ports: [{port: 80}]\nendpoints: [{addresses: [%s], nodeName: n1, targetRef: {kind: Pod, "
                           "name: %c}}]\n",
                           'a' + i, 'a' + i, 'a' + i, 'a' + i, addrs[i], 'a' + i);
}

/* Without 'pods': nobody has looked for one. */
static World
world_of(const char *network, void (*add)(GString *yaml, int i))
{
    g_autoptr(GString) yaml = g_string_new(NULL);
    World w = {0};

    g_string_printf(yaml, "apiVersion: svcsim/v1\nkind: Cluster\nspec: {network: {kind: %s}}\n%s", network, node);
    for (int i = 0; i < N_PODS; i++)
        add(yaml, i);
    w.input = input_load_text("pods.yaml", yaml->str);
    T_EQ_U64(diags_errors(w.input->diags), 0);
    control_fill(w.input);
    w.cluster = cluster_new(w.input, &(ClusterOptions){.seed = 1});
    return w;
}

static World
world_new(const char *network)
{
    World w = world_of(network, add_given);

    for (int i = 0; i < N_PODS; i++)
        w.pods[i] = cluster_pod(w.cluster, "default", (char[]){(char)('a' + i), '\0'});
    return w;
}

static void
world_free(World *w)
{
    cluster_free(w->cluster);
    input_free(w->input);
}

/* Everything of every host that `ip` and `netstat` show. */
static char *
picture(World *w)
{
    GString *out = g_string_new(NULL);
    size_t n;
    Host *const *hosts = cluster_hosts(w->cluster, &n);

    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(out, "%s\n", host_name(hosts[i]));
        host_text_addr(out, hosts[i], NULL);
        for (int local = 0; local < 2; local++)
            host_text_route(out, hosts[i], FAMILY_IPV4, local);
        host_text_netstat(out, hosts[i], &(NetstatOptions){.tcp = true, .udp = true, .listening = true});
    }
    return g_string_free(out, FALSE);
}

static void
connect_to(World *w, const char *from, const char *to)
{
    Who who;
    Where where;
    TraceAnswer answer;
    char *error = NULL;

    T_TRUE(who_parse(w->cluster, from, &who, &error));
    T_TRUE(where_parse(w->cluster, to, &who, NULL, FAMILY_IPV4, IPPROTO_TCP_, &where, &error));
    trace_connection(w->cluster, &(TraceQuestion){.from = &who, .to = &where}, &answer);
    T_TRUE(answer.n_outcomes == 1 && answer.outcomes[0].flow->outcome == FLOW_CONNECTED);
    trace_answer_clear(&answer);
    who_clear(&who);
    where_clear(&where);
}

static const char *const networks[] = {"bridge", "routed", "vxlan", "cloud"};

static void
test_only_those_called(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(networks); i++) {
        World w = world_new(networks[i]);
        /* Those whose making depends on others stand at once. */
        bool made[N_PODS] = {false, false, false, true, true};

        for (int k = 0; k < N_PODS; k++)
            T_EQ_U64(w.pods[k]->made_host != NULL, made[k]);
        connect_to(&w, "node/n1", "10.244.0.6:80");
        made[1] = true;
        /* The node's address on the way to a routed pod is the gateway's, which the first pod's port has, too. */
        made[0] = strcmp(networks[i], "routed") == 0 || strcmp(networks[i], "cloud") == 0;
        for (int k = 0; k < N_PODS; k++)
            T_EQ_U64(w.pods[k]->made_host != NULL, made[k]);
        T_TRUE(pod_runtime_stats(cluster_pod_runtime(w.pods[1])).connections == 1);
        world_free(&w);
    }
}

static void
test_order_does_not_show(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(networks); i++) {
        World first = world_new(networks[i]), late = world_new(networks[i]);
        g_autofree char *want = picture(&first), *got = NULL;

        connect_to(&late, "node/n1", "10.244.0.7:80");
        connect_to(&late, "pod/e", "10.244.0.6:80");
        sim_run_until(cluster_sim(late.cluster), 300 * SIMTIME_SEC);
        got = picture(&late);
        T_EQ_STR(got, want);
        world_free(&first);
        world_free(&late);
    }
}

static bool
is_made(const World *w, const char *host)
{
    size_t n;
    Host *const *hosts = cluster_hosts_made(w->cluster, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(host_name(hosts[i]), host) == 0)
            return true;
    return false;
}

/* Pods that follow from slices are those that would have been given, looked for by address, by name or not at all. */
static void
test_of_slices(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(networks); i++) {
        World given = world_new(networks[i]), sliced = world_of(networks[i], add_slice),
              called = world_of(networks[i], add_slice);
        bool routed = strcmp(networks[i], "routed") == 0 || strcmp(networks[i], "cloud") == 0;
        g_autofree char *want = picture(&given), *got = NULL, *late = NULL;
        IpAddr addr;

        connect_to(&called, "node/n1", "10.244.0.6:80");
        T_TRUE(is_made(&called, "pod/b"));
        T_TRUE(is_made(&called, "pod/a") == routed);
        T_TRUE(!is_made(&called, "pod/c"));
        T_TRUE(ipaddr_parse(addrs[2], &addr));
        T_TRUE(cluster_pod_by_ip(called.cluster, addr) == cluster_pod(called.cluster, "default", "c"));
        T_TRUE(!is_made(&called, "pod/c"));
        connect_to(&called, "pod/e", "10.244.0.7:80");
        sim_run_until(cluster_sim(called.cluster), 300 * SIMTIME_SEC);
        late = picture(&called);
        T_EQ_STR(late, want);
        got = picture(&sliced);
        T_EQ_STR(got, want);
        T_TRUE(cluster_pod(called.cluster, "default", "f") == NULL);
        world_free(&given);
        world_free(&sliced);
        world_free(&called);
    }
}

static void
test_sliced_removed(void)
{
    World w = world_of("routed", add_slice);
    size_t n;

    cluster_pod_remove(w.cluster, cluster_pod(w.cluster, "default", "a"));
    T_TRUE(cluster_pod(w.cluster, "default", "a") == NULL);
    T_TRUE(fib_is_local(host_fib(cluster_node(w.cluster, "n1")->host), ipaddr_v4(10, 244, 0, 1), NULL));
    T_TRUE(is_made(&w, "pod/b") && !is_made(&w, "pod/c"));
    cluster_pods(w.cluster, &n);
    T_EQ_U64(n, N_PODS - 1);
    world_free(&w);
}

/* Where pods are routed to, their node has the gateway's address on each of their ports. */
static void
test_gateway(void)
{
    World w = world_new("routed");
    IpPrefix cidr;

    T_TRUE(ipprefix_parse("10.244.0.0/16", &cidr));
    T_TRUE(w.pods[0]->made_host == NULL);
    T_TRUE(fib_is_local(host_fib(cluster_node(w.cluster, "n1")->host), pod_cidr_gateway(cidr), NULL));
    T_TRUE(w.pods[0]->made_host != NULL);
    T_TRUE(w.pods[1]->made_host == NULL);
    world_free(&w);
}

static void
test_removed_unmade(void)
{
    World w = world_new("routed");
    ClusterNode *n1 = cluster_node(w.cluster, "n1");

    cluster_pod_remove(w.cluster, w.pods[0]);
    T_TRUE(cluster_pod(w.cluster, "default", "a") == NULL);
    T_TRUE(cluster_pod_application(w.pods[1]) == NULL);
    T_EQ_STR(cluster_pod_application(w.pods[2])->http_body, "hello");
    T_TRUE(w.pods[2]->made_host == NULL);
    T_TRUE(pod_runtime_listening(cluster_pod_runtime(w.pods[2])));
    T_TRUE(n1->latent == w.pods[1]);
    world_free(&w);
}

const TestSuite suite_pods = {"model/pods",
                              {{"only those called are made", test_only_those_called},
                               {"the order of making does not show", test_order_does_not_show},
                               {"the gateway's address", test_gateway},
                               {"removed before it was made", test_removed_unmade},
                               {"of slices as given", test_of_slices},
                               {"of slices, removed before anybody looked", test_sliced_removed}}};
