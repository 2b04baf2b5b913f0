/* facts/session-affinity.json: which choices are bound to which, and for how long.
 *
 * The record's servers are draws; what it shows is which of them are equal because they must be.  So the record is held
 * against the same statements as the simulation, and draws that must be independent are repeated many times. */

#include <string.h>

#include "model/input/doc.h"
#include "model/network/node_proxy.h"
#include "sim/netfilter/nf_text.h"
#include "tests/flow/flow.h"
#include "tests/flow/world.h"

/* Independent draws among three servers: all of them alike with probability 3^(1 - n). */
#define REPETITIONS 40
#define SECONDS(x)  ((SimTime)((x)*1e9))

#define STICKY_IP  "10.96.18.1"
#define STICKY3_IP "10.96.18.2"
#define NODE1_IP   "192.168.49.2"
#define NODE2_IP   "192.168.49.3"
#define NODE_PORT  30080
#define EXTERNAL2  "198.51.100.77"

typedef struct {
    FlowWorld *world;
    Sim *sim;
    const char *label;
    FlowRun *run;
} Bench;

static void
bench_init(Bench *b, FlowRun *run, const char *label, const DocNode *fact)
{
    g_autofree char *dir = flow_case_dir(run, "13-session-affinity");
    LinkParams link = {.latency = SIMTIME_MSEC};
    IpAddr addr;

    b->world = flow_world_new(dir, strcmp(flow_text(fact, "mode"), "nftables") == 0 ? PROXY_NFTABLES : PROXY_IPTABLES);
    b->sim = cluster_sim(flow_world_cluster(b->world));
    b->run = run;
    b->label = label;
    ipaddr_parse(EXTERNAL2, &addr);
    cluster_add_outside_host(flow_world_cluster(b->world), "client/second", &addr, 1, &link);
    flow_world_set_hasty(b->world);
}

/* The address that answered. */
static char *
server(Bench *b, const char *kind, const char *client, const char *ip, uint16_t port)
{
    RecordedFlow flow = {.client_kind = (char *)kind,
                         .client_name = (char *)client,
                         .ip = (char *)ip,
                         .port = port,
                         .proto = (char *)"TCP"};
    FlowResult *r = flow_world_play(b->world, &flow);
    char *addr = r->server ? g_strndup(r->server, strcspn(r->server, ":")) : g_strdup(r->outcome);

    flow_result_free(r);
    return addr;
}

static char *
constant_server(Bench *b, const char *kind, const char *client, const char *ip, uint16_t port, int n)
{
    char *first = server(b, kind, client, ip, port);

    for (int i = 1; i < n; i++) {
        g_autofree char *next = server(b, kind, client, ip, port);
        flow_check(b->run, b->label, strcmp(first, next) == 0, "%s to %s:%u: %s, then %s", client, ip, port, first,
                   next);
    }
    return first;
}

static void
recorded_constant(Bench *b, const DocNode *list, const char *key)
{
    for (uint32_t i = 1; list && list->kind == NODE_SEQUENCE && i < list->n; i++)
        flow_check(b->run, b->label, strcmp(list->items[0]->text, list->items[i]->text) == 0,
                   "recorded \"%s\" is not constant", key);
}

/* --- What shares a choice --------------------------------------------------------------------------------------- */

static void
check_scopes(Bench *b)
{
    static const char *const others[][2] = {
        {"pod", "client-1"}, {"pod", "client-2"}, {"external", "client"}, {"external", "second"}};
    int other_port_differs = 0, other_node_differs = 0, other_client_differs = 0;

    for (int i = 0; i < REPETITIONS; i++) {
        g_autofree char *port80 = constant_server(b, "pod", "client-0", STICKY_IP, 80, 4);
        g_autofree char *port81 = constant_server(b, "pod", "client-0", STICKY_IP, 81, 4);
        g_autofree char *own_node = constant_server(b, "pod", "client-0", NODE1_IP, NODE_PORT, 4);
        g_autofree char *other_node = constant_server(b, "pod", "client-0", NODE2_IP, NODE_PORT, 4);
        flow_check(b->run, b->label, strcmp(port80, own_node) == 0, "clusterIP %s, own node's port %s", port80,
                   own_node);
        other_port_differs += strcmp(port80, port81) != 0;
        other_node_differs += strcmp(port80, other_node) != 0;
        for (guint k = 0; k < G_N_ELEMENTS(others); k++) {
            g_autofree char *other =
                constant_server(b, others[k][0], others[k][1], k < 2 ? STICKY_IP : NODE1_IP, k < 2 ? 80 : NODE_PORT, 4);
            other_client_differs += strcmp(port80, other) != 0;
        }
        flow_world_reset(b->world);
    }
    flow_check(b->run, b->label, other_port_differs > 0 && other_node_differs > 0 && other_client_differs > 0,
               "another port, node or client always draws the same: %d, %d, %d differ", other_port_differs,
               other_node_differs, other_client_differs);
}

static void
check_recorded_scopes(Bench *b, const DocNode *fact)
{
    const char *port80 = NULL, *own_node = NULL;

    for (uint32_t i = 0; i < fact->n; i++) {
        const char *key = fact->keys[i]->text;
        const DocNode *value = fact->items[i];
        if (!strstr(key, " x") && !g_str_has_prefix(key, "port8") && !g_str_has_prefix(key, "different pods"))
            continue;
        recorded_constant(b, value, key);
        for (uint32_t k = 0; value->kind == NODE_MAPPING && k < value->n; k++)
            recorded_constant(b, value->items[k], key);
        if (g_str_has_prefix(key, "port80"))
            port80 = value->items[0]->text;
        if (strstr(key, "its own node"))
            own_node = value->items[0]->text;
    }
    flow_check(b->run, b->label, g_strcmp0(port80, own_node) == 0, "recorded: clusterIP %s, own node's port %s", port80,
               own_node);
}

/* --- How long --------------------------------------------------------------------------------------------------- */

static void
wait_until(Bench *b, SimTime at)
{
    sim_run_until(b->sim, at);
}

static void
check_clocks(Bench *b, const DocNode *fact)
{
    const DocNode *sliding = node_get(fact, "timeout3: one connection every 2 s (sliding refresh)");
    int differs = 0;

    for (uint32_t i = 1; sliding && i < sliding->n; i++)
        flow_check(b->run, b->label, strcmp(sliding->items[0]->items[1]->text, sliding->items[i]->items[1]->text) == 0,
                   "recorded: not sliding");
    for (int i = 0; i < REPETITIONS; i++) {
        SimTime start;
        g_autofree char *first = NULL, *again = NULL;
        flow_world_reset(b->world);
        start = b->sim->now;
        first = server(b, "pod", "client-0", STICKY3_IP, 80);
        for (int k = 1; k < 5; k++) {
            g_autofree char *next = NULL;
            wait_until(b, start + SECONDS(2 * k));
            next = server(b, "pod", "client-0", STICKY3_IP, 80);
            flow_check(b->run, b->label, strcmp(first, next) == 0, "every 2 s: %s, then %s", first, next);
        }
        wait_until(b, b->sim->now + SECONDS(3.3));
        again = server(b, "pod", "client-0", STICKY3_IP, 80);
        differs += strcmp(first, again) != 0;
    }
    /* Two in three differ: 40 draws within five standard deviations. */
    flow_check(b->run, b->label, differs > 11 && differs < 40, "after 3.3 s: %d of %d draws differ", differs,
               REPETITIONS);
}

/* --- Where it is kept ------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t n;
    uint8_t ttl;
} Seen;

static void
note_recent(const NfDynElem *elem, void *user)
{
    Seen *seen = user;

    seen->n++;
    seen->ttl = elem->ttl;
}

/* xt_recent: { "KUBE-SEP-...": "src=10.244.0.5 ttl: 64 ..." } */
static void
check_recent(Bench *b, const DocNode *fact)
{
    const DocNode *lists = node_get(fact, "xt_recent");
    const ClusterNode *node = cluster_node(flow_world_cluster(b->world), "minikube");

    for (uint32_t i = 0; lists && i < lists->n; i++) {
        const char *ttl = strstr(lists->items[i]->text, "ttl: ");
        Seen seen = {0};
        for (int k = 0; k < REPETITIONS && seen.n == 0; k++) {
            flow_world_reset(b->world);
            g_free(server(b, "pod", "client-0", STICKY_IP, 80));
            nf_state_recent(nf_stack_state(host_netfilter(node->host)), lists->keys[i]->text, note_recent, &seen);
        }
        flow_check(b->run, b->label, seen.n == 1 && ttl && seen.ttl == atoi(ttl + 5), "%s has %u entries, ttl %u",
                   lists->keys[i]->text, seen.n, seen.ttl);
    }
}

/* The names, flags and timeouts of the sets, as nft lists them. */
static void
check_sets(Bench *b, const DocNode *fact)
{
    const DocNode *sets = node_get(fact, "affinity_sets");
    const ClusterNode *node = cluster_node(flow_world_cluster(b->world), "minikube");
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;

    if (!sets)
        return;
    nf_print_nft_ruleset(text, node_proxy_ruleset(node->proxy, FAMILY_IPV4), NULL);
    lines = g_strsplit(text->str, "\n", -1);
    for (uint32_t i = 0; i + 2 < sets->n; i++) {
        guint at = 0;
        if (!g_str_has_prefix(sets->items[i]->text, "set affinity-"))
            continue;
        while (lines[at] && strcmp(g_strstrip(lines[at]), sets->items[i]->text) != 0)
            at++;
        flow_check(b->run, b->label, lines[at] != NULL, "no %s", sets->items[i]->text);
        for (uint32_t k = 1; lines[at] && k < 3; k++) {
            guint line = at;
            while (lines[line] && !strchr(lines[line], '}') &&
                   strcmp(g_strstrip(lines[line]), sets->items[i + k]->text) != 0)
                line++;
            flow_check(b->run, b->label, lines[line] && !strchr(lines[line], '}'), "%s without \"%s\"",
                       sets->items[i]->text, sets->items[i + k]->text);
        }
    }
}

static void
check_fact(FlowRun *run, const char *label, const DocNode *fact)
{
    Bench b;

    bench_init(&b, run, label, fact);
    check_recorded_scopes(&b, fact);
    check_scopes(&b);
    check_clocks(&b, fact);
    check_recent(&b, fact);
    check_sets(&b, fact);
    flow_world_free(b.world);
}

void
facts_affinity(FlowRun *run)
{
    flow_facts(run, "session-affinity", check_fact);
}
