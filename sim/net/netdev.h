#ifndef SIM_NET_NETDEV_H
#define SIM_NET_NETDEV_H

/* Interfaces of a host: loopback, veth, bridge and its ports, Ethernet on a link, dummy, VXLAN
 *
 * A frame is handed over by call inside a host and by one event on a link or veth.  Captures see a frame where tcpdump
 * does: DEV_OUT as it is given to the interface, DEV_IN as it arrives (a bridge's own interface: when a frame is passed
 * up or sent by the host).  A bridge forwards by its learned or known MAC table; hairpin is a port flag. */

#include "sim/engine/sim.h"
#include "sim/packet/packet.h"
#include "sim/trace/trace.h"

typedef enum { DEV_LOOPBACK, DEV_ETHER, DEV_VETH, DEV_BRIDGE, DEV_DUMMY, DEV_VXLAN } NetDevKind;

typedef struct {
    uint64_t rate_bps;    /* 0: infinitely fast. */
    SimTime latency;      /* One way. */
    uint32_t queue_bytes; /* Tail drop beyond this; 0: no limit. */
    uint32_t loss_ppm;    /* Random loss, parts per million. */
} LinkParams;

typedef struct NetDevAddr {
    IpPrefix prefix; /* Address with its on-link prefix length. */
    bool secondary;
} NetDevAddr;

NetDev *netdev_new(Host *host, const char *name, NetDevKind kind); /* Owned by the host. */
/* Keeps an index for a device that is made later, so that it is the same whenever that is. */
uint32_t netdev_reserve(Host *host);
NetDev *netdev_new_at(Host *host, const char *name, NetDevKind kind, uint32_t index);
/* Removes a device with its addresses and routes: "ip link del".  No packet of this host may be under way in it. */
void netdev_delete(NetDev *dev);
const char *netdev_name(const NetDev *dev);
Host *netdev_host(const NetDev *dev);
NetDevKind netdev_kind(const NetDev *dev);
uint32_t netdev_index(const NetDev *dev); /* From 1 (lo), in order of creation. */
MacAddr netdev_mac(const NetDev *dev);
void netdev_set_mac(NetDev *dev, MacAddr mac);
uint32_t netdev_mtu(const NetDev *dev);
void netdev_set_mtu(NetDev *dev, uint32_t mtu);
bool netdev_up(const NetDev *dev);
void netdev_set_up(NetDev *dev, bool up);
/* "minikube/eth0": host name and interface name; lives as long as the device. */
const char *netdev_label(const NetDev *dev);

/* Adds an address; makes the connected route and the local route (fib.h).  The first of a family is the primary one. */
void netdev_add_addr(NetDev *dev, IpPrefix prefix);
bool netdev_remove_addr(NetDev *dev, IpAddr addr);
const NetDevAddr *netdev_addrs(const NetDev *dev, size_t *ret_n);

/* Joins two devices (veth pair or Ethernet cable), the same parameters both ways unless changed after. */
void netdev_connect(NetDev *a, NetDev *b, const LinkParams *params);
NetDev *netdev_peer(const NetDev *dev);
void netdev_disconnect(NetDev *dev);
LinkParams *
netdev_link(NetDev *dev); /* Of the direction that leaves 'dev'; changes take effect with the next packet. */

/* Makes 'port' a port of 'bridge'.  The port then has no addresses of its own. */
void bridge_add_port(NetDev *bridge, NetDev *port, bool hairpin);
void bridge_set_hairpin(NetDev *port, bool hairpin);
void bridge_set_call_iptables(NetDev *bridge, bool on); /* bridge-nf-call-iptables; default from the host's sysctls. */
NetDev *netdev_master(const NetDev *dev);               /* The bridge of a port, or NULL. */

/* VXLAN: what is sent to 'dev' is wrapped in UDP and sent by the host to the tunnel endpoint that the next hop maps to.
 */
void vxlan_configure(NetDev *dev, uint32_t vni, IpAddr local, bool bad_checksum);
void vxlan_set_bad_checksum(NetDev *dev, bool bad_checksum);
void vxlan_add_remote(NetDev *dev, IpAddr next_hop, IpAddr endpoint);

/* Answers neighbour requests for any address that the host routes elsewhere (proxy_arp, proxy_ndp). */
void netdev_set_proxy_arp(NetDev *dev, bool on);
/* Gratuitous ARP: hosts on the segment that know 'addr' by another MAC learn this one. */
void netdev_announce(NetDev *dev, IpAddr addr);

/* Sends a frame with its Ethernet addresses filled in; takes the packet. */
void netdev_transmit(NetDev *dev, Packet *pkt);

typedef struct {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, dropped;
} NetDevStats;
const NetDevStats *netdev_stats(const NetDev *dev);

#endif
