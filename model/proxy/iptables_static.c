/* iptables mode: chains that no Service decides
 *
 * Source: kube-proxy pkg/proxy/iptables/proxier.go (iptablesJumpChains, iptablesKubeletJumpChains and the static rules
 * of syncProxyRules). */

#include "model/proxy/iptables_compiler.h"

typedef struct {
    const char *table;
    NfHook hook;
    const char *to;
    bool only_new; /* -m conntrack --ctstate NEW, written before the comment. */
    const char *comment;
} HookJump;

/* As they stand on a clean system: each was put in front of those below it. */
static const HookJump HOOK_JUMPS[] = {
    {IPT_FILTER, NF_INPUT, "KUBE-FIREWALL", false, NULL},
    {IPT_FILTER, NF_INPUT, "KUBE-PROXY-FIREWALL", true, "kubernetes load balancer firewall"},
    {IPT_FILTER, NF_INPUT, "KUBE-NODEPORTS", false, "kubernetes health check service ports"},
    {IPT_FILTER, NF_INPUT, "KUBE-EXTERNAL-SERVICES", true, "kubernetes externally-visible service portals"},
    {IPT_FILTER, NF_FORWARD, "KUBE-PROXY-FIREWALL", true, "kubernetes load balancer firewall"},
    {IPT_FILTER, NF_FORWARD, "KUBE-FORWARD", false, "kubernetes forwarding rules"},
    {IPT_FILTER, NF_FORWARD, "KUBE-SERVICES", true, "kubernetes service portals"},
    {IPT_FILTER, NF_FORWARD, "KUBE-EXTERNAL-SERVICES", true, "kubernetes externally-visible service portals"},
    {IPT_FILTER, NF_OUTPUT, "KUBE-FIREWALL", false, NULL},
    {IPT_FILTER, NF_OUTPUT, "KUBE-PROXY-FIREWALL", true, "kubernetes load balancer firewall"},
    {IPT_FILTER, NF_OUTPUT, "KUBE-SERVICES", true, "kubernetes service portals"},
    {IPT_NAT, NF_PREROUTING, "KUBE-SERVICES", false, "kubernetes service portals"},
    {IPT_NAT, NF_OUTPUT, "KUBE-SERVICES", false, "kubernetes service portals"},
    {IPT_NAT, NF_POSTROUTING, "KUBE-POSTROUTING", false, "kubernetes postrouting rules"},
};

typedef struct {
    const char *table;
    NfHook hook;
    int32_t priority;
    NfChainType type;
} Builtin;

static const Builtin BUILTINS[] = {
    {IPT_MANGLE, NF_PREROUTING, NF_PRI_MANGLE, NF_TYPE_FILTER_CHAIN},
    {IPT_MANGLE, NF_INPUT, NF_PRI_MANGLE, NF_TYPE_FILTER_CHAIN},
    {IPT_MANGLE, NF_FORWARD, NF_PRI_MANGLE, NF_TYPE_FILTER_CHAIN},
    {IPT_MANGLE, NF_OUTPUT, NF_PRI_MANGLE, NF_TYPE_ROUTE_CHAIN},
    {IPT_MANGLE, NF_POSTROUTING, NF_PRI_MANGLE, NF_TYPE_FILTER_CHAIN},
    {IPT_FILTER, NF_INPUT, NF_PRI_FILTER, NF_TYPE_FILTER_CHAIN},
    {IPT_FILTER, NF_FORWARD, NF_PRI_FILTER, NF_TYPE_FILTER_CHAIN},
    {IPT_FILTER, NF_OUTPUT, NF_PRI_FILTER, NF_TYPE_FILTER_CHAIN},
    {IPT_NAT, NF_PREROUTING, NF_PRI_NAT_DST, NF_TYPE_NAT_CHAIN},
    {IPT_NAT, NF_INPUT, NF_PRI_NAT_SRC, NF_TYPE_NAT_CHAIN},
    {IPT_NAT, NF_OUTPUT, NF_PRI_NAT_DST, NF_TYPE_NAT_CHAIN},
    {IPT_NAT, NF_POSTROUTING, NF_PRI_NAT_SRC, NF_TYPE_NAT_CHAIN},
};

static void
hook_jump(const ProxyView *view, NfChainBuilder *b, const HookJump *jump)
{
    nf_rule_begin(b, FIXED_ORIGIN(view, HOOK));
    if (jump->only_new)
        nf_rule_expr(b, nfx_u32(NFX_CT_STATE, NF_CT_NEW, 0, 0, false));
    if (jump->comment)
        nf_rule_expr(b, nfx_comment(view->names, jump->comment));
    nf_rule_expr(b, nfx_jump(nf_chain_id(view->names, jump->table, jump->to)));
    nf_rule_end(b);
}

static void
builtin_chain(const ProxyView *view, const Builtin *builtin, Parts *parts)
{
    bool drop = view->forward_drop && builtin->hook == NF_FORWARD && builtin->priority == NF_PRI_FILTER;
    NfChainSpec spec = {.id = nf_chain_id(view->names, builtin->table, nf_hook_name(builtin->hook, true)),
                        .is_base = true,
                        .hook = builtin->hook,
                        .type = builtin->type,
                        .priority = builtin->priority,
                        .policy = drop ? NF_DROP : NF_ACCEPT,
                        .comment = NF_NO_ID};
    NfChainBuilder *b = nf_chain_builder_new(view->names, &spec);

    for (size_t i = 0; i < G_N_ELEMENTS(HOOK_JUMPS); i++)
        if (HOOK_JUMPS[i].hook == builtin->hook && strcmp(HOOK_JUMPS[i].table, builtin->table) == 0)
            hook_jump(view, b, &HOOK_JUMPS[i]);
    vec_push(&parts->chains, nf_chain_seal(b));
}

/* kube-proxy notices by its absence that somebody flushed the rules. */
static void
canary_chain(const ProxyView *view, const char *table, Parts *parts)
{
    uint32_t id = nf_chain_id(view->names, table, "KUBE-PROXY-CANARY");

    vec_push(&parts->chains, nf_chain_seal(ipt_chain(view->names, id)));
}

static void
postrouting_chain(const ProxyView *view, Parts *parts)
{
    NfNames *names = view->names;
    NfChainBuilder *b = ipt_chain(names, nf_chain_id(names, IPT_NAT, "KUBE-POSTROUTING"));
    uint8_t random = view->random_fully ? NF_NAT_RANDOM_FULLY : 0;

    nf_rule_begin(b, FIXED_ORIGIN(view, MASQUERADE));
    nf_rule_expr(b, nfx_u32(NFX_MARK, view->mark, view->mark, 0, true));
    nf_rule_expr(b, ipt_target(NFX_RETURN));
    nf_rule_end(b);
    /* Clears the mark, so that a packet that comes back here is not masqueraded twice. */
    nf_rule_begin(b, FIXED_ORIGIN(view, MASQUERADE));
    nf_rule_expr(b, nfx_u32(NFX_SET_MARK, view->mark, 0, 0, false));
    nf_rule_end(b);
    nf_rule_begin(b, FIXED_ORIGIN(view, MASQUERADE));
    nf_rule_expr(b, nfx_comment(names, "kubernetes service traffic requiring SNAT"));
    nf_rule_expr(b, nfx_u32(NFX_MASQUERADE, 0, 0, random, false));
    nf_rule_end(b);
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
mark_masq_chain(const ProxyView *view, Parts *parts)
{
    NfChainBuilder *b = ipt_chain(view->names, ipt_mark_chain(view));

    nf_rule_begin(b, FIXED_ORIGIN(view, MASQUERADE));
    nf_rule_expr(b, nfx_u32(NFX_SET_MARK, view->mark, view->mark, 0, false));
    nf_rule_end(b);
    vec_push(&parts->chains, nf_chain_seal(b));
}

/* route_localnet lets others reach 127.0.0.0/8 from outside: this takes it back for all but NodePorts. */
static void
firewall_chain(const ProxyView *view, Parts *parts)
{
    NfNames *names = view->names;
    NfChainBuilder *b = ipt_chain(names, nf_chain_id(names, IPT_FILTER, "KUBE-FIREWALL"));
    IpPrefix loopback = {ipaddr_v4(127, 0, 0, 0), 8};

    if (view->localhost_node_ports) {
        nf_rule_begin(b, FIXED_ORIGIN(view, LOCALNET));
        nf_rule_expr(b, nfx_saddr(loopback, true));
        nf_rule_expr(b, nfx_daddr(loopback, false));
        nf_rule_expr(b, nfx_comment(names, "block incoming localnet connections"));
        nf_rule_expr(b, nfx_u32(NFX_CT_STATE, NF_CT_RELATED | NF_CT_ESTABLISHED | NF_CT_DNAT, 0, 0, true));
        nf_rule_expr(b, ipt_target(NFX_DROP));
        nf_rule_end(b);
    }
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
forward_chain(const ProxyView *view, Parts *parts)
{
    NfNames *names = view->names;
    NfChainBuilder *b = ipt_chain(names, nf_chain_id(names, IPT_FILTER, "KUBE-FORWARD"));

    if (!view->tcp_be_liberal) {
        nf_rule_begin(b, FIXED_ORIGIN(view, INVALID));
        nf_rule_expr(b, nfx_u32(NFX_CT_STATE, NF_CT_INVALID, 0, 0, false));
        if (view->nfacct_invalid)
            nf_rule_expr(b, nfx_u32(NFX_NFACCT, nf_text_id(names, "ct_state_invalid_dropped_pkts"), 0, 0, false));
        nf_rule_expr(b, ipt_target(NFX_DROP));
        nf_rule_end(b);
    }
    nf_rule_begin(b, FIXED_ORIGIN(view, STATIC));
    nf_rule_expr(b, nfx_comment(names, "kubernetes forwarding rules"));
    nf_rule_expr(b, nfx_u32(NFX_MARK, view->mark, view->mark, 0, false));
    nf_rule_expr(b, ipt_target(NFX_ACCEPT));
    nf_rule_end(b);
    nf_rule_begin(b, FIXED_ORIGIN(view, STATIC));
    nf_rule_expr(b, nfx_comment(names, "kubernetes forwarding conntrack rule"));
    nf_rule_expr(b, nfx_u32(NFX_CT_STATE, NF_CT_RELATED | NF_CT_ESTABLISHED, 0, 0, false));
    nf_rule_expr(b, ipt_target(NFX_ACCEPT));
    nf_rule_end(b);
    vec_push(&parts->chains, nf_chain_seal(b));
}

void
iptables_fixed(const ProxyView *view, Parts *parts)
{
    for (size_t i = 0; i < G_N_ELEMENTS(BUILTINS); i++)
        builtin_chain(view, &BUILTINS[i], parts);
    canary_chain(view, IPT_MANGLE, parts);
    canary_chain(view, IPT_NAT, parts);
    canary_chain(view, IPT_FILTER, parts);
    postrouting_chain(view, parts);
    mark_masq_chain(view, parts);
    firewall_chain(view, parts);
    forward_chain(view, parts);
}
