#include "sim/engine/vec.h"
#include "sim/net/host_private.h"

/* VXLAN device (drivers/net/vxlan, RFC 7348)
 *
 * A frame sent to it is carried in UDP to the tunnel endpoint of its destination MAC; the outer packet is one of the
 * host's own and passes OUTPUT and POSTROUTING.  The mark stays on the packet, as on the kernel's skb.  The MAC of a
 * device follows from VNI and local endpoint, so that the far side's is known without asking.
 *
 * 'bad_checksum' models the offload bug by which the outer UDP checksum is wrong: the receiving host drops it.       */

#define VXLAN_PORT 4789

typedef struct {
    IpAddr next_hop, endpoint;
    MacAddr mac;
} Remote;

struct Vxlan {
    uint32_t vni;
    IpAddr local;
    bool bad_checksum;
    VEC(Remote) remotes;
    HTable by_hop; /* IpAddr to position. */
    HTable by_mac; /* MacKey to position. */
};

typedef struct {
    MacAddr mac;
    uint8_t zero[2];
} MacKey;

static MacAddr endpoint_mac(uint32_t vni, IpAddr endpoint);
static uint16_t source_port(const NetDev *dev, const Packet *inner);

Vxlan *
vxlan_new(void)
{
    Vxlan *vxlan = g_new0(Vxlan, 1);
    htable_init(&vxlan->by_hop, sizeof(IpAddr), sizeof(uint32_t));
    htable_init(&vxlan->by_mac, sizeof(MacKey), sizeof(uint32_t));
    return vxlan;
}

void
vxlan_free(NetDev *dev)
{
    vec_clear(&dev->vxlan->remotes);
    htable_clear(&dev->vxlan->by_hop);
    htable_clear(&dev->vxlan->by_mac);
    g_free(dev->vxlan);
}

void
vxlan_configure(NetDev *dev, uint32_t vni, IpAddr local, bool bad_checksum)
{
    g_assert(dev->kind == DEV_VXLAN);
    dev->vxlan->vni = vni;
    dev->vxlan->local = local;
    dev->vxlan->bad_checksum = bad_checksum;
    dev->mac = endpoint_mac(vni, local);
}

void
vxlan_set_bad_checksum(NetDev *dev, bool bad_checksum)
{
    dev->vxlan->bad_checksum = bad_checksum;
}

void
vxlan_add_remote(NetDev *dev, IpAddr next_hop, IpAddr endpoint)
{
    Vxlan *vxlan = dev->vxlan;
    Remote remote = {next_hop, endpoint, endpoint_mac(vxlan->vni, endpoint)};
    MacKey mac = {.mac = remote.mac};
    bool is_new;
    uint32_t *at = htable_insert(&vxlan->by_hop, &next_hop, &is_new);

    if (is_new) {
        *at = (uint32_t)vxlan->remotes.len;
        vec_push(&vxlan->remotes, remote);
    } else {
        vxlan->remotes.data[*at] = remote;
    }
    *(uint32_t *)htable_insert(&vxlan->by_mac, &mac, NULL) = *at;
}

bool
vxlan_find_remote(const NetDev *dev, IpAddr next_hop, MacAddr *ret_mac)
{
    const uint32_t *at = htable_find(&dev->vxlan->by_hop, &next_hop);
    if (!at)
        return false;
    *ret_mac = dev->vxlan->remotes.data[*at].mac;
    return true;
}

void
vxlan_transmit(NetDev *dev, Packet *pkt)
{
    Host *host = dev->host;
    Vxlan *vxlan = dev->vxlan;
    MacKey mac = {.mac = pkt->eth_dst};
    const uint32_t *at = htable_find(&vxlan->by_mac, &mac);

    if (!at || host->depth > 0) {
        netdev_drop(dev, pkt, at ? DROP_LOOP : DROP_NEIGHBOUR);
        return;
    }
    const Remote *remote = &vxlan->remotes.data[*at];
    Packet *outer = packet_new(host->sim);
    outer->src = vxlan->local;
    outer->dst = remote->endpoint;
    outer->proto = IPPROTO_UDP_;
    outer->sport = source_port(dev, pkt);
    outer->dport = VXLAN_PORT;
    outer->flow = pkt->flow;
    outer->cksum = vxlan->bad_checksum ? CKSUM_BAD : CKSUM_GOOD;
    outer->meta.mark = pkt->meta.mark;
    packet_enter_host(host->sim, pkt); /* The inner frame leaves the host's hands; its connection stays behind. */
    outer->inner = pkt;

    host->depth++;
    ip_send(host, outer);
    host->depth--;
}

bool
vxlan_input(Host *host, Packet *pkt)
{
    if (pkt->proto != IPPROTO_UDP_ || pkt->dport != VXLAN_PORT || !pkt->inner)
        return false;
    /* By VNI in reality; a host has one device per local address here. */
    for (uint32_t i = 0; i < host->n_devs; i++) {
        NetDev *dev = host->devs[i];
        if (!dev || dev->kind != DEV_VXLAN || !ipaddr_eq(dev->vxlan->local, pkt->dst) || !dev->up)
            continue;
        Packet *inner = pkt->inner;
        pkt->inner = NULL;
        packet_free(host->sim, pkt);
        dev->stats.rx_packets++;
        dev->stats.rx_bytes += packet_eth_size(inner);
        packet_enter_host(host->sim, inner);
        netdev_trace(dev, TRACE_DEV_IN, inner);
        if (dev->master)
            bridge_port_receive(dev, inner);
        else
            ip_receive(dev, inner);
        return true;
    }
    return false;
}

static MacAddr
endpoint_mac(uint32_t vni, IpAddr endpoint)
{
    char text[IPADDR_STR_SIZE], name[IPADDR_STR_SIZE + 24];
    g_snprintf(name, sizeof name, "vxlan/%u/%s", vni, ipaddr_format(endpoint, text));
    return mac_from_name(name);
}

/* udp_flow_src_port(): a hash of the inner flow in the local port range, so that underlays spread tunnels. */
static uint16_t
source_port(const NetDev *dev, const Packet *inner)
{
    const HostSysctls *sysctls = &dev->host->sysctls;
    struct {
        IpAddr src, dst;
        uint16_t sport, dport;
        uint32_t proto;
    } key = {inner->src, inner->dst, 0, 0, inner->proto};
    if (packet_has_ports(inner)) {
        key.sport = inner->sport;
        key.dport = inner->dport;
    }
    uint32_t n = (uint32_t)(sysctls->port_range_max - sysctls->port_range_min) + 1;
    return (uint16_t)(sysctls->port_range_min + rng_hash(dev->index, &key, sizeof key) % n);
}
