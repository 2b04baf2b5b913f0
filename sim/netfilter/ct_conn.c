#include "sim/netfilter/conntrack_private.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "sim/netfilter/nf_rule.h"

static uint8_t icmp_answer(uint8_t proto, uint8_t type, bool *ret_has_answer);
static Conn *conn_alloc(Conntrack *ct, bool v6);
static void conn_destroy(Conntrack *ct, Conn *conn);
static void slab_add(Conntrack *ct, bool v6);

/* --- Tuples ------------------------------------------------------------------------------------------------------ */

bool
ct_tuple_of_packet(const Packet *pkt, uint16_t zone, CtTuple *ret_tuple)
{
    if (pkt->eth != ETH_IP)
        return false;
    *ret_tuple = (CtTuple){.src = pkt->src, .dst = pkt->dst, .zone = zone, .proto = pkt->proto};
    if (packet_has_ports(pkt)) {
        ret_tuple->sport = pkt->sport;
        ret_tuple->dport = pkt->dport;
    } else if (packet_is_icmp(pkt)) {
        ret_tuple->sport = pkt->icmp.id;
        ret_tuple->dport = (uint16_t)(pkt->icmp.type << 8 | pkt->icmp.code);
    }
    return true;
}

bool
ct_tuple_invert(const CtTuple *tuple, CtTuple *ret_inverse)
{
    CtTuple inverse = {
        .src = tuple->dst, .dst = tuple->src, .sport = tuple->dport, .dport = tuple->sport, .zone = tuple->zone};

    inverse.proto = tuple->proto;
    if (tuple->proto == IPPROTO_ICMP_ || tuple->proto == IPPROTO_ICMPV6_) {
        bool has_answer;
        uint8_t type = icmp_answer(tuple->proto, (uint8_t)(tuple->dport >> 8), &has_answer);

        if (!has_answer)
            return false;
        inverse.sport = tuple->sport;
        inverse.dport = (uint16_t)(type << 8 | (tuple->dport & 0xff));
    }
    *ret_inverse = inverse;
    return true;
}

bool
ct_tuple_eq(const CtTuple *a, const CtTuple *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

uint32_t
ct_tuple_hash(const CtTuple *tuple)
{
    CtKey key = ct_tuple_key(tuple);

    return ct_key_hash(&key);
}

/* hash_by_source(): one-sided zones are not told apart. */
uint32_t
conn_source_hash(const Conn *conn)
{
    CtTuple orig = conn_tuple(conn, CT_ORIG);
    CtTuple source = {.src = orig.src, .sport = orig.sport, .proto = orig.proto};
    CtZone zone = conn_zone(conn);

    source.dst = ipaddr_is_v4(&orig.src) ? IPADDR_ANY4 : IPADDR_ANY6;
    source.zone = zone.dirs == CT_ZONE_BOTH ? zone.id : 0;
    return ct_tuple_hash(&source);
}

uint32_t
ct_addr6_word(const IpAddr *addr)
{
    uint64_t hash = 0;

    for (int i = 0; i < 16; i += 4) {
        const uint8_t *b = addr->b + i;
        uint32_t word = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];

        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

/* The types that come in pairs: echo, timestamp, information, address mask; ICMPv6 echo, node information. */
static uint8_t
icmp_answer(uint8_t proto, uint8_t type, bool *ret_has_answer)
{
    static const uint8_t v4[][2] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}};
    static const uint8_t v6[][2] = {{128, 129}, {139, 140}};
    const uint8_t(*pairs)[2] = proto == IPPROTO_ICMP_ ? v4 : v6;
    size_t n = proto == IPPROTO_ICMP_ ? G_N_ELEMENTS(v4) : G_N_ELEMENTS(v6);

    for (size_t i = 0; i < n; i++) {
        if (type == pairs[i][0] || type == pairs[i][1]) {
            *ret_has_answer = true;
            return type == pairs[i][0] ? pairs[i][1] : pairs[i][0];
        }
    }
    *ret_has_answer = false;
    return 0;
}

/* --- Entries ----------------------------------------------------------------------------------------------------- */

Conn *
conn_new(Conntrack *ct, const CtTuple *orig, const CtTuple *reply)
{
    Conn *conn = conn_alloc(ct, !ipaddr_is_v4(&orig->src));
    uint32_t slot = conn->slot;

    memset(conn, 0, sizeof *conn);
    conn->slot = slot;
    conn->refs = 1;
    conn->id = ++ct->next_id;
    conn_set_tuple(conn, CT_ORIG, orig);
    conn_set_tuple(conn, CT_REPLY, reply);
    ct->n_conns++;
    return conn;
}

void
conn_set_tuple(Conn *conn, CtDir dir, const CtTuple *tuple)
{
    conn->key[dir] = ct_tuple_key(tuple);
    if (conn->key[dir].v6) {
        Conn6 *conn6 = (Conn6 *)conn;

        conn6->addr[dir][0] = tuple->src;
        conn6->addr[dir][1] = tuple->dst;
    }
}

CtTuple
conn_tuple(const Conn *conn, CtDir dir)
{
    const CtKey *key = &conn->key[dir];

    return (CtTuple){.src = conn_addr(conn, dir, CT_ADDR_SRC),
                     .dst = conn_addr(conn, dir, CT_ADDR_DST),
                     .sport = key->sport,
                     .dport = key->dport,
                     .zone = key->zone,
                     .proto = key->proto};
}

IpAddr
conn_addr(const Conn *conn, CtDir dir, CtAddr which)
{
    const CtKey *key = &conn->key[dir];

    if (key->v6)
        return ((const Conn6 *)conn)->addr[dir][which];
    return ipaddr_v4_u32(which == CT_ADDR_SRC ? key->src : key->dst);
}

Conntrack *
conn_table(const Conn *conn)
{
    return *(Conntrack **)((uintptr_t)conn & ~(uintptr_t)(CONN_SLAB_BYTES - 1));
}

uint32_t
conn_mark(const Conn *conn)
{
    return conn->mark;
}

void
conn_set_mark(Conn *conn, uint32_t mark)
{
    conn->mark = mark;
}

uint64_t
conn_id(const Conn *conn)
{
    return conn->id;
}

uint64_t
conn_flow(const Conn *conn)
{
    return conn->flow;
}

SimTime
conn_expires(const Conn *conn)
{
    return conn->status & CT_CONFIRMED ? conn->expires : conn_table(conn)->sim->now + conn->expires;
}

uint8_t
conn_tcp_state(const Conn *conn)
{
    return conn->key[CT_ORIG].proto == IPPROTO_TCP_ ? conn->state : CT_TCP_NONE;
}

uint32_t
conn_status_bits(const Conn *conn)
{
    uint32_t bits = 0;

    if (conn->status & CT_SEEN_REPLY)
        bits |= NF_STATUS_SEEN_REPLY;
    if (conn->status & CT_ASSURED)
        bits |= NF_STATUS_ASSURED;
    if (conn->status & CT_CONFIRMED)
        bits |= NF_STATUS_CONFIRMED;
    if (conn->status & CT_SRC_NAT)
        bits |= NF_STATUS_SNAT;
    if (conn->status & CT_DST_NAT)
        bits |= NF_STATUS_DNAT;
    return bits;
}

void
conn_ref(Conn *conn)
{
    conn->refs++;
}

void
conn_unref(Conntrack *ct, Conn *conn)
{
    g_assert(conn->refs > 0);
    if (--conn->refs == 0)
        conn_destroy(ct, conn);
}

void
conn_release_packet(Packet *pkt)
{
    Conn *conn = pkt->meta.ct;

    if (!conn)
        return;
    pkt->meta.ct = NULL;
    g_assert(conn->refs > 0);
    if (--conn->refs == 0)
        conn_destroy(conn_table(conn), conn);
}

/* --- Storage ----------------------------------------------------------------------------------------------------- */

static Conn *
conn_alloc(Conntrack *ct, bool v6)
{
    ConnFree *store = &ct->free[v6];
    Conn *conn;

    if (store->free_slot != 0) {
        conn = conn_of_slot(ct, store->free_slot - 1);
        store->free_slot = conn->refs;
        return conn;
    }
    if (store->fresh == store->end)
        slab_add(ct, v6);
    conn = conn_of_slot(ct, store->fresh);
    conn->slot = store->fresh++;
    return conn;
}

static void
conn_destroy(Conntrack *ct, Conn *conn)
{
    ConnFree *store = &ct->free[conn->key[CT_ORIG].v6];

    if (conn->status & CT_BY_SOURCE)
        ct_index_remove(&ct->sources, conn_source_hash(conn), conn_index_ref(conn, CT_ORIG));
    conn->status = CT_DYING;
    conn->refs = store->free_slot;
    store->free_slot = conn->slot + 1;
    ct->n_conns--;
    if (ct->closing && ct->n_conns == 0)
        conntrack_free_slabs(ct);
}

static void
slab_add(Conntrack *ct, bool v6)
{
    uint32_t stride = v6 ? sizeof(Conn6) : sizeof(Conn);
    ConnFree *store = &ct->free[v6];
    void *memory = aligned_alloc(CONN_SLAB_BYTES, CONN_SLAB_BYTES);

    g_assert(memory != NULL && ct->n_slabs < UINT32_C(1) << (31 - CONN_SLAB_SHIFT));
    *(Conntrack **)memory = ct;
    if (ct->n_slabs == ct->slabs_cap) {
        ct->slabs_cap = MAX(4, ct->slabs_cap * 2);
        ct->slabs = g_renew(ConnSlab, ct->slabs, ct->slabs_cap);
    }
    ct->slabs[ct->n_slabs] = (ConnSlab){(uint8_t *)memory + CONN_SLAB_HEAD_BYTES, stride};
    store->fresh = ct->n_slabs << CONN_SLAB_SHIFT;
    store->end = store->fresh + (CONN_SLAB_BYTES - CONN_SLAB_HEAD_BYTES) / stride;
    ct->n_slabs++;
}

void
conntrack_free_slabs(Conntrack *ct)
{
    for (uint32_t i = 0; i < ct->n_slabs; i++)
        free(ct->slabs[i].first - CONN_SLAB_HEAD_BYTES);
    g_free(ct->slabs);
    ct_index_clear(&ct->tuples);
    ct_index_clear(&ct->sources);
    g_free(ct);
}
