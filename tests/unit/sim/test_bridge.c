#include <stdlib.h>

#include "sim/netfilter/nf_ruleset.h"
#include "sim/transport/socket.h"
#include "tests/unit/sim/net_cluster.h"

/* Service traffic over pod bridges with br_netfilter: the crossings of net_traces.txt, one by one */

#define MASQ_MARK 0x4000

typedef struct {
    NetCluster *c;
    NfNames *names;
    NfRuleset *rs;
    Host *backend, *frontend;
} Bench;

static const NfHook hook_prerouting = NF_PREROUTING, hook_output = NF_OUTPUT, hook_postrouting = NF_POSTROUTING,
                    hook_forward = NF_FORWARD;

static NfChainBuilder *
chain_begin(Bench *b, const char *table, const char *name, const NfHook *hook, int32_t priority)
{
    NfChainSpec spec = {.id = nf_chain_id(b->names, table, name),
                        .is_base = hook != NULL,
                        .hook = hook ? *hook : NF_PREROUTING,
                        .type = hook && strcmp(table, "nat") == 0 ? NF_TYPE_NAT_CHAIN : NF_TYPE_FILTER_CHAIN,
                        .priority = priority,
                        .policy = NF_ACCEPT,
                        .comment = NF_NO_ID};
    return nf_chain_builder_new(b->names, &spec);
}

static void
rule(NfChainBuilder *b, const NfExpr *exprs, uint32_t n)
{
    nf_rule_begin(b, 0);
    for (uint32_t i = 0; i < n; i++)
        nf_rule_expr(b, exprs[i]);
    nf_rule_end(b);
}
#define RULE(b, ...) rule(b, (NfExpr[]){__VA_ARGS__}, sizeof((NfExpr[]){__VA_ARGS__}) / sizeof(NfExpr))

/* What kube-proxy says about one Service with one endpoint, in fewer chains. */
static void
service(NfChainBuilder *b, const char *vip, uint16_t port, const char *endpoint, uint16_t target, uint16_t node_port)
{
    NfExpr mark = nfx_u32(NFX_SET_MARK, MASQ_MARK, MASQ_MARK, 0, false);
    NfExpr to = nfx_dnat(ip(endpoint), target, 0), tcp = nfx_proto(IPPROTO_TCP_);
    NfExpr vip_is = nfx_daddr(net(vip), false), dport = nfx_dport(IPPROTO_TCP_, port, port);

    RULE(b, nfx_saddr(net("10.244.0.0/16"), true), vip_is, tcp, dport, mark);
    RULE(b, nfx_saddr(net(endpoint), false), vip_is, tcp, dport, mark);
    RULE(b, vip_is, tcp, dport, to);
    if (node_port == 0)
        return;
    NfExpr local = nfx_u32(NFX_ADDRTYPE, NF_TYPE_LOCAL, 0, 0, false);
    dport = nfx_dport(IPPROTO_TCP_, node_port, node_port);
    RULE(b, tcp, dport, local, mark);
    RULE(b, tcp, dport, local, to);
}

static void
services(Bench *b, const char *chain, const NfHook *hook)
{
    NfChainBuilder *builder = chain_begin(b, "nat", chain, hook, NF_PRI_NAT_DST);
    service(builder, "10.96.5.81/32", 3000, "10.244.0.10", 3000, 0);
    service(builder, "10.96.207.18/32", 80, "10.244.2.10", 8080, 32073);
    nf_ruleset_put_chain(b->rs, nf_chain_seal(builder));
}

static void
reject(Bench *b, const char *chain, const NfHook *hook)
{
    NfChainBuilder *builder = chain_begin(b, "filter", chain, hook, NF_PRI_FILTER);
    RULE(builder, nfx_daddr(net("10.96.0.0/12"), false), nfx_u32(NFX_REJECT, REJECT_PORT_UNREACH, 0, 0, false));
    nf_ruleset_put_chain(b->rs, nf_chain_seal(builder));
}

static void
load_rules(Bench *b, bool reject_unused)
{
    b->rs = nf_ruleset_new(b->names, NF_DIALECT_IPTABLES, FAMILY_IPV4);
    services(b, "PREROUTING", &hook_prerouting);
    services(b, "OUTPUT", &hook_output);
    NfChainBuilder *builder = chain_begin(b, "nat", "POSTROUTING", &hook_postrouting, NF_PRI_NAT_SRC);
    RULE(builder, nfx_u32(NFX_MARK, MASQ_MARK, MASQ_MARK, 0, false),
         nfx_u32(NFX_MASQUERADE, 0, 0, NF_NAT_RANDOM_FULLY, false));
    nf_ruleset_put_chain(b->rs, nf_chain_seal(builder));
    if (reject_unused) {
        reject(b, "FORWARD", &hook_forward);
        reject(b, "OUTPUT", &hook_output);
    }
    g_autoptr(GError) error = NULL;
    T_TRUE(nf_ruleset_seal(b->rs, &error));
    for (uint32_t i = 0; i < CLUSTER_NODES; i++)
        nf_stack_set_ruleset(host_netfilter(b->c->nodes[i]), FAMILY_IPV4, "test", b->rs);
    nf_ruleset_unref(b->rs);
}

static void
accepted(Socket *listener, Socket *conn, void *user)
{
    (void)listener;
    (void)user;
    static const SocketCallbacks silent = {0};
    socket_set_user(conn, &silent, NULL);
}

static void
closed(Socket *s, SocketError error, void *user)
{
    (void)s;
    (void)error;
    *(Socket **)user = NULL;
}

static const SocketCallbacks listen_callbacks = {.accepted = accepted}, client_callbacks = {.closed = closed};

static void
bench_init(Bench *b)
{
    SocketError error;

    b->c = net_cluster_new();
    b->names = nf_names_new();
    b->backend = net_cluster_add_pod(b->c, 0, "p-backend-deployment-0", 10);
    b->frontend = net_cluster_add_pod(b->c, 2, "p-rontend-deployment-0", 10);
    for (uint32_t i = 0; i < CLUSTER_NODES; i++)
        host_sysctls(b->c->nodes[i])->route_localnet = true;
    T_TRUE(tcp_listen(b->backend, &(SocketOptions){.local_port = 3000}, 8, &listen_callbacks, NULL, &error) != NULL);
    T_TRUE(tcp_listen(b->frontend, &(SocketOptions){.local_port = 8080}, 8, &listen_callbacks, NULL, &error) != NULL);
}

static void
bench_clear(Bench *b)
{
    net_cluster_free(b->c);
    nf_names_unref(b->names);
}

/* The records hold connection set-up only; ports but the Services' own are whatever was free. */
static char *
comparable(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);

    for (size_t i = 0; lines[i]; i++) {
        if (!strstr(lines[i], " SYN") && !strstr(lines[i], "RST") && !strstr(lines[i], " ICMP"))
            continue;
        for (const char *at = lines[i]; *at; at++) {
            g_string_append_c(out, *at);
            if (*at != ':' || !g_ascii_isdigit(at[1]))
                continue;
            char *end;
            unsigned long port = strtoul(at + 1, &end, 10);
            bool known = port == 3000 || port == 8080 || port == 80 || port == 32073 || port == 4321;
            g_string_append_printf(out, known ? "%lu" : "*", port);
            at = end - 1;
        }
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

static bool
any_conn(const Conn *conn, void *user)
{
    (void)conn;
    (void)user;
    return true;
}

/* 'head': "flow ID CLIENT IP PORT VIA". */
static void
replay(Bench *b, const char *head, const char *want)
{
    g_auto(GStrv) word = g_strsplit(head, " ", -1);
    Host *from = NULL;
    IpPrefix dst = net(word[3]);
    SocketError error = SOCK_OK;

    for (guint i = 0; i < b->c->world->hosts->len; i++) {
        Host *host = b->c->world->hosts->pdata[i];
        if (strcmp(host_name(host), word[2]) == 0)
            from = host;
        if (strcmp(host_name(host), word[5]) == 0)
            host_route_add(b->c->router, dst,
                           strcmp(word[5], "minikube") == 0 ? ip("192.168.49.2") : ip("192.168.49.3"),
                           host_dev(b->c->router, "br-lan"));
        NfStack *nf = host_netfilter_peek(host);
        if (nf && nf_stack_conntrack(nf))
            conntrack_delete(nf_stack_conntrack(nf), any_conn, NULL);
    }
    net_world_clear(b->c->world);
    Socket *s = NULL;
    s = tcp_connect(from, dst.addr, (uint16_t)atoi(word[4]), &(SocketOptions){0}, &client_callbacks, &s, &error);
    net_world_run(b->c->world, 10 * SIMTIME_MSEC);
    g_autofree char *got = comparable(b->c->world->crossings->str);
    g_autofree char *expected = comparable(want);
    if (strcmp(got, expected) != 0)
        test_check(false, __LINE__, __FILE__, __func__, "%s\n%s-- want\n%s", head, got, expected);
    if (s)
        tcp_abort(s);
    net_world_run(b->c->world, 10 * SIMTIME_MSEC);
    if (strcmp(word[5], "-") != 0)
        T_TRUE(fib_remove(host_fib(b->c->router), &dst, NULL));
}

static void
replay_file(Bench *b, const char *mode)
{
    g_autofree char *dir = g_path_get_dirname(__FILE__), *path = g_build_filename(dir, "net_traces.txt", NULL);
    g_autofree char *text = NULL, *prefix = g_strconcat("flow ", mode, NULL);
    uint32_t n = 0;

    if (!test_check(g_file_get_contents(path, &text, NULL, NULL), __LINE__, __FILE__, __func__, "no %s", path))
        return;
    g_auto(GStrv) flows = g_strsplit(text, "\n\n", -1);
    for (size_t i = 0; flows[i]; i++) {
        char *body = strchr(flows[i], '\n');
        if (!g_str_has_prefix(flows[i], prefix) || !body)
            continue;
        *body = '\0';
        replay(b, flows[i], body + 1);
        n++;
    }
    T_TRUE(n >= 3);
}

static void
test_records_iptables(void)
{
    Bench b;
    bench_init(&b);
    load_rules(&b, false);
    replay_file(&b, "iptables");
    bench_clear(&b);
}

static void
test_records_reject(void)
{
    Bench b;
    bench_init(&b);
    load_rules(&b, true);
    replay_file(&b, "nftables");
    bench_clear(&b);
}

typedef struct {
    Socket *s;
    bool connected;
    SocketError error;
} Try;

static void
try_connected(Socket *s, void *user)
{
    (void)s;
    ((Try *)user)->connected = true;
}

static void
try_closed(Socket *s, SocketError error, void *user)
{
    (void)s;
    ((Try *)user)->s = NULL;
    ((Try *)user)->error = error;
}

/* One connection attempt; true if it stands after half a second. */
static bool
connects(Bench *b, Host *from, const char *dst, uint16_t port, SocketError *ret_error)
{
    static const SocketCallbacks callbacks = {.connected = try_connected, .closed = try_closed};
    Try attempt = {.error = SOCK_OK};
    SocketError error;

    attempt.s = tcp_connect(from, ip(dst), port, &(SocketOptions){0}, &callbacks, &attempt, &error);
    net_world_run(b->c->world, 500 * SIMTIME_MSEC);
    if (attempt.s)
        tcp_abort(attempt.s);
    net_world_run(b->c->world, 10 * SIMTIME_MSEC);
    *ret_error = attempt.error;
    return attempt.connected;
}

/* Without br_netfilter the answer of a pod on the same node goes straight over the bridge, with its own address. */
static void
test_without_call_iptables(void)
{
    Bench b;
    SocketError error;

    bench_init(&b);
    load_rules(&b, false);
    T_TRUE(connects(&b, b.c->client_pods[0], "10.96.5.81", 3000, &error));
    bridge_set_call_iptables(host_dev(b.c->nodes[0], "cni0"), false);
    T_TRUE(!connects(&b, b.c->client_pods[0], "10.96.5.81", 3000, &error));
    T_EQ_I64(error, SOCK_OK); /* Nobody says a word. */
    T_TRUE(connects(&b, b.backend, "10.96.5.81", 3000, &error));
    T_TRUE(connects(&b, b.c->client_pods[1], "10.96.5.81", 3000, &error));
    bench_clear(&b);
}

static void
test_without_hairpin(void)
{
    Bench b;
    SocketError error;

    bench_init(&b);
    load_rules(&b, false);
    bridge_set_hairpin(host_dev(b.c->nodes[0], "v10p"), false);
    T_TRUE(!connects(&b, b.backend, "10.96.5.81", 3000, &error));
    T_TRUE(strstr(b.c->world->drops->str, "minikube bridge-hairpin\n") != NULL);
    T_TRUE(connects(&b, b.c->client_pods[0], "10.96.5.81", 3000, &error));
    bench_clear(&b);
}

/* A REJECT in OUTPUT: EPERM to the send itself; TCP ignores that and hears the ICMP error. */
static void
test_local_reject(void)
{
    Bench b;
    SocketError error;

    bench_init(&b);
    load_rules(&b, true);
    T_EQ_I64(ip_send(b.c->nodes[0], net_world_packet(b.c->world, IPPROTO_UDP_, NULL, 1, "10.96.5.81", 4321)), IP_EPERM);
    T_TRUE(!connects(&b, b.c->nodes[0], "10.96.5.81", 4321, &error));
    T_EQ_I64(error, SOCK_PORT_UNREACH);
    bench_clear(&b);
}

const TestSuite suite_bridge = {"sim/bridge",
                                {{"crossings equal the kernel's under two Services", test_records_iptables},
                                 {"crossings equal the kernel's where rules reject", test_records_reject},
                                 {"without br_netfilter only the same node fails", test_without_call_iptables},
                                 {"without hairpin mode only the hairpin fails", test_without_hairpin},
                                 {"a local send into a REJECT", test_local_reject}}};
