/* Random nft rules, as expressions: there is no reader of nft text, our printer makes it
 *
 * Each rule counts before it decides, so that its counter says how often its tests held. */

#include "tests/kernel/fuzz/fuzz.h"

enum { ANY_HOOK, NAT_DST, NAT_SRC };

#define TABLE "fuzz"

typedef struct {
    FuzzCase *c;
    Rng *rng;
    FuzzRule rule;
    const FuzzChain *chain;
    uint32_t index;
    uint8_t proto;
} Gen;

static void add_base(FuzzCase *c, const char *name, NfHook hook, NfChainType type, int32_t priority, uint8_t family);
static void make_rule(FuzzCase *c, Rng *rng, uint32_t chain);
static void add_test(Gen *g);
static uint8_t pick_proto(Gen *g);
static NfExpr *add_lookup(Gen *g, NfOp op);
static void add_action(Gen *g);
static void add_decision(Gen *g);
static void add_nat(Gen *g);

static NfExpr *
add(Gen *g, NfOp op)
{
    NfExpr *e = &g->rule.exprs[g->rule.n_exprs++];

    g_assert(g->rule.n_exprs <= FUZZ_MAX_EXPRS);
    *e = (NfExpr){.op = (uint8_t)op};
    return e;
}

void
fuzz_make_nft(FuzzCase *c, Rng *rng)
{
    add_base(c, "mangle-pre", NF_PREROUTING, NF_TYPE_FILTER_CHAIN, NF_PRI_MANGLE, ANY_HOOK);
    if (fuzz_one_in(rng, 3))
        add_base(c, "raw-pre", NF_PREROUTING, NF_TYPE_FILTER_CHAIN, NF_PRI_RAW, ANY_HOOK);
    add_base(c, "input", NF_INPUT, NF_TYPE_FILTER_CHAIN, NF_PRI_FILTER, ANY_HOOK);
    add_base(c, "forward", NF_FORWARD, NF_TYPE_FILTER_CHAIN, NF_PRI_FILTER, ANY_HOOK);
    add_base(c, "output", NF_OUTPUT, NF_TYPE_FILTER_CHAIN, NF_PRI_FILTER, ANY_HOOK);
    if (!fuzz_one_in(rng, 4)) {
        add_base(c, "nat-pre", NF_PREROUTING, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_DST, NAT_DST);
        add_base(c, "nat-out", NF_OUTPUT, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_DST, NAT_DST);
        add_base(c, "nat-post", NF_POSTROUTING, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_SRC, NAT_SRC);
        fuzz_add_chain(c, TABLE, "d0", NAT_DST);
        fuzz_add_chain(c, TABLE, "d1", NAT_DST);
        fuzz_add_chain(c, TABLE, "s0", NAT_SRC);
        fuzz_add_chain(c, TABLE, "s1", NAT_SRC);
    }
    fuzz_add_chain(c, TABLE, "u0", ANY_HOOK);
    fuzz_add_chain(c, TABLE, "u1", ANY_HOOK);
    fuzz_add_chain(c, TABLE, "u2", ANY_HOOK);
    fuzz_make_nft_sets(c, rng, TABLE);
    for (uint32_t i = 0; i < c->n_chains; i++)
        for (uint32_t n = rng_below(rng, 6); n > 0; n--)
            make_rule(c, rng, i);
}

static void
add_base(FuzzCase *c, const char *name, NfHook hook, NfChainType type, int32_t priority, uint8_t family)
{
    FuzzChain *chain = fuzz_add_chain(c, TABLE, name, family);

    chain->is_base = true;
    chain->hook = hook;
    chain->type = type;
    chain->priority = priority;
}

static void
make_rule(FuzzCase *c, Rng *rng, uint32_t chain)
{
    Gen g = {c, rng, {.chain = (uint8_t)chain}, &c->chains[chain], chain, 0};

    for (uint32_t n = rng_below(rng, 4); n > 0; n--)
        add_test(&g);
    if (fuzz_one_in(rng, 3))
        add_action(&g);
    if (g.chain->type == NF_TYPE_NAT_CHAIN && fuzz_one_in(rng, 2)) {
        add_nat(&g);
    } else if (g.chain->family != ANY_HOOK && !g.chain->is_base && fuzz_one_in(rng, 2)) {
        add_nat(&g);
    } else {
        add(&g, NFX_COUNTER);
        add_decision(&g);
    }
    g_array_append_val(c->rules, g.rule);
}

static void
add_test(Gen *g)
{
    static const char *const devs[] = {"c0", "s0", "t0", "lo", "br0"};
    static const uint32_t types[] = {NF_TYPE_LOCAL, NF_TYPE_UNICAST, NF_TYPE_UNREACHABLE, NF_TYPE_BROADCAST};
    static const uint32_t states[] = {NF_CT_NEW, NF_CT_ESTABLISHED, NF_CT_ESTABLISHED | NF_CT_RELATED, NF_CT_INVALID,
                                      NF_CT_UNTRACKED};
    static const uint32_t statuses[] = {NF_STATUS_SEEN_REPLY, NF_STATUS_ASSURED, NF_STATUS_CONFIRMED, NF_STATUS_SNAT,
                                        NF_STATUS_DNAT};
    uint32_t mask = 1u << rng_below(g->rng, 4), port = fuzz_port(g->rng);
    IpPrefix prefix = fuzz_prefix(g->c->family, g->rng);
    bool neg = fuzz_one_in(g->rng, 4);
    NfExpr *e;

    switch (rng_below(g->rng, 15)) {
    case 0:
    case 1:
        e = add(g, fuzz_one_in(g->rng, 2) ? NFX_SADDR : NFX_DADDR);
        e->addr = prefix.addr;
        e->len = prefix.len;
        break;
    case 2:
        e = add(g, fuzz_one_in(g->rng, 2) ? NFX_IIF : NFX_OIF);
        e->len = fuzz_one_in(g->rng, 3);
        e->a = nf_text_id(g->c->names, e->len ? "c" : devs[rng_below(g->rng, 5)]);
        break;
    case 3:
    case 4:
        if (g->proto)
            return;
        g->proto = pick_proto(g);
        e = add(g, NFX_PROTO);
        e->a = g->proto;
        e = add(g, fuzz_one_in(g->rng, 3) ? NFX_SPORT : NFX_DPORT);
        e->len = fuzz_one_in(g->rng, 4) ? 0 : g->proto;
        e->a = e->b = port;
        if (fuzz_one_in(g->rng, 3))
            e->b = port + 28; /* A port drawn at random must hardly ever lie in it. */
        break;
    case 5:
        e = add(g, NFX_CT_STATE);
        e->a = states[rng_below(g->rng, 5)];
        break;
    case 6:
        e = add(g, NFX_CT_STATUS);
        e->a = statuses[rng_below(g->rng, 5)];
        break;
    case 7:
        e = add(g, NFX_MARK);
        e->b = mask;
        e->a = fuzz_one_in(g->rng, 2) ? mask : 0;
        break;
    case 8:
        e = add(g, NFX_FIB_TYPE);
        e->len = fuzz_one_in(g->rng, 2);
        e->a = types[rng_below(g->rng, 4)];
        break;
    case 9:
        e = add(g, NFX_CT_DIR);
        e->a = fuzz_one_in(g->rng, 2);
        break;
    case 10:
    case 11:
    case 12:
        e = add_lookup(g, NFX_LOOKUP);
        if (!e)
            return;
        break;
    case 13:
        if (g->proto)
            return;
        e = add(g, NFX_PROTO);
        e->a = g->c->family == FAMILY_IPV6 ? 58 : 1;
        if (!neg)
            g->proto = (uint8_t)e->a;
        break;
    default:
        e = add(g, NFX_MARK_EQ0);
        e->a = mask | 1;
        break;
    }
    e->neg = neg;
}

static uint8_t
pick_proto(Gen *g)
{
    return fuzz_one_in(g->rng, 4) ? 132 : fuzz_one_in(g->rng, 2) ? 6 : 17;
}

/* A set of the case that 'op' can ask, with fields for each part of its key; NULL if there is none. */
static NfExpr *
add_lookup(Gen *g, NfOp op)
{
    const NfSetSpec *spec = NULL;
    uint32_t fields = 0, n = 0;
    NfExpr *e;

    for (guint i = 0; i < g->c->sets->len; i++) {
        const NfSetSpec *s = nf_set_spec(g->c->sets->pdata[i]);
        bool fits = op == NFX_VMAP         ? s->kind == NF_SET_MAP
                    : op == NFX_SET_UPDATE ? s->dynamic
                                           : s->kind == NF_SET_PLAIN;
        if (fits && fuzz_one_in(g->rng, ++n))
            spec = s;
    }
    if (!spec)
        return NULL;
    for (uint32_t i = 0; i < spec->n_fields; i++) {
        uint32_t field = spec->fields >> 4 * i & 15;
        if (field == NF_KEY_DADDR && fuzz_one_in(g->rng, 2))
            field = NF_KEY_SADDR;
        if (field == NF_KEY_DPORT && fuzz_one_in(g->rng, 4))
            field = NF_KEY_SPORT;
        if (field == NF_KEY_IIF && fuzz_one_in(g->rng, 4))
            field = NF_KEY_OIF;
        fields |= field << 4 * i;
    }
    e = add(g, op);
    e->a = spec->id;
    e->b = fields;
    e->len = spec->n_fields;
    return e;
}

static void
add_action(Gen *g)
{
    uint32_t mask = 1u << rng_below(g->rng, 4);
    /* By the path only where the kernel knows it. */
    bool routed = g->chain->is_base && (g->chain->hook == NF_FORWARD || g->chain->hook == NF_OUTPUT);
    bool early = g->chain->is_base && g->chain->priority == NF_PRI_RAW;
    NfExpr *e;

    switch (rng_below(g->rng, 8)) {
    case 0:
    case 1:
        add_lookup(g, NFX_SET_UPDATE);
        return;
    case 2:
        if (g->proto == 6 && g->chain->family == ANY_HOOK)
            add(g, NFX_TCPMSS)->a = routed && fuzz_one_in(g->rng, 2) ? 0 : 400 + rng_below(g->rng, 1100);
        return;
    case 3:
        if (early && fuzz_one_in(g->rng, 2))
            add(g, NFX_NOTRACK);
        else if (early) {
            e = add(g, NFX_CT_ZONE);
            e->a = 1 + rng_below(g->rng, 2);
            e->len = fuzz_one_in(g->rng, 2) ? CT_ZONE_BOTH : (uint8_t)(CT_ZONE_ORIG + rng_below(g->rng, 2));
        }
        return;
    case 4:
        add(g, NFX_LOG)->a = nf_text_id(g->c->names, "fuzz ");
        return;
    default:
        e = add(g, NFX_SET_MARK);
        break;
    }
    switch (rng_below(g->rng, 4)) {
    case 0: /* Or. */
        e->a = e->b = mask;
        break;
    case 1: /* Xor. */
        e->a = mask;
        break;
    case 2: /* And. */
        e->b = mask;
        break;
    default:
        e->a = mask;
        e->b = UINT32_MAX;
        break;
    }
}

static void
add_decision(Gen *g)
{
    static const RejectWith rejects4[] = {REJECT_PORT_UNREACH,   REJECT_NET_UNREACH,    REJECT_HOST_UNREACH,
                                          REJECT_PROTO_UNREACH,  REJECT_NET_PROHIBITED, REJECT_ADMIN_PROHIBITED,
                                          REJECT_HOST_PROHIBITED};
    static const RejectWith rejects6[] = {REJECT_PORT_UNREACH,  REJECT6_NO_ROUTE,    REJECT6_ADM_PROHIBITED,
                                          REJECT6_ADDR_UNREACH, REJECT6_POLICY_FAIL, REJECT6_REJECT_ROUTE};
    const FuzzChain *callee = fuzz_callee(g->c, g->index, g->rng);
    uint32_t callee_id = callee ? nf_chain_find(g->c->names, TABLE, callee->name) : 0;

    switch (rng_below(g->rng, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (callee)
            add(g, NFX_JUMP)->a = callee_id;
        break;
    case 4:
    case 5:
        if (callee)
            add(g, NFX_GOTO)->a = callee_id;
        break;
    case 6:
        add(g, NFX_RETURN);
        break;
    case 7:
        add(g, NFX_ACCEPT);
        break;
    case 8:
        if (g->chain->family == ANY_HOOK && fuzz_one_in(g->rng, 2))
            add(g, NFX_DROP);
        break;
    case 9:
        /* A reject is allowed where the hook is known to be right: not in chains that prerouting may call. */
        if (g->chain->is_base && g->chain->type == NF_TYPE_FILTER_CHAIN && g->chain->hook != NF_PREROUTING) {
            if (g->proto == 6 && fuzz_one_in(g->rng, 2))
                add(g, NFX_REJECT)->a = REJECT_TCP_RESET;
            else
                add(g, NFX_REJECT)->a =
                    g->c->family == FAMILY_IPV4 ? rejects4[rng_below(g->rng, 7)] : rejects6[rng_below(g->rng, 6)];
        }
        break;
    case 12:
    case 13:
        add_lookup(g, NFX_VMAP);
        break;
    case 10:
        if (callee) {
            g->rule.choice.chain = callee_id;
            add(g, NFX_NUMGEN_VMAP)->b = 1;
        }
        break;
    default:
        break;
    }
}

static void
add_nat(Gen *g)
{
    bool dst = g->chain->family == NAT_DST;
    FuzzAddr to = dst ? ADDR_SERVER + rng_below(g->rng, 6) : ADDR_CLIENT2 + rng_below(g->rng, 9);
    bool ports;
    NfExpr *e;

    if (!g->proto) {
        g->proto = pick_proto(g);
        add(g, NFX_PROTO)->a = g->proto;
    }
    ports = g->proto != 1 && g->proto != 58;
    add(g, NFX_COUNTER);
    if (!dst && g->chain->is_base && fuzz_one_in(g->rng, 2)) {
        e = add(g, NFX_MASQUERADE);
        e->len = fuzz_one_in(g->rng, 2) ? NF_NAT_RANDOM_FULLY : fuzz_one_in(g->rng, 4) ? NF_NAT_RANDOM : 0;
        if (ports && fuzz_one_in(g->rng, 3))
            e->a = 20000u << 16 | 20100;
        return;
    }
    if (dst && ports && fuzz_one_in(g->rng, 4)) {
        uint32_t port = fuzz_port(g->rng);
        add(g, NFX_REDIRECT)->a = fuzz_one_in(g->rng, 4) ? 11001u << 16 | 11003 : port << 16 | port;
        return;
    }
    if (dst && ports && fuzz_one_in(g->rng, 4)) {
        g->rule.choice.addr = fuzz_addr(g->c->family, to);
        g->rule.choice.port = fuzz_port(g->rng);
        add(g, NFX_NUMGEN_DNAT)->b = 1;
        return;
    }
    e = add(g, dst ? NFX_DNAT : NFX_SNAT);
    e->addr = fuzz_addr(g->c->family, to);
    if (fuzz_one_in(g->rng, 5) && to < ADDR_POD2 && to != ADDR_CLIENT2) {
        g->rule.has_range = true;
        g->rule.range = (NfAddrRange){e->addr, fuzz_addr(g->c->family, to + 1)};
    }
    if (fuzz_one_in(g->rng, 5))
        e->len = NF_NAT_PERSISTENT;
    if (ports && fuzz_one_in(g->rng, 2)) {
        uint32_t port = fuzz_port(g->rng);
        e->a = port << 16 | port;
    }
}
