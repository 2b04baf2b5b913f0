/* nftables mode: chains that no Service decides
 *
 * Source: kube-proxy pkg/proxy/nftables/proxier.go setupNFTables(). */

#include "model/proxy/nftables_compiler.h"

#define PRI_PRE_DNAT (-110)

typedef struct {
    const char *name;
    NfHook hook;
    NfChainType type;
    int32_t priority;
    const char *jumps[3];
    bool only_new; /* ct state new. */
} BaseChain;

static const BaseChain BASE_CHAINS[] = {
    {"filter-prerouting-pre-dnat", NF_PREROUTING, NF_TYPE_FILTER_CHAIN, PRI_PRE_DNAT, {"firewall-check"}, true},
    {"filter-output-pre-dnat", NF_OUTPUT, NF_TYPE_FILTER_CHAIN, PRI_PRE_DNAT, {"firewall-check"}, true},
    {"filter-input",
     NF_INPUT,
     NF_TYPE_FILTER_CHAIN,
     NF_PRI_FILTER,
     {"nodeport-endpoints-check", "service-endpoints-check"},
     true},
    {"filter-forward",
     NF_FORWARD,
     NF_TYPE_FILTER_CHAIN,
     NF_PRI_FILTER,
     {"service-endpoints-check", "cluster-ips-check"},
     true},
    {"filter-output",
     NF_OUTPUT,
     NF_TYPE_FILTER_CHAIN,
     NF_PRI_FILTER,
     {"service-endpoints-check", "cluster-ips-check"},
     true},
    {"nat-prerouting", NF_PREROUTING, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_DST, {"services"}, false},
    {"nat-output", NF_OUTPUT, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_DST, {"services"}, false},
    {"nat-postrouting", NF_POSTROUTING, NF_TYPE_NAT_CHAIN, NF_PRI_NAT_SRC, {"masquerading"}, false},
};

/* --- Helpers of all nftables files ------------------------------------------------------------------------------- */

void
nft_rule(NfChainBuilder *b, uint32_t origin, const NfExpr *exprs, size_t n)
{
    nf_rule_begin(b, origin);
    for (size_t i = 0; i < n; i++)
        nf_rule_expr(b, exprs[i]);
    nf_rule_end(b);
}

NfChainBuilder *
nft_chain(const ProxyView *view, uint32_t id)
{
    return nf_chain_builder_new(view->names, &(NfChainSpec){.id = id, .comment = NF_NO_ID});
}

uint32_t
nft_chain_named(const ProxyView *view, const char *name)
{
    return nf_chain_id(view->names, NFT_TABLE, name);
}

uint32_t
nft_set_named(const ProxyView *view, const char *name)
{
    return nf_set_id(view->names, NFT_TABLE, name);
}

NfExpr
nft_lookup(uint32_t set_id, uint32_t fields, uint8_t n_fields, bool neg)
{
    return nfx_u32(NFX_LOOKUP, set_id, fields, n_fields, neg);
}

NfExpr
nft_mark(const ProxyView *view)
{
    if (nft_v36(view))
        return nfx_u32(NFX_SET_MARK, view->mark, view->mark, 0, false);
    if (*view->mark_chain == NF_NO_ID)
        *view->mark_chain = nft_chain_named(view, "mark-for-masquerade");
    return nfx_jump(*view->mark_chain);
}

void
nft_ranges_set(uint32_t set_id, const IpPrefix *ranges, size_t n, Parts *parts)
{
    NfSetSpec spec = {.id = set_id,
                      .kind = NF_SET_PLAIN,
                      .fields = NF_KEY_DADDR,
                      .n_fields = 1,
                      .interval = true,
                      .anonymous = true,
                      .comment = NF_NO_ID,
                      .ipset_type = NF_NO_ID};
    g_autofree NfElem *elems = g_new0(NfElem, n);

    for (size_t i = 0; i < n; i++) {
        elems[i].key.addr = ranges[i].addr;
        elems[i].addr_len = ranges[i].len;
        elems[i].comment = NF_NO_ID;
    }
    vec_push(&parts->sets, nf_set_new(&spec, elems, n, NULL));
}

/* --- Fixed chains ------------------------------------------------------------------------------------------------ */

static void
base_chain(const ProxyView *view, const BaseChain *chain, Parts *parts)
{
    NfChainSpec spec = {.id = nft_chain_named(view, chain->name),
                        .is_base = true,
                        .hook = chain->hook,
                        .type = chain->type,
                        .priority = chain->priority,
                        .policy = NF_ACCEPT,
                        .comment = NF_NO_ID};
    NfChainBuilder *b = nf_chain_builder_new(view->names, &spec);

    for (const char *const *to = chain->jumps; *to; to++) {
        NfExpr jump = nfx_jump(nft_chain_named(view, *to));
        if (chain->only_new)
            NFT_RULE(b, FIXED_ORIGIN(view, HOOK), nfx_u32(NFX_CT_STATE, NF_CT_NEW, 0, 0, false), jump);
        else
            NFT_RULE(b, FIXED_ORIGIN(view, STATIC), jump);
    }
    vec_push(&parts->chains, nf_chain_seal(b));
}

/* A chain of one look-up in a map of verdicts by address, protocol and port. */
static void
address_check_chain(const ProxyView *view, const char *name, const char *map, Parts *parts)
{
    NfChainBuilder *b = nft_chain(view, nft_chain_named(view, name));

    NFT_RULE(b, FIXED_ORIGIN(view, STATIC), nfx_u32(NFX_VMAP, nft_set_named(view, map), NFT_KEY_ADDR_PORT, 3, false));
    vec_push(&parts->chains, nf_chain_seal(b));
}

/* "ADDRESSES THAT ACCEPT NODEPORTS meta l4proto . th dport vmap @MAP" */
static void
node_port_rule(const ProxyView *view, NfChainBuilder *b, const char *map, bool check)
{
    bool v4 = view->params->family == FAMILY_IPV4;
    IpPrefix loopback = v4 ? (IpPrefix){ipaddr_v4(127, 0, 0, 0), 8} : (IpPrefix){IPADDR_LOOPBACK6, 128};
    NfExpr to = nfx_u32(NFX_VMAP, nft_set_named(view, map), NFT_KEY_PORT, 2, false);
    NfExpr not_loopback = nfx_daddr(loopback, true);
    uint32_t origin = FIXED_ORIGIN(view, NODEPORTS);

    if (!view->node_ports.all)
        NFT_RULE(b, origin, nft_lookup(nft_set_named(view, "nodeport-ips"), NFT_KEY_DADDR, 1, false), to);
    else if (check) /* Runs at input: the address is local. */
        NFT_RULE(b, origin, not_loopback, to);
    else
        NFT_RULE(b, origin, nfx_u32(NFX_FIB_TYPE, NF_TYPE_LOCAL, 0, 1, false), not_loopback, to);
}

/* v1.36 marks clusterIP traffic here, for all Services at once. */
static void
masquerade_cluster_ips(const ProxyView *view, NfChainBuilder *b)
{
    NfExpr to_cluster_ip = nft_lookup(nft_set_named(view, "cluster-ips"), NFT_KEY_DADDR, 1, false);

    if (view->params->config->masquerade_all)
        NFT_RULE(b, FIXED_ORIGIN(view, MASQUERADE_ALL), to_cluster_ip, nft_mark(view),
                 nfx_comment(view->names, "masquerade all clusterIP traffic"));
    else if (view->detector.kind != LOCAL_UNKNOWN)
        NFT_RULE(b, FIXED_ORIGIN(view, MASQUERADE_OUTSIDE), to_cluster_ip,
                 detect_local_expr(&view->detector, view->names, true), nft_mark(view),
                 nfx_comment(view->names, "masquerade clusterIP traffic from outside cluster"));
}

static void
services_chain(const ProxyView *view, Parts *parts)
{
    NfChainBuilder *b = nft_chain(view, nft_chain_named(view, "services"));

    if (nft_v36(view))
        masquerade_cluster_ips(view, b);
    NFT_RULE(b, FIXED_ORIGIN(view, STATIC),
             nfx_u32(NFX_VMAP, nft_set_named(view, "service-ips"), NFT_KEY_ADDR_PORT, 3, false));
    node_port_rule(view, b, "service-nodeports", false);
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
nodeport_check_chain(const ProxyView *view, Parts *parts)
{
    NfChainBuilder *b = nft_chain(view, nft_chain_named(view, "nodeport-endpoints-check"));

    node_port_rule(view, b, "no-endpoint-nodeports", true);
    vec_push(&parts->chains, nf_chain_seal(b));
}

/* Comes after DNAT, so only what was not translated gets here. */
static void
cluster_ips_check_chain(const ProxyView *view, Parts *parts)
{
    NfChainBuilder *b = nft_chain(view, nft_chain_named(view, "cluster-ips-check"));
    VEC(IpPrefix) cidrs = {0};

    NFT_RULE(b, FIXED_ORIGIN(view, STATIC), nft_lookup(nft_set_named(view, "cluster-ips"), NFT_KEY_DADDR, 1, false),
             nfx_u32(NFX_REJECT, REJECT_PORT_UNREACH, 0, 0, false),
             nfx_comment(view->names, "Reject traffic to invalid ports of ClusterIPs"));
    for (uint32_t i = 0; i < view->params->n_service_cidrs; i++)
        if (ipaddr_family(&view->params->service_cidrs[i].addr) == view->params->family)
            vec_push(&cidrs, ipprefix_network(view->params->service_cidrs[i]));
    if (cidrs.len) {
        uint32_t set = nft_set_named(view, "__set-service-cidrs");
        nft_ranges_set(set, cidrs.data, cidrs.len, parts);
        NFT_RULE(b, FIXED_ORIGIN(view, SERVICE_CIDR), nft_lookup(set, NF_KEY_DADDR, 1, false), nft_op(NFX_DROP),
                 nfx_comment(view->names, "Drop traffic to unallocated ClusterIPs"));
    }
    vec_clear(&cidrs);
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
reject_chain(const ProxyView *view, Parts *parts)
{
    NfChainSpec spec = {.id = nft_chain_named(view, "reject-chain"),
                        .comment =
                            nf_text_id(view->names, "helper for @no-endpoint-services / @no-endpoint-nodeports")};
    NfChainBuilder *b = nf_chain_builder_new(view->names, &spec);

    NFT_RULE(b, FIXED_ORIGIN(view, STATIC), nfx_u32(NFX_REJECT, REJECT_PORT_UNREACH, 0, 0, false));
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
masquerading_chain(const ProxyView *view, Parts *parts)
{
    NfChainBuilder *b = nft_chain(view, nft_chain_named(view, "masquerading"));
    NfExpr unmarked = nfx_u32(NFX_MARK_EQ0, view->mark, 0, 0, false);
    NfExpr unmark = nfx_u32(NFX_SET_MARK, view->mark, 0, 0, false);
    NfExpr masquerade = nfx_u32(NFX_MASQUERADE, 0, 0, NF_NAT_RANDOM_FULLY, false);

    if (nft_v36(view)) {
        NfExpr marked = unmarked;
        marked.neg = 1;
        NFT_RULE(b, FIXED_ORIGIN(view, MASQUERADE), marked, unmark, masquerade);
        NFT_RULE(b, FIXED_ORIGIN(view, HAIRPINS), nfx_u32(NFX_CT_STATUS, NF_STATUS_DNAT, 0, 0, false),
                 nft_lookup(nft_set_named(view, "hairpin-connections"), NFT_KEY_HAIRPIN, 4, false), masquerade);
    } else {
        NFT_RULE(b, FIXED_ORIGIN(view, MASQUERADE), unmarked, nft_op(NFX_RETURN));
        NFT_RULE(b, FIXED_ORIGIN(view, MASQUERADE), unmark);
        NFT_RULE(b, FIXED_ORIGIN(view, MASQUERADE), masquerade);
    }
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
mark_chain(const ProxyView *view, Parts *parts)
{
    NfChainBuilder *b = nft_chain(view, nft_chain_named(view, "mark-for-masquerade"));

    NFT_RULE(b, FIXED_ORIGIN(view, MASQUERADE), nfx_u32(NFX_SET_MARK, view->mark, view->mark, 0, false));
    vec_push(&parts->chains, nf_chain_seal(b));
}

void
nftables_fixed(const ProxyView *view, Parts *parts)
{
    for (size_t i = 0; i < G_N_ELEMENTS(BASE_CHAINS); i++)
        base_chain(view, &BASE_CHAINS[i], parts);
    if (!nft_v36(view))
        mark_chain(view, parts);
    masquerading_chain(view, parts);
    address_check_chain(view, "firewall-check", "firewall-ips", parts);
    address_check_chain(view, "service-endpoints-check", "no-endpoint-services", parts);
    nodeport_check_chain(view, parts);
    cluster_ips_check_chain(view, parts);
    reject_chain(view, parts);
    services_chain(view, parts);
}
