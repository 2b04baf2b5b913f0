/* Wire format: checksums and writing.  Each write_x() fills exactly the bytes that packet.c's sizes count for x. */

#include "sim/packet/wire.h"

#include <assert.h>
#include <endian.h>
#include <glib.h>

#define FLANNEL_VNI 1

static void write_frame(const Packet *pkt, uint8_t *p);
static void write_arp(const Packet *pkt, uint8_t *p);
static void write_ip(const Packet *pkt, uint8_t *p);
static uint32_t write_ip_header(uint8_t *p, IpAddr src, IpAddr dst, uint8_t proto, uint8_t ttl, uint8_t tos,
                                uint16_t total_len, uint16_t ip_id, bool dont_fragment);
static void write_l4(const Packet *pkt, uint8_t *p, uint32_t size);
static void write_tcp(const Packet *pkt, uint8_t *p, uint32_t header_size);
static void write_tcp_options(const TcpHeader *tcp, uint8_t *p);
static void write_icmp(const Packet *pkt, uint8_t *p, uint32_t size);
static void write_quote(const IcmpHeader *icmp, uint8_t *p, uint32_t size);
static void write_sctp(const Packet *pkt, uint8_t *p, uint32_t size);
static void write_payload(const Packet *pkt, uint8_t *p);
static void store_checksum(const Packet *pkt, uint8_t *field, uint16_t good);

static inline uint8_t *
put8(uint8_t *p, uint8_t v)
{
    *p = v;
    return p + 1;
}

static inline uint8_t *
put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static inline uint8_t *
put32(uint8_t *p, uint32_t v)
{
    return put16(put16(p, (uint16_t)(v >> 16)), (uint16_t)v);
}

static inline uint8_t *
put_bytes(uint8_t *p, const void *data, size_t size)
{
    memcpy(p, data, size);
    return p + size;
}

uint32_t
wire_build(const Packet *pkt, uint8_t *buf, uint32_t size)
{
    uint32_t full = packet_eth_size(pkt);

    assert(full <= WIRE_MAX_FRAME);
    if (full <= size) {
        write_frame(pkt, buf);
    } else {
        /* The checksums need all of it. */
        g_autofree uint8_t *frame = g_malloc(full);
        write_frame(pkt, frame);
        memcpy(buf, frame, size);
    }
    return full;
}

void
wire_build_l4(const Packet *pkt, uint8_t *buf)
{
    write_l4(pkt, buf, packet_l4_header_size(pkt) + pkt->payload.len);
}

uint32_t
wire_checksum_add(uint32_t sum, const void *data, uint32_t size)
{
    const uint8_t *p = data;
    uint64_t native = 0;
    uint32_t word;

    /* The sum does not care about byte order (RFC 1071 2 (B)): add in the machine's, swap once. */
    for (; size >= 4; p += 4, size -= 4) {
        memcpy(&word, p, 4);
        native += word;
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, p, size);
        native += word;
    }
    native = (native & 0xffffffff) + (native >> 32);
    native = (native & 0xffffffff) + (native >> 32);
    native = (native & 0xffff) + (native >> 16);
    native = (native & 0xffff) + (native >> 16);
    sum += be16toh((uint16_t)native);
    return (sum & 0xffff) + (sum >> 16);
}

uint16_t
wire_checksum_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

uint32_t
wire_checksum_pseudo(const IpAddr *src, const IpAddr *dst, uint8_t proto, uint32_t l4_size)
{
    bool v4 = ipaddr_is_v4(src);
    uint32_t sum;

    /* ICMP has no pseudo header, ICMPv6 has. */
    if (proto == IPPROTO_ICMP_)
        return 0;
    sum = wire_checksum_add(0, v4 ? &src->b[12] : src->b, v4 ? 4 : 16);
    sum = wire_checksum_add(sum, v4 ? &dst->b[12] : dst->b, v4 ? 4 : 16);
    sum += proto + (l4_size >> 16) + (l4_size & 0xffff);
    return (sum & 0xffff) + (sum >> 16);
}

uint32_t
wire_sctp_checksum(const uint8_t *packet, uint32_t size)
{
    /* Castagnoli's polynomial, reflected, four bits at a time (RFC 9260 appendix A). */
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    uint32_t crc = ~UINT32_C(0);

    for (uint32_t i = 0; i < size; i++) {
        crc ^= i >= 8 && i < 12 ? 0 : packet[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static void
write_frame(const Packet *pkt, uint8_t *p)
{
    p = put_bytes(p, pkt->eth_dst.b, 6);
    p = put_bytes(p, pkt->eth_src.b, 6);
    if (pkt->eth == ETH_ARP)
        write_arp(pkt, put16(p, 0x0806));
    else
        write_ip(pkt, put16(p, packet_family(pkt) == FAMILY_IPV4 ? 0x0800 : 0x86dd));
}

static void
write_arp(const Packet *pkt, uint8_t *p)
{
    p = put16(p, 1); /* Ethernet. */
    p = put16(p, 0x0800);
    p = put8(put8(p, 6), 4);
    p = put16(p, pkt->arp.op);
    p = put_bytes(put_bytes(p, pkt->eth_src.b, 6), &pkt->src.b[12], 4);
    put_bytes(put_bytes(p, pkt->arp.target_mac.b, 6), &pkt->dst.b[12], 4);
}

static void
write_ip(const Packet *pkt, uint8_t *p)
{
    uint32_t size = packet_ip_size(pkt);
    uint32_t header = write_ip_header(p, pkt->src, pkt->dst, pkt->proto, pkt->ttl, pkt->tos, (uint16_t)size, pkt->ip_id,
                                      pkt->dont_fragment);

    write_l4(pkt, p + header, size - header);
}

/* Returns the header's size. */
static uint32_t
write_ip_header(uint8_t *p, IpAddr src, IpAddr dst, uint8_t proto, uint8_t ttl, uint8_t tos, uint16_t total_len,
                uint16_t ip_id, bool dont_fragment)
{
    uint8_t *start = p;

    if (!ipaddr_is_v4(&src)) {
        p = put32(p, UINT32_C(6) << 28 | (uint32_t)tos << 20);
        p = put16(p, total_len - 40);
        p = put8(put8(p, proto), ttl);
        put_bytes(put_bytes(p, src.b, 16), dst.b, 16);
        return 40;
    }
    p = put8(put8(p, 0x45), tos);
    p = put16(put16(p, total_len), ip_id);
    p = put16(p, dont_fragment ? 0x4000 : 0);
    p = put16(put8(put8(p, ttl), proto), 0);
    put_bytes(put_bytes(p, &src.b[12], 4), &dst.b[12], 4);
    put16(start + 10, wire_checksum_fold(wire_checksum_add(0, start, 20)));
    return 20;
}

static void
write_l4(const Packet *pkt, uint8_t *p, uint32_t size)
{
    uint32_t header = packet_l4_header_size(pkt);
    uint32_t pseudo = wire_checksum_pseudo(&pkt->src, &pkt->dst, pkt->proto, size);
    uint16_t sum;

    switch (pkt->proto) {
    case IPPROTO_TCP_:
        write_tcp(pkt, p, header);
        write_payload(pkt, p + header);
        store_checksum(pkt, p + 16, wire_checksum_fold(wire_checksum_add(pseudo, p, size)));
        return;
    case IPPROTO_UDP_:
        put16(put16(put16(put16(p, pkt->sport), pkt->dport), (uint16_t)size), 0);
        if (pkt->inner) {
            put32(put32(p + header, UINT32_C(1) << 27), FLANNEL_VNI << 8); /* Flags: a VNI is given. */
            write_frame(pkt->inner, p + header + VXLAN_HEADER_SIZE);
        } else {
            write_payload(pkt, p + header);
        }
        sum = wire_checksum_fold(wire_checksum_add(pseudo, p, size));
        store_checksum(pkt, p + 6, sum ? sum : 0xffff); /* 0 would mean: none. */
        return;
    case IPPROTO_ICMP_:
    case IPPROTO_ICMPV6_:
        write_icmp(pkt, p, size);
        store_checksum(pkt, p + 2, wire_checksum_fold(wire_checksum_add(pseudo, p, size)));
        return;
    case IPPROTO_SCTP_:
        write_sctp(pkt, p, size);
        return;
    default:
        if (pkt->inner)
            write_ip(pkt->inner, p);
        else
            write_payload(pkt, p);
    }
}

static void
write_tcp(const Packet *pkt, uint8_t *p, uint32_t header_size)
{
    const TcpHeader *tcp = &pkt->tcp;

    p = put16(put16(p, pkt->sport), pkt->dport);
    p = put32(put32(p, tcp->seq), tcp->ack);
    p = put8(put8(p, (uint8_t)(header_size / 4 << 4)), tcp->flags);
    p = put16(p, tcp->window);
    p = put32(p, 0); /* Checksum, urgent pointer. */
    write_tcp_options(tcp, p);
}

/* In Linux' order; packet_l4_header_size() counts the same. */
static void
write_tcp_options(const TcpHeader *tcp, uint8_t *p)
{
    enum { OPT_NOP = 1, OPT_MSS = 2, OPT_WSCALE = 3, OPT_SACK_PERMITTED = 4, OPT_SACK = 5, OPT_TIMESTAMPS = 8 };

    if (tcp->mss)
        p = put16(put8(put8(p, OPT_MSS), 4), tcp->mss);
    if (tcp->sack_permitted) {
        if (!tcp->has_ts)
            p = put8(put8(p, OPT_NOP), OPT_NOP);
        p = put8(put8(p, OPT_SACK_PERMITTED), 2);
    } else if (tcp->has_ts) {
        p = put8(put8(p, OPT_NOP), OPT_NOP);
    }
    if (tcp->has_ts)
        p = put32(put32(put8(put8(p, OPT_TIMESTAMPS), 10), tcp->ts_val), tcp->ts_ecr);
    if (tcp->wscale)
        p = put8(put8(put8(put8(p, OPT_NOP), OPT_WSCALE), 3), tcp->wscale - 1);
    if (tcp->n_sacks) {
        assert(tcp->n_sacks <= 2);
        p = put8(put8(p, OPT_NOP), OPT_NOP);
        p = put8(put8(p, OPT_SACK), (uint8_t)(2 + 8 * tcp->n_sacks));
        for (uint32_t i = 0; i < 2u * tcp->n_sacks; i++)
            p = put32(p, tcp->sacks[i]);
    }
}

static void
write_icmp(const Packet *pkt, uint8_t *p, uint32_t size)
{
    const IcmpHeader *icmp = &pkt->icmp;

    put16(put8(put8(p, icmp->type), icmp->code), 0);
    if (!packet_is_icmp_error(pkt))
        put16(put16(p + 4, icmp->id), icmp->seq);
    else
        put32(p + 4, icmp->mtu); /* ICMP has 16 bits for it, behind 16 zero bits. */
    write_payload(pkt, p + packet_l4_header_size(pkt));
    if (icmp->has_quote)
        write_quote(icmp, p + 8, size - 8);
}

/* Writes the headers of a quote; what follows them is there already.  'size': of the whole quote. */
static void
write_quote(const IcmpHeader *icmp, uint8_t *p, uint32_t size)
{
    const QuotedPacket *quote = &icmp->quote;
    uint32_t header = write_ip_header(p, quote->src, quote->dst, quote->proto, quote->ttl, quote->tos, quote->total_len,
                                      quote->ip_id, icmp->quote_dont_fragment);
    uint32_t l4_size = quote->total_len - header;
    uint8_t *l4 = p + header, *checksum = NULL;
    uint16_t sum;

    memset(l4, 0, packet_quote_l4_size(quote));
    switch (quote->proto) {
    case IPPROTO_TCP_:
        put32(put32(put16(put16(l4, quote->sport), quote->dport), quote->seq), quote->ack);
        put16(put8(put8(l4 + 12, (uint8_t)(icmp->quote_tcp_header / 4 << 4)), quote->tcp_flags), quote->window);
        checksum = l4 + 16;
        break;
    case IPPROTO_UDP_:
        put16(put16(put16(l4, quote->sport), quote->dport), (uint16_t)l4_size);
        checksum = l4 + 6;
        break;
    case IPPROTO_ICMP_:
    case IPPROTO_ICMPV6_:
        put8(put8(l4, quote->icmp_type), quote->icmp_code);
        put16(put16(l4 + 4, quote->sport), (uint16_t)quote->seq);
        checksum = l4 + 2;
        break;
    case IPPROTO_SCTP_:
        put32(put16(put16(l4, quote->sport), quote->dport), quote->seq);
        break;
    default:
        break;
    }
    if (quote->proto == IPPROTO_SCTP_ && size == quote->total_len) {
        uint32_t crc = htole32(wire_sctp_checksum(l4, l4_size));
        memcpy(l4 + 8, &crc, 4);
    }
    /* Of a packet quoted in part the checksum is not known: zero. */
    if (checksum && size == quote->total_len) {
        sum = wire_checksum_fold(
            wire_checksum_add(wire_checksum_pseudo(&quote->src, &quote->dst, quote->proto, l4_size), l4, l4_size));
        put16(checksum, sum || quote->proto != IPPROTO_UDP_ ? sum : 0xffff);
    }
}

static void
write_sctp(const Packet *pkt, uint8_t *p, uint32_t size)
{
    enum { DATA_WHOLE = 0x03, PARAM_HEARTBEAT = 1, PARAM_COOKIE = 7, RWND = 106496, STREAMS_OUT = 10 };
    const SctpHeader *sctp = &pkt->sctp;
    uint32_t pad = -pkt->payload.len & 3, crc;
    uint8_t *chunk = p + 12;

    memset(p, 0, size - pkt->payload.len - pad);
    memset(p + size - pad, 0, pad);
    put32(put16(put16(p, pkt->sport), pkt->dport), sctp->vtag);
    put16(put8(put8(chunk, sctp->chunk), sctp->chunk == SCTP_DATA ? DATA_WHOLE : sctp->t_bit),
          (uint16_t)(size - 12 - pad));
    switch (sctp->chunk) {
    case SCTP_DATA:
        put32(chunk + 4, sctp->tsn);
        break;
    case SCTP_INIT:
    case SCTP_INIT_ACK:
        put32(put32(chunk + 4, sctp->init_tag), RWND);
        put32(put16(put16(chunk + 12, STREAMS_OUT), UINT16_MAX), sctp->tsn);
        if (sctp->chunk == SCTP_INIT_ACK)
            put16(put16(chunk + 20, PARAM_COOKIE), 4 + SCTP_COOKIE_SIZE);
        break;
    case SCTP_SACK:
        put32(put32(chunk + 4, sctp->tsn), RWND);
        break;
    case SCTP_SHUTDOWN:
        put32(chunk + 4, sctp->tsn);
        break;
    case SCTP_HEARTBEAT:
    case SCTP_HEARTBEAT_ACK:
        put16(put16(chunk + 4, PARAM_HEARTBEAT), 8);
        break;
    default:
        break;
    }
    write_payload(pkt, p + size - pad - pkt->payload.len);
    crc = htole32(wire_sctp_checksum(p, size) ^ (pkt->cksum == CKSUM_BAD));
    memcpy(p + 8, &crc, 4);
}

static void
write_payload(const Packet *pkt, uint8_t *p)
{
    const Payload *payload = &pkt->payload;

    if (payload->buf)
        memcpy(p, payload->buf->data + payload->offset, payload->len);
    else
        memset(p, 0, payload->len);
}

static void
store_checksum(const Packet *pkt, uint8_t *field, uint16_t good)
{
    /* The wrong one is never 0, which would mean "none" to UDP. */
    put16(field, pkt->cksum == CKSUM_BAD ? (good ^ 0x0101) ? good ^ 0x0101 : 0x0202 : good);
}
