/* Targets and statements: what acts, what decides, what translates */

#include <string.h>

#include "sim/netfilter/nf_eval.h"
#include "sim/netfilter/nf_ruleset_int.h"

static NfStep verdict_step(uint8_t verdict);
static bool tracking_is_settled(const NfWalk *walk);
static void set_zone(NfWalk *walk, CtZone zone);
static NfStep set_mss(NfWalk *walk, const NfExpr *expr, NfResult *ret_result);
static void set_connmark(const NfWalk *walk, const NfExpr *expr);
static NfStep vmap(NfWalk *walk, const NfExpr *expr, uint32_t *ret_chain);
static const NfChoice *numgen(NfWalk *walk, const NfExpr *expr);
static NfStep translate(NfWalk *walk, uint8_t manip, const NatRange *range, NfResult *ret_result);
static NatRange expr_range(const NfWalk *walk, const NfExpr *expr);
static NatRange port_range(uint32_t ports, uint8_t flags);
static void range_set_addr(NatRange *range, IpAddr low, IpAddr high);
static NfStep masquerade(NfWalk *walk, const NfExpr *expr, NfResult *ret_result);
static NfStep redirect(NfWalk *walk, const NfExpr *expr, NfResult *ret_result);

NfStep
nf_action(NfWalk *walk, const NfExpr *expr, uint32_t *ret_chain, NfResult *ret_result)
{
    PacketMeta *meta = &walk->pkt->meta;

    switch (expr->op) {
    case NFX_SET_MARK:
        meta->mark = (meta->mark & ~expr->b) ^ expr->a;
        return STEP_ON;
    case NFX_SET_CONNMARK:
        set_connmark(walk, expr);
        return STEP_ON;
    case NFX_SET_UPDATE: {
        NfKey key = nf_walk_key(walk, expr->b, expr->len);
        const NfSetSpec *spec = nf_set_spec(nf_ids_get(&walk->rs->sets, expr->a));
        return nf_state_set_update(walk->state, spec, &key) ? STEP_ON : STEP_MISS;
    }
    case NFX_COUNTER:
        nf_block_count(nf_walk_block(walk), walk->index, walk->ip_size);
        return STEP_ON;
    case NFX_LOG:
    case NFX_CONTINUE:
        return STEP_ON;
    case NFX_TCPMSS:
        return set_mss(walk, expr, ret_result);
    case NFX_CT_ZONE:
        set_zone(walk, (CtZone){(uint16_t)expr->a, expr->len});
        return STEP_ON;
    case NFX_NOTRACK:
        if (!tracking_is_settled(walk))
            meta->ctinfo = CTINFO_UNTRACKED;
        return STEP_ON;
    case NFX_UNKNOWN_TARGET:
        walk->unknown_hits++;
        return STEP_ON;
    case NFX_REJECT:
        ret_result->reason = DROP_RULE_REJECT;
        ret_result->reject = expr->a ? (RejectWith)expr->a : REJECT_PORT_UNREACH;
        return STEP_REJECT;
    case NFX_DROP:
        ret_result->reason = DROP_RULE;
        return STEP_DROP;
    case NFX_JUMP:
    case NFX_GOTO:
        *ret_chain = expr->a;
        return verdict_step(expr->op);
    case NFX_VMAP:
        return vmap(walk, expr, ret_chain);
    case NFX_NUMGEN_VMAP:
        *ret_chain = numgen(walk, expr)->chain;
        return STEP_GOTO;
    case NFX_NUMGEN_DNAT: {
        const NfChoice *choice = numgen(walk, expr);
        NatRange range = port_range((uint32_t)choice->port << 16 | choice->port, 0);
        range_set_addr(&range, choice->addr, choice->addr);
        return translate(walk, NAT_MANIP_DST, &range, ret_result);
    }
    case NFX_DNAT:
    case NFX_SNAT: {
        NatRange range = expr_range(walk, expr);
        return translate(walk, expr->op == NFX_DNAT ? NAT_MANIP_DST : NAT_MANIP_SRC, &range, ret_result);
    }
    case NFX_MASQUERADE:
        return masquerade(walk, expr, ret_result);
    case NFX_REDIRECT:
        return redirect(walk, expr, ret_result);
    default:
        return verdict_step(expr->op);
    }
}

static NfStep
verdict_step(uint8_t verdict)
{
    switch (verdict) {
    case NFX_ACCEPT:
        return STEP_ACCEPT;
    case NFX_RETURN:
        return STEP_RETURN;
    case NFX_JUMP:
        return STEP_JUMP;
    case NFX_GOTO:
        return STEP_GOTO;
    default:
        return STEP_DROP;
    }
}

/* A connection, or the zone for one, was chosen before.  xt_CT.c asks for any word about tracking, also the one that
 * an answer to an untracked packet bears (conntrack_attach()); nft_ct.c for a connection. */
static bool
tracking_is_settled(const NfWalk *walk)
{
    const PacketMeta *meta = &walk->pkt->meta;

    if (meta->ct || walk->zoned)
        return true;
    return nf_ruleset_dialect(walk->rs) == NF_DIALECT_IPTABLES &&
           (meta->ctinfo == CTINFO_UNTRACKED || meta->ctinfo == CTINFO_RELATED);
}

static void
set_zone(NfWalk *walk, CtZone zone)
{
    if (tracking_is_settled(walk))
        return;
    walk->pkt->meta.ctinfo = CTINFO_NONE; /* nft: "notrack" is taken back. */
    walk->zone = zone;
    walk->zoned = true;
}

/* xt_TCPMSS.c, nft_exthdr.c with nft_rt.c: never upwards.  iptables adds the option where there is none. */
static NfStep
set_mss(NfWalk *walk, const NfExpr *expr, NfResult *ret_result)
{
    enum { LEAST4 = 536, LEAST6 = 1220, MOST_OPTIONS = 60 };
    bool nft = nf_ruleset_dialect(walk->rs) == NF_DIALECT_NFT, v4 = packet_family(walk->pkt) == FAMILY_IPV4;
    uint32_t mss = expr->a, headers = v4 ? 40 : 60;
    TcpHeader *tcp = &walk->pkt->tcp;

    if (walk->pkt->proto != IPPROTO_TCP_)
        return nft ? STEP_MISS : STEP_ON;
    if (!mss) {
        uint32_t there = walk->ops->path_mtu(walk->host, walk->pkt->dst);
        uint32_t back = walk->ops->path_mtu(walk->host, walk->pkt->src), mtu = MIN(there, back);

        if (!nft && mtu <= headers) {
            ret_result->reason = DROP_RULE;
            return STEP_DROP;
        }
        mss = nft && (mtu <= headers || mtu > UINT16_MAX) ? LEAST4 : MIN(mtu - headers, UINT16_MAX);
    }
    if (tcp->mss) {
        tcp->mss = (uint16_t)MIN(tcp->mss, mss);
    } else if (!nft && walk->pkt->payload.len == 0 && packet_l4_header_size(walk->pkt) < MOST_OPTIONS) {
        tcp->mss = (uint16_t)MIN(mss, v4 ? LEAST4 : LEAST6);
        walk->pkt->meta.ip_size = 0;
        walk->ip_size = packet_sent_ip_size(walk->pkt);
    }
    return STEP_ON;
}

/* xt_connmark.c: connmark_tg_shift(). */
static void
set_connmark(const NfWalk *walk, const NfExpr *expr)
{
    Packet *pkt = walk->pkt;
    Conn *conn = pkt->meta.ct;

    if (!conn)
        return;
    switch (expr->len) {
    case 0:
        conn_set_mark(conn, (conn_mark(conn) & ~expr->b) ^ expr->a);
        break;
    case 1:
        conn_set_mark(conn, (conn_mark(conn) & ~expr->b) ^ (pkt->meta.mark & expr->b2));
        break;
    default:
        pkt->meta.mark = (pkt->meta.mark & ~expr->b2) ^ (conn_mark(conn) & expr->b);
        break;
    }
}

static NfStep
vmap(NfWalk *walk, const NfExpr *expr, uint32_t *ret_chain)
{
    const NfSet *map = nf_ids_get(&walk->rs->sets, expr->a);
    NfKey key = nf_walk_key(walk, expr->b, expr->len);
    const NfElem *elem = nf_set_lookup(map, &key);
    size_t n;

    if (!elem)
        return STEP_MISS;
    walk->set_elem = (uint32_t)(elem - nf_set_elems(map, &n)) + 1;
    *ret_chain = elem->chain;
    return verdict_step(elem->verdict);
}

/* nft_numgen.c: reciprocal_scale() of 32 random bits. */
static const NfChoice *
numgen(NfWalk *walk, const NfExpr *expr)
{
    ChancePoint point = {.kind = CHANCE_UNIFORM, .n = expr->b, .total = UINT64_C(1) << 32};

    return &walk->chain->body.choices[expr->a + nf_walk_draw(walk, expr, &point)];
}

/* Outside a NAT chain, or once NAT has decided, a translation does nothing. */
static NfStep
translate(NfWalk *walk, uint8_t manip, const NatRange *range, NfResult *ret_result)
{
    if (!walk->ct || !walk->pkt->meta.ct || !nat_needs_setup(walk->pkt, manip))
        return STEP_ACCEPT;
    if (nat_setup(walk->ct, (NfHook)walk->hook, walk->pkt, manip, range, &ret_result->reason) != NF_ACCEPT)
        return STEP_DROP;
    return STEP_ACCEPT;
}

static NatRange
expr_range(const NfWalk *walk, const NfExpr *expr)
{
    NatRange range = port_range(expr->a, expr->len);

    if (expr->c) {
        const NfAddrRange *addrs = nf_chain_range(walk->chain, expr->c);
        range_set_addr(&range, addrs->low, addrs->high);
    } else if (!ipaddr_is_any(&expr->addr)) {
        range_set_addr(&range, expr->addr, expr->addr);
    }
    return range;
}

static NatRange
port_range(uint32_t ports, uint8_t flags)
{
    NatRange range;

    memset(&range, 0, sizeof range);
    range.port_min = (uint16_t)(ports >> 16);
    range.port_max = (uint16_t)ports;
    range.has_ports = range.port_min != 0;
    range.flags = flags;
    return range;
}

static void
range_set_addr(NatRange *range, IpAddr low, IpAddr high)
{
    range->addr_min = low;
    range->addr_max = high;
    range->has_addr = true;
}

/* nf_nat_masquerade.c */
static NfStep
masquerade(NfWalk *walk, const NfExpr *expr, NfResult *ret_result)
{
    NatRange range = port_range(expr->a, expr->len);
    const Packet *pkt = walk->pkt;
    IpAddr addr;

    if (!walk->ct || !pkt->meta.ct || !nat_needs_setup(pkt, NAT_MANIP_SRC) || ipaddr_is_any(&pkt->src))
        return STEP_ACCEPT;
    if (!walk->ops->masquerade_addr(walk->host, pkt->meta.out, pkt->dst, &addr)) {
        ret_result->reason = DROP_NAT_NO_ADDR;
        return STEP_DROP;
    }
    range_set_addr(&range, addr, addr);
    return translate(walk, NAT_MANIP_SRC, &range, ret_result);
}

/* nf_nat_redirect.c: to the host itself; locally made packets to the loopback address. */
static NfStep
redirect(NfWalk *walk, const NfExpr *expr, NfResult *ret_result)
{
    NatRange range = port_range(expr->a, expr->len);
    IpFamily family = packet_family(walk->pkt);
    IpAddr addr = family == FAMILY_IPV4 ? IPADDR_LOOPBACK4 : IPADDR_LOOPBACK6;

    if (walk->hook != NF_OUTPUT && !walk->ops->redirect_addr(walk->host, walk->pkt->meta.in, family, &addr)) {
        ret_result->reason = DROP_NAT_NO_ADDR;
        return STEP_DROP;
    }
    range_set_addr(&range, addr, addr);
    return translate(walk, NAT_MANIP_DST, &range, ret_result);
}
