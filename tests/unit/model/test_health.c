#include <math.h>

#include "model/network/conntrack_cleanup.h"
#include "sim/netfilter/conntrack.h"
#include "tests/unit/model/cloud_world.h"

/* What a real kube-proxy answered, Service default/web, per node with n ready endpoints. */
static const char recorded_body[] =
    "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"web\"\n\t},\n\t"
    "\"localEndpoints\": %u,\n\t\"serviceProxyHealthy\": true\n}";
static const char recorded_headers[] = "Content-Type: application/json\nX-Content-Type-Options: nosniff\n"
                                       "X-Load-Balancing-Endpoint-Weight: %u\nContent-Length: 114\n";
#define PLAIN "{dataPath: nat}"

static uint16_t
health_port(const CloudWorld *w)
{
    return ((const Service *)store_get(w->input->store, KIND_SERVICE, "default", "web"))->health_check_node_port;
}

static void
check_answer(CloudWorld *w, const char *node, int status, unsigned count)
{
    Asked asked;
    g_autofree char *body = g_strdup_printf(recorded_body, count);
    g_autofree char *headers = g_strdup_printf(recorded_headers, count);

    cloud_world_ask(w, "laptop", cluster_node(w->cluster, node)->ips[0], health_port(w), "/healthz", &asked);
    T_TRUE(asked.ok);
    T_EQ_I64(asked.status, status);
    T_EQ_STR(asked.body, body);
    T_EQ_STR(asked.headers, headers);
}

static void
test_answers(void)
{
    CloudWorld *w = cloud_world_new("Local", PLAIN, NULL);

    check_answer(w, "n1", 200, 1);
    check_answer(w, "n2", 200, 1);
    check_answer(w, "n3", 503, 0);
    T_EQ_I64(node_proxy_local_ready(cluster_node(w->cluster, "n1")->proxy, "default", "web"), 1);
    T_EQ_I64(node_proxy_local_ready(cluster_node(w->cluster, "n1")->proxy, "default", "nothing"), -1);
    cloud_world_free(w);
}

/* Replaces the conditions of all endpoints that are on a node. */
static void
set_conditions(CloudWorld *w, const char *node, uint8_t conditions)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(w->input->store, "default", "web", &n);
    EndpointSlice *copy;

    T_EQ_U64(n, 1);
    copy = (EndpointSlice *)api_copy(&slices[0]->meta);
    for (uint32_t i = 0; i < copy->n_endpoints; i++)
        if (strcmp(copy->endpoints[i].node_name, node) == 0)
            copy->endpoints[i].conditions = conditions;
    store_put(w->input->store, &copy->meta);
}

static void
test_terminating(void)
{
    CloudWorld *w = cloud_world_new("Local", PLAIN, NULL);
    Asked asked;

    set_conditions(w, "n1", EP_SERVING | EP_TERMINATING);
    cloud_world_run(w, 1);
    check_answer(w, "n1", 503, 0);
    check_answer(w, "n2", 200, 1);
    /* The node port still serves: rules fall back to the terminating endpoint. */
    const Service *web = (const Service *)store_get(w->input->store, KIND_SERVICE, "default", "web");
    cloud_world_ask(w, "laptop", cluster_node(w->cluster, "n1")->ips[0], web->ports[0].node_port, "/", &asked);
    T_TRUE(asked.ok);
    cloud_world_free(w);
}

static void
test_proxy_health(void)
{
    CloudWorld *w = cloud_world_new("Local", PLAIN, NULL);
    ClusterNode *n2 = cluster_node(w->cluster, "n2");
    Asked asked;

    cloud_world_ask(w, "laptop", n2->ips[0], 10256, "/healthz", &asked);
    T_EQ_I64(asked.status, 200);
    /* Stuck: a queued change makes it unhealthy after twice the sync period. */
    node_proxy_set_stuck(n2->proxy, true);
    cloud_world_run(w, 10);
    set_conditions(w, "n1", EP_SERVING);
    cloud_world_run(w, 69);
    T_EQ_I64(node_proxy_healthz(n2->proxy), 200);
    cloud_world_run(w, 71);
    T_EQ_I64(node_proxy_healthz(n2->proxy), 503);
    cloud_world_ask(w, "laptop", n2->ips[0], 10256, "/healthz", &asked);
    T_EQ_I64(asked.status, 503);
    cloud_world_ask(w, "laptop", n2->ips[0], health_port(w), "/healthz", &asked);
    T_EQ_I64(asked.status, 503);
    T_TRUE(strstr(asked.body, "\"serviceProxyHealthy\": false") != NULL);
    node_proxy_set_stuck(n2->proxy, false);
    cloud_world_run(w, 90);
    T_EQ_I64(node_proxy_healthz(n2->proxy), 200);
    cloud_world_free(w);
}

static void
test_draining_node(void)
{
    CloudWorld *w = cloud_world_new("Cluster", PLAIN, NULL);
    ClusterNode *n2 = cluster_node(w->cluster, "n2");
    Asked asked;
    KubeNode *copy = (KubeNode *)api_copy(store_get(w->input->store, KIND_NODE, "", "n2"));

    g_free(copy->taints);
    copy->taints = g_new0(Taint, 1);
    copy->n_taints = 1;
    copy->taints[0] = (Taint){.key = strings_add(store_strings(w->input->store), "ToBeDeletedByClusterAutoscaler"),
                              .value = "",
                              .effect = "NoSchedule"};
    store_put(w->input->store, &copy->meta);
    cloud_world_run(w, 1);
    cloud_world_ask(w, "laptop", n2->ips[0], 10256, "/healthz", &asked);
    T_EQ_I64(asked.status, 503);
    cloud_world_ask(w, "laptop", n2->ips[0], 10256, "/livez", &asked);
    T_EQ_I64(asked.status, 200);
    cloud_world_free(w);
}

/* --- Probes ------------------------------------------------------------------------------------------------------ */

#define TIMED                                                                                                          \
    "{dataPath: nat, probe: {local: {kind: http, port: healthCheckNodePort, interval: 4s, timeout: 2s, healthy: 2, "   \
    "unhealthy: 3, phase: 1s}}, noHealthyTarget: %s}"

static double
when(const CloudWorld *w, const char *target, LbTargetState state)
{
    size_t n;
    const LbHealthEvent *events = lb_health_history(w->cloud, &n);

    for (size_t i = 0; i < n; i++)
        if (events[i].to == state && strcmp(events[i].target, target) == 0 && events[i].at > 0)
            return (double)events[i].at / SIMTIME_SEC;
    return -1;
}

/* Probes at 1, 5, 9, 13 ... s: an answer of 503 counts at once, silence after the time limit. */
static void
test_time_to_notice(void)
{
    g_autofree char *profile = g_strdup_printf(TIMED, "drop");
    CloudWorld *w = cloud_world_new("Local", profile, NULL);

    cloud_world_run(w, 10);
    set_conditions(w, "n1", EP_SERVING | EP_TERMINATING);
    host_set_down(cluster_node(w->cluster, "n2")->host, true);
    cloud_world_run(w, 40);
    T_TRUE(fabs(when(w, "n1", LB_TARGET_UNHEALTHY) - 21) < 0.1); /* 13, 17, 21 */
    T_TRUE(fabs(when(w, "n2", LB_TARGET_UNHEALTHY) - 23) < 0.1); /* ... + 2 s */
    set_conditions(w, "n1", EP_READY | EP_SERVING);
    cloud_world_run(w, 60);
    T_TRUE(fabs(when(w, "n1", LB_TARGET_HEALTHY) - 45) < 0.1); /* 41, 45 */
    T_TRUE(strstr(w->story->str, "lb default/web: target n1 unhealthy (after 3 failed probes, HTTP 503)") != NULL);
    T_TRUE(strstr(w->story->str, "lb default/web: target n2 unhealthy (after 3 failed probes, timeout)") != NULL);
    cloud_world_free(w);
}

static void
test_nobody_healthy(void)
{
    static const char *const ways[] = {"fail-open", "drop", "refuse"};

    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *profile = g_strdup_printf(TIMED, ways[i]);
        CloudWorld *w = cloud_world_new("Local", profile, NULL);
        PodView view;
        Asked asked;
        set_conditions(w, "n1", EP_SERVING | EP_TERMINATING);
        set_conditions(w, "n2", EP_SERVING | EP_TERMINATING);
        cloud_world_run(w, 20);
        pod_view_init(&view, w);
        cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
        if (i == 0) {
            /* Terminating endpoints still serve where they are; n3 has none and drops. */
            T_TRUE(asked.ok || asked.error == SOCK_TIMEOUT);
            T_EQ_U64(view.n_lb_drops, 0);
        } else {
            T_TRUE(!asked.ok);
            T_EQ_I64(asked.error, i == 1 ? SOCK_TIMEOUT : SOCK_RST);
            T_EQ_I64(view.drop, DROP_LB_NO_TARGET);
        }
        cloud_world_free(w);
    }
}

/* --- UDP conntrack ----------------------------------------------------------------------------------------------- */

static void
count_udp(const Conn *conn, void *user)
{
    if (conn_tuple(conn, CT_ORIG).proto == IPPROTO_UDP_)
        ++*(size_t *)user;
}

static size_t
udp_entries(const CloudWorld *w, const char *node)
{
    size_t n = 0;

    conntrack_each(nf_stack_conntrack(host_netfilter(cluster_node(w->cluster, node)->host)), count_udp, &n);
    return n;
}

static const char dns_service[] =
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: dns}\n"
    "spec: {type: NodePort, selector: {app: web}, ports: [{port: 53, protocol: UDP, targetPort: 5353, nodePort: "
    "30053}]}\n";

static void
send_udp(CloudWorld *w, const char *node)
{
    static const SocketCallbacks none = {0};
    PayloadBuf *buf = payload_buf_new("hello", 5);
    SocketOptions options = {.local_port = 4000};
    Host *client = cluster_client(w->cluster, "laptop")->host;
    Socket *s = udp_open(client, &options, &none, NULL, NULL);

    udp_send(s, cluster_node(w->cluster, node)->ips[0], 30053, buf, 0, 5);
    payload_buf_unref(buf);
    socket_close(s);
}

static void
drop_endpoints(CloudWorld *w)
{
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(w->input->store, "default", "dns", &n);
    EndpointSlice *copy = (EndpointSlice *)api_copy(&slices[0]->meta);

    /* One stays, so that the reconciler looks at the Service. */
    copy->n_endpoints = 1;
    copy->endpoints[0].addr = ipaddr_v4(10, 244, 9, 9);
    store_put(w->input->store, &copy->meta);
}

static void
check_cleanup(const char *version)
{
    CloudWorld *w = cloud_world_new("Cluster", PLAIN, dns_service);

    kube_version_parse(version, &w->input->cluster.version);
    send_udp(w, "n1");
    cloud_world_run(w, 0.5);
    T_EQ_U64(udp_entries(w, "n1"), 1);
    drop_endpoints(w);
    cloud_world_run(w, 5);
    T_EQ_U64(udp_entries(w, "n1"), 0);
    cloud_world_free(w);
}

static void
test_conntrack_cleanup(void)
{
    check_cleanup("1.34");
    check_cleanup("1.30");
}

const TestSuite suite_health = {"model/health",
                                {{"healthCheckNodePort answers as recorded", test_answers},
                                 {"terminating endpoints do not count, and still serve", test_terminating},
                                 {"a stuck kube-proxy is unhealthy after two sync periods", test_proxy_health},
                                 {"/healthz fails on a node that goes, /livez does not", test_draining_node},
                                 {"time to notice is interval times threshold", test_time_to_notice},
                                 {"nobody healthy: fail open, drop, refuse", test_nobody_healthy},
                                 {"UDP entries to endpoints that went are deleted", test_conntrack_cleanup},
                                 {0}}};
