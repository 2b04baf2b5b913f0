#ifndef SIM_NETFILTER_CONNTRACK_H
#define SIM_NETFILTER_CONNTRACK_H

/* Connection tracking and NAT bindings of one host (nf_conntrack_core.c, nf_nat_core.c)
 *
 * An entry has two tuples, both in one hash table.  Lifetimes are lazy: an entry past 'expires' is dead for every
 * look-up; a sweep reclaims, and no result depends on when it runs.  An unconfirmed entry is in no table and dies with
 * its packet. Packets hold references (pkt->meta.ct).  Zones: part of the tuple's key.
 *
 * NAT chooses the reply tuple once; manipulation afterwards follows mechanically from the two tuples. */

#include "sim/engine/sim.h"
#include "sim/netfilter/nf.h"
#include "sim/netfilter/nf_rule.h"
#include "sim/packet/packet.h"
#include "sim/trace/trace.h"

typedef struct Conntrack Conntrack;

/* sysctl name, default (seconds or count): nf_conntrack-sysctl.rst.  Timeouts are held in ns. */
#define CT_TIMEOUTS(X)                                                                                                 \
    X(tcp_timeout_syn_sent, 120)                                                                                       \
    X(tcp_timeout_syn_recv, 60)                                                                                        \
    X(tcp_timeout_established, 432000)                                                                                 \
    X(tcp_timeout_fin_wait, 120)                                                                                       \
    X(tcp_timeout_close_wait, 60)                                                                                      \
    X(tcp_timeout_last_ack, 30)                                                                                        \
    X(tcp_timeout_time_wait, 120)                                                                                      \
    X(tcp_timeout_close, 10)                                                                                           \
    X(tcp_timeout_max_retrans, 300)                                                                                    \
    X(tcp_timeout_unacknowledged, 300)                                                                                 \
    X(udp_timeout, 30)                                                                                                 \
    X(udp_timeout_stream, 120)                                                                                         \
    X(icmp_timeout, 30)                                                                                                \
    X(icmpv6_timeout, 30)                                                                                              \
    X(sctp_timeout_closed, 10)                                                                                         \
    X(sctp_timeout_cookie_wait, 3)                                                                                     \
    X(sctp_timeout_cookie_echoed, 3)                                                                                   \
    X(sctp_timeout_established, 210)                                                                                   \
    X(sctp_timeout_shutdown_sent, 3)                                                                                   \
    X(sctp_timeout_shutdown_recd, 3)                                                                                   \
    X(sctp_timeout_shutdown_ack_sent, 3)                                                                               \
    X(sctp_timeout_heartbeat_sent, 30)                                                                                 \
    X(generic_timeout, 600)

typedef struct {
#define CT_FIELD(name, seconds) SimTime name;
    CT_TIMEOUTS(CT_FIELD)
#undef CT_FIELD
    uint32_t max;     /* nf_conntrack_max. */
    uint32_t buckets; /* For early drop's look around. */
    bool tcp_be_liberal, tcp_ignore_invalid_rst;
    bool tcp_loose;
    bool checksum; /* A bad transport checksum makes a packet INVALID in PREROUTING. */
    uint8_t tcp_max_retrans;
} CtSysctls;

void ct_sysctls_default(CtSysctls *ret_sysctls);
/* By the name behind "net.netfilter.nf_conntrack_" ("max", "tcp_timeout_established"); values as sysctl takes them.
 * False: no such name or value out of range. */
bool ct_sysctl_set(CtSysctls *sysctls, const char *name, const char *value);

typedef enum { CT_ORIG, CT_REPLY } CtDir;

/* nf_conntrack_zone: of one direction only, the other one is in zone 0. */
typedef enum { CT_ZONE_BOTH, CT_ZONE_ORIG, CT_ZONE_REPLY } CtZoneDirs;
typedef struct {
    uint16_t id;
    uint8_t dirs; /* CtZoneDirs. */
} CtZone;

static inline uint16_t
ct_zone_id(CtZone zone, CtDir dir)
{
    return zone.dirs == CT_ZONE_BOTH || zone.dirs == (dir == CT_ORIG ? CT_ZONE_ORIG : CT_ZONE_REPLY) ? zone.id : 0;
}

typedef struct {
    IpAddr src, dst;
    uint16_t sport, dport; /* ICMP: sport = id, dport = type << 8 | code. */
    uint16_t zone;         /* Its direction's. */
    uint8_t proto;
    uint8_t zero;
} CtTuple;
_Static_assert(sizeof(CtTuple) == 40, "no padding");

enum { NAT_MANIP_SRC, NAT_MANIP_DST };

/* nf_conntrack_tcp.h */
typedef enum {
    CT_TCP_NONE,
    CT_TCP_SYN_SENT,
    CT_TCP_SYN_RECV,
    CT_TCP_ESTABLISHED,
    CT_TCP_FIN_WAIT,
    CT_TCP_CLOSE_WAIT,
    CT_TCP_LAST_ACK,
    CT_TCP_TIME_WAIT,
    CT_TCP_CLOSE,
    CT_TCP_SYN_SENT2,
} CtTcpState;

struct Conn; /* Fields in conntrack.c's private header; read them by the functions below. */

Conntrack *conntrack_new(Sim *sim, Host *host, const char *host_name);
void conntrack_free(Conntrack *ct);
CtSysctls *conntrack_sysctls(Conntrack *ct);

/* The conntrack entry of PREROUTING and OUTPUT: finds or makes the connection, runs the protocol tracker, sets
 * pkt->meta.ct, ctinfo, ct_reply.  ICMP errors become RELATED to the quoted connection. */
NfVerdict conntrack_in(Conntrack *ct, NfHook hook, Packet *pkt, CtZone zone, DropReason *ret_reason);
/* Of EventType.prepare(), for a packet that will come in: steps 2 (the table), 1 (its place in it) and 0 (its entry).
 */
void conntrack_prepare(const Conntrack *ct, const Packet *pkt, uint32_t step);
/* The last entry of INPUT and POSTROUTING. */
NfVerdict conntrack_confirm(Conntrack *ct, NfHook hook, Packet *pkt, DropReason *ret_reason);

/* nf_ct_attach(): an answer that the host makes to 'cause' while that is on its way (REJECT's RST, an ICMP error)
 * belongs to the same connection, in the other direction.  If 'cause' is not tracked, neither CT --notrack nor --zone
 * of iptables apply to the answer: it is tracked in the default zone. */
void conntrack_attach(Packet *answer, const Packet *cause);
/* nf_ct_set_closing(): the TCP connection of 'pkt' was answered with a RST of ours: it is closed. */
void conntrack_set_closing(Conntrack *ct, const Packet *pkt);

typedef struct {
    IpAddr addr_min, addr_max;   /* Any: keep the address. */
    uint16_t port_min, port_max; /* 0: keep the port if possible. */
    uint8_t flags;               /* NF_NAT_*. */
    bool has_addr, has_ports;
} NatRange;

/* True if NAT has not yet decided this manipulation of a NEW connection: the nat chains must be consulted. */
bool nat_needs_setup(const Packet *pkt, uint8_t manip);
/* nf_nat_setup_info(): chooses a unique tuple.  'range' NULL: the null binding.  If none is free the packet goes on and
 * conntrack_confirm() drops it with DROP_NAT_NO_PORT, as in the kernel. */
NfVerdict nat_setup(Conntrack *ct, NfHook hook, Packet *pkt, uint8_t manip, const NatRange *range,
                    DropReason *ret_reason);
/* Rewrites the packet as its binding says at this hook (ICMP errors: their quote as well); emits TRACE_NAT. */
NfVerdict nat_packet(Conntrack *ct, NfHook hook, Packet *pkt);

/* NFX_CT_STATE bits of a packet; NFX_CT_STATUS bits of its connection. */
uint32_t conntrack_state_bits(const Packet *pkt);
uint32_t conntrack_status_bits(const Packet *pkt);

CtTuple conn_tuple(const Conn *conn, CtDir dir); /* By value: entries hold it packed. */
uint32_t conn_status_bits(const Conn *conn);     /* NF_STATUS_*. */
uint32_t conn_mark(const Conn *conn);
void conn_set_mark(Conn *conn, uint32_t mark);
uint64_t conn_id(const Conn *conn);   /* Serial number within its table. */
uint64_t conn_flow(const Conn *conn); /* 'flow' of the packet that made it. */
SimTime conn_expires(const Conn *conn);
uint8_t conn_tcp_state(const Conn *conn);      /* CtTcpState; CT_TCP_NONE for other protocols. */
const char *conn_state_name(const Conn *conn); /* "ESTABLISHED" (TCP, SCTP); NULL for other protocols. */
void conn_ref(Conn *conn);
void conn_unref(Conntrack *ct, Conn *conn);
/* Packets let go of their reference through this: conntrack_new() gives it to packet_pool_set_conn_release(). */
void conn_release_packet(Packet *pkt);

/* Living, confirmed entries in order of creation. */
void conntrack_each(Conntrack *ct, void (*each)(const Conn *conn, void *user), void *user);
size_t conntrack_len(Conntrack *ct);
/* What the table holds, entries that are over but not yet collected among them. */
size_t conntrack_entries(const Conntrack *ct);
/* `conntrack -L` line without the newline, e.g.
 * "tcp      6 431999 ESTABLISHED src=... dst=... sport=... dport=... src=... [ASSURED] mark=0 use=1". */
char *conn_format(const Conntrack *ct, const Conn *conn); /* Caller frees. */

/* Deletes entries for which match() holds (conntrack -D); returns their number. */
size_t conntrack_delete(Conntrack *ct, bool (*match)(const Conn *conn, void *user), void *user);

typedef struct {
    uint64_t found, inserted, invalid, icmp_error, insert_failed, drop, early_drop, clash_resolve;
    uint64_t peak; /* Most entries at a time. */
} CtStats;
const CtStats *conntrack_stats(const Conntrack *ct);
/* Debug and tests: invariants of the table. */
void conntrack_check(const Conntrack *ct);

#endif
