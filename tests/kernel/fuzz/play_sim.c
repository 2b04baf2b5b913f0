/* The simulator's side */

#include <string.h>

#include "sim/transport/socket.h"
#include "tests/kernel/fuzz/fuzz.h"

typedef struct {
    TraceSink sink; /* First: the sink is the world. */
    Sim *sim;
    Host *router, *ends[FUZZ_N_DEVS];
    Socket *socket; /* Whose owner is that of all that is sent here. */
    FuzzView *view;
    GPtrArray *seen; /* Of GBytes. */
    uint32_t step;
} World;

static World *world_new(const FuzzCase *c, uint32_t attempt);
static void world_free(World *world);
static void world_record(TraceSink *sink, const TraceRecord *record);
static void mute(Host *host, IpFamily family);
static char *nft_text(const NfRuleset *rs, const NfState *state);
static void add_connections(FuzzView *view, const char *prefix, IpFamily family, const NfStack *nf);
static void add_line(const Conn *conn, void *user);

FuzzView *
fuzz_sim_play(const FuzzCase *c, uint32_t attempt)
{
    FuzzView *view = fuzz_view_new();
    GError *error = NULL;
    NfRuleset *rs = fuzz_case_ruleset(c, &error);
    NfStack *nf;
    World *world;
    char *text;

    if (!rs) {
        view->failed = true;
        fuzz_view_add(view, "%s", error ? error->message : "rules not read");
        g_clear_error(&error);
        return view;
    }
    world = world_new(c, attempt);
    world->view = view;
    nf = host_netfilter(world->router);
    for (guint i = 0; i < c->sysctls->len; i++) {
        g_auto(GStrv) setting = g_strsplit(c->sysctls->pdata[i], "=", 2);
        g_assert(host_sysctl_set(world->router, setting[0], setting[1]));
    }
    nf_stack_set_ruleset(nf, c->family, "fuzz", rs);
    for (; world->step < c->steps->len; world->step++) {
        const FuzzStep *step = &g_array_index(c->steps, FuzzStep, world->step);
        const char *sent = NULL;
        uint8_t from;
        Packet *pkt;

        if (step->kind == STEP_WAIT) {
            sim_run_until(world->sim, world->sim->now + step->len * SIMTIME_MSEC);
            continue;
        }
        pkt = fuzz_step_packet(world->sim, step, world->seen, &from);
        if (!pkt) {
            fuzz_view_add(view, "%u: nothing to answer", world->step);
            continue;
        }
        if (from == FUZZ_ROUTER) {
            pkt->meta.owner = world->socket;
            bool tcp = pkt->proto == IPPROTO_TCP_;
            IpSendResult result = ip_send(world->router, pkt);
            /* Which error it was does not matter to TCP: ip_send() says EPERM of one in a hook, a raw socket more. */
            sent = result == IP_SENT                                       ? "ok"
                   : result == IP_EPERM || tcp                             ? "not permitted"
                   : result == IP_ENETUNREACH || result == IP_EHOSTUNREACH ? "unreachable"
                                                                           : "error";
        } else {
            NetDev *dev = host_dev(world->ends[from], "eth0");
            pkt->eth_src = netdev_mac(dev);
            pkt->eth_dst = netdev_mac(netdev_peer(dev));
            if (from >= FUZZ_FIRST_PORT) {
                int port = fuzz_port_of(c->family, pkt->dst);
                pkt->eth_dst = netdev_mac(port >= 0 && port != from ? host_dev(world->ends[port], "eth0")
                                                                    : host_dev(world->router, "br0"));
            }
            netdev_transmit(dev, pkt);
        }
        sim_run_until(world->sim, world->sim->now + SIMTIME_MSEC);
        if (sent)
            fuzz_view_add(view, "%u: send %s", world->step, sent);
        if (c->tracking) {
            char prefix[16];
            g_snprintf(prefix, sizeof prefix, "%u: ct:", world->step);
            add_connections(view, prefix, c->family, nf);
        }
    }
    if (c->dialect == FUZZ_NFT) {
        text = nft_text(rs, nf_stack_state(nf));
    } else {
        GString *out = g_string_new(NULL);
        nf_print_iptables_save_counters(out, rs, nf_stack_state(nf));
        text = g_string_free(out, FALSE);
    }
    fuzz_view_add_rules(view, text, c->dialect);
    g_free(text);
    add_connections(view, "ct:", c->family, nf);
    if (c->tracking && nf_stack_conntrack(nf)) {
        const CtStats *stats = conntrack_stats(nf_stack_conntrack(nf));
        fuzz_view_add_stats(view, stats);
    }
    world_free(world);
    nf_ruleset_unref(rs);
    return view;
}

static World *
world_new(const FuzzCase *c, uint32_t attempt)
{
    static const char *const ends[FUZZ_N_DEVS] = {"client", "server", "third", "pod", "pod2"};
    World *world = g_new0(World, 1);
    static const SocketCallbacks callbacks;
    SocketError error;
    HostSysctls *sysctls;
    NetDev *bridge;
    LinkParams params = {.latency = 10 * SIMTIME_USEC};
    uint8_t len = c->family == FAMILY_IPV4 ? 24 : 64;

    world->sim = sim_new(rng_mix(c->seed, attempt));
    world->seen = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    world->router = host_new(world->sim, "router");
    sysctls = host_sysctls(world->router);
    sysctls->ip_forward = sysctls->ip6_forward = true;
    sysctls->icmp_ratelimit = sysctls->icmp6_ratelimit = 0;
    sysctls->icmp_msgs_per_sec = sysctls->icmp_msgs_burst = 1000000;
    sysctls->send_redirects = false;
    sysctls->bridge_nf_call_iptables = sysctls->bridge_nf_call_ip6tables = true;
    for (int i = 0; i < FUZZ_N_DEVS; i++) {
        NetDev *dev = netdev_new(world->router, fuzz_dev_names[i], DEV_VETH), *end;
        world->ends[i] = host_new(world->sim, ends[i]);
        end = netdev_new(world->ends[i], "eth0", DEV_VETH);
        netdev_connect(dev, end, &params);
        if (i < FUZZ_FIRST_PORT)
            netdev_add_addr(dev, (IpPrefix){fuzz_addr(c->family, ADDR_ROUTER_C + i), len});
        for (int j = 0; fuzz_dev_addrs[i][j] != ADDR_N; j++)
            netdev_add_addr(end, (IpPrefix){fuzz_addr(c->family, fuzz_dev_addrs[i][j]), len});
        mute(world->ends[i], c->family);
    }
    bridge = netdev_new(world->router, "br0", DEV_BRIDGE);
    netdev_add_addr(bridge, (IpPrefix){fuzz_addr(c->family, ADDR_ROUTER_B), len});
    for (int i = FUZZ_FIRST_PORT; i < FUZZ_N_DEVS; i++)
        bridge_add_port(bridge, host_dev(world->router, fuzz_dev_names[i]), i == FUZZ_FIRST_PORT);
    world->socket = udp_open(world->router, &(SocketOptions){.local_port = 1}, &callbacks, NULL, &error);
    host_route_add(world->router, (IpPrefix){c->family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6, 0},
                   fuzz_addr(c->family, ADDR_THIRD), host_dev(world->router, "t0"));
    fib_add(host_fib(world->router),
            &(Route){.prefix = ipprefix_network((IpPrefix){fuzz_addr(c->family, ADDR_UNREACHABLE), len}),
                     .type = ROUTE_UNREACHABLE,
                     .via = c->family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6,
                     .src = c->family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6});
    world->sink.mask = TRACE_BIT(TRACE_DEV_OUT);
    world->sink.record = world_record;
    trace_add_sink(world->sim, &world->sink);
    return world;
}

static void
world_free(World *world)
{
    for (int i = 0; i < FUZZ_N_DEVS; i++)
        host_free(world->ends[i]);
    host_free(world->router);
    trace_remove_sink(world->sim, &world->sink);
    sim_free(world->sim);
    g_ptr_array_unref(world->seen);
    g_free(world);
}

/* What reaches a neighbour ends there. */
static void
mute(Host *host, IpFamily family)
{
    NfNames *names = nf_names_new();
    NfRuleset *rs = nf_ruleset_new(names, NF_DIALECT_NFT, family);
    NfChainSpec spec = {.id = nf_chain_id(names, "mute", "in"),
                        .is_base = true,
                        .hook = NF_PREROUTING,
                        .priority = NF_PRI_RAW,
                        .policy = NF_DROP,
                        .comment = NF_NO_ID};

    nf_ruleset_put_chain(rs, nf_chain_seal(nf_chain_builder_new(names, &spec)));
    g_assert(nf_ruleset_seal(rs, NULL));
    nf_stack_set_ruleset(host_netfilter(host), family, "mute", rs);
    nf_ruleset_unref(rs);
    nf_names_unref(names);
}

static void
world_record(TraceSink *sink, const TraceRecord *record)
{
    World *world = (World *)sink;
    uint8_t frame[2048];
    uint32_t size;
    GString *text;

    if (record->host != world->router || netdev_kind(record->dev) == DEV_BRIDGE)
        return;
    size = wire_build(record->pkt, frame + 1, sizeof frame - 1);
    text = g_string_new(NULL);
    fuzz_format_frame(text, frame + 1, size);
    fuzz_view_add(world->view, "%u: out %s %s", world->step, netdev_name(record->dev), text->str);
    g_string_free(text, TRUE);
    for (uint8_t i = 0; i < FUZZ_N_DEVS; i++)
        if (strcmp(netdev_name(record->dev), fuzz_dev_names[i]) == 0) {
            frame[0] = i;
            g_ptr_array_add(world->seen, g_bytes_new(frame, size + 1));
        }
}

/* Our listing with the counters filled in: they stand in the order of the rules. */
static char *
nft_text(const NfRuleset *rs, const NfState *state)
{
    g_autoptr(GString) list = g_string_new(NULL);
    GString *out = g_string_new(NULL);
    size_t n_chains;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rs, &n_chains);
    const char *at, *next;

    nf_print_nft_ruleset(list, rs, NULL);
    at = list->str;
    for (size_t i = 0; i < n_chains; i++) {
        const NfChain *chain = nf_ruleset_chain(rs, ids[i]);
        for (uint32_t r = 0; r < nf_chain_n_rules(chain); r++) {
            NfCounter counter = nf_state_counter(state, rs, ids[i], r);
            next = strstr(at, "packets 0 bytes 0");
            if (!next)
                break;
            g_string_append_len(out, at, next - at);
            g_string_append_printf(out, "packets %" G_GUINT64_FORMAT " bytes %" G_GUINT64_FORMAT, counter.packets,
                                   counter.bytes);
            at = next + strlen("packets 0 bytes 0");
        }
    }
    g_string_append(out, at);
    return g_string_free(out, FALSE);
}

static void
add_connections(FuzzView *view, const char *prefix, IpFamily family, const NfStack *nf)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    if (nf_stack_conntrack(nf)) {
        void *user[] = {nf_stack_conntrack(nf), lines};
        conntrack_each(nf_stack_conntrack(nf), add_line, user);
    }
    fuzz_view_add_connections(view, prefix, family, lines);
    g_ptr_array_unref(lines);
}

static void
add_line(const Conn *conn, void *user)
{
    void **both = user;

    g_ptr_array_add(both[1], conn_format(both[0], conn));
}
