#include "tests/flow/world.h"

#include <stdio.h>
#include <string.h>

#include "model/scenario/traffic.h"

/* The recorder's patience with a connect, and the time by which a closed or blocked connection is over in all hosts
 * (orphan and SYN-ACK retransmissions included). */
#define PATIENCE (500 * SIMTIME_MSEC)
#define REST     (240 * SIMTIME_SEC)

struct FlowWorld {
    TraceSink sink; /* First: the sink is the world. */
    Input *input;
    Cluster *cluster;
    bool recording, hasty;
    GPtrArray *lines; /* char *: crossings of this try. */
    Host *client;
    char *answer;  /* Of this try, as in FlowResult. */
    bool answered; /* SCTP: the INIT-ACK or an error is there. */
    bool init_ack;
    uint32_t n_tries; /* For names of flows. */
};

/* --- Seeing what crosses ---------------------------------------------------------------------------------------- */

/* Recorded names of hosts: pods are "p-" and the last 20 characters of their name. */
static char *
recorded_label(const NetDev *dev)
{
    const char *host = host_name(netdev_host(dev)), *name;

    if (g_str_has_prefix(host, "client/"))
        return g_strdup_printf("%s/%s", host + strlen("client/"), netdev_name(dev));
    if (!g_str_has_prefix(host, "pod/"))
        return g_strdup(netdev_label(dev));
    name = strrchr(host, '/') + 1;
    return g_strdup_printf("p-%s/%s", strlen(name) > 20 ? name + strlen(name) - 20 : name, netdev_name(dev));
}

/* The recorder kept TCP's opening and resets, and everything of other protocols. */
static bool
is_recorded(const Packet *pkt)
{
    return pkt->eth == ETH_IP && (pkt->proto != IPPROTO_TCP_ || (pkt->tcp.flags & (TCP_SYN | TCP_RST)));
}

static void
note_answer(FlowWorld *world, const Packet *pkt)
{
    bool error = packet_is_icmp_error(pkt), reset = pkt->proto == IPPROTO_TCP_ && (pkt->tcp.flags & TCP_RST);
    char text[PACKET_STR_SIZE];

    if (!error && !reset)
        return;
    world->answered = true;
    g_free(world->answer);
    world->answer = g_strdup(packet_format(pkt, text));
}

/* Both ends of an association are hand-made packets: a raw socket takes whatever SCTP reaches the client, and its
 * kernel's "protocol unreachable" with it.  Here nobody takes it, so that answer is passed over. */
static bool
is_taken_by_raw_socket(const FlowWorld *world, const TraceRecord *r)
{
    return r->host == world->client && r->kind == TRACE_DROP && r->drop.reason == DROP_NO_SOCKET &&
           r->pkt->proto == IPPROTO_SCTP_;
}

static bool
is_kept_back_by_raw_socket(const FlowWorld *world, const Packet *pkt)
{
    bool unknown_proto =
        packet_family(pkt) == FAMILY_IPV4 ? pkt->icmp.type == 3 && pkt->icmp.code == 2 : pkt->icmp.type == 4;

    if (!fib_is_local(host_fib(world->client), pkt->src, NULL))
        return false;
    if (packet_is_icmp_error(pkt))
        return unknown_proto && pkt->icmp.quote.proto == IPPROTO_SCTP_;
    return pkt->proto == IPPROTO_SCTP_ && pkt->sctp.chunk == SCTP_ABORT;
}

static void
on_crossing(TraceSink *sink, const TraceRecord *r)
{
    FlowWorld *world = (FlowWorld *)sink;
    char text[PACKET_STR_SIZE];
    g_autofree char *label = NULL;

    if (!world->recording || !r->pkt || !is_recorded(r->pkt))
        return;
    if (r->kind == TRACE_DROP) {
        world->init_ack |= is_taken_by_raw_socket(world, r) && r->pkt->sctp.chunk == SCTP_INIT_ACK;
        world->answered |= world->init_ack;
        return;
    }
    if (is_kept_back_by_raw_socket(world, r->pkt))
        return;
    label = recorded_label(r->dev);
    g_ptr_array_add(world->lines, g_strdup_printf("%s %s %s", label, r->kind == TRACE_DEV_IN ? "in" : "out",
                                                  packet_format(r->pkt, text)));
    if (r->kind == TRACE_DEV_IN && r->host == world->client)
        note_answer(world, r->pkt);
}

/* --- The world -------------------------------------------------------------------------------------------------- */

static void
quiet_limits(Cluster *cluster)
{
    size_t n;
    Host *const *hosts = cluster_hosts(cluster, &n);

    for (size_t i = 0; i < n; i++) {
        host_sysctls(hosts[i])->icmp_ratelimit = 0;
        host_sysctls(hosts[i])->icmp6_ratelimit = 0;
    }
}

FlowWorld *
flow_world_new(const char *dir, ProxyMode mode)
{
    g_autofree char *config = g_build_filename(dir, "config.yaml", NULL);
    g_autofree char *manifests = g_build_filename(dir, "manifests.yaml", NULL);
    const char *paths[] = {config, manifests};
    FlowWorld *world = g_new0(FlowWorld, 1);

    world->input = input_load(paths, 2);
    if (!diags_errors(world->input->diags)) {
        proxy_config_set_mode(&world->input->proxy, mode);
        world->input->proxy.min_sync_period = 0; /* The recorder called the syncs itself. */
        world->cluster = cluster_new(world->input, &(ClusterOptions){.seed = 1});
    }
    if (!world->cluster) {
        diags_print(world->input->diags, stdout, DIAG_ERROR);
        input_free(world->input);
        g_free(world);
        return NULL;
    }
    quiet_limits(world->cluster);
    world->lines = g_ptr_array_new_with_free_func(g_free);
    world->sink.mask = TRACE_BIT(TRACE_DEV_IN) | TRACE_BIT(TRACE_DEV_OUT) | TRACE_BIT(TRACE_DROP);
    world->sink.record = on_crossing;
    trace_add_sink(cluster_sim(world->cluster), &world->sink);
    return world;
}

void
flow_world_free(FlowWorld *world)
{
    if (!world)
        return;
    trace_remove_sink(cluster_sim(world->cluster), &world->sink);
    cluster_free(world->cluster);
    input_free(world->input);
    g_ptr_array_unref(world->lines);
    g_free(world->answer);
    g_free(world);
}

Cluster *
flow_world_cluster(const FlowWorld *world)
{
    return world->cluster;
}

void
flow_world_set_hasty(FlowWorld *world)
{
    world->hasty = true;
}

void
flow_world_watch(FlowWorld *world, Host *client)
{
    world->client = client;
    g_ptr_array_set_size(world->lines, 0);
    g_clear_pointer(&world->answer, g_free);
    world->answered = world->init_ack = false;
    world->recording = true;
}

const GPtrArray *
flow_world_crossings(FlowWorld *world)
{
    world->recording = false;
    return world->lines;
}

void
flow_world_reset(FlowWorld *world)
{
    Sim *sim = cluster_sim(world->cluster);

    sim_run_until(sim, sim->now + REST);
    cluster_flush_flows(world->cluster);
}

static const Service *
service_of(const FlowWorld *world, const RecordedFlow *flow)
{
    g_auto(GStrv) name = g_strsplit(flow->service ? flow->service : "", "/", 2);

    return name[0] && name[1] ? (const Service *)store_get(world->input->store, KIND_SERVICE, name[0], name[1]) : NULL;
}

bool
flow_world_is_sticky(const FlowWorld *world, const RecordedFlow *flow)
{
    const Service *s = service_of(world, flow);

    return s && s->affinity_client_ip;
}

bool
flow_world_is_etp_local(const FlowWorld *world, const RecordedFlow *flow)
{
    const Service *s = service_of(world, flow);

    return s && s->external_policy == POLICY_LOCAL;
}

/* --- One try ---------------------------------------------------------------------------------------------------- */

static Host *
find_host(const FlowWorld *world, const char *name)
{
    size_t n;
    Host *const *hosts = cluster_hosts(world->cluster, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(host_name(hosts[i]), name) == 0)
            return hosts[i];
    return NULL;
}

static Host *
client_host(const FlowWorld *world, const RecordedFlow *flow, char **ret_who)
{
    size_t n;
    ClusterPod *const *pods = cluster_pods(world->cluster, &n);

    if (strcmp(flow->client_kind, "external") == 0) {
        *ret_who = g_strconcat("client/", flow->client_name, NULL);
        return find_host(world, *ret_who);
    }
    if (strcmp(flow->client_kind, "node") == 0) {
        ClusterNode *node = cluster_node(world->cluster, flow->client_name);
        *ret_who = g_strconcat("node/", flow->client_name, NULL);
        return node ? node->host : NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (strcmp(pods[i]->name, flow->client_name) == 0) {
            *ret_who = g_strdup_printf("pod/%s/%s", pods[i]->ns, pods[i]->name);
            return cluster_pod_host(pods[i]);
        }
    return NULL;
}

static const char *
socket_outcome(const Flow *f)
{
    static const char *const names[][2] = {
        {"icmp-net-unreachable", "net-unreachable"},
        {"icmp-host-unreachable", "host-unreachable"},
        {"ttl-exceeded", "host-unreachable"},
        {"icmp-proto-unreachable", "error ENOPROTOOPT"},
        {"eperm", "error EPERM"},
        {"no-route", "net-unreachable"},
        {"no-neighbour", "host-unreachable"},
    };

    if (f->requests > 0)
        return "connected";
    if (f->outcome != FLOW_REFUSED)
        return "timeout";
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(f->reason, names[i][0]) == 0)
            return names[i][1];
    return "refused";
}

static void
play_sockets(FlowWorld *world, Traffic *traffic, const DialParams *params, Flow **ret_flow, const char **ret_outcome)
{
    Sim *sim = cluster_sim(world->cluster);

    SimTime end = sim->now + PATIENCE + SIMTIME_MSEC;

    *ret_flow = traffic_dial(traffic, params);
    if (world->hasty)
        while ((*ret_flow)->end < 0 && (*ret_flow)->requests == 0 && sim_step(sim, end))
            ;
    else
        sim_run_until(sim, end);
    *ret_outcome = socket_outcome(*ret_flow);
}

/* What the socket layer makes of the answer to a hand-made INIT. */
static const char *
answer_outcome(const FlowWorld *world)
{
    if (world->init_ack)
        return "connected";
    if (!world->answer)
        return "timeout";
    if (strstr(world->answer, "type 3 code 0") || strstr(world->answer, "type 1 code 0"))
        return "net-unreachable";
    if (strstr(world->answer, "type 11") || strstr(world->answer, "type 3 code 1 "))
        return "host-unreachable";
    if (strstr(world->answer, "type 3 code 2"))
        return "error ENOPROTOOPT";
    return "refused";
}

static void
play_init(FlowWorld *world, FlowBook *book, const DialParams *params, Flow **ret_flow, const char **ret_outcome)
{
    Sim *sim = cluster_sim(world->cluster);
    SimTime end = sim->now + PATIENCE;
    Packet *init = packet_new(sim);
    Flow *flow = flow_begin(book, params->name, params->from->text, params->to->text, world->client, IPPROTO_SCTP_);

    init->flow = flow->id;
    init->proto = IPPROTO_SCTP_;
    init->dst = params->to->addr;
    init->src = ipaddr_is_v4(&init->dst) ? IPADDR_ANY4 : IPADDR_ANY6;
    init->dport = params->to->port;
    init->sport = (uint16_t)(40000 + world->n_tries % 20000);
    init->sctp.chunk = SCTP_INIT;
    init->sctp.init_tag = world->n_tries;
    flow->client_port = init->sport;
    flow->client_addr = init->src;
    ip_source_for(world->client, init->dst, &flow->client_addr);
    ip_send(world->client, init);
    while (!world->answered && sim_step(sim, end))
        ;
    if (world->init_ack && !flow->has_reply) {
        flow->has_reply = true; /* Nothing takes the INIT-ACK: its sender is on the last crossing. */
        flow->reply_from = params->to->addr;
        flow->reply_port = params->to->port;
    }
    *ret_flow = flow;
    *ret_outcome = answer_outcome(world);
}

static void
add_conn(const Conn *conn, void *user)
{
    void **to = user;
    g_autofree char *line = conn_format(to[2], conn);

    g_ptr_array_add(to[0], g_strdup_printf("%s %s", (const char *)to[1], line));
}

static void
take_conntrack(const FlowWorld *world, GPtrArray *lines)
{
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(world->cluster, &n);

    for (size_t i = 0; i < n; i++) {
        Conntrack *ct = nf_stack_conntrack(host_netfilter(nodes[i]->host));
        if (ct)
            conntrack_each(ct, add_conn, (void *[]){lines, (void *)nodes[i]->name, ct});
    }
}

/* The load balancer's host. */
static const char *
name_of_owner(const FlowWorld *world, IpAddr addr)
{
    size_t n;
    Host *const *hosts = cluster_hosts(world->cluster, &n);

    for (size_t i = 0; i < n; i++)
        if (fib_is_local(host_fib(hosts[i]), addr, NULL))
            return host_name(hosts[i]);
    return NULL;
}

static FlowResult *
make_result(FlowWorld *world, const Flow *f, const char *outcome)
{
    FlowResult *r = flow_result_new();
    char text[IPPORT_STR_SIZE];

    r->outcome = g_strdup(outcome);
    r->client_src = g_strdup(ipaddr_format(f->client_addr, text));
    r->answer = g_steal_pointer(&world->answer);
    r->has_trace = true;
    for (guint i = 0; i < world->lines->len; i++)
        g_ptr_array_add(r->trace, g_strdup(world->lines->pdata[i]));
    take_conntrack(world, r->conntrack);
    if (strcmp(outcome, "connected") != 0)
        return r;
    r->server = g_strdup_printf("%s:%u", ipaddr_format(f->server_addr, text), f->server_port);
    r->server_pod = f->server_pod ? g_strdup(strrchr(f->server_pod, '/') + 1) : NULL;
    r->server_where = f->server_node ? g_strdup(f->server_node) : g_strdup(name_of_owner(world, f->server_addr));
    r->source_seen = g_strdup(ipaddr_format(f->source_seen, text));
    r->snat_ip_changed = !ipaddr_eq(f->source_seen, f->client_addr);
    r->snat = r->snat_ip_changed || f->source_seen_port != f->client_port;
    r->reply_from = f->has_reply ? g_strdup(ipport_format(f->reply_from, f->reply_port, text)) : NULL;
    return r;
}

static FlowResult *
play_once(FlowWorld *world, const RecordedFlow *flow, IpAddr to)
{
    g_autofree char *who = NULL, *name = g_strdup_printf("try-%u", world->n_tries++);
    FlowBook *book = flow_book_new(world->cluster);
    Traffic *traffic = traffic_new(world->cluster, book);
    Who from = {0};
    Where where = {.addr = to, .port = flow->port, .text = flow->ip};
    DialParams params = {.name = name, .from = &from, .to = &where, .timeout = PATIENCE, .hold = REST};
    FlowResult *result;
    const char *outcome;
    Flow *f;

    from.host = client_host(world, flow, &who);
    from.text = who;
    ipproto_parse(flow->proto, &where.proto);
    flow_world_watch(world, from.host);
    if (where.proto == IPPROTO_SCTP_)
        play_init(world, book, &params, &f, &outcome);
    else
        play_sockets(world, traffic, &params, &f, &outcome);
    world->recording = false;
    result = make_result(world, f, outcome);
    traffic_free(traffic);
    flow_book_free(book);
    return result;
}

static void
set_route(FlowWorld *world, const RecordedFlow *flow, IpAddr addr)
{
    if (flow->via)
        cluster_route_outside(world->cluster, addr, cluster_node(world->cluster, flow->via));
}

GPtrArray *
flow_world_play_all(FlowWorld *world, const RecordedFlow *flow)
{
    GPtrArray *results = g_ptr_array_new_with_free_func(flow_result_free);
    Sim *sim = cluster_sim(world->cluster);
    ChanceScript script;
    IpAddr to;

    if (!ipaddr_parse(flow->ip, &to))
        return results;
    set_route(world, flow, to);
    chance_script_init(&script);
    do {
        FlowResult *r;
        sim->chance = &script.base;
        r = play_once(world, flow, to);
        sim->chance = &sim->keyed.base;
        r->probability = chance_script_probability(&script);
        g_ptr_array_add(results, r);
        flow_world_reset(world);
    } while (chance_script_next(&script));
    chance_script_clear(&script);
    if (flow->via)
        cluster_route_outside(world->cluster, to, NULL);
    return results;
}

FlowResult *
flow_world_play(FlowWorld *world, const RecordedFlow *flow)
{
    IpAddr to;
    FlowResult *r;

    if (!ipaddr_parse(flow->ip, &to))
        return flow_result_new();
    set_route(world, flow, to);
    r = play_once(world, flow, to);
    if (flow->via)
        cluster_route_outside(world->cluster, to, NULL);
    return r;
}
