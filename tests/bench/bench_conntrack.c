/* Nanoseconds of CPU for the conntrack of an established packet and its rewriting, over 1, 100,000 and 1,000,000
 * entries
 *
 * What a forwarding node does to a packet of a known connection in PREROUTING and POSTROUTING: look up, track, rewrite
 * the destination, confirm.  Packets come in random order of their connections.  The twin does the least that a
 * GHashTable can: looks the tuple up and writes the destination; it tracks nothing.                                 */

#include <string.h>

#include "sim/engine/huge_pages.h"
#include "sim/netfilter/conntrack.h"
#include "sim/packet/packet.h"
#include "tests/bench/bench.h"

#define N_RUNS    5
#define N_PACKETS 400000

static void
flow_packet(Packet *pkt, uint32_t i)
{
    conn_release_packet(pkt);
    pkt->meta = (PacketMeta){0};
    pkt->src = ipaddr_v4(192, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);
    pkt->dst = ipaddr_v4(10, 96, 0, 1);
    pkt->sport = (uint16_t)(1024 + i % 50000);
    pkt->dport = 80;
}

static void
forward(Conntrack *ct, Packet *pkt)
{
    static const uint16_t port = 8080;
    DropReason reason;
    NatRange range = {.port_min = port, .port_max = port, .has_addr = true, .has_ports = true};

    range.addr_min = range.addr_max = ipaddr_v4(10, 244, 0, 9);
    conntrack_in(ct, NF_PREROUTING, pkt, (CtZone){0}, &reason);
    if (nat_needs_setup(pkt, NAT_MANIP_DST))
        nat_setup(ct, NF_PREROUTING, pkt, NAT_MANIP_DST, &range, &reason);
    nat_packet(ct, NF_PREROUTING, pkt);
    if (nat_needs_setup(pkt, NAT_MANIP_SRC))
        nat_setup(ct, NF_POSTROUTING, pkt, NAT_MANIP_SRC, NULL, &reason);
    nat_packet(ct, NF_POSTROUTING, pkt);
    conntrack_confirm(ct, NF_POSTROUTING, pkt, &reason);
}

static void
answer(Conntrack *ct, Packet *pkt)
{
    IpAddr to = pkt->src;
    uint16_t port = pkt->sport;

    conn_release_packet(pkt);
    pkt->meta = (PacketMeta){0};
    pkt->src = pkt->dst;
    pkt->sport = pkt->dport;
    pkt->dst = to;
    pkt->dport = port;
    forward(ct, pkt);
}

static uint32_t
next_index(uint32_t *at, uint32_t n)
{
    *at = *at * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)*at * n >> 32);
}

typedef struct {
    CtTuple tuple;
    IpAddr to;
    uint16_t port;
} TwinEntry;

static guint
twin_hash(gconstpointer key)
{
    const uint8_t *bytes = key;
    guint hash = 2166136261u;

    for (size_t i = 0; i < sizeof(CtTuple); i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

static gboolean
twin_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(CtTuple)) == 0;
}

static CtTuple
twin_tuple(const Packet *pkt)
{
    return (CtTuple){.src = pkt->src, .dst = pkt->dst, .sport = pkt->sport, .dport = pkt->dport, .proto = pkt->proto};
}

static bool
measure(uint32_t n)
{
    Sim *sim = sim_new(1);
    Conntrack *ct = conntrack_new(sim, NULL, "node");
    GHashTable *twin = g_hash_table_new_full(twin_hash, twin_equal, NULL, g_free);
    Packet *pkt = packet_new(sim);
    double ours[N_RUNS], theirs[N_RUNS], heap = bench_heap(), bytes;
    bool right = true;

    conntrack_sysctls(ct)->max = 2 * n + 16;
    pkt->proto = IPPROTO_UDP_;
    for (uint32_t i = 0; i < n; i++) {
        flow_packet(pkt, i);
        forward(ct, pkt);
        answer(ct, pkt);
    }
    bytes = (bench_heap() - heap) / n;
    for (uint32_t i = 0; i < n; i++) {
        TwinEntry *entry = g_new(TwinEntry, 1);
        flow_packet(pkt, i);
        *entry = (TwinEntry){.tuple = twin_tuple(pkt), .to = ipaddr_v4(10, 244, 0, 9), .port = 8080};
        g_hash_table_add(twin, entry);
    }
    for (int r = 0; r < N_RUNS; r++) {
        uint32_t at = (uint32_t)r;
        double begin = bench_cpu();
        for (uint32_t i = 0; i < N_PACKETS; i++) {
            flow_packet(pkt, next_index(&at, n));
            forward(ct, pkt);
            right &= pkt->dport == 8080;
        }
        ours[r] = (bench_cpu() - begin) * 1e9 / N_PACKETS;
        begin = bench_cpu();
        for (uint32_t i = 0; i < N_PACKETS; i++) {
            const TwinEntry *entry;
            CtTuple tuple;
            flow_packet(pkt, next_index(&at, n));
            tuple = twin_tuple(pkt);
            entry = g_hash_table_lookup(twin, &tuple);
            pkt->dst = entry->to;
            pkt->dport = entry->port;
        }
        theirs[r] = (bench_cpu() - begin) * 1e9 / N_PACKETS;
    }
    printf("%8u entries: %7.1f ns  GHashTable %7.1f ns  %5.1f bytes an entry\n", n, bench_median(ours, N_RUNS),
           bench_median(theirs, N_RUNS), bytes);
    right &= conntrack_len(ct) == n;
    packet_free(sim, pkt);
    g_hash_table_destroy(twin);
    conntrack_free(ct);
    sim_free(sim);
    return right;
}

int
main(void)
{
    huge_pages_reserve((size_t)1 << 30); /* As a large input has it done. */
    return measure(1) && measure(100000) && measure(1000000) ? 0 : 1;
}
