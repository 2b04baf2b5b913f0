/* The connection table: look-up, lifetimes, limits, clashes, UDP, ICMP, SCTP, listing */

#include <string.h>

#include "sim/engine/vec.h"
#include "tests/unit/sim/ct_world.h"

static CtInfo
pass(CtWorld *w, Packet *pkt)
{
    DropReason reason = DROP_NONE;
    CtInfo ctinfo;

    T_EQ_I64(ct_forward(w, pkt, NULL, NULL, &reason), NF_ACCEPT);
    ctinfo = pkt->meta.ctinfo;
    packet_free(w->sim, pkt);
    return ctinfo;
}

static Packet *
echo(CtWorld *w, const char *src, const char *dst, uint8_t type, uint16_t id)
{
    Packet *pkt = ct_packet(w, strchr(src, ':') ? IPPROTO_ICMPV6_ : IPPROTO_ICMP_, src, 0, dst, 0);

    pkt->icmp.type = type;
    pkt->icmp.id = id;
    return pkt;
}

static void
test_udp(void)
{
    CtWorld w = ct_world_new();

    T_EQ_I64(pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 999, "10.0.0.2", 53)), CTINFO_NEW);
    CT_LIST_IS(&w, "udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=999 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 "
                   "sport=53 dport=999 mark=0 use=1");
    T_EQ_I64(pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.2", 53, "10.0.0.1", 999)), CTINFO_ESTABLISHED);
    ct_world_wait(&w, 2 * SIMTIME_SEC);
    T_EQ_I64(pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 999, "10.0.0.2", 53)), CTINFO_ESTABLISHED);
    CT_LIST_IS(&w, "udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=999 dport=53 src=10.0.0.2 dst=10.0.0.1 "
                   "sport=53 dport=999 mark=0 use=1");
    ct_world_wait(&w, 1);
    T_EQ_I64(pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 999, "10.0.0.2", 53)), CTINFO_ESTABLISHED);
    ct_world_wait(&w, 500 * SIMTIME_MSEC);
    CT_LIST_IS(&w, "udp      17 119 src=10.0.0.1 dst=10.0.0.2 sport=999 dport=53 src=10.0.0.2 dst=10.0.0.1 "
                   "sport=53 dport=999 [ASSURED] mark=0 use=1");
    ct_world_wait(&w, 200 * SIMTIME_SEC);
    T_EQ_I64(pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.2", 53, "10.0.0.1", 999)), CTINFO_NEW);
    T_EQ_U64(conntrack_len(w.ct), 1);
    ct_world_free(&w);
}

static void
test_icmp(void)
{
    CtWorld w = ct_world_new();

    T_EQ_I64(pass(&w, echo(&w, "10.0.0.2", "10.0.0.1", 0, 77)), CTINFO_INVALID);
    T_EQ_I64(pass(&w, echo(&w, "10.0.0.1", "10.0.0.2", 8, 77)), CTINFO_NEW);
    T_EQ_I64(pass(&w, echo(&w, "10.0.0.2", "10.0.0.1", 0, 77)), CTINFO_ESTABLISHED);
    T_EQ_I64(pass(&w, echo(&w, "10.0.0.2", "10.0.0.1", 0, 78)), CTINFO_INVALID);
    T_EQ_I64(pass(&w, echo(&w, "10.0.0.2", "10.0.0.1", 42, 1)), CTINFO_INVALID);
    T_EQ_I64(pass(&w, echo(&w, "fd00::1", "fd00::2", 128, 9)), CTINFO_NEW);
    T_EQ_I64(pass(&w, echo(&w, "fd00::1", "fd00::2", 135, 0)), CTINFO_UNTRACKED);
    T_EQ_I64(pass(&w, ct_packet(&w, 2, "10.0.0.1", 0, "224.0.0.22", 0)), CTINFO_NEW);
    CT_LIST_IS(&w,
               "icmp     1 30 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=77 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 "
               "id=77 mark=0 use=1\n"
               "icmpv6   58 30 src=fd00::1 dst=fd00::2 type=128 code=0 id=9 [UNREPLIED] src=fd00::2 dst=fd00::1 "
               "type=129 code=0 id=9 mark=0 use=1\n"
               "unknown  2 600 src=10.0.0.1 dst=224.0.0.22 [UNREPLIED] src=224.0.0.22 dst=10.0.0.1 mark=0 use=1");
    ct_world_free(&w);
}

static CtInfo
chunk(CtWorld *w, bool up, uint8_t type, uint32_t vtag, uint32_t init_tag)
{
    Packet *pkt = up ? ct_packet(w, IPPROTO_SCTP_, "10.0.0.1", 10, "10.0.0.2", 20)
                     : ct_packet(w, IPPROTO_SCTP_, "10.0.0.2", 20, "10.0.0.1", 10);

    pkt->sctp = (SctpHeader){.vtag = vtag, .chunk = type, .init_tag = init_tag};
    return pass(w, pkt);
}

static void
test_sctp(void)
{
    CtWorld w = ct_world_new();

    T_EQ_I64(chunk(&w, true, 0, 1, 0), CTINFO_INVALID); /* DATA begins nothing. */
    T_EQ_I64(chunk(&w, true, 1, 0, 111), CTINFO_NEW);   /* INIT */
    T_EQ_I64(chunk(&w, false, 2, 111, 222), CTINFO_ESTABLISHED);
    CT_LIST_IS(&w, "sctp     132 3 COOKIE_WAIT src=10.0.0.1 dst=10.0.0.2 sport=10 dport=20 src=10.0.0.2 dst=10.0.0.1 "
                   "sport=20 dport=10 mark=0 use=1");
    T_EQ_I64(chunk(&w, true, 10, 222, 0), CTINFO_ESTABLISHED); /* COOKIE ECHO */
    T_EQ_I64(chunk(&w, false, 11, 111, 0), CTINFO_ESTABLISHED);
    T_EQ_I64(chunk(&w, true, 0, 222, 0), CTINFO_ESTABLISHED);
    T_EQ_I64(chunk(&w, true, 0, 223, 0), CTINFO_INVALID); /* Another tag. */
    CT_LIST_IS(&w, "sctp     132 210 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=10 dport=20 src=10.0.0.2 "
                   "dst=10.0.0.1 sport=20 dport=10 [ASSURED] mark=0 use=1");
    T_EQ_I64(chunk(&w, true, 7, 222, 0), CTINFO_ESTABLISHED);  /* SHUTDOWN */
    T_EQ_I64(chunk(&w, false, 8, 111, 0), CTINFO_ESTABLISHED); /* SHUTDOWN ACK */
    T_EQ_I64(chunk(&w, true, 14, 222, 0), CTINFO_ESTABLISHED);
    CT_LIST_IS(&w, "sctp     132 10 CLOSED src=10.0.0.1 dst=10.0.0.2 sport=10 dport=20 src=10.0.0.2 dst=10.0.0.1 "
                   "sport=20 dport=10 [ASSURED] mark=0 use=1");
    ct_world_free(&w);
}

static void
test_zones(void)
{
    CtWorld w = ct_world_new();
    DropReason reason;

    for (uint16_t zone = 0; zone < 2; zone++) {
        Packet *pkt = ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 1, "10.0.0.2", 2);

        T_EQ_I64(conntrack_in(w.ct, NF_PREROUTING, pkt, (CtZone){zone, CT_ZONE_BOTH}, &reason), NF_ACCEPT);
        T_EQ_I64(pkt->meta.ctinfo, CTINFO_NEW);
        T_EQ_I64(conntrack_confirm(w.ct, NF_POSTROUTING, pkt, &reason), NF_ACCEPT);
        packet_free(w.sim, pkt);
    }
    CT_LIST_IS(&w, "udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 "
                   "sport=2 dport=1 mark=0 use=1\n"
                   "udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 "
                   "sport=2 dport=1 mark=0 zone=1 use=1");
    ct_world_free(&w);
}

/* A zone of the original direction only: its answers come in by no zone, and belong to whichever connection had them
 * first; another that would be answered alike is refused. */
static void
test_one_sided_zones(void)
{
    CtWorld w = ct_world_new();
    DropReason reason;
    const NfVerdict confirmed[] = {NF_ACCEPT, NF_ACCEPT, NF_DROP};
    const CtZone zones[] = {{1, CT_ZONE_ORIG}, {2, CT_ZONE_REPLY}, {3, CT_ZONE_ORIG}};

    for (int i = 0; i < 3; i++) {
        Packet *pkt = ct_packet(&w, IPPROTO_TCP_, "10.0.0.1", 1, "10.0.0.2", 2);

        pkt->tcp.flags = TCP_SYN;
        T_EQ_I64(conntrack_in(w.ct, NF_PREROUTING, pkt, zones[i], &reason), NF_ACCEPT);
        T_EQ_I64(pkt->meta.ctinfo, CTINFO_NEW);
        T_EQ_I64(conntrack_confirm(w.ct, NF_POSTROUTING, pkt, &reason), confirmed[i]);
        packet_free(w.sim, pkt);
    }
    Packet *answer = ct_packet(&w, IPPROTO_TCP_, "10.0.0.2", 2, "10.0.0.1", 1);
    answer->tcp.flags = TCP_SYN | TCP_ACK;
    T_EQ_I64(conntrack_in(w.ct, NF_PREROUTING, answer, (CtZone){0}, &reason), NF_ACCEPT);
    T_EQ_I64(answer->meta.ctinfo, CTINFO_ESTABLISHED);
    packet_free(w.sim, answer);
    CT_LIST_IS(&w, "tcp      6 60 SYN_RECV src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 zone-orig=1 src=10.0.0.2 "
                   "dst=10.0.0.1 sport=2 dport=1 mark=0 use=1\n"
                   "tcp      6 120 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 "
                   "dst=10.0.0.1 sport=2 dport=1 zone-reply=2 mark=0 use=1");
    ct_world_free(&w);
}

static void
test_references(void)
{
    CtWorld w = ct_world_new();
    DropReason reason;
    Packet *held = ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 1, "10.0.0.2", 2), *lost;

    ct_forward(&w, held, NULL, NULL, &reason);
    /* Through the loopback device: not tracked again. */
    T_EQ_I64(conntrack_in(w.ct, NF_PREROUTING, held, (CtZone){0}, &reason), NF_ACCEPT);
    T_EQ_I64(held->meta.ctinfo, CTINFO_NEW);
    /* An unconfirmed entry dies with its packet. */
    lost = ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 3, "10.0.0.2", 4);
    conntrack_in(w.ct, NF_PREROUTING, lost, (CtZone){0}, &reason);
    T_EQ_U64(w.ct->n_conns, 2);
    packet_free(w.sim, lost);
    T_EQ_U64(w.ct->n_conns, 1);
    /* Not tracked at all, and a bad checksum. */
    lost = ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 3, "10.0.0.2", 4);
    lost->meta.ctinfo = CTINFO_UNTRACKED;
    T_EQ_I64(pass(&w, lost), CTINFO_UNTRACKED);
    lost = ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 3, "10.0.0.2", 4);
    lost->cksum = CKSUM_BAD;
    T_EQ_I64(pass(&w, lost), CTINFO_INVALID);
    /* The table goes first. */
    conntrack_free(w.ct);
    packet_free(w.sim, held);
    sim_free(w.sim);
}

static bool
to_port_53(const Conn *conn, void *user)
{
    (void)user;
    return conn_tuple(conn, CT_ORIG).dport == 53;
}

static void
test_delete(void)
{
    CtWorld w = ct_world_new();

    for (uint16_t port = 50; port < 60; port++)
        pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 1000 + port % 3, "10.0.0.2", port));
    T_EQ_U64(conntrack_delete(w.ct, to_port_53, NULL), 1);
    T_EQ_U64(conntrack_delete(w.ct, to_port_53, NULL), 0);
    T_EQ_U64(conntrack_len(w.ct), 9);
    ct_world_free(&w);
}

static void
test_full(void)
{
    CtWorld w = ct_world_new();
    DropReason reason = DROP_NONE;
    Packet *pkt;

    ct_sysctl_set(conntrack_sysctls(w.ct), "max", "100");
    for (uint16_t port = 1; port <= 100; port++)
        pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", port, "10.0.0.2", 53));
    /* 262144 buckets: nobody is near. */
    pkt = ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 101, "10.0.0.2", 53);
    T_EQ_I64(ct_forward(&w, pkt, NULL, NULL, &reason), NF_DROP);
    T_EQ_I64(reason, DROP_CT_FULL);
    packet_free(w.sim, pkt);
    T_EQ_U64(conntrack_stats(w.ct)->drop, 1);
    /* 8 buckets: all are near, and one bucket's entries go. */
    ct_sysctl_set(conntrack_sysctls(w.ct), "buckets", "8");
    T_EQ_I64(pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 101, "10.0.0.2", 53)), CTINFO_NEW);
    T_TRUE(conntrack_stats(w.ct)->early_drop > 0);
    T_EQ_U64(conntrack_len(w.ct), 101 - conntrack_stats(w.ct)->early_drop);
    /* The dead make room. */
    ct_sysctl_set(conntrack_sysctls(w.ct), "buckets", "262144");
    ct_world_wait(&w, 40 * SIMTIME_SEC);
    for (uint16_t port = 201; port <= 300; port++)
        T_EQ_I64(pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", port, "10.0.0.2", 53)), CTINFO_NEW);
    T_EQ_U64(conntrack_len(w.ct), 100);
    ct_world_free(&w);
}

static void
test_sweep(void)
{
    CtWorld w = ct_world_new();

    for (uint16_t port = 1; port <= 1000; port++)
        pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", port, "10.0.0.2", 53));
    ct_world_wait(&w, 61 * SIMTIME_SEC);
    T_EQ_U64(w.ct->n_conns, 0);
    T_EQ_U64(w.ct->tuples.len, 0);
    T_TRUE(!timer_armed(w.sim, w.ct->sweep));
    ct_world_free(&w);
}

/* Two packets of one socket are on their way at once (two CPUs): DNS, A and AAAA.  'to': where each is translated. */
static void
race(CtWorld *w, uint8_t proto, const char *const to[2], Packet *pkts[2], NfVerdict ret_verdicts[2])
{
    DropReason reason;

    for (int i = 0; i < 2; i++) {
        pkts[i] = ct_packet(w, proto, "10.0.0.1", 999, "10.96.0.10", 53);
        if (proto == IPPROTO_TCP_)
            pkts[i]->tcp.flags = TCP_SYN;
        conntrack_in(w->ct, NF_PREROUTING, pkts[i], (CtZone){0}, &reason);
        if (to[i]) {
            NatRange range = {.addr_min = ct_addr(to[i]), .addr_max = ct_addr(to[i]), .has_addr = true};

            nat_setup(w->ct, NF_PREROUTING, pkts[i], NAT_MANIP_DST, &range, &reason);
            nat_packet(w->ct, NF_PREROUTING, pkts[i]);
            nat_setup(w->ct, NF_POSTROUTING, pkts[i], NAT_MANIP_SRC, NULL, &reason);
        }
    }
    for (int i = 0; i < 2; i++)
        ret_verdicts[i] = conntrack_confirm(w->ct, NF_POSTROUTING, pkts[i], &reason);
}

static void
test_clash(void)
{
    static const char *const none[2] = {NULL, NULL};
    static const char *const same[2] = {"10.244.0.2", "10.244.0.2"};
    static const char *const different[2] = {"10.244.0.2", "10.244.0.3"};
    static const struct {
        uint8_t proto;
        const char *const *to;
        NfVerdict second;
        unsigned insert_failed, resolved;
        size_t len;
        bool shared;
    } cases[] = {
        {IPPROTO_UDP_, none, NF_ACCEPT, 0, 1, 1, true},       {IPPROTO_UDP_, same, NF_ACCEPT, 0, 1, 1, true},
        {IPPROTO_UDP_, different, NF_ACCEPT, 0, 1, 1, false}, {IPPROTO_TCP_, none, NF_DROP, 1, 0, 1, false},
        {IPPROTO_TCP_, same, NF_DROP, 1, 0, 1, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        CtWorld w = ct_world_new();
        NfVerdict verdicts[2];
        Packet *pkts[2];

        race(&w, cases[i].proto, cases[i].to, pkts, verdicts);
        T_EQ_I64(verdicts[0], NF_ACCEPT);
        T_EQ_I64(verdicts[1], cases[i].second);
        T_EQ_U64(conntrack_stats(w.ct)->insert_failed, cases[i].insert_failed);
        T_EQ_U64(conntrack_stats(w.ct)->clash_resolve, cases[i].resolved);
        T_EQ_U64(conntrack_len(w.ct), cases[i].len);
        T_EQ_I64(pkts[0]->meta.ct == pkts[1]->meta.ct, cases[i].shared);
        packet_free(w.sim, pkts[0]);
        packet_free(w.sim, pkts[1]);
        if (cases[i].to == different) {
            /* The loser's answer is translated, for a second. */
            Packet *answer = ct_packet(&w, IPPROTO_UDP_, "10.244.0.3", 53, "10.0.0.1", 999);
            DropReason reason;

            ct_forward(&w, answer, NULL, NULL, &reason);
            T_EQ_I64(answer->meta.ctinfo, CTINFO_ESTABLISHED);
            T_TRUE(ipaddr_eq(answer->src, ct_addr("10.96.0.10")));
            packet_free(w.sim, answer);
            ct_world_wait(&w, SIMTIME_SEC);
            T_EQ_I64(pass(&w, ct_packet(&w, IPPROTO_UDP_, "10.244.0.3", 53, "10.0.0.1", 999)), CTINFO_NEW);
        }
        ct_world_free(&w);
    }
}

/* The packet and its answer are on their way at once, neither known to the table: they share an entry, which is none
 * the wiser (tests/kernel/race). */
static void
test_reverse_clash(void)
{
    CtWorld w = ct_world_new();
    Packet *pkts[2] = {ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 1, "10.0.0.2", 2),
                       ct_packet(&w, IPPROTO_UDP_, "10.0.0.2", 2, "10.0.0.1", 1)};
    DropReason reason;

    for (int i = 0; i < 2; i++) {
        conntrack_in(w.ct, NF_PREROUTING, pkts[i], (CtZone){0}, &reason);
        nat_setup(w.ct, NF_PREROUTING, pkts[i], NAT_MANIP_DST, NULL, &reason);
    }
    for (int i = 0; i < 2; i++) {
        nat_setup(w.ct, NF_POSTROUTING, pkts[i], NAT_MANIP_SRC, NULL, &reason);
        nat_packet(w.ct, NF_POSTROUTING, pkts[i]);
        T_EQ_U64(pkts[i]->sport, i + 1);
        T_EQ_I64(conntrack_confirm(w.ct, NF_POSTROUTING, pkts[i], &reason), NF_ACCEPT);
    }
    T_TRUE(pkts[0]->meta.ct == pkts[1]->meta.ct);
    T_EQ_I64(pkts[1]->meta.ctinfo, CTINFO_NEW);
    packet_free(w.sim, pkts[0]);
    packet_free(w.sim, pkts[1]);
    CT_LIST_IS(&w,
               "udp      17 30 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 "
               "dport=1 mark=0 use=1");
    ct_world_free(&w);
}

static void
test_sysctls(void)
{
    CtSysctls sysctls;

    ct_sysctls_default(&sysctls);
    T_EQ_I64(sysctls.tcp_timeout_established, 432000 * SIMTIME_SEC);
    T_TRUE(ct_sysctl_set(&sysctls, "tcp_timeout_established", "86400"));
    T_EQ_I64(sysctls.tcp_timeout_established, 86400 * SIMTIME_SEC);
    T_TRUE(!ct_sysctl_set(&sysctls, "tcp_timeout_established", "-1"));
    T_TRUE(!ct_sysctl_set(&sysctls, "tcp_timeout_established", "1d"));
    T_TRUE(!ct_sysctl_set(&sysctls, "tcp_be_liberal", "2"));
    T_TRUE(!ct_sysctl_set(&sysctls, "tcp_max_retrans", "256"));
    T_TRUE(!ct_sysctl_set(&sysctls, "no_such_thing", "1"));
}

/* --- A twin: a list, searched from its start, of what is known of each connection ------------------------------- */

typedef struct {
    CtTuple tuple[2];
    SimTime expires, stream_at;
    bool replied;
} TwinEntry;

static CtInfo
twin_packet(GArray *twin, SimTime now, const CtTuple *tuple, bool *ret_reply)
{
    TwinEntry entry = {.tuple[0] = *tuple, .expires = now + 30 * SIMTIME_SEC, .stream_at = now + 2 * SIMTIME_SEC};

    for (guint i = 0; i < twin->len; i++) {
        TwinEntry *e = &g_array_index(twin, TwinEntry, i);

        for (int dir = 1; dir >= 0; dir--) { /* A packet to itself is found as its own reply. */
            if (e->expires <= now || memcmp(&e->tuple[dir], tuple, sizeof *tuple) != 0)
                continue;
            e->expires =
                now + (e->replied && now > e->stream_at && tuple->proto == IPPROTO_UDP_ ? 120 : 30) * SIMTIME_SEC;
            e->replied |= dir;
            *ret_reply = dir;
            return e->replied ? CTINFO_ESTABLISHED : CTINFO_NEW;
        }
    }
    *ret_reply = false;
    if (tuple->proto == IPPROTO_ICMP_ && tuple->dport != 8 << 8)
        return CTINFO_INVALID;
    entry.tuple[1] = (CtTuple){.src = tuple->dst, .dst = tuple->src, .proto = tuple->proto};
    entry.tuple[1].sport = tuple->proto == IPPROTO_ICMP_ ? tuple->sport : tuple->dport;
    entry.tuple[1].dport = tuple->proto == IPPROTO_ICMP_ ? 0 : tuple->sport;
    g_array_append_val(twin, entry);
    return CTINFO_NEW;
}

static void
test_twin(void)
{
    static const char *const addrs[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2", "fd00::1:0:1"};
    const uint64_t seed = 4711;
    Rng rng = rng_stream(seed, "test", "twin");
    CtWorld w = ct_world_new();
    GArray *twin = g_array_new(FALSE, FALSE, sizeof(TwinEntry));

    for (int step = 0; step < 20000; step++) {
        uint32_t family = rng_below(&rng, 2) * 3, src = rng_below(&rng, 3), dst = rng_below(&rng, 3);
        bool icmp = family == 0 && rng_below(&rng, 4) == 0, reply;
        Packet *pkt =
            ct_packet(&w, icmp ? IPPROTO_ICMP_ : IPPROTO_UDP_, addrs[family + src], (uint16_t)(1 + rng_below(&rng, 12)),
                      addrs[family + dst], (uint16_t)(1 + rng_below(&rng, 12)));
        DropReason reason;
        CtTuple tuple;
        CtInfo want;
        size_t living = 0;

        if (icmp) {
            pkt->icmp.type = rng_below(&rng, 2) ? 8 : 0;
            pkt->icmp.id = pkt->sport;
        }
        T_TRUE(ct_tuple_of_packet(pkt, 0, &tuple));
        if (rng_below(&rng, 8) == 0)
            ct_world_wait(&w, rng_exponential(&rng, rng_below(&rng, 20) ? SIMTIME_SEC / 4 : 60 * SIMTIME_SEC));
        want = twin_packet(twin, w.sim->now, &tuple, &reply);
        T_EQ_I64(ct_forward(&w, pkt, NULL, NULL, &reason), NF_ACCEPT);
        test_check(pkt->meta.ctinfo == want && pkt->meta.ct_reply == reply, __LINE__, __FILE__, __func__,
                   "seed %" PRIu64 ", step %d: ctinfo %u reply %u, want %u %u", seed, step, pkt->meta.ctinfo,
                   pkt->meta.ct_reply, want, reply);
        packet_free(w.sim, pkt);
        if (step % 100 == 0) {
            for (guint i = 0; i < twin->len; i++)
                living += g_array_index(twin, TwinEntry, i).expires > w.sim->now;
            T_EQ_U64(conntrack_len(w.ct), living);
            conntrack_check(w.ct);
        }
    }
    g_array_free(twin, TRUE);
    ct_world_free(&w);
}

static void
test_index(void)
{
    CtIndex index = {0};
    Rng rng = rng_stream(1, "test", "index");
    VEC(CtIndexEntry) twin = {0};

    for (int step = 0; step < 20000; step++) {
        if (twin.len == 0 || rng_below(&rng, 100) < (step < 10000 ? 60 : 40)) {
            CtIndexEntry entry = {rng_u32(&rng) & (rng_below(&rng, 2) ? 0xf0000007 : 0xffffffff), (uint32_t)step + 1};

            vec_push(&twin, entry);
            ct_index_insert(&index, entry.hash, entry.ref);
        } else {
            uint32_t victim = rng_below(&rng, (uint32_t)twin.len);

            ct_index_remove(&index, twin.data[victim].hash, twin.data[victim].ref);
            twin.data[victim] = *vec_last(&twin);
            twin.len--;
        }
        for (int i = 0; i < 4 && twin.len; i++) {
            CtIndexEntry want = twin.data[rng_below(&rng, (uint32_t)twin.len)];
            uint32_t pos = ct_index_home(&index, want.hash);

            while (index.entries[pos].ref != 0 && index.entries[pos].ref != want.ref)
                pos = ct_index_next(&index, pos);
            T_EQ_U64(index.entries[pos].ref, want.ref);
        }
        T_EQ_U64(index.len, twin.len);
    }
    vec_clear(&twin);
    ct_index_clear(&index);
}

const TestSuite suite_conntrack = {"sim/conntrack",
                                   {{"UDP becomes a stream after two seconds both ways", test_udp},
                                    {"ICMP queries, untracked ICMPv6, protocols without a tracker", test_icmp},
                                    {"SCTP follows chunks and tags", test_sctp},
                                    {"the same tuple in another zone is another connection", test_zones},
                                    {"a zone may be that of one direction only", test_one_sided_zones},
                                    {"packets hold entries", test_references},
                                    {"entries are deleted by hand", test_delete},
                                    {"a full table drops early, or the packet", test_full},
                                    {"a sweep reclaims the dead", test_sweep},
                                    {"two first packets at once", test_clash},
                                    {"a packet and its answer at once", test_reverse_clash},
                                    {"sysctls by name", test_sysctls},
                                    {"random packets and times as a plain list sees them", test_twin},
                                    {"the index finds what is in it", test_index},
                                    {0}}};
