#include "sim/packet/wire.h"

#include "tests/unit/sim/random_packet.h"
#include "tests/unit/test.h"

static IpAddr
random_addr(Rng *rng, bool v4)
{
    IpAddr addr = ipaddr_v4(10, (uint8_t)rng_u32(rng), (uint8_t)rng_u32(rng), (uint8_t)rng_u32(rng));

    if (!v4) {
        addr.w[0] = rng_u64(rng);
        addr.w[1] = rng_u64(rng);
        addr.b[0] = 0xfd;
    }
    return addr;
}

static void
random_payload(Packet *pkt, Rng *rng)
{
    uint8_t bytes[200];
    uint32_t size = rng_below(rng, 201), offset;
    PayloadBuf *buf;

    if (rng_below(rng, 3) == 0) {
        pkt->payload.len = size; /* Virtual. */
        return;
    }
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)rng_u32(rng);
    buf = payload_buf_new(bytes, size);
    offset = rng_below(rng, size + 1);
    packet_set_payload(pkt, buf, offset, size - offset);
    payload_buf_unref(buf);
}

static void
random_tcp(TcpHeader *tcp, Rng *rng)
{
    static const uint8_t flags[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_ACK | TCP_PSH, TCP_FIN | TCP_ACK, TCP_RST};

    tcp->flags = flags[rng_below(rng, G_N_ELEMENTS(flags))];
    tcp->seq = rng_u32(rng);
    tcp->ack = tcp->flags & TCP_ACK ? rng_u32(rng) : 0;
    tcp->window = (uint16_t)rng_u32(rng);
    if (rng_below(rng, 2)) {
        tcp->has_ts = true;
        tcp->ts_val = rng_u32(rng);
        tcp->ts_ecr = rng_u32(rng);
    }
    if (tcp->flags & TCP_SYN) {
        tcp->mss = rng_below(rng, 2) ? 1460 : 0;
        tcp->wscale = rng_below(rng, 2) ? (uint8_t)(1 + rng_below(rng, 15)) : 0;
        tcp->sack_permitted = rng_below(rng, 2);
    } else if (tcp->flags == TCP_ACK) {
        tcp->n_sacks = (uint8_t)rng_below(rng, 3);
        for (uint32_t i = 0; i < tcp->n_sacks; i++) {
            tcp->sacks[2 * i] = tcp->ack + 1000 * (i + 1);
            tcp->sacks[2 * i + 1] = tcp->sacks[2 * i] + 1 + rng_below(rng, 900);
        }
    }
}

static void
random_error(Sim *sim, Packet *pkt, Rng *rng)
{
    static const RandomKind offenders[] = {RANDOM_TCP, RANDOM_UDP, RANDOM_ECHO, RANDOM_SCTP};
    static const uint8_t v4_kinds[][2] = {{3, 0}, {3, 1}, {3, 3}, {3, 4}, {3, 13}, {11, 0}};
    static const uint8_t v6_kinds[][2] = {{1, 0}, {1, 1}, {1, 4}, {2, 0}, {3, 0}};
    Packet *offender = random_packet(sim, rng, offenders[rng_below(rng, 4)]);
    bool v4 = packet_family(offender) == FAMILY_IPV4;
    const uint8_t *kind = v4 ? v4_kinds[rng_below(rng, 6)] : v6_kinds[rng_below(rng, 5)];

    pkt->src = random_addr(rng, v4);
    pkt->dst = offender->src;
    pkt->proto = v4 ? IPPROTO_ICMP_ : IPPROTO_ICMPV6_;
    pkt->icmp.type = kind[0];
    pkt->icmp.code = kind[1];
    if ((v4 && kind[0] == 3 && kind[1] == 4) || (!v4 && kind[0] == 2))
        pkt->icmp.mtu = 1280 + rng_below(rng, 8000);
    packet_set_quote(pkt, offender);
    packet_free(sim, offender);
}

Packet *
random_packet(Sim *sim, Rng *rng, RandomKind kind)
{
    static const uint8_t chunks[] = {SCTP_DATA,        SCTP_INIT,       SCTP_INIT_ACK,         SCTP_SACK,
                                     SCTP_HEARTBEAT,   SCTP_ABORT,      SCTP_SHUTDOWN,         SCTP_SHUTDOWN_ACK,
                                     SCTP_COOKIE_ECHO, SCTP_COOKIE_ACK, SCTP_SHUTDOWN_COMPLETE};
    bool v4 = kind == RANDOM_ARP || kind == RANDOM_IPIP || rng_below(rng, 2);
    Packet *pkt = packet_new(sim);

    pkt->eth_src = mac_from_name("a");
    pkt->eth_dst = mac_from_name("b");
    pkt->src = random_addr(rng, v4);
    pkt->dst = random_addr(rng, v4);
    pkt->ttl = (uint8_t)(1 + rng_below(rng, 255));
    pkt->tos = (uint8_t)(rng_below(rng, 64) << 2);
    if (kind != RANDOM_ECHO && kind != RANDOM_ERROR && kind != RANDOM_ARP && kind != RANDOM_IPIP) {
        pkt->sport = (uint16_t)(20000 + rng_below(rng, 20000));
        pkt->dport = (uint16_t)(41000 + rng_below(rng, 2000));
    }
    switch (kind) {
    case RANDOM_TCP:
        pkt->proto = IPPROTO_TCP_;
        random_tcp(&pkt->tcp, rng);
        if (!(pkt->tcp.flags & (TCP_SYN | TCP_RST)) && !pkt->tcp.n_sacks)
            random_payload(pkt, rng);
        break;
    case RANDOM_UDP:
        pkt->proto = IPPROTO_UDP_;
        random_payload(pkt, rng);
        break;
    case RANDOM_ECHO:
        pkt->proto = v4 ? IPPROTO_ICMP_ : IPPROTO_ICMPV6_;
        pkt->icmp.type = v4 ? (rng_below(rng, 2) ? 8 : 0) : 128 + (uint8_t)rng_below(rng, 2);
        pkt->icmp.id = (uint16_t)rng_u32(rng);
        pkt->icmp.seq = (uint16_t)rng_u32(rng);
        random_payload(pkt, rng);
        break;
    case RANDOM_ERROR:
        random_error(sim, pkt, rng);
        break;
    case RANDOM_SCTP:
        pkt->proto = IPPROTO_SCTP_;
        pkt->sctp.chunk = chunks[rng_below(rng, G_N_ELEMENTS(chunks))];
        pkt->sctp.vtag = pkt->sctp.chunk == SCTP_INIT ? 0 : rng_u32(rng) | 1;
        if (pkt->sctp.chunk == SCTP_INIT || pkt->sctp.chunk == SCTP_INIT_ACK)
            pkt->sctp.init_tag = rng_u32(rng) | 1;
        if (pkt->sctp.chunk <= SCTP_SACK || pkt->sctp.chunk == SCTP_SHUTDOWN)
            pkt->sctp.tsn = rng_u32(rng);
        if (pkt->sctp.chunk == SCTP_DATA) {
            random_payload(pkt, rng);
            if (pkt->payload.len == 0)
                packet_set_payload(pkt, NULL, 0, 1); /* DATA without data is an error. */
        }
        break;
    case RANDOM_ARP:
        pkt->eth = ETH_ARP;
        pkt->arp.op = (uint8_t)(1 + rng_below(rng, 2));
        if (pkt->arp.op == 2)
            pkt->arp.target_mac = pkt->eth_dst;
        pkt->ttl = 64;
        pkt->tos = 0;
        break;
    case RANDOM_VXLAN:
        pkt->proto = IPPROTO_UDP_;
        pkt->dport = VXLAN_PORT;
        pkt->inner = random_packet(sim, rng, (RandomKind)rng_below(rng, RANDOM_VXLAN));
        break;
    case RANDOM_IPIP:
        pkt->proto = IPPROTO_IPIP_;
        do {
            packet_free(sim, pkt->inner);
            pkt->inner = random_packet(sim, rng, (RandomKind)rng_below(rng, RANDOM_ARP));
        } while (packet_family(pkt->inner) != FAMILY_IPV4);
        pkt->inner->eth_src = pkt->inner->eth_dst = (MacAddr){{0}};
        break;
    case RANDOM_N_KINDS:
        break;
    }
    if (v4 && pkt->eth == ETH_IP && packet_family(pkt) == FAMILY_IPV4) {
        pkt->ip_id = (uint16_t)rng_u32(rng);
        pkt->dont_fragment = rng_below(rng, 2);
    }
    return pkt;
}

static bool
same_payload(const Payload *a, const Payload *b)
{
    if (a->len != b->len)
        return false;
    for (uint32_t i = 0; i < a->len; i++) {
        if ((a->buf ? a->buf->data[a->offset + i] : 0) != (b->buf ? b->buf->data[b->offset + i] : 0))
            return false;
    }
    return true;
}

/* Compares all fields: the parts that never reach the wire are made equal first. */
static bool
same_packet(const Packet *a, const Packet *b)
{
    Packet x = *a, y = *b;

    y.id = x.id;
    y.flow = x.flow;
    y.payload = x.payload;
    y.inner = x.inner;
    if (memcmp(&x, &y, sizeof x) != 0 || !same_payload(&a->payload, &b->payload) || !a->inner != !b->inner)
        return false;
    return !a->inner || same_packet(a->inner, b->inner);
}

static void
test_round_trip(void)
{
    static uint8_t frame[WIRE_MAX_FRAME], again[WIRE_MAX_FRAME];
    char text[PACKET_STR_SIZE];

    for (uint64_t seed = 1; seed <= 4000; seed++) {
        Sim *sim = sim_new(seed);
        Rng rng = rng_stream(seed, "test", "wire");
        Packet *pkt = random_packet(sim, &rng, (RandomKind)(seed % RANDOM_N_KINDS)), *parsed, *copy;
        const char *why = "";
        uint32_t size, cut;

        if (rng_below(&rng, 4) == 0 && pkt->eth == ETH_IP && pkt->proto != IPPROTO_IPIP_)
            pkt->cksum = CKSUM_BAD;
        size = wire_build(pkt, frame, sizeof frame);
        T_EQ_U64(size, packet_eth_size(pkt));
        parsed = wire_parse(sim, frame, size, &why);
        packet_format(pkt, text);
        if (!parsed || !same_packet(pkt, parsed))
            test_check(false, __LINE__, __FILE__, __func__, "seed %" PRIu64 ": %s; %s", seed, text, why);

        copy = packet_copy(sim, pkt);
        cut = rng_below(&rng, size + 1);
        memset(again, 0xee, sizeof again);
        T_EQ_U64(wire_build(copy, again, cut), size);
        T_TRUE(memcmp(frame, again, cut) == 0 && again[cut] == 0xee);
        packet_free(sim, copy);
        packet_free(sim, parsed);
        packet_free(sim, pkt);
        T_EQ_U64(packet_pool_in_use(sim->packets), 0);
        sim_free(sim);
    }
}

static void
test_damaged_frames(void)
{
    static uint8_t frame[WIRE_MAX_FRAME];
    Sim *sim = sim_new(1);
    Rng rng = rng_stream(1, "test", "damage");
    uint32_t parsed_ones = 0;

    for (int round = 0; round < 20000; round++) {
        Packet *pkt = random_packet(sim, &rng, (RandomKind)rng_below(&rng, RANDOM_N_KINDS)), *parsed;
        uint32_t size = wire_build(pkt, frame, sizeof frame);
        uint32_t cut = rng_below(&rng, 3) ? size : rng_below(&rng, size);
        g_autofree uint8_t *exact = g_malloc(cut + 1); /* Its end is the frame's: ASan sees a read past it. */
        const char *why = NULL;

        memcpy(exact + 1, frame, cut);
        for (uint32_t n = rng_below(&rng, 6); n > 0 && cut > 12; n--)
            exact[1 + 12 + rng_below(&rng, MIN(cut - 12, 60))] = (uint8_t)rng_u32(&rng);
        parsed = wire_parse(sim, exact + 1, cut, &why);
        T_TRUE((parsed == NULL) == (why != NULL));
        if (parsed) {
            /* What was read can be written, and then reads as the same. */
            uint32_t rebuilt = wire_build(parsed, frame, sizeof frame);
            Packet *twice = wire_parse(sim, frame, rebuilt, &why);
            T_TRUE(twice != NULL);
            packet_free(sim, twice);
            parsed_ones++;
        }
        packet_free(sim, parsed);
        packet_free(sim, pkt);
    }
    T_TRUE(parsed_ones > 1000);
    T_EQ_U64(packet_pool_in_use(sim->packets), 0);
    sim_free(sim);
}

static void
test_checksums(void)
{
    /* RFC 1071 section 3: sum ddf2. */
    static const uint8_t rfc[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    static const uint8_t odd[] = {0x12, 0x34, 0x56};
    /* An IPv4 header known from textbooks: checksum b861. */
    static const uint8_t header[] = {0x45, 0, 0,    0x73, 0, 0, 0x40, 0,    0x40, 0x11,
                                     0,    0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,    0xc7};
    uint8_t sctp[12 + 9] = {0};

    T_EQ_U64(wire_checksum_add(0, rfc, sizeof rfc), 0xddf2);
    T_EQ_U64(wire_checksum_fold(0xddf2), 0x220d);
    T_EQ_U64(wire_checksum_add(0, odd, sizeof odd), 0x1234 + 0x5600);
    T_EQ_U64(wire_checksum_fold(wire_checksum_add(0, header, sizeof header)), 0xb861);
    T_EQ_U64(wire_checksum_add(wire_checksum_add(0, rfc, 6), rfc + 6, 2), 0xddf2);

    /* CRC32c of the digits 1 to 8, which end where the checksum field begins. */
    memcpy(sctp, "123456789", 9);
    T_EQ_U64(wire_sctp_checksum(sctp, 8), 0x6087809a);
}

static void
test_udp_zero_checksum(void)
{
    /* The payload is searched until the sum is 0: ffff must be written. */
    Sim *sim = sim_new(1);
    uint8_t frame[100];
    bool found = false;

    for (uint32_t i = 0; i <= UINT16_MAX && !found; i++) {
        uint8_t word[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        PayloadBuf *buf = payload_buf_new(word, 2);
        Packet *pkt = packet_new(sim);
        uint16_t stored;
        pkt->src = ipaddr_v4(10, 0, 0, 1);
        pkt->dst = ipaddr_v4(10, 0, 0, 2);
        pkt->proto = IPPROTO_UDP_;
        packet_set_payload(pkt, buf, 0, 2);
        T_EQ_U64(wire_build(pkt, frame, sizeof frame), 44);
        stored = (uint16_t)(frame[40] << 8 | frame[41]);
        T_TRUE(stored != 0);
        found = stored == 0xffff;
        payload_buf_unref(buf);
        packet_free(sim, pkt);
    }
    T_TRUE(found);
    sim_free(sim);
}

static void
test_quote(void)
{
    Sim *sim = sim_new(1);
    Packet *udp = packet_new(sim), *icmp = packet_new(sim);
    char text[PACKET_STR_SIZE];

    udp->src = ipaddr_v4(10, 0, 0, 1);
    udp->dst = ipaddr_v4(10, 0, 0, 2);
    udp->proto = IPPROTO_UDP_;
    udp->sport = 1000;
    udp->dport = 53;
    udp->payload.len = 1400;
    icmp->src = udp->dst;
    icmp->dst = udp->src;
    icmp->proto = IPPROTO_ICMP_;
    icmp->icmp.type = 3;
    icmp->icmp.code = 3;
    packet_set_quote(icmp, udp);
    T_EQ_U64(packet_ip_size(icmp), 576);
    T_EQ_U64(icmp->icmp.quote.total_len, 1428);
    T_EQ_STR(packet_format(icmp, text),
             "ICMP 10.0.0.2 > 10.0.0.1 type 3 code 3 about UDP 10.0.0.1:1000 > 10.0.0.2:53 ttl=64");
    T_EQ_STR(packet_format(udp, text), "UDP 10.0.0.1:1000 > 10.0.0.2:53 ttl=64");
    packet_free(sim, icmp);
    packet_free(sim, udp);
    sim_free(sim);
}

const TestSuite suite_wire = {"sim/wire",
                              {{"written packets read back the same", test_round_trip},
                               {"damaged frames are refused or read within bounds", test_damaged_frames},
                               {"checksums equal published ones", test_checksums},
                               {"a UDP checksum is never 0", test_udp_zero_checksum},
                               {"a quote fills 576 bytes", test_quote}}};
