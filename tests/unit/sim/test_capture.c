#include "sim/packet/capture.h"

#include <glib/gstdio.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include "sim/packet/wire.h"
#include "tests/unit/sim/random_packet.h"
#include "tests/unit/test.h"

#define N_PACKETS 400

static char *
temp_path(const char *name)
{
    g_autofree char *file = g_strdup_printf("svcsim-test-%d-%s", (int)getpid(), name);

    return g_build_filename(g_get_tmp_dir(), file, NULL);
}

static SimTime
packet_time(int i)
{
    return INT64_C(86400) * SIMTIME_SEC + i * INT64_C(1000000007);
}

static void
write_both(const char *pcap_path, const char *ng_path, uint32_t snaplen)
{
    Sim *sim = sim_new(1);
    Rng rng = rng_stream(1, "test", "capture");
    PcapWriter *pcap = pcap_writer_open(pcap_path, snaplen, NULL);
    PcapngWriter *ng = pcapng_writer_open(ng_path, snaplen, NULL);
    uint32_t ids[3] = {0};

    T_TRUE(pcap && ng);
    for (uint32_t i = 0; i < 2; i++)
        ids[i] = pcapng_writer_interface(ng, i ? "pod/web/eth0" : "minikube-m02/eth0", i ? NULL : "the node's uplink");
    for (int i = 0; i < N_PACKETS; i++) {
        Packet *pkt = random_packet(sim, &rng, (RandomKind)(i % RANDOM_N_KINDS));
        if (i == N_PACKETS / 2)
            ids[2] = pcapng_writer_interface(ng, "lb/eth0", "added late");
        pcap_writer_packet(pcap, packet_time(i), pkt);
        pcapng_writer_packet(ng, ids[i < N_PACKETS / 2 ? i % 2 : 2], packet_time(i), pkt, i & 1,
                             i % 10 == 0 ? "dropped by KUBE-FORWARD rule 1" : NULL);
        packet_free(sim, pkt);
    }
    T_TRUE(pcap_writer_close(pcap, NULL));
    T_TRUE(pcapng_writer_close(ng, NULL));
    sim_free(sim);
}

/* Reads a file with libpcap and compares with the packets made again from the seed. */
static void
read_back(const char *path, uint32_t snaplen)
{
    static uint8_t frame[WIRE_MAX_FRAME];
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
    Sim *sim = sim_new(1);
    Rng rng = rng_stream(1, "test", "capture");
    struct pcap_pkthdr *header;
    const u_char *data;
    int n = 0;

    if (!test_check(pcap != NULL, __LINE__, __FILE__, __func__, "%s", error))
        return;
    for (; pcap_next_ex(pcap, &header, &data) == 1; n++) {
        Packet *pkt = random_packet(sim, &rng, (RandomKind)(n % RANDOM_N_KINDS));
        uint32_t size = wire_build(pkt, frame, sizeof frame);
        T_EQ_U64(header->len, size);
        T_EQ_U64(header->caplen, MIN(size, snaplen));
        T_TRUE(memcmp(data, frame, header->caplen) == 0);
        T_EQ_I64(header->ts.tv_sec * SIMTIME_SEC + header->ts.tv_usec,
                 CAPTURE_EPOCH_SEC * SIMTIME_SEC + packet_time(n));
        packet_free(sim, pkt);
    }
    T_EQ_I64(n, N_PACKETS);
    pcap_close(pcap);
    sim_free(sim);
}

static void
test_read_back(void)
{
    static const uint32_t snaplens[] = {262144, 96};

    for (size_t i = 0; i < G_N_ELEMENTS(snaplens); i++) {
        g_autofree char *pcap_path = temp_path("a.pcap"), *ng_path = temp_path("a.pcapng");
        write_both(pcap_path, ng_path, snaplens[i]);
        read_back(pcap_path, snaplens[i]);
        read_back(ng_path, snaplens[i]);
        g_unlink(pcap_path);
        g_unlink(ng_path);
    }
}

/* Packets of the file for which tshark, told to verify all checksums, finds 'filter' true; -1: it failed. */
static int
tshark_count(const char *tshark, const char *path, const char *filter)
{
    const char *argv[] = {tshark, "-n",
                          "-r",   path,
                          "-o",   "ip.check_checksum:TRUE",
                          "-o",   "tcp.check_checksum:TRUE",
                          "-o",   "udp.check_checksum:TRUE",
                          "-o",   "sctp.checksum:CRC 32c",
                          "-Y",   filter,
                          NULL};
    g_autofree char *out = NULL;
    int status = -1, n = 0;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL, &status, NULL) ||
        status != 0)
        return -1;
    for (const char *c = out; *c; c++)
        n += *c == '\n';
    return n;
}

/* An independent judge, where it is installed. */
static void
test_tshark(void)
{
    g_autofree char *tshark = g_find_program_in_path("tshark");
    g_autofree char *pcap_path = temp_path("b.pcap"), *ng_path = temp_path("b.pcapng");
    static const char *const protocols[] = {"ip", "tcp", "udp", "icmp", "icmpv6", "sctp"};
    g_autofree char *out = NULL;
    char *names[] = {tshark,       (char *)"-n",
                     (char *)"-r", ng_path,
                     (char *)"-T", (char *)"fields",
                     (char *)"-e", (char *)"frame.interface_name",
                     (char *)"-e", (char *)"frame.comment",
                     NULL};
    int status = -1;

    if (!tshark)
        return;
    write_both(pcap_path, ng_path, 262144);
    T_EQ_I64(tshark_count(tshark, ng_path, "_ws.malformed"), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++) {
        g_autofree char *bad = g_strdup_printf("%s.checksum.status == 0", protocols[i]);
        g_autofree char *good = g_strdup_printf("%s.checksum.status == 1", protocols[i]);
        T_EQ_I64(tshark_count(tshark, ng_path, bad), 0);
        T_TRUE(tshark_count(tshark, ng_path, good) > 20); /* Else nothing was verified. */
    }
    if (T_TRUE(g_spawn_sync(NULL, names, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL, &status, NULL))) {
        g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
        T_EQ_U64(g_strv_length(lines), N_PACKETS + 1);
        T_EQ_STR(lines[0], "minikube-m02/eth0\tdropped by KUBE-FORWARD rule 1");
        T_EQ_STR(lines[1], "pod/web/eth0\t");
        T_EQ_STR(lines[N_PACKETS - 1], "lb/eth0\t");
    }
    if (!g_getenv("TEST_KEEP")) {
        g_unlink(pcap_path);
        g_unlink(ng_path);
    }
}

static void
test_failures(void)
{
    GError *error = NULL;
    Sim *sim = sim_new(1);
    Packet *pkt = packet_new(sim);
    PcapngWriter *ng;
    PcapWriter *pcap;

    T_TRUE(pcap_writer_open("/nonexistent/x.pcap", 96, &error) == NULL && error);
    g_clear_error(&error);
    T_TRUE(pcapng_writer_open("/nonexistent/x.pcapng", 96, &error) == NULL && error);
    g_clear_error(&error);

    pkt->src = pkt->dst = ipaddr_v4(10, 0, 0, 1);
    pkt->proto = IPPROTO_UDP_;
    pkt->payload.len = 1000;
    pcap = pcap_writer_open("/dev/full", 65535, NULL);
    ng = pcapng_writer_open("/dev/full", 65535, NULL);
    T_TRUE(pcap && ng);
    pcapng_writer_interface(ng, "a", NULL);
    for (int i = 0; i < 2000; i++) {
        pcap_writer_packet(pcap, i, pkt);
        pcapng_writer_packet(ng, 0, i, pkt, true, NULL);
    }
    T_TRUE(!pcap_writer_close(pcap, &error) && error);
    g_clear_error(&error);
    T_TRUE(!pcapng_writer_close(ng, &error) && error);
    g_clear_error(&error);
    packet_free(sim, pkt);
    sim_free(sim);
}

static void
test_filter(void)
{
    static const struct {
        const char *expression;
        bool match;
    } cases[] = {
        {NULL, true},
        {"", true},
        {"tcp port 80", true},
        {"udp", false},
        {"host 10.0.0.2 and tcp[tcpflags] & tcp-syn != 0", true},
        {"src host 10.0.0.2", false},
        {"ip6", false},
        {"ether dst 02:00:00:00:00:02", true},
    };
    GError *error = NULL;
    Sim *sim = sim_new(1);
    Packet *pkt = packet_new(sim);

    T_TRUE(mac_parse("02:00:00:00:00:02", &pkt->eth_dst));
    pkt->src = ipaddr_v4(10, 0, 0, 1);
    pkt->dst = ipaddr_v4(10, 0, 0, 2);
    pkt->proto = IPPROTO_TCP_;
    pkt->dport = 80;
    pkt->tcp.flags = TCP_SYN;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        CaptureFilter *filter = capture_filter_new(cases[i].expression, NULL);
        T_TRUE(filter && capture_filter_match(filter, pkt) == cases[i].match);
        capture_filter_free(filter);
    }
    T_TRUE(capture_filter_new("port and", &error) == NULL && error);
    g_clear_error(&error);
    packet_free(sim, pkt);
    sim_free(sim);
}

const TestSuite suite_capture = {"sim/capture",
                                 {{"libpcap reads both formats back to the nanosecond", test_read_back},
                                  {"tshark finds nothing malformed and all checksums good", test_tshark},
                                  {"failed writes are reported by close", test_failures},
                                  {"filters are tcpdump's", test_filter}}};
