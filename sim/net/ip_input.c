#include "sim/net/host_private.h"

/* The receive path (net/ipv4/ip_input.c, ip_forward.c, net/ipv6/ip6_input.c, ip6_output.c)
 *
 *   ip_receive        MAC, PREROUTING, routing decision
 *   ip_local_deliver  INPUT, then tunnel, ICMP or transport
 *   forward           TTL, MTU, TTL - 1, FORWARD, then ip_output()                                                   */

#define MAX_HOPS_IN_HOST 64u

static bool is_refused_early(const NetDev *dev, const Packet *pkt, DropReason *ret_reason);
static void route_and_go(Host *host, NetDev *dev, Packet *pkt);
static void no_route(Host *host, Packet *pkt, const IpRoute *route);
static bool forwarder_takes(Host *host, Packet *pkt);
static void forward(Host *host, Packet *pkt, const IpRoute *route);
static bool fits(Packet *pkt, uint32_t mtu);

void
ip_receive(NetDev *dev, Packet *pkt)
{
    Host *host = dev->host;
    DropReason reason;

    host->stats.in_receives++;
    pkt->meta.in = dev;
    pkt->meta.out = NULL;
    if (is_refused_early(dev, pkt, &reason)) {
        host_drop(host, pkt, reason);
        return;
    }
    IpAddr dst = pkt->dst;
    if (pkt->meta.nf_bridge == NFBR_PREROUTED)
        pkt->meta.nf_bridge = NFBR_NONE; /* ip_sabotage_in(): PREROUTING was walked at the bridge. */
    else if (pkt->meta.nf_bridge == NFBR_NONE && !ip_hook(host, NF_PREROUTING, pkt))
        return;

    if (__builtin_expect(host->forwarder != NULL, 0) && forwarder_takes(host, pkt))
        return;
    if (dev->kind == DEV_LOOPBACK && ipaddr_eq(dst, pkt->dst)) {
        /* A looped packet carries its route along: the tests of the input route do not apply. */
        IpRoute local = {.kind = TRACE_ROUTE_LOCAL, .dev = dev, .next_hop = dst};
        ip_trace_route(host, pkt, &local);
        ip_local_deliver(host, pkt);
        return;
    }
    route_and_go(host, dev, pkt);
}

void
ip_local_deliver(Host *host, Packet *pkt)
{
    pkt->meta.out = NULL;
    if (!ip_hook(host, NF_INPUT, pkt))
        return;
    host->stats.in_delivers++;
    if (pkt->cksum == CKSUM_BAD && pkt->proto != IPPROTO_SCTP_) { /* Without its module nobody looks at SCTP's. */
        host_drop(host, pkt, DROP_CHECKSUM);
        return;
    }
    if (vxlan_input(host, pkt))
        return;
    if (packet_is_icmp(pkt)) {
        icmp_input(host, pkt);
        return;
    }
    if (host->transport_ops)
        host->transport_ops->input(host, pkt);
    else
        ip_answer_no_socket(host, pkt);
}

bool
ip_hook_walk(Host *host, NfHook hook, Packet *pkt)
{
    NfResult result = nf_stack_hook(host->nf, hook, pkt);
    if (__builtin_expect(result.verdict == NF_ACCEPT, 1))
        return true;
    ip_hook_finish(host, hook, pkt, &result);
    return false;
}

static bool
is_refused_early(const NetDev *dev, const Packet *pkt, DropReason *ret_reason)
{
    bool loopback = dev->kind == DEV_LOOPBACK;

    if (dev->host->down)
        *ret_reason = DROP_HOST_DOWN;
    else if (pkt->eth != ETH_IP || (!loopback && !mac_is_group(pkt->eth_dst) && !mac_eq(pkt->eth_dst, dev->mac)))
        *ret_reason = DROP_NOT_FOR_US;
    else if (loopback || packet_family(pkt) == FAMILY_IPV4)
        return false;
    /* ipv6_rcv() refuses these before any hook. */
    else if (ipaddr_is_multicast(&pkt->src) || ipaddr_is_loopback(&pkt->src))
        *ret_reason = DROP_MARTIAN_SRC;
    else if (ipaddr_is_loopback(&pkt->dst))
        *ret_reason = DROP_MARTIAN_DST;
    else
        return false;
    return true;
}

static void
route_and_go(Host *host, NetDev *dev, Packet *pkt)
{
    IpRoute route = ip_route_input(host, pkt, dev);

    ip_trace_route(host, pkt, &route);
    switch ((TraceRouteKind)route.kind) {
    case TRACE_ROUTE_LOCAL:
        ip_local_deliver(host, pkt);
        break;
    case TRACE_ROUTE_FORWARD:
    case TRACE_ROUTE_OUTPUT:
        forward(host, pkt, &route);
        break;
    case TRACE_ROUTE_NONE:
        no_route(host, pkt, &route);
        break;
    }
}

static void
no_route(Host *host, Packet *pkt, const IpRoute *route)
{
    bool answers = route->answer != REJECT_NONE;
    /* ip_error() has a limit of its own, besides that of icmp_send(). */
    if (answers && packet_family(pkt) == FAMILY_IPV4)
        answers = icmp_limit_route_error(host, pkt->src);
    if (answers)
        icmp_send_unreachable(host, pkt, route->answer);
    host_drop(host, pkt, route->reason);
}

static void
forward(Host *host, Packet *pkt, const IpRoute *route)
{
    if (mac_is_group(pkt->eth_dst) || ++pkt->meta.l2_hops > MAX_HOPS_IN_HOST) {
        host_drop(host, pkt, mac_is_group(pkt->eth_dst) ? DROP_NOT_FOR_US : DROP_LOOP);
        return;
    }
    if (pkt->ttl <= 1) {
        icmp_send_ttl_exceeded(host, pkt);
        host_drop(host, pkt, DROP_TTL);
        return;
    }
    if (!fits(pkt, route->dev->mtu)) {
        icmp_send_frag_needed(host, pkt, route->dev->mtu);
        host_drop(host, pkt, DROP_MTU);
        return;
    }
    pkt->ttl--;
    pkt->meta.out = route->dev;
    if (!ip_hook(host, NF_FORWARD, pkt))
        return;
    host->stats.forwarded++;
    ip_output(host, pkt, route);
}

/* True if the packet is taken. */
static bool
forwarder_takes(Host *host, Packet *pkt)
{
    ForwardTo to = {.reason = DROP_NONE};
    IpRoute route = {.kind = TRACE_ROUTE_FORWARD};

    switch (host->forwarder->forward(host->forwarder->user, pkt, &to)) {
    case FORWARD_ROUTE:
        return false;
    case FORWARD_VIA:
        route.dev = to.dev;
        route.next_hop = to.next_hop;
        ip_trace_route(host, pkt, &route);
        forward(host, pkt, &route);
        return true;
    case FORWARD_RESET:
        ip_send_reject(host, pkt, REJECT_TCP_RESET);
        host_drop(host, pkt, to.reason);
        return true;
    case FORWARD_DROP:
        host_drop(host, pkt, to.reason);
        return true;
    }
    return false;
}

/* IPv4 without DF would be cut into fragments; they travel as one packet here. */
static bool
fits(Packet *pkt, uint32_t mtu)
{
    if (packet_sent_ip_size(pkt) <= mtu)
        return true;
    return packet_family(pkt) == FAMILY_IPV4 && !pkt->dont_fragment;
}

/* A hook said no: answer, tell, end. */
void
ip_hook_finish(Host *host, NfHook hook, Packet *pkt, const NfResult *result)
{
    bool rejected = result->verdict == NF_REJECT;
    DropReason reason = rejected ? DROP_RULE_REJECT : result->reason;
    TraceRecord record = {.host = host, .dev = pkt->meta.in ? pkt->meta.in : pkt->meta.out, .pkt = pkt};

    record.drop.reason = reason;
    record.drop.hook = (uint8_t)hook;
    record.drop.ruleset = result->ruleset;
    record.drop.chain = result->chain;
    record.drop.index = result->rule;
    record.drop.reject_with = rejected ? (uint8_t)result->reject : REJECT_NONE;
    if (rejected) {
        record.kind = TRACE_REJECT;
        if (trace_wants(host->sim, TRACE_REJECT))
            trace_emit(host->sim, &record);
        ip_send_reject(host, pkt, result->reject);
    }
    record.kind = TRACE_DROP;
    if (trace_wants(host->sim, TRACE_DROP))
        trace_emit(host->sim, &record);
    host->stats.dropped[reason]++;
    packet_free(host->sim, pkt);
}
