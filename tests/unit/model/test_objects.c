#include "sim/packet/packet.h"
#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

#define META(name) "apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\n"

static Input *
load_ok(const char *text, uint32_t warnings)
{
    Input *input = input_load_text("t", text);
    char *got = said(input->diags, DIAG_WARNING);
    test_check(diags_errors(input->diags) == 0 && diags_warnings(input->diags) == warnings, __LINE__, __FILE__,
               __func__, "of %s:\n%s", text, got);
    free(got);
    return input;
}

static void
test_service_defaults(void)
{
    Input *input = load_ok(META("web") "spec: {ports: [{port: 80}]}\n", 0);
    const Service *s = (const Service *)only_object(input, KIND_SERVICE);
    T_EQ_STR(s->meta.ns, "default");
    T_EQ_U64(s->type, SERVICE_CLUSTERIP);
    T_EQ_U64(s->ports[0].proto, IPPROTO_TCP_);
    T_EQ_U64(s->ports[0].target_port, 80);
    T_EQ_STR(s->ports[0].name, "");
    T_EQ_I64(s->affinity_timeout_s, 10800);
    T_TRUE(s->external_policy == POLICY_CLUSTER && s->internal_policy == POLICY_CLUSTER && s->allocate_node_ports);
    T_TRUE(!s->has_cluster_ip && s->n_ip_families == 0 && !s->affinity_client_ip);
    input_free(input);
}

static void
test_service_full(void)
{
    Input *input =
        load_ok(META("web") "spec:\n"
                            "  type: LoadBalancer\n"
                            "  clusterIPs: [10.96.0.010, 'fd00::a']\n"
                            "  selector: {app: web}\n"
                            "  ports:\n"
                            "  - {name: a, port: 80, targetPort: http, nodePort: 30080, protocol: UDP}\n"
                            "  - {name: b, port: 81, targetPort: 8081}\n"
                            "  externalIPs: [192.168.099.022]\n"
                            "  loadBalancerSourceRanges: [' 203.0.113.000/025']\n"
                            "  externalTrafficPolicy: Local\n"
                            "  healthCheckNodePort: 30000\n"
                            "  sessionAffinity: ClientIP\n"
                            "  trafficDistribution: PreferClose\n"
                            "status: {loadBalancer: {ingress: [{ip: 1.2.3.4, ipMode: Proxy}, {hostname: x}]}}\n"
                            "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: web}}\n"
                            "spec: {containers: [{name: c}]}\n",
                0);
    const Service *s = (const Service *)only_object(input, KIND_SERVICE);
    T_TRUE(s->has_cluster_ip && s->n_cluster_ips == 2 && s->n_ip_families == 2);
    T_EQ_STR(s->cluster_ips[0], "10.96.0.010");
    T_EQ_U64(s->ip_families[1], FAMILY_IPV6);
    T_EQ_STR(s->ports[0].target_name, "http");
    T_EQ_U64(s->ports[0].target_port, 0);
    T_EQ_U64(s->ports[0].proto, IPPROTO_UDP_);
    T_EQ_STR(s->external_ips[0], "192.168.099.022");
    T_EQ_STR(s->source_ranges[0], " 203.0.113.000/025");
    T_TRUE(s->ingress[0].ip_mode == IPMODE_PROXY && !s->ingress[1].ip);
    T_EQ_STR(s->traffic_distribution, "PreferClose");
    input_free(input);
}

static void
test_tolerated(void)
{
    input_free(load_ok(META("a") "spec: {ports: [{port: 80, nodePort: 30001}]}\n", 1));
    input_free(load_ok(META("a") "spec: {type: NodePort, ports: [{port: 80, nodePort: 8080}]}\n", 1));
    input_free(load_ok(META("a") "spec: {externalTrafficPolicy: Local, ports: [{port: 80}]}\n", 1));
    input_free(load_ok(META("a") "spec: {externalIPs: [nonsense], ports: [{port: 80}]}\n", 1));
    input_free(load_ok(META("a") "spec: {selector: {app: x}, ports: [{port: 80}]}\n", 1));
    input_free(
        load_ok("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\n", 1));
    input_free(load_ok("apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n", 1));
}

static void
test_slices(void)
{
    Input *input = load_ok("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
                           "metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}\n"
                           "addressType: IPv4\nports: [{port: 80}]\n"
                           "endpoints:\n"
                           "- {addresses: [10.180.00.001], nodeName: n1, hints: {forZones: [{name: a}, {name: b}]}}\n"
                           "- {addresses: [10.0.0.2], conditions: {ready: false, serving: true, terminating: true}}\n"
                           "- {addresses: [10.0.0.3], conditions: {ready: null}}\n",
                           0);
    size_t n;
    const EndpointSlice *slice = store_slices_of(input->store, "default", "web", &n)[0];
    char buf[IPADDR_STR_SIZE];
    T_EQ_STR(slice->ports[0].name, "");
    T_EQ_STR(ipaddr_format(slice->endpoints[0].addr, buf), "10.180.0.1");
    T_EQ_STR(endpoint_more(&slice->endpoints[0])->raw, "10.180.00.001");
    T_EQ_STR(endpoint_more(&slice->endpoints[0])->hint_zones[1], "b");
    T_EQ_U64(slice->endpoints[0].conditions, EP_READY | EP_SERVING);
    T_EQ_U64(slice->endpoints[1].conditions, EP_SERVING | EP_TERMINATING);
    T_TRUE(endpoint_more(&slice->endpoints[1])->raw == NULL);
    T_EQ_U64(slice->endpoints[2].conditions, EP_READY | EP_SERVING);
    input_free(input);
}

static void
test_endpoints(void)
{
    static const char endpoints[] = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\nsubsets:\n"
                                    "- addresses: [{ip: 10.0.0.1, nodeName: n1}, {ip: 'fd00::1'}]\n"
                                    "  notReadyAddresses: [{ip: 10.0.0.2}]\n"
                                    "  ports: [{name: sql, port: 5432}]\n";
    Input *input = load_ok(endpoints, 0);
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(input->store, "default", "db", &n);
    T_EQ_U64(n, 2);
    T_TRUE(slices[0]->family == FAMILY_IPV4 && slices[0]->n_endpoints == 2 && slices[1]->n_endpoints == 1);
    T_EQ_U64(slices[0]->endpoints[1].conditions, 0);
    T_EQ_U64(slices[1]->ports[0].port, 5432);
    input_free(input);
    /* Slices that are given stand. */
    g_autofree char *both = g_strdup_printf("%s---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: "
                                            "{name: x, labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\n",
                                            endpoints);
    input = load_ok(both, 0);
    slices = store_slices_of(input->store, "default", "db", &n);
    T_EQ_U64(n, 1);
    T_EQ_STR(slices[0]->meta.name, "x");
    input_free(input);
}

#define DEPLOYMENT                                                                                                     \
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 3\n"                             \
    "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n"              \
    "      containers:\n      - name: c\n        image: web:1\n        env: [{name: A, value: b}]\n"                   \
    "        ports: [{containerPort: 8080, name: http}]\n"                                                             \
    "        readinessProbe: {httpGet: {path: /ok, port: http}, periodSeconds: 3}\n"                                   \
    "        lifecycle: {preStop: {exec: {command: [sh, -c, sleep 15]}}}\n"

static void
test_deployment(void)
{
    Input *input = load_ok(DEPLOYMENT, 0);
    const Workload *w = (const Workload *)only_object(input, KIND_DEPLOYMENT);
    const Container *c = &w->template.containers[0];
    T_EQ_I64(w->replicas, 3);
    T_TRUE(w->max_surge.value == 25 && w->max_surge.percent && w->max_unavailable.percent);
    T_EQ_I64(w->template.grace_ns, INT64_C(30000000000));
    T_EQ_I64(c->pre_stop_ns, INT64_C(15000000000));
    T_TRUE(c->readiness.kind == PROBE_HTTP && c->readiness.period_s == 3 && c->readiness.failure == 3);
    T_EQ_STR(c->readiness.port_name, "http");
    T_TRUE(w->template_hash != 0);
    input_free(input);
}

static const ApiObject *
patch(Input *input, const ApiObject *object, const char *path, const char *value)
{
    DocArena arena = {0};
    const DocNode *tree = doc_from_path(input->diags, &arena, (Mark){0}, path, value);
    ApiObject *patched = tree ? api_patch(input->diags, store_strings(input->store), object, tree) : NULL;
    doc_arena_clear(&arena);
    if (patched)
        store_put(input->store, patched);
    return patched;
}

static void
test_patch(void)
{
    Input *input = load_ok(DEPLOYMENT "---\n" META("web") "spec: {selector: {app: web}, clusterIP: 10.96.0.1, ports: "
                                                          "[{name: a, port: 80}, {name: b, port: 81}]}\n",
                           0);
    const Service *s = (const Service *)patch(input, only_object(input, KIND_SERVICE), "spec.type", "NodePort");
    T_TRUE(s && s->type == SERVICE_NODEPORT && s->has_cluster_ip && s->n_ports == 2 && s->meta.from_input);
    s = (const Service *)patch(input, &s->meta, "spec.ports[1].nodePort", "30081");
    T_TRUE(s && s->n_ports == 2 && s->ports[0].node_port == 0 && s->ports[1].node_port == 30081);
    s = (const Service *)patch(input, &s->meta, "spec.ports", "[{name: a, port: 80, nodePort: 30080}]");
    T_TRUE(s && s->n_ports == 2 && s->ports[0].node_port == 30080 && s->ports[1].node_port == 30081);
    s = (const Service *)patch(input, &s->meta, "spec.selector", "null");
    T_TRUE(s && s->selector.n == 0);
    T_TRUE(!patch(input, &s->meta, "spec.type", "Nonsense"));
    T_TRUE(!patch(input, &s->meta, "metadata.name", "other"));

    const Workload *w = (const Workload *)only_object(input, KIND_DEPLOYMENT);
    uint64_t hash = w->template_hash;
    w = (const Workload *)patch(input, &w->meta, "spec.replicas", "5");
    T_TRUE(w && w->replicas == 5 && w->template_hash == hash);
    w = (const Workload *)patch(input, &w->meta, "spec.template.spec.terminationGracePeriodSeconds", "30");
    T_TRUE(w && w->template_hash == hash);
    w = (const Workload *)patch(input, &w->meta, "spec.template.spec.terminationGracePeriodSeconds", "60");
    T_TRUE(w && w->template_hash != hash && w->template.n_containers == 1);
    hash = w ? w->template_hash : 0;
    w = (const Workload *)patch(input, &w->meta, "spec.template.spec.containers",
                                "[{name: c, env: [{name: A, value: c}]}]");
    T_TRUE(w && w->template_hash != hash && w->template.n_containers == 1 && w->template.containers[0].n_ports == 1);
    input_free(input);
}

/* encode, decode, encode: the same text. */
static void
check_round_trip(Input *input, ApiKind kind)
{
    size_t n;
    const ApiObject *const *list = store_list(input->store, kind, &n);
    T_TRUE(n > 0);
    for (size_t i = 0; i < n; i++) {
        DocArena arena = {0};
        g_autoptr(GString) first = g_string_new(NULL);
        g_autoptr(GString) second = g_string_new(NULL);
        DocNode *tree = api_encode(&arena, list[i]);
        doc_write_flow(tree, first);
        ApiObject *again = api_decode(input->diags, store_strings(input->store), kind, tree);
        if (again)
            doc_write_flow(api_encode(&arena, again), second);
        T_EQ_STR(second->str, first->str);
        ApiObject *copy = api_copy(list[i]);
        g_string_truncate(second, 0);
        doc_write_flow(api_encode(&arena, copy), second);
        T_EQ_STR(second->str, first->str);
        api_unref(copy);
        api_unref(again);
        doc_arena_clear(&arena);
    }
}

static void
test_round_trip(void)
{
    static const char *const paths[] = {"tests/corpus/input/every-kind.yaml"};
    Input *input = input_load(paths, 1);
    char *got = said(input->diags, DIAG_WARNING);
    T_EQ_STR(got, "");
    free(got);
    for (ApiKind kind = KIND_NAMESPACE; kind < API_N_KINDS; kind++)
        if (kind != KIND_ENDPOINTS)
            check_round_trip(input, kind);
    T_EQ_U64(diags_errors(input->diags), 0);
    input_free(input);
}

const TestSuite suite_objects = {
    "model/objects",
    {{"a Service gets the API server's defaults", test_service_defaults},
     {"a Service keeps its addresses as written", test_service_full},
     {"what kube-proxy tolerates is a warning", test_tolerated},
     {"endpoints have conditions, hints and canonical addresses", test_slices},
     {"Endpoints become slices unless slices are given", test_endpoints},
     {"a Deployment's template, probes and preStop", test_deployment},
     {"patches merge as kubectl's do and know a rollout", test_patch},
     {"every kind survives encoding and copying", test_round_trip}},
};
