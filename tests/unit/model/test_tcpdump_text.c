/* tcpdump's text against tcpdump itself, reading the same packets from a capture that we wrote */

#include <glib/gstdio.h>
#include <string.h>

#include "model/report/tcpdump_text.h"
#include "sim/packet/capture.h"
#include "tests/unit/test.h"

typedef struct {
    Sim *sim;
    GPtrArray *packets;
} Fixture;

static Packet *
add(Fixture *f, const char *src, const char *dst, uint8_t proto)
{
    Packet *pkt = packet_new(f->sim);

    pkt->eth_src = mac_from_name("a");
    pkt->eth_dst = mac_from_name("b");
    T_TRUE(ipaddr_parse(src, &pkt->src) && ipaddr_parse(dst, &pkt->dst));
    pkt->proto = proto;
    pkt->dont_fragment = proto == IPPROTO_TCP_ && packet_family(pkt) == FAMILY_IPV4;
    g_ptr_array_add(f->packets, pkt);
    return pkt;
}

static void
set_text(Packet *pkt, const char *text, size_t size)
{
    PayloadBuf *buf = payload_buf_new(text, size);

    packet_set_payload(pkt, buf, 0, (uint32_t)size);
    payload_buf_unref(buf);
}

static Packet *
add_tcp(Fixture *f, bool reply, bool v6, uint16_t port, uint8_t flags, uint32_t seq, uint32_t ack)
{
    const char *client = v6 ? "fd00::7" : "203.0.113.7", *server = v6 ? "fd00:1::2" : "192.168.49.2";
    Packet *pkt = add(f, reply ? server : client, reply ? client : server, IPPROTO_TCP_);

    pkt->sport = reply ? port : 40000;
    pkt->dport = reply ? 40000 : port;
    pkt->tcp = (TcpHeader){.seq = seq, .ack = ack, .window = 502, .flags = flags};
    return pkt;
}

static void
add_connection(Fixture *f, bool v6, uint16_t port)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", answer[] = "HTTP/1.1 200 OK\r\n\r\nhello";
    uint32_t s = 4294967290u, t = 262391813;
    Packet *pkt = add_tcp(f, false, v6, port, TCP_SYN, s, 0);

    pkt->tcp.mss = 1460;
    pkt->tcp.sack_permitted = pkt->tcp.has_ts = true;
    pkt->tcp.ts_val = 77;
    pkt->tcp.wscale = 8;
    pkt = add_tcp(f, true, v6, port, TCP_SYN | TCP_ACK, t, s + 1);
    pkt->tcp.mss = 1460;
    pkt->tcp.sack_permitted = true;
    pkt->tcp.wscale = 1;
    pkt = add_tcp(f, false, v6, port, TCP_ACK, s + 1, t + 1);
    pkt->tcp.has_ts = true;
    pkt->tcp.ts_val = 5;
    pkt->tcp.ts_ecr = 4000000000u;
    set_text(add_tcp(f, false, v6, port, TCP_ACK | TCP_PSH, s + 1, t + 1), request, sizeof request - 1);
    set_text(add_tcp(f, true, v6, port, TCP_ACK | TCP_PSH, t + 1, s + 28), answer, sizeof answer - 1);
    packet_set_payload(add_tcp(f, true, v6, port, TCP_ACK, t + 1 + 24, s + 28), NULL, 0, 1000);
    pkt = add_tcp(f, false, v6, port, TCP_ACK, s + 28, t + 1);
    pkt->tcp.n_sacks = 1;
    pkt->tcp.sacks[0] = t + 25;
    pkt->tcp.sacks[1] = t + 1025;
    pkt = add_tcp(f, false, v6, port, TCP_ACK, s + 28, t + 1);
    pkt->tcp.has_ts = true;
    pkt->tcp.n_sacks = 2;
    pkt->tcp.sacks[0] = t + 2025;
    pkt->tcp.sacks[1] = t + 3025;
    pkt->tcp.sacks[2] = t + 25;
    pkt->tcp.sacks[3] = t + 1025;
    add_tcp(f, true, v6, port, TCP_ACK | TCP_FIN | TCP_ECE | TCP_CWR, t + 1025, s + 28);
    add_tcp(f, false, v6, port, TCP_RST, s + 28, 0);
    add_tcp(f, true, v6, port, TCP_RST | TCP_ACK, 0, s + 28)->cksum = CKSUM_BAD;
}

static Packet *
add_udp(Fixture *f, const char *src, const char *dst, uint16_t sport, uint16_t dport, const char *data, size_t size)
{
    Packet *pkt = add(f, src, dst, IPPROTO_UDP_);

    pkt->sport = sport;
    pkt->dport = dport;
    if (data)
        set_text(pkt, data, size);
    return pkt;
}

static void
add_dns(Fixture *f)
{
    static const char query[] = "\x12\x34\x01\x00\0\1\0\0\0\0\0\0\3web\7default\3svc\7cluster\5local\0\0\1\0\1";
    static const char answer[] = "\x12\x34\x85\x80\0\1\0\2\0\0\0\0\3web\7default\3svc\7cluster\5local\0\0\1\0\1"
                                 "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\x60\5\x51\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\x60\5\x52";
    static const char nxdomain[] = "\0\7\x81\x83\0\1\0\0\0\0\0\0\3web\0\0\x1c\0\1";
    static const char srv[] = "\0\7\x84\x00\0\1\0\2\0\0\0\0\3web\0\0\x21\0\1"
                              "\xc0\x0c\0\x21\0\1\0\0\0\5\0\x0b\0\0\0\x64\x1f\x90\3pod\0"
                              "\xc0\x0c\0\5\0\1\0\0\0\5\0\2\xc0\x0c";
    static const char aaaa[] = "\0\7\x84\x00\0\1\0\1\0\0\0\0\3web\0\0\x1c\0\1"
                               "\xc0\x0c\0\x1c\0\1\0\0\0\5\0\x10\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7";

    add_udp(f, "10.244.1.2", "10.96.0.10", 40000, 53, query, sizeof query - 1);
    add_udp(f, "10.96.0.10", "10.244.1.2", 53, 40000, answer, sizeof answer - 1);
    add_udp(f, "10.96.0.10", "10.244.1.2", 53, 40000, nxdomain, sizeof nxdomain - 1);
    add_udp(f, "10.96.0.10", "10.244.1.2", 53, 40000, srv, sizeof srv - 1);
    add_udp(f, "fd00::a", "fd00::7", 53, 40000, aaaa, sizeof aaaa - 1);
}

static void
add_icmp(Fixture *f, const char *src, const char *dst, uint8_t type, uint8_t code, const Packet *offender)
{
    bool v4 = strchr(src, '.') != NULL;
    Packet *pkt = add(f, src, dst, v4 ? IPPROTO_ICMP_ : IPPROTO_ICMPV6_);

    pkt->icmp.type = type;
    pkt->icmp.code = code;
    if (offender)
        packet_set_quote(pkt, offender);
    else
        pkt->icmp.id = 4660, pkt->icmp.seq = 3, packet_set_payload(pkt, NULL, 0, 56);
    if ((v4 && type == 3 && code == 4) || (!v4 && type == 2))
        pkt->icmp.mtu = 1400;
}

static void
add_errors(Fixture *f)
{
    static const uint8_t v4[][2] = {{3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}, {3, 9}, {3, 10}, {3, 13}, {11, 0}};
    static const uint8_t v6[][2] = {{1, 0}, {1, 1}, {1, 3}, {1, 4}, {2, 0}, {3, 0}};
    const Packet *udp = add_udp(f, "10.0.0.1", "10.0.0.2", 1000, 2000, "hello", 5);
    const Packet *tcp = add_tcp(f, false, false, 443, TCP_SYN, 1, 0);
    const Packet *udp6 = add_udp(f, "fd00::1", "fd00::2", 1000, 2000, "hello", 5);

    for (size_t i = 0; i < G_N_ELEMENTS(v4); i++)
        add_icmp(f, "10.0.0.9", "10.0.0.1", v4[i][0], v4[i][1], udp);
    add_icmp(f, "10.0.0.9", "203.0.113.7", 3, 3, tcp);
    for (size_t i = 0; i < G_N_ELEMENTS(v6); i++)
        add_icmp(f, "fd00::9", "fd00::1", v6[i][0], v6[i][1], udp6);
}

static void
add_arp(Fixture *f, uint8_t op)
{
    Packet *pkt = add(f, "10.0.0.1", "10.0.0.2", 0);

    pkt->eth = ETH_ARP;
    pkt->arp.op = op;
}

static void
setup(Fixture *f, bool verbose)
{
    f->sim = sim_new(1);
    f->packets = g_ptr_array_new();
    add_connection(f, false, 32073);
    add_connection(f, true, 32073);
    add_connection(f, false, 80);
    add_connection(f, false, 8080);
    add_udp(f, "10.0.0.1", "10.0.0.2", 1000, 2000, "hello", 5);
    add_udp(f, "10.0.0.1", "10.0.0.2", 1000, 2000, NULL, 0);
    add_dns(f);
    add_icmp(f, "10.0.0.1", "10.0.0.2", 8, 0, NULL);
    add_icmp(f, "10.0.0.2", "10.0.0.1", 0, 0, NULL);
    add_icmp(f, "fd00::1", "fd00::2", 128, 0, NULL);
    add_icmp(f, "fd00::2", "fd00::1", 129, 0, NULL);
    add_arp(f, 1);
    add_arp(f, 2);
    /* With -v tcpdump adds what errors quote. */
    if (!verbose)
        add_errors(f);
    Packet *vxlan = add_udp(f, "10.0.0.1", "10.0.0.2", 5555, VXLAN_PORT, NULL, 0);
    vxlan->inner = add_tcp(f, false, false, 9, TCP_SYN, 1, 0);
    g_ptr_array_remove(f->packets, vxlan->inner);
}

static void
teardown(Fixture *f)
{
    for (guint i = 0; i < f->packets->len; i++)
        packet_free(f->sim, f->packets->pdata[i]);
    g_ptr_array_unref(f->packets);
    sim_free(f->sim);
}

static void
compare_lines(const char *got, const char *want)
{
    g_auto(GStrv) g = g_strsplit(got, "\n", -1);
    g_auto(GStrv) w = g_strsplit(want, "\n", -1);

    T_EQ_U64(g_strv_length(g), g_strv_length(w));
    for (guint i = 0; g[i] && w[i]; i++)
        T_EQ_STR(g[i], w[i]);
}

static void
compare_with_tcpdump(bool verbose)
{
    Fixture f;
    g_autofree char *dir = g_dir_make_tmp("tcpdump-XXXXXX", NULL), *path = g_build_filename(dir, "x.pcap", NULL);
    g_autofree char *program = g_find_program_in_path("tcpdump"), *want = NULL;
    g_autofree char *command = g_strdup_printf("tcpdump %s -nr %s", verbose ? "-v" : "", path);
    g_autoptr(GString) got = g_string_new(NULL);
    PcapWriter *writer = pcap_writer_open(path, 262144, NULL);
    TcpdumpText *text = tcpdump_text_new(&(TcpdumpOptions){.numeric = true, .verbose = verbose});
    const char *const environment[] = {"TZ=UTC", "PATH=/usr/bin:/usr/sbin:/bin:/sbin", NULL};
    const char *const argv[] = {"sh", "-c", command, NULL};

    setup(&f, verbose);
    for (guint i = 0; i < f.packets->len; i++) {
        SimTime at = i * 1234567 + i * SIMTIME_SEC * 70;
        pcap_writer_packet(writer, at, f.packets->pdata[i]);
        tcpdump_text_time(got, at);
        tcpdump_text_packet(text, got, f.packets->pdata[i]);
        g_string_append_c(got, '\n');
    }
    T_TRUE(pcap_writer_close(writer, NULL));
    if (!program) {
        g_print("SKIP: no tcpdump to compare with\n");
    } else {
        T_TRUE(g_spawn_sync(NULL, (char **)argv, (char **)environment, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                            NULL, NULL, &want, NULL, NULL, NULL));
        compare_lines(got->str, want);
    }
    tcpdump_text_free(text);
    teardown(&f);
    g_unlink(path);
    g_rmdir(dir);
}

static void
test_plain(void)
{
    compare_with_tcpdump(false);
}

static void
test_verbose(void)
{
    compare_with_tcpdump(true);
}

extern const TestSuite suite_tcpdump_text;
const TestSuite suite_tcpdump_text = {
    "model/tcpdump_text",
    {{"lines are those of tcpdump -n", test_plain}, {"lines are those of tcpdump -vn", test_verbose}},
};
