#include <string.h>

#include "model/control/control.h"
#include "tests/unit/test.h"

#define NODES                                                                                                          \
    "apiVersion: v1\nkind: Node\nmetadata: {name: alpha, labels: {topology.kubernetes.io/zone: z1}}\n---\n"            \
    "apiVersion: v1\nkind: Node\nmetadata: {name: beta, labels: {topology.kubernetes.io/zone: z2}}\n---\n"
#define ALPHA "apiVersion: v1\nkind: Node\nmetadata: {name: alpha}\n---\n"
#define BETA_AT_3                                                                                                      \
    "apiVersion: v1\nkind: Node\nmetadata: {name: beta}\nstatus: {addresses: [{type: InternalIP, address: "            \
    "192.168.49.3}]}\n---\n"
#define DEPLOYMENT(name, replicas)                                                                                     \
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " name "}\nspec:\n  replicas: " replicas                  \
    "\n  selector: {matchLabels: {app: " name "}}\n  template:\n    metadata: {labels: {app: " name                    \
    "}}\n    spec: {containers: [{name: c, image: x, ports: [{name: http, containerPort: 8080}]}]}\n---\n"
#define SERVICE(name, app, more)                                                                                       \
    "apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\nspec:\n  selector: {app: " app                         \
    "}\n  ports: [{name: web, port: 80, targetPort: http}]\n" more "---\n"

static Input *
filled(const char *text)
{
    Input *input = input_load_text("test.yaml", text);

    T_EQ_U64(diags_errors(input->diags), 0);
    T_TRUE(control_fill(input));
    diags_print(input->diags, stderr, DIAG_ERROR);
    return input;
}

static const Service *
service(Input *input, const char *name)
{
    return (const Service *)store_get(input->store, KIND_SERVICE, "default", name);
}

static const EndpointSlice *
first_slice(Input *input, const char *name)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(input->store, "default", name, &n);

    return n ? slices[0] : NULL;
}

/* Every object of the kinds that names and numbers are given to, as text. */
static char *
picture(Input *input, const char *only)
{
    GString *out = g_string_new(NULL);
    size_t n;
    const ApiObject *const *list = store_list(input->store, KIND_POD, &n);
    char addr[IPADDR_STR_SIZE];

    for (size_t i = 0; i < n; i++)
        if (g_str_has_prefix(list[i]->name, only))
            g_string_append_printf(out, "%s %s %s\n", list[i]->name, ((const Pod *)list[i])->spec.node_name,
                                   ipaddr_format(((const Pod *)list[i])->ips[0], addr));
    list = store_list(input->store, KIND_SERVICE, &n);
    for (size_t i = 0; i < n; i++)
        if (g_str_has_prefix(list[i]->name, only))
            g_string_append_printf(out, "%s %s %u %u\n", list[i]->name, ((const Service *)list[i])->cluster_ips[0],
                                   ((const Service *)list[i])->ports[0].node_port,
                                   ((const Service *)list[i])->health_check_node_port);
    list = store_list(input->store, KIND_ENDPOINTSLICE, &n);
    for (size_t i = 0; i < n; i++)
        if (g_str_has_prefix(list[i]->name, only))
            g_string_append_printf(out, "%s\n", list[i]->name);
    return g_string_free(out, FALSE);
}

static void
test_deployment(void)
{
    Input *input = filled(NODES DEPLOYMENT("web", "4") SERVICE("web", "web", ""));
    size_t n;
    const ApiObject *const *pods = store_list(input->store, KIND_POD, &n);
    const EndpointSlice *slice = first_slice(input, "web");
    int on_alpha = 0;

    T_EQ_U64(n, 4);
    const ApiObject *const *sets = store_list(input->store, KIND_REPLICASET, &n);
    T_EQ_U64(n, 1);
    for (int i = 0; i < 4; i++) {
        const Pod *pod = (const Pod *)pods[i];
        const char *rest = pod->meta.name + strlen(sets[0]->name) + 1;
        T_TRUE(g_str_has_prefix(pod->meta.name, sets[0]->name));
        T_EQ_U64(strlen(rest), 5);
        T_EQ_U64(strspn(rest, "bcdfghjklmnpqrstvwxz2456789"), 5);
        T_EQ_STR(pod->meta.owner, sets[0]->name);
        T_EQ_STR(labels_get(&pod->meta.labels, "pod-template-hash"), sets[0]->name + strlen("web-"));
        T_TRUE(pod->ready && pod->phase == POD_RUNNING && pod->n_ips == 1);
        on_alpha += strcmp(pod->spec.node_name, "alpha") == 0;
    }
    T_EQ_I64(on_alpha, 2);
    T_EQ_STR(labels_get(&((const Workload *)sets[0])->selector, "app"), "web");
    T_TRUE(slice != NULL);
    T_EQ_U64(slice->n_endpoints, 4);
    T_EQ_U64(slice->ports[0].port, 8080);
    T_EQ_STR(slice->ports[0].name, "web");
    T_TRUE(endpoint_more(&slice->endpoints[0])->zone != NULL && slice->endpoints[0].target == pods[0]->name);
    T_EQ_U64(slice->endpoints[0].conditions, EP_READY | EP_SERVING);
    input_free(input);
}

static void
test_addresses(void)
{
    Input *input = filled(NODES DEPLOYMENT("web", "2") SERVICE("web", "web",
                                                               "  type: LoadBalancer\n"
                                                               "  externalTrafficPolicy: Local\n"));
    const KubeNode *beta = (const KubeNode *)store_get(input->store, KIND_NODE, "", "beta");
    const Service *s = service(input, "web");
    IpPrefix range, pods;
    IpAddr addr;
    size_t n;
    const ApiObject *const *list = store_list(input->store, KIND_POD, &n);

    T_EQ_U64(beta->n_internal_ips, 1);
    T_EQ_STR(beta->pod_cidrs[0], "10.244.1.0/24");
    T_TRUE(ipprefix_parse("10.96.0.0/12", &range));
    T_TRUE(ipaddr_parse(s->cluster_ips[0], &addr));
    T_TRUE(ipprefix_contains(&range, addr));
    T_TRUE(s->ports[0].node_port >= 30086 && s->ports[0].node_port <= 32767);
    T_TRUE(s->health_check_node_port >= 30086 && s->health_check_node_port != s->ports[0].node_port);
    T_EQ_U64(s->n_ingress, 0);
    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)list[i];
        T_TRUE(ipprefix_parse(strcmp(pod->spec.node_name, "alpha") == 0 ? "10.244.0.0/24" : "10.244.1.0/24", &pods));
        T_TRUE(ipprefix_contains(&pods, pod->ips[0]));
        T_TRUE(pod->ips[0].b[15] > 1 && pod->ips[0].b[15] < 255);
    }
    input_free(input);
}

/* What is added at the end, or under another name, leaves the rest where it was. */
static void
test_stability(void)
{
    static const char base[] =
        NODES DEPLOYMENT("web", "3") SERVICE("web", "web", "  type: NodePort\n") DEPLOYMENT("zeta", "2");
    Input *alone = filled(base);
    g_autofree char *text = g_strconcat(base, DEPLOYMENT("aaa", "5") SERVICE("aaa", "aaa", "  type: NodePort\n"), NULL);
    Input *more = filled(text);
    g_autofree char *a = picture(alone, "web"), *b = picture(more, "web");
    g_autofree char *c = picture(alone, "zeta"), *d = picture(more, "zeta");

    T_TRUE(strlen(a) > 100);
    T_EQ_STR(b, a);
    T_EQ_STR(d, c);
    input_free(alone);
    input_free(more);
}

static void
test_taken_as_stored(void)
{
    Input *input = filled(NODES DEPLOYMENT("web", "1") SERVICE(
        "stored", "web", "  clusterIP: 10.96.7.7\n  type: LoadBalancer\n  externalTrafficPolicy: Local\n")
                              SERVICE("none", "web", "  clusterIP: None\n"));
    const Service *s = service(input, "stored");

    T_EQ_STR(s->cluster_ips[0], "10.96.7.7");
    T_EQ_U64(s->ports[0].node_port, 0);
    T_EQ_U64(s->health_check_node_port, 0);
    T_EQ_U64(s->n_ingress, 0);
    T_EQ_U64(first_slice(input, "stored")->n_endpoints, 1);
    T_EQ_STR(service(input, "none")->cluster_ips[0], "None");
    T_TRUE(labels_get(&first_slice(input, "none")->meta.labels, "service.kubernetes.io/headless") != NULL);
    input_free(input);
}

static void
test_given_slices(void)
{
    Input *input = filled(ALPHA BETA_AT_3 DEPLOYMENT("web", "2") SERVICE(
        "web", "web",
        "  clusterIP: 10.96.7.7\n") "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
                                    "metadata: {name: web-mine, labels: {kubernetes.io/service-name: web}}\n"
                                    "addressType: IPv4\nports: [{name: web, port: 9000}]\nendpoints:\n"
                                    "- {addresses: [10.244.1.77], nodeName: beta, targetRef: {kind: Pod, name: "
                                    "web-5d59d67564-abcde}}\n"
                                    "- {addresses: [10.244.0.78]}\n"
                                    "- {addresses: [192.168.49.3], nodeName: beta, targetRef: {kind: Pod, name: "
                                    "on-host}}\n"
                                    "- {addresses: [172.31.0.9]}\n");
    size_t n;
    const Pod *pod = (const Pod *)store_get(input->store, KIND_POD, "default", "web-5d59d67564-abcde");
    const Pod *host = (const Pod *)store_get(input->store, KIND_POD, "default", "on-host");

    store_slices_of(input->store, "default", "web", &n);
    T_EQ_U64(n, 1);
    T_TRUE(pod && host);
    T_EQ_STR(pod->spec.node_name, "beta");
    T_EQ_STR(pod->meta.owner, "web-5d59d67564");
    T_EQ_U64(pod->spec.containers[0].ports[0].port, 8080);
    T_TRUE(host->spec.host_network);
    /* The endpoint without a node needs a pod CIDR to tell: beta's neighbour has it. */
    T_TRUE(store_get(input->store, KIND_POD, "default", "web-10-244-0-78") != NULL);
    T_TRUE(store_get(input->store, KIND_POD, "default", "web-172-31-0-9") == NULL);
    input_free(input);
}

static void
test_sets(void)
{
    Input *input =
        filled(NODES "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  replicas: 2\n"
                     "  serviceName: db\n  selector: {matchLabels: {app: db}}\n  template:\n"
                     "    metadata: {labels: {app: db}}\n    spec: {containers: [{name: c, image: x}]}\n---\n"
                     "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: agent}\nspec:\n"
                     "  selector: {matchLabels: {app: agent}}\n  template:\n    metadata: {labels: {app: agent}}\n"
                     "    spec: {hostNetwork: true, containers: [{name: c, image: x}]}\n");
    size_t n, agents = 0;
    const ApiObject *const *pods = store_list(input->store, KIND_POD, &n);

    T_TRUE(store_get(input->store, KIND_POD, "default", "db-0") != NULL);
    T_TRUE(store_get(input->store, KIND_POD, "default", "db-1") != NULL);
    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)pods[i];
        const KubeNode *node = (const KubeNode *)store_get(input->store, KIND_NODE, "", pod->spec.node_name);
        if (!g_str_has_prefix(pod->meta.name, "agent-"))
            continue;
        agents++;
        T_TRUE(ipaddr_eq(pod->ips[0], node->internal_ips[0]));
    }
    T_EQ_U64(agents, 2);
    input_free(input);
}

static void
test_system_services(void)
{
    Input *input = filled(NODES "apiVersion: svcsim/v1\nkind: Cluster\nspec: {systemServices: true}\n");
    const Service *dns = (const Service *)store_get(input->store, KIND_SERVICE, "kube-system", "kube-dns");
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(input->store, "kube-system", "kube-dns", &n);

    T_EQ_STR(dns->cluster_ips[0], "10.96.0.10");
    T_EQ_STR(service(input, "kubernetes")->cluster_ips[0], "10.96.0.1");
    T_EQ_U64(n, 1);
    T_EQ_U64(slices[0]->n_endpoints, 2);
    T_EQ_U64(slices[0]->n_ports, 3);
    T_EQ_U64(first_slice(input, "kubernetes")->ports[0].port, 6443);
    input_free(input);
}

static void
test_dual_stack(void)
{
    Input *input = filled(NODES DEPLOYMENT("web", "1") SERVICE("web", "web", "  ipFamilyPolicy: PreferDualStack\n")
                              SERVICE("one", "web", "") "apiVersion: svcsim/v1\nkind: Cluster\nspec:\n"
                                                        "  podCIDRs: [10.244.0.0/16, \"fd00:10:244::/48\"]\n"
                                                        "  serviceCIDRs: [10.96.0.0/12, \"fd00:10:96::/112\"]\n");
    size_t n;
    const ApiObject *const *pods = store_list(input->store, KIND_POD, &n);

    T_EQ_U64(((const Pod *)pods[0])->n_ips, 2);
    T_EQ_U64(service(input, "web")->n_cluster_ips, 2);
    T_TRUE(g_str_has_prefix(service(input, "web")->cluster_ips[1], "fd00:10:96::"));
    store_slices_of(input->store, "default", "web", &n);
    T_EQ_U64(n, 2);
    T_EQ_U64(service(input, "one")->n_cluster_ips, 1);
    store_slices_of(input->store, "default", "one", &n);
    T_EQ_U64(n, 1);
    input_free(input);
}

static void
test_many_endpoints(void)
{
    Input *input = filled(NODES DEPLOYMENT("web", "250") SERVICE("web", "web", ""));
    size_t n, total = 0;
    const EndpointSlice *const *slices = store_slices_of(input->store, "default", "web", &n);

    T_EQ_U64(n, 3);
    for (size_t i = 0; i < n; i++) {
        T_TRUE(slices[i]->n_endpoints <= 100);
        total += slices[i]->n_endpoints;
    }
    T_EQ_U64(total, 250);
    input_free(input);
}

const TestSuite suite_fill = {"model/fill",
                              {{"a Deployment gets a ReplicaSet, pods, spread, and endpoints", test_deployment},
                               {"nodes, pods and Services get addresses and ports", test_addresses},
                               {"an unrelated object moves nothing", test_stability},
                               {"a Service with a clusterIP is taken as stored", test_taken_as_stored},
                               {"given slices stand and their endpoints have pods", test_given_slices},
                               {"StatefulSets count, DaemonSets cover", test_sets},
                               {"system services have their known addresses", test_system_services},
                               {"two families where two are asked for", test_dual_stack},
                               {"at most 100 endpoints a slice", test_many_endpoints},
                               {0}}};
