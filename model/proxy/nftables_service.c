/* nftables mode: the chains of one service port
 *
 * Source: kube-proxy pkg/proxy/nftables/proxier.go syncProxyRules(), writeServiceToEndpointRules().
 * Chains service- (all endpoints), local- (local endpoints), external- (external destinations), firewall-
 * (source ranges); up to v1.35, and with session affinity, endpoint- for each endpoint; sets affinity-. */

#include "model/proxy/names.h"
#include "model/proxy/nftables_compiler.h"

/* Endpoints are reached through chains of their own. */
static bool
uses_endpoint_chains(const ProxyView *view, const ProxyServicePort *port)
{
    return !nft_v36(view) || port->affinity;
}

static uint32_t
prefixed_chain(NfNames *names, const char *prefix, const char *base)
{
    g_autofree char *name = g_strconcat(prefix, base, NULL);

    return nf_chain_id(names, NFT_TABLE, name);
}

static void
nftables_name_port(NfNames *names, const ProxyServicePort *port, PortNames *ret_names)
{
    g_autofree char *base = nft_service_base(port);

    if (port->uses_cluster)
        ret_names->cluster_chain = prefixed_chain(names, "service-", base);
    if (port->uses_local)
        ret_names->local_chain = prefixed_chain(names, "local-", base);
    if (port->externally_accessible)
        ret_names->external_chain = prefixed_chain(names, "external-", base);
    if (port->n_lb_vips && port->n_source_ranges)
        ret_names->firewall_chain = prefixed_chain(names, "firewall-", base);
    ret_names->endpoint_chains = arena_alloc(&ret_names->arena, port->n_endpoints * sizeof(uint32_t));
    ret_names->affinity_sets = arena_alloc(&ret_names->arena, port->n_endpoints * sizeof(uint32_t));
    for (uint32_t i = 0; i < port->n_endpoints; i++) {
        g_autofree char *ep_base = nft_endpoint_base(port, &port->endpoints[i]);
        ret_names->endpoint_chains[i] = prefixed_chain(names, "endpoint-", ep_base);
        if (port->affinity) {
            g_autofree char *set = g_strconcat("affinity-", ep_base, NULL);
            ret_names->affinity_sets[i] = nf_set_id(names, NFT_TABLE, set);
        }
    }
}

const ProxyModeOps nftables_ops = {
    .dialect = NF_DIALECT_NFT,
    .table_comment = "rules for kube-proxy",
    .name_port = nftables_name_port,
    .fixed = nftables_fixed,
    .port = nftables_port,
    .shared = nftables_shared,
    .per_node = nftables_per_node,
};

static void
masquerade_cluster_ip(const ProxyView *view, NfChainBuilder *b, const PortRow *row)
{
    NfExpr to_cluster_ip = nfx_daddr(ipprefix_host(row->port->cluster_ip), false);

    if (!row->verdict.has_internal || nft_v36(view))
        return;
    if (view->params->config->masquerade_all)
        NFT_RULE(b, PORT_ORIGIN(view, row, -1, CLUSTER_IP_MASQ_ALL), to_cluster_ip, nft_mark(view));
    else if (view->detector.kind != LOCAL_UNKNOWN)
        NFT_RULE(b, PORT_ORIGIN(view, row, -1, CLUSTER_IP_MASQ), to_cluster_ip,
                 detect_local_expr(&view->detector, view->names, true), nft_mark(view));
}

static void
to_endpoints_by_affinity(const ProxyView *view, NfChainBuilder *b, const PortRow *row, const ProxyEndpoint *const *list,
                         uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = row_endpoint_index(row, list[i]);
        NFT_RULE(b, PORT_ORIGIN(view, row, index, AFFINITY),
                 nft_lookup(row->names->affinity_sets[index], NFT_KEY_SADDR, 1, false),
                 nfx_goto(row->names->endpoint_chains[index]));
    }
}

/* "numgen random mod N vmap { 0 : goto endpoint-..., ... }", or from v1.36 "... dnat ip addr . port to numgen random
 * mod N map { 0 : IP . port, ... }" */
static void
to_endpoints_by_chance(const ProxyView *view, NfChainBuilder *b, const PortRow *row, const ProxyEndpoint *const *list,
                       uint32_t n)
{
    bool chains = uses_endpoint_chains(view, row->port);
    g_autofree NfChoice *choices = g_new0(NfChoice, n);

    for (uint32_t i = 0; i < n; i++) {
        choices[i].chain = chains ? row->names->endpoint_chains[row_endpoint_index(row, list[i])] : NF_NO_ID;
        choices[i].addr = list[i]->from->addr;
        choices[i].port = list[i]->port;
    }
    nf_rule_begin(b, PORT_ORIGIN(view, row, -1, BALANCE));
    if (!chains)
        nf_rule_expr(b, nfx_proto(row->port->proto));
    nf_rule_expr(b, nfx_u32(chains ? NFX_NUMGEN_VMAP : NFX_NUMGEN_DNAT, nf_rule_choices(b, choices, n), n, 0, false));
    nf_rule_end(b);
}

static void
service_chain(const ProxyView *view, const PortRow *row, bool local, const ProxyEndpoint *const *list, uint32_t n,
              Parts *parts)
{
    NfChainBuilder *b = nft_chain(view, local ? row->names->local_chain : row->names->cluster_chain);

    if (local == row->port->itp_local)
        masquerade_cluster_ip(view, b, row);
    if (row->port->affinity)
        to_endpoints_by_affinity(view, b, row, list, n);
    to_endpoints_by_chance(view, b, row, list, n);
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
external_chain(const ProxyView *view, const PortRow *row, Parts *parts)
{
    NfNames *names = view->names;
    NfChainBuilder *b = nft_chain(view, row->names->external_chain);
    NfExpr to_cluster = nfx_goto(row->names->cluster_chain);
    NfExpr from_node = nfx_u32(NFX_FIB_TYPE, NF_TYPE_LOCAL, 0, 0, false);

    if (!row->port->etp_local) {
        if (nft_v36(view))
            NFT_RULE(b, PORT_ORIGIN(view, row, -1, EXT_MASQ), nft_mark(view), nfx_comment(names, "masquerade"));
        else
            NFT_RULE(b, PORT_ORIGIN(view, row, -1, EXT_MASQ), nft_mark(view));
        NFT_RULE(b, PORT_ORIGIN(view, row, -1, EXT_CLUSTER), to_cluster);
    } else {
        if (view->detector.kind != LOCAL_UNKNOWN)
            NFT_RULE(b, PORT_ORIGIN(view, row, -1, EXT_POD), detect_local_expr(&view->detector, names, false),
                     to_cluster, nfx_comment(names, "short-circuit pod traffic"));
        NFT_RULE(b, PORT_ORIGIN(view, row, -1, EXT_LOCAL_MASQ), from_node, nft_mark(view),
                 nfx_comment(names, "masquerade local traffic"));
        NFT_RULE(b, PORT_ORIGIN(view, row, -1, EXT_LOCAL_JUMP), from_node, to_cluster,
                 nfx_comment(names, "short-circuit local traffic"));
        if (row->verdict.has_external)
            NFT_RULE(b, PORT_ORIGIN(view, row, -1, EXT_LOCAL), nfx_goto(row->names->local_chain));
    }
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
firewall_chain(const ProxyView *view, const PortRow *row, Parts *parts)
{
    const ProxyServicePort *port = row->port;
    NfChainBuilder *b = nft_chain(view, row->names->firewall_chain);
    g_autofree char *set = g_strconcat("__set-", nf_chain_name(view->names, row->names->firewall_chain), NULL);
    VEC(IpPrefix) allowed = {0};

    for (uint32_t i = 0; i < port->n_source_ranges; i++)
        vec_push(&allowed, port->source_ranges[i]);
    /* A packet that a node sends to a VIP may bear the VIP as its source, if the VIP is bound to the node. */
    for (uint32_t i = 0; row->verdict.node_in_ranges && i < port->n_lb_vips; i++)
        vec_push(&allowed, ipprefix_host(port->lb_vips[i]));
    NFT_RULE(b, PORT_ORIGIN(view, row, -1, SOURCE_RANGE),
             nft_in_ranges(view, set, NF_KEY_SADDR, allowed.data, allowed.len, true, parts), nft_op(NFX_DROP));
    vec_clear(&allowed);
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
affinity_set(const ProxyView *view, const PortRow *row, uint32_t set_id, Parts *parts)
{
    NfSetSpec spec = {.id = set_id,
                      .kind = NF_SET_PLAIN,
                      .fields = NF_KEY_DADDR,
                      .n_fields = 1,
                      .dynamic = true,
                      .timeout_s = (uint32_t)row->port->affinity_timeout_s,
                      .comment = NF_NO_ID,
                      .ipset_type = NF_NO_ID};

    (void)view;
    vec_push(&parts->sets, nf_set_new(&spec, NULL, 0, NULL));
}

static void
endpoint_chain(const ProxyView *view, const PortRow *row, const ProxyEndpoint *ep, Parts *parts)
{
    uint32_t index = row_endpoint_index(row, ep);
    NfChainBuilder *b = nft_chain(view, row->names->endpoint_chains[index]);

    if (!nft_v36(view))
        NFT_RULE(b, PORT_ORIGIN(view, row, index, HAIRPIN), nfx_saddr(ipprefix_host(ep->from->addr), false),
                 nft_mark(view));
    if (row->port->affinity)
        NFT_RULE(b, PORT_ORIGIN(view, row, index, AFFINITY_SET),
                 nfx_u32(NFX_SET_UPDATE, row->names->affinity_sets[index], NFT_KEY_SADDR, 1, false));
    NFT_RULE(b, PORT_ORIGIN(view, row, index, DNAT), nfx_proto(row->port->proto),
             nfx_dnat(ep->from->addr, ep->port, 0));
    vec_push(&parts->chains, nf_chain_seal(b));
}

void
nftables_port(const ProxyView *view, const PortRow *row, const EndpointChoice *choice, Parts *parts)
{
    if (row_has_external_chain(row))
        external_chain(view, row, parts);
    if (nft_uses_firewall(row))
        firewall_chain(view, row, parts);
    if (choice->uses_cluster && choice->n_cluster)
        service_chain(view, row, false, choice->cluster, choice->n_cluster, parts);
    if (choice->uses_local && choice->n_local)
        service_chain(view, row, true, choice->local, choice->n_local, parts);
    for (uint32_t i = 0; i < choice->n_reachable; i++) {
        if (row->port->affinity)
            affinity_set(view, row, row->names->affinity_sets[row_endpoint_index(row, choice->reachable[i])], parts);
        if (uses_endpoint_chains(view, row->port))
            endpoint_chain(view, row, choice->reachable[i], parts);
    }
}
