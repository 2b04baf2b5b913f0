#ifndef SIM_NET_HOST_H
#define SIM_NET_HOST_H

/* Host: one Linux network namespace
 *
 * Owns interfaces, routes, the netfilter stack, sockets and sysctls; parts are made on first use, so that an idle pod
 * costs little.  The receive and send paths are ip_input.c and ip_output.c: read them in that order.
 *
 * A packet's way inside a host is a plain chain of calls: hooks, routing and NAT take no simulated time. */

#include "sim/engine/timer.h"
#include "sim/net/fib.h"
#include "sim/net/netdev.h"
#include "sim/netfilter/nf_stack.h"

/* Names as under /proc/sys, "net.ipv4." and the like in front; defaults are the kernel's, but ip_forward (0). */
typedef struct {
    bool ip_forward, ip6_forward;
    uint8_t rp_filter; /* 0 off, 1 strict, 2 loose. */
    bool route_localnet;
    bool send_redirects;
    bool accept_local;
    uint8_t arp_ignore;      /* 0: answers ARP for any own address, 1: for addresses of that interface only. */
    uint32_t icmp_ratelimit; /* ms between errors to one target; 0: no limit. */
    uint32_t icmp6_ratelimit;
    uint32_t icmp_msgs_per_sec, icmp_msgs_burst; /* The global bucket: 1000 and 50. */
    bool bridge_nf_call_iptables, bridge_nf_call_ip6tables;
    uint16_t port_range_min, port_range_max; /* ip_local_port_range. */
    uint8_t default_ttl;
    uint8_t tcp_syn_retries, tcp_syn_linear_timeouts, tcp_synack_retries, tcp_retries2, tcp_orphan_retries;
    uint32_t tcp_fin_timeout_s, tcp_keepalive_time_s, tcp_keepalive_intvl_s;
    uint8_t tcp_keepalive_probes;
    bool tcp_abort_on_overflow;
    bool tcp_timestamps, tcp_sack, tcp_window_scaling;
    uint32_t somaxconn;
    /* No sysctl: how long a new connection is under way between its translation and its entry in the conntrack table.
     * On several CPUs such packets overlap and can clash; 0: one packet at a time. */
    SimTime confirm_delay;
} HostSysctls;

void host_sysctls_default(HostSysctls *ret_sysctls);

/* 'name' is unique in the Sim and stable ("minikube", "pod/default/web-0", "client/laptop"). */
Host *host_new(Sim *sim, const char *name);
void host_free(Host *host);
Sim *host_sim(const Host *host);
const char *host_name(const Host *host);
SimEntity *host_entity(Host *host);
HostSysctls *host_sysctls(Host *host);
/* "net.ipv4.ip_forward" = "1", net.netfilter.nf_conntrack_*, net.bridge.*; false if unknown or out of range. */
bool host_sysctl_set(Host *host, const char *name, const char *value);
/* Down: everything that arrives vanishes, sockets are gone, timers stand still (a node that lost power). */
void host_set_down(Host *host, bool down);
bool host_down(const Host *host);

NetDev *host_dev(const Host *host, const char *name);
/* By index - 1; holes (NULL) where a device was deleted. */
NetDev *const *host_devs(const Host *host, size_t *ret_n);
NetDev *host_loopback(Host *host); /* Made with the host, with 127.0.0.1/8 and ::1/128. */
Fib *host_fib(Host *host);
/* `ip route add PREFIX [via VIA] dev DEV`; 'via' may be IPADDR_ANY4 or IPADDR_ANY6 for on link. */
void host_route_add(Host *host, IpPrefix prefix, IpAddr via, NetDev *dev);
NfStack *host_netfilter(Host *host);            /* Made on first call. */
NfStack *host_netfilter_peek(const Host *host); /* NULL if none was made. */

/* What stands behind a host without being made before somebody looks for it: so many namespaces that nobody calls. */
typedef struct {
    void (*addr)(void *user, IpAddr addr); /* 'addr' is about to be looked for, in the routes or on a bridge. */
    void (*all)(void *user);               /* A frame goes to everybody on a bridge. */
} HostLatentOps;
void host_set_latent(Host *host, const HostLatentOps *ops, void *user); /* NULL: all is made. */

/* Opaque context of the layer above (e.g. the pod that this namespace belongs to). */
void host_set_user(Host *host, void *user);
void *host_user(const Host *host);

/* --- The IP paths ------------------------------------------------------------------------------------------------ */

/* A frame arrives from 'dev'; takes the packet. */
void ip_receive(NetDev *dev, Packet *pkt);

/* Why a local send failed at once, in the sender's errno terms. */
typedef enum { IP_SENT, IP_EPERM, IP_ENETUNREACH, IP_EHOSTUNREACH, IP_EINVAL, IP_EMSGSIZE, IP_EACCES } IpSendResult;

/* Sends a packet of this host: routes it (source filled in if any), OUTPUT, routes again if changed, POSTROUTING,
 * device. Takes the packet. */
IpSendResult ip_send(Host *host, Packet *pkt);
/* The same without the demand that the source be an own address (raw sockets with IP_HDRINCL, crafted packets). */
IpSendResult ip_send_any_source(Host *host, Packet *pkt);

/* Source address selection for a destination, without sending. */
bool ip_source_for(Host *host, IpAddr dst, IpAddr *ret_src);
/* MTU of the path as known here (route's device, learned PMTU). */
uint32_t ip_path_mtu(Host *host, IpAddr dst);

/* ICMP errors about 'pkt' (borrowed): rate limits and rules of RFC 1122 apply (never about an error, a fragment, ...).
 */
void icmp_send_unreachable(Host *host, const Packet *pkt, RejectWith code);
void icmp_send_ttl_exceeded(Host *host, const Packet *pkt);
void icmp_send_frag_needed(Host *host, const Packet *pkt, uint32_t mtu);

/* Sends an echo request; 'payload_len' zero bytes follow the header. */
IpSendResult icmp_send_echo(Host *host, IpAddr dst, uint16_t id, uint16_t seq, uint32_t payload_len);
/* What REJECT does with 'pkt' (borrowed): ICMP error or TCP reset (nf_reject_ipv4.c, nf_reject_ipv6.c). */
void ip_send_reject(Host *host, const Packet *pkt, RejectWith with);
/* The RST that answers a segment (RFC 9293 3.10.7.1), addressed back, not sent; NULL if 'pkt' is itself a RST. */
Packet *ip_make_tcp_reset(Host *host, const Packet *pkt);
/* No socket takes 'pkt': answers with RST, port or protocol unreachable, and ends the packet. */
void ip_answer_no_socket(Host *host, Packet *pkt);

/* --- Beside the kernel: a data plane that takes packets before they are routed (load balancers, fabrics) --------- */

typedef enum {
    FORWARD_ROUTE, /* Goes on, possibly rewritten, and is routed as usual. */
    FORWARD_VIA,   /* Forwarded to 'next_hop' over 'dev', whatever the routes say. */
    FORWARD_DROP,  /* Ends here for 'reason'. */
    FORWARD_RESET, /* The same, answered by a TCP reset (TCP only). */
} ForwardVerdict;

typedef struct {
    IpAddr next_hop;
    NetDev *dev;
    DropReason reason;
} ForwardTo;

typedef struct {
    /* Sees each IP packet that comes in by an interface, after PREROUTING; may rewrite it and report that by
     * TRACE_NAT. */
    ForwardVerdict (*forward)(void *user, Packet *pkt, ForwardTo *ret_to);
    void *user;
    bool bridged; /* Also asked about frames that a bridge of the host passes on; of its verdicts only FORWARD_VIA over
                   * that bridge counts then. */
} HostForwarder;
void host_set_forwarder(Host *host, const HostForwarder *forwarder); /* Borrowed; NULL: none. */

typedef struct {
    uint64_t in_receives, in_delivers, forwarded, out_requests;
    uint32_t dropped[DROP_N_REASONS];
} HostStats;
const HostStats *host_stats(const Host *host);

/* Ends a packet: counts, traces, frees it. */
void host_drop(Host *host, Packet *pkt, DropReason reason);

/* --- Upwards: registered by sim/transport when a host gets its first socket ------------------------------------- */
typedef struct {
    /* Takes the packet. */
    void (*input)(Host *host, Packet *pkt);
    /* An ICMP error for a packet that this host sent ('pkt' borrowed; quote in pkt->icmp). */
    void (*error)(Host *host, const Packet *pkt);
    void (*host_down)(Host *host);
    void (*destroy)(Host *host);
    /* Of EventType.prepare(), for a packet that is likely to be delivered here: steps 2 to 0. */
    void (*prepare)(const Host *host, const Packet *pkt, uint32_t step);
} TransportOps;
void host_set_transport(Host *host, const TransportOps *ops, void *sockets);
void *host_transport(const Host *host);
/* Without sockets, a host still answers: RST, port unreachable, echo reply. */

#endif
