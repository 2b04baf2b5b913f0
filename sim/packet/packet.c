/* Packets: pool, payload buffers, sizes, text. */

#include "sim/packet/packet.h"

#include <assert.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/engine/pool.h"
#include "sim/packet/wire.h"

#define CACHE_LINE       64
#define PACKETS_PER_SLAB 256
#define QUOTE_MAX_V4     576  /* RFC 1812 4.3.2.3, as icmp_send() does. */
#define QUOTE_MAX_V6     1280 /* RFC 4443 2.4 (c). */

struct PacketPool {
    Pool pool;
    void (*release_conn)(Packet *pkt);
};

static const struct {
    uint8_t proto;
    const char *name;
} proto_names[] = {
    {IPPROTO_TCP_, "tcp"},   {IPPROTO_UDP_, "udp"},       {IPPROTO_SCTP_, "sctp"},
    {IPPROTO_ICMP_, "icmp"}, {IPPROTO_ICMPV6_, "icmpv6"}, {IPPROTO_IPIP_, "ipip"},
};

static void release_conn(Sim *sim, Packet *pkt);
static PayloadBuf *payload_buf_new_uninit(size_t size);
static void quote_bytes(Packet *icmp, const Packet *offender, uint32_t fixed, uint32_t room);
static uint32_t quote_size(const QuotedPacket *quote);
static uint32_t sctp_chunk_size(uint8_t type);
static int format_ends(char *buf, size_t size, uint8_t proto, IpAddr src, uint16_t sport, IpAddr dst, uint16_t dport);
static int format_detail(char *buf, size_t size, const Packet *pkt);

const char *
ipproto_name(uint8_t proto, char buf[static IPPROTO_STR_SIZE])
{
    for (size_t i = 0; i < G_N_ELEMENTS(proto_names); i++) {
        if (proto_names[i].proto == proto)
            return proto_names[i].name;
    }
    snprintf(buf, IPPROTO_STR_SIZE, "%u", proto);
    return buf;
}

bool
ipproto_parse(const char *text, uint8_t *ret_proto)
{
    uint64_t number;

    for (size_t i = 0; i < G_N_ELEMENTS(proto_names); i++) {
        if (g_ascii_strcasecmp(text, proto_names[i].name) == 0) {
            *ret_proto = proto_names[i].proto;
            return true;
        }
    }
    if (g_ascii_strcasecmp(text, "ipv6-icmp") == 0) { /* Its name in /etc/protocols. */
        *ret_proto = IPPROTO_ICMPV6_;
        return true;
    }
    if (!g_ascii_string_to_unsigned(text, 10, 0, UINT8_MAX, &number, NULL))
        return false;
    *ret_proto = (uint8_t)number;
    return true;
}

PayloadBuf *
payload_buf_new(const void *data, size_t size)
{
    PayloadBuf *buf = payload_buf_new_uninit(size);

    if (size > 0)
        memcpy(buf->data, data, size);
    return buf;
}

PayloadBuf *
payload_buf_ref(PayloadBuf *buf)
{
    buf->refs++;
    return buf;
}

void
payload_buf_unref(PayloadBuf *buf)
{
    if (buf && --buf->refs == 0)
        g_free(buf);
}

bool
packet_is_icmp_error(const Packet *pkt)
{
    if (pkt->proto == IPPROTO_ICMPV6_)
        return pkt->icmp.type < 128;
    /* Unreachable, source quench, redirect, time exceeded, parameter problem. */
    return pkt->proto == IPPROTO_ICMP_ && (pkt->icmp.type == 3 || pkt->icmp.type == 4 || pkt->icmp.type == 5 ||
                                           pkt->icmp.type == 11 || pkt->icmp.type == 12);
}

PacketPool *
packet_pool_new(void)
{
    PacketPool *pool = g_new0(PacketPool, 1);

    /* Whole cache lines: the hot half of a packet is then two lines. */
    pool_init(&pool->pool, (sizeof(Packet) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1), PACKETS_PER_SLAB);
    return pool;
}

void
packet_pool_free(PacketPool *pool)
{
    if (!pool)
        return;
    pool_clear(&pool->pool);
    g_free(pool);
}

void
packet_pool_set_conn_release(PacketPool *pool, void (*release)(Packet *pkt))
{
    pool->release_conn = release;
}

uint64_t
packet_pool_in_use(const PacketPool *pool)
{
    return pool->pool.in_use;
}

Packet *
packet_new(Sim *sim)
{
    Packet *pkt = pool_alloc(&sim->packets->pool);

    memset(pkt, 0, sizeof *pkt);
    pkt->id = ++sim->next_packet_id;
    pkt->ttl = 64;
    return pkt;
}

Packet *
packet_copy(Sim *sim, const Packet *pkt)
{
    Packet *copy = pool_alloc(&sim->packets->pool);

    *copy = *pkt;
    copy->id = ++sim->next_packet_id;
    copy->meta.ct = NULL;
    copy->meta.ctinfo = CTINFO_NONE;
    copy->meta.ct_reply = 0;
    copy->meta.ip_size = 0;
    if (copy->payload.buf)
        payload_buf_ref(copy->payload.buf);
    if (pkt->inner)
        copy->inner = packet_copy(sim, pkt->inner);
    return copy;
}

void
packet_free(Sim *sim, Packet *pkt)
{
    while (pkt) {
        Packet *inner = pkt->inner;
        release_conn(sim, pkt);
        payload_buf_unref(pkt->payload.buf);
        pool_release(&sim->packets->pool, pkt);
        pkt = inner;
    }
}

void
packet_set_payload(Packet *pkt, PayloadBuf *buf, uint32_t offset, uint32_t len)
{
    assert(!buf || (offset <= buf->size && len <= buf->size - offset));
    if (buf)
        payload_buf_ref(buf);
    payload_buf_unref(pkt->payload.buf);
    pkt->payload = (Payload){buf, offset, len};
}

void
packet_set_quote(Packet *icmp, const Packet *offender)
{
    bool v4 = packet_family(offender) == FAMILY_IPV4;
    uint32_t limit = v4 ? QUOTE_MAX_V4 : QUOTE_MAX_V6;
    QuotedPacket *quote = &icmp->icmp.quote;
    uint32_t room;

    icmp->icmp.has_quote = true;
    icmp->icmp.quote_dont_fragment = offender->dont_fragment;
    *quote = (QuotedPacket){
        .src = offender->src,
        .dst = offender->dst,
        .sport = offender->sport,
        .dport = offender->dport,
        .total_len = (uint16_t)packet_ip_size(offender),
        .ip_id = offender->ip_id,
        .proto = offender->proto,
        .ttl = offender->ttl,
        .tos = offender->tos,
    };
    if (offender->proto == IPPROTO_TCP_) {
        quote->seq = offender->tcp.seq;
        quote->ack = offender->tcp.ack;
        quote->window = offender->tcp.window;
        quote->tcp_flags = offender->tcp.flags;
        icmp->icmp.quote_tcp_header = (uint8_t)packet_l4_header_size(offender);
    } else if (offender->proto == IPPROTO_SCTP_) {
        quote->seq = offender->sctp.vtag;
    } else if (packet_is_icmp(offender)) {
        quote->icmp_type = offender->icmp.type;
        quote->icmp_code = offender->icmp.code;
        quote->sport = offender->icmp.id;
        quote->seq = offender->icmp.seq;
    }
    /* The error's own headers count too. */
    packet_set_payload(icmp, NULL, 0, 0);
    room = limit - packet_ip_size(icmp);
    if (offender->proto == IPPROTO_TCP_ || offender->proto == IPPROTO_SCTP_)
        quote_bytes(icmp, offender, packet_quote_l4_size(quote), room);
    else if (offender->proto == IPPROTO_UDP_ || packet_is_icmp(offender))
        packet_set_payload(icmp, offender->payload.buf, offender->payload.offset, MIN(offender->payload.len, room));
}

void
packet_release_conn(Sim *sim, Packet *pkt)
{
    release_conn(sim, pkt);
    pkt->meta.ct = NULL;
}

uint32_t
packet_l4_header_size(const Packet *pkt)
{
    switch (pkt->proto) {
    case IPPROTO_TCP_:
        return packet_tcp_header_size(&pkt->tcp);
    case IPPROTO_UDP_:
        return UDP_HEADER_SIZE;
    case IPPROTO_ICMP_:
    case IPPROTO_ICMPV6_:
        return 8 + (pkt->icmp.has_quote ? quote_size(&pkt->icmp.quote) : 0);
    case IPPROTO_SCTP_:
        return 12 + sctp_chunk_size(pkt->sctp.chunk) + (-pkt->payload.len & 3);
    default:
        return 0;
    }
}

uint32_t
packet_ip_size_any(const Packet *pkt)
{
    uint32_t size;

    if (pkt->eth == ETH_ARP)
        return 0;
    size = packet_ip_header_size(&pkt->src) + packet_l4_header_size(pkt);
    if (pkt->inner && pkt->proto == IPPROTO_UDP_)
        return size + VXLAN_HEADER_SIZE + packet_eth_size(pkt->inner);
    if (pkt->inner)
        return size + packet_ip_size(pkt->inner);
    return size + pkt->payload.len;
}

uint32_t
packet_quote_l4_size(const QuotedPacket *quote)
{
    switch (quote->proto) {
    case IPPROTO_TCP_:
        return 20;
    case IPPROTO_UDP_:
    case IPPROTO_ICMP_:
    case IPPROTO_ICMPV6_:
        return 8;
    case IPPROTO_SCTP_:
        return 12;
    default:
        return 0;
    }
}

char *
packet_format(const Packet *pkt, char buf[static PACKET_STR_SIZE])
{
    char a[IPADDR_STR_SIZE], b[IPADDR_STR_SIZE];
    int n;

    if (pkt->eth == ETH_ARP) {
        if (pkt->arp.op == 1)
            snprintf(buf, PACKET_STR_SIZE, "ARP who-has %s tell %s", ipaddr_format(pkt->dst, a),
                     ipaddr_format(pkt->src, b));
        else
            snprintf(buf, PACKET_STR_SIZE, "ARP %s is-at %s", ipaddr_format(pkt->src, a), mac_format(pkt->eth_src, b));
        return buf;
    }
    n = format_ends(buf, PACKET_STR_SIZE, pkt->proto, pkt->src, pkt->sport, pkt->dst, pkt->dport);
    n += format_detail(buf + n, PACKET_STR_SIZE - (size_t)n, pkt);
    snprintf(buf + n, PACKET_STR_SIZE - (size_t)n, " ttl=%u", pkt->ttl);
    return buf;
}

static void
release_conn(Sim *sim, Packet *pkt)
{
    if (pkt->meta.ct && sim->packets->release_conn)
        sim->packets->release_conn(pkt);
    pkt->meta.ct = NULL;
}

/* Makes the transport bytes behind the first 'fixed' ones the payload of 'icmp', up to 'room' of them. */
static void
quote_bytes(Packet *icmp, const Packet *offender, uint32_t fixed, uint32_t room)
{
    uint32_t size = packet_l4_header_size(offender) + offender->payload.len;
    PayloadBuf *buf = payload_buf_new_uninit(size);

    wire_build_l4(offender, buf->data);
    icmp->payload = (Payload){buf, fixed, MIN(size - fixed, room)};
}

static PayloadBuf *
payload_buf_new_uninit(size_t size)
{
    PayloadBuf *buf = g_malloc(sizeof *buf + size);

    assert(size <= UINT32_MAX);
    buf->refs = 1;
    buf->size = (uint32_t)size;
    buf->summed.offset = buf->summed.len = buf->sum = 0;
    return buf;
}

static uint32_t
quote_size(const QuotedPacket *quote)
{
    return packet_ip_header_size(&quote->src) + packet_quote_l4_size(quote);
}

/* Without the user data of DATA.  Chunk types: RFC 9260 3.2. */
static uint32_t
sctp_chunk_size(uint8_t type)
{
    switch (type) {
    case SCTP_DATA:
    case SCTP_SACK:
        return 16;
    case SCTP_INIT:
        return 20;
    case SCTP_INIT_ACK:
        return 20 + 4 + SCTP_COOKIE_SIZE;
    case SCTP_COOKIE_ECHO:
        return 4 + SCTP_COOKIE_SIZE;
    case SCTP_HEARTBEAT:
    case SCTP_HEARTBEAT_ACK:
        return 4 + 8; /* An empty heartbeat info parameter and a word in it. */
    case SCTP_SHUTDOWN:
        return 8;
    default:
        return 4;
    }
}

static int
format_ends(char *buf, size_t size, uint8_t proto, IpAddr src, uint16_t sport, IpAddr dst, uint16_t dport)
{
    char a[IPPORT_STR_SIZE], b[IPPORT_STR_SIZE], number[IPPROTO_STR_SIZE], name[IPPROTO_STR_SIZE + 8];

    if (proto == IPPROTO_TCP_ || proto == IPPROTO_UDP_ || proto == IPPROTO_SCTP_) {
        ipport_format(src, sport, a);
        ipport_format(dst, dport, b);
    } else {
        ipaddr_format(src, a);
        ipaddr_format(dst, b);
    }
    g_strlcpy(name, ipproto_name(proto, number), sizeof name);
    for (char *c = name; *c && !(proto == IPPROTO_ICMPV6_ && c == name + 4); c++)
        *c = g_ascii_toupper(*c);
    return snprintf(buf, size, "%s %s > %s", name, a, b);
}

static int
format_detail(char *buf, size_t size, const Packet *pkt)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } flags[] = {{TCP_SYN, "SYN"}, {TCP_ACK, "ACK"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"}, {TCP_PSH, "PSH"}};
    static const char *const chunks[] = {"DATA",  "INIT",     "INIT-ACK",     "SACK",  "HEARTBEAT",   "HEARTBEAT-ACK",
                                         "ABORT", "SHUTDOWN", "SHUTDOWN-ACK", "ERROR", "COOKIE-ECHO", "COOKIE-ACK"};
    const QuotedPacket *quote = &pkt->icmp.quote;
    int n = 0;

    switch (pkt->proto) {
    case IPPROTO_TCP_:
        for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
            if (pkt->tcp.flags & flags[i].bit)
                n += snprintf(buf + n, size - (size_t)n, "%c%s", n ? '+' : ' ', flags[i].name);
        }
        return n;
    case IPPROTO_SCTP_:
        if (pkt->sctp.chunk < G_N_ELEMENTS(chunks))
            return snprintf(buf, size, " %s", chunks[pkt->sctp.chunk]);
        return snprintf(buf, size, " chunk %u", pkt->sctp.chunk);
    case IPPROTO_ICMP_:
    case IPPROTO_ICMPV6_:
        n = snprintf(buf, size, " type %u code %u", pkt->icmp.type, pkt->icmp.code);
        if (pkt->icmp.has_quote) {
            n += snprintf(buf + n, size - (size_t)n, " about ");
            n += format_ends(buf + n, size - (size_t)n, quote->proto, quote->src, quote->sport, quote->dst,
                             quote->dport);
        }
        return n;
    default:
        *buf = '\0';
        return 0;
    }
}
