/* Random packets: conversations that make sense, with nonsense between
 *
 * Sequence numbers are fixed (1000 on the side that begins, 5000 on the other), so that a step can be dropped without
 * changing the others. */

#include "tests/kernel/fuzz/fuzz.h"

#define ISN       1000u
#define REPLY_ISN 5000u

static FuzzStep *add_step(FuzzCase *c, const FuzzStep *template, FuzzStepKind kind);
static FuzzStep make_flow(const FuzzCase *c, Rng *rng);
static void add_tcp(FuzzCase *c, Rng *rng, FuzzStep *flow);
static void add_sctp(FuzzCase *c, Rng *rng, FuzzStep *flow);
static void add_datagrams(FuzzCase *c, Rng *rng, FuzzStep *flow);
static void add_stray(FuzzCase *c, Rng *rng, FuzzStep *flow);

void
fuzz_make_steps(FuzzCase *c, Rng *rng)
{
    uint32_t n = 6 + rng_below(rng, 20);

    while (c->steps->len < n) {
        FuzzStep flow = make_flow(c, rng);
        if (fuzz_one_in(rng, 4))
            add_stray(c, rng, &flow);
        else if (flow.proto == 6)
            add_tcp(c, rng, &flow);
        else if (flow.proto == 132)
            add_sctp(c, rng, &flow);
        else
            add_datagrams(c, rng, &flow);
    }
}

static FuzzStep *
add_step(FuzzCase *c, const FuzzStep *template, FuzzStepKind kind)
{
    FuzzStep step = *template;

    step.kind = kind;
    g_array_append_val(c->steps, step);
    return &g_array_index(c->steps, FuzzStep, c->steps->len - 1);
}

static FuzzStep
make_flow(const FuzzCase *c, Rng *rng)
{
    static const FuzzAddr sources[FUZZ_N_DEVS + 1][3] = {
        {ADDR_CLIENT, ADDR_CLIENT2, ADDR_CLIENT3}, {ADDR_SERVER, ADDR_SERVER2, ADDR_SERVER},
        {ADDR_THIRD, ADDR_THIRD, ADDR_THIRD},      {ADDR_POD, ADDR_POD, ADDR_POD},
        {ADDR_POD2, ADDR_POD2, ADDR_POD2},         {ADDR_ROUTER_C, ADDR_ROUTER_B, ADDR_ROUTER_T}};
    bool v6 = c->family == FAMILY_IPV6;
    uint32_t kind = rng_below(rng, 12);
    FuzzStep flow = {.ttl = 64, .from = (uint8_t)(fuzz_one_in(rng, 2) ? 0 : rng_below(rng, FUZZ_N_DEVS + 1))};

    flow.src = fuzz_addr(c->family, sources[flow.from][rng_below(rng, 3)]);
    if (flow.from != FUZZ_ROUTER && fuzz_one_in(rng, 12))
        flow.src = fuzz_addr(c->family, rng_below(rng, ADDR_UNREACHABLE)); /* Somebody else's. */
    do
        flow.dst = fuzz_addr(c->family, rng_below(rng, flow.from == FUZZ_ROUTER ? ADDR_N : ADDR_LOOPBACK));
    while ((ipaddr_eq(flow.src, flow.dst) && !fuzz_one_in(rng, 8)) ||
           /* ip_error() has a rate of its own, kept for each destination beyond the end of a case. */
           (!v6 && flow.from != FUZZ_ROUTER && ipaddr_eq(flow.dst, fuzz_addr(c->family, ADDR_UNREACHABLE))));
    if (ipaddr_is_loopback(&flow.dst))
        flow.src = flow.dst;
    flow.proto = kind < 5 ? 6 : kind < 8 ? 17 : kind < 10 ? 132 : v6 ? 58 : 1;
    flow.sport = (uint16_t)(11001 + rng_below(rng, 4));
    flow.dport = fuzz_port(rng);
    if (fuzz_one_in(rng, 12))
        flow.ttl = (uint8_t)(1 + rng_below(rng, 2));
    if (fuzz_one_in(rng, 8))
        flow.tos = 0x10;
    if (kind >= 10)
        flow.icmp_type = v6 ? 128 : 8;
    return flow;
}

static void
add_tcp(FuzzCase *c, Rng *rng, FuzzStep *flow)
{
    uint32_t n = rng_below(rng, 6);
    FuzzStep *step;

    flow->seq = ISN;
    flow->tcp_flags = TCP_SYN;
    if (fuzz_one_in(rng, 2))
        flow->mss = (uint16_t)(fuzz_one_in(rng, 2) ? 1460 : 400 + rng_below(rng, 1100));
    add_step(c, flow, STEP_PACKET);
    flow->mss = 0;
    if (fuzz_one_in(rng, 6))
        add_step(c, flow, STEP_PACKET); /* Again. */
    step = add_step(c, flow, STEP_REPLY);
    step->seq = REPLY_ISN;
    step->ack = ISN + 1;
    step->tcp_flags = fuzz_one_in(rng, 6) ? TCP_RST | TCP_ACK : TCP_SYN | TCP_ACK;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t kind = rng_below(rng, 8);
        bool reply = i > 0 && fuzz_one_in(rng, 2);

        step = add_step(c, flow, reply ? STEP_REPLY : STEP_PACKET);
        step->seq = reply ? REPLY_ISN + 1 : ISN + 1;
        step->ack = reply ? ISN + 1 : REPLY_ISN + 1;
        step->tcp_flags = TCP_ACK;
        if (kind == 0) {
            step->tcp_flags = TCP_FIN | TCP_ACK;
        } else if (kind == 1) {
            step->tcp_flags = TCP_RST | TCP_ACK;
        } else if (kind == 2) {
            step->seq += 1000000; /* Out of any window. */
        } else if (kind == 3 || kind == 4) {
            step->tcp_flags = TCP_PSH | TCP_ACK;
            step->len = (uint16_t)(1 + rng_below(rng, 40));
        }
        if (fuzz_one_in(rng, 24))
            step->bad_checksum = true;
    }
}

/* An association, with chunks out of turn and wrong tags between. */
static void
add_sctp(FuzzCase *c, Rng *rng, FuzzStep *flow)
{
    static const uint8_t chunks[] = {SCTP_DATA,      SCTP_SACK,         SCTP_HEARTBEAT,         SCTP_HEARTBEAT_ACK,
                                     SCTP_SHUTDOWN,  SCTP_SHUTDOWN_ACK, SCTP_SHUTDOWN_COMPLETE, SCTP_ABORT,
                                     SCTP_ERROR,     SCTP_INIT,         SCTP_INIT_ACK,          SCTP_COOKIE_ECHO,
                                     SCTP_COOKIE_ACK};
    static const uint8_t opening[] = {SCTP_INIT, SCTP_INIT_ACK, SCTP_COOKIE_ECHO, SCTP_COOKIE_ACK};

    for (uint32_t i = 0, n = 1 + rng_below(rng, 9); i < n; i++) {
        bool strays = i > 0 && fuzz_one_in(rng, 10), reply = i < 4 ? i % 2 : fuzz_one_in(rng, 2);
        FuzzStep *step = add_step(c, flow, reply ? STEP_REPLY : STEP_PACKET);
        step->chunk = i < 4 && !strays ? opening[i] : chunks[rng_below(rng, fuzz_one_in(rng, 3) ? 13 : 6)];
        step->seq = step->chunk == SCTP_INIT ? 0 : reply ? ISN : REPLY_ISN;
        step->ack = reply ? REPLY_ISN : ISN;
        if (fuzz_one_in(rng, 16))
            step->seq += 7; /* Not its tag. */
        if (fuzz_one_in(rng, 24))
            step->bad_checksum = true;
    }
}

static void
add_datagrams(FuzzCase *c, Rng *rng, FuzzStep *flow)
{
    for (uint32_t i = 0, n = 1 + rng_below(rng, 4); i < n; i++) {
        FuzzStep *step = add_step(c, flow, i % 2 ? STEP_REPLY : STEP_PACKET);
        step->len = (uint16_t)rng_below(rng, 40);
        if (fuzz_one_in(rng, 24))
            step->bad_checksum = true;
        if (step->kind == STEP_REPLY && fuzz_one_in(rng, 3))
            step->kind = STEP_ERROR;
    }
}

static void
add_stray(FuzzCase *c, Rng *rng, FuzzStep *flow)
{
    static const uint8_t flags[] = {TCP_ACK,           TCP_FIN | TCP_ACK, TCP_RST, TCP_SYN | TCP_ACK,
                                    TCP_PSH | TCP_ACK, TCP_SYN | TCP_FIN, 0,       TCP_FIN | TCP_PSH | TCP_URG};
    bool v6 = c->family == FAMILY_IPV6;
    FuzzStep *step;

    if (fuzz_one_in(rng, 2)) {
        step = add_step(c, flow, STEP_ERROR);
        step->ref = rng_below(rng, 3);
        return;
    }
    step = add_step(c, flow, STEP_PACKET);
    if (step->proto == 6) {
        step->tcp_flags = flags[rng_below(rng, sizeof flags)];
        step->seq = ISN + 1;
        step->ack = REPLY_ISN + 1;
        step->len = (uint16_t)rng_below(rng, 10);
    } else if (step->proto == 132) {
        step->chunk = (uint8_t)rng_below(rng, 15);
        step->seq = fuzz_one_in(rng, 2) ? REPLY_ISN : 0;
        step->ack = ISN;
    } else if (step->proto != 17 && step->from != FUZZ_ROUTER) {
        step->icmp_type = v6 ? 129 : 0; /* An answer that nobody asked for. */
    }
}

/* --- Steps as packets --------------------------------------------------------------------------------------------- */

static void set_chunk(Packet *pkt, const FuzzStep *step);
static bool turn_around(Packet *pkt, const FuzzStep *step);
static Packet *make_error(Sim *sim, const FuzzStep *step, const Packet *about);

Packet *
fuzz_step_packet(Sim *sim, const FuzzStep *step, GPtrArray *seen, uint8_t *ret_from)
{
    Packet *pkt, *error;
    const uint8_t *frame;
    const char *why;
    gsize size;

    if (step->kind == STEP_PACKET) {
        pkt = packet_new(sim);
        *ret_from = step->from;
        pkt->src = step->src;
        pkt->dst = step->dst;
        pkt->proto = step->proto;
        pkt->ttl = step->ttl;
        pkt->tos = step->tos;
        pkt->ip_id = 77;
        pkt->payload.len = step->len;
        pkt->cksum = step->bad_checksum ? CKSUM_BAD : CKSUM_GOOD;
        if (packet_has_ports(pkt)) {
            pkt->sport = step->sport;
            pkt->dport = step->dport;
        }
        if (step->proto == 132) {
            set_chunk(pkt, step);
        } else if (step->proto == 6) {
            pkt->tcp.flags = step->tcp_flags;
            pkt->tcp.seq = step->seq;
            pkt->tcp.ack = step->tcp_flags & TCP_ACK ? step->ack : 0;
            pkt->tcp.window = step->no_window ? 0 : step->window ? step->window : 8192;
            pkt->tcp.mss = step->mss;
            pkt->tcp.wscale = step->wscale;
            pkt->tcp.sack_permitted = step->sack_permitted;
            if (step->sack[0] != step->sack[1]) {
                pkt->tcp.n_sacks = 1;
                memcpy(pkt->tcp.sacks, step->sack, sizeof step->sack);
            }
        } else if (packet_is_icmp(pkt)) {
            pkt->icmp.type = step->icmp_type;
            pkt->icmp.id = step->sport;
            pkt->icmp.seq = 1;
        }
        return pkt;
    }
    if (step->ref >= seen->len)
        return NULL;
    frame = g_bytes_get_data(seen->pdata[seen->len - 1 - step->ref], &size);
    *ret_from = frame[0];
    pkt = wire_parse(sim, frame + 1, (uint32_t)size - 1, &why);
    if (!pkt)
        return NULL;
    pkt->cksum = CKSUM_GOOD;
    if (step->kind == STEP_ERROR) {
        error = make_error(sim, step, pkt);
        packet_free(sim, pkt);
        return error;
    }
    if (turn_around(pkt, step))
        return pkt;
    packet_free(sim, pkt);
    return NULL;
}

static void
set_chunk(Packet *pkt, const FuzzStep *step)
{
    pkt->sctp = (SctpHeader){.vtag = step->seq, .chunk = step->chunk, .tsn = 1};
    pkt->sctp.t_bit = step->tos && (step->chunk == SCTP_ABORT || step->chunk == SCTP_SHUTDOWN_COMPLETE);
    if (step->chunk == SCTP_INIT || step->chunk == SCTP_INIT_ACK)
        pkt->sctp.init_tag = step->ack;
    packet_set_payload(pkt, NULL, 0, step->chunk == SCTP_DATA ? 4 : 0);
}

static bool
turn_around(Packet *pkt, const FuzzStep *step)
{
    IpAddr addr = pkt->src;
    uint16_t port = pkt->sport;

    if (packet_is_icmp_error(pkt) || (pkt->proto == 6 && pkt->tcp.flags & TCP_RST))
        return false;
    pkt->src = pkt->dst;
    pkt->dst = addr;
    pkt->sport = pkt->dport;
    pkt->dport = port;
    pkt->ttl = 63;
    pkt->cksum = step->bad_checksum ? CKSUM_BAD : CKSUM_GOOD;
    packet_set_payload(pkt, NULL, 0, step->len);
    if (pkt->proto == 132) {
        set_chunk(pkt, step);
    } else if (pkt->proto == 6) {
        memset(&pkt->tcp, 0, sizeof pkt->tcp);
        pkt->tcp.seq = step->seq;
        pkt->tcp.ack = step->ack;
        pkt->tcp.flags = step->proto == 6 ? step->tcp_flags : TCP_SYN | TCP_ACK;
        pkt->tcp.window = 8192;
    } else if (pkt->proto == 1) {
        pkt->icmp.type = pkt->icmp.type == 8 ? 0 : 8;
    } else if (pkt->proto == 58) {
        pkt->icmp.type = pkt->icmp.type == 128 ? 129 : 128;
    }
    return true;
}

/* Port unreachable from the one that it was sent to, or "time exceeded" from somebody on the way. */
static Packet *
make_error(Sim *sim, const FuzzStep *step, const Packet *about)
{
    bool v6 = packet_family(about) == FAMILY_IPV6, on_the_way = step->len % 3 == 0;
    Packet *error;

    if (packet_is_icmp_error(about))
        return NULL;
    error = packet_new(sim);
    error->src = on_the_way ? fuzz_addr(v6 ? FAMILY_IPV6 : FAMILY_IPV4, ADDR_THIRD) : about->dst;
    error->dst = about->src;
    error->proto = v6 ? 58 : 1;
    error->ttl = 60;
    error->ip_id = 78;
    error->icmp.type = on_the_way ? (v6 ? 3 : 11) : v6 ? 1 : 3;
    error->icmp.code = on_the_way ? 0 : v6 ? 4 : 3;
    packet_set_quote(error, about);
    return error;
}
