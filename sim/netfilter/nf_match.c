/* Single tests.  Each case names the kernel file whose behaviour it follows where that is not plain. */

#include <string.h>

#include "sim/netfilter/nf_eval.h"
#include "sim/netfilter/nf_ruleset_int.h"

static bool test(NfWalk *walk, const NfExpr *expr);
static bool match_dev(const NfWalk *walk, const NetDev *dev, const NfExpr *expr, bool prefix);
static bool match_ports(const NfWalk *walk, const NfExpr *expr);
static bool match_icmp(const Packet *pkt, const NfExpr *expr);
static CtTuple ct_side(const Conn *conn, const NfExpr *expr, IpFamily family);
static bool match_ct(const NfWalk *walk, const NfExpr *expr, bool *ret_known);
static bool match_addrtype(const NfWalk *walk, const NfExpr *expr);
static bool match_nth(NfWalk *walk, const NfExpr *expr);
static bool match_physdev(const NfWalk *walk, const NfExpr *expr);
static bool match_pkttype(const Packet *pkt, uint32_t type);
static bool match_hashlimit(NfWalk *walk, const NfExpr *expr);
static bool has_addr_type(const NfWalk *walk, IpAddr addr, const NetDev *dev, uint32_t types);
static bool match_ipset(const NfWalk *walk, const NfExpr *expr);
static bool match_lookup(NfWalk *walk, const NfExpr *expr);

bool
nf_match(NfWalk *walk, const NfExpr *expr)
{
    const Packet *pkt = walk->pkt;
    bool known = true, result;

    /* Where the kernel gives up on a packet that lacks what the test is about, negation does not help it. */
    switch (expr->op) {
    case NFX_SPORT:
    case NFX_DPORT:
    case NFX_MULTIPORT:
        known = packet_has_ports(pkt);
        break;
    case NFX_PHYSDEV: /* A packet that br_netfilter saw, but without a port to leave by: no "not this port" holds. */
        known = expr->len != 1 || !pkt->meta.phys_in || pkt->meta.phys_out;
        break;
    case NFX_TCP_FLAGS:
        known = pkt->proto == IPPROTO_TCP_;
        break;
    case NFX_CT_STATUS:
    case NFX_CT_DIR:
    case NFX_CT_ORIG:
    case NFX_CT_ORIG_PORT:
    case NFX_CONNMARK:
        if (expr->c & NF_WITH_STATE && !pkt->meta.ct && !nf_walk_has_template(walk))
            return true;
        result = match_ct(walk, expr, &known);
        return known && result != expr->neg;
    case NFX_RECENT: /* Its own 'neg' takes part in whether it updates. */
        return nf_state_recent_match(walk->state, walk->rs->names, expr, pkt);
    case NFX_SOCKET: /* Depends on what cannot be known here. */
    case NFX_UNKNOWN_MATCH:
        walk->unknown_hits++;
        return false;
    }
    return known && test(walk, expr) != expr->neg;
}

static bool
test(NfWalk *walk, const NfExpr *expr)
{
    const Packet *pkt = walk->pkt;

    switch ((NfOp)expr->op) {
    case NFX_SADDR:
        return nf_addr_in(pkt->src, &expr->addr, expr->c);
    case NFX_DADDR:
        return nf_addr_in(pkt->dst, &expr->addr, expr->c);
    case NFX_IIF:
        return match_dev(walk, pkt->meta.in, expr, expr->len);
    case NFX_OIF:
        return match_dev(walk, pkt->meta.out, expr, expr->len);
    case NFX_PROTO:
        return pkt->proto == expr->a;
    case NFX_SPORT:
        return pkt->sport >= expr->a && pkt->sport <= expr->b;
    case NFX_DPORT:
        return pkt->dport >= expr->a && pkt->dport <= expr->b;
    case NFX_MULTIPORT:
        return match_ports(walk, expr);
    case NFX_TCP_FLAGS:
        return (pkt->tcp.flags & expr->a) == expr->b;
    case NFX_ICMP_TYPE:
        return match_icmp(pkt, expr);
    case NFX_CT_STATE:
        return ((nf_walk_has_template(walk) ? NF_CT_NEW : conntrack_state_bits(pkt)) & expr->a) != 0;
    case NFX_MARK:
        return (pkt->meta.mark & expr->b) == expr->a;
    case NFX_MARK_EQ0:
        return (pkt->meta.mark & expr->a) == 0;
    case NFX_STATISTIC_RANDOM:
        return nf_match_random(walk, expr);
    case NFX_STATISTIC_NTH:
        return match_nth(walk, expr);
    case NFX_ADDRTYPE:
        return match_addrtype(walk, expr);
    case NFX_SET:
        return match_ipset(walk, expr);
    case NFX_LIMIT: {
        const NfLimit *limit = nf_chain_limit(walk->chain, expr->a);
        return nf_bucket_take(nf_block_aux(nf_walk_block(walk), expr->b4), walk->sim->now, limit->interval_ns,
                              limit->burst);
    }
    case NFX_HASHLIMIT:
        return match_hashlimit(walk, expr);
    case NFX_L4_MATCH:
    case NFX_COMMENT:
    case NFX_NFACCT:
        return true;
    case NFX_PHYSDEV:
        return match_physdev(walk, expr);
    case NFX_PKTTYPE:
        return match_pkttype(pkt, expr->a);
    case NFX_LENGTH:
        return walk->ip_size >= expr->a && walk->ip_size <= expr->b;
    case NFX_TTL:
        return expr->len == 0 ? pkt->ttl == expr->a : expr->len == 1 ? pkt->ttl < expr->a : pkt->ttl > expr->a;
    case NFX_RPFILTER:
        return walk->ops->rpfilter(walk->host, pkt, expr->a);
    case NFX_IPRANGE: {
        const NfAddrRange *range = nf_chain_range(walk->chain, expr->a);
        const IpAddr *addr = expr->len ? &pkt->dst : &pkt->src;
        return ipaddr_cmp(addr, &range->low) >= 0 && ipaddr_cmp(addr, &range->high) <= 0;
    }
    case NFX_OWNER: /* xt_owner.c; all that is modelled runs as root, but the kernel's own sockets are nobody's. */
        return expr->len == 2 ? pkt->meta.local_out == LOCAL_OF_SOCKET : pkt->meta.owner && expr->a == 0;
    case NFX_LOOKUP:
        return match_lookup(walk, expr);
    case NFX_FIB_TYPE:
        return walk->ops->addr_type(walk->host, expr->len ? pkt->dst : pkt->src, NULL) == expr->a;
    case NFX_CT_STATUS:
    case NFX_CT_DIR:
    case NFX_CT_ORIG:
    case NFX_CT_ORIG_PORT:
    case NFX_CONNMARK:
    case NFX_RECENT:
    case NFX_SOCKET:
    case NFX_UNKNOWN_MATCH:
    case NFX_STATEMENTS:
        break;
    }
    g_assert_not_reached();
}

/* A packet without the interface has the name "" in the kernel's eyes. */
static bool
match_dev(const NfWalk *walk, const NetDev *dev, const NfExpr *expr, bool prefix)
{
    const char *want = nf_text(walk->rs->names, expr->a);
    const char *name = dev ? walk->ops->dev_name(dev) : "";

    return prefix ? strncmp(name, want, strlen(want)) == 0 : strcmp(name, want) == 0;
}

static bool
match_ports(const NfWalk *walk, const NfExpr *expr)
{
    const NfPortList *list = nf_chain_ports(walk->chain, expr->a);
    const Packet *pkt = walk->pkt;

    for (uint32_t i = 0; i < list->n; i++) {
        bool src = pkt->sport >= list->v[i][0] && pkt->sport <= list->v[i][1];
        bool dst = pkt->dport >= list->v[i][0] && pkt->dport <= list->v[i][1];
        if ((src && expr->len != 1) || (dst && expr->len != 0))
            return true;
    }
    return false;
}

static bool
match_icmp(const Packet *pkt, const NfExpr *expr)
{
    if (!packet_is_icmp(pkt))
        return false;
    if (expr->a == 255 && pkt->proto == IPPROTO_ICMP_)
        return true;
    return pkt->icmp.type == expr->a && pkt->icmp.code >= expr->b >> 8 && pkt->icmp.code <= (expr->b & 0xff);
}

static CtTuple
ct_side(const Conn *conn, const NfExpr *expr, IpFamily family)
{
    IpAddr any = family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6;

    return conn ? conn_tuple(conn, expr->a & 2 ? CT_REPLY : CT_ORIG) : (CtTuple){.src = any, .dst = any};
}

/* xt_conntrack.c, xt_connmark.c, nft_ct.c: nothing holds of a packet that has no connection. */
static bool
match_ct(const NfWalk *walk, const NfExpr *expr, bool *ret_known)
{
    const Conn *conn = walk->pkt->meta.ct;
    bool template =
        nf_walk_has_template(walk) && walk->rs->dialect == NF_DIALECT_IPTABLES; /* nft asks it for its state only. */
    IpFamily family = packet_family(walk->pkt);
    uint32_t status = template ? NF_STATUS_CONFIRMED : conntrack_status_bits(walk->pkt);
    CtTuple tuple;

    *ret_known = conn || template;
    if (!*ret_known)
        return false;
    switch (expr->op) {
    case NFX_CT_STATUS:
        return (status & expr->a) != 0;
    case NFX_CT_DIR:
        return walk->pkt->meta.ct_reply == expr->a;
    case NFX_CONNMARK:
        return ((conn ? conn_mark(conn) : 0) & expr->b) == expr->a;
    case NFX_CT_ORIG: {
        uint8_t bits = expr->len + (ipaddr_is_v4(&expr->addr) ? 96 : 0);
        tuple = ct_side(conn, expr, family);
        return nf_addr_in(expr->a & 1 ? tuple.dst : tuple.src, &expr->addr, bits);
    }
    default: {
        uint16_t port;
        tuple = ct_side(conn, expr, family);
        port = expr->a & 1 ? tuple.dport : tuple.sport;
        return port >= expr->b >> 16 && port <= (expr->b & 0xffff);
    }
    }
}

/* xt_addrtype.c, revision 1. */
static bool
match_addrtype(const NfWalk *walk, const NfExpr *expr)
{
    const Packet *pkt = walk->pkt;
    const NetDev *dev = expr->b & 1 ? pkt->meta.in : expr->b & 2 ? pkt->meta.out : NULL;
    uint32_t src = expr->a >> 16, dst = expr->a & 0xffff;
    bool ok = true;

    if (src)
        ok = has_addr_type(walk, pkt->src, dev, src) != ((expr->b & 4) != 0);
    if (ok && dst)
        ok = has_addr_type(walk, pkt->dst, dev, dst) != ((expr->b & 8) != 0);
    return ok;
}

/* IPv6 (match_type6()): what the address itself says must hold for each type named, the host's own included among
 * UNICAST; of the types that need a route one is enough. */
static bool
has_addr_type(const NfWalk *walk, IpAddr addr, const NetDev *dev, uint32_t types)
{
    const uint32_t by_route = NF_TYPE_LOCAL | NF_TYPE_ANYCAST | NF_TYPE_UNREACHABLE;
    bool multicast = ipaddr_is_multicast(&addr), any = ipaddr_is_any(&addr);

    if (!ipaddr_is_v4(&addr)) {
        if ((types & NF_TYPE_MULTICAST && !multicast) || (types & NF_TYPE_UNICAST && (multicast || any)) ||
            (types & NF_TYPE_UNSPEC && !any))
            return false;
        types &= by_route;
        if (!types)
            return true;
    }
    return (walk->ops->addr_type(walk->host, addr, dev) & types) != 0;
}

bool
nf_match_random(NfWalk *walk, const NfExpr *expr)
{
    ChancePoint point = {.kind = CHANCE_BERNOULLI, .n = 2, .yes = expr->a, .total = UINT64_C(1) << 31};

    return nf_walk_draw(walk, expr, &point) != 0;
}

/* xt_statistic.c: of every 'a' packets that come here, number 'b' (from 0). */
static bool
match_nth(NfWalk *walk, const NfExpr *expr)
{
    NfAux *aux = nf_block_aux(nf_walk_block(walk), expr->b4);
    uint32_t n = aux->n_seen;

    aux->n_seen = n + 1 >= expr->a ? 0 : n + 1;
    return n == expr->b;
}

/* xt_physdev.c: the port that a packet leaves by is known of one that is bridged, in FORWARD and POSTROUTING. */
static bool
match_physdev(const NfWalk *walk, const NfExpr *expr)
{
    const PacketMeta *meta = &walk->pkt->meta;

    switch (expr->len) {
    case 0:
        return meta->phys_in && match_dev(walk, meta->phys_in, expr, expr->b);
    case 1:
        return meta->phys_out && match_dev(walk, walk->ops->dev_at(walk->host, meta->phys_out), expr, expr->b);
    case 3:
        return meta->phys_in != NULL;
    default:
        return meta->phys_out != 0;
    }
}

static bool
match_pkttype(const Packet *pkt, uint32_t type)
{
    static const MacAddr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    bool is_broadcast = memcmp(&pkt->eth_dst, &broadcast, sizeof broadcast) == 0;
    bool is_multicast = (pkt->eth_dst.b[0] & 1) && !is_broadcast;

    return type == (is_broadcast ? 1 : is_multicast ? 2 : 0);
}

/* xt_hashlimit.c: no protocol stands beside the ports. */
static bool
match_hashlimit(NfWalk *walk, const NfExpr *expr)
{
    const NfLimit *limit = nf_chain_limit(walk->chain, expr->a);
    NfHashLimit *table = nf_state_hashlimit(walk->state, nf_ruleset_family(walk->rs),
                                            nf_text(walk->rs->names, limit->name), &limit->table);
    const Packet *pkt = walk->pkt;
    uint32_t mode = table->rate.mode;
    bool above = limit->mode >> 31;
    NfKey key;

    memset(&key, 0, sizeof key);
    if (mode & 1)
        key.addr = pkt->src;
    if (mode & 2)
        key.addr2 = pkt->dst;
    if (mode & 4)
        key.word = pkt->sport;
    if (mode & 8)
        key.port = pkt->dport;
    return nf_hashlimit_take(table, nf_state_now(walk->state), &key) != above;
}

/* xt_set.c: each dimension takes its field from the packet's source or destination side. */
static bool
match_ipset(const NfWalk *walk, const NfExpr *expr)
{
    const NfSet *set = nf_ids_get(&walk->rs->sets, expr->a);
    const NfSetSpec *spec = nf_set_spec(set);
    const Packet *pkt = walk->pkt;
    uint32_t fields = 0, dim = 0;
    bool with_proto = false;
    NfKey key;

    for (uint32_t i = 0; i < spec->n_fields; i++)
        with_proto |= (spec->fields >> (4 * i) & 0xf) == NF_KEY_PROTO;
    for (uint32_t i = 0; i < spec->n_fields; i++) {
        uint32_t field = spec->fields >> (4 * i) & 0xf;
        bool src = (expr->b >> (2 * dim) & 3) == 1;

        switch (field) {
        case NF_KEY_SADDR:
        case NF_KEY_DADDR:
            field = src ? NF_KEY_SADDR : NF_KEY_DADDR;
            dim++;
            break;
        case NF_KEY_SPORT:
        case NF_KEY_DPORT:
            /* ip_set_get_ip_port(): a bitmap of ports, which asks for no protocol, knows TCP and UDP only. */
            if (!packet_has_ports(pkt) || (!with_proto && pkt->proto == IPPROTO_SCTP_))
                return false;
            field = src ? NF_KEY_SPORT : NF_KEY_DPORT;
            dim++;
            break;
        case NF_KEY_IIF:
        case NF_KEY_OIF:
            field = src ? NF_KEY_IIF : NF_KEY_OIF;
            dim++;
            break;
        case NF_KEY_MARK:
            dim++;
            break;
        default: /* The protocol comes with the port. */
            break;
        }
        fields |= field << (4 * i);
    }
    key = nf_walk_key(walk, fields, spec->n_fields);
    return nf_set_lookup(set, &key) != NULL;
}

static bool
match_lookup(NfWalk *walk, const NfExpr *expr)
{
    const NfSet *set = nf_ids_get(&walk->rs->sets, expr->a);
    NfKey key = nf_walk_key(walk, expr->b, expr->len);

    return nf_set_lookup(set, &key) || (nf_set_spec(set)->dynamic && nf_state_set_has(walk->state, expr->a, &key));
}

NfKey
nf_walk_key(const NfWalk *walk, uint32_t fields, uint8_t n)
{
    const Packet *pkt = walk->pkt;
    IpAddr *addr;
    NfKey key;

    memset(&key, 0, sizeof key);
    addr = &key.addr;
    for (uint32_t i = 0; i < n; i++) {
        switch ((NfKeyField)(fields >> (4 * i) & 0xf)) {
        case NF_KEY_NONE:
            break;
        case NF_KEY_SADDR:
            *addr = pkt->src;
            addr = &key.addr2;
            break;
        case NF_KEY_DADDR:
            *addr = pkt->dst;
            addr = &key.addr2;
            break;
        case NF_KEY_PROTO:
            key.proto = pkt->proto;
            break;
        case NF_KEY_SPORT:
            key.port = packet_has_ports(pkt) ? pkt->sport : 0;
            break;
        case NF_KEY_DPORT:
            key.port = packet_has_ports(pkt) ? pkt->dport : 0;
            break;
        case NF_KEY_IIF:
            key.word = nf_text_find(walk->rs->names, pkt->meta.in ? walk->ops->dev_name(pkt->meta.in) : "");
            break;
        case NF_KEY_OIF:
            key.word = nf_text_find(walk->rs->names, pkt->meta.out ? walk->ops->dev_name(pkt->meta.out) : "");
            break;
        case NF_KEY_MARK:
            key.word = pkt->meta.mark;
            break;
        }
    }
    return key;
}
