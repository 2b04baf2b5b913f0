#ifndef TESTS_UNIT_SIM_NF_WORLD_H
#define TESTS_UNIT_SIM_NF_WORLD_H

/* One netfilter stack without a host, for the suites of the evaluator: interfaces are their names, 10.0.0.1 is local */

#include "sim/netfilter/nf_stack.h"
#include "tests/unit/test.h"

typedef struct {
    Sim *sim;
    NfNames *names;
    NfRuleset *rs;
    NfStack *nf;
    NfChainBuilder *b;
} NfWorld;

#define DEV(name) ((const NetDev *)(name))

static inline IpAddr
nf_addr(const char *text)
{
    IpAddr addr = IPADDR_ANY4;

    T_TRUE(ipaddr_parse(text, &addr));
    return addr;
}

static inline IpPrefix
nf_prefix(const char *text)
{
    IpPrefix prefix = {.addr = IPADDR_ANY4};

    T_TRUE(ipprefix_parse(text, &prefix));
    return prefix;
}

static inline uint32_t
nf_world_addr_type(Host *host, IpAddr addr, const NetDev *dev)
{
    (void)host;
    (void)dev;
    return ipaddr_eq(addr, nf_addr("10.0.0.1")) ? NF_TYPE_LOCAL : NF_TYPE_UNICAST;
}

static inline bool
nf_world_masquerade_addr(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_addr)
{
    (void)host;
    (void)dst;
    *ret_addr = nf_addr("10.0.0.1");
    return out != NULL;
}

static inline bool
nf_world_redirect_addr(Host *host, const NetDev *in, IpFamily family, IpAddr *ret_addr)
{
    (void)host;
    (void)family;
    *ret_addr = nf_addr("10.0.0.1");
    return in != NULL;
}

static inline bool
nf_world_rpfilter(Host *host, const Packet *pkt, uint32_t flags)
{
    (void)host;
    (void)flags;
    return pkt->src.b[12] == 10;
}

static inline const char *
nf_world_dev_name(const NetDev *dev)
{
    return (const char *)dev;
}

static inline const char *
nf_world_host_name(const Host *host)
{
    (void)host;
    return "node";
}

static inline const NetDev *
nf_world_dev_at(const Host *host, uint32_t index)
{
    (void)host;
    return (const NetDev *)(index == 1 ? "veth1" : "veth2");
}

static inline bool
nf_world_can_reroute(Host *host, const Packet *pkt)
{
    (void)host;
    (void)pkt;
    return true;
}

static inline uint32_t
nf_world_path_mtu(Host *host, IpAddr dst)
{
    (void)host;
    return dst.b[12] == 10 ? 1450 : 1500;
}

static const NfHostOps nf_world_ops = {.addr_type = nf_world_addr_type,
                                       .masquerade_addr = nf_world_masquerade_addr,
                                       .redirect_addr = nf_world_redirect_addr,
                                       .rpfilter = nf_world_rpfilter,
                                       .can_reroute = nf_world_can_reroute,
                                       .path_mtu = nf_world_path_mtu,
                                       .dev_name = nf_world_dev_name,
                                       .dev_at = nf_world_dev_at,
                                       .host_name = nf_world_host_name};

static inline NfWorld
nf_world_new(NfDialect dialect)
{
    NfWorld w = {.sim = sim_new(5), .names = nf_names_new()};

    w.rs = nf_ruleset_new(w.names, dialect, FAMILY_IPV4);
    w.nf = nf_stack_new(w.sim, NULL, &nf_world_ops);
    return w;
}

static inline void
nf_world_free(NfWorld *w)
{
    nf_stack_free(w->nf);
    nf_ruleset_unref(w->rs);
    nf_names_unref(w->names);
    T_EQ_U64(packet_pool_in_use(w->sim->packets), 0);
    sim_free(w->sim);
}

/* Begins a chain; the hook's base chain if 'priority' is not NULL. */
static inline void
nf_chain_begin(NfWorld *w, const char *table, const char *name, const NfHook *hook, int32_t priority, NfVerdict policy)
{
    NfChainSpec spec = {.id = nf_chain_id(w->names, table, name),
                        .is_base = hook != NULL,
                        .hook = hook ? *hook : NF_PREROUTING,
                        .type = hook && strcmp(table, "nat") == 0 ? NF_TYPE_NAT_CHAIN : NF_TYPE_FILTER_CHAIN,
                        .priority = priority,
                        .policy = policy,
                        .comment = NF_NO_ID};

    w->b = nf_chain_builder_new(w->names, &spec);
}

static inline void
nf_rule_add(NfWorld *w, size_t n, const NfExpr *exprs)
{
    nf_rule_begin(w->b, 0);
    for (size_t i = 0; i < n; i++)
        nf_rule_expr(w->b, exprs[i]);
    nf_rule_end(w->b);
}

/* RULE(&w, expr, ...) */
#define RULE(w, ...)           nf_rule_add((w), sizeof((NfExpr[]){__VA_ARGS__}) / sizeof(NfExpr), (NfExpr[]){__VA_ARGS__})
#define OP(op, a, b, len, neg) nfx_u32(NFX_##op, (a), (b), (len), (neg))
#define VERDICT(op)            nfx_u32(NFX_##op, 0, 0, 0, false)

static inline void
nf_chain_done(NfWorld *w)
{
    nf_ruleset_put_chain(w->rs, nf_chain_seal(w->b));
    w->b = NULL;
}

static inline void
nf_world_install(NfWorld *w)
{
    GError *error = NULL;

    T_TRUE(nf_ruleset_seal(w->rs, &error));
    if (error)
        g_printerr("%s\n", error->message);
    g_clear_error(&error);
    nf_stack_set_ruleset(w->nf, FAMILY_IPV4, "test", w->rs);
}

static inline Packet *
nf_packet(NfWorld *w, uint8_t proto, const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
    Packet *pkt = packet_new(w->sim);

    pkt->proto = proto;
    pkt->src = nf_addr(src);
    pkt->dst = nf_addr(dst);
    if (proto == IPPROTO_ICMP_)
        pkt->icmp.type = 8;
    pkt->sport = sport;
    pkt->dport = dport;
    if (proto == IPPROTO_TCP_)
        pkt->tcp.flags = TCP_SYN;
    pkt->flow = (uint64_t)sport << 16 | dport;
    return pkt;
}

static inline uint64_t
nf_hits(NfWorld *w, const char *table, const char *chain, uint32_t rule)
{
    return nf_state_counter(nf_stack_state(w->nf), w->rs, nf_chain_find(w->names, table, chain), rule).packets;
}

#endif
