#include "sim/net/host_private.h"

/* Answers to packets that nobody takes: REJECT (nf_reject_ipv4.c, nf_reject_ipv6.c) and missing sockets */

static void send_back_by_port(const Packet *pkt, Packet *reset);
static bool reset_is_astray(const Host *host, const Packet *pkt);
static uint32_t segment_length(const Packet *pkt);

void
ip_send_reject(Host *host, const Packet *pkt, RejectWith with)
{
    if (pkt->cksum == CKSUM_BAD && pkt->proto != IPPROTO_SCTP_)
        return; /* nf_reject_verify_csum(): no answer to garbage. */
    if (with != REJECT_TCP_RESET) {
        icmp_send_unreachable(host, pkt, with);
        return;
    }
    Packet *reset = ip_make_tcp_reset(host, pkt);
    if (!reset)
        return;
    IpRoute route = ip_route_output(host, reset->dst, reset->src, true, reset);
    if (route.kind == TRACE_ROUTE_NONE) {
        host_drop(host, reset, route.reason);
        return;
    }
    if (host->nf && nf_stack_conntrack(host->nf))
        conntrack_set_closing(nf_stack_conntrack(host->nf), pkt);
    reset->meta.local_out = LOCAL_BARE;
    conntrack_attach(reset, pkt); /* So that NAT applies to it though the connection was never confirmed. */
    if (pkt->meta.phys_in)
        send_back_by_port(pkt, reset);
    else
        ip_send_any_source(host, reset);
}

/* nf_send_reset(), nf_send_reset6(): what came through a bridge is answered there, with its MACs turned around; no hook
 * sees the answer, so that NAT does not translate it. */
static void
send_back_by_port(const Packet *pkt, Packet *reset)
{
    reset->eth_dst = pkt->eth_src;
    reset->eth_src = pkt->eth_dst;
    netdev_transmit((NetDev *)pkt->meta.phys_in, reset);
}

Packet *
ip_make_tcp_reset(Host *host, const Packet *pkt)
{
    if (pkt->proto != IPPROTO_TCP_ || (pkt->tcp.flags & TCP_RST))
        return NULL;
    Packet *reset = packet_new(host->sim);

    reset->src = pkt->dst;
    reset->dst = pkt->src;
    reset->ttl = host->sysctls.default_ttl;
    reset->dont_fragment = true;
    reset->meta.local_out = ipaddr_is_v4(&pkt->src) ? LOCAL_OF_SOCKET : LOCAL_BARE; /* tcp_v6_send_response() */
    reset->proto = IPPROTO_TCP_;
    reset->flow = pkt->flow;
    reset->sport = pkt->dport;
    reset->dport = pkt->sport;
    if (pkt->tcp.flags & TCP_ACK) {
        reset->tcp.flags = TCP_RST;
        reset->tcp.seq = pkt->tcp.ack;
    } else {
        reset->tcp.flags = TCP_RST | TCP_ACK;
        reset->tcp.ack = pkt->tcp.seq + segment_length(pkt);
    }
    return reset;
}

void
ip_answer_no_socket(Host *host, Packet *pkt)
{
    if (pkt->proto == IPPROTO_TCP_) {
        Packet *reset = ip_make_tcp_reset(host, pkt);
        if (reset && reset_is_astray(host, pkt)) {
            host_drop(host, reset, DROP_NO_ROUTE);
        } else if (reset) {
            reset->tos = pkt->tos; /* As tcp_v4_send_reset(); a REJECT's has none. */
            ip_send(host, reset);
        }
    } else {
        /* A transport lets go of the connection (nf_reset_ct()): the error finds it by its quote.  Where there is none,
         * the error bears the connection. */
        if (pkt->proto == IPPROTO_UDP_) {
            if (pkt->meta.ct)
                conn_release_packet(pkt);
            pkt->meta.ct = NULL;
            pkt->meta.ctinfo = CTINFO_NONE;
        }
        icmp_send_unreachable(host, pkt, pkt->proto == IPPROTO_UDP_ ? REJECT_PORT_UNREACH : REJECT_PROTO_UNREACH);
    }
    host_drop(host, pkt, DROP_NO_SOCKET);
}

/* tcp_v6_send_response(): the reset to ::1 is looked for a way by the interface that has the address which was asked
 * (rt6_need_strict()): if NAT turned the segment to one of another than lo, there is none. */
static bool
reset_is_astray(const Host *host, const Packet *pkt)
{
    const Route *local;

    if (ipaddr_is_v4(&pkt->src) || !ipaddr_is_loopback(&pkt->src))
        return false;
    local = fib_lookup_local(host->fib, pkt->dst);
    return local && local->dev && local->dev->kind != DEV_LOOPBACK;
}

static uint32_t
segment_length(const Packet *pkt)
{
    return pkt->payload.len + ((pkt->tcp.flags & TCP_SYN) != 0) + ((pkt->tcp.flags & TCP_FIN) != 0);
}
