/* Wire format: checksums and writing.  Each write_x() fills exactly the bytes that packet.c's sizes count for x. */

#include "sim/packet/wire.h"

#include <assert.h>
#include <endian.h>
#include <glib.h>

#define FLANNEL_VNI 1

static void write_frame(const Packet *pkt, uint8_t *p, uint32_t size);
static void write_arp(const Packet *pkt, uint8_t *p);
static void write_ip(const Packet *pkt, uint8_t *p, uint32_t size);
static inline uint32_t write_ip_header(uint8_t *p, IpAddr src, IpAddr dst, uint8_t proto, uint8_t ttl, uint8_t tos,
                                       uint16_t total_len, uint16_t ip_id, bool dont_fragment);
static void write_l4(const Packet *pkt, uint8_t *p, uint32_t size);
static void write_udp(const Packet *pkt, uint8_t *p, uint32_t size);
static void write_tcp(const Packet *pkt, uint8_t *p, uint32_t size);
static void write_tcp_options(const TcpHeader *tcp, uint8_t *p, uint64_t *sum);
static void write_icmp(const Packet *pkt, uint8_t *p, uint32_t size);
static void write_quote(const IcmpHeader *icmp, uint8_t *p, uint32_t size);
static void write_sctp(const Packet *pkt, uint8_t *p, uint32_t size);
static void write_payload(const Packet *pkt, uint8_t *p);
static uint32_t payload_sum(const Payload *payload);
static uint16_t stored_checksum(const Packet *pkt, uint16_t good);

static inline uint8_t *
put8(uint8_t *p, uint8_t v)
{
    *p = v;
    return p + 1;
}

static inline uint8_t *
put16(uint8_t *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *
put32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

static inline uint8_t *
put_sum(uint8_t *p, uint32_t v, uint64_t *sum)
{
    *sum += v;
    return put32(p, v);
}

static inline uint32_t
pair16(uint16_t high, uint16_t low)
{
    return (uint32_t)high << 16 | low;
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
        write_frame(pkt, buf, full);
    } else {
        /* The checksums need all of it. */
        g_autofree uint8_t *frame = g_malloc(full);
        write_frame(pkt, frame, full);
        memcpy(buf, frame, size);
    }
    return full;
}

void
wire_write(const Packet *pkt, uint8_t *buf, uint32_t full)
{
    assert(full <= WIRE_MAX_FRAME);
    write_frame(pkt, buf, full);
}

void
wire_build_l4(const Packet *pkt, uint8_t *buf)
{
    write_l4(pkt, buf, packet_l4_header_size(pkt) + pkt->payload.len);
}

static inline uint64_t
carry_add(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;

    return sum + (sum < b);
}

/* The sum does not care about byte order (RFC 1071 2 (B)): added in the machine's, swapped once. */
static inline uint64_t
native_add(uint64_t native, const uint8_t *p, uint32_t size)
{
    uint64_t words;
    uint32_t word;

    for (; size >= 8; p += 8, size -= 8) {
        memcpy(&words, p, 8);
        native = carry_add(native, words);
    }
    if (size >= 4) {
        memcpy(&word, p, 4);
        native = carry_add(native, word);
        p += 4;
        size -= 4;
    }
    if (size > 0) {
        word = 0;
        memcpy(&word, p, size);
        native = carry_add(native, word);
    }
    return native;
}

/* In the order of the wire. */
static inline uint16_t
native_fold(uint64_t native)
{
    native = (native & 0xffffffff) + (native >> 32);
    native = (native & 0xffffffff) + (native >> 32);
    native = (native & 0xffff) + (native >> 16);
    native = (native & 0xffff) + (native >> 16);
    return be16toh((uint16_t)native);
}

/* The checksum's sum, of words of 32 bits in host order: headers are summed up while they are written, not read back.
 */
static inline uint16_t
sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static inline uint64_t
sum_addr(const IpAddr *addr)
{
    uint64_t sum = 0;

    if (ipaddr_is_v4(addr))
        return ipaddr_to_u32(*addr);
    for (uint32_t i = 0; i < 16; i += 4)
        sum += (uint32_t)addr->b[i] << 24 | (uint32_t)addr->b[i + 1] << 16 | (uint32_t)addr->b[i + 2] << 8 |
               addr->b[i + 3];
    return sum;
}

/* wire_checksum_pseudo() for a protocol that has it in both IPs. */
static inline uint64_t
sum_pseudo(const Packet *pkt, uint32_t l4_size)
{
    return sum_addr(&pkt->src) + sum_addr(&pkt->dst) + pkt->proto + l4_size;
}

uint32_t
wire_checksum_add(uint32_t sum, const void *data, uint32_t size)
{
    sum += native_fold(native_add(0, data, size));
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
write_frame(const Packet *pkt, uint8_t *p, uint32_t size)
{
    p = put_bytes(p, pkt->eth_dst.b, 6);
    p = put_bytes(p, pkt->eth_src.b, 6);
    if (pkt->eth == ETH_ARP)
        write_arp(pkt, put16(p, 0x0806));
    else
        write_ip(pkt, put16(p, packet_family(pkt) == FAMILY_IPV4 ? 0x0800 : 0x86dd), size - ETH_HEADER_SIZE);
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
write_ip(const Packet *pkt, uint8_t *p, uint32_t size)
{
    uint32_t header = write_ip_header(p, pkt->src, pkt->dst, pkt->proto, pkt->ttl, pkt->tos, (uint16_t)size, pkt->ip_id,
                                      pkt->dont_fragment);

    write_l4(pkt, p + header, size - header);
}

/* Returns the header's size. */
static inline uint32_t
write_ip_header(uint8_t *p, IpAddr src, IpAddr dst, uint8_t proto, uint8_t ttl, uint8_t tos, uint16_t total_len,
                uint16_t ip_id, bool dont_fragment)
{
    uint32_t words[5];
    uint64_t sum;

    if (!ipaddr_is_v4(&src)) {
        p = put32(p, UINT32_C(6) << 28 | (uint32_t)tos << 20);
        p = put16(p, total_len - 40);
        p = put8(put8(p, proto), ttl);
        put_bytes(put_bytes(p, src.b, 16), dst.b, 16);
        return 40;
    }
    words[0] = pair16((uint16_t)(0x4500 | tos), total_len);
    words[1] = pair16(ip_id, dont_fragment ? 0x4000 : 0);
    words[2] = pair16((uint16_t)(ttl << 8 | proto), 0);
    words[3] = ipaddr_to_u32(src);
    words[4] = ipaddr_to_u32(dst);
    sum = (uint64_t)words[0] + words[1] + words[2] + words[3] + words[4];
    words[2] |= (uint16_t)~sum_fold(sum);
    for (uint32_t i = 0; i < 5; i++)
        p = put32(p, words[i]);
    return 20;
}

static void
write_l4(const Packet *pkt, uint8_t *p, uint32_t size)
{
    uint32_t sum;

    switch (pkt->proto) {
    case IPPROTO_TCP_:
        write_tcp(pkt, p, size);
        return;
    case IPPROTO_UDP_:
        write_udp(pkt, p, size);
        return;
    case IPPROTO_ICMP_:
    case IPPROTO_ICMPV6_:
        write_icmp(pkt, p, size);
        sum = wire_checksum_add(wire_checksum_pseudo(&pkt->src, &pkt->dst, pkt->proto, size), p, size);
        put16(p + 2, stored_checksum(pkt, wire_checksum_fold(sum)));
        return;
    case IPPROTO_SCTP_:
        write_sctp(pkt, p, size);
        return;
    default:
        if (pkt->inner)
            write_ip(pkt->inner, p, size);
        else
            write_payload(pkt, p);
    }
}

static void
write_udp(const Packet *pkt, uint8_t *p, uint32_t size)
{
    uint8_t *body = p + UDP_HEADER_SIZE;
    uint64_t sum = sum_pseudo(pkt, size);
    uint16_t good;

    if (pkt->inner) {
        put32(put32(body, UINT32_C(1) << 27), FLANNEL_VNI << 8); /* Flags: a VNI is given. */
        write_frame(pkt->inner, body + VXLAN_HEADER_SIZE, size - UDP_HEADER_SIZE - VXLAN_HEADER_SIZE);
        sum += native_fold(native_add(0, body, size - UDP_HEADER_SIZE));
    } else {
        write_payload(pkt, body);
        sum += payload_sum(&pkt->payload);
    }
    p = put_sum(p, pair16(pkt->sport, pkt->dport), &sum);
    good = (uint16_t)~sum_fold(sum + (size << 16));
    put32(p, pair16((uint16_t)size, stored_checksum(pkt, good ? good : 0xffff))); /* 0 would mean: none. */
}

static void
write_tcp(const Packet *pkt, uint8_t *p, uint32_t size)
{
    const TcpHeader *tcp = &pkt->tcp;
    uint32_t header = size - pkt->payload.len;
    uint64_t sum = sum_pseudo(pkt, size) + payload_sum(&pkt->payload);
    uint8_t *checksum;

    write_payload(pkt, p + header);
    p = put_sum(p, pair16(pkt->sport, pkt->dport), &sum);
    p = put_sum(p, tcp->seq, &sum);
    p = put_sum(p, tcp->ack, &sum);
    p = put_sum(p, pair16((uint16_t)(header / 4 << 12 | tcp->flags), tcp->window), &sum);
    checksum = p;
    write_tcp_options(tcp, p + 4, &sum);
    put32(checksum, pair16(stored_checksum(pkt, (uint16_t)~sum_fold(sum)), 0)); /* No urgent pointer. */
}

/* In Linux' order; packet_l4_header_size() counts the same. */
static void
write_tcp_options(const TcpHeader *tcp, uint8_t *p, uint64_t *sum)
{
    enum { OPT_NOP = 1, OPT_MSS = 2, OPT_WSCALE = 3, OPT_SACK_PERMITTED = 4, OPT_SACK = 5, OPT_TIMESTAMPS = 8 };
    enum { NOPS = OPT_NOP << 8 | OPT_NOP, SACK_PERMITTED = OPT_SACK_PERMITTED << 8 | 2 };

    if (tcp->mss)
        p = put_sum(p, pair16(OPT_MSS << 8 | 4, tcp->mss), sum);
    if (tcp->has_ts) {
        p = put_sum(p, pair16(tcp->sack_permitted ? SACK_PERMITTED : NOPS, OPT_TIMESTAMPS << 8 | 10), sum);
        p = put_sum(p, tcp->ts_val, sum);
        p = put_sum(p, tcp->ts_ecr, sum);
    } else if (tcp->sack_permitted) {
        p = put_sum(p, pair16(NOPS, SACK_PERMITTED), sum);
    }
    if (tcp->wscale)
        p = put_sum(p, pair16(OPT_NOP << 8 | OPT_WSCALE, (uint16_t)(3 << 8 | (tcp->wscale - 1))), sum);
    if (tcp->n_sacks) {
        assert(tcp->n_sacks <= 2);
        p = put_sum(p, pair16(NOPS, (uint16_t)(OPT_SACK << 8 | (2 + 8 * tcp->n_sacks))), sum);
        for (uint32_t i = 0; i < 2u * tcp->n_sacks; i++)
            p = put_sum(p, tcp->sacks[i], sum);
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

/* The payload's part of a checksum.  Each hop of a capture asks for the same: its bytes remember the last answer. */
static uint32_t
payload_sum(const Payload *payload)
{
    PayloadBuf *buf = payload->buf;

    if (!buf) /* Zeros. */
        return 0;
    if (buf->summed.len != payload->len || buf->summed.offset != payload->offset) {
        buf->sum = native_fold(native_add(0, buf->data + payload->offset, payload->len));
        buf->summed.offset = payload->offset;
        buf->summed.len = payload->len;
    }
    return buf->sum;
}

static uint16_t
stored_checksum(const Packet *pkt, uint16_t good)
{
    /* The wrong one is never 0, which would mean "none" to UDP. */
    return pkt->cksum == CKSUM_BAD ? (good ^ 0x0101) ? good ^ 0x0101 : 0x0202 : good;
}
