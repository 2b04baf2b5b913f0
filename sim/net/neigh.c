#include "sim/engine/vec.h"
#include "sim/net/host_private.h"

/* Neighbours (ARP, neighbour discovery) without frames of their own
 *
 * The segment is asked directly who answers for an address: a link's far end, or whoever stands behind the ports of a
 * bridge.  An answer takes no time; only failure does: three probes, a second apart, then the queued packets are
 * answered with host unreachable (net/core/neighbour.c, arp_error_report()).  All that knows this is here, so that
 * frames on the wire could replace it.
 *
 * States follow the kernel as far as they show: an entry is confirmed for REACHABLE; used later, it is probed again
 * after DELAY; meanwhile and at its first use its header is not cached, which br_netfilter shows (bridge.c).        */

#define REACHABLE  (30 * SIMTIME_SEC) /* base_reachable_time; the kernel takes 15 to 45 s at random. */
#define DELAY      (5 * SIMTIME_SEC)  /* delay_first_probe_time. */
#define RETRANS    (1 * SIMTIME_SEC)  /* retrans_time. */
#define PROBES     3u                 /* mcast_solicit, ucast_solicit. */
#define QUEUE_SIZE 212992u            /* unres_qlen_bytes. */

typedef struct {
    IpAddr addr;
    uint32_t dev, zero;
} Key;
_Static_assert(sizeof(Key) == 24, "no padding");

typedef struct {
    SimTime reachable_until;
    SimTime probe_at; /* Stale and used: 0 before. */
    MacAddr mac;
    bool cached; /* Its header was made: not before the first packet has gone. */
} Entry;

/* An address that nobody has answered for yet. */
typedef struct {
    Host *host;
    NetDev *dev;
    IpAddr addr;
    Timer timer;
    uint32_t n_probes, queued_bytes;
    VEC(Packet *) queue;
} Pending;

struct Neigh {
    HTable entries; /* Key to Entry. */
    VEC(Pending *) pending;
};

static const MacAddr mac_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static bool hint_valid(const NetDev *dev, IpAddr addr);
static Neigh *host_neigh(Host *host);
static Entry *entry_use(NetDev *dev, IpAddr addr);
static void pending_add(NetDev *dev, IpAddr addr, Packet *pkt);
static void pending_fire(Sim *sim, void *owner);
static void pending_free(Pending *pending, bool drop);
static void transmit_to(NetDev *dev, MacAddr mac, Packet *pkt);

void
neigh_free(Host *host)
{
    Neigh *neigh = host->neigh;
    if (!neigh)
        return;
    host->neigh = NULL;
    for (uint32_t i = 0; i < host->n_devs; i++)
        if (host->devs[i])
            host->devs[i]->neigh_hint.until = 0;
    for (size_t i = 0; i < neigh->pending.len; i++)
        pending_free(neigh->pending.data[i], false);
    vec_clear(&neigh->pending);
    htable_clear(&neigh->entries);
    g_free(neigh);
}

void
neigh_forget_dev(Host *host, const NetDev *dev)
{
    Neigh *neigh = host->neigh;
    if (!neigh)
        return;
    for (size_t i = neigh->pending.len; i-- > 0;) {
        if (neigh->pending.data[i]->dev != dev)
            continue;
        pending_free(neigh->pending.data[i], false);
        vec_remove(&neigh->pending, i);
    }
}

void
neigh_output(NetDev *dev, IpAddr next_hop, Packet *pkt)
{
    if (dev->kind == DEV_LOOPBACK || dev->kind == DEV_DUMMY) {
        transmit_to(dev, dev->mac, pkt);
        return;
    }
    if (ipaddr_is_multicast(&next_hop) || (ipaddr_is_v4(&next_hop) && ipaddr_to_u32(next_hop) == UINT32_MAX)) {
        transmit_to(dev, mac_broadcast, pkt);
        return;
    }
    if (hint_valid(dev, next_hop)) {
        transmit_to(dev, dev->neigh_hint.mac, pkt);
        return;
    }
    Entry *entry = entry_use(dev, next_hop);
    if (!entry) {
        pending_add(dev, next_hop, pkt);
        return;
    }
    entry->cached = true;
    dev->neigh_hint = (NeighHint){next_hop, entry->reachable_until, entry->mac};
    transmit_to(dev, entry->mac, pkt);
}

bool
neigh_cached(NetDev *dev, IpAddr next_hop, MacAddr *ret_mac)
{
    if (hint_valid(dev, next_hop)) {
        *ret_mac = dev->neigh_hint.mac;
        return true;
    }
    Entry *entry = entry_use(dev, next_hop);
    if (!entry || !entry->cached || entry->reachable_until <= dev->host->sim->now)
        return false;
    *ret_mac = entry->mac;
    return true;
}

bool
neigh_answers(const NetDev *dev, IpAddr addr)
{
    const Host *host = dev->host;

    if (!dev->up || host->down || ipaddr_is_loopback(&addr))
        return false;
    /* IPv6 answers for the interface's addresses, IPv4 for any of the host's unless arp_ignore says otherwise. */
    if (ipaddr_is_v4(&addr) && host->sysctls.arp_ignore == 0 ? fib_is_local(host->fib, addr, NULL)
                                                             : netdev_has_addr(dev, addr))
        return true;
    if (!dev->proxy_arp)
        return false;
    const Route *route = fib_lookup(host->fib, addr);
    return route && route->type == ROUTE_UNICAST && route->dev != dev;
}

bool
neigh_segment_find(const NetDev *dev, IpAddr addr, uint32_t depth, MacAddr *ret_mac)
{
    NetDev *peer = dev->peer;

    if (dev->kind == DEV_BRIDGE)
        return bridge_find_owner((NetDev *)dev, NULL, addr, depth, ret_mac);
    if (dev->kind == DEV_VXLAN)
        return vxlan_find_remote(dev, addr, ret_mac);
    if (!peer || !dev->up || !peer->up || peer->host->down || depth > NEIGH_MAX_DEPTH)
        return false;
    if (peer->master)
        return bridge_find_owner(peer->master, peer, addr, depth, ret_mac);
    if (!neigh_answers(peer, addr))
        return false;
    *ret_mac = peer->mac;
    return true;
}

void
netdev_announce(NetDev *dev, IpAddr addr)
{
    if (dev->kind == DEV_BRIDGE)
        bridge_announce(dev, NULL, addr, dev->mac, 0);
    else
        neigh_announce_behind(dev, addr, dev->mac, 0);
}

void
neigh_announce_behind(const NetDev *dev, IpAddr addr, MacAddr mac, uint32_t depth)
{
    NetDev *peer = dev->peer;

    if (!peer || !dev->up || !peer->up || peer->host->down || depth > NEIGH_MAX_DEPTH)
        return;
    if (peer->master)
        bridge_announce(peer->master, peer, addr, mac, depth);
    else
        neigh_learn(peer, addr, mac);
}

void
neigh_learn(NetDev *dev, IpAddr addr, MacAddr mac)
{
    Neigh *neigh = dev->host->neigh;
    if (!neigh)
        return;
    Key key = {.addr = addr, .dev = dev->index};
    Entry *entry = htable_find(&neigh->entries, &key);
    if (entry)
        entry->mac = mac;
    dev->neigh_hint.until = 0;
}

void
neigh_prefetch(const NetDev *dev, IpAddr addr)
{
    Key key = {.addr = addr, .dev = dev->index};

    if (dev->host->neigh && !hint_valid(dev, addr))
        htable_prefetch(&dev->host->neigh->entries, &key);
}

/* The entry of 'addr', asked for on the segment if it is not known or stale; NULL if nobody answers. */
static Entry *
entry_use(NetDev *dev, IpAddr addr)
{
    Neigh *neigh = host_neigh(dev->host);
    SimTime now = dev->host->sim->now;
    Key key = {.addr = addr, .dev = dev->index};
    Entry *entry = htable_find(&neigh->entries, &key);

    if (entry) {
        if (now < entry->reachable_until)
            return entry;
        if (entry->probe_at == 0)
            entry->probe_at = now + DELAY;
        if (now < entry->probe_at)
            return entry;
    }
    MacAddr mac;
    if (!neigh_segment_find(dev, addr, 0, &mac)) {
        if (entry && now < entry->probe_at + PROBES * RETRANS)
            return entry; /* Probed by unicast; the old address is used until that fails. */
        if (entry)
            htable_remove(&neigh->entries, &key);
        return NULL;
    }
    if (!entry)
        entry = htable_insert(&neigh->entries, &key, NULL);
    entry->mac = mac;
    entry->reachable_until = now + REACHABLE;
    entry->probe_at = 0;
    return entry;
}

static bool
hint_valid(const NetDev *dev, IpAddr addr)
{
    return dev->host->sim->now < dev->neigh_hint.until && ipaddr_eq(dev->neigh_hint.addr, addr);
}

static Neigh *
host_neigh(Host *host)
{
    if (!host->neigh) {
        host->neigh = g_new0(Neigh, 1);
        htable_init(&host->neigh->entries, sizeof(Key), sizeof(Entry));
    }
    return host->neigh;
}

/* Queues 'pkt' while the address is probed. */
static void
pending_add(NetDev *dev, IpAddr addr, Packet *pkt)
{
    Host *host = dev->host;
    Neigh *neigh = host_neigh(host);
    Pending *pending = NULL;

    for (size_t i = 0; i < neigh->pending.len && !pending; i++)
        if (neigh->pending.data[i]->dev == dev && ipaddr_eq(neigh->pending.data[i]->addr, addr))
            pending = neigh->pending.data[i];
    if (!pending) {
        pending = g_new0(Pending, 1);
        pending->host = host;
        pending->dev = dev;
        pending->addr = addr;
        pending->timer = timer_new(host->sim, "neigh.probe", &host->entity, pending_fire, pending);
        timer_arm(host->sim, pending->timer, host->sim->now + RETRANS);
        vec_push(&neigh->pending, pending);
    }
    /* The queue holds the newest: the oldest give way (__neigh_event_send()). */
    uint32_t bytes = packet_eth_size(pkt);
    while (pending->queue.len > 0 && pending->queued_bytes + bytes > QUEUE_SIZE) {
        Packet *oldest = pending->queue.data[0];
        vec_remove(&pending->queue, 0);
        pending->queued_bytes -= packet_eth_size(oldest);
        host_drop(host, oldest, DROP_NEIGHBOUR);
    }
    pending->queued_bytes += bytes;
    vec_push(&pending->queue, pkt);
}

/* One probe is over: found, asked again, or given up. */
static void
pending_fire(Sim *sim, void *owner)
{
    Pending *pending = owner;
    Host *host = pending->host;
    Neigh *neigh = host->neigh;
    MacAddr mac;
    bool found = neigh_segment_find(pending->dev, pending->addr, 0, &mac);

    if (!found && ++pending->n_probes < PROBES) {
        timer_arm(sim, pending->timer, sim->now + RETRANS);
        return;
    }
    for (size_t i = 0; i < neigh->pending.len; i++) {
        if (neigh->pending.data[i] == pending) {
            vec_remove(&neigh->pending, i);
            break;
        }
    }
    if (!found) {
        pending_free(pending, true);
        return;
    }
    for (size_t i = 0; i < pending->queue.len; i++)
        neigh_output(pending->dev, pending->addr, pending->queue.data[i]);
    pending->queue.len = 0;
    pending_free(pending, false);
}

/* 'failed': answers and drops what waits, as arp_error_report() and ndisc_error_report(); else frees it silently. */
static void
pending_free(Pending *pending, bool failed)
{
    Host *host = pending->host;

    timer_free(host->sim, &pending->timer);
    for (size_t i = 0; i < pending->queue.len; i++) {
        Packet *pkt = pending->queue.data[i];
        if (!failed) {
            packet_free(host->sim, pkt);
            continue;
        }
        icmp_send_unreachable(host, pkt,
                              packet_family(pkt) == FAMILY_IPV4 ? REJECT_HOST_UNREACH : REJECT6_ADDR_UNREACH);
        host_drop(host, pkt, DROP_NEIGHBOUR);
    }
    vec_clear(&pending->queue);
    g_free(pending);
}

static void
transmit_to(NetDev *dev, MacAddr mac, Packet *pkt)
{
    pkt->eth_dst = mac;
    if (pkt->meta.nf_bridge != NFBR_DNAT) /* A bridged frame keeps its sender. */
        pkt->eth_src = dev->mac;
    netdev_transmit(dev, pkt);
}
