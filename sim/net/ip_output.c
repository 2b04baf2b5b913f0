#include "sim/net/host_private.h"

/* The send path (net/ipv4/ip_output.c, netfilter.c: ip_route_me_harder())
 *
 *   ip_send     route and source, OUTPUT, route again if NAT turned the packet
 *   ip_output   POSTROUTING, neighbour, device                                                                       */

static IpSendResult send(Host *host, Packet *pkt, bool any_source);
static IpSendResult fail(Host *host, Packet *pkt, const IpRoute *route);
static IpSendResult fail_in_hook(Host *host, Packet *pkt, const IpRoute *route);
static void trace_send(Host *host, const Packet *pkt);

IpSendResult
ip_send(Host *host, Packet *pkt)
{
    return send(host, pkt, false);
}

IpSendResult
ip_send_any_source(Host *host, Packet *pkt)
{
    return send(host, pkt, true);
}

IpSendResult
ip_output(Host *host, Packet *pkt, const IpRoute *route)
{
    pkt->meta.out = route->dev;
    if (host->sysctls.confirm_delay > 0 && route->dev->kind != DEV_LOOPBACK && host->nf &&
        nf_stack_active(host->nf, packet_family(pkt)))
        return late_output(host, pkt, route->dev, route->next_hop);
    if (!ip_hook(host, NF_POSTROUTING, pkt))
        return IP_EPERM;
    neigh_output(route->dev, route->next_hop, pkt);
    return IP_SENT;
}

static IpSendResult
send(Host *host, Packet *pkt, bool any_source)
{
    if (host->down) {
        host_drop(host, pkt, DROP_HOST_DOWN);
        return IP_ENETUNREACH;
    }
    IpRoute route = ip_route_output(host, pkt->dst, pkt->src, any_source, pkt);
    if (ipaddr_is_any(&pkt->src))
        pkt->src = route.kind == TRACE_ROUTE_NONE && ipaddr_is_v4(&pkt->dst) ? IPADDR_ANY4 : route.src;
    if (!pkt->meta.local_out)
        pkt->meta.local_out = LOCAL_OF_SOCKET;
    pkt->meta.in = pkt->meta.phys_in = NULL;
    pkt->meta.phys_out = 0;
    pkt->meta.out = route.dev;
    trace_send(host, pkt);
    ip_trace_route(host, pkt, &route);
    if (route.kind == TRACE_ROUTE_NONE)
        return fail(host, pkt, &route);
    if ((pkt->dont_fragment || !ipaddr_is_v4(&pkt->dst)) && packet_sent_ip_size(pkt) > route.dev->mtu) {
        host_drop(host, pkt, DROP_MTU);
        return IP_EMSGSIZE;
    }
    host->stats.out_requests++;

    IpAddr dst = pkt->dst;
    NfResult result = {.verdict = NF_ACCEPT};
    if (host->nf)
        result = nf_stack_output(host->nf, pkt);
    if (result.verdict != NF_ACCEPT && !result.is_unroutable) {
        ip_hook_finish(host, NF_OUTPUT, pkt, &result);
        return IP_EPERM;
    }
    if (ipaddr_eq(dst, pkt->dst))
        return ip_output(host, pkt, &route);
    route = ip_route_output(host, pkt->dst, pkt->src, true, pkt);
    ip_trace_route(host, pkt, &route);
    return route.kind == TRACE_ROUTE_NONE ? fail_in_hook(host, pkt, &route) : ip_output(host, pkt, &route);
}

static IpSendResult
fail(Host *host, Packet *pkt, const IpRoute *route)
{
    host_drop(host, pkt, route->reason);
    return route->result;
}

/* The hook drops it with the route's error; tcp_connect() heeds no error of a hook. */
static IpSendResult
fail_in_hook(Host *host, Packet *pkt, const IpRoute *route)
{
    bool tcp = pkt->proto == IPPROTO_TCP_;
    IpSendResult result = fail(host, pkt, route);

    return tcp ? IP_EPERM : result;
}

static void
trace_send(Host *host, const Packet *pkt)
{
    if (!trace_wants(host->sim, TRACE_SEND))
        return;
    TraceRecord record = {.kind = TRACE_SEND, .host = host, .dev = pkt->meta.out, .pkt = pkt};
    record.sock.socket = pkt->meta.owner;
    trace_emit(host->sim, &record);
}
