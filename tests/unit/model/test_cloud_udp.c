/* UDP behind load balancers: sessions of a proxy, and kinds that carry no UDP */

#include "tests/unit/model/cloud_world.h"

static const char dns_service[] = "---\napiVersion: v1\nkind: Service\nmetadata: {name: dns}\n"
                                  "spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web},\n"
                                  "  ports: [{name: dns, port: 53, targetPort: 5353, protocol: UDP}]}\n";

#define PROXY_FIELDS "dataPath: proxy, clientIP: replaced, hash: round-robin, idleTimeout: {tcp: 50s, udp: 60s}"

/* A client's socket and what it hears. */
typedef struct {
    CloudWorld *w;
    Socket *socket;
    IpAddr vip, from;
    uint16_t from_port;
    uint32_t n_answers;
} Caller;

static void
on_answer(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    Caller *c = user;

    (void)s;
    (void)payload;
    c->from = from;
    c->from_port = from_port;
    c->n_answers++;
}

static void
caller_init(Caller *c, CloudWorld *w, const char *client)
{
    static const SocketCallbacks callbacks = {.received = on_answer};
    SocketOptions options = {.local_port = 40000, .flow = ++w->flow};
    SocketError error;

    memset(c, 0, sizeof *c);
    c->w = w;
    T_TRUE(lb_address(cloud_lb(w->cloud, "default", "dns"), FAMILY_IPV4, &c->vip));
    c->socket = udp_open(cluster_client(w->cluster, client)->host, &options, &callbacks, c, &error);
    T_TRUE(c->socket != NULL);
}

static void
call(Caller *c)
{
    Sim *sim = cluster_sim(c->w->cluster);
    PayloadBuf *buf = payload_buf_new("query", 5);

    udp_send(c->socket, c->vip, 53, buf, 0, buf->size);
    payload_buf_unref(buf);
    sim_run_until(sim, sim->now + SIMTIME_SEC);
}

static LbTargetInfo
target_of(const CloudWorld *w, const char *name)
{
    size_t n;
    g_autofree LbTargetInfo *list = lb_targets(cloud_lb(w->cloud, "default", "dns"), &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return list[i];
    return (LbTargetInfo){.name = NULL};
}

static uint64_t
sessions_of(const CloudWorld *w, uint64_t *ret_active)
{
    LbTargetInfo one = target_of(w, "n1"), other = target_of(w, "n2");

    *ret_active = one.active + other.active;
    return one.flows + other.flows;
}

static void
test_sessions(void)
{
    CloudWorld *w = cloud_world_new("Local", "{" PROXY_FIELDS "}", dns_service);
    Caller laptop, phone;
    uint64_t active;

    caller_init(&laptop, w, "laptop");
    caller_init(&phone, w, "phone");
    for (int i = 0; i < 5; i++)
        call(&laptop);
    /* One session, and answers from the address that was called. */
    T_EQ_U64(laptop.n_answers, 5);
    T_TRUE(ipaddr_eq(laptop.from, laptop.vip));
    T_EQ_U64(laptop.from_port, 53);
    T_EQ_U64(sessions_of(w, &active), 1);
    T_EQ_U64(active, 1);
    /* Another client's, the same port: a session of its own, to the next target. */
    call(&phone);
    T_EQ_U64(phone.n_answers, 1);
    T_EQ_U64(target_of(w, "n1").flows, 1);
    T_EQ_U64(target_of(w, "n2").flows, 1);
    cloud_world_free(w);
}

static void
test_idle(void)
{
    CloudWorld *w = cloud_world_new("Local", "{" PROXY_FIELDS "}", dns_service);
    Sim *sim = cluster_sim(w->cluster);
    Caller laptop;
    uint64_t active;

    caller_init(&laptop, w, "laptop");
    call(&laptop); /* At 0 s. */
    sim_run_until(sim, 55 * SIMTIME_SEC);
    call(&laptop); /* Keeps it. */
    sim_run_until(sim, 114 * SIMTIME_SEC);
    T_EQ_U64(sessions_of(w, &active), 1);
    T_EQ_U64(active, 1);
    sim_run_until(sim, 116 * SIMTIME_SEC); /* 60 s after the answer at 55 s. */
    T_EQ_U64(sessions_of(w, &active), 1);
    T_EQ_U64(active, 0);
    call(&laptop);
    T_EQ_U64(laptop.n_answers, 3);
    T_EQ_U64(sessions_of(w, &active), 2);
    T_EQ_U64(active, 1);
    cloud_world_free(w);
}

static void
test_target_lost(void)
{
    CloudWorld *w = cloud_world_new("Local", "{" PROXY_FIELDS "}", dns_service);
    Sim *sim = cluster_sim(w->cluster);
    Caller laptop;
    const char *first;

    caller_init(&laptop, w, "laptop");
    call(&laptop);
    first = target_of(w, "n1").flows ? "n1" : "n2";
    host_set_down(cluster_node(w->cluster, first)->host, true);
    call(&laptop); /* Not yet noticed: lost. */
    T_EQ_U64(laptop.n_answers, 1);
    sim_run_until(sim, 60 * SIMTIME_SEC);
    T_EQ_STR(lb_target_state_name(target_of(w, first).state), "unhealthy");
    T_EQ_U64(target_of(w, first).active, 0);
    call(&laptop);
    T_EQ_U64(laptop.n_answers, 2);
    T_EQ_U64(target_of(w, strcmp(first, "n1") == 0 ? "n2" : "n1").active, 1);
    /* None left: no answer, no session. */
    host_set_down(cluster_node(w->cluster, "n1")->host, true);
    host_set_down(cluster_node(w->cluster, "n2")->host, true);
    sim_run_until(sim, 120 * SIMTIME_SEC);
    call(&laptop);
    T_EQ_U64(laptop.n_answers, 2);
    T_TRUE(strstr(w->story->str, "no target for a datagram") != NULL);
    cloud_world_free(w);
}

/* Who sent the last datagram that a pod got. */
typedef struct {
    TraceSink sink;
    IpAddr source;
} DatagramView;

static void
datagram_view_record(TraceSink *sink, const TraceRecord *r)
{
    if (r->pkt->proto == IPPROTO_UDP_ && r->pkt->dport == 5353)
        ((DatagramView *)sink)->source = r->pkt->src;
}

/* As a Network Load Balancer with targets of type ip: datagrams keep the client's address, connections do not. */
static void
test_client_address(void)
{
    static const char *const fields[] = {"replaced", "{tcp: replaced, udp: preserved}"};

    for (int kept = 0; kept < 2; kept++) {
        g_autofree char *balancer = g_strdup_printf(
            "{dataPath: nat, targets: pods, clientIP: %s, probe: {local: {kind: tcp, port: 8080}}}", fields[kept]);
        CloudWorld *w = cloud_world_new("Local", balancer, dns_service);
        PodView view;
        DatagramView datagrams = {.sink = {.mask = TRACE_BIT(TRACE_DELIVER), .record = datagram_view_record}};
        Caller laptop;
        Asked asked;
        trace_add_sink(cluster_sim(w->cluster), &datagrams.sink);
        caller_init(&laptop, w, "laptop");
        call(&laptop);
        T_EQ_U64(laptop.n_answers, 1);
        T_TRUE(addr_is(datagrams.source, kept ? "198.51.100.7" : "192.168.49.250"));
        pod_view_init(&view, w);
        cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
        T_TRUE(asked.ok);
        T_TRUE(addr_is(view.source, "192.168.49.249"));
        cloud_world_free(w);
    }
}

static void
test_refused(void)
{
    CloudWorld *w = cloud_world_new("Local", "{" PROXY_FIELDS ", protocols: [TCP]}", dns_service);
    Service *copy;

    T_TRUE(cloud_lb(w->cloud, "default", "web") != NULL);
    T_TRUE(cloud_lb(w->cloud, "default", "dns") == NULL);
    T_EQ_U64(diags_warnings(w->input->diags), 1);
    T_TRUE(strstr(w->story->str, "lb default/dns: SyncLoadBalancerFailed: ") != NULL);
    T_TRUE(strstr(w->story->str, "carries TCP, and port 53 is UDP") != NULL);
    T_EQ_U64(((const Service *)store_get(w->input->store, KIND_SERVICE, "default", "dns"))->n_ingress, 0);
    /* A port of the right protocol, and there is one. */
    copy = (Service *)api_copy(store_get(w->input->store, KIND_SERVICE, "default", "dns"));
    copy->ports[0].proto = IPPROTO_TCP_;
    store_put(w->input->store, &copy->meta);
    cloud_world_run(w, 10);
    T_TRUE(cloud_lb(w->cloud, "default", "dns") != NULL);
    /* And gone again. */
    copy = (Service *)api_copy(store_get(w->input->store, KIND_SERVICE, "default", "dns"));
    copy->ports[0].proto = IPPROTO_UDP_;
    store_put(w->input->store, &copy->meta);
    cloud_world_run(w, 20);
    T_TRUE(cloud_lb(w->cloud, "default", "dns") == NULL);
    cloud_world_free(w);
}

static void
test_contradictions(void)
{
    static const struct {
        const char *fields, *message;
    } cases[] = {
        {"{dataPath: proxy, clientIP: replaced, protocols: [TCP, SCTP]}", "dataPath proxy speaks TCP and UDP"},
        {"{dataPath: proxy, clientIP: replaced, proxyProtocol: v2, protocols: [TCP, UDP]}", "go with TCP only"},
        {"{protocols: []}", "at least one protocol"},
        {"{protocols: [TPC]}", "TPC"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strdup_printf("apiVersion: svcsim/v1\nkind: Cluster\nspec: {loadBalancer: %s}\n", cases[i].fields);
        Input *input = input_load_text("balancer.yaml", text);
        LbProfile profile;
        char *message;
        T_TRUE(!lb_profile_load(input, &profile));
        T_TRUE(diags_errors(input->diags) > 0);
        message = said(input->diags, DIAG_ERROR);
        T_TRUE(strstr(message, cases[i].message) != NULL);
        free(message);
        input_free(input);
    }
}

const TestSuite suite_cloud_udp = {
    "model/cloud/udp",
    {{"a client's socket has a session with one target", test_sessions},
     {"a session ends when nothing passed for idleTimeout.udp", test_idle},
     {"sessions of a target that is out move with the next datagram", test_target_lost},
     {"datagrams keep the client's address where connections do not", test_client_address},
     {"a kind that carries no UDP makes no load balancer for it", test_refused},
     {"contradictory protocols are refused", test_contradictions}}};
