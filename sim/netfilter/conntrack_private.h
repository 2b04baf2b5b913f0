#ifndef SIM_NETFILTER_CONNTRACK_PRIVATE_H
#define SIM_NETFILTER_CONNTRACK_PRIVATE_H

/* What the files of connection tracking and NAT share
 *
 *   ct_conn.c        entries: storage, tuples, references          conntrack.c   conntrack_in(), conntrack_confirm()
 *   ct_table.c       the table: find, insert, kill, sweep, limits  ct_icmp.c     ICMP: echo and errors
 *   ct_tcp.c, ct_tcp_window.c, ct_udp.c, ct_sctp.c                 the protocol trackers
 *   nat.c            choice of a tuple                             nat_packet.c  rewriting
 *
 * Storage.  An entry is 128 bytes for IPv4 (two cache lines: all that a look-up and NAT need, then the tracker's state)
 * and 192 for IPv6, in 16 KiB slabs that are aligned to their size: the slab's head leads from an entry to its table,
 * and an entry is named by its slot, 31 bits, in the index.  A tuple is kept as a key of 16 bytes; for IPv4 it is the
 * whole tuple, for IPv6 the addresses are folded into it and stand in full behind the entry.  With the index (two
 * entries of 8 bytes in an array at least 53 % full) an IPv4 connection takes at most 158 bytes. */

#include "sim/engine/timer.h"
#include "sim/netfilter/conntrack.h"
#include "sim/netfilter/ct_index.h"

typedef struct {
    uint32_t src, dst; /* IPv4, host order; IPv6: folded. */
    uint16_t sport, dport;
    uint16_t zone;
    uint8_t proto;
    uint8_t v6;
} CtKey;
_Static_assert(sizeof(CtKey) == 16, "no padding");

/* ip_ct_tcp_state.flags and last_flags. */
enum {
    CT_TCP_WINDOW_SCALE = 0x01,
    CT_TCP_SACK_PERM = 0x02,
    CT_TCP_CLOSE_INIT = 0x04,
    CT_TCP_BE_LIBERAL = 0x08,
    CT_TCP_UNACKED = 0x10,
    CT_TCP_MAXACK_SET = 0x20,
    CT_TCP_CHALLENGE_ACK = 0x40, /* last_flags only, */
    CT_TCP_SIMULTANEOUS = 0x80,  /* as well. */
};

/* What a segment is to the state table, by its most significant flag. */
typedef enum { CT_SEG_SYN, CT_SEG_SYNACK, CT_SEG_FIN, CT_SEG_ACK, CT_SEG_RST, CT_SEG_NONE } CtTcpSegment;

typedef struct {
    uint32_t end;    /* Highest sequence number sent, plus one. */
    uint32_t maxend; /* The other side's window allows up to here. */
    uint32_t maxwin; /* Largest window advertised; 0: nothing seen of this side. */
    uint32_t maxack;
} CtTcpSide;

typedef struct {
    CtTcpSide side[2];
    uint32_t last_seq, last_ack, last_end;
    uint16_t last_win;
    uint8_t scale[2], flags[2];
    uint8_t last_wscale, last_flags;
    uint8_t retrans;
    uint8_t last_dir : 1, last_segment : 3;
} CtTcp;

typedef struct {
    uint32_t vtag[2];
    uint8_t init[2];
    uint8_t last_dir;
    bool heartbeat_vtag_failed;
} CtSctp;

typedef struct {
    SimTime stream_at; /* From here on traffic both ways is a stream. */
} CtUdp;

/* ip_conntrack_status, as far as it is modelled. */
enum {
    CT_SEEN_REPLY = 0x0001,
    CT_ASSURED = 0x0002,
    CT_CONFIRMED = 0x0004,
    CT_SRC_NAT = 0x0008,
    CT_DST_NAT = 0x0010,
    CT_SRC_NAT_DONE = 0x0020,
    CT_DST_NAT_DONE = 0x0040,
    CT_DYING = 0x0080, /* Taken out of the table; lives as long as packets hold it. */
    CT_FIXED_TIMEOUT = 0x0100,
    CT_NAT_CLASH = 0x0200, /* In the table by its reply tuple only. */
    CT_BY_SOURCE = 0x0400, /* In the index of mapped sources. */
    CT_NO_PORT = 0x0800,   /* NAT found no unique tuple; confirming it will fail. */
    CT_NAT_MASK = CT_SRC_NAT | CT_DST_NAT,
    CT_NAT_DONE_MASK = CT_SRC_NAT_DONE | CT_DST_NAT_DONE,
};

struct Conn {
    CtKey key[2];    /* By CtDir. */
    SimTime expires; /* Of an unconfirmed entry: the timeout, which starts to run when it is confirmed. */
    uint16_t status;
    uint8_t state; /* TCP: CtTcpState; SCTP: CtSctpState. */
    uint32_t refs; /* The table's and one for each packet.  Free slots: the next free slot. */
    uint32_t mark;
    uint32_t slot;
    uint64_t flow;
    uint64_t id;
    union {
        CtTcp tcp;
        CtSctp sctp;
        CtUdp udp;
    };
};
_Static_assert(sizeof(Conn) == 128, "an IPv4 connection is two cache lines");

typedef struct {
    Conn conn;
    IpAddr addr[2][2]; /* By CtDir, CtAddr. */
} Conn6;

#define CONN_SLAB_BYTES      16384u
#define CONN_SLAB_HEAD_BYTES 64u
#define CONN_SLAB_SHIFT      7 /* At most 128 entries in a slab. */

typedef struct {
    uint8_t *first; /* Its first entry. */
    uint32_t stride;
} ConnSlab;

typedef struct {
    uint32_t free_slot;  /* Head of the free list plus one; 0: empty. */
    uint32_t fresh, end; /* Slots of the newest slab that were never used. */
} ConnFree;

struct Conntrack {
    Sim *sim;
    Host *host;
    CtSysctls sysctls;
    CtStats stats;
    CtIndex tuples;  /* Confirmed entries, each tuple.  Reference: conn_ref_of(). */
    CtIndex sources; /* Entries whose source is translated, by the source of their original tuple. */
    ConnSlab *slabs;
    uint32_t n_slabs, slabs_cap;
    ConnFree free[2]; /* IPv4, IPv6. */
    uint32_t n_conns; /* Entries in existence, what nf_conntrack_max limits. */
    uint32_t n_table; /* Confirmed ones in the table, dead ones included. */
    uint64_t next_id;
    uint64_t nat_key; /* Of the port draws. */
    SimTime swept;    /* Entries that expired up to here are gone. */
    SimTime sweep_at;
    SimEntity entity;
    Timer sweep;
    bool closing; /* conntrack_free() was called; packets still hold entries. */
};

/* ct_conn.c */
bool ct_tuple_of_packet(const Packet *pkt, uint16_t zone, CtTuple *ret_tuple);
/* False if the protocol has no answer to it (ICMP types without one). */
bool ct_tuple_invert(const CtTuple *tuple, CtTuple *ret_inverse);
bool ct_tuple_eq(const CtTuple *a, const CtTuple *b);
uint32_t ct_tuple_hash(const CtTuple *tuple);
uint32_t conn_source_hash(const Conn *conn);
Conn *conn_new(Conntrack *ct, const CtTuple *orig, const CtTuple *reply);
void conn_set_tuple(Conn *conn, CtDir dir, const CtTuple *tuple);
/* By bytes, so that hashes are the same on every machine. */
uint32_t ct_addr6_word(const IpAddr *addr);
Conntrack *conn_table(const Conn *conn);
typedef enum { CT_ADDR_SRC, CT_ADDR_DST } CtAddr;
IpAddr conn_addr(const Conn *conn, CtDir dir, CtAddr which);
void conntrack_free_slabs(Conntrack *ct);

static inline CtKey
ct_tuple_key(const CtTuple *tuple)
{
    bool v6 = !ipaddr_is_v4(&tuple->src);

    return (CtKey){.src = v6 ? ct_addr6_word(&tuple->src) : ipaddr_to_u32(tuple->src),
                   .dst = v6 ? ct_addr6_word(&tuple->dst) : ipaddr_to_u32(tuple->dst),
                   .sport = tuple->sport,
                   .dport = tuple->dport,
                   .zone = tuple->zone,
                   .proto = tuple->proto,
                   .v6 = v6};
}

static inline uint32_t
ct_key_hash(const CtKey *key)
{
    uint64_t addrs = (uint64_t)key->src << 32 | key->dst;
    uint64_t rest = (uint64_t)key->sport << 48 | (uint64_t)key->dport << 32 | (uint64_t)key->zone << 16 |
                    (uint64_t)key->proto << 8 | key->v6;
    uint64_t hash = addrs * UINT64_C(0x9e3779b97f4a7c15);

    hash = (hash ^ hash >> 32 ^ rest) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 29) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(hash >> 32);
}

/* 'key' is the tuple's. */
static inline bool
conn_tuple_is(const Conn *conn, CtDir dir, const CtKey *key, const CtTuple *tuple)
{
    if (memcmp(&conn->key[dir], key, sizeof *key) != 0)
        return false;
    if (!key->v6)
        return true;
    const Conn6 *conn6 = (const Conn6 *)conn;
    return ipaddr_eq(conn6->addr[dir][0], tuple->src) && ipaddr_eq(conn6->addr[dir][1], tuple->dst);
}

static inline CtZone
conn_zone(const Conn *conn)
{
    uint16_t orig = conn->key[CT_ORIG].zone, reply = conn->key[CT_REPLY].zone;

    if (orig == reply)
        return (CtZone){orig, CT_ZONE_BOTH};
    return reply == 0 ? (CtZone){orig, CT_ZONE_ORIG} : (CtZone){reply, CT_ZONE_REPLY};
}

static inline uint32_t
conn_index_ref(const Conn *conn, CtDir dir)
{
    return (conn->slot + 1) << 1 | dir;
}

static inline Conn *
conn_of_slot(const Conntrack *ct, uint32_t slot)
{
    const ConnSlab *slab = &ct->slabs[slot >> CONN_SLAB_SHIFT];

    return (Conn *)(void *)(slab->first + (size_t)(slot & ((1u << CONN_SLAB_SHIFT) - 1)) * slab->stride);
}

static inline Conn *
conn_of_index_ref(const Conntrack *ct, uint32_t ref)
{
    return conn_of_slot(ct, (ref >> 1) - 1);
}

/* ct_table.c */
/* nf_conntrack_find_get(): the living entry with this tuple, whichever its 'zone', in 'zone'; *ret_dir says which of
 * its tuples it is.  NULL if none.  A dead one found is reclaimed. */
Conn *ct_table_find(Conntrack *ct, const CtTuple *tuple, CtZone zone, CtDir *ret_dir);
/* The other entry that has this tuple of 'conn' already; NULL if none. */
Conn *ct_table_find_clash(Conntrack *ct, const Conn *conn, CtDir dir);
/* nf_conntrack_tuple_taken(): would this reply tuple of 'conn' collide? */
bool ct_table_tuple_taken(Conntrack *ct, const CtTuple *reply, const Conn *conn);
/* Makes room for one more entry, by early drop if need be; false: the table is full. */
bool ct_table_make_room(Conntrack *ct, uint32_t hash);
void ct_table_insert(Conntrack *ct, Conn *conn);
/* Takes a confirmed entry out of the table.  'pkt' may be NULL (expiry, deletion by hand). */
void ct_table_kill(Conntrack *ct, Conn *conn, const Packet *pkt);
void ct_table_clear(Conntrack *ct);
void ct_table_sweep(Sim *sim, void *table);
void ct_trace(Conntrack *ct, Conn *conn, const Packet *pkt, TraceCtEvent event);
/* nf_ct_refresh(): the entry lives for 'timeout' from now. */
void conn_refresh(Conntrack *ct, Conn *conn, SimTime timeout);

static inline bool
conn_expired(const Conntrack *ct, const Conn *conn)
{
    return conn->expires <= ct->sim->now;
}

/* Protocol trackers: what the packet is to its connection.  INVALID: the packet belongs to none; REPEAT: the old
 * connection was taken out of the table, look again. */
typedef enum { CT_PACKET_ACCEPT, CT_PACKET_INVALID, CT_PACKET_REPEAT } CtPacketVerdict;

CtPacketVerdict ct_tcp_packet(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir);
CtPacketVerdict ct_udp_packet(Conntrack *ct, Conn *conn, const Packet *pkt);
CtPacketVerdict ct_sctp_packet(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir);
CtPacketVerdict ct_icmp_packet(Conntrack *ct, Conn *conn, const Packet *pkt);
CtPacketVerdict ct_generic_packet(Conntrack *ct, Conn *conn);

/* ct_icmp.c: connection of the packet that an ICMP error quotes.  False: it belongs to none. */
bool ct_icmp_error(Conntrack *ct, Packet *pkt, CtZone zone);
bool ct_icmpv6_is_untracked(const Packet *pkt);

/* ct_tcp_window.c */
typedef enum { CT_WINDOW_OK, CT_WINDOW_IGNORE, CT_WINDOW_INVALID } CtWindowVerdict;

CtWindowVerdict ct_tcp_in_window(Conntrack *ct, Conn *conn, const Packet *pkt, CtDir dir, CtTcpSegment segment);
uint32_t ct_tcp_segment_end(const Packet *pkt);
/* Reads window scale and SACK-permitted as the sender's; leaves them alone if there are no options at all. */
void ct_tcp_options(const Packet *pkt, uint8_t *scale, uint8_t *flags);

static inline bool
seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool
seq_after(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) < 0;
}

/* ct_sctp.c */
typedef enum {
    CT_SCTP_NONE,
    CT_SCTP_CLOSED,
    CT_SCTP_COOKIE_WAIT,
    CT_SCTP_COOKIE_ECHOED,
    CT_SCTP_ESTABLISHED,
    CT_SCTP_SHUTDOWN_SENT,
    CT_SCTP_SHUTDOWN_RECD,
    CT_SCTP_SHUTDOWN_ACK_SENT,
    CT_SCTP_HEARTBEAT_SENT,
} CtSctpState;

#endif
