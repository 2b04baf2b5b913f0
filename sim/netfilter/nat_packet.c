/* Rewriting packets as their connection's tuples say (nf_nat_packet(), nf_nat_icmp_reply_translation())
 *
 * A packet of one direction is made to look like the inverse of the other direction's tuple: its source in INPUT and
 * POSTROUTING, its destination in PREROUTING and OUTPUT. */

#include "sim/netfilter/conntrack_private.h"

enum { ICMP_REDIRECT = 5, ICMPV6_REDIRECT = 137 };

static NfVerdict translate_icmp_error(Conntrack *ct, NfHook hook, Packet *pkt, uint8_t manip, bool translated);
static void rewrite(Packet *pkt, const Conn *conn, CtDir other, uint8_t manip);
static bool is_query(const Packet *pkt);
static void trace_nat(Conntrack *ct, NfHook hook, const Packet *pkt, uint8_t manip, IpAddr from, uint16_t from_port);
static IpAddr manip_addr(const Packet *pkt, uint8_t manip);
static uint16_t manip_port(const Packet *pkt, uint8_t manip);

NfVerdict
nat_packet(Conntrack *ct, NfHook hook, Packet *pkt)
{
    const Conn *conn = pkt->meta.ct;
    uint8_t manip = hook == NF_INPUT || hook == NF_POSTROUTING ? NAT_MANIP_SRC : NAT_MANIP_DST;
    bool translated;

    if (!conn)
        return NF_ACCEPT;
    /* What was the source on the way there is the destination on the way back. */
    translated = conn->status & ((manip == NAT_MANIP_SRC) != !!pkt->meta.ct_reply ? CT_SRC_NAT : CT_DST_NAT);
    if (pkt->meta.ctinfo == CTINFO_RELATED && packet_is_icmp(pkt))
        return translate_icmp_error(ct, hook, pkt, manip, translated);
    if (translated) {
        IpAddr from = manip_addr(pkt, manip);
        uint16_t from_port = manip_port(pkt, manip);

        rewrite(pkt, conn, pkt->meta.ct_reply ? CT_ORIG : CT_REPLY, manip);
        trace_nat(ct, hook, pkt, manip, from, from_port);
    }
    return NF_ACCEPT;
}

/* The quote goes the other way than the error: where the error's source is rewritten, so is the quote's destination. */
static NfVerdict
translate_icmp_error(Conntrack *ct, NfHook hook, Packet *pkt, uint8_t manip, bool translated)
{
    const Conn *conn = pkt->meta.ct;
    QuotedPacket *quote = &pkt->icmp.quote;
    CtTuple other = conn_tuple(conn, pkt->meta.ct_reply ? CT_ORIG : CT_REPLY);
    bool query = quote->proto == IPPROTO_ICMP_ || quote->proto == IPPROTO_ICMPV6_;
    IpAddr from = manip_addr(pkt, manip);

    /* A redirect would be about addresses that its receiver does not know. */
    if (pkt->icmp.type == (pkt->proto == IPPROTO_ICMP_ ? ICMP_REDIRECT : ICMPV6_REDIRECT) &&
        ((conn->status & CT_NAT_DONE_MASK) != CT_NAT_DONE_MASK || conn->status & CT_NAT_MASK))
        return NF_DROP;
    if (!translated)
        return NF_ACCEPT;
    if (manip == NAT_MANIP_DST) {
        quote->src = other.src;
        quote->sport = other.sport;
        pkt->dst = other.src;
    } else {
        quote->dst = other.dst;
        if (query)
            quote->sport = other.sport;
        else
            quote->dport = other.dport;
        pkt->src = other.dst;
    }
    trace_nat(ct, hook, pkt, manip, from, 0);
    return NF_ACCEPT;
}

/* 'other': the direction whose inverse the packet becomes. */
static void
rewrite(Packet *pkt, const Conn *conn, CtDir other, uint8_t manip)
{
    const CtKey *key = &conn->key[other];

    if (manip == NAT_MANIP_SRC)
        pkt->src = conn_addr(conn, other, CT_ADDR_DST);
    else
        pkt->dst = conn_addr(conn, other, CT_ADDR_SRC);
    if (packet_has_ports(pkt)) {
        if (manip == NAT_MANIP_SRC)
            pkt->sport = key->dport;
        else
            pkt->dport = key->sport;
    } else if (is_query(pkt)) {
        pkt->icmp.id = key->sport;
    }
}

static bool
is_query(const Packet *pkt)
{
    return packet_is_icmp(pkt) && !packet_is_icmp_error(pkt);
}

static void
trace_nat(Conntrack *ct, NfHook hook, const Packet *pkt, uint8_t manip, IpAddr from, uint16_t from_port)
{
    if (trace_wants(ct->sim, TRACE_NAT)) {
        TraceRecord record = {.kind = TRACE_NAT, .host = ct->host, .pkt = pkt};

        record.nat.hook = (uint8_t)hook;
        record.nat.manip = manip;
        record.nat.undo = pkt->meta.ct_reply;
        record.nat.from = from;
        record.nat.from_port = from_port;
        record.nat.to = manip_addr(pkt, manip);
        record.nat.to_port = manip_port(pkt, manip);
        trace_emit(ct->sim, &record);
    }
}

static IpAddr
manip_addr(const Packet *pkt, uint8_t manip)
{
    return manip == NAT_MANIP_SRC ? pkt->src : pkt->dst;
}

static uint16_t
manip_port(const Packet *pkt, uint8_t manip)
{
    if (packet_has_ports(pkt))
        return manip == NAT_MANIP_SRC ? pkt->sport : pkt->dport;
    return is_query(pkt) ? pkt->icmp.id : 0;
}
