#include "sim/net/host_private.h"

/* What netfilter asks its host (NfHostOps) */

static uint32_t addr_type(Host *host, IpAddr addr, const NetDev *dev);
static bool masquerade_addr(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_addr);
static bool redirect_addr(Host *host, const NetDev *in, IpFamily family, IpAddr *ret_addr);
static bool rpfilter6(Host *host, const Packet *pkt, uint32_t flags);
static bool rpfilter(Host *host, const Packet *pkt, uint32_t flags);
static bool can_reroute(Host *host, const Packet *pkt);
static const NetDev *dev_at(const Host *host, uint32_t index);

const NfHostOps host_nf_ops = {
    .addr_type = addr_type,
    .masquerade_addr = masquerade_addr,
    .redirect_addr = redirect_addr,
    .rpfilter = rpfilter,
    .can_reroute = can_reroute,
    .path_mtu = ip_path_mtu,
    .dev_name = netdev_name,
    .dev_at = dev_at,
    .host_name = host_name,
};

enum { RPF_LOOSE = 1, RPF_ACCEPT_LOCAL = 4 };

/* inet_dev_addr_type() looks at the local table only; IPv6 as xt_addrtype's match_type6(). */
static uint32_t
addr_type(Host *host, IpAddr addr, const NetDev *dev)
{
    if (ipaddr_is_multicast(&addr))
        return NF_TYPE_MULTICAST;
    const Route *local = fib_lookup_local(host->fib, addr);
    if (ipaddr_is_v4(&addr)) {
        uint32_t value = ipaddr_to_u32(addr);
        if (value >> 24 == 0 || value == UINT32_MAX)
            return NF_TYPE_BROADCAST;
        /* All of 127/8 stands on lo; the other addresses on their own interface. */
        if (!local || (dev && local->dev != dev))
            return NF_TYPE_UNICAST;
        return local->type == ROUTE_LOCAL ? NF_TYPE_LOCAL : NF_TYPE_BROADCAST;
    }
    if (ipaddr_is_any(&addr))
        return NF_TYPE_UNSPEC;
    if (local && (!dev || local->dev == dev))
        return NF_TYPE_LOCAL;
    const Route *route = dev ? fib_lookup_dev(host->fib, addr, dev) : fib_lookup(host->fib, addr);
    return route && route->type == ROUTE_UNICAST ? NF_TYPE_UNICAST : NF_TYPE_UNREACHABLE;
}

/* nf_nat_masquerade_ipv4(): by the next hop, so that the address is of the subnet that the packet leaves to. */
static bool
masquerade_addr(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_addr)
{
    if (!out)
        return false;
    const Route *route = ipaddr_is_v4(&dst) ? fib_lookup(host->fib, dst) : NULL;
    if (route && route->type == ROUTE_UNICAST && !ipaddr_is_any(&route->via))
        dst = route->via;
    return ip_select_addr(host, out, dst, ret_addr);
}

/* nf_nat_redirect_ipv4(): local packets go to the loopback address, others to the first of their interface. */
static bool
redirect_addr(Host *host, const NetDev *in, IpFamily family, IpAddr *ret_addr)
{
    (void)host;
    if (!in) {
        *ret_addr = family == FAMILY_IPV4 ? IPADDR_LOOPBACK4 : IPADDR_LOOPBACK6;
        return true;
    }
    for (uint32_t i = 0; i < in->n_addrs; i++) {
        if (ipaddr_family(&in->addrs[i].prefix.addr) != family)
            continue;
        *ret_addr = in->addrs[i].prefix.addr;
        return true;
    }
    return false;
}

static const NetDev *
dev_at(const Host *host, uint32_t index)
{
    return host->devs[index - 1];
}

static bool
can_reroute(Host *host, const Packet *pkt)
{
    return ip_route_output(host, pkt->dst, pkt->src, true, pkt).kind != TRACE_ROUTE_NONE;
}

/* ipt_rpfilter.c: is there a way back, over the same interface unless loose? */
static bool
rpfilter(Host *host, const Packet *pkt, uint32_t flags)
{
    const NetDev *in = pkt->meta.in;
    const Route *back;

    if (!in || in->kind == DEV_LOOPBACK)
        return true;
    if (!ipaddr_is_v4(&pkt->src))
        return rpfilter6(host, pkt, flags);
    back = fib_lookup(host->fib, pkt->src);
    if (!back)
        return false;
    if (back->type == ROUTE_LOCAL)
        return flags & RPF_ACCEPT_LOCAL && (flags & RPF_LOOSE || back->dev == in);
    if (back->type != ROUTE_UNICAST)
        return false;
    return (flags & RPF_LOOSE) || ip_validate_source(host, pkt->src, in, 1) == DROP_NONE;
}

/* ip6t_rpfilter.c: of routes with the same prefix that over the interface counts (rt6_device_match()). */
static bool
rpfilter6(Host *host, const Packet *pkt, uint32_t flags)
{
    const NetDev *in = pkt->meta.in;
    const Route *back;

    if (ipaddr_is_any(&pkt->src))
        return true;
    if (fib_is_local(host->fib, pkt->src, NULL))
        return (flags & RPF_ACCEPT_LOCAL) != 0;
    back = fib_lookup(host->fib, pkt->src);
    if (!back || back->type != ROUTE_UNICAST)
        return false;
    uint8_t len = back->prefix.len;
    if ((flags & RPF_LOOSE) || ip_validate_source(host, pkt->src, in, 1) == DROP_NONE)
        return true;
    back = fib_lookup_dev(host->fib, pkt->src, in);
    return back && back->prefix.len == len;
}
