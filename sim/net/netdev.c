#include "sim/net/netdev.h"

#include "sim/net/host_private.h"

#define MTU_ETHERNET   1500u
#define MTU_LOOPBACK   65536u
#define VXLAN_OVERHEAD 50u
#define MOST_COMPARED  64 /* Names of devices that host_dev() compares one by one. */

static void add_addr_routes(NetDev *dev, IpPrefix prefix);
static void remove_addr_routes(NetDev *dev, IpPrefix prefix);
static IpAddr prefix_last(IpPrefix prefix);

NetDev *
netdev_new(Host *host, const char *name, NetDevKind kind)
{
    return netdev_new_at(host, name, kind, netdev_reserve(host));
}

uint32_t
netdev_reserve(Host *host)
{
    host->devs = g_renew(NetDev *, host->devs, host->n_devs + 1);
    host->devs[host->n_devs++] = NULL;
    return host->n_devs;
}

/* Keeps names of a host's devices where there are too many to compare one by one. */
static void
index_name(Host *host, NetDev *dev)
{
    if (!host->dev_names && host->n_devs > MOST_COMPARED) {
        host->dev_names = g_hash_table_new(g_str_hash, g_str_equal);
        for (uint32_t i = 0; i < host->n_devs; i++)
            if (host->devs[i])
                g_hash_table_insert(host->dev_names, (gpointer)host->devs[i]->name, host->devs[i]);
    } else if (host->dev_names) {
        g_hash_table_insert(host->dev_names, (gpointer)dev->name, dev);
    }
}

NetDev *
netdev_new_at(Host *host, const char *name, NetDevKind kind, uint32_t index)
{
    NetDev *dev = g_new0(NetDev, 1);

    dev->host = host;
    dev->label = g_strconcat(host->name, "/", name, NULL);
    dev->name = dev->label + strlen(host->name) + 1;
    dev->kind = (uint8_t)kind;
    dev->up = true;
    dev->mtu = kind == DEV_LOOPBACK ? MTU_LOOPBACK : kind == DEV_VXLAN ? MTU_ETHERNET - VXLAN_OVERHEAD : MTU_ETHERNET;
    if (kind != DEV_LOOPBACK)
        dev->mac = mac_from_name(dev->label);
    else
        dev->peer = dev;
    if (kind == DEV_BRIDGE)
        dev->bridge = bridge_new();
    if (kind == DEV_VXLAN)
        dev->vxlan = vxlan_new();

    g_assert(!host->devs[index - 1]);
    host->devs[index - 1] = dev;
    dev->index = index;
    index_name(host, dev);
    return dev;
}

void
netdev_free(NetDev *dev)
{
    Host *host = dev->host;

    if (dev->kind == DEV_BRIDGE)
        bridge_free(dev);
    if (dev->kind == DEV_VXLAN)
        vxlan_free(dev);
    if (dev->kind != DEV_LOOPBACK)
        netdev_disconnect(dev);
    bridge_remove_port(dev);
    link_clear(dev);
    if (dev->lane.entity.id != 0)
        sim_entity_free(host->sim, dev->lane.entity);
    host->devs[dev->index - 1] = NULL;
    if (host->dev_names)
        g_hash_table_remove(host->dev_names, dev->name);
    g_free(dev->addrs);
    g_free(dev->label);
    g_free(dev);
}

void
netdev_delete(NetDev *dev)
{
    while (dev->n_addrs > 0)
        netdev_remove_addr(dev, dev->addrs[dev->n_addrs - 1].prefix.addr);
    fib_remove_dev(dev->host->fib, dev);
    neigh_forget_dev(dev->host, dev);
    late_output_forget_dev(dev->host, dev);
    netdev_free(dev);
}

const char *
netdev_name(const NetDev *dev)
{
    return dev->name;
}

Host *
netdev_host(const NetDev *dev)
{
    return dev->host;
}

NetDevKind
netdev_kind(const NetDev *dev)
{
    return (NetDevKind)dev->kind;
}

uint32_t
netdev_index(const NetDev *dev)
{
    return dev->index;
}

MacAddr
netdev_mac(const NetDev *dev)
{
    return dev->mac;
}

void
netdev_set_mac(NetDev *dev, MacAddr mac)
{
    dev->mac = mac;
}

uint32_t
netdev_mtu(const NetDev *dev)
{
    return dev->mtu;
}

void
netdev_set_mtu(NetDev *dev, uint32_t mtu)
{
    dev->mtu = mtu;
}

bool
netdev_up(const NetDev *dev)
{
    return dev->up;
}

void
netdev_set_up(NetDev *dev, bool up)
{
    dev->up = up;
}

const char *
netdev_label(const NetDev *dev)
{
    return dev->label;
}

void
netdev_add_addr(NetDev *dev, IpPrefix prefix)
{
    NetDevAddr addr = {.prefix = prefix};
    IpPrefix network = ipprefix_network(prefix);

    for (uint32_t i = 0; i < dev->n_addrs; i++) {
        const IpPrefix *other = &dev->addrs[i].prefix;
        if (ipaddr_eq(other->addr, prefix.addr))
            return;
        /* Secondary: the same subnet as an earlier address (IPv4 only; inet_insert_ifa()). */
        addr.secondary |=
            ipaddr_is_v4(&prefix.addr) && other->len == prefix.len && ipprefix_contains(&network, other->addr);
    }
    dev->addrs = g_renew(NetDevAddr, dev->addrs, dev->n_addrs + 1);
    dev->addrs[dev->n_addrs++] = addr;
    bridge_port_changed(dev->peer);
    add_addr_routes(dev, prefix);
}

bool
netdev_remove_addr(NetDev *dev, IpAddr addr)
{
    for (uint32_t i = 0; i < dev->n_addrs; i++) {
        if (!ipaddr_eq(dev->addrs[i].prefix.addr, addr))
            continue;
        IpPrefix prefix = dev->addrs[i].prefix;
        dev->n_addrs--;
        memmove(&dev->addrs[i], &dev->addrs[i + 1], (dev->n_addrs - i) * sizeof *dev->addrs);
        remove_addr_routes(dev, prefix);
        return true;
    }
    return false;
}

const NetDevAddr *
netdev_addrs(const NetDev *dev, size_t *ret_n)
{
    *ret_n = dev->n_addrs;
    return dev->addrs;
}

void
netdev_connect(NetDev *a, NetDev *b, const LinkParams *params)
{
    g_assert(!a->peer && !b->peer);
    a->peer = b;
    b->peer = a;
    if (params)
        a->lane.params = b->lane.params = *params;
    bridge_port_changed(a);
    bridge_port_changed(b);
}

NetDev *
netdev_peer(const NetDev *dev)
{
    return dev->kind == DEV_LOOPBACK ? NULL : dev->peer;
}

void
netdev_disconnect(NetDev *dev)
{
    NetDev *peer = dev->peer;
    if (!peer)
        return;
    link_clear(dev);
    link_clear(peer);
    peer->peer = NULL;
    dev->peer = NULL;
}

LinkParams *
netdev_link(NetDev *dev)
{
    return &dev->lane.params;
}

NetDev *
netdev_master(const NetDev *dev)
{
    return dev->master;
}

void
netdev_set_proxy_arp(NetDev *dev, bool on)
{
    dev->proxy_arp = on;
}

void
netdev_transmit(NetDev *dev, Packet *pkt)
{
    Host *host = dev->host;
    uint32_t bytes = packet_sent_eth_size(pkt);

    if (!dev->up || host->down) {
        netdev_drop(dev, pkt, DROP_LINK_DOWN);
        return;
    }
    dev->stats.tx_packets++;
    dev->stats.tx_bytes += bytes;
    netdev_trace(dev, TRACE_DEV_OUT, pkt);
    switch ((NetDevKind)dev->kind) {
    case DEV_LOOPBACK:
    case DEV_ETHER:
    case DEV_VETH:
        if (dev->peer)
            link_send(dev, pkt, bytes);
        else
            netdev_drop(dev, pkt, DROP_LINK_DOWN);
        break;
    case DEV_BRIDGE:
        bridge_transmit(dev, pkt);
        break;
    case DEV_VXLAN:
        vxlan_transmit(dev, pkt);
        break;
    case DEV_DUMMY:
        packet_free(host->sim, pkt); /* dummy_xmit(): counted and gone. */
        break;
    }
}

const NetDevStats *
netdev_stats(const NetDev *dev)
{
    return &dev->stats;
}

void
netdev_arrive(NetDev *sender, Packet *pkt)
{
    NetDev *dev = sender->peer;

    if (dev->host->down || !dev->up) {
        netdev_drop(dev, pkt, dev->host->down ? DROP_HOST_DOWN : DROP_LINK_DOWN);
        return;
    }
    if (dev->kind == DEV_LOOPBACK) {
        /* The conntrack entry and the mark stay on a looped packet; the sender does not (skb_orphan). */
        pkt->meta.owner = NULL;
        pkt->meta.local_out = 0;
    } else {
        packet_enter_host(dev->host->sim, pkt);
    }
    dev->stats.rx_packets++;
    dev->stats.rx_bytes += packet_sent_eth_size(pkt);
    netdev_trace(dev, TRACE_DEV_IN, pkt);
    if (dev->master)
        bridge_port_receive(dev, pkt);
    else
        ip_receive(dev, pkt);
}

void
netdev_drop(NetDev *dev, Packet *pkt, DropReason reason)
{
    dev->stats.dropped++;
    host_drop(dev->host, pkt, reason);
}

void
netdev_trace_frame(NetDev *dev, TraceKind kind, const Packet *pkt)
{
    uint32_t bits = TRACE_BIT(kind) | (dev->kind == DEV_ETHER ? TRACE_NIC_FRAMES : 0);
    TraceRecord record; /* What is of other kinds stays unset: there are many of these. */

    record.kind = kind;
    record.host = dev->host;
    record.dev = dev;
    record.pkt = pkt;
    if (dev->host->sim->trace_mask & bits)
        trace_emit_part(dev->host->sim, &record, bits);
}

void
netdev_make_entity(NetDev *dev)
{
    g_autofree char *name = g_strconcat("link/", dev->label, NULL);

    dev->lane.entity = sim_entity(dev->host->sim, name);
}

bool
netdev_has_addr(const NetDev *dev, IpAddr addr)
{
    for (uint32_t i = 0; i < dev->n_addrs; i++)
        if (ipaddr_eq(dev->addrs[i].prefix.addr, addr))
            return true;
    return false;
}

/* fib_add_ifaddr(): local, connected, and for IPv4 the subnet's broadcast address. */
static void
add_addr_routes(NetDev *dev, IpPrefix prefix)
{
    Fib *fib = dev->host->fib;
    bool v4 = ipaddr_is_v4(&prefix.addr);
    uint32_t bits = v4 ? 32 : 128;
    Route local = {.prefix = ipprefix_host(prefix.addr), .type = ROUTE_LOCAL, .dev = dev, .src = prefix.addr};

    if (v4 && dev->kind == DEV_LOOPBACK && ipaddr_is_loopback(&prefix.addr)) {
        local.prefix = prefix; /* All of 127/8 is local. */
        fib_add(fib, &local);
        return;
    }
    fib_add_nexthop(fib, &local); /* Beside that of another device; this one had none. */
    if (prefix.len == bits)
        return;
    fib_add(fib, &(Route){.prefix = prefix, .type = ROUTE_UNICAST, .dev = dev, .src = v4 ? prefix.addr : IPADDR_ANY6});
    if (v4 && prefix.len < 31)
        fib_add(fib, &(Route){.prefix = ipprefix_host(prefix_last(prefix)), .type = ROUTE_BROADCAST, .dev = dev});
}

static void
remove_addr_routes(NetDev *dev, IpPrefix prefix)
{
    Fib *fib = dev->host->fib;
    IpPrefix host_prefix = ipprefix_host(prefix.addr), network = ipprefix_network(prefix);

    fib_remove(fib, &host_prefix, dev);
    for (uint32_t i = 0; i < dev->n_addrs; i++) {
        IpPrefix other = ipprefix_network(dev->addrs[i].prefix);
        if (other.len == network.len && ipaddr_eq(other.addr, network.addr))
            return; /* Another address keeps the subnet. */
    }
    fib_remove(fib, &network, dev);
    if (ipaddr_is_v4(&prefix.addr)) {
        IpPrefix broadcast = ipprefix_host(prefix_last(prefix));
        fib_remove(fib, &broadcast, dev);
    }
}

static IpAddr
prefix_last(IpPrefix prefix)
{
    uint32_t host_mask = prefix.len == 0 ? UINT32_MAX : (uint32_t)((UINT64_C(1) << (32 - prefix.len)) - 1);
    return ipaddr_v4_u32(ipaddr_to_u32(prefix.addr) | host_mask);
}
