#include "tests/unit/sim/net_cluster.h"

/* What crosses which interface, with which TTL, against records of the Linux kernel in the same topology. */

static void
expect_flow(NetCluster *c, Host *from, uint8_t proto, const char *src, uint16_t sport, const char *dst, uint16_t dport,
            const char *want)
{
    Packet *pkt = net_world_packet(c->world, proto, src, sport, dst, dport);

    net_world_clear(c->world);
    if (proto == IPPROTO_SCTP_)
        pkt->sctp.chunk = 1;
    ip_send(from, pkt);
    net_world_run(c->world, SIMTIME_SEC);
    T_EQ_STR(c->world->crossings->str, want);
}

static void
test_rst(void)
{
    NetCluster *c = net_cluster_new();

    expect_flow(c, c->client_pods[0], IPPROTO_TCP_, NULL, 48430, "10.244.0.1", 32073,
                "p-client-0/eth0 out TCP 10.244.0.5:48430 > 10.244.0.1:32073 SYN ttl=64\n"
                "minikube/v5p in TCP 10.244.0.5:48430 > 10.244.0.1:32073 SYN ttl=64\n"
                "minikube/cni0 in TCP 10.244.0.5:48430 > 10.244.0.1:32073 SYN ttl=64\n"
                "minikube/cni0 out TCP 10.244.0.1:32073 > 10.244.0.5:48430 ACK+RST ttl=64\n"
                "minikube/v5p out TCP 10.244.0.1:32073 > 10.244.0.5:48430 ACK+RST ttl=64\n"
                "p-client-0/eth0 in TCP 10.244.0.1:32073 > 10.244.0.5:48430 ACK+RST ttl=64\n");
    expect_flow(c, c->client, IPPROTO_TCP_, NULL, 49186, "10.244.0.1", 32073,
                "client/eth0 out TCP 198.51.100.10:49186 > 10.244.0.1:32073 SYN ttl=64\n"
                "router/ext0 in TCP 198.51.100.10:49186 > 10.244.0.1:32073 SYN ttl=64\n"
                "router/br-lan out TCP 198.51.100.10:49186 > 10.244.0.1:32073 SYN ttl=63\n"
                "router/v-minikube out TCP 198.51.100.10:49186 > 10.244.0.1:32073 SYN ttl=63\n"
                "minikube/eth0 in TCP 198.51.100.10:49186 > 10.244.0.1:32073 SYN ttl=63\n"
                "minikube/eth0 out TCP 10.244.0.1:32073 > 198.51.100.10:49186 ACK+RST ttl=64\n"
                "router/v-minikube in TCP 10.244.0.1:32073 > 198.51.100.10:49186 ACK+RST ttl=64\n"
                "router/br-lan in TCP 10.244.0.1:32073 > 198.51.100.10:49186 ACK+RST ttl=64\n"
                "router/ext0 out TCP 10.244.0.1:32073 > 198.51.100.10:49186 ACK+RST ttl=63\n"
                "client/eth0 in TCP 10.244.0.1:32073 > 198.51.100.10:49186 ACK+RST ttl=63\n");
    expect_flow(c, c->nodes[0], IPPROTO_TCP_, NULL, 51890, "127.0.0.1", 32073,
                "minikube/lo out TCP 127.0.0.1:51890 > 127.0.0.1:32073 SYN ttl=64\n"
                "minikube/lo in TCP 127.0.0.1:51890 > 127.0.0.1:32073 SYN ttl=64\n"
                "minikube/lo out TCP 127.0.0.1:32073 > 127.0.0.1:51890 ACK+RST ttl=64\n"
                "minikube/lo in TCP 127.0.0.1:32073 > 127.0.0.1:51890 ACK+RST ttl=64\n");
    net_cluster_free(c);
}

static void
test_net_unreachable(void)
{
    NetCluster *c = net_cluster_new();
    /* The records' router answers for what it has no route to. */
#define ABOUT "about TCP 10.244.0.5:58300 > 10.96.5.81:4321"
    expect_flow(c, c->client_pods[0], IPPROTO_TCP_, NULL, 58300, "10.96.5.81", 4321,
                "p-client-0/eth0 out TCP 10.244.0.5:58300 > 10.96.5.81:4321 SYN ttl=64\n"
                "minikube/v5p in TCP 10.244.0.5:58300 > 10.96.5.81:4321 SYN ttl=64\n"
                "minikube/cni0 in TCP 10.244.0.5:58300 > 10.96.5.81:4321 SYN ttl=64\n"
                "minikube/eth0 out TCP 10.244.0.5:58300 > 10.96.5.81:4321 SYN ttl=63\n"
                "router/v-minikube in TCP 10.244.0.5:58300 > 10.96.5.81:4321 SYN ttl=63\n"
                "router/br-lan in TCP 10.244.0.5:58300 > 10.96.5.81:4321 SYN ttl=63\n"
                "router/br-lan out ICMP 192.168.49.1 > 10.244.0.5 type 3 code 0 " ABOUT " ttl=64\n"
                "router/v-minikube out ICMP 192.168.49.1 > 10.244.0.5 type 3 code 0 " ABOUT " ttl=64\n"
                "minikube/eth0 in ICMP 192.168.49.1 > 10.244.0.5 type 3 code 0 " ABOUT " ttl=64\n"
                "minikube/cni0 out ICMP 192.168.49.1 > 10.244.0.5 type 3 code 0 " ABOUT " ttl=63\n"
                "minikube/v5p out ICMP 192.168.49.1 > 10.244.0.5 type 3 code 0 " ABOUT " ttl=63\n"
                "p-client-0/eth0 in ICMP 192.168.49.1 > 10.244.0.5 type 3 code 0 " ABOUT " ttl=63\n");
#undef ABOUT
#define ABOUT "about TCP 192.168.49.2:40714 > 10.96.5.81:4321"
    expect_flow(c, c->nodes[0], IPPROTO_TCP_, NULL, 40714, "10.96.5.81", 4321,
                "minikube/eth0 out TCP 192.168.49.2:40714 > 10.96.5.81:4321 SYN ttl=64\n"
                "router/v-minikube in TCP 192.168.49.2:40714 > 10.96.5.81:4321 SYN ttl=64\n"
                "router/br-lan in TCP 192.168.49.2:40714 > 10.96.5.81:4321 SYN ttl=64\n"
                "router/br-lan out ICMP 192.168.49.1 > 192.168.49.2 type 3 code 0 " ABOUT " ttl=64\n"
                "router/v-minikube out ICMP 192.168.49.1 > 192.168.49.2 type 3 code 0 " ABOUT " ttl=64\n"
                "minikube/eth0 in ICMP 192.168.49.1 > 192.168.49.2 type 3 code 0 " ABOUT " ttl=64\n");
#undef ABOUT
#define ABOUT "about TCP [fd00:49::2]:41404 > [fd00:10:96::1]:4321"
    expect_flow(c, c->nodes[0], IPPROTO_TCP_, NULL, 41404, "fd00:10:96::1", 4321,
                "minikube/eth0 out TCP [fd00:49::2]:41404 > [fd00:10:96::1]:4321 SYN ttl=64\n"
                "router/v-minikube in TCP [fd00:49::2]:41404 > [fd00:10:96::1]:4321 SYN ttl=64\n"
                "router/br-lan in TCP [fd00:49::2]:41404 > [fd00:10:96::1]:4321 SYN ttl=64\n"
                "router/br-lan out ICMPv6 fd00:49::1 > fd00:49::2 type 1 code 0 " ABOUT " ttl=64\n"
                "router/v-minikube out ICMPv6 fd00:49::1 > fd00:49::2 type 1 code 0 " ABOUT " ttl=64\n"
                "minikube/eth0 in ICMPv6 fd00:49::1 > fd00:49::2 type 1 code 0 " ABOUT " ttl=64\n");
#undef ABOUT
    net_cluster_free(c);
}

/* The answer comes from the address that was asked, though it stands on another interface. */
static void
test_error_source(void)
{
    NetCluster *c = net_cluster_new();
#define ABOUT "about UDP [fd00:10:244::5]:55458 > [fd00:49::2]:30082"
    expect_flow(c, c->client_pods[0], IPPROTO_UDP_, NULL, 55458, "fd00:49::2", 30082,
                "p-client-0/eth0 out UDP [fd00:10:244::5]:55458 > [fd00:49::2]:30082 ttl=64\n"
                "minikube/v5p in UDP [fd00:10:244::5]:55458 > [fd00:49::2]:30082 ttl=64\n"
                "minikube/cni0 in UDP [fd00:10:244::5]:55458 > [fd00:49::2]:30082 ttl=64\n"
                "minikube/cni0 out ICMPv6 fd00:49::2 > fd00:10:244::5 type 1 code 4 " ABOUT " ttl=64\n"
                "minikube/v5p out ICMPv6 fd00:49::2 > fd00:10:244::5 type 1 code 4 " ABOUT " ttl=64\n"
                "p-client-0/eth0 in ICMPv6 fd00:49::2 > fd00:10:244::5 type 1 code 4 " ABOUT " ttl=64\n");
#undef ABOUT
    net_cluster_free(c);
}

static void
test_proto_unreachable(void)
{
    NetCluster *c = net_cluster_new();
#define ABOUT "about SCTP 10.244.0.5:51192 > 10.244.0.1:30500"
    expect_flow(c, c->client_pods[0], IPPROTO_SCTP_, NULL, 51192, "10.244.0.1", 30500,
                "p-client-0/eth0 out SCTP 10.244.0.5:51192 > 10.244.0.1:30500 INIT ttl=64\n"
                "minikube/v5p in SCTP 10.244.0.5:51192 > 10.244.0.1:30500 INIT ttl=64\n"
                "minikube/cni0 in SCTP 10.244.0.5:51192 > 10.244.0.1:30500 INIT ttl=64\n"
                "minikube/cni0 out ICMP 10.244.0.1 > 10.244.0.5 type 3 code 2 " ABOUT " ttl=64\n"
                "minikube/v5p out ICMP 10.244.0.1 > 10.244.0.5 type 3 code 2 " ABOUT " ttl=64\n"
                "p-client-0/eth0 in ICMP 10.244.0.1 > 10.244.0.5 type 3 code 2 " ABOUT " ttl=64\n");
#undef ABOUT
    net_cluster_free(c);
}

/* The router sends the address to a node that sends it back by its default route: until the TTL is gone. */
static void
test_routing_loop(void)
{
    NetCluster *c = net_cluster_new();
    GString *want = g_string_new("client/eth0 out TCP 198.51.100.10:49044 > 10.96.5.81:4321 SYN ttl=64\n"
                                 "router/ext0 in TCP 198.51.100.10:49044 > 10.96.5.81:4321 SYN ttl=64\n");
#define SYN(ttl) "TCP 198.51.100.10:49044 > 10.96.5.81:4321 SYN ttl=%d\n"
    for (int ttl = 63; ttl > 0; ttl -= 2) {
        g_string_append_printf(
            want, "router/br-lan out " SYN() "router/v-minikube out " SYN() "minikube/eth0 in " SYN(), ttl, ttl, ttl);
        if (ttl > 1)
            g_string_append_printf(want,
                                   "minikube/eth0 out " SYN() "router/v-minikube in " SYN() "router/br-lan in " SYN(),
                                   ttl - 1, ttl - 1, ttl - 1);
    }
#undef SYN
#define ERROR "ICMP 192.168.49.2 > 198.51.100.10 type 11 code 0 about TCP 198.51.100.10:49044 > 10.96.5.81:4321 ttl=6"
    g_string_append(want, "minikube/eth0 out " ERROR "4\nrouter/v-minikube in " ERROR "4\nrouter/br-lan in " ERROR
                          "4\nrouter/ext0 out " ERROR "3\nclient/eth0 in " ERROR "3\n");
#undef ERROR
    net_world_route(c->router, "10.96.5.81/32", "192.168.49.2", "br-lan");
    expect_flow(c, c->client, IPPROTO_TCP_, NULL, 49044, "10.96.5.81", 4321, want->str);
    T_EQ_STR(c->world->drops->str, "minikube ttl-exceeded\n");
    g_string_free(want, TRUE);
    net_cluster_free(c);
}

/* Without rules the pods of two nodes talk straight: the server's answer is a RST. */
static void
test_pod_to_pod(void)
{
    NetCluster *c = net_cluster_new();
    net_cluster_add_pod(c, 0, "p-web-0", 10);

    expect_flow(c, c->client_pods[1], IPPROTO_UDP_, NULL, 40000, "10.244.0.10", 53,
                "p-client-1/eth0 out UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=64\n"
                "minikube-m02/v5p in UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=64\n"
                "minikube-m02/cni0 in UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=64\n"
                "minikube-m02/eth0 out UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=63\n"
                "router/v-kube-m02 in UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=63\n"
                "router/v-minikube out UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=63\n"
                "minikube/eth0 in UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=63\n"
                "minikube/cni0 out UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=62\n"
                "minikube/v10p out UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=62\n"
                "p-web-0/eth0 in UDP 10.244.1.5:40000 > 10.244.0.10:53 ttl=62\n"
                "p-web-0/eth0 out ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=64\n"
                "minikube/v10p in ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=64\n"
                "minikube/cni0 in ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=64\n"
                "minikube/eth0 out ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=63\n"
                "router/v-minikube in ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=63\n"
                "router/v-kube-m02 out ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=63\n"
                "minikube-m02/eth0 in ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=63\n"
                "minikube-m02/cni0 out ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=62\n"
                "minikube-m02/v5p out ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=62\n"
                "p-client-1/eth0 in ICMP 10.244.0.10 > 10.244.1.5 type 3 code 3 about UDP 10.244.1.5:40000 > "
                "10.244.0.10:53 ttl=62\n");
    /* Same node, same subnet: bridged, the host does not route it. */
    expect_flow(c, c->client_pods[0], IPPROTO_TCP_, NULL, 40000, "10.244.0.10", 80,
                "p-client-0/eth0 out TCP 10.244.0.5:40000 > 10.244.0.10:80 SYN ttl=64\n"
                "minikube/v5p in TCP 10.244.0.5:40000 > 10.244.0.10:80 SYN ttl=64\n"
                "minikube/v10p out TCP 10.244.0.5:40000 > 10.244.0.10:80 SYN ttl=64\n"
                "p-web-0/eth0 in TCP 10.244.0.5:40000 > 10.244.0.10:80 SYN ttl=64\n"
                "p-web-0/eth0 out TCP 10.244.0.10:80 > 10.244.0.5:40000 ACK+RST ttl=64\n"
                "minikube/v10p in TCP 10.244.0.10:80 > 10.244.0.5:40000 ACK+RST ttl=64\n"
                "minikube/v5p out TCP 10.244.0.10:80 > 10.244.0.5:40000 ACK+RST ttl=64\n"
                "p-client-0/eth0 in TCP 10.244.0.10:80 > 10.244.0.5:40000 ACK+RST ttl=64\n");
    net_cluster_free(c);
}

/* One packet from 'from' by its route; what the hosts dropped. */
static void
expect_drops(NetCluster *c, Host *from, const char *src, const char *dst, const char *want)
{
    net_world_clear(c->world);
    ip_send_any_source(from, net_world_packet(c->world, IPPROTO_UDP_, src, 40000, dst, 9));
    net_world_run(c->world, SIMTIME_MSEC);
    T_EQ_STR(c->world->drops->str, want);
}

static void
test_source_validation(void)
{
    NetCluster *c = net_cluster_new();
    HostSysctls *node = host_sysctls(c->nodes[0]);

    /* What claims to be from the node itself, from multicast, from nowhere. */
    expect_drops(c, c->client, "192.168.49.2", "192.168.49.2", "minikube martian-source\n");
    node->accept_local = true;
    expect_drops(c, c->client, "192.168.49.2", "192.168.49.2", "minikube no-socket\n");
    node->accept_local = false;
    expect_drops(c, c->client, "0.0.0.1", "192.168.49.2", "router martian-source\n");
    /* A pod's address from outside: the way back is another interface. */
    expect_drops(c, c->client, "10.244.0.77", "192.168.49.2", "minikube no-socket\n");
    node->rp_filter = 1;
    expect_drops(c, c->client, "10.244.0.77", "192.168.49.2", "minikube rp-filter\n");
    node->rp_filter = 2;
    expect_drops(c, c->client, "10.244.0.77", "192.168.49.2", "minikube no-socket\n");
    node->rp_filter = 1;
    expect_drops(c, c->client, "198.51.100.10", "192.168.49.2", "minikube no-socket\n");
    net_cluster_free(c);
}

static void
test_local_sends(void)
{
    NetCluster *c = net_cluster_new();
    IpAddr src;

    T_EQ_I64(ip_send(c->nodes[0], net_world_packet(c->world, IPPROTO_UDP_, "1.2.3.4", 1, "192.168.49.1", 9)),
             IP_EINVAL);
    T_EQ_I64(ip_send(c->nodes[0], net_world_packet(c->world, IPPROTO_UDP_, "127.0.0.1", 1, "192.168.49.1", 9)),
             IP_EINVAL);
    T_TRUE(ip_source_for(c->nodes[0], ip("10.244.0.5"), &src) && ipaddr_eq(src, ip("10.244.0.1")));
    T_TRUE(ip_source_for(c->nodes[0], ip("10.244.1.5"), &src) && ipaddr_eq(src, ip("192.168.49.2")));
    T_TRUE(ip_source_for(c->nodes[0], ip("192.168.49.2"), &src) && ipaddr_eq(src, ip("192.168.49.2")));
    T_TRUE(ip_source_for(c->nodes[0], ip("fd00:10:244::5"), &src) && ipaddr_eq(src, ip("fd00:10:244::1")));
    T_TRUE(ip_source_for(c->nodes[0], ip("2001:db8::1"), &src) && ipaddr_eq(src, ip("fd00:49::2")));
    IpPrefix any = net("0.0.0.0/0");
    T_TRUE(fib_remove(host_fib(c->nodes[0]), &any, NULL));
    T_EQ_I64(ip_send(c->nodes[0], net_world_packet(c->world, IPPROTO_UDP_, NULL, 1, "8.8.8.8", 9)), IP_ENETUNREACH);
    fib_add(host_fib(c->nodes[0]), &(Route){.prefix = any, .type = ROUTE_UNREACHABLE});
    T_EQ_I64(ip_send(c->nodes[0], net_world_packet(c->world, IPPROTO_UDP_, NULL, 1, "8.8.8.8", 9)), IP_EHOSTUNREACH);
    fib_remove(host_fib(c->nodes[0]), &any, NULL);
    fib_add(host_fib(c->nodes[0]), &(Route){.prefix = any, .type = ROUTE_PROHIBIT});
    T_EQ_I64(ip_send(c->nodes[0], net_world_packet(c->world, IPPROTO_UDP_, NULL, 1, "8.8.8.8", 9)), IP_EACCES);
    net_cluster_free(c);
}

static void
test_localnet(void)
{
    NetCluster *c = net_cluster_new();

    net_world_route(c->client, "127.0.0.0/8", "198.51.100.1", "eth0");
    IpPrefix local = net("127.0.0.0/8");
    fib_remove(host_fib(c->client), &local, host_loopback(c->client));
    expect_drops(c, c->client, "198.51.100.10", "127.0.0.1", "router martian-destination\n");
    host_sysctls(c->router)->route_localnet = true;
    expect_drops(c, c->client, "198.51.100.10", "127.0.0.1", "router no-socket\nclient martian-source\n");
    net_cluster_free(c);
}

static void
test_not_a_router(void)
{
    NetCluster *c = net_cluster_new();
    host_sysctls(c->nodes[0])->ip_forward = false;
    expect_drops(c, c->client, "198.51.100.10", "10.244.0.5", "minikube forwarding-off\n");
    expect_drops(c, c->client, "198.51.100.10", "192.168.49.2", "minikube no-socket\n");
    net_cluster_free(c);
}

/* Nobody has the address: three probes, then every waiting packet is answered. */
static void
test_dead_neighbour(void)
{
    NetCluster *c = net_cluster_new();

    ip_send(c->client, net_world_packet(c->world, IPPROTO_UDP_, NULL, 1, "192.168.49.77", 9));
    net_world_run(c->world, 2 * SIMTIME_SEC);
    ip_send(c->client, net_world_packet(c->world, IPPROTO_UDP_, NULL, 2, "192.168.49.77", 9));
    net_world_run(c->world, 999 * SIMTIME_MSEC);
    T_EQ_STR(c->world->drops->str, "");
    net_world_clear(c->world);
    net_world_run(c->world, SIMTIME_SEC);
    T_EQ_STR(c->world->drops->str, "router neighbour-failed\nrouter neighbour-failed\n");
#define ERROR(port)                                                                                                    \
    "ICMP 198.51.100.1 > 198.51.100.10 type 3 code 1 about UDP 198.51.100.10:" port " > 192.168.49.77:9 ttl=64\n"
    T_EQ_STR(c->world->crossings->str, "router/ext0 out " ERROR("1") "router/ext0 out " ERROR(
                                           "2") "client/eth0 in " ERROR("1") "client/eth0 in " ERROR("2"));
#undef ERROR
    /* It turns up while it is probed. */
    net_world_clear(c->world);
    ip_send(c->client, net_world_packet(c->world, IPPROTO_UDP_, NULL, 3, "192.168.49.77", 9));
    net_world_run(c->world, 500 * SIMTIME_MSEC);
    net_world_addr(c->nodes[2], "eth0", "192.168.49.77/24", NULL);
    net_world_run(c->world, SIMTIME_SEC);
    T_EQ_STR(c->world->drops->str, "minikube-m03 no-socket\n");
    net_cluster_free(c);
}

static void
test_moved_address(void)
{
    NetCluster *c = net_cluster_new();

    net_world_addr(c->nodes[1], "eth0", "192.168.49.100/32", NULL);
    expect_drops(c, c->client, NULL, "192.168.49.100", "minikube-m02 no-socket\n");
    netdev_remove_addr(host_dev(c->nodes[1], "eth0"), ip("192.168.49.100"));
    net_world_addr(c->nodes[2], "eth0", "192.168.49.100/32", NULL);
    /* The router still knows the old MAC; the node that lost the address forwards. */
    expect_drops(c, c->client, NULL, "192.168.49.100", "minikube-m03 no-socket\n");
    T_TRUE(strstr(c->world->crossings->str, "minikube-m02/eth0 out UDP") != NULL);
    netdev_announce(host_dev(c->nodes[2], "eth0"), ip("192.168.49.100"));
    expect_drops(c, c->client, NULL, "192.168.49.100", "minikube-m03 no-socket\n");
    T_TRUE(strstr(c->world->crossings->str, "minikube-m02") == NULL);
    net_cluster_free(c);
}

const TestSuite suite_ip_paths = {"sim/ip_paths",
                                  {{"a closed port answers RST, over bridge, router and loopback", test_rst},
                                   {"no route on the way: net unreachable from the router", test_net_unreachable},
                                   {"an error's source is the address that was asked", test_error_source},
                                   {"an unknown protocol is unreachable", test_proto_unreachable},
                                   {"a routing loop ends by TTL", test_routing_loop},
                                   {"pods reach pods, routed and bridged", test_pod_to_pod},
                                   {"sources are validated", test_source_validation},
                                   {"local sends choose sources and fail at once", test_local_sends},
                                   {"loopback addresses stay inside unless route_localnet", test_localnet},
                                   {"a host that does not forward keeps silent", test_not_a_router},
                                   {"a neighbour that does not answer costs three seconds", test_dead_neighbour},
                                   {"an address that moves", test_moved_address}}};
