#include "sim/engine/prefetch.h"
#include "sim/engine/vec.h"
#include "sim/net/host_private.h"

/* Bridge with br_netfilter (net/bridge/br_input.c, br_forward.c, br_netfilter_hooks.c)
 *
 * A frame of a port passes PREROUTING as if it had come in by the bridge device.  If DNAT turned its destination, it is
 * routed: a target behind the same bridge is bridged on with the target's MAC (TTL untouched), anything else goes up to
 * the host, where PREROUTING is not walked again.  A bridged frame passes FORWARD and POSTROUTING with the bridge as
 * both interfaces; a frame that the host sends by the bridge has had POSTROUTING already and passes none.
 *
 * MACs are learned from frames and from neighbour look-ups (whose frames are not modelled); there is no aging: a
 * station that moved is learned anew. */

typedef struct {
    MacAddr mac;
    uint8_t zero[2];
} MacKey;

struct Bridge {
    VEC(NetDev *) ports;  /* By index: the order does not tell when they joined. */
    HTable fdb;           /* MacKey to index of the port. */
    HTable owners;        /* IpAddr to index of the port behind which it may answer: a hint, verified at each use. */
    bool owners_stale;    /* Ports or addresses behind them came since the hints were last filled in. */
    int8_t call_iptables; /* -1: as the host's sysctls say. */
};

/* With more ports an unknown address is looked up among the addresses behind all of them, not asked for at each. */
#define ASK_EACH_PORT_MAX 32u

static bool is_steered(NetDev *bridge, Packet *pkt);
static bool calls_netfilter(const NetDev *bridge, const Packet *pkt);
static bool redirect_dnat(NetDev *bridge, Packet *pkt);
static void frame_finish(NetDev *bridge, NetDev *port, Packet *pkt);
static void pass_up(NetDev *bridge, Packet *pkt);
static void forward(NetDev *bridge, NetDev *from, NetDev *to, Packet *pkt);
static void flood(NetDev *bridge, const NetDev *except, const Packet *pkt);
static bool ask_hinted_port(NetDev *bridge, const NetDev *except, IpAddr addr, uint32_t depth, MacAddr *ret_mac);
static void fill_owners(Bridge *state);
static NetDev *port_by_index(const NetDev *bridge, const uint32_t *index);
static NetDev *fdb_find(NetDev *bridge, MacAddr mac);
static void fdb_learn(NetDev *bridge, const NetDev *port, MacAddr mac);
static bool mac_is_behind(const NetDev *port, MacAddr mac, uint32_t depth);

Bridge *
bridge_new(void)
{
    Bridge *bridge = g_new0(Bridge, 1);
    htable_init(&bridge->fdb, sizeof(MacKey), sizeof(uint32_t));
    htable_init(&bridge->owners, sizeof(IpAddr), sizeof(uint32_t));
    bridge->call_iptables = -1;
    return bridge;
}

void
bridge_free(NetDev *dev)
{
    Bridge *bridge = dev->bridge;

    for (size_t i = 0; i < bridge->ports.len; i++)
        bridge->ports.data[i]->master = NULL;
    vec_clear(&bridge->ports);
    htable_clear(&bridge->fdb);
    htable_clear(&bridge->owners);
    g_free(bridge);
}

void
bridge_add_port(NetDev *bridge, NetDev *port, bool hairpin)
{
    g_assert(bridge->kind == DEV_BRIDGE && !port->master && port->host == bridge->host);
    size_t at = bridge->bridge->ports.len;
    vec_push(&bridge->bridge->ports, port);
    for (; at > 0 && bridge->bridge->ports.data[at - 1]->index > port->index; at--)
        bridge->bridge->ports.data[at] = bridge->bridge->ports.data[at - 1];
    bridge->bridge->ports.data[at] = port;
    bridge->bridge->owners_stale = true;
    port->master = bridge;
    port->hairpin = hairpin;
}

void
bridge_remove_port(NetDev *port)
{
    if (!port->master)
        return;
    Bridge *bridge = port->master->bridge;
    for (size_t i = 0; i < bridge->ports.len; i++) {
        if (bridge->ports.data[i] == port) {
            vec_remove(&bridge->ports, i);
            break;
        }
    }
    port->master = NULL;
}

void
bridge_set_hairpin(NetDev *port, bool hairpin)
{
    port->hairpin = hairpin;
}

void
bridge_set_call_iptables(NetDev *bridge, bool on)
{
    bridge->bridge->call_iptables = on;
}

void
bridge_prepare(const NetDev *bridge, const Packet *pkt, uint32_t step)
{
    MacKey key = {.mac = pkt->eth_dst};

    if (step == 2) {
        cache_prefetch(bridge->bridge, sizeof(Bridge));
        return;
    }
    if (mac_is_group(pkt->eth_dst) || mac_eq(pkt->eth_dst, bridge->mac))
        return;
    if (step == 1) {
        htable_prefetch(&bridge->bridge->fdb, &key);
        return;
    }
    const NetDev *port = port_by_index(bridge, htable_find(&bridge->bridge->fdb, &key));
    if (port)
        cache_prefetch(port, sizeof *port);
}

void
bridge_port_receive(NetDev *port, Packet *pkt)
{
    NetDev *bridge = port->master;

    if (!bridge->up) {
        netdev_drop(port, pkt, DROP_LINK_DOWN);
        return;
    }
    if (!mac_eq(port->port_learned, pkt->eth_src)) {
        fdb_learn(bridge, port, pkt->eth_src);
        port->port_learned = pkt->eth_src;
    }
    pkt->meta.in = bridge;
    if (__builtin_expect(bridge->host->forwarder != NULL, 0) && is_steered(bridge, pkt))
        return;
    if (calls_netfilter(bridge, pkt)) {
        IpAddr dst = pkt->dst;
        pkt->meta.phys_in = port;
        pkt->meta.nf_bridge = NFBR_PREROUTED;
        if (!ip_hook(bridge->host, NF_PREROUTING, pkt))
            return;
        if (!ipaddr_eq(dst, pkt->dst) && !redirect_dnat(bridge, pkt))
            return;
    }
    frame_finish(bridge, port, pkt);
}

/* A fabric that looks into frames; true if the packet is taken. */
static bool
is_steered(NetDev *bridge, Packet *pkt)
{
    const HostForwarder *forwarder = bridge->host->forwarder;
    ForwardTo to = {.dev = NULL};

    if (!forwarder->bridged || pkt->eth != ETH_IP || mac_is_group(pkt->eth_dst) || mac_eq(pkt->eth_dst, bridge->mac))
        return false;
    if (forwarder->forward(forwarder->user, pkt, &to) != FORWARD_VIA || to.dev != bridge)
        return false;
    neigh_output(bridge, to.next_hop, pkt);
    return true;
}

void
bridge_transmit(NetDev *bridge, Packet *pkt)
{
    if (pkt->meta.nf_bridge == NFBR_DNAT) {
        /* br_nf_pre_routing_finish_bridge_slow(): the neighbour code handed a bridged frame to us. */
        pkt->meta.nf_bridge = NFBR_PREROUTED;
        frame_finish(bridge, (NetDev *)pkt->meta.phys_in, pkt);
        return;
    }
    if (mac_is_group(pkt->eth_dst)) {
        flood(bridge, NULL, pkt);
        packet_free(bridge->host->sim, pkt);
        return;
    }
    NetDev *port = fdb_find(bridge, pkt->eth_dst);
    if (port)
        netdev_transmit(port, pkt);
    else
        netdev_drop(bridge, pkt, DROP_BRIDGE_UNKNOWN);
}

bool
bridge_find_owner(NetDev *bridge, const NetDev *except, IpAddr addr, uint32_t depth, MacAddr *ret_mac)
{
    Bridge *state = bridge->bridge;

    if (!bridge->up)
        return false;
    if (except && neigh_answers(bridge, addr)) {
        *ret_mac = bridge->mac;
        return true;
    }
    if (bridge->host->latent)
        bridge->host->latent->addr(bridge->host->latent_user, addr);
    if (ask_hinted_port(bridge, except, addr, depth, ret_mac))
        return true;
    if (state->owners_stale && state->ports.len > ASK_EACH_PORT_MAX) {
        fill_owners(state);
        if (ask_hinted_port(bridge, except, addr, depth, ret_mac))
            return true;
    }
    for (size_t i = 0; i < state->ports.len; i++) {
        NetDev *port = state->ports.data[i];
        if (port == except || !neigh_segment_find(port, addr, depth + 1, ret_mac))
            continue;
        *(uint32_t *)htable_insert(&state->owners, &addr, NULL) = port->index;
        fdb_learn(bridge, port, *ret_mac);
        return true;
    }
    return false;
}

static bool
ask_hinted_port(NetDev *bridge, const NetDev *except, IpAddr addr, uint32_t depth, MacAddr *ret_mac)
{
    NetDev *hint = port_by_index(bridge, htable_find(&bridge->bridge->owners, &addr));

    if (!hint || hint == except || !neigh_segment_find(hint, addr, depth + 1, ret_mac))
        return false;
    fdb_learn(bridge, hint, *ret_mac);
    return true;
}

static void
fill_owners(Bridge *state)
{
    state->owners_stale = false;
    for (size_t i = 0; i < state->ports.len; i++) {
        const NetDev *port = state->ports.data[i], *peer = port->peer;
        for (uint32_t a = 0; peer && a < peer->n_addrs; a++)
            *(uint32_t *)htable_insert(&state->owners, &peer->addrs[a].prefix.addr, NULL) = port->index;
    }
}

void
bridge_port_changed(NetDev *port)
{
    if (port && port->master)
        port->master->bridge->owners_stale = true;
}

void
bridge_announce(NetDev *bridge, NetDev *port, IpAddr addr, MacAddr mac, uint32_t depth)
{
    if (port) {
        fdb_learn(bridge, port, mac);
        neigh_learn(bridge, addr, mac);
    }
    for (size_t i = 0; i < bridge->bridge->ports.len; i++)
        if (bridge->bridge->ports.data[i] != port)
            neigh_announce_behind(bridge->bridge->ports.data[i], addr, mac, depth + 1);
}

static bool
calls_netfilter(const NetDev *bridge, const Packet *pkt)
{
    const Host *host = bridge->host;
    IpFamily family = packet_family(pkt);

    if (!host->nf || pkt->eth != ETH_IP || !nf_stack_active(host->nf, family))
        return false;
    if (bridge->bridge->call_iptables >= 0)
        return bridge->bridge->call_iptables != 0;
    return family == FAMILY_IPV4 ? host->sysctls.bridge_nf_call_iptables : host->sysctls.bridge_nf_call_ip6tables;
}

/* br_nf_pre_routing_finish() after DNAT: true to go on in the bridge, false if the packet was taken. */
static bool
redirect_dnat(NetDev *bridge, Packet *pkt)
{
    Host *host = bridge->host;
    IpRoute route = ip_route_input(host, pkt, bridge);

    if (route.kind == TRACE_ROUTE_NONE && route.reason == DROP_FORWARDING_OFF) {
        /* Bridged and DNATed traffic does not need ip_forward. */
        IpRoute out = ip_route_output(host, pkt->dst, pkt->src, true, pkt);
        if (out.kind == TRACE_ROUTE_OUTPUT && out.dev == bridge) {
            route = out;
            route.kind = TRACE_ROUTE_FORWARD;
        }
    }
    if (route.kind == TRACE_ROUTE_NONE) {
        ip_trace_route(host, pkt, &route);
        host_drop(host, pkt, route.reason);
        return false;
    }
    if (route.kind != TRACE_ROUTE_FORWARD || route.dev != bridge) {
        pkt->eth_dst = bridge->mac; /* Up to the host, which routes it again. */
        pkt->meta.nf_bridge = NFBR_ROUTED;
        return true;
    }
    ip_trace_route(host, pkt, &route);
    if (neigh_cached(bridge, route.next_hop, &pkt->eth_dst))
        return true;
    pkt->meta.nf_bridge = NFBR_DNAT;
    neigh_output(bridge, route.next_hop, pkt);
    return false;
}

static void
frame_finish(NetDev *bridge, NetDev *port, Packet *pkt)
{
    if (mac_is_group(pkt->eth_dst)) {
        flood(bridge, port, pkt);
        pass_up(bridge, pkt);
        return;
    }
    if (mac_eq(pkt->eth_dst, bridge->mac) || mac_eq(pkt->eth_dst, port->mac)) {
        pass_up(bridge, pkt);
        return;
    }
    NetDev *to = fdb_find(bridge, pkt->eth_dst);
    if (to)
        forward(bridge, port, to, pkt);
    else
        netdev_drop(bridge, pkt, DROP_BRIDGE_UNKNOWN);
}

/* br_pass_frame_up(): the frame shows on the bridge's own interface. */
static void
pass_up(NetDev *bridge, Packet *pkt)
{
    if (!mac_is_group(pkt->eth_dst))
        pkt->eth_dst = bridge->mac;
    bridge->stats.rx_packets++;
    bridge->stats.rx_bytes += packet_sent_eth_size(pkt);
    netdev_trace(bridge, TRACE_DEV_IN, pkt);
    ip_receive(bridge, pkt);
}

static void
forward(NetDev *bridge, NetDev *from, NetDev *to, Packet *pkt)
{
    Host *host = bridge->host;

    if (from == to && !from->hairpin) {
        netdev_drop(bridge, pkt, DROP_BRIDGE_HAIRPIN);
        return;
    }
    if (packet_sent_ip_size(pkt) > to->mtu) {
        netdev_drop(to, pkt, DROP_MTU);
        return;
    }
    if (pkt->meta.nf_bridge == NFBR_PREROUTED) {
        pkt->meta.in = pkt->meta.out = bridge;
        pkt->meta.phys_out = to->index;
        if (!ip_hook(host, NF_FORWARD, pkt))
            return;
        pkt->meta.in = NULL; /* br_nf_post_routing() */
        if (!ip_hook(host, NF_POSTROUTING, pkt))
            return;
        pkt->meta.nf_bridge = NFBR_NONE;
    }
    netdev_transmit(to, pkt);
}

static void
flood(NetDev *bridge, const NetDev *except, const Packet *pkt)
{
    if (bridge->host->latent)
        bridge->host->latent->all(bridge->host->latent_user);
    for (size_t i = 0; i < bridge->bridge->ports.len; i++) {
        NetDev *port = bridge->bridge->ports.data[i];
        if (port != except && port->up && port->peer)
            netdev_transmit(port, packet_copy(bridge->host->sim, pkt));
    }
}

/* NULL if the port is gone or belongs to another bridge by now. */
static NetDev *
port_by_index(const NetDev *bridge, const uint32_t *index)
{
    if (!index)
        return NULL;
    NetDev *port = bridge->host->devs[*index - 1];
    return port && port->master == bridge ? port : NULL;
}

static NetDev *
fdb_find(NetDev *bridge, MacAddr mac)
{
    MacKey key = {.mac = mac};
    NetDev *port = port_by_index(bridge, htable_find(&bridge->bridge->fdb, &key));
    if (port)
        return port;
    /* Real bridges flood what they do not know and learn from the answer. */
    for (size_t i = 0; i < bridge->bridge->ports.len; i++) {
        port = bridge->bridge->ports.data[i];
        if (mac_is_behind(port, mac, 0)) {
            fdb_learn(bridge, port, mac);
            return port;
        }
    }
    return NULL;
}

static void
fdb_learn(NetDev *bridge, const NetDev *port, MacAddr mac)
{
    MacKey key = {.mac = mac};
    *(uint32_t *)htable_insert(&bridge->bridge->fdb, &key, NULL) = port->index;
}

static bool
mac_is_behind(const NetDev *port, MacAddr mac, uint32_t depth)
{
    const NetDev *peer = port->peer;

    if (!peer || depth > NEIGH_MAX_DEPTH)
        return false;
    if (mac_eq(peer->mac, mac))
        return true;
    if (!peer->master)
        return false;
    if (mac_eq(peer->master->mac, mac))
        return true;
    const Bridge *next = peer->master->bridge;
    for (size_t i = 0; i < next->ports.len; i++)
        if (next->ports.data[i] != peer && mac_is_behind(next->ports.data[i], mac, depth + 1))
            return true;
    return false;
}
