/* Wire format: reading.  Every read is behind a check of what is left. */

#include "sim/packet/wire.h"

#include <endian.h>

#define MAX_DEPTH     4 /* Of encapsulation. */
#define TCP_MAX_SHIFT 14

typedef struct {
    Sim *sim;
    const char *why;
    unsigned depth;
} Reader;

static Packet *read_frame(Reader *r, const uint8_t *p, uint32_t size);
static bool read_arp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size);
static Packet *read_inner_ip(Reader *r, const uint8_t *p, uint32_t size);
static bool read_ip(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size);
static bool read_l4(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size);
static bool read_tcp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size);
static void read_tcp_options(TcpHeader *tcp, const uint8_t *p, uint32_t size);
static bool read_udp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size);
static bool read_icmp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size);
static uint32_t read_quote(IcmpHeader *icmp, IpFamily family, const uint8_t *p, uint32_t size);
static bool read_sctp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size);
static void read_payload(Packet *pkt, const uint8_t *p, uint32_t size);
static bool refuse(Reader *r, const char *why);

static inline uint16_t
get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline IpAddr
get_v4(const uint8_t *p)
{
    return ipaddr_v4(p[0], p[1], p[2], p[3]);
}

static inline IpAddr
get_v6(const uint8_t *p)
{
    IpAddr addr;

    memcpy(addr.b, p, sizeof addr.b);
    return addr;
}

Packet *
wire_parse(Sim *sim, const uint8_t *frame, uint32_t size, const char **ret_why)
{
    Reader r = {.sim = sim};
    Packet *pkt = read_frame(&r, frame, size);

    if (!pkt)
        *ret_why = r.why;
    return pkt;
}

static Packet *
read_frame(Reader *r, const uint8_t *p, uint32_t size)
{
    Packet *pkt = packet_new(r->sim);
    uint16_t type;
    bool ok;

    if (size < ETH_HEADER_SIZE) {
        ok = refuse(r, "short Ethernet header");
    } else {
        memcpy(pkt->eth_dst.b, p, 6);
        memcpy(pkt->eth_src.b, p + 6, 6);
        type = get16(p + 12);
        p += ETH_HEADER_SIZE;
        size -= ETH_HEADER_SIZE;
        if (type == 0x0806)
            ok = read_arp(r, pkt, p, size);
        else if ((type == 0x0800 && size > 0 && p[0] >> 4 == 4) || (type == 0x86dd && size > 0 && p[0] >> 4 == 6))
            ok = read_ip(r, pkt, p, size);
        else
            ok = refuse(r, "neither ARP, IPv4 nor IPv6");
    }
    if (ok)
        return pkt;
    packet_free(r->sim, pkt);
    return NULL;
}

static bool
read_arp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size)
{
    if (size < 28)
        return refuse(r, "short ARP packet");
    if (get16(p) != 1 || get16(p + 2) != 0x0800 || p[4] != 6 || p[5] != 4 || (p[7] != 1 && p[7] != 2) || p[6] != 0)
        return refuse(r, "not ARP for IPv4 over Ethernet");
    pkt->eth = ETH_ARP;
    pkt->arp.op = p[7];
    memcpy(pkt->eth_src.b, p + 8, 6);
    pkt->src = get_v4(p + 14);
    memcpy(pkt->arp.target_mac.b, p + 18, 6);
    pkt->dst = get_v4(p + 24);
    return true;
}

static Packet *
read_inner_ip(Reader *r, const uint8_t *p, uint32_t size)
{
    Packet *pkt = packet_new(r->sim);

    if (read_ip(r, pkt, p, size))
        return pkt;
    packet_free(r->sim, pkt);
    return NULL;
}

static bool
read_ip(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size)
{
    uint32_t header, total;

    if (++r->depth > MAX_DEPTH)
        return refuse(r, "encapsulated too deeply");
    if (size < 20)
        return refuse(r, "short IP header");
    if (p[0] >> 4 == 4) {
        header = 4u * (p[0] & 15);
        total = get16(p + 2);
        if (header < 20 || total < header || total > size)
            return refuse(r, "IPv4 lengths");
        if (get16(p + 6) & 0x3fff)
            return refuse(r, "IPv4 fragment");
        pkt->tos = p[1];
        pkt->ip_id = get16(p + 4);
        pkt->dont_fragment = p[6] >> 6 & 1;
        pkt->ttl = p[8];
        pkt->proto = p[9];
        pkt->src = get_v4(p + 12);
        pkt->dst = get_v4(p + 16);
    } else if (p[0] >> 4 == 6) {
        header = 40;
        total = header + get16(p + 4);
        if (total > size || total > UINT16_MAX)
            return refuse(r, "IPv6 lengths");
        pkt->tos = (uint8_t)(get16(p) >> 4);
        pkt->proto = p[6];
        pkt->ttl = p[7];
        pkt->src = get_v6(p + 8);
        pkt->dst = get_v6(p + 24);
        if (ipaddr_is_v4(&pkt->src) || ipaddr_is_v4(&pkt->dst))
            return refuse(r, "IPv4-mapped address in an IPv6 packet");
        if (pkt->proto == 0 || pkt->proto == 43 || pkt->proto == 44 || pkt->proto == 50 || pkt->proto == 51 ||
            pkt->proto == 60)
            return refuse(r, "IPv6 extension header");
    } else {
        return refuse(r, "neither IPv4 nor IPv6");
    }
    return read_l4(r, pkt, p + header, total - header);
}

static bool
read_l4(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size)
{
    uint32_t sum = wire_checksum_pseudo(&pkt->src, &pkt->dst, pkt->proto, size);
    bool v4 = packet_family(pkt) == FAMILY_IPV4;

    switch (pkt->proto) {
    case IPPROTO_TCP_:
        pkt->cksum = wire_checksum_fold(wire_checksum_add(sum, p, size)) ? CKSUM_BAD : CKSUM_GOOD;
        return read_tcp(r, pkt, p, size);
    case IPPROTO_UDP_:
        return read_udp(r, pkt, p, size);
    case IPPROTO_SCTP_:
        return read_sctp(r, pkt, p, size);
    case IPPROTO_ICMP_:
    case IPPROTO_ICMPV6_:
        if (v4 != (pkt->proto == IPPROTO_ICMP_))
            return refuse(r, "ICMP of the other family");
        pkt->cksum = wire_checksum_fold(wire_checksum_add(sum, p, size)) ? CKSUM_BAD : CKSUM_GOOD;
        return read_icmp(r, pkt, p, size);
    case IPPROTO_IPIP_:
        return (pkt->inner = read_inner_ip(r, p, size)) != NULL;
    default:
        read_payload(pkt, p, size);
        return true;
    }
}

static bool
read_tcp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size)
{
    uint32_t header;

    if (size < 20)
        return refuse(r, "short TCP header");
    header = 4u * (p[12] >> 4);
    if (header < 20 || header > size)
        return refuse(r, "TCP data offset");
    pkt->sport = get16(p);
    pkt->dport = get16(p + 2);
    pkt->tcp.seq = get32(p + 4);
    pkt->tcp.ack = get32(p + 8);
    pkt->tcp.flags = p[13];
    pkt->tcp.window = get16(p + 14);
    read_tcp_options(&pkt->tcp, p + 20, header - 20);
    read_payload(pkt, p + header, size - header);
    return true;
}

static void
read_tcp_options(TcpHeader *tcp, const uint8_t *p, uint32_t size)
{
    while (size > 0 && p[0] != 0) {
        uint32_t len = 1;
        if (p[0] != 1) {
            if (size < 2 || p[1] < 2 || p[1] > size)
                return;
            len = p[1];
        }
        if (p[0] == 2 && len == 4) {
            tcp->mss = get16(p + 2);
        } else if (p[0] == 3 && len == 3) {
            tcp->wscale = (p[2] < TCP_MAX_SHIFT ? p[2] : TCP_MAX_SHIFT) + 1;
        } else if (p[0] == 4 && len == 2) {
            tcp->sack_permitted = true;
        } else if (p[0] == 5 && len >= 10 && (len - 2) % 8 == 0) {
            tcp->n_sacks = len >= 18 ? 2 : 1;
            for (uint32_t i = 0; i < 2u * tcp->n_sacks; i++)
                tcp->sacks[i] = get32(p + 2 + 4 * i);
        } else if (p[0] == 8 && len == 10) {
            tcp->has_ts = true;
            tcp->ts_val = get32(p + 2);
            tcp->ts_ecr = get32(p + 6);
        }
        p += len;
        size -= len;
    }
}

static bool
read_udp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size)
{
    uint32_t len;

    if (size < 8)
        return refuse(r, "short UDP header");
    len = get16(p + 4);
    if (len < 8 || len > size)
        return refuse(r, "UDP length");
    pkt->sport = get16(p);
    pkt->dport = get16(p + 2);
    if (get16(p + 6) != 0) {
        uint32_t sum = wire_checksum_pseudo(&pkt->src, &pkt->dst, pkt->proto, len);
        pkt->cksum = wire_checksum_fold(wire_checksum_add(sum, p, len)) ? CKSUM_BAD : CKSUM_GOOD;
    }
    p += 8;
    len -= 8;
    if (pkt->dport == VXLAN_PORT && len > VXLAN_HEADER_SIZE && p[0] == 0x08)
        return (pkt->inner = read_frame(r, p + VXLAN_HEADER_SIZE, len - VXLAN_HEADER_SIZE)) != NULL;
    read_payload(pkt, p, len);
    return true;
}

static bool
read_icmp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size)
{
    IcmpHeader *icmp = &pkt->icmp;
    uint32_t quoted = 0;

    if (size < 8)
        return refuse(r, "short ICMP header");
    icmp->type = p[0];
    icmp->code = p[1];
    if (packet_is_icmp_error(pkt)) {
        icmp->mtu = pkt->proto == IPPROTO_ICMP_ ? get16(p + 6) : get32(p + 4);
        quoted = read_quote(icmp, packet_family(pkt), p + 8, size - 8);
    } else {
        icmp->id = get16(p + 4);
        icmp->seq = get16(p + 6);
    }
    read_payload(pkt, p + 8 + quoted, size - 8 - quoted);
    return true;
}

/* Reads the headers of a quoted packet and returns their size; 0 if it is not one that we know. */
static uint32_t
read_quote(IcmpHeader *icmp, IpFamily family, const uint8_t *p, uint32_t size)
{
    QuotedPacket *quote = &icmp->quote;
    uint32_t header = family == FAMILY_IPV4 ? 20 : 40, l4;
    QuotedPacket q = {0};

    if (size < header || p[0] >> 4 != (family == FAMILY_IPV4 ? 4 : 6))
        return 0;
    if (family == FAMILY_IPV4) {
        header = 4u * (p[0] & 15);
        if (header < 20)
            return 0;
        q.tos = p[1];
        q.total_len = get16(p + 2);
        q.ip_id = get16(p + 4);
        q.ttl = p[8];
        q.proto = p[9];
        q.src = get_v4(p + 12);
        q.dst = get_v4(p + 16);
    } else {
        q.tos = (uint8_t)(get16(p) >> 4);
        q.total_len = (uint16_t)(get16(p + 4) + 40);
        q.proto = p[6];
        q.ttl = p[7];
        q.src = get_v6(p + 8);
        q.dst = get_v6(p + 24);
        if (ipaddr_is_v4(&q.src) || ipaddr_is_v4(&q.dst))
            return 0;
    }
    l4 = packet_quote_l4_size(&q);
    if (size < header + (l4 < 8 ? l4 : 8) || q.total_len < header + l4)
        return 0;
    size -= header;
    icmp->quote_dont_fragment = family == FAMILY_IPV4 && (p[6] >> 6 & 1);
    p += header;
    switch (q.proto) {
    case IPPROTO_TCP_:
        q.sport = get16(p);
        q.dport = get16(p + 2);
        q.seq = get32(p + 4);
        if (size < 20) {
            l4 = size; /* A router of RFC 792: eight bytes or a few more. */
            icmp->quote_tcp_header = 20;
            break;
        }
        q.ack = get32(p + 8);
        q.tcp_flags = p[13];
        q.window = get16(p + 14);
        icmp->quote_tcp_header = 4 * (p[12] >> 4);
        break;
    case IPPROTO_UDP_:
        q.sport = get16(p);
        q.dport = get16(p + 2);
        break;
    case IPPROTO_ICMP_:
    case IPPROTO_ICMPV6_:
        q.icmp_type = p[0];
        q.icmp_code = p[1];
        q.sport = get16(p + 4);
        q.seq = get16(p + 6);
        break;
    case IPPROTO_SCTP_:
        q.sport = get16(p);
        q.dport = get16(p + 2);
        q.seq = get32(p + 4);
        l4 = l4 < size ? l4 : size;
        break;
    default:
        break;
    }
    icmp->has_quote = true;
    *quote = q;
    return header + l4;
}

static bool
read_sctp(Reader *r, Packet *pkt, const uint8_t *p, uint32_t size)
{
    SctpHeader *sctp = &pkt->sctp;
    const uint8_t *chunk = p + 12;
    uint32_t crc, len;

    if (size < 16)
        return refuse(r, "short SCTP packet");
    memcpy(&crc, p + 8, 4);
    pkt->cksum = le32toh(crc) == wire_sctp_checksum(p, size) ? CKSUM_GOOD : CKSUM_BAD;
    pkt->sport = get16(p);
    pkt->dport = get16(p + 2);
    sctp->vtag = get32(p + 4);
    sctp->chunk = chunk[0];
    len = get16(chunk + 2);
    if (len < 4 || len > size - 12)
        return refuse(r, "SCTP chunk length");
    switch (sctp->chunk) {
    case SCTP_INIT:
    case SCTP_INIT_ACK:
        if (len < 20)
            return refuse(r, "short SCTP INIT");
        sctp->init_tag = get32(chunk + 4);
        sctp->tsn = get32(chunk + 16);
        return true;
    case SCTP_DATA:
        if (len < 16)
            return refuse(r, "short SCTP DATA");
        sctp->tsn = get32(chunk + 4);
        read_payload(pkt, chunk + 16, len - 16);
        return true;
    case SCTP_SACK:
    case SCTP_SHUTDOWN:
        if (len < 8)
            return refuse(r, "short SCTP SACK or SHUTDOWN");
        sctp->tsn = get32(chunk + 4);
        return true;
    case SCTP_ABORT:
    case SCTP_SHUTDOWN_COMPLETE:
        sctp->t_bit = chunk[1] & 1;
        return true;
    default:
        return true;
    }
}

static void
read_payload(Packet *pkt, const uint8_t *p, uint32_t size)
{
    if (size > 0)
        pkt->payload = (Payload){payload_buf_new(p, size), 0, size};
}

static bool
refuse(Reader *r, const char *why)
{
    r->why = why;
    return false;
}
