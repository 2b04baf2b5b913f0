/* facts/conntrack-and-nat-behaviour.json: tuples used again, retransmitted SYNs, ports of MASQUERADE, ping to a
 * Service. */

#include <string.h>

#include "model/input/doc.h"
#include "sim/netfilter/nf_text.h"
#include "tests/flow/compare.h"
#include "tests/flow/flow.h"
#include "tests/flow/world.h"

#define SIGNIFICANCE 1e-4
#define SERVICE_IP   "10.96.5.81"
#define SERVICE_PORT 3000

static const SocketCallbacks silent = {0};

typedef struct {
    FlowWorld *world;
    Cluster *cluster;
    Sim *sim;
    IpAddr service;
    uint64_t n_flows;
} Bench;

static void
bench_init(Bench *b, FlowRun *run, const DocNode *fact)
{
    g_autofree char *dir = flow_case_dir(run, "02-two-tier-scaled");

    b->world = flow_world_new(dir, strcmp(flow_text(fact, "mode"), "nftables") == 0 ? PROXY_NFTABLES : PROXY_IPTABLES);
    b->cluster = flow_world_cluster(b->world);
    b->sim = cluster_sim(b->cluster);
    b->n_flows = 0;
    ipaddr_parse(SERVICE_IP, &b->service);
}

/* To the Service from a fixed port (0: any). */
static Socket *
dial(Bench *b, Host *from, uint16_t port)
{
    SocketError error;
    SocketOptions options = {.local_port = port, .flow = ++b->n_flows};

    return tcp_connect(from, b->service, SERVICE_PORT, &options, &silent, NULL, &error);
}

/* The newest entry of a node's table towards the Service. */
typedef struct {
    IpAddr service;
    CtTuple reply;
    bool found;
} Newest;

static void
note_entry(const Conn *conn, void *user)
{
    Newest *newest = user;
    CtTuple orig = conn_tuple(conn, CT_ORIG);

    if (!ipaddr_eq(orig.dst, newest->service))
        return;
    newest->reply = conn_tuple(conn, CT_REPLY);
    newest->found = true;
}

static CtTuple
newest_reply(const Bench *b)
{
    Newest newest = {.service = b->service};

    conntrack_each(nf_stack_conntrack(host_netfilter(cluster_node(b->cluster, "minikube")->host)), note_entry, &newest);
    return newest.reply;
}

static void
count_backend(GArray *counts, IpAddr addr)
{
    uint32_t index = addr.b[14]; /* 10.244.N.10 */

    if (counts->len <= index)
        g_array_set_size(counts, index + 1);
    g_array_index(counts, uint32_t, index)++;
}

/* p-value of equal shares among 'kinds'. */
static double
equal_shares(const uint32_t *counts, uint32_t kinds)
{
    double n = 0, chi2 = 0;

    for (uint32_t i = 0; i < kinds; i++)
        n += counts[i];
    for (uint32_t i = 0; i < kinds; i++)
        chi2 += (counts[i] - n / kinds) * (counts[i] - n / kinds) * kinds / n;
    return chi2_tail(chi2, kinds - 1);
}

/* --- The same tuple after a reset draws anew -------------------------------------------------------------------- */

static void
check_tuple_reuse(FlowRun *run, const char *label, const DocNode *fact)
{
    g_autoptr(GArray) counts = g_array_new(FALSE, TRUE, sizeof(uint32_t));
    const DocNode *recorded = node_get(fact, "tcp_same_source_port_x40_backends");
    uint32_t want[3] = {0};
    Bench b;

    bench_init(&b, run, fact);
    for (int i = 0; i < 40; i++) {
        Socket *s = dial(&b, cluster_pod_host(cluster_pod(b.cluster, "default", "client-0")), 50000);
        sim_run_until(b.sim, b.sim->now + 20 * SIMTIME_MSEC);
        count_backend(counts, newest_reply(&b).src);
        tcp_abort(s);
        sim_run_until(b.sim, b.sim->now + 20 * SIMTIME_MSEC);
    }
    for (uint32_t i = 0; i < recorded->n && i < 3; i++)
        want[i] = (uint32_t)atoi(recorded->items[i]->text);
    flow_check(run, label, counts->len == 3 && equal_shares((uint32_t *)(void *)counts->data, 3) > SIGNIFICANCE,
               "one source port 40 times: shares of the backends are not equal");
    flow_check(run, label, recorded->n == 3 && equal_shares(want, 3) > SIGNIFICANCE, "recorded shares are not equal");
    flow_world_free(b.world);
}

/* --- A retransmitted SYN stays with its backend ----------------------------------------------------------------- */

/* Its packets end unanswered. */
static void
blackhole(Host *pod)
{
    static const char rules[] = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
    g_autoptr(GPtrArray) notes = NULL;
    NfNames *names = nf_names_new();
    NfRuleset *rs = nf_parse_iptables_save(names, FAMILY_IPV4, rules, strlen(rules), &notes);

    nf_stack_set_ruleset(host_netfilter(pod), FAMILY_IPV4, "test", rs);
    nf_ruleset_unref(rs);
    nf_names_unref(names);
}

static void
add_entry(const Conn *conn, void *user)
{
    void **to = user;
    g_autofree char *line = conn_format(to[1], conn);

    g_string_append_printf(to[0], "%s\n", line);
}

static void
tables_of(const Bench *b, const char *node, GString *out)
{
    Conntrack *ct = nf_stack_conntrack(host_netfilter(cluster_node(b->cluster, node)->host));

    conntrack_each(ct, add_entry, (void *[]){out, ct});
}

/* Drawn ports as '*', for both sides. */
static char *
without_ports(const char *text)
{
    g_autoptr(GRegex) regex = g_regex_new("(:|sport=|dport=)(?!3000\\b)[0-9]+", 0, 0, NULL);

    return g_regex_replace(regex, text, -1, 0, "\\1*", 0, NULL);
}

static void
check_same_text(FlowRun *run, const char *label, const char *what, const char *want, const char *got)
{
    g_autofree char *a = without_ports(want), *b = without_ports(got);

    flow_check(run, label, strcmp(a, b) == 0, "%s\nrecorded:\n%s\nsimulated:\n%s", what, a, b);
}

static void
join(const DocNode *list, GString *out)
{
    for (uint32_t i = 0; list && i < list->n; i++)
        g_string_append_printf(out, "%s\n", list->items[i]->text);
}

static void
join_pod_lines(const GPtrArray *lines, GString *out)
{
    for (guint i = 0; i < lines->len; i++)
        if (g_str_has_prefix(lines->pdata[i], "p-"))
            g_string_append_printf(out, "%s\n", (char *)lines->pdata[i]);
}

static void
check_retransmission(FlowRun *run, const char *label, const DocNode *fact)
{
    const DocNode *packets = node_get(fact, "syn_retransmissions_seen (pod interfaces)");
    const DocNode *tables = node_get(fact, "conntrack");
    g_autoptr(GString) want = g_string_new(NULL), got = g_string_new(NULL);
    ClusterPod *victim;
    IpAddr addr;
    Host *client;
    Bench b;

    bench_init(&b, run, fact);
    client = cluster_pod_host(cluster_pod(b.cluster, "default", "client-0"));
    ipaddr_parse(flow_text(fact, "blackholed_backend"), &addr);
    victim = cluster_pod_by_ip(b.cluster, addr);
    blackhole(cluster_pod_host(victim));
    for (int i = 0; i < 100; i++) {
        Socket *s;
        flow_world_watch(b.world, client);
        s = dial(&b, client, 0);
        sim_run_until(b.sim, b.sim->now + 20 * SIMTIME_MSEC);
        if (ipaddr_eq(newest_reply(&b).src, addr))
            break;
        tcp_abort(s);
        flow_world_reset(b.world);
    }
    /* Four SYNs, a second apart; the entry's two minutes run from the first. */
    sim_run_until(b.sim, b.sim->now + 3900 * SIMTIME_MSEC);
    join(packets, want);
    join_pod_lines(flow_world_crossings(b.world), got);
    check_same_text(run, label, "retransmitted SYNs", want->str, got->str);
    for (uint32_t i = 0; tables && i < tables->n; i++) {
        g_string_truncate(want, 0);
        g_string_truncate(got, 0);
        join(tables->items[i], want);
        tables_of(&b, tables->keys[i]->text, got);
        check_same_text(run, label, tables->keys[i]->text, want->str, got->str);
    }
    flow_world_free(b.world);
}

/* --- Ports of MASQUERADE --random-fully ------------------------------------------------------------------------- */

#define MASQ_PORT_MIN 1024

typedef struct {
    uint32_t n, min, max, below, distinct;
} PortStats;

static void
check_port_stats(FlowRun *run, const char *label, const char *whose, const PortStats *p)
{
    /* 300 of 64,512 numbers: 0.7 repetitions are expected. */
    double share = (32768.0 - MASQ_PORT_MIN) / (65536 - MASQ_PORT_MIN), expected = p->n * share;
    double z2 = (p->below - expected) * (p->below - expected) / (expected * (1 - share));

    flow_check(run, label, p->min >= MASQ_PORT_MIN && p->max <= 65535, "%s ports %u to %u", whose, p->min, p->max);
    flow_check(run, label, chi2_tail(z2, 1) > SIGNIFICANCE, "%s: %u of %u ports below 32768", whose, p->below, p->n);
    flow_check(run, label, p->distinct + 6 > p->n, "%s: only %u of %u ports distinct", whose, p->distinct, p->n);
}

static void
check_masquerade_ports(FlowRun *run, const char *label, const DocNode *fact)
{
    const DocNode *recorded = node_get(fact, "masquerade_random_fully_ports");
    PortStats want = {.n = (uint32_t)atoi(flow_text(recorded, "n")),
                      .min = (uint32_t)atoi(flow_text(recorded, "min")),
                      .max = (uint32_t)atoi(flow_text(recorded, "max")),
                      .below = (uint32_t)atoi(flow_text(recorded, "below_32768")),
                      .distinct = (uint32_t)atoi(flow_text(recorded, "distinct"))};
    PortStats got = {.min = 65536};
    g_autofree bool *seen = g_new0(bool, 65536);
    Bench b;

    bench_init(&b, run, fact);
    while (got.n < want.n) {
        CtTuple reply;
        dial(&b, cluster_node(b.cluster, "minikube")->host, 0);
        sim_run_until(b.sim, b.sim->now + 20 * SIMTIME_MSEC);
        reply = newest_reply(&b);
        got.n++;
        got.min = MIN(got.min, reply.dport);
        got.max = MAX(got.max, reply.dport);
        got.below += reply.dport < 32768;
        got.distinct += !seen[reply.dport];
        seen[reply.dport] = true;
    }
    check_port_stats(run, label, "recorded", &want);
    check_port_stats(run, label, "simulated", &got);
    flow_world_free(b.world);
}

/* --- Ping ------------------------------------------------------------------------------------------------------- */

static void
check_ping(FlowRun *run, const char *label, const DocNode *fact, const char *key, bool from_node)
{
    const DocNode *ping = node_get(fact, key);
    g_autoptr(GString) want = g_string_new(NULL), got = g_string_new(NULL);
    const GPtrArray *lines;
    Host *client;
    Bench b;

    if (!ping)
        return;
    bench_init(&b, run, fact);
    client = from_node ? cluster_node(b.cluster, "minikube")->host
                       : cluster_pod_host(cluster_pod(b.cluster, "default", "client-0"));
    flow_world_watch(b.world, client);
    icmp_send_echo(client, b.service, 1, 1, 56);
    sim_run_until(b.sim, b.sim->now + SIMTIME_SEC);
    lines = flow_world_crossings(b.world);
    for (guint i = 0; i < lines->len; i++)
        g_string_append_printf(got, "%s\n", (char *)lines->pdata[i]);
    join(node_get(ping, "packets"), want);
    check_same_text(run, label, key, want->str, got->str);
    flow_world_free(b.world);
}

static void
check_fact(FlowRun *run, const char *label, const DocNode *fact)
{
    check_tuple_reuse(run, label, fact);
    check_retransmission(run, label, fact);
    check_masquerade_ports(run, label, fact);
    check_ping(run, label, fact, "ping ClusterIP from pod client-0", false);
    check_ping(run, label, fact, "ping ClusterIP from node minikube", true);
}

void
facts_conntrack(FlowRun *run)
{
    flow_facts(run, "conntrack-and-nat-behaviour", check_fact);
}
