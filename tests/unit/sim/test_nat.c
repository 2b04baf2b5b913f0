/* NAT: choice of tuples, rewriting there and back, ICMP errors */

#include <stdio.h>
#include <string.h>

#include "tests/unit/sim/ct_world.h"

static NatRange
range_of(const char *min, const char *max, uint16_t port_min, uint16_t port_max, uint8_t flags)
{
    NatRange range = {.has_addr = min != NULL, .has_ports = port_min != 0, .flags = flags};

    if (min) {
        range.addr_min = ct_addr(min);
        range.addr_max = ct_addr(max);
    }
    range.port_min = port_min;
    range.port_max = port_max;
    return range;
}

static void
expect(const Packet *pkt, const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
    char got[2 * IPPORT_STR_SIZE + 4], want[2 * IPPORT_STR_SIZE + 4], a[IPPORT_STR_SIZE], b[IPPORT_STR_SIZE];

    snprintf(got, sizeof got, "%s > %s", ipport_format(pkt->src, pkt->sport, a),
             ipport_format(pkt->dst, pkt->dport, b));
    snprintf(want, sizeof want, "%s > %s", ipport_format(ct_addr(src), sport, a),
             ipport_format(ct_addr(dst), dport, b));
    T_EQ_STR(got, want);
}

/* Sends a packet through the translations; returns it. */
static Packet *
send(CtWorld *w, Packet *pkt, const NatRange *dnat, const NatRange *snat)
{
    DropReason reason = DROP_NONE;

    if (pkt->proto == IPPROTO_TCP_ && pkt->tcp.flags == 0)
        pkt->tcp.flags = TCP_SYN;
    T_EQ_I64(ct_forward(w, pkt, dnat, snat, &reason), NF_ACCEPT);
    return pkt;
}

static void
test_there_and_back(void)
{
    CtWorld w = ct_world_new();
    NatRange dnat = range_of("10.244.1.2", "10.244.1.2", 3000, 3000, 0);
    NatRange snat = range_of("192.168.49.2", "192.168.49.2", 0, 0, 0);
    Packet *pkt = send(&w, ct_packet(&w, IPPROTO_TCP_, "203.0.113.7", 40000, "10.96.0.1", 80), &dnat, &snat);

    expect(pkt, "192.168.49.2", 40000, "10.244.1.2", 3000);
    T_EQ_U64(conntrack_state_bits(pkt), NF_CT_NEW | NF_CT_SNAT | NF_CT_DNAT);
    packet_free(w.sim, pkt);
    pkt = ct_packet(&w, IPPROTO_TCP_, "10.244.1.2", 3000, "192.168.49.2", 40000);
    pkt->tcp.flags = TCP_SYN | TCP_ACK;
    pkt->tcp.ack = 1;
    send(&w, pkt, &dnat, &snat);
    expect(pkt, "10.96.0.1", 80, "203.0.113.7", 40000);
    packet_free(w.sim, pkt);
    CT_LIST_IS(&w, "tcp      6 60 SYN_RECV src=203.0.113.7 dst=10.96.0.1 sport=40000 dport=80 src=10.244.1.2 "
                   "dst=192.168.49.2 sport=3000 dport=40000 mark=0 use=1");
    ct_world_free(&w);
}

static void
test_hairpin(void)
{
    CtWorld w = ct_world_new();
    NatRange dnat = range_of("10.244.1.2", "10.244.1.2", 3000, 3000, 0);
    NatRange snat = range_of("10.244.1.1", "10.244.1.1", 0, 0, NF_NAT_RANDOM_FULLY);
    Packet *pkt = send(&w, ct_packet(&w, IPPROTO_TCP_, "10.244.1.2", 40000, "10.96.0.1", 80), &dnat, &snat);
    uint16_t port = pkt->sport;

    T_TRUE(port >= 1024 && port != 40000);
    expect(pkt, "10.244.1.1", port, "10.244.1.2", 3000);
    packet_free(w.sim, pkt);
    pkt = ct_packet(&w, IPPROTO_TCP_, "10.244.1.2", 3000, "10.244.1.1", port);
    pkt->tcp.flags = TCP_SYN | TCP_ACK;
    pkt->tcp.ack = 1;
    send(&w, pkt, NULL, NULL);
    expect(pkt, "10.96.0.1", 80, "10.244.1.2", 40000);
    packet_free(w.sim, pkt);
    ct_world_free(&w);
}

/* Recorded from Linux 6.18: SNAT and DNAT to ranges of addresses. */
static void
test_address_choice(void)
{
    static const struct {
        const char *src, *dst, *min, *max;
        uint8_t manip, flags;
        const char *chosen;
    } cases[] = {
#define SOURCE      "10.9.0.1", "10.9.0.9", NAT_MANIP_SRC, 0
#define PERSISTENT  "10.9.0.1", "10.9.0.9", NAT_MANIP_SRC, NF_NAT_PERSISTENT
#define DESTINATION "10.8.0.1", "10.8.3.255", NAT_MANIP_DST, 0
        {"10.7.1.1", "10.8.0.5", SOURCE, "10.9.0.4"},
        {"10.7.1.2", "10.8.0.5", SOURCE, "10.9.0.2"},
        {"10.7.1.3", "10.8.0.5", SOURCE, "10.9.0.3"},
        {"10.7.1.1", "10.8.77.9", SOURCE, "10.9.0.9"},
        {"10.7.1.2", "10.8.77.9", SOURCE, "10.9.0.8"},
        {"10.7.1.3", "10.8.77.9", SOURCE, "10.9.0.9"},
        {"10.7.1.1", "10.8.0.5", PERSISTENT, "10.9.0.8"},
        {"10.7.1.2", "10.8.77.9", PERSISTENT, "10.9.0.1"},
        {"10.7.1.3", "10.8.77.9", PERSISTENT, "10.9.0.7"},
        {"10.7.1.1", "10.8.0.5", DESTINATION, "10.8.1.111"},
        {"10.7.1.2", "10.8.0.5", DESTINATION, "10.8.0.224"},
        {"10.7.1.3", "10.8.0.5", DESTINATION, "10.8.1.60"},
        {"10.7.1.1", "10.8.77.9", DESTINATION, "10.8.3.249"},
        {"10.7.1.2", "10.8.77.9", DESTINATION, "10.8.3.35"},
        {"10.7.1.3", "10.8.77.9", DESTINATION, "10.8.3.190"},
        {"fd07::1", "fd08::5", "fd09::1", "fd09::2:1234", NAT_MANIP_SRC, 0, "fd09::1:7cf9"},
        {"fd07::2", "fd08::5", "fd09::1", "fd09::2:1234", NAT_MANIP_SRC, 0, "fd09::1:660a"},
        {"fd07::1", "fd08::5", "fd09::1", "fd09::ff:1234", NAT_MANIP_DST, 0, "fd09::b7:475b"},
        {"fd07::2", "fd08::5", "fd09::1", "fd09::ff:1234", NAT_MANIP_DST, 0, "fd09::ac:3ecc"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        CtWorld w = ct_world_new();
        NatRange range = range_of(cases[i].min, cases[i].max, 0, 0, cases[i].flags);
        bool source = cases[i].manip == NAT_MANIP_SRC;
        Packet *pkt = send(&w, ct_packet(&w, IPPROTO_UDP_, cases[i].src, 5000, cases[i].dst, 53),
                           source ? NULL : &range, source ? &range : NULL);

        expect(pkt, source ? cases[i].chosen : cases[i].src, 5000, source ? cases[i].dst : cases[i].chosen, 53);
        packet_free(w.sim, pkt);
        ct_world_free(&w);
    }
}

static void
test_ports_kept_or_changed(void)
{
    CtWorld w = ct_world_new();
    NatRange snat = range_of("192.168.49.2", "192.168.49.2", 0, 0, 0);
    NatRange dnat = range_of("10.244.1.2", "10.244.1.2", 53, 53, 0);
    Packet *pkt = send(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", 5000, "10.1.0.1", 53), NULL, &snat);

    expect(pkt, "192.168.49.2", 5000, "10.1.0.1", 53);
    packet_free(w.sim, pkt);
    /* Another client with that port, to the same server: a port of 1024 and above; to another server: the same port. */
    pkt = send(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.2", 5000, "10.1.0.1", 53), NULL, &snat);
    T_TRUE(pkt->sport != 5000 && pkt->sport >= 1024);
    packet_free(w.sim, pkt);
    pkt = send(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.2", 5000, "10.1.0.2", 53), NULL, &snat);
    T_TRUE(pkt->sport != 5000); /* Its source is mapped already: the mapping is kept. */
    packet_free(w.sim, pkt);
    pkt = send(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.3", 5000, "10.1.0.2", 53), NULL, &snat);
    expect(pkt, "192.168.49.2", 5000, "10.1.0.2", 53);
    packet_free(w.sim, pkt);
    /* Low ports stay low. */
    for (int i = 0; i < 2; i++) {
        pkt = send(&w, ct_packet(&w, IPPROTO_UDP_, i ? "10.0.0.2" : "10.0.0.1", 300, "10.1.0.1", 53), NULL, &snat);
        T_TRUE(i ? pkt->sport != 300 && pkt->sport < 512 : pkt->sport == 300);
        packet_free(w.sim, pkt);
        pkt = send(&w, ct_packet(&w, IPPROTO_UDP_, i ? "10.0.0.2" : "10.0.0.1", 800, "10.1.0.1", 53), NULL, &snat);
        T_TRUE(i ? pkt->sport != 800 && pkt->sport >= 600 && pkt->sport < 1024 : pkt->sport == 800);
        packet_free(w.sim, pkt);
    }
    /* One client's port to two service addresses with the same endpoint: the null binding changes the source port. */
    for (int i = 0; i < 2; i++) {
        pkt = send(&w, ct_packet(&w, IPPROTO_UDP_, "10.0.0.9", 7000, i ? "10.96.0.2" : "10.96.0.1", 53), &dnat, NULL);
        T_TRUE(ipaddr_eq(pkt->src, ct_addr("10.0.0.9")));
        T_TRUE(i ? pkt->sport != 7000 : pkt->sport == 7000);
        packet_free(w.sim, pkt);
    }
    ct_world_free(&w);
}

static void
test_random_fully(void)
{
    CtWorld w = ct_world_new();
    NatRange snat = range_of("192.168.49.2", "192.168.49.2", 0, 0, NF_NAT_RANDOM_FULLY);
    uint16_t min = UINT16_MAX, max = 0, low = 0, first[300];

    for (int run = 0; run < 2; run++) {
        for (int i = 0; i < 300; i++) {
            Packet *pkt = ct_packet(&w, IPPROTO_TCP_, "10.0.0.1", (uint16_t)(32768 + i), "10.1.0.1", 80);

            /* The second time with other traffic between: the draws stay. */
            if (run == 1)
                packet_free(w.sim,
                            send(&w, ct_packet(&w, IPPROTO_TCP_, "10.0.0.2", (uint16_t)(2000 + i), "10.1.0.2", 80),
                                 NULL, &snat));
            send(&w, pkt, NULL, &snat);
            if (run == 0)
                first[i] = pkt->sport;
            T_EQ_U64(pkt->sport, first[i]);
            min = MIN(min, pkt->sport);
            max = MAX(max, pkt->sport);
            low += pkt->sport < 32768;
            packet_free(w.sim, pkt);
        }
        ct_world_free(&w);
        w = ct_world_new();
    }
    /* As recorded: 300 ports of 1024..65535, 141 and 154 of them below 32768. */
    T_TRUE(min >= 1024 && min < 2500 && max > 64000);
    T_TRUE(low > 2 * 100 && low < 2 * 200);
    ct_world_free(&w);
}

static void
test_exhaustion(void)
{
    CtWorld w = ct_world_new();
    NatRange snat = range_of("192.168.49.2", "192.168.49.2", 2000, 2099, 0);
    DropReason reason = DROP_NONE;
    unsigned n_dropped = 0;

    for (uint16_t i = 0; i < 150; i++) {
        Packet *pkt = ct_packet(&w, IPPROTO_UDP_, "10.0.0.1", (uint16_t)(30000 + i), "10.1.0.1", 53);

        if (ct_forward(&w, pkt, NULL, &snat, &reason) == NF_DROP) {
            n_dropped++;
            T_EQ_I64(reason, DROP_NAT_NO_PORT);
        } else {
            T_TRUE(pkt->sport >= 2000 && pkt->sport < 2100);
        }
        packet_free(w.sim, pkt);
    }
    T_EQ_U64(n_dropped, 50);
    T_EQ_U64(conntrack_stats(w.ct)->insert_failed, 50);
    ct_world_free(&w);
}

/* A SYN takes the port of a closed connection of its server, if it must. */
static void
test_eviction(void)
{
    CtWorld w = ct_world_new();
    NatRange snat = range_of("192.168.49.2", "192.168.49.2", 2000, 2000, NF_NAT_RANDOM_FULLY);
    DropReason reason = DROP_NONE;
    Packet *pkt = send(&w, ct_packet(&w, IPPROTO_TCP_, "10.0.0.1", 3000, "10.1.0.1", 80), NULL, &snat);

    packet_free(w.sim, pkt);
    for (int i = 0; i < 2; i++) {
        /* The server accepts and resets. */
        pkt = ct_packet(&w, IPPROTO_TCP_, "10.1.0.1", 80, "192.168.49.2", 2000);
        pkt->tcp.flags = i ? TCP_RST | TCP_ACK : TCP_SYN | TCP_ACK;
        pkt->tcp.ack = 1;
        pkt->tcp.seq = (uint32_t)i;
        packet_free(w.sim, send(&w, pkt, NULL, NULL));
    }
    for (int i = 0; i < 2; i++) {
        pkt = ct_packet(&w, IPPROTO_TCP_, "10.0.0.2", (uint16_t)(3000 + i), "10.1.0.1", 80);
        pkt->tcp.flags = TCP_SYN;
        pkt->tcp.seq = 1000;
        T_EQ_I64(ct_forward(&w, pkt, NULL, &snat, &reason), i == 0 ? NF_ACCEPT : NF_DROP);
        packet_free(w.sim, pkt);
    }
    T_EQ_U64(conntrack_len(w.ct), 1);
    ct_world_free(&w);
}

static void
test_icmp_id(void)
{
    CtWorld w = ct_world_new();
    NatRange snat = range_of("192.168.49.2", "192.168.49.2", 0, 0, 0);
    uint16_t ids[2];

    for (int i = 0; i < 2; i++) {
        Packet *pkt = ct_packet(&w, IPPROTO_ICMP_, i ? "10.0.0.2" : "10.0.0.1", 0, "10.1.0.1", 0);

        pkt->icmp.type = 8;
        pkt->icmp.id = 7;
        send(&w, pkt, NULL, &snat);
        ids[i] = pkt->icmp.id;
        packet_free(w.sim, pkt);
    }
    T_TRUE(ids[0] == 7 && ids[1] != 7);
    for (int i = 0; i < 2; i++) {
        Packet *pkt = ct_packet(&w, IPPROTO_ICMP_, "10.1.0.1", 0, "192.168.49.2", 0);

        pkt->icmp.id = ids[i];
        send(&w, pkt, NULL, NULL);
        T_EQ_U64(pkt->icmp.id, 7);
        T_TRUE(ipaddr_eq(pkt->dst, ct_addr(i ? "10.0.0.2" : "10.0.0.1")));
        packet_free(w.sim, pkt);
    }
    ct_world_free(&w);
}

static Packet *
unreachable_about(CtWorld *w, const char *from, const Packet *cause)
{
    Packet *pkt = ct_packet(w, IPPROTO_ICMP_, from, 0, "0.0.0.0", 0);

    pkt->dst = cause->src;
    pkt->icmp.type = 3;
    pkt->icmp.code = 3;
    pkt->icmp.has_quote = true;
    pkt->icmp.quote =
        (QuotedPacket){.src = cause->src, .dst = cause->dst, .sport = cause->sport, .dport = cause->dport};
    pkt->icmp.quote.proto = cause->proto;
    return pkt;
}

static void
test_icmp_error(void)
{
    CtWorld w = ct_world_new();
    NatRange dnat = range_of("10.244.1.2", "10.244.1.2", 3000, 3000, 0);
    NatRange snat = range_of("192.168.49.2", "192.168.49.2", 7777, 7777, 0);
    Packet *pkt = send(&w, ct_packet(&w, IPPROTO_UDP_, "203.0.113.7", 40000, "10.96.0.1", 53), &dnat, &snat);
    Packet *error = send(&w, unreachable_about(&w, "10.244.1.2", pkt), NULL, NULL);

    expect(pkt, "192.168.49.2", 7777, "10.244.1.2", 3000);
    T_EQ_U64(conntrack_state_bits(error), NF_CT_RELATED | NF_CT_SNAT | NF_CT_DNAT);
    expect(error, "10.96.0.1", 0, "203.0.113.7", 0);
    T_TRUE(ipaddr_eq(error->icmp.quote.src, ct_addr("203.0.113.7")) && error->icmp.quote.sport == 40000);
    T_TRUE(ipaddr_eq(error->icmp.quote.dst, ct_addr("10.96.0.1")) && error->icmp.quote.dport == 53);
    packet_free(w.sim, error);
    /* About no connection; for somebody else. */
    pkt->dport++;
    error = send(&w, unreachable_about(&w, "10.244.1.2", pkt), NULL, NULL);
    T_EQ_U64(conntrack_state_bits(error), NF_CT_INVALID);
    packet_free(w.sim, error);
    pkt->dport--;
    error = unreachable_about(&w, "10.244.1.2", pkt);
    error->dst = ct_addr("192.168.49.3");
    send(&w, error, NULL, NULL);
    T_EQ_U64(conntrack_state_bits(error), NF_CT_INVALID);
    packet_free(w.sim, error);
    packet_free(w.sim, pkt);
    ct_world_free(&w);
}

/* Random translations: what comes back is addressed as what went out was. */
static void
test_inverse(void)
{
    const uint64_t seed = 99;
    Rng rng = rng_stream(seed, "test", "nat");
    CtWorld w = ct_world_new();

    for (int step = 0; step < 5000; step++) {
        char src[24], dst[24], to[24];
        NatRange dnat, snat;
        Packet *there, *back;
        DropReason reason;
        IpAddr sent_src, sent_dst;
        uint16_t sport = (uint16_t)(1 + rng_below(&rng, 3000)), dport = (uint16_t)(1 + rng_below(&rng, 3));
        uint16_t first = (uint16_t)(1024 + rng_below(&rng, 100));

        snprintf(src, sizeof src, "10.0.0.%u", 1 + rng_below(&rng, 5));
        snprintf(dst, sizeof dst, "10.96.0.%u", 1 + rng_below(&rng, 3));
        snprintf(to, sizeof to, "10.244.0.%u", 1 + rng_below(&rng, 3));
        dnat = range_of(to, to, (uint16_t)rng_below(&rng, 3), 0, 0);
        dnat.port_max = dnat.port_min;
        snat = range_of("10.3.0.1", rng_below(&rng, 2) ? "10.3.0.1" : "10.3.0.4", rng_below(&rng, 2) ? first : 0,
                        (uint16_t)(first + rng_below(&rng, 500)), (uint8_t)rng_below(&rng, 8));
        there = ct_packet(&w, IPPROTO_UDP_, src, sport, dst, dport);
        there->flow = (uint64_t)step;
        sent_src = there->src;
        sent_dst = there->dst;
        if (ct_forward(&w, there, rng_below(&rng, 4) ? &dnat : NULL, rng_below(&rng, 4) ? &snat : NULL, &reason) ==
            NF_ACCEPT) {
            back = ct_packet(&w, IPPROTO_UDP_, "0.0.0.0", there->dport, "0.0.0.0", there->sport);
            back->src = there->dst;
            back->dst = there->src;
            T_EQ_I64(ct_forward(&w, back, NULL, NULL, &reason), NF_ACCEPT);
            test_check(ipaddr_eq(back->src, sent_dst) && ipaddr_eq(back->dst, sent_src) && back->sport == dport &&
                           back->dport == sport,
                       __LINE__, __FILE__, __func__, "seed %" PRIu64 ", step %d", seed, step);
            packet_free(w.sim, back);
        }
        packet_free(w.sim, there);
        if (step % 500 == 0) {
            conntrack_check(w.ct);
            ct_world_wait(&w, 20 * SIMTIME_SEC);
        }
    }
    ct_world_free(&w);
}

const TestSuite suite_nat = {"sim/nat",
                             {{"both translations, there and back", test_there_and_back},
                              {"hairpin: a pod reaches itself by its service", test_hairpin},
                              {"addresses of a range are the kernel's choice", test_address_choice},
                              {"ports are kept, or changed where they clash", test_ports_kept_or_changed},
                              {"random-fully draws by connection", test_random_fully},
                              {"no port left", test_exhaustion},
                              {"a closed connection gives up its port", test_eviction},
                              {"the id of an echo is its port", test_icmp_id},
                              {"ICMP errors are translated back, their quotes too", test_icmp_error},
                              {"answers to random translations are addressed as the questions", test_inverse},
                              {0}}};
