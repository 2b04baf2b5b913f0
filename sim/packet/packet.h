#ifndef SIM_PACKET_PACKET_H
#define SIM_PACKET_PACKET_H

/* Packets
 *
 * The parsed fields are the truth; bytes exist only in wire.c.  A packet is owned by exactly one place (a queue, a
 * link, a function argument); hand-over is by call, so there is no reference count.  Integers are in host order.
 *
 * Metadata falls in two parts: 'id' and 'flow' live as long as the packet; 'meta' belongs to the host that handles it
 * now (skb fields) and is reset by packet_enter_host(), or a mark would leak from node to node.
 *
 * Encapsulation: 'inner' is an owned packet carried as the payload (VXLAN, IPIP); then 'payload' is empty.          */

#include "sim/engine/sim.h"
#include "sim/packet/addr.h"

typedef enum {
    IPPROTO_ICMP_ = 1,
    IPPROTO_IPIP_ = 4,
    IPPROTO_TCP_ = 6,
    IPPROTO_UDP_ = 17,
    IPPROTO_ICMPV6_ = 58,
    IPPROTO_SCTP_ = 132,
} IpProto;

/* "tcp", "udp", ...; a decimal number for others (then 'buf' is used). */
#define IPPROTO_STR_SIZE 8
const char *ipproto_name(uint8_t proto, char buf[static IPPROTO_STR_SIZE]);
/* Accepts any case and numbers; false if unknown. */
bool ipproto_parse(const char *text, uint8_t *ret_proto);

/* Immutable, reference-counted bytes; packets hold slices, so a payload is stored once.  wire.c notes the sum of the
 * slice that it wrote last. */
typedef struct {
    uint32_t refs;
    uint32_t size;
    struct {
        uint32_t offset, len; /* 0: none. */
    } summed;                 /* The slice that 'sum' is of. */
    uint32_t sum;             /* Folded, as of wire_checksum_add(). */
    uint8_t data[];
} PayloadBuf;

PayloadBuf *payload_buf_new(const void *data, size_t size);
PayloadBuf *payload_buf_ref(PayloadBuf *buf);
void payload_buf_unref(PayloadBuf *buf);

typedef struct {
    PayloadBuf *buf; /* NULL: 'len' bytes of zero (virtual payload, stored nowhere). */
    uint32_t offset, len;
} Payload;

enum {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80,
};

typedef struct {
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    /* Options; absent when 0 / false. */
    uint8_t wscale; /* Shift + 1; 0: absent. */
    uint16_t mss;
    bool sack_permitted;
    uint8_t n_sacks;
    bool has_ts;
    uint32_t ts_val, ts_ecr;
    uint32_t sacks[4]; /* Up to two blocks: left, right edge. */
} TcpHeader;

/* What an ICMP error quotes: the offending packet's headers as it stood at the router (NAT rewrites it on the way). */
typedef struct {
    IpAddr src, dst;
    uint16_t sport, dport; /* ICMP: id in sport. */
    uint32_t seq;          /* TCP or ICMP sequence number, SCTP verification tag. */
    uint32_t ack;
    uint16_t total_len, ip_id;
    uint16_t window;
    uint8_t proto, ttl, tos, tcp_flags, icmp_type, icmp_code;
} QuotedPacket;

typedef struct {
    uint8_t type, code;
    uint16_t id, seq; /* Echo. */
    uint32_t mtu;     /* Fragmentation needed / packet too big. */
    bool has_quote;
    bool quote_dont_fragment;
    uint8_t quote_tcp_header; /* Size of the quoted TCP header; its options stand at the start of 'payload'. */
    QuotedPacket quote;
} IcmpHeader;

/* Chunk types (RFC 9260 3.2). */
enum {
    SCTP_DATA = 0,
    SCTP_INIT = 1,
    SCTP_INIT_ACK = 2,
    SCTP_SACK = 3,
    SCTP_HEARTBEAT = 4,
    SCTP_HEARTBEAT_ACK = 5,
    SCTP_ABORT = 6,
    SCTP_SHUTDOWN = 7,
    SCTP_SHUTDOWN_ACK = 8,
    SCTP_ERROR = 9,
    SCTP_COOKIE_ECHO = 10,
    SCTP_COOKIE_ACK = 11,
    SCTP_SHUTDOWN_COMPLETE = 14,
};
#define SCTP_COOKIE_SIZE 8 /* Of the state cookies that we write. */

typedef struct {
    uint32_t vtag;
    uint8_t chunk;     /* First chunk's type. */
    bool t_bit;        /* ABORT and SHUTDOWN COMPLETE: 'vtag' is the peer's own, reflected. */
    uint32_t init_tag; /* INIT and INIT-ACK. */
    uint32_t tsn;      /* INIT, INIT-ACK, DATA, SACK, SHUTDOWN. */
} SctpHeader;

typedef enum { CKSUM_GOOD, CKSUM_BAD } ChecksumState; /* BAD is written wrong on purpose (broken offload). */

typedef enum {
    ETH_IP,  /* IPv4 or IPv6 by the addresses. */
    ETH_ARP, /* 'arp' is valid instead of the IP fields. */
} EthKind;

typedef struct NetDev NetDev;
typedef struct Conn Conn;

/* ctinfo, as the kernel's enum ip_conntrack_info says it. */
typedef enum {
    CTINFO_NONE,      /* Not tracked yet. */
    CTINFO_UNTRACKED, /* NOTRACK. */
    CTINFO_INVALID,
    CTINFO_NEW,
    CTINFO_ESTABLISHED,
    CTINFO_RELATED,
} CtInfo;

/* Who of this host made the packet.  Some of the kernel's own answers bear no socket, which xt_recent and xt_owner ask
 * for: a REJECT's resets, and IPv6's all. */
typedef enum { LOCAL_NOT, LOCAL_OF_SOCKET, LOCAL_BARE } LocalOut;

typedef struct {
    uint32_t mark;
    uint32_t ip_size;       /* packet_ip_size(); 0: nobody asked yet.  Of the packet: hosts hand it on. */
    const NetDev *in, *out; /* Interfaces of this host. */
    const NetDev *phys_in;  /* Bridge port it came through if br_netfilter saw it (kept when it is routed), or NULL. */
    Conn *ct;               /* Holds a reference (conntrack.h), or NULL. */
    uint8_t ctinfo;         /* CtInfo. */
    uint8_t ct_reply;       /* Direction: 1 for the reply. */
    uint8_t nf_bridge : 4;  /* Passed PREROUTING at the bridge (br_netfilter). */
    uint8_t local_out : 4;  /* LocalOut. */
    uint8_t l2_hops;        /* Loop guard inside one host. */
    uint32_t phys_out;      /* Index of the bridge port that it is bridged to; 0: none. */
    struct Socket *owner;   /* Local sender, or NULL: told of EPERM and local errors. */
} PacketMeta;

typedef struct Packet Packet;
struct Packet {
    /* Routing and filtering touch the first two cache lines only. */
    uint64_t id;   /* Of this packet, kept across rewrites and hops; copies get new ones. */
    uint64_t flow; /* Of the connection it belongs to: keyed draws, reports. 0: none. */
    IpAddr src, dst;
    uint16_t sport, dport; /* TCP, UDP, SCTP. */
    uint8_t eth;           /* EthKind. */
    uint8_t proto;         /* IpProto. */
    uint8_t ttl;
    uint8_t tos;
    PacketMeta meta;
    MacAddr eth_src, eth_dst;
    uint16_t ip_id;
    bool dont_fragment;
    uint8_t cksum; /* ChecksumState of the transport checksum. */
    union {
        TcpHeader tcp;
        IcmpHeader icmp;
        SctpHeader sctp;
        struct {
            uint8_t op; /* 1 request, 2 reply; sender = src/eth_src, target = dst/target_mac. */
            MacAddr target_mac;
        } arp;
    };
    Payload payload; /* Of an ICMP error: what it quotes behind the fixed part of the quoted transport header. */
    Packet *inner;   /* Owned, or NULL. */
};
_Static_assert(sizeof(Packet) <= 224, "packets stay small");

static inline IpFamily
packet_family(const Packet *pkt)
{
    return ipaddr_family(&pkt->src);
}

static inline bool
packet_has_ports(const Packet *pkt)
{
    return pkt->proto == IPPROTO_TCP_ || pkt->proto == IPPROTO_UDP_ || pkt->proto == IPPROTO_SCTP_;
}

static inline bool
packet_is_icmp(const Packet *pkt)
{
    return pkt->proto == IPPROTO_ICMP_ || pkt->proto == IPPROTO_ICMPV6_;
}

/* True for ICMP and ICMPv6 errors (they quote a packet). */
bool packet_is_icmp_error(const Packet *pkt);

/* Made and freed by the Sim. */
PacketPool *packet_pool_new(void);
void packet_pool_free(PacketPool *pool);
/* How a packet lets go of pkt->meta.ct.  conntrack.c, which this room does not know, sets it to conn_release_packet()
 * whenever a table is made; it is called with a non-NULL meta.ct only and need not clear it. */
void packet_pool_set_conn_release(PacketPool *pool, void (*release)(Packet *pkt));
uint64_t packet_pool_in_use(const PacketPool *pool);

/* A zeroed packet with a fresh id and ttl 64; owned by the caller. */
Packet *packet_new(Sim *sim);
/* A deep copy with a new id; the conntrack reference is not copied. */
Packet *packet_copy(Sim *sim, const Packet *pkt);
void packet_free(Sim *sim, Packet *pkt);                                              /* Accepts NULL. */
void packet_set_payload(Packet *pkt, PayloadBuf *buf, uint32_t offset, uint32_t len); /* Takes a new reference. */

/* Makes 'icmp' (its IP and type fields set) quote 'offender' as Linux does: headers, and payload up to 576 bytes of
 * packet in all (IPv6: 1280).  Shares the payload's bytes, but for TCP and SCTP, whose options, chunks and data are
 * written out (the one place where the packet path allocates). */
void packet_set_quote(Packet *icmp, const Packet *offender);

void packet_release_conn(Sim *sim, Packet *pkt); /* Accepts one without. */

/* Lets go of what the host that sends it away keeps for it (nf_reset_ct()). */
static inline void
packet_leave_host(Sim *sim, Packet *pkt)
{
    if (pkt->meta.ct)
        packet_release_conn(sim, pkt);
}

/* Resets 'meta' as a new host receives the packet; drops the conntrack reference. */
static inline void
packet_enter_host(Sim *sim, Packet *pkt)
{
    packet_leave_host(sim, pkt);
    pkt->meta = (PacketMeta){.ip_size = pkt->meta.ip_size};
}

/* Sizes in bytes on the wire. */
#define VXLAN_PORT        4789 /* A UDP packet to it with 'inner' is VXLAN. */
#define VXLAN_HEADER_SIZE 8
#define ETH_HEADER_SIZE   14
#define UDP_HEADER_SIZE   8
#define ARP_SIZE          28
uint32_t packet_l4_header_size(const Packet *pkt);
uint32_t packet_ip_size_any(const Packet *pkt);

static inline uint32_t
packet_ip_header_size(const IpAddr *src)
{
    return ipaddr_is_v4(src) ? 20 : 40;
}

/* As Linux lays the options out: in a SYN, SACK-permitted stands in for the two NOPs before the timestamps. */
static inline uint32_t
packet_tcp_header_size(const TcpHeader *tcp)
{
    uint32_t size = tcp->has_ts ? 20 + 12 : 20;

    /* Most segments have no others. */
    if (__builtin_expect((tcp->mss | tcp->wscale | tcp->sack_permitted | tcp->n_sacks) == 0, 1))
        return size;
    if (tcp->n_sacks)
        size += 4 + 8 * (uint32_t)tcp->n_sacks;
    if (tcp->sack_permitted && !tcp->has_ts)
        size += 4;
    return size + (tcp->mss ? 4 : 0) + (tcp->wscale ? 4 : 0);
}

/* IP header and all behind it: what the MTU limits, what counters count. */
static inline uint32_t
packet_ip_size(const Packet *pkt)
{
    /* Each hop asks several times. */
    if (pkt->proto == IPPROTO_TCP_ && pkt->eth == ETH_IP)
        return packet_ip_header_size(&pkt->src) + packet_tcp_header_size(&pkt->tcp) + pkt->payload.len;
    if (pkt->proto == IPPROTO_UDP_ && pkt->eth == ETH_IP && !pkt->inner)
        return packet_ip_header_size(&pkt->src) + UDP_HEADER_SIZE + pkt->payload.len;
    return packet_ip_size_any(pkt);
}

/* With the Ethernet header. */
static inline uint32_t
packet_eth_size(const Packet *pkt)
{
    return ETH_HEADER_SIZE + (pkt->eth == ETH_ARP ? ARP_SIZE : packet_ip_size(pkt));
}

/* The same two for a packet under way, which keeps its size: whoever changes that sets meta.ip_size to 0. */
static inline uint32_t
packet_sent_ip_size(Packet *pkt)
{
    if (__builtin_expect(pkt->meta.ip_size == 0, 0))
        pkt->meta.ip_size = packet_ip_size(pkt);
    return pkt->meta.ip_size;
}

static inline uint32_t
packet_sent_eth_size(Packet *pkt)
{
    return ETH_HEADER_SIZE + (__builtin_expect(pkt->eth == ETH_ARP, 0) ? ARP_SIZE : packet_sent_ip_size(pkt));
}

uint32_t packet_quote_l4_size(const QuotedPacket *quote); /* Transport header that a quote holds. */

/* "TCP 10.0.0.1:1234 > 10.0.0.2:80 SYN ttl=64" (the form of the recorded traces); returns 'buf'. */
#define PACKET_STR_SIZE 256
char *packet_format(const Packet *pkt, char buf[static PACKET_STR_SIZE]);

#endif
