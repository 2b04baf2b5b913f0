#include "sim/net/host_private.h"

/* Routing decisions (net/ipv4/route.c, fib_frontend.c, net/ipv6/route.c, addrconf.c) */

static IpRoute output_fail(DropReason reason, IpSendResult result);
static IpRoute input_fail(DropReason reason, RejectWith answer);
static IpRoute input_no_route(const Host *host, const Route *route, bool v4);
static DropReason input_martian4(const Host *host, const Packet *pkt);
static bool fill_hop(Host *host, const NetDev *dev, IpAddr via, IpAddr dst, IpRoute *ret_route);
static bool select_addr4(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_src);
static bool select_addr6(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_src);

IpRoute
ip_route_output(Host *host, IpAddr dst, IpAddr src, bool any_source, const Packet *flow)
{
    bool v4 = ipaddr_is_v4(&dst), has_src = !ipaddr_is_any(&src);
    IpRoute out = {.kind = TRACE_ROUTE_OUTPUT, .src = src};

    if (has_src && (ipaddr_is_v4(&src) != v4 || ipaddr_is_multicast(&src)))
        return output_fail(DROP_MARTIAN_SRC, IP_EINVAL);
    if (has_src && !any_source && !fib_is_local(host->fib, src, NULL))
        return output_fail(DROP_MARTIAN_SRC, IP_EINVAL);

    const Route *route = fib_lookup_flow(host->fib, dst, flow);
    if (!route)
        return output_fail(DROP_NO_ROUTE, IP_ENETUNREACH);
    switch (route->type) {
    case ROUTE_LOCAL:
        out.dev = host->devs[0];
        out.next_hop = dst;
        if (!has_src)
            out.src = dst;
        return out;
    case ROUTE_UNICAST:
    case ROUTE_BROADCAST:
        break;
    case ROUTE_BLACKHOLE:
        return output_fail(DROP_ROUTE_BLACKHOLE, IP_EINVAL);
    case ROUTE_UNREACHABLE:
        return output_fail(DROP_NO_ROUTE, IP_EHOSTUNREACH);
    case ROUTE_PROHIBIT:
        return output_fail(DROP_ROUTE_BLACKHOLE, IP_EACCES);
    }
    /* Another look-up may change the table and with it what 'route' is. */
    IpAddr preferred = route->src;
    if (!fill_hop(host, route->dev, route->via, dst, &out))
        return output_fail(DROP_NO_ROUTE, IP_ENETUNREACH);
    /* __mkroute_output(): a loopback source does not leave the host. */
    if (v4 && has_src && ipaddr_is_loopback(&src) && out.dev->kind != DEV_LOOPBACK && !host->sysctls.route_localnet)
        return output_fail(DROP_MARTIAN_SRC, IP_EINVAL);
    if (has_src)
        return out;
    if (!ipaddr_is_any(&preferred)) {
        out.src = preferred;
        return out;
    }
    if (!ip_select_addr(host, out.dev, v4 ? out.next_hop : dst, &out.src))
        out.src = v4 ? IPADDR_ANY4 : IPADDR_ANY6;
    return out;
}

IpRoute
ip_route_input(Host *host, const Packet *pkt, const NetDev *in)
{
    bool v4 = ipaddr_is_v4(&pkt->dst);
    bool forwards = v4 ? host->sysctls.ip_forward : host->sysctls.ip6_forward;
    IpRoute out = {.kind = TRACE_ROUTE_FORWARD};

    if (v4) {
        DropReason martian = input_martian4(host, pkt);
        if (martian != DROP_NONE)
            return input_fail(martian, REJECT_NONE);
    }
    const Route *route = fib_lookup_flow(host->fib, pkt->dst, pkt);
    if (!route || (route->type != ROUTE_LOCAL && route->type != ROUTE_BROADCAST && route->type != ROUTE_UNICAST))
        return input_no_route(host, route, v4);
    /* DNAT to ::1 of a packet from outside: such a destination is looked for on its own interface (rt6_need_strict()).
     */
    if (!v4 && ipaddr_is_loopback(&pkt->dst) && in->kind != DEV_LOOPBACK) {
        route = fib_lookup_dev(host->fib, pkt->dst, in);
        if (!route)
            return input_no_route(host, NULL, v4);
    }
    /* Another look-up may change the table and with it what 'route' is. */
    const NetDev *dev = route->dev;
    IpAddr via = route->via;
    bool local = route->type != ROUTE_UNICAST;
    if (!local && !forwards)
        return input_fail(DROP_FORWARDING_OFF, REJECT_NONE);
    if (v4) {
        DropReason invalid = ip_validate_source(host, pkt->src, in, host->sysctls.rp_filter);
        if (invalid != DROP_NONE)
            return input_fail(invalid, REJECT_NONE);
    }
    if (local) {
        out.kind = TRACE_ROUTE_LOCAL;
        out.dev = host->devs[0];
        out.next_hop = pkt->dst;
        return out;
    }
    if (!fill_hop(host, dev, via, pkt->dst, &out))
        return input_no_route(host, NULL, v4);
    return out;
}

bool
ip_select_addr(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_src)
{
    return ipaddr_is_v4(&dst) ? select_addr4(host, out, dst, ret_src) : select_addr6(host, out, dst, ret_src);
}

DropReason
ip_validate_source(Host *host, IpAddr src, const NetDev *in, uint8_t rp_filter)
{
    if (rp_filter == 0) {
        bool own = !host->sysctls.accept_local && fib_is_local(host->fib, src, NULL);
        return own ? DROP_MARTIAN_SRC : DROP_NONE;
    }
    const Route *back = fib_lookup(host->fib, src);
    if (!back)
        return DROP_RP_FILTER;
    if (back->type == ROUTE_LOCAL)
        return host->sysctls.accept_local ? DROP_NONE : DROP_MARTIAN_SRC;
    if (back->type != ROUTE_UNICAST)
        return DROP_MARTIAN_SRC;
    if (rp_filter == 2)
        return DROP_NONE;
    IpRoute hop;
    return fill_hop(host, back->dev, back->via, src, &hop) && hop.dev == in ? DROP_NONE : DROP_RP_FILTER;
}

void
ip_trace_route(Host *host, const Packet *pkt, const IpRoute *route)
{
    if (!trace_wants(host->sim, TRACE_ROUTE))
        return;
    TraceRecord record = {.kind = TRACE_ROUTE, .host = host, .dev = route->dev, .pkt = pkt};
    record.route.kind = route->kind;
    record.route.via = route->next_hop;
    record.route.out = route->dev;
    trace_emit(host->sim, &record);
}

bool
ip_source_for(Host *host, IpAddr dst, IpAddr *ret_src)
{
    IpRoute route = ip_route_output(host, dst, ipaddr_is_v4(&dst) ? IPADDR_ANY4 : IPADDR_ANY6, false, NULL);
    if (route.kind == TRACE_ROUTE_NONE || ipaddr_is_any(&route.src))
        return false;
    *ret_src = route.src;
    return true;
}

uint32_t
ip_path_mtu(Host *host, IpAddr dst)
{
    IpRoute route = ip_route_output(host, dst, ipaddr_is_v4(&dst) ? IPADDR_ANY4 : IPADDR_ANY6, false, NULL);
    uint32_t mtu = route.kind == TRACE_ROUTE_NONE ? netdev_mtu(host->devs[0]) : route.dev->mtu;
    uint32_t learned = pmtu_get(host, dst);
    return learned != 0 && learned < mtu ? learned : mtu;
}

static IpRoute
output_fail(DropReason reason, IpSendResult result)
{
    return (IpRoute){.kind = TRACE_ROUTE_NONE, .reason = reason, .result = result};
}

static IpRoute
input_fail(DropReason reason, RejectWith answer)
{
    return (IpRoute){.kind = TRACE_ROUTE_NONE, .reason = reason, .answer = answer, .result = IP_EHOSTUNREACH};
}

/* No route, or one of a type that says no: ip_error(), ip6_pkt_discard(). */
static IpRoute
input_no_route(const Host *host, const Route *route, bool v4)
{
    if (v4 && !host->sysctls.ip_forward)
        return input_fail(DROP_FORWARDING_OFF, REJECT_NONE); /* ip_error() keeps silent. */
    if (route && route->type == ROUTE_BLACKHOLE)
        return input_fail(DROP_ROUTE_BLACKHOLE, REJECT_NONE);
    if (route && route->type == ROUTE_PROHIBIT)
        return input_fail(DROP_ROUTE_BLACKHOLE, v4 ? REJECT_ADMIN_PROHIBITED : REJECT6_ADM_PROHIBITED);
    if (route && v4)
        return input_fail(DROP_NO_ROUTE, REJECT_HOST_UNREACH);
    return input_fail(DROP_NO_ROUTE, v4 ? REJECT_NET_UNREACH : REJECT6_NO_ROUTE);
}

/* The tests on addresses at the top of ip_route_input_slow(). */
static DropReason
input_martian4(const Host *host, const Packet *pkt)
{
    uint32_t src = ipaddr_to_u32(pkt->src), dst = ipaddr_to_u32(pkt->dst);

    if (ipaddr_is_multicast(&pkt->src) || src == UINT32_MAX)
        return DROP_MARTIAN_SRC;
    if (dst == UINT32_MAX)
        return DROP_NONE;
    if (src >> 24 == 0)
        return DROP_MARTIAN_SRC;
    if (dst >> 24 == 0)
        return DROP_MARTIAN_DST;
    if (host->sysctls.route_localnet)
        return DROP_NONE;
    if (dst >> 24 == 127)
        return DROP_MARTIAN_DST;
    return src >> 24 == 127 ? DROP_MARTIAN_SRC : DROP_NONE;
}

/* Device and next hop of a route; one of the shared base has no device: it is the way to its next hop. */
static bool
fill_hop(Host *host, const NetDev *dev, IpAddr via, IpAddr dst, IpRoute *ret_route)
{
    bool on_link = ipaddr_is_any(&via);

    if (!dev && !on_link) {
        const Route *link = fib_lookup(host->fib, via);
        dev = link && link->type == ROUTE_UNICAST ? link->dev : NULL;
    }
    if (!dev || !dev->up)
        return false;
    ret_route->dev = (NetDev *)dev;
    ret_route->next_hop = on_link ? dst : via;
    return true;
}

/* inet_select_addr() for scope universe: an address of 'out' in the subnet of 'dst', else its first, else any other. */
static bool
select_addr4(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_src)
{
    const IpAddr *first = NULL;

    for (uint32_t i = 0; i < out->n_addrs; i++) {
        const NetDevAddr *addr = &out->addrs[i];
        if (addr->secondary || !ipaddr_is_v4(&addr->prefix.addr) || ipaddr_is_loopback(&addr->prefix.addr))
            continue;
        IpPrefix network = ipprefix_network(addr->prefix);
        if (ipprefix_contains(&network, dst)) {
            *ret_src = addr->prefix.addr;
            return true;
        }
        if (!first)
            first = &addr->prefix.addr;
    }
    for (uint32_t d = 0; d < host->n_devs && !first; d++) {
        const NetDev *dev = host->devs[d];
        for (uint32_t i = 0; dev && dev != out && i < dev->n_addrs && !first; i++) {
            const NetDevAddr *addr = &dev->addrs[i];
            if (!addr->secondary && ipaddr_is_v4(&addr->prefix.addr) && !ipaddr_is_loopback(&addr->prefix.addr))
                first = &addr->prefix.addr;
        }
    }
    if (!first)
        return false;
    *ret_src = *first;
    return true;
}

static uint32_t
common_bits(const IpAddr *a, const IpAddr *b)
{
    for (uint32_t i = 0; i < 16; i++) {
        uint8_t diff = a->b[i] ^ b->b[i];
        if (diff != 0)
            return i * 8 + (uint32_t)__builtin_clz(diff) - 24;
    }
    return 128;
}

/* The kernel gives ::1 the scope of links. */
static bool
has_link_scope(const IpAddr *addr)
{
    return ipaddr_is_linklocal(addr) || ipaddr_is_loopback(addr);
}

/* ipv6_dev_get_saddr(): RFC 6724 rules 1 (same address), 2 (scope), 5 (interface), 8 (longest prefix).  For a
 * destination of link scope only the interface's own addresses will do. */
static bool
select_addr6(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_src)
{
    uint32_t best = 0;
    bool on_link = has_link_scope(&dst);

    for (uint32_t d = 0; d < host->n_devs; d++) {
        const NetDev *dev = host->devs[d];
        for (uint32_t i = 0; dev && i < dev->n_addrs; i++) {
            const IpPrefix *prefix = &dev->addrs[i].prefix;
            if (ipaddr_is_v4(&prefix->addr) || (on_link ? dev != out : ipaddr_is_loopback(&prefix->addr)))
                continue;
            uint32_t same = ipaddr_eq(prefix->addr, dst), scope = has_link_scope(&prefix->addr) == on_link;
            uint32_t score = 1 + (same << 12 | scope << 11 | (uint32_t)(dev == out) << 10 |
                                  MIN(common_bits(&prefix->addr, &dst), prefix->len));
            if (score <= best)
                continue;
            best = score;
            *ret_src = prefix->addr;
        }
    }
    return best > 0;
}
