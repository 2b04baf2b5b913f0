/* The choice of a translation (nf_nat_core.c of Linux 6.12 and later)
 *
 * A tuple is free if its inverse, by which the answers come, is no living entry's tuple.  If all attempts fail, the
 * last one stands and the packet is dropped when its entry is confirmed: so does the kernel. */

#include <glib.h>
#include <string.h>

#include "sim/netfilter/conntrack_private.h"
#include "sim/netfilter/nf_rule.h"

#define ANY_RANDOM   (NF_NAT_RANDOM | NF_NAT_RANDOM_FULLY)
#define MAX_ATTEMPTS 128u
#define MIN_ATTEMPTS 16u
#define EVICT_BELOW  (MAX_ATTEMPTS / 4)

/* One choice in the making. */
typedef struct {
    Conntrack *ct;
    Conn *conn;
    const NatRange *range;
    uint8_t manip;
    uint64_t draw_key;
    uint32_t n_draws;
} Choice;

static bool unique_tuple(Choice *choice, const CtTuple *current, CtTuple *ret_tuple);
static bool reuse_source(Choice *choice, const CtTuple *current, CtTuple *ret_tuple);
static void choose_address(const Choice *choice, CtTuple *tuple);
static uint32_t hash_words(const uint32_t words[4], uint32_t init);
static bool choose_port(Choice *choice, CtTuple *tuple);
static bool search_port(Choice *choice, CtTuple *tuple, uint16_t *port, uint32_t min, uint32_t size, uint16_t offset);
static bool is_used(const Choice *choice, const CtTuple *tuple);
static bool is_used_unchanged(const Choice *choice, const CtTuple *tuple);
static bool is_used_after_eviction(const Choice *choice, const CtTuple *tuple, uint32_t attempts_left);
static bool source_in_range(const CtTuple *tuple, const NatRange *range);
static bool ports_in_range(const CtTuple *tuple, uint8_t manip, const NatRange *range);
static bool proto_has_ports(uint8_t proto);
static bool proto_is_icmp(uint8_t proto);
static uint16_t draw_u16(Choice *choice);

bool
nat_needs_setup(const Packet *pkt, uint8_t manip)
{
    const Conn *conn = pkt->meta.ct;

    if (!conn || (pkt->meta.ctinfo != CTINFO_NEW && pkt->meta.ctinfo != CTINFO_RELATED))
        return false;
    /* ICMP errors follow their connection. */
    if (pkt->meta.ctinfo == CTINFO_RELATED && packet_is_icmp(pkt))
        return false;
    return !(conn->status & (manip == NAT_MANIP_SRC ? CT_SRC_NAT_DONE : CT_DST_NAT_DONE));
}

NfVerdict
nat_setup(Conntrack *ct, NfHook hook, Packet *pkt, uint8_t manip, const NatRange *range, DropReason *ret_reason)
{
    Conn *conn = pkt->meta.ct;
    CtTuple reply, current, chosen;
    NatRange null_range = {.has_addr = true};
    Choice choice = {.ct = ct, .conn = conn, .range = range, .manip = manip};

    (void)hook;
    (void)ret_reason;
    if (!conn || conn->status & CT_CONFIRMED)
        return NF_ACCEPT;
    reply = conn_tuple(conn, CT_REPLY);
    /* The packet as it stands now, other translations included. */
    if (!ct_tuple_invert(&reply, &current))
        return NF_ACCEPT;
    if (!range) {
        null_range.addr_min = null_range.addr_max = manip == NAT_MANIP_SRC ? current.src : current.dst;
        choice.range = &null_range;
    }
    choice.draw_key = rng_mix(ct->nat_key, conn->flow ? conn->flow : rng_mix(conn->id, (uint64_t)ct->sim->now));
    choice.draw_key = rng_mix(choice.draw_key, manip);

    if (unique_tuple(&choice, &current, &chosen))
        conn->status &= (uint16_t)~CT_NO_PORT;
    else
        conn->status |= CT_NO_PORT;
    if (!ct_tuple_eq(&chosen, &current) && ct_tuple_invert(&chosen, &reply)) {
        conn_set_tuple(conn, CT_REPLY, &reply);
        conn->status |= manip == NAT_MANIP_SRC ? CT_SRC_NAT : CT_DST_NAT;
        if (manip == NAT_MANIP_SRC && !(conn->status & CT_BY_SOURCE)) {
            ct_index_insert(&ct->sources, conn_source_hash(conn), conn_index_ref(conn, CT_ORIG));
            conn->status |= CT_BY_SOURCE;
        }
    }
    conn->status |= manip == NAT_MANIP_SRC ? CT_SRC_NAT_DONE : CT_DST_NAT_DONE;
    return NF_ACCEPT;
}

/* get_unique_tuple(). */
static bool
unique_tuple(Choice *choice, const CtTuple *current, CtTuple *ret_tuple)
{
    const NatRange *range = choice->range;
    bool random = range->flags & ANY_RANDOM;

    /* A source that is mapped keeps its mapping, towards any destination. */
    if (choice->manip == NAT_MANIP_SRC && !random) {
        if (source_in_range(current, range)) {
            *ret_tuple = *current;
            if (!is_used_unchanged(choice, current))
                return true;
        } else if (reuse_source(choice, current, ret_tuple) && !is_used(choice, ret_tuple)) {
            return true;
        }
    }
    *ret_tuple = *current;
    choose_address(choice, ret_tuple);
    if (!random && range->has_ports) {
        if (ports_in_range(ret_tuple, choice->manip, range) &&
            (range->port_min == range->port_max || !is_used(choice, ret_tuple)))
            return true;
    } else if (!random && !is_used(choice, ret_tuple)) {
        return true;
    }
    return choose_port(choice, ret_tuple);
}

/* find_appropriate_src(): the youngest mapping of this source that lies in the range. */
static bool
reuse_source(Choice *choice, const CtTuple *current, CtTuple *ret_tuple)
{
    Conntrack *ct = choice->ct;
    const CtIndex *index = &ct->sources;
    CtZone zone = conn_zone(choice->conn), other_zone;
    uint32_t hash = conn_source_hash(choice->conn);
    const Conn *best = NULL;

    if (index->len == 0)
        return false;
    for (uint32_t pos = ct_index_home(index, hash); index->entries[pos].ref != 0; pos = ct_index_next(index, pos)) {
        const Conn *other;
        CtTuple orig, reply, mapped;

        if (index->entries[pos].hash != hash)
            continue;
        other = conn_of_index_ref(ct, index->entries[pos].ref);
        if (other->status & CT_DYING || (other->status & CT_CONFIRMED && conn_expired(ct, other)) ||
            (best && best->id > other->id))
            continue;
        orig = conn_tuple(other, CT_ORIG);
        other_zone = conn_zone(other);
        if (orig.zone != ct_zone_id(zone, CT_ORIG) || (orig.zone && other_zone.dirs != zone.dirs))
            continue;
        if (orig.proto != current->proto || orig.sport != current->sport || !ipaddr_eq(orig.src, current->src))
            continue;
        reply = conn_tuple(other, CT_REPLY);
        ct_tuple_invert(&reply, &mapped);
        mapped.dst = current->dst;
        mapped.dport = current->dport;
        mapped.zone = current->zone;
        if (source_in_range(&mapped, choice->range)) {
            *ret_tuple = mapped;
            best = other;
        }
    }
    return best != NULL;
}

/* find_best_ips_proto(): an address of the range by a hash of source and, unless persistent, destination; the kernel's
 * hash, so that the choice is the kernel's. */
static void
choose_address(const Choice *choice, CtTuple *tuple)
{
    const NatRange *range = choice->range;
    IpAddr *addr = choice->manip == NAT_MANIP_SRC ? &tuple->src : &tuple->dst;
    bool v6 = !ipaddr_is_v4(&tuple->src), persistent = range->flags & NF_NAT_PERSISTENT, full = false;
    int n_words = v6 ? 4 : 1, skip = v6 ? 0 : 12;
    uint32_t src[4] = {0}, dst[4] = {0}, hash;

    if (!range->has_addr)
        return;
    if (ipaddr_eq(range->addr_min, range->addr_max)) {
        *addr = range->addr_min;
        return;
    }
    /* The words as a little-endian machine reads them. */
    for (int i = 0; i < 4 * n_words; i++) {
        src[i / 4] |= (uint32_t)tuple->src.b[skip + i] << 8 * (i % 4);
        dst[i / 4] |= (uint32_t)tuple->dst.b[skip + i] << 8 * (i % 4);
    }
    hash = hash_words(src, persistent ? 0 : dst[n_words - 1] ^ conn_zone(choice->conn).id);
    for (int i = 0; i < n_words; i++) {
        uint32_t low = 0, high = 0, size = UINT32_MAX, word;

        for (int j = 0; j < 4; j++) {
            low = low << 8 | range->addr_min.b[skip + 4 * i + j];
            high = high << 8 | range->addr_max.b[skip + 4 * i + j];
        }
        if (full)
            low = 0;
        else
            size = high - low + 1;
        word = low + (uint32_t)((uint64_t)hash * size >> 32);
        for (int j = 0; j < 4; j++)
            addr->b[skip + 4 * i + j] = (uint8_t)(word >> (24 - 8 * j));
        if (word != high)
            full = true;
        /* The kernel reads the destination after it wrote its part. */
        if (!persistent)
            hash ^= choice->manip == NAT_MANIP_SRC ? dst[i] : __builtin_bswap32(word);
    }
}

/* Bob Jenkins' lookup3 over four words. */
static uint32_t
hash_words(const uint32_t words[4], uint32_t init)
{
#define ROL(x, n) ((x) << (n) | (x) >> (32 - (n)))
    uint32_t a = 0xdeadbeef + (4 << 2) + init, b = a, c = a;

    a += words[0];
    b += words[1];
    c += words[2];
    a -= c, a ^= ROL(c, 4), c += b;
    b -= a, b ^= ROL(a, 6), a += c;
    c -= b, c ^= ROL(b, 8), b += a;
    a -= c, a ^= ROL(c, 16), c += b;
    b -= a, b ^= ROL(a, 19), a += c;
    c -= b, c ^= ROL(b, 4), b += a;
    a += words[3];
    c ^= b, c -= ROL(b, 14);
    a ^= c, a -= ROL(c, 11);
    b ^= a, b -= ROL(a, 25);
    c ^= b, c -= ROL(b, 16);
    a ^= c, a -= ROL(c, 4);
    b ^= a, b -= ROL(a, 14);
    c ^= b, c -= ROL(b, 24);
    return c;
#undef ROL
}

/* nf_nat_l4proto_unique_tuple(): another port (ICMP: id) that makes the tuple free; false if none was found. */
static bool
choose_port(Choice *choice, CtTuple *tuple)
{
    const NatRange *range = choice->range;
    uint16_t *port = choice->manip == NAT_MANIP_SRC ? &tuple->sport : &tuple->dport;
    uint32_t min, size;

    if (proto_is_icmp(tuple->proto)) {
        port = &tuple->sport;
        min = range->has_ports ? range->port_min : 0;
        size = range->has_ports ? (uint32_t)range->port_max - range->port_min + 1 : 65536;
    } else if (!proto_has_ports(tuple->proto)) {
        return !is_used(choice, tuple);
    } else if (range->has_ports) {
        min = MIN(range->port_min, range->port_max);
        size = (uint32_t)MAX(range->port_min, range->port_max) - min + 1;
    } else if (choice->manip == NAT_MANIP_DST) {
        return !is_used(choice, tuple); /* A destination port is never changed unasked. */
    } else if (*port < 512) {
        min = 1;
        size = 511;
    } else if (*port < 1024) {
        min = 600;
        size = 424;
    } else {
        min = 1024;
        size = 64512;
    }
    return search_port(choice, tuple, port, min, size,
                       choice->manip == NAT_MANIP_SRC || range->flags & ANY_RANDOM ? draw_u16(choice) : 0);
}

/* From a random place on, and from others in ever smaller steps: never the whole range. */
static bool
search_port(Choice *choice, CtTuple *tuple, uint16_t *port, uint32_t min, uint32_t size, uint16_t offset)
{
    uint32_t attempts = MIN(size, MAX_ATTEMPTS);

    for (;;) {
        for (uint32_t i = 0; i < attempts; i++, offset++) {
            *port = (uint16_t)(min + offset % size);
            if (!is_used_after_eviction(choice, tuple, attempts - i))
                return true;
        }
        if (attempts >= size || attempts < MIN_ATTEMPTS)
            return false;
        attempts /= 2;
        offset = draw_u16(choice);
    }
}

static bool
is_used(const Choice *choice, const CtTuple *tuple)
{
    CtTuple reply;

    return ct_tuple_invert(tuple, &reply) && ct_table_tuple_taken(choice->ct, &reply, choice->conn);
}

/* nf_nat_used_tuple_new(): two UDP packets that met on the way, one each direction, both unconfirmed, are one
 * connection; confirming it will say so. */
static bool
is_used_unchanged(const Choice *choice, const CtTuple *tuple)
{
    CtTuple reply, own_reply = conn_tuple(choice->conn, CT_REPLY), other_orig;
    CtZone zone = conn_zone(choice->conn);
    const Conn *other;
    CtDir dir;

    if (!is_used(choice, tuple))
        return false;
    if (tuple->proto != IPPROTO_UDP_ || choice->conn->status & CT_NAT_MASK)
        return true;
    ct_tuple_invert(tuple, &reply);
    other = ct_table_find(choice->ct, tuple, zone, &dir);
    if (!other)
        other = ct_table_find(choice->ct, &reply, zone, &dir);
    if (!other || other->status & CT_NAT_MASK)
        return other != NULL;
    other_orig = conn_tuple(other, CT_ORIG);
    return !ct_tuple_eq(&other_orig, &own_reply);
}

/* nf_nat_used_tuple_harder(): near the end of the attempts, a TCP connection that is over and whose sequence numbers
 * this SYN has passed gives up its port. */
static bool
is_used_after_eviction(const Choice *choice, const CtTuple *tuple, uint32_t attempts_left)
{
    CtTuple reply;
    Conn *other;
    CtDir dir;

    if (attempts_left > EVICT_BELOW || tuple->proto != IPPROTO_TCP_ || choice->conn->state != CT_TCP_SYN_SENT)
        return is_used(choice, tuple);
    ct_tuple_invert(tuple, &reply);
    other = ct_table_find(choice->ct, &reply, conn_zone(choice->conn), &dir);
    if (!other)
        return false;
    if (dir == CT_ORIG || other->state < CT_TCP_TIME_WAIT || other->status & CT_FIXED_TIMEOUT ||
        !(other->status & CT_SRC_NAT) || !seq_after(choice->conn->tcp.side[0].end, other->tcp.side[0].end))
        return true;
    ct_table_kill(choice->ct, other, NULL);
    return false;
}

static bool
source_in_range(const CtTuple *tuple, const NatRange *range)
{
    if (range->has_addr &&
        (ipaddr_cmp(&tuple->src, &range->addr_min) < 0 || ipaddr_cmp(&tuple->src, &range->addr_max) > 0))
        return false;
    return !range->has_ports || ports_in_range(tuple, NAT_MANIP_SRC, range);
}

static bool
ports_in_range(const CtTuple *tuple, uint8_t manip, const NatRange *range)
{
    uint16_t port = manip == NAT_MANIP_SRC || proto_is_icmp(tuple->proto) ? tuple->sport : tuple->dport;

    if (!proto_is_icmp(tuple->proto) && !proto_has_ports(tuple->proto))
        return true;
    return port >= range->port_min && port <= range->port_max;
}

static bool
proto_has_ports(uint8_t proto)
{
    return proto == IPPROTO_TCP_ || proto == IPPROTO_UDP_ || proto == IPPROTO_SCTP_;
}

static bool
proto_is_icmp(uint8_t proto)
{
    return proto == IPPROTO_ICMP_ || proto == IPPROTO_ICMPV6_;
}

/* Draws belong to the connection: other traffic does not shift them. */
static uint16_t
draw_u16(Choice *choice)
{
    return (uint16_t)(rng_mix(choice->draw_key, ++choice->n_draws) >> 48);
}
