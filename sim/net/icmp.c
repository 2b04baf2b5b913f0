#include "sim/net/host_private.h"

/* ICMP and ICMPv6: errors sent, echo, errors received (net/ipv4/icmp.c, net/ipv6/icmp.c)
 *
 * An error's source is the packet's destination if that is an address of ours, else what the route back selects
 * (icmp_errors_use_inbound_ifaddr 0), with IPv6 what suits it on the interface by which the packet came (or would
 * leave, if DNAT at a bridge routed it).  Suppressed answers are traced as dropped packets: a reader must see why the
 * client waits. */

enum {
    ICMP_ECHO_REPLY = 0,
    ICMP_UNREACH = 3,
    ICMP_ECHO_REQUEST = 8,
    ICMP_TIME_EXCEEDED = 11,
    ICMP6_UNREACH = 1,
    ICMP6_TOO_BIG = 2,
    ICMP6_TIME_EXCEEDED = 3,
    ICMP6_PARAM_PROBLEM = 4,
    ICMP6_ECHO_REQUEST = 128,
    ICMP6_ECHO_REPLY = 129,
};
enum { CODE_FRAG_NEEDED = 4, CODE_UNKNOWN_HEADER = 1 };

static void send_error(Host *host, const Packet *pkt, uint8_t type, uint8_t code, uint32_t mtu);
static bool may_answer(const Host *host, const Packet *pkt);
static bool limit_allows(Host *host, const Packet *pkt, uint8_t type, uint8_t code, const IpRoute *route);
static IpAddr error_source(Host *host, const Packet *pkt);
static const NetDev *bridged_iif(Host *host, const Packet *pkt);
static void unreachable_code(RejectWith with, bool v4, uint8_t *ret_type, uint8_t *ret_code);
static void send_echo_reply(Host *host, const Packet *request);
static void learn_pmtu(Host *host, const Packet *pkt);

void
icmp_send_unreachable(Host *host, const Packet *pkt, RejectWith code)
{
    uint8_t type, icmp_code;
    unreachable_code(code, packet_family(pkt) == FAMILY_IPV4, &type, &icmp_code);
    send_error(host, pkt, type, icmp_code, 0);
}

void
icmp_send_ttl_exceeded(Host *host, const Packet *pkt)
{
    send_error(host, pkt, packet_family(pkt) == FAMILY_IPV4 ? ICMP_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED, 0, 0);
}

void
icmp_send_frag_needed(Host *host, const Packet *pkt, uint32_t mtu)
{
    bool v4 = packet_family(pkt) == FAMILY_IPV4;
    send_error(host, pkt, v4 ? ICMP_UNREACH : ICMP6_TOO_BIG, v4 ? CODE_FRAG_NEEDED : 0, mtu);
}

IpSendResult
icmp_send_echo(Host *host, IpAddr dst, uint16_t id, uint16_t seq, uint32_t payload_len)
{
    Packet *pkt = packet_new(host->sim);
    bool v4 = ipaddr_is_v4(&dst);

    pkt->src = v4 ? IPADDR_ANY4 : IPADDR_ANY6;
    pkt->dst = dst;
    pkt->ttl = host->sysctls.default_ttl;
    pkt->proto = v4 ? IPPROTO_ICMP_ : IPPROTO_ICMPV6_;
    pkt->icmp.type = v4 ? ICMP_ECHO_REQUEST : ICMP6_ECHO_REQUEST;
    pkt->icmp.id = id;
    pkt->icmp.seq = seq;
    packet_set_payload(pkt, NULL, 0, payload_len);
    return ip_send(host, pkt);
}

void
icmp_input(Host *host, Packet *pkt)
{
    bool v4 = packet_family(pkt) == FAMILY_IPV4;

    if (trace_wants(host->sim, TRACE_DELIVER)) {
        TraceRecord record = {.kind = TRACE_DELIVER, .host = host, .dev = pkt->meta.in, .pkt = pkt};
        trace_emit(host->sim, &record);
    }
    if (pkt->icmp.type == (v4 ? ICMP_ECHO_REQUEST : ICMP6_ECHO_REQUEST)) {
        send_echo_reply(host, pkt);
    } else if (packet_is_icmp_error(pkt) && pkt->icmp.has_quote) {
        learn_pmtu(host, pkt);
        if (host->transport_ops && host->transport_ops->error)
            host->transport_ops->error(host, pkt);
    }
    packet_free(host->sim, pkt);
}

static void
send_error(Host *host, const Packet *pkt, uint8_t type, uint8_t code, uint32_t mtu)
{
    if (!may_answer(host, pkt))
        return;
    IpAddr src = error_source(host, pkt);
    IpRoute route = ip_route_output(host, pkt->src, src, true, NULL);
    if (route.kind == TRACE_ROUTE_NONE)
        return;

    Packet *error = packet_new(host->sim);
    error->src = route.src;
    error->dst = pkt->src;
    error->ttl = host->sysctls.default_ttl;
    /* icmp_send(): the offender's TOS with precedence "internetwork control"; icmp6_send() gives no class. */
    error->tos = packet_family(pkt) == FAMILY_IPV4 ? (pkt->tos & 0x1e) | 0xc0 : 0;
    error->flow = pkt->flow;
    error->proto = packet_family(pkt) == FAMILY_IPV4 ? IPPROTO_ICMP_ : IPPROTO_ICMPV6_;
    error->icmp.type = type;
    error->icmp.code = code;
    error->icmp.mtu = mtu;
    packet_set_quote(error, pkt);
    if (!limit_allows(host, pkt, type, code, &route)) {
        host_drop(host, error, DROP_ICMP_RATELIMIT);
        return;
    }
    conntrack_attach(error, pkt); /* RELATED though the connection may never be confirmed. */
    ip_send_any_source(host, error);
}

/* RFC 1122 3.2.2: never about an error, a multicast or broadcast, or to nobody. */
static bool
may_answer(const Host *host, const Packet *pkt)
{
    if (host->down || pkt->eth != ETH_IP || packet_is_icmp_error(pkt))
        return false;
    /* Our own echo reply: its sending holds the socket that the error would need (icmp_xmit_lock()). */
    if (pkt->meta.local_out && packet_is_icmp(pkt) && pkt->icmp.type == (ipaddr_is_v4(&pkt->src) ? 0 : 129))
        return false;
    if (ipaddr_is_any(&pkt->src) || ipaddr_is_multicast(&pkt->src) || ipaddr_is_multicast(&pkt->dst))
        return false;
    if (!pkt->meta.local_out && mac_is_group(pkt->eth_dst))
        return false;
    const Route *to = fib_lookup_local(host->fib, pkt->dst);
    if (to && to->type == ROUTE_BROADCAST)
        return false;
    const Route *back = fib_lookup_local(host->fib, pkt->src);
    return !back || back->type != ROUTE_BROADCAST;
}

/* icmpv4_mask_allow() with the default icmp_ratemask (3, 4, 11, 12), icmpv6_mask_allow(): path MTU discovery is never
 * limited, nor what stays on the loopback. */
static bool
limit_allows(Host *host, const Packet *pkt, uint8_t type, uint8_t code, const IpRoute *route)
{
    bool v4 = packet_family(pkt) == FAMILY_IPV4;
    uint32_t interval_ms = v4 ? host->sysctls.icmp_ratelimit : host->sysctls.icmp6_ratelimit;

    if (v4 ? type == ICMP_UNREACH && code == CODE_FRAG_NEEDED : type == ICMP6_TOO_BIG)
        return true;
    if (route->dev->kind == DEV_LOOPBACK)
        return true;
    if (!icmp_limit_global(host))
        return false;
    if (!icmp_limit_peer(host, pkt->src, interval_ms))
        return false;
    icmp_limit_global_consume(host);
    return true;
}

/* An own address on any interface will do, for IPv6 as well (ipv6_chk_addr(), not strict). */
static IpAddr
error_source(Host *host, const Packet *pkt)
{
    const NetDev *dev = pkt->meta.in; /* None for what we sent ourselves. */
    const Route *back;
    IpAddr src;
    bool inner = ipaddr_is_loopback(&pkt->dst) && pkt->meta.in && pkt->meta.in->kind != DEV_LOOPBACK;

    /* IPv6 asks by interface: ::1 is no address of another one (ipv6_chk_addr()). */
    if (fib_is_local(host->fib, pkt->dst, NULL) && !(inner && packet_family(pkt) == FAMILY_IPV6))
        return pkt->dst;
    if (packet_family(pkt) == FAMILY_IPV4)
        return IPADDR_ANY4;
    /* icmp6_send(), unless the route back prefers a source. */
    back = fib_lookup(host->fib, pkt->src);
    if (pkt->meta.nf_bridge != NFBR_NONE)
        dev = bridged_iif(host, pkt);
    if (!dev || (back && !ipaddr_is_any(&back->src)) || !ip_select_addr(host, dev, pkt->src, &src))
        return IPADDR_ANY6;
    return src;
}

/* What IP6CB() says of the incoming interface: nothing about a frame that never went up; that of a route which DNAT at
 * the bridge gave it, by which ipv6_rcv() takes it to have come. */
static const NetDev *
bridged_iif(Host *host, const Packet *pkt)
{
    IpRoute ahead;

    if (pkt->meta.nf_bridge != NFBR_ROUTED)
        return NULL;
    ahead = ip_route_input(host, pkt, pkt->meta.in);
    return ahead.kind == TRACE_ROUTE_FORWARD ? ahead.dev : pkt->meta.in;
}

/* One name may stand for both families (nft's icmpx): the nearest code of the packet's own. */
static void
unreachable_code(RejectWith with, bool v4, uint8_t *ret_type, uint8_t *ret_code)
{
    static const struct {
        uint8_t v4, v6;
    } codes[] = {
        [REJECT_NONE] = {3, 4},
        [REJECT_PORT_UNREACH] = {3, 4},
        [REJECT_NET_UNREACH] = {0, 0},
        [REJECT_HOST_UNREACH] = {1, 3},
        [REJECT_PROTO_UNREACH] = {2, CODE_UNKNOWN_HEADER},
        [REJECT_NET_PROHIBITED] = {9, 1},
        [REJECT_HOST_PROHIBITED] = {10, 1},
        [REJECT_ADMIN_PROHIBITED] = {13, 1},
        [REJECT_TCP_RESET] = {3, 4},
        [REJECT6_NO_ROUTE] = {0, 0},
        [REJECT6_ADM_PROHIBITED] = {13, 1},
        [REJECT6_ADDR_UNREACH] = {1, 3},
        [REJECT6_POLICY_FAIL] = {13, 5},
        [REJECT6_REJECT_ROUTE] = {13, 6},
    };
    *ret_type = v4 ? ICMP_UNREACH : ICMP6_UNREACH;
    if (!v4 && with == REJECT_PROTO_UNREACH)
        *ret_type = ICMP6_PARAM_PROBLEM;
    *ret_code = v4 ? codes[with].v4 : codes[with].v6;
}

static void
send_echo_reply(Host *host, const Packet *request)
{
    if (!fib_is_local(host->fib, request->dst, NULL))
        return; /* icmp_echo_ignore_broadcasts. */
    Packet *reply = packet_new(host->sim);

    reply->src = request->dst;
    reply->dst = request->src;
    reply->ttl = host->sysctls.default_ttl;
    reply->tos = request->tos;
    reply->flow = request->flow;
    reply->proto = request->proto;
    reply->icmp.type = request->proto == IPPROTO_ICMP_ ? ICMP_ECHO_REPLY : ICMP6_ECHO_REPLY;
    reply->icmp.id = request->icmp.id;
    reply->icmp.seq = request->icmp.seq;
    packet_set_payload(reply, request->payload.buf, request->payload.offset, request->payload.len);
    ip_send(host, reply);
}

/* Only for a packet that this host sent can the path be ours. */
static void
learn_pmtu(Host *host, const Packet *pkt)
{
    bool v4 = packet_family(pkt) == FAMILY_IPV4;
    bool too_big =
        v4 ? pkt->icmp.type == ICMP_UNREACH && pkt->icmp.code == CODE_FRAG_NEEDED : pkt->icmp.type == ICMP6_TOO_BIG;

    if (too_big && pkt->icmp.mtu != 0 && fib_is_local(host->fib, pkt->icmp.quote.src, NULL))
        pmtu_learn(host, pkt->icmp.quote.dst, pkt->icmp.mtu);
}
