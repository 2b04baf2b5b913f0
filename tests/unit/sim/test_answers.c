/* Answers that a host makes by itself, as a real kernel gave them (found by tests/kernel/fuzz) */

#include "tests/unit/sim/net_world.h"

#include "sim/netfilter/nf_text.h"

typedef struct {
    NetWorld *world;
    Host *client, *router, *server;
    NfRuleset *rs;
} Answers;

static void
start_family(Answers *t, IpFamily family, const char *rules)
{
    NfNames *names = nf_names_new();
    GPtrArray *notes = NULL;

    t->world = net_world_new();
    t->client = net_world_host(t->world, "client", false);
    t->router = net_world_host(t->world, "router", true);
    t->server = net_world_host(t->world, "server", false);
    net_world_wire(t->client, "eth0", t->router, "c0");
    net_world_wire(t->server, "eth0", t->router, "s0");
    net_world_addr(t->client, "eth0", "10.1.0.2/24", "fd00:1::2/64");
    net_world_addr(t->router, "c0", "10.1.0.1/24", "fd00:1::1/64");
    net_world_addr(t->router, "s0", "10.2.0.1/24", "fd00:2::1/64");
    net_world_addr(t->server, "eth0", "10.2.0.2/24", "fd00:2::2/64");
    net_world_route(t->client, "0.0.0.0/0", "10.1.0.1", "eth0");
    net_world_route(t->server, "0.0.0.0/0", "10.2.0.1", "eth0");
    net_world_route(t->client, "::/0", "fd00:1::1", "eth0");
    net_world_route(t->server, "::/0", "fd00:2::1", "eth0");
    t->rs = nf_parse_iptables_save(names, family, rules, strlen(rules), &notes);
    T_TRUE(t->rs != NULL);
    nf_stack_set_ruleset(host_netfilter(t->router), family, "iptables", t->rs);
    g_ptr_array_unref(notes);
    nf_names_unref(names);
}

static void
start(Answers *t, const char *rules)
{
    start_family(t, FAMILY_IPV4, rules);
}

static void
finish(Answers *t)
{
    nf_ruleset_unref(t->rs);
    net_world_free(t->world);
}

static void
send_from_client(Answers *t, uint8_t proto, const char *dst)
{
    Packet *pkt = net_world_packet(t->world, proto, NULL, 1000, dst, 80);

    T_EQ_I64(ip_send(t->client, pkt), IP_SENT);
    net_world_run(t->world, SIMTIME_MSEC);
}

static uint64_t
count(const Answers *t, const char *chain, uint32_t rule)
{
    uint32_t id = nf_chain_find(nf_ruleset_names(t->rs), "filter", chain);

    return nf_state_counter(nf_stack_state(host_netfilter(t->router)), t->rs, id, rule).packets;
}

#define FILTER "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"

/* The connection that is refused is never confirmed; the error is RELATED to it all the same. */
static void
test_error_is_related(void)
{
    Answers t = {0};

    start(&t, FILTER "-A FORWARD -j REJECT --reject-with icmp-port-unreachable\n"
                     "-A OUTPUT -m conntrack --ctstate RELATED\n-A OUTPUT -m conntrack --ctstate INVALID\nCOMMIT\n");
    send_from_client(&t, IPPROTO_UDP_, "10.2.0.2");
    T_EQ_U64(count(&t, "OUTPUT", 0), 1);
    T_EQ_U64(count(&t, "OUTPUT", 1), 0);
    T_EQ_U64(conntrack_len(nf_stack_conntrack(host_netfilter(t.router))), 0);
    finish(&t);
}

static void
note_state(const Conn *conn, void *user)
{
    *(int *)user = conn_tcp_state(conn);
}

/* A RST from REJECT closes a connection that exists. */
static void
test_reset_closes(void)
{
    Answers t = {0};
    int state = -1;
    Packet *pkt;

    start(&t, FILTER "-A FORWARD -i s0 -p tcp -j REJECT --reject-with tcp-reset\n"
                     "-A FORWARD -m conntrack --ctstate NEW\nCOMMIT\n");
    host_set_down(t.server, true); /* It would refuse. */
    send_from_client(&t, IPPROTO_TCP_, "10.2.0.2");
    host_set_down(t.server, false);
    T_EQ_U64(conntrack_len(nf_stack_conntrack(host_netfilter(t.router))), 1);
    pkt = net_world_packet(t.world, IPPROTO_TCP_, NULL, 80, "10.1.0.2", 1000);
    pkt->tcp.flags = TCP_SYN | TCP_ACK;
    pkt->tcp.ack = 1;
    T_EQ_I64(ip_send(t.server, pkt), IP_SENT);
    net_world_run(t.world, SIMTIME_MSEC);
    conntrack_each(nf_stack_conntrack(host_netfilter(t.router)), note_state, &state);
    T_EQ_I64(state, CT_TCP_CLOSE);
    finish(&t);
}

/* The echo reply is rejected on its way out: about that there is no error. */
static void
test_no_error_about_own_echo_reply(void)
{
    Answers t = {0};

    start(&t, FILTER "-A OUTPUT -p icmp -j REJECT --reject-with icmp-admin-prohibited\nCOMMIT\n");
    T_EQ_I64(icmp_send_echo(t.client, ip("10.1.0.1"), 7, 1, 8), IP_SENT);
    net_world_run(t.world, SIMTIME_MSEC);
    T_EQ_U64(count(&t, "OUTPUT", 0), 1);
    finish(&t);
}

/* The RST of a closed port is untracked and rejected: the rule that does not track does not apply to the error about
 * it. */
static void
test_error_about_untracked(void)
{
    Answers t = {0};

    start(&t, "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j CT --notrack\nCOMMIT\n" FILTER
              "-A OUTPUT -p tcp -m conntrack --ctstate UNTRACKED -j REJECT --reject-with icmp-port-unreachable\n"
              "-A OUTPUT -m conntrack --ctstate RELATED\nCOMMIT\n");
    send_from_client(&t, IPPROTO_TCP_, "10.1.0.1");
    T_EQ_U64(count(&t, "OUTPUT", 0), 1);
    T_EQ_U64(count(&t, "OUTPUT", 1), 1);
    finish(&t);
}

static void
note_zone(const Conn *conn, void *user)
{
    *(int *)user = conn_tuple(conn, CT_ORIG).zone;
}

/* Of two zones the first counts, and not tracking comes too late after it. */
static void
test_first_zone_counts(void)
{
    Answers t = {0};
    int zone = -1;

    start(&t, "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING -j CT --zone 1\n"
              "-A PREROUTING -j CT --zone 2\n-A PREROUTING -j CT --notrack\nCOMMIT\n" FILTER
              "-A FORWARD -m conntrack --ctstate NEW\nCOMMIT\n");
    send_from_client(&t, IPPROTO_UDP_, "10.2.0.2");
    conntrack_each(nf_stack_conntrack(host_netfilter(t.router)), note_zone, &zone);
    T_EQ_I64(zone, 1);
    finish(&t);
}

/* A chain of type nat alone asks for no tracking. */
static void
test_nat_table_alone_tracks_nothing(void)
{
    Answers t = {0};

    start(&t, FILTER "COMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n");
    send_from_client(&t, IPPROTO_UDP_, "10.2.0.2");
    T_TRUE(nf_stack_conntrack(host_netfilter(t.router)) == NULL);
    finish(&t);
}

/* What DNAT at a bridge sends up bears its route: an error about it comes from where that leads.  About what stays on
 * the bridge, from where the way back leads. */
static void
test_error_about_bridged(void)
{
    static const struct {
        const char *rules, *dst;
        uint8_t ttl;
    } cases[] = {
        {"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination fd00:2::2\nCOMMIT\n" FILTER
         "-A OUTPUT -s fd00:2::1/128 -m conntrack --ctstate RELATED\nCOMMIT\n",
         "fd00:4::3", 1},
        {FILTER "-A OUTPUT -s fd00:4::1/128\nCOMMIT\n", "fd00:2::2", 1},
        {FILTER "-A OUTPUT -s fd00:1::1/128\n-A FORWARD -j REJECT\nCOMMIT\n", "fd00:4::3", 64},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Answers t = {0};
        NetDev *bridge;
        Host *pods[2];
        Packet *pkt;

        start_family(&t, FAMILY_IPV6, cases[i].rules);
        bridge = netdev_new(t.router, "br0", DEV_BRIDGE);
        net_world_addr(t.router, "br0", "10.4.0.1/24", "fd00:4::1/64");
        for (int p = 0; p < 2; p++) {
            const char *port = p ? "p1" : "p0";
            pods[p] = net_world_host(t.world, p ? "pod2" : "pod", false);
            net_world_wire(pods[p], "eth0", t.router, port);
            bridge_add_port(bridge, host_dev(t.router, port), false);
            net_world_addr(pods[p], "eth0", p ? "10.4.0.3/24" : "10.4.0.2/24", p ? "fd00:4::3/64" : "fd00:4::2/64");
            net_world_route(pods[p], "::/0", "fd00:4::1", "eth0");
        }
        pkt = net_world_packet(t.world, IPPROTO_UDP_, i == 2 ? "fd00:1::2" : "fd00:4::2", 1000, cases[i].dst, 80);
        pkt->ttl = cases[i].ttl;
        T_EQ_I64(ip_send_any_source(pods[0], pkt), IP_SENT);
        net_world_run(t.world, SIMTIME_MSEC);
        T_EQ_U64(count(&t, "OUTPUT", 0), 1);
        finish(&t);
    }
}

/* A default route does not vouch for a source that a better route leads to elsewhere. */
static void
test_way_back_over_ipv6(void)
{
    Answers t = {0};
    Packet *pkt;

    start_family(&t, FAMILY_IPV6,
                 "*mangle\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\n"
                 "-A PREROUTING -m rpfilter --invert -j DROP\nCOMMIT\n");
    net_world_route(t.router, "::/0", "fd00:2::2", "s0");
    for (int i = 0; i < 2; i++) {
        pkt = net_world_packet(t.world, IPPROTO_UDP_, i ? "fd00:9::9" : "fd00:1::2", 1000, "fd00:1::2", 80);
        T_EQ_I64(ip_send_any_source(t.server, pkt), IP_SENT);
        net_world_run(t.world, SIMTIME_MSEC);
        T_EQ_U64(strstr(t.world->crossings->str, "client/eth0 in") != NULL, i);
    }
    finish(&t);
}

/* From 127.0.0.1 nothing leads elsewhere: OUTPUT's NAT drops it, before the filter sees it. */
static void
test_turned_where_no_way_leads(void)
{
    Answers t = {0};

    start(&t, "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 127.0.0.1/32 -j DNAT --to-destination 10.2.0.2\nCOMMIT\n" FILTER
              "-A OUTPUT -m conntrack --ctstate NEW\nCOMMIT\n");
    T_EQ_I64(ip_send(t.router, net_world_packet(t.world, IPPROTO_UDP_, "127.0.0.1", 1000, "127.0.0.1", 80)), IP_EINVAL);
    T_EQ_U64(count(&t, "OUTPUT", 0), 0);
    T_EQ_I64(ip_send(t.router, net_world_packet(t.world, IPPROTO_UDP_, "10.1.0.1", 1000, "10.2.0.2", 80)), IP_SENT);
    T_EQ_U64(count(&t, "OUTPUT", 0), 1);
    finish(&t);
}

/* Rules of one name share what the first of them says: its rate, its mode; its mask. */
static void
test_first_of_a_name_counts(void)
{
    Answers t = {0};

    start(&t, FILTER "-A FORWARD -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode dstip "
                     "--hashlimit-name h\n"
                     "-A FORWARD -m hashlimit --hashlimit-upto 9/hour --hashlimit-burst 9 --hashlimit-mode srcport "
                     "--hashlimit-name h\n"
                     "-A FORWARD -m recent --set --name r --mask 255.255.255.0 --rdest\n"
                     "-A FORWARD -d 10.2.0.3/32 -m recent --rcheck --name r --mask 255.255.255.255 --rdest\nCOMMIT\n");
    host_set_down(t.server, true); /* It would answer. */
    send_from_client(&t, IPPROTO_UDP_, "10.2.0.2");
    T_EQ_U64(count(&t, "FORWARD", 0), 1);
    T_EQ_U64(count(&t, "FORWARD", 1), 1);
    send_from_client(&t, IPPROTO_UDP_, "10.2.0.2");
    T_EQ_U64(count(&t, "FORWARD", 0), 1);
    T_EQ_U64(count(&t, "FORWARD", 1), 1);
    send_from_client(&t, IPPROTO_UDP_, "10.2.0.3");
    T_EQ_U64(count(&t, "FORWARD", 3), 1);
    finish(&t);
}

const TestSuite suite_answers = {"sim/answers",
                                 {{"an error is RELATED to a connection that never was", test_error_is_related},
                                  {"a reset by rule closes the connection", test_reset_closes},
                                  {"no error about the own echo reply", test_no_error_about_own_echo_reply},
                                  {"an error about an untracked packet is tracked", test_error_about_untracked},
                                  {"the first zone that rules name counts", test_first_zone_counts},
                                  {"a nat table alone tracks nothing", test_nat_table_alone_tracks_nothing},
                                  {"an error about a bridged frame", test_error_about_bridged},
                                  {"the way back over IPv6", test_way_back_over_ipv6},
                                  {"OUTPUT's NAT leaves no way", test_turned_where_no_way_leads},
                                  {"the first rule of a name counts", test_first_of_a_name_counts}}};
