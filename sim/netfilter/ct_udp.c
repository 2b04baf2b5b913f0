/* UDP, and protocols without a tracker of their own (nf_conntrack_proto_udp.c, nf_conntrack_proto_generic.c) */

#include "sim/netfilter/conntrack_private.h"

/* Traffic both ways makes a stream only if it lasts longer than this: a DNS query and its answer are none. */
#define STREAM_AFTER (2 * SIMTIME_SEC)

CtPacketVerdict
ct_udp_packet(Conntrack *ct, Conn *conn, const Packet *pkt)
{
    if (!(conn->status & CT_CONFIRMED))
        conn->udp.stream_at = ct->sim->now + STREAM_AFTER;
    /* As it was before this packet: the first answer does not make a stream. */
    if (!(conn->status & CT_SEEN_REPLY) || ct->sim->now <= conn->udp.stream_at) {
        conn_refresh(ct, conn, ct->sysctls.udp_timeout);
        return CT_PACKET_ACCEPT;
    }
    conn_refresh(ct, conn, ct->sysctls.udp_timeout_stream);
    if (!(conn->status & (CT_NAT_CLASH | CT_ASSURED))) {
        conn->status |= CT_ASSURED;
        ct_trace(ct, conn, pkt, TRACE_CT_ASSURED);
    }
    return CT_PACKET_ACCEPT;
}

CtPacketVerdict
ct_generic_packet(Conntrack *ct, Conn *conn)
{
    conn_refresh(ct, conn, ct->sysctls.generic_timeout);
    return CT_PACKET_ACCEPT;
}
