/* ICMP and ICMPv6: queries, and errors about other connections (nf_conntrack_proto_icmp.c, _icmpv6.c) */

#include <string.h>

#include "sim/netfilter/conntrack_private.h"

CtPacketVerdict
ct_icmp_packet(Conntrack *ct, Conn *conn, const Packet *pkt)
{
    bool v6 = conn->key[CT_ORIG].v6;
    uint8_t type = (uint8_t)(conn->key[CT_ORIG].dport >> 8);

    if (v6 != (pkt->proto == IPPROTO_ICMPV6_))
        return CT_PACKET_INVALID;
    /* Only a query begins a connection: echo, timestamp, information, address mask; echo, node information. */
    if (v6 ? type != 128 && type != 139 : type != 8 && type != 13 && type != 15 && type != 17)
        return CT_PACKET_INVALID;
    conn_refresh(ct, conn, v6 ? ct->sysctls.icmpv6_timeout : ct->sysctls.icmp_timeout);
    return CT_PACKET_ACCEPT;
}

bool
ct_icmp_error(Conntrack *ct, Packet *pkt, CtZone zone)
{
    const QuotedPacket *quote = &pkt->icmp.quote;
    CtTuple inner = {.src = quote->src, .dst = quote->dst, .zone = zone.id, .proto = quote->proto};
    CtTuple inverse, tuple;
    Conn *conn;
    CtDir dir;

    if (!pkt->icmp.has_quote)
        return false;
    if (quote->proto == IPPROTO_ICMP_ || quote->proto == IPPROTO_ICMPV6_) {
        inner.sport = quote->sport;
        inner.dport = (uint16_t)(quote->icmp_type << 8 | quote->icmp_code);
    } else if (quote->proto == IPPROTO_TCP_ || quote->proto == IPPROTO_UDP_ || quote->proto == IPPROTO_SCTP_) {
        inner.sport = quote->sport;
        inner.dport = quote->dport;
    }
    /* The quoted packet has passed here and was translated: the other direction's tuple, as it would come back, finds
     * its connection. */
    if (!ct_tuple_invert(&inner, &inverse))
        return false;
    conn = ct_table_find(ct, &inverse, zone, &dir);
    if (!conn)
        return false;
    /* The error must be for the one who sent the packet. */
    tuple = conn_tuple(conn, dir);
    if (!ipaddr_eq(pkt->dst, tuple.dst))
        return false;
    conn_ref(conn);
    pkt->meta.ct = conn;
    pkt->meta.ctinfo = CTINFO_RELATED;
    pkt->meta.ct_reply = dir == CT_REPLY;
    return true;
}

/* Multicast listener discovery, router and neighbour discovery are never tracked. */
bool
ct_icmpv6_is_untracked(const Packet *pkt)
{
    return pkt->proto == IPPROTO_ICMPV6_ && ((pkt->icmp.type >= 130 && pkt->icmp.type <= 136) || pkt->icmp.type == 143);
}
