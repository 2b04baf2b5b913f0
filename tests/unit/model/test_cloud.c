#include "tests/unit/model/cloud_world.h"

/* --- Data paths -------------------------------------------------------------------------------------------------- */

static void
test_nat(void)
{
    CloudWorld *w = cloud_world_new("Local", "{dataPath: nat, targets: nodes, clientIP: preserved}", NULL);
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "n1")), "healthy");
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "n2")), "healthy");
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "n3")), "unhealthy");
    cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
    T_TRUE(asked.ok);
    T_EQ_I64(asked.status, 200);
    T_TRUE(strstr(asked.body, "web-") != NULL);
    T_EQ_U64(view.n_pod_syns, 1);
    T_TRUE(addr_is(view.source, "198.51.100.7"));
    T_TRUE(view.n_lb_replies >= 3);
    cloud_world_free(w);
}

static void
test_nat_cluster_policy(void)
{
    CloudWorld *w = cloud_world_new("Cluster", "{dataPath: nat, clientIP: preserved}", NULL);
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    for (int i = 0; i < 8; i++) {
        cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
        T_TRUE(asked.ok);
        T_TRUE(ipaddr_cmp(&view.source, &(IpAddr){0}) != 0 && !ipaddr_eq(view.source, ipaddr_v4(198, 51, 100, 7)));
    }
    T_EQ_U64(view.n_pod_syns, 8);
    cloud_world_free(w);
}

static void
test_nat_source_replaced(void)
{
    CloudWorld *w =
        cloud_world_new("Local",
                        "{dataPath: nat, targets: pods, clientIP: replaced, probe: {local: {kind: tcp, port: "
                        "traffic}}}",
                        NULL);
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
    T_TRUE(asked.ok);
    T_TRUE(addr_is(view.source, "192.168.49.250"));
    cloud_world_run(w, 30);
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "default/web-a")), "healthy");
    cloud_world_free(w);
}

static void
test_dsr(void)
{
    CloudWorld *w = cloud_world_new("Local", "{dataPath: dsr, hash: maglev}", NULL);
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    for (int i = 0; i < 8; i++) {
        cloud_world_ask(w, i % 2 ? "laptop" : "phone", cloud_world_vip(w), 80, "/", &asked);
        T_TRUE(asked.ok);
        T_TRUE(addr_is(view.source, i % 2 ? "198.51.100.7" : "198.51.100.8"));
    }
    T_EQ_U64(view.n_lb_replies, 0);
    cloud_world_free(w);
}

static void
test_proxy(void)
{
    CloudWorld *w = cloud_world_new("Local", "{dataPath: proxy, clientIP: replaced, hash: round-robin}", NULL);
    PodView view;
    Asked asked;
    size_t n;
    g_autofree LbTargetInfo *targets = NULL;

    pod_view_init(&view, w);
    for (int i = 0; i < 4; i++) {
        cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
        T_TRUE(asked.ok);
        T_TRUE(addr_is(view.source, "192.168.49.250"));
    }
    targets = lb_targets(cloud_lb(w->cloud, "default", "web"), &n);
    T_EQ_U64(n, 3);
    T_EQ_U64(targets[0].flows, 2);
    T_EQ_U64(targets[1].flows, 2);
    T_EQ_U64(targets[2].flows, 0);
    T_EQ_U64(targets[0].active + targets[1].active, 0);
    cloud_world_free(w);
}

static void
test_tunnel(void)
{
    CloudWorld *w = cloud_world_new("Cluster", "{dataPath: route}", NULL);
    const Service *web = (const Service *)store_get(w->input->store, KIND_SERVICE, "default", "web");
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    T_EQ_STR(web->ingress[0].ip, web->cluster_ips[0]);
    cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
    T_TRUE(asked.ok);
    T_EQ_U64(view.n_pod_syns, 1);
    T_TRUE(lb_host(cloud_lb(w->cloud, "default", "web")) == NULL);
    cloud_world_free(w);
}

/* --- Every profile ----------------------------------------------------------------------------------------------- */

static const char *const profiles[] = {
    "aws-clb",
    "aws-alb-instance",
    "aws-alb-ip",
    "aws-nlb-instance",
    "aws-nlb-ip",
    "aws-nlb-ip-preserve",
    "azure-standard",
    "azure-standard-no-floating-ip",
    "cloud-provider-kind",
    "gcp-neg",
    "gcp-passthrough-external",
    "gcp-passthrough-internal",
    "gcp-passthrough-weighted",
    "generic",
    "haproxy-tcp",
    "metallb-bgp",
    "metallb-l2",
    "minikube-tunnel",
};

static void
check_profile(const char *name, const char *policy)
{
    g_autofree char *balancer = g_strdup_printf("{profile: %s}", name);
    CloudWorld *w = cloud_world_new(policy, balancer, NULL);
    const LbProfile *p = cloud_profile(w->cloud);
    PodView view;
    Asked asked;
    bool whole = true, kept;

    pod_view_init(&view, w);
    for (int i = 0; i < 4; i++) {
        cloud_world_ask(w, i % 2 ? "laptop" : "phone", cloud_world_vip(w), 80, "/", &asked);
        whole &= asked.ok && asked.status == 200;
        kept = ipaddr_eq(view.source, i % 2 ? ipaddr_v4(198, 51, 100, 7) : ipaddr_v4(198, 51, 100, 8));
        /* Kept by the balancer, and by the node where it does not go on to another. */
        if (p->path == LB_PATH_ROUTE)
            whole &= !kept; /* The address is the clusterIP, whose rule comes first and knows no external policy. */
        else if (strcmp(policy, "Local") == 0 || p->targets == LB_TARGETS_PODS)
            whole &= kept == p->client_ip;
        else
            whole &= !kept;
    }
    /* Nothing flaps while nothing happens. */
    cloud_world_run(w, 300);
    if (!whole || strstr(w->story->str, "unhealthy"))
        printf("    %s, %s: %s\n%s", name, policy, whole ? "flaps" : "a request failed", w->story->str);
    T_TRUE(whole);
    T_TRUE(strstr(w->story->str, "unhealthy") == NULL);
    cloud_world_free(w);
}

static void
test_profiles(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(profiles); i++) {
        check_profile(profiles[i], "Local");
        check_profile(profiles[i], "Cluster");
    }
}

/* --- Choice ------------------------------------------------------------------------------------------------------ */

static double
share_of(CloudWorld *w, const char *target, uint32_t n)
{
    size_t n_targets;
    g_autofree LbTargetInfo *list = lb_targets(cloud_lb(w->cloud, "default", "web"), &n_targets);

    for (size_t i = 0; i < n_targets; i++)
        if (strcmp(list[i].name, target) == 0)
            return (double)list[i].flows / n;
    return 0;
}

static void
ask_often(CloudWorld *w, int n)
{
    Asked asked;

    for (int i = 0; i < n; i++)
        cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
}

static void
test_spread(void)
{
    CloudWorld *w = cloud_world_new("Cluster", "{dataPath: dsr, hash: maglev}", NULL);

    ask_often(w, 300);
    for (int i = 1; i <= 3; i++) {
        g_autofree char *name = g_strdup_printf("n%d", i);
        double share = share_of(w, name, 300);
        /* Three standard deviations of a share of 1/3 of 300. */
        T_TRUE(share > 0.333 - 0.082 && share < 0.333 + 0.082);
    }
    cloud_world_free(w);
}

/* The same by exact enumeration: the first choice of a flow through --all's chance source. */
static void
test_enumerated(void)
{
    ChanceScript script;
    double of_n3 = 0, sum = 0;
    int n_runs = 0;

    chance_script_init(&script);
    do {
        CloudWorld *w = cloud_world_new("Cluster", "{dataPath: dsr, hash: 5-tuple}", NULL);
        cluster_sim(w->cluster)->chance = &script.base;
        ask_often(w, 1);
        sum += chance_script_probability(&script);
        if (share_of(w, "n3", 1) > 0)
            of_n3 += chance_script_probability(&script);
        n_runs++;
        cloud_world_free(w);
    } while (chance_script_next(&script));
    chance_script_clear(&script);
    T_EQ_I64(n_runs, 6); /* Three nodes, two pods each. */
    T_TRUE(sum > 0.999999 && sum < 1.000001);
    T_TRUE(of_n3 > 0.333333 && of_n3 < 0.333334);
}

static void
test_source_hash(void)
{
    CloudWorld *w = cloud_world_new("Cluster", "{dataPath: dsr, hash: source}", NULL);
    double share;

    ask_often(w, 20);
    share = share_of(w, "n1", 20) + share_of(w, "n2", 20) * 2 + share_of(w, "n3", 20) * 3;
    T_TRUE(share == 1 || share == 2 || share == 3);
    cloud_world_free(w);
}

static void
set_zone(CloudWorld *w, const char *node, const char *zone)
{
    cluster_node(w->cluster, node)->zone = zone;
}

/* n1 alone in zone a gets what n2 and n3 share in zone b. */
static void
test_zones(void)
{
    CloudWorld *w = cloud_world_new("Cluster", "{dataPath: nat, crossZone: false}", NULL);
    KubeNode *copy;

    set_zone(w, "n1", "a");
    set_zone(w, "n2", "b");
    set_zone(w, "n3", "b");
    /* Any change of a node makes the controller look again. */
    copy = (KubeNode *)api_copy(store_get(w->input->store, KIND_NODE, "", "n1"));
    labels_set(&copy->meta.labels, "x", "y");
    store_put(w->input->store, &copy->meta);
    cloud_world_run(w, 101);
    ask_often(w, 200);
    T_TRUE(share_of(w, "n1", 200) > 0.4 && share_of(w, "n1", 200) < 0.6);
    cloud_world_free(w);
}

/* --- Limits and ends --------------------------------------------------------------------------------------------- */

/* A pod that is the target itself. */
static void
test_hairpin(void)
{
    CloudWorld *w = cloud_world_new(
        "Local",
        "{dataPath: nat, targets: pods, hairpin: drop, ipMode: Proxy, probe: {local: {kind: tcp, port: traffic}}}",
        NULL);
    HttpClientOptions options = {.timeout = 3 * SIMTIME_SEC};
    Sim *sim = cluster_sim(w->cluster);
    ClusterPod *pod = cluster_pod(w->cluster, "default", "web-a");
    uint32_t n_dropped = 0, n_ok = 0;
    PodView view;

    pod_view_init(&view, w);
    for (int i = 0; i < 12; i++) {
        Asked asked = {0};
        view.n_lb_drops = 0;
        http_client_get(cluster_pod_host(pod), cloud_world_vip(w), 80, &options, asked_done, &asked);
        sim_run_until(sim, sim->now + 4 * SIMTIME_SEC);
        if (asked.ok)
            n_ok++;
        else if (view.n_lb_drops > 0 && view.drop == DROP_LB_HAIRPIN)
            n_dropped++;
    }
    T_TRUE(n_dropped > 0);
    T_TRUE(n_ok > 0);
    T_EQ_U64(n_ok + n_dropped, 12);
    cloud_world_free(w);
}

typedef struct {
    SocketError error;
    bool connected, closed;
} Held;

static void
held_connected(Socket *s, void *user)
{
    (void)s;
    ((Held *)user)->connected = true;
}

static void
held_closed(Socket *s, SocketError error, void *user)
{
    Held *held = user;

    (void)s;
    held->closed = true;
    held->error = error;
}

static const SocketCallbacks held_callbacks = {.connected = held_connected, .closed = held_closed};

static Socket *
hold(CloudWorld *w, Held *held)
{
    Host *client = cluster_client(w->cluster, "laptop")->host;

    *held = (Held){0};
    return tcp_connect(client, cloud_world_vip(w), 80, NULL, &held_callbacks, held, NULL);
}

static void
check_idle(const char *action, SocketError error)
{
    g_autofree char *balancer = g_strdup_printf("{dataPath: nat, idleTimeout: {tcp: 20s, action: %s}}", action);
    CloudWorld *w = cloud_world_new("Local", balancer, NULL);
    PayloadBuf *buf = payload_buf_new("GET / HTTP/1.1\r\n", 16);
    Held held;
    Socket *s = hold(w, &held);

    cloud_world_run(w, 15);
    T_TRUE(held.connected);
    tcp_send(s, buf, 0, buf->size);
    cloud_world_run(w, 30);
    T_TRUE(!held.closed);
    cloud_world_run(w, 60);
    tcp_send(s, buf, 0, buf->size);
    cloud_world_run(w, 65);
    T_EQ_I64(held.closed, error == SOCK_RST);
    if (held.closed)
        T_EQ_I64(held.error, error);
    payload_buf_unref(buf);
    cloud_world_free(w);
}

static void
test_idle(void)
{
    check_idle("rst", SOCK_RST);
    check_idle("silent", SOCK_OK);
}

/* --- PROXY protocol ---------------------------------------------------------------------------------------------- */

typedef struct {
    TraceSink sink;
    uint8_t bytes[64];
    uint32_t len;
} FirstBytes;

static void
first_bytes_record(TraceSink *sink, const TraceRecord *r)
{
    FirstBytes *first = (FirstBytes *)sink;
    const Payload *payload = &r->pkt->payload;

    if (r->pkt->proto != IPPROTO_TCP_ || r->pkt->dport != 8080 || payload->len == 0 || first->len > 0)
        return;
    first->len = MIN(payload->len, (uint32_t)sizeof first->bytes);
    memcpy(first->bytes, payload->buf->data + payload->offset, first->len);
}

static void
check_proxy_header(const char *version, const void *want, size_t size, bool with_port)
{
    g_autofree char *balancer = g_strdup_printf(
        "{dataPath: proxy, clientIP: replaced, proxyProtocol: %s, addresses: {ipv4: 203.0.113.200/32}}", version);
    CloudWorld *w = cloud_world_new("Local", balancer,
                                    "---\napiVersion: svcsim/v1\nkind: Application\nmetadata: {name: web}\n"
                                    "spec: {selector: {app: web}, proxyProtocol: true}\n");
    FirstBytes first = {.sink = {.mask = TRACE_BIT(TRACE_DELIVER), .record = first_bytes_record}};
    Asked asked;

    trace_add_sink(cluster_sim(w->cluster), &first.sink);
    cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
    T_TRUE(asked.ok);
    T_TRUE(first.len >= size);
    T_TRUE(memcmp(first.bytes, want, size) == 0);
    if (with_port) { /* Source port, then destination port 80. */
        T_EQ_I64(first.bytes[26], 0);
        T_EQ_I64(first.bytes[27], 80);
    }
    cloud_world_free(w);
}

static void
test_proxy_protocol(void)
{
    static const char v1[] = "PROXY TCP4 198.51.100.7 203.0.113.200 ";
    static const uint8_t v2[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
                                 0x21, 0x11, 0x00, 0x0c, 198,  51,   100,  7,    203,  0,    113,  200};

    check_proxy_header("v1", v1, sizeof v1 - 1, false);
    check_proxy_header("v2", v2, sizeof v2, true);
}

/* --- Announcements ----------------------------------------------------------------------------------------------- */

static bool
ask_ok(CloudWorld *w)
{
    Asked asked;

    cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
    return asked.ok;
}

static void
test_l2_failover(void)
{
    CloudWorld *w = cloud_world_new(
        "Local", "{dataPath: announce, announce: l2, probe: {cluster: {kind: none}, local: {kind: none}}}", NULL);
    size_t n;
    bool ok_1, ok_2;

    g_free(lb_targets(cloud_lb(w->cloud, "default", "web"), &n));
    T_EQ_U64(n, 2); /* n3 has no endpoint. */
    T_TRUE(ask_ok(w));
    host_set_down(cluster_node(w->cluster, "n1")->host, true);
    ok_1 = ask_ok(w);
    host_set_down(cluster_node(w->cluster, "n1")->host, false);
    cloud_world_run(w, 30);
    host_set_down(cluster_node(w->cluster, "n2")->host, true);
    ok_2 = ask_ok(w);
    T_TRUE(ok_1 != ok_2); /* One of them announces. */
    cloud_world_run(w, 60);
    T_TRUE(strstr(w->story->str, "target n2 unhealthy") != NULL);
    cloud_world_free(w);
}

/* The announcer is who carries the client's frames though no pod of the Service is on it, or is told when it dies. */
static void
test_l2_moves(void)
{
    CloudWorld *w = cloud_world_new("Cluster", "{profile: metallb-l2}", NULL);
    NetDev *eth0 = host_dev(cluster_node(w->cluster, "n3")->host, "eth0");
    bool announces;

    T_TRUE(ask_ok(w));
    announces = netdev_stats(eth0)->rx_packets > 0;
    host_set_down(cluster_node(w->cluster, "n3")->host, true);
    cloud_world_run(w, 60);
    T_TRUE(strstr(w->story->str, "target n3 unhealthy (its peers hear nothing of it)") != NULL);
    T_TRUE(ask_ok(w)); /* Pods are on n1 and n2, one of which has the address now. */
    T_EQ_I64(strstr(w->story->str, "announces the address") != NULL, announces);
    cloud_world_free(w);
}

/* --- Controller -------------------------------------------------------------------------------------------------- */

static void
test_provisioning(void)
{
    CloudWorld *w = cloud_world_new("Local", "{dataPath: nat, latency: {provision: 7s}}", NULL);
    Service *copy = (Service *)api_copy(store_get(w->input->store, KIND_SERVICE, "default", "web"));
    const Service *web;

    copy->meta.name = strings_add(store_strings(w->input->store), "late");
    copy->cluster_ips[0] = strings_add(store_strings(w->input->store), "10.96.77.77");
    copy->health_check_node_port = 0;
    copy->n_ingress = 0;
    store_put(w->input->store, &copy->meta);
    cloud_world_run(w, 6.9);
    T_TRUE(cloud_lb(w->cloud, "default", "late") == NULL);
    cloud_world_run(w, 7.1);
    T_TRUE(cloud_lb(w->cloud, "default", "late") != NULL);
    web = (const Service *)store_get(w->input->store, KIND_SERVICE, "default", "late");
    T_EQ_U64(web->n_ingress, 1);
    store_remove(w->input->store, KIND_SERVICE, "default", "late");
    cloud_world_run(w, 8);
    T_TRUE(cloud_lb(w->cloud, "default", "late") == NULL);
    cloud_world_free(w);
}

static void
test_draining(void)
{
    CloudWorld *w =
        cloud_world_new("Local", "{dataPath: nat, deregistrationDelay: 20s, latency: {nodeSync: 0s}}", NULL);
    KubeNode *copy = (KubeNode *)api_copy(store_get(w->input->store, KIND_NODE, "", "n1"));

    labels_set(&copy->meta.labels, "node.kubernetes.io/exclude-from-external-load-balancers", "");
    store_put(w->input->store, &copy->meta);
    cloud_world_run(w, 1);
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "n1")), "draining");
    T_TRUE(ask_ok(w));
    cloud_world_run(w, 30);
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "n1")), "gone");
    cloud_world_free(w);
}

/* --- Diagnostics ------------------------------------------------------------------------------------------------- */

static void
check_said(const char *balancer, const char *expected)
{
    g_autofree char *text =
        g_strdup_printf("apiVersion: svcsim/v1\nkind: Cluster\nspec:\n  loadBalancer: %s\n", balancer);
    Input *input = input_load_text("bad.yaml", text);
    char *out;

    T_TRUE(!cloud_fill(input));
    out = said(input->diags, DIAG_ERROR);
    if (!test_check(strstr(out, expected) != NULL, __LINE__, __FILE__, __func__, "%s says %s", balancer, expected))
        printf("%s", out);
    free(out);
    input_free(input);
}

static void
test_diagnostics(void)
{
    check_said("{profile: aws-nlb-instanse}", "did you mean \"aws-nlb-instance\"");
    check_said("{dataPaht: nat}", "did you mean \"dataPath\"");
    check_said("{dataPath: nat, proxyProtocol: v1}", "proxyProtocol needs dataPath proxy");
    check_said("{dataPath: proxy}", "cannot preserve the client's address");
    check_said("{dataPath: dsr, targets: pods}", "a pod does not own the load balancer's address");
    check_said("{probe: {local: {interval: 0s}}}", "interval above 0");
    check_said("{probe: {cluster: {port: healthCheckNodePort}}}", "has no healthCheckNodePort");
    check_said("{probe: {local: {unhealthy: 0}}}", "unhealthy");
}

const TestSuite suite_cloud = {"model/cloud",
                               {{"NAT keeps the client's address and brings the answer back", test_nat},
                                {"NAT to nodes with policy Cluster: the node masquerades", test_nat_cluster_policy},
                                {"NAT to pods from an address of the balancer", test_nat_source_replaced},
                                {"direct server return: answers bypass the balancer", test_dsr},
                                {"a proxy makes two connections, in turn", test_proxy},
                                {"minikube tunnel: the clusterIP is the address", test_tunnel},
                                {"every profile serves, shows the right source and does not flap", test_profiles},
                                {"targets get equal shares", test_spread},
                                {"choices can be enumerated with exact weights", test_enumerated},
                                {"a source hash keeps a client at its target", test_source_hash},
                                {"without cross-zone balancing zones get equal shares", test_zones},
                                {"a target does not reach itself", test_hairpin},
                                {"idle flows end by RST or in silence", test_idle},
                                {"the PROXY header names the client", test_proxy_protocol},
                                {"L2: one node with endpoints announces", test_l2_failover},
                                {"L2: the address moves when its node dies", test_l2_moves},
                                {"a Service gets its address in time, and loses it", test_provisioning},
                                {"a deregistered target drains", test_draining},
                                {"faults in a profile are told", test_diagnostics},
                                {0}}};
