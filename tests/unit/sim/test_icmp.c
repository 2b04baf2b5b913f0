#include "tests/unit/sim/net_cluster.h"

/* ICMP: echo, rate limits, path MTU, what is never answered; tunnels and their MTU. */

static uint32_t
count(const char *text, const char *part)
{
    uint32_t n = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        n++;
    return n;
}

static void
test_echo(void)
{
    NetCluster *c = net_cluster_new();

    T_EQ_I64(icmp_send_echo(c->client, ip("10.244.1.5"), 7, 1, 56), IP_SENT);
    T_EQ_I64(icmp_send_echo(c->client, ip("fd00:10:244:1::5"), 7, 1, 56), IP_SENT);
    T_EQ_I64(icmp_send_echo(c->client, ip("127.0.0.1"), 7, 1, 56), IP_SENT);
    net_world_run(c->world, SIMTIME_SEC);
    T_EQ_STR(c->world->drops->str, "");
    T_EQ_U64(c->world->n_delivered, 6); /* Three requests, three replies. */
    T_EQ_U64(host_stats(c->client)->in_delivers, 4);
    net_cluster_free(c);
}

/* The kernel with icmp_ratelimit 1000: six at once, then one a second (facts: reject-icmp-ratelimit). */
static void
test_rate_limit(void)
{
    NetCluster *c = net_cluster_new();

    host_sysctls(c->nodes[0])->icmp_ratelimit = 1000;
    for (uint16_t i = 0; i < 10; i++)
        ip_send(c->client, net_world_packet(c->world, IPPROTO_UDP_, NULL, 1000 + i, "192.168.49.2", 9));
    net_world_run(c->world, 10 * SIMTIME_MSEC);
    T_EQ_U64(c->world->n_delivered, 6);
    T_EQ_U64(count(c->world->drops->str, "icmp-ratelimit"), 4);
    for (uint16_t i = 0; i < 40; i++) {
        net_world_run(c->world, 100 * SIMTIME_MSEC);
        ip_send(c->client, net_world_packet(c->world, IPPROTO_UDP_, NULL, 2000 + i, "192.168.49.2", 9));
    }
    net_world_run(c->world, 10 * SIMTIME_MSEC);
    T_EQ_U64(c->world->n_delivered, 10); /* Four seconds, four more. */
    /* Another target has its own bucket. */
    ip_send(c->client_pods[1], net_world_packet(c->world, IPPROTO_UDP_, NULL, 1, "192.168.49.2", 9));
    net_world_run(c->world, 10 * SIMTIME_MSEC);
    T_EQ_U64(c->world->n_delivered, 11);
    net_cluster_free(c);
}

/* Linux 7.0 (and stable kernels since February 2026): six at once, then ten a second, however wide the route back. */
static void
test_rate_limit6(void)
{
    NetCluster *c = net_cluster_new();
    HostSysctls defaults;

    host_sysctls_default(&defaults);
    host_sysctls(c->nodes[0])->icmp6_ratelimit = defaults.icmp6_ratelimit;
    for (uint16_t i = 0; i < 100; i++) {
        ip_send(c->client, net_world_packet(c->world, IPPROTO_UDP_, NULL, 1000 + i, "fd00:49::2", 9));
        net_world_run(c->world, 10 * SIMTIME_MSEC);
    }
    T_EQ_U64(c->world->n_delivered, 6 + 9);
    net_cluster_free(c);
}

static void
test_loopback_is_not_limited(void)
{
    NetCluster *c = net_cluster_new();

    host_sysctls(c->nodes[0])->icmp_ratelimit = 1000;
    for (uint16_t i = 0; i < 200; i++)
        ip_send(c->nodes[0], net_world_packet(c->world, IPPROTO_UDP_, NULL, 1000 + i, "192.168.49.2", 9));
    net_world_run(c->world, 10 * SIMTIME_MSEC);
    T_EQ_U64(c->world->n_delivered, 200);
    net_cluster_free(c);
}

static void
test_global_limit(void)
{
    NetCluster *c = net_cluster_new();

    for (uint16_t i = 0; i < 200; i++)
        ip_send(c->client, net_world_packet(c->world, IPPROTO_UDP_, NULL, 1000 + i, "192.168.49.2", 9));
    net_world_run(c->world, 10 * SIMTIME_MSEC);
    T_EQ_U64(c->world->n_delivered, 50); /* icmp_msgs_burst; icmp_ratelimit is 0 here. */
    net_cluster_free(c);
}

static void
test_route_error_limit(void)
{
    NetCluster *c = net_cluster_new();

    for (uint16_t i = 0; i < 10; i++)
        ip_send(c->client, net_world_packet(c->world, IPPROTO_UDP_, NULL, 1000 + i, "172.31.0.1", 9));
    net_world_run(c->world, 10 * SIMTIME_MSEC);
    T_EQ_U64(c->world->n_delivered, 5); /* ip_error() has a bucket of five of its own. */
    net_cluster_free(c);
}

static void
test_never_answered(void)
{
    NetCluster *c = net_cluster_new();

    /* A broadcast, and a RST. */
    Packet *pkt = net_world_packet(c->world, IPPROTO_UDP_, NULL, 1, "198.51.100.1", 9);
    pkt->eth_dst = (MacAddr){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    pkt->src = ip("198.51.100.10");
    netdev_transmit(host_dev(c->client, "eth0"), pkt);
    pkt = net_world_packet(c->world, IPPROTO_TCP_, NULL, 1, "198.51.100.1", 9);
    pkt->tcp.flags = TCP_RST;
    ip_send(c->client, pkt);
    net_world_run(c->world, 10 * SIMTIME_MSEC);
    T_EQ_STR(c->world->drops->str, "router no-socket\nrouter no-socket\n");
    T_EQ_U64(count(c->world->crossings->str, "client/eth0 in"), 0);
    net_cluster_free(c);
}

static void
test_tcp_reset(void)
{
    NetCluster *c = net_cluster_new();
    Packet *pkt = net_world_packet(c->world, IPPROTO_TCP_, "10.0.0.1", 5, "10.0.0.2", 6);

    /* RFC 9293 3.10.7.1: with ACK the number comes from it, else the segment is acknowledged. */
    pkt->tcp.seq = 1000;
    pkt->tcp.flags = TCP_SYN;
    Packet *reset = ip_make_tcp_reset(c->client, pkt);
    T_EQ_U64(reset->tcp.flags, TCP_RST | TCP_ACK);
    T_EQ_U64(reset->tcp.seq, 0);
    T_EQ_U64(reset->tcp.ack, 1001);
    T_TRUE(ipaddr_eq(reset->src, ip("10.0.0.2")) && reset->sport == 6 && reset->dport == 5);
    packet_free(c->world->sim, reset);
    pkt->tcp.flags = TCP_FIN | TCP_ACK;
    pkt->tcp.ack = 77;
    reset = ip_make_tcp_reset(c->client, pkt);
    T_EQ_U64(reset->tcp.flags, TCP_RST);
    T_EQ_U64(reset->tcp.seq, 77);
    packet_free(c->world->sim, reset);
    pkt->tcp.flags = TCP_FIN;
    packet_set_payload(pkt, NULL, 0, 10);
    reset = ip_make_tcp_reset(c->client, pkt);
    T_EQ_U64(reset->tcp.ack, 1011);
    packet_free(c->world->sim, reset);
    packet_free(c->world->sim, pkt);
    net_cluster_free(c);
}

static void
send_big(NetCluster *c, Host *from, const char *dst, uint32_t ip_size, IpSendResult want)
{
    Packet *pkt = net_world_packet(c->world, IPPROTO_UDP_, NULL, 1000, dst, 9);
    pkt->dont_fragment = true;
    packet_set_payload(pkt, NULL, 0, ip_size - (ipaddr_is_v4(&pkt->dst) ? 28 : 48));
    net_world_clear(c->world);
    T_EQ_I64(ip_send(from, pkt), want);
    net_world_run(c->world, SIMTIME_SEC);
}

static void
test_path_mtu(void)
{
    NetCluster *c = net_cluster_new();
    const char *dsts[] = {"10.244.0.5", "fd00:10:244::5"};

    netdev_set_mtu(host_dev(c->nodes[0], "cni0"), 1400);
    for (uint32_t i = 0; i < 2; i++) {
        T_EQ_U64(ip_path_mtu(c->client, ip(dsts[i])), 1500);
        send_big(c, c->client, dsts[i], 1501, IP_EMSGSIZE);
        send_big(c, c->client, dsts[i], 1400, IP_SENT);
        T_EQ_STR(c->world->drops->str, "p-client-0 no-socket\n");
        send_big(c, c->client, dsts[i], 1500, IP_SENT);
        T_EQ_STR(c->world->drops->str, "minikube frag-needed\n");
        T_EQ_U64(ip_path_mtu(c->client, ip(dsts[i])), 1400);
        T_EQ_U64(ip_path_mtu(c->client, ip("10.244.1.5")), 1500);
    }
    net_world_run(c->world, 601 * SIMTIME_SEC); /* ip_rt_mtu_expires */
    T_EQ_U64(ip_path_mtu(c->client, ip(dsts[0])), 1500);
    net_cluster_free(c);
}

/* Two nodes with flannel-like devices: pod traffic leaves wrapped. */
static void
tunnel_up(NetCluster *c, uint32_t node, uint32_t other, bool bad_checksum)
{
    Host *host = c->nodes[node];
    NetDev *dev = netdev_new(host, "flannel.1", DEV_VXLAN);
    IpAddr local = ipaddr_v4(192, 168, 49, (uint8_t)(node + 2));
    IpAddr remote = ipaddr_v4(192, 168, 49, (uint8_t)(other + 2)), hop = ipaddr_v4(10, 244, (uint8_t)other, 0);
    IpPrefix pods = {hop, 24};

    vxlan_configure(dev, 1, local, bad_checksum);
    netdev_add_addr(dev, ipprefix_host(ipaddr_v4(10, 244, (uint8_t)node, 0)));
    vxlan_add_remote(dev, hop, remote);
    fib_remove(host_fib(host), &pods, NULL);
    host_route_add(host, pods, hop, dev);
}

static void
test_vxlan(void)
{
    NetCluster *c = net_cluster_new();

    tunnel_up(c, 0, 1, false);
    tunnel_up(c, 1, 0, false);
    T_EQ_U64(netdev_mtu(host_dev(c->nodes[0], "flannel.1")), 1450);
    send_big(c, c->client_pods[0], "10.244.1.5", 100, IP_SENT);
    T_EQ_STR(c->world->drops->str, "p-client-1 no-socket\n");
    T_EQ_U64(c->world->n_delivered, 1);
    T_EQ_U64(count(c->world->crossings->str, "minikube/flannel.1 out UDP 10.244.0.5:1000 > 10.244.1.5:9 ttl=63\n"), 1);
    T_EQ_U64(count(c->world->crossings->str, "minikube-m02/flannel.1 in UDP 10.244.0.5:1000 > 10.244.1.5:9 ttl=63\n"),
             1);
    T_EQ_U64(count(c->world->crossings->str, "p-client-1/eth0 in UDP 10.244.0.5:1000 > 10.244.1.5:9 ttl=62\n"), 1);
    T_EQ_U64(count(c->world->crossings->str, "> 192.168.49.3:4789"), 4); /* Out, two bridge ports, in. */
    /* The pods' route takes the tunnel's overhead into account once the node has said so. */
    send_big(c, c->client_pods[0], "10.244.1.5", 1500, IP_SENT);
    T_EQ_STR(c->world->drops->str, "minikube frag-needed\n");
    T_EQ_U64(ip_path_mtu(c->client_pods[0], ip("10.244.1.5")), 1450);
    send_big(c, c->client_pods[0], "10.244.1.5", 1450, IP_SENT);
    T_EQ_STR(c->world->drops->str, "p-client-1 no-socket\n");
    net_cluster_free(c);

    c = net_cluster_new();
    tunnel_up(c, 0, 1, true);
    tunnel_up(c, 1, 0, false);
    send_big(c, c->client_pods[0], "10.244.1.5", 100, IP_SENT);
    T_EQ_STR(c->world->drops->str, "minikube-m02 checksum\n");
    net_cluster_free(c);
}

const TestSuite suite_icmp = {"sim/icmp",
                              {{"echo is answered", test_echo},
                               {"errors to one target are limited", test_rate_limit},
                               {"IPv6 errors to one target are limited", test_rate_limit6},
                               {"errors on the loopback are not", test_loopback_is_not_limited},
                               {"all errors together are limited", test_global_limit},
                               {"missing routes have a limit of their own", test_route_error_limit},
                               {"some things are never answered", test_never_answered},
                               {"a reset takes its numbers from the segment", test_tcp_reset},
                               {"path MTU is learned and forgotten", test_path_mtu},
                               {"VXLAN wraps, unwraps and needs room", test_vxlan}}};
