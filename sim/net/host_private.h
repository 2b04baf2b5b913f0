#ifndef SIM_NET_HOST_PRIVATE_H
#define SIM_NET_HOST_PRIVATE_H

/* What the files of this room share: the structures behind Host and NetDev, and the steps of the IP paths
 *
 * Parts that most hosts never need (netfilter, neighbours, path MTUs, rate limits, bridge and VXLAN state) are
 * pointers, made on first use: a cluster has 100,000 pods. */

#include "sim/engine/htable.h"
#include "sim/net/host.h"
#include "sim/net/link.h"

typedef struct Bridge Bridge;         /* bridge.c */
typedef struct Vxlan Vxlan;           /* vxlan.c */
typedef struct Neigh Neigh;           /* neigh.c */
typedef struct IcmpLimits IcmpLimits; /* icmp_limit.c */
typedef struct LateOutput LateOutput; /* late_output.c */

/* The neighbour used last, confirmed and with its header cached: spares the table. */
typedef struct {
    IpAddr addr;
    SimTime until; /* 0: none. */
    MacAddr mac;
} NeighHint;

struct NetDev {
    Host *host;
    char *label; /* Owned: "host/name". */
    const char *name;
    uint32_t index, mtu;
    MacAddr mac;
    uint8_t kind; /* NetDevKind. */
    bool up, hairpin, proxy_arp;
    MacAddr port_learned; /* Bridge ports: the source last seen, so that a steady sender costs no table access. */
    uint32_t n_addrs;
    NetDevAddr *addrs;
    NetDev *peer, *master;
    NeighHint neigh_hint;
    LinkLane lane;
    union {
        Bridge *bridge; /* DEV_BRIDGE. */
        Vxlan *vxlan;   /* DEV_VXLAN. */
    };
    NetDevStats stats;
};
_Static_assert(sizeof(NetDev) <= 320, "100,000 pods have one, their nodes another");

struct Host {
    Sim *sim;
    char *name;
    SimEntity entity;
    bool down;
    uint8_t depth; /* Of nested transmissions: guards against tunnels into themselves. */
    NetDev **devs; /* Owned, by index - 1, NULL where one was removed; devs[0] is lo. */
    uint32_t n_devs;
    GHashTable *dev_names; /* Name to NetDev, all that are; NULL: few. */
    Fib *fib;
    NfStack *nf;
    Neigh *neigh;
    HTable *pmtu;
    IcmpLimits *icmp_limits;
    LateOutput *late_output;
    const TransportOps *transport_ops;
    void *transport;
    const HostForwarder *forwarder; /* NULL on nearly all hosts. */
    const HostLatentOps *latent;    /* NULL: all is made. */
    void *latent_user;
    void *user;
    HostSysctls sysctls;
    HostStats stats;
};
_Static_assert(sizeof(Host) <= 512, "100,000 pods have one");

/* --- netdev.c --- */
void netdev_free(NetDev *dev);
void netdev_make_entity(NetDev *dev);
static inline SimEntity *
netdev_entity(NetDev *dev)
{
    if (__builtin_expect(dev->lane.entity.id == 0, 0))
        netdev_make_entity(dev);
    return &dev->lane.entity;
}
/* The frame sent from 'sender' reaches the far end. */
void netdev_arrive(NetDev *sender, Packet *pkt);
/* Ends a packet on account of a device. */
void netdev_drop(NetDev *dev, Packet *pkt, DropReason reason);
/* The frame passes 'dev', as 'kind'. */
void netdev_trace_frame(NetDev *dev, TraceKind kind, const Packet *pkt);
static inline void
netdev_trace(NetDev *dev, TraceKind kind, const Packet *pkt)
{
    if (__builtin_expect(dev->host->sim->trace_mask & (TRACE_BIT(kind) | TRACE_NIC_FRAMES), 0))
        netdev_trace_frame(dev, kind, pkt);
}
bool netdev_has_addr(const NetDev *dev, IpAddr addr);

/* --- host_prepare.c --- */
/* EventType.prepare() for a packet that is about to arrive at 'dev', from SIM_PREPARE_STEPS - 3 on. */
void host_prepare(const NetDev *dev, const Packet *pkt, uint32_t ahead);

/* --- bridge.c --- */
/* PacketMeta.nf_bridge; DNAT: kernel's bridged_dnat; ROUTED: DNAT turned it away from the bridge, and it is routed. */
enum { NFBR_NONE, NFBR_PREROUTED, NFBR_DNAT, NFBR_ROUTED };
Bridge *bridge_new(void);
void bridge_free(NetDev *dev);
void bridge_remove_port(NetDev *port);
/* What is behind a port got an address or was just connected; 'port' may be NULL or no port. */
void bridge_port_changed(NetDev *port);
void bridge_port_receive(NetDev *port, Packet *pkt); /* A frame from a port's wire. */
/* Of EventType.prepare(), for a frame that a port will receive: steps 2 (tables), 1 (place) and 0 (the port it leaves
 * by). */
void bridge_prepare(const NetDev *bridge, const Packet *pkt, uint32_t step);
void bridge_transmit(NetDev *bridge, Packet *pkt); /* A frame from the host's stack. */
/* Who on the bridge's segment (not behind 'except') answers for 'addr'; learns the way to it. */
bool bridge_find_owner(NetDev *bridge, const NetDev *except, IpAddr addr, uint32_t depth, MacAddr *ret_mac);

/* An announcement: from the wire of 'port', or from the bridge's host if NULL. */
void bridge_announce(NetDev *bridge, NetDev *port, IpAddr addr, MacAddr mac, uint32_t depth);

/* --- vxlan.c --- */
Vxlan *vxlan_new(void);
void vxlan_free(NetDev *dev);
void vxlan_transmit(NetDev *dev, Packet *pkt);
bool vxlan_find_remote(const NetDev *dev, IpAddr next_hop, MacAddr *ret_mac);
/* True if the delivered packet was a tunnel's: then it is taken. */
bool vxlan_input(Host *host, Packet *pkt);

/* --- late_output.c --- */
/* POSTROUTING and what follows, for a host with a confirm_delay. */
IpSendResult late_output(Host *host, Packet *pkt, NetDev *dev, IpAddr next_hop);
void late_output_forget_dev(Host *host, const NetDev *dev);
void late_output_free(Host *host);

/* --- neigh.c --- */
void neigh_free(Host *host);
void neigh_forget_dev(Host *host, const NetDev *dev);
/* Fills in the Ethernet addresses and transmits; takes the packet. */
void neigh_output(NetDev *dev, IpAddr next_hop, Packet *pkt);
/* For br_netfilter: true with the MAC if the neighbour is confirmed and its header cached. */
bool neigh_cached(NetDev *dev, IpAddr next_hop, MacAddr *ret_mac);
/* Would 'dev' answer a neighbour request for 'addr' that reaches it? */
bool neigh_answers(const NetDev *dev, IpAddr addr);
/* Does somebody at the far end of 'dev' answer for 'addr'? */
bool neigh_segment_find(const NetDev *dev, IpAddr addr, uint32_t depth, MacAddr *ret_mac);
/* An announcement leaves by 'dev' and reaches those behind it. */
void neigh_announce_behind(const NetDev *dev, IpAddr addr, MacAddr mac, uint32_t depth);
/* Updates an entry that exists (arp_accept 0). */
void neigh_learn(NetDev *dev, IpAddr addr, MacAddr mac);
void neigh_prefetch(const NetDev *dev, IpAddr addr); /* For neigh_output(). */
#define NEIGH_MAX_DEPTH 8u                           /* Bridges in a row. */

/* --- ip_route.c --- */
typedef struct {
    uint8_t kind;        /* TraceRouteKind. */
    DropReason reason;   /* TRACE_ROUTE_NONE: why. */
    RejectWith answer;   /* TRACE_ROUTE_NONE on input: ICMP to send, or REJECT_NONE. */
    IpSendResult result; /* TRACE_ROUTE_NONE on output. */
    NetDev *dev;         /* Way out; lo for local. */
    IpAddr next_hop;     /* The destination itself if on link. */
    IpAddr src;          /* Output: the source to use. */
} IpRoute;

/* ip_route_output_key(): 'src' any: chosen; 'any_source': a foreign source is fine. 'flow' may be NULL. */
IpRoute ip_route_output(Host *host, IpAddr dst, IpAddr src, bool any_source, const Packet *flow);
/* ip_route_input(): for a packet that came in by 'in'. */
IpRoute ip_route_input(Host *host, const Packet *pkt, const NetDev *in);
/* inet_select_addr(), ipv6_dev_get_saddr(). */
bool ip_select_addr(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_src);
/* fib_validate_source(): DROP_NONE if fine.  'rp_filter' 0, 1 or 2. */
DropReason ip_validate_source(Host *host, IpAddr src, const NetDev *in, uint8_t rp_filter);
void ip_trace_route(Host *host, const Packet *pkt, const IpRoute *route);

/* --- ip_input.c --- */
void ip_local_deliver(Host *host, Packet *pkt);
/* Walks a hook; true to go on.  Else the packet was answered if the rule says so, traced and freed. */
bool ip_hook_walk(Host *host, NfHook hook, Packet *pkt);
static inline bool
ip_hook(Host *host, NfHook hook, Packet *pkt)
{
    return !host->nf || ip_hook_walk(host, hook, pkt);
}
/* Ends a packet that a hook did not accept. */
void ip_hook_finish(Host *host, NfHook hook, Packet *pkt, const NfResult *result);

/* --- ip_output.c --- */
/* POSTROUTING and out (ip_output()); takes the packet. */
IpSendResult ip_output(Host *host, Packet *pkt, const IpRoute *route);

/* --- icmp.c --- */
void icmp_input(Host *host, Packet *pkt);

/* --- icmp_limit.c --- */
bool icmp_limit_global(Host *host);
void icmp_limit_global_consume(Host *host);
/* Token bucket of 'peer': burst of six, one more every 'interval_ms'. */
bool icmp_limit_peer(Host *host, IpAddr peer, uint32_t interval_ms);
/* The bucket of ip_error(): burst of five, one a second. */
bool icmp_limit_route_error(Host *host, IpAddr peer);
void icmp_limits_free(Host *host);

/* --- pmtu.c --- */
uint32_t pmtu_get(const Host *host, IpAddr dst); /* 0: nothing learned. */
void pmtu_learn(Host *host, IpAddr dst, uint32_t mtu);
void pmtu_free(Host *host);

/* --- host_netfilter.c --- */
extern const NfHostOps host_nf_ops;

#endif
