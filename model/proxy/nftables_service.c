/* nftables mode: the chains of one service port
 *
 * Source: kube-proxy pkg/proxy/nftables/proxier.go syncProxyRules(), writeServiceToEndpointRules().
 * Chains service- (all endpoints), local- (local endpoints), external- (external destinations), firewall-
 * (source ranges); up to v1.35, and with session affinity, endpoint- for each endpoint; sets affinity-. */

#include "model/proxy/names.h"
#include "model/proxy/nftables_compiler.h"
#include "model/proxy/service_names.h"

/* Endpoints are reached through chains of their own. */
static bool
endpoints_have_chains(const ProxyParams *params, const ProxyServicePort *port)
{
    return params->version.minor < 36 || port->affinity;
}

static const char *const PREFIXES[] = {[PORT_CLUSTER] = "service-",
                                       [PORT_LOCAL] = "local-",
                                       [PORT_EXTERNAL] = "external-",
                                       [PORT_FIREWALL] = "firewall-",
                                       [PORT_ENDPOINT] = "endpoint-"};

static void
nftables_chain_name(const ProxyServicePort *port, PortChain chain, char ret_name[static NF_NAME_SIZE])
{
    g_autofree char *base = chain.kind == PORT_ENDPOINT ? nft_endpoint_base(port, &port->endpoints[chain.endpoint])
                                                        : nft_service_base(port);

    g_snprintf(ret_name, NF_NAME_SIZE, "%s%s", PREFIXES[chain.kind], base);
}

static bool
is_port_chain(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(PREFIXES); i++)
        if (g_str_has_prefix(name, PREFIXES[i]))
            return true;
    return false;
}

static void
nftables_name_sets(NfNames *names, const ProxyServicePort *port, uint32_t *ret_ids)
{
    for (uint32_t i = 0; i < port->n_endpoints; i++) {
        g_autofree char *base = nft_endpoint_base(port, &port->endpoints[i]);
        g_autofree char *set = g_strconcat("affinity-", base, NULL);
        ret_ids[i] = nf_set_id(names, NFT_TABLE, set);
    }
}

static NfChain *service_chain(const ProxyView *view, const PortRow *row, bool local, const Picks *picks);
static NfChain *external_chain(const ProxyView *view, const PortRow *row);
static NfChain *firewall_chain(const ProxyView *view, const PortRow *row);
static NfChain *make_endpoint_chain(const ProxyView *view, const PortRow *row, uint32_t index);

const ProxyModeOps nftables_ops = {
    .dialect = NF_DIALECT_NFT,
    .table_comment = "rules for kube-proxy",
    .namer = {service_chain_name, is_port_chain, NFT_TABLE},
    .chain_name = nftables_chain_name,
    .order = {PORT_CLUSTER, PORT_LOCAL, PORT_EXTERNAL, PORT_FIREWALL},
    .endpoints_have_chains = endpoints_have_chains,
    .name_sets = nftables_name_sets,
    .fixed = nftables_fixed,
    .uses_firewall = nft_uses_firewall,
    .service_chain = service_chain,
    .external_chain = external_chain,
    .firewall_chain = firewall_chain,
    .endpoint_chain = make_endpoint_chain,
    .chain_names = nftables_chain_names,
    .chain_n_rules = nftables_chain_n_rules,
    .sets = nftables_sets,
    .shared_sets = nftables_shared_sets,
    .per_node = nftables_per_node,
};

/* Traffic to the clusterIP is masqueraded at the head of the chain that it goes to. */
static bool
masquerades(const ProxyView *view, const PortRow *row)
{
    return row->verdict.has_internal && !nft_v36(view) &&
           (view->params->config->masquerade_all || view->detector.kind != LOCAL_UNKNOWN);
}

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
to_endpoints_by_affinity(const ProxyView *view, NfChainBuilder *b, const PortRow *row, const Picks *picks)
{
    for (uint32_t i = 0; i < picks->n; i++) {
        uint32_t index = pick(picks, i);
        NFT_RULE(b, PORT_ORIGIN(view, row, index, AFFINITY),
                 nft_lookup(row->names->affinity_sets[index], NFT_KEY_SADDR, 1, false),
                 nfx_goto(endpoint_chain(row->names, index)));
    }
}

/* "numgen random mod N vmap { 0 : goto endpoint-..., ... }", or from v1.36 "... dnat ip addr . port to numgen random
 * mod N map { 0 : IP . port, ... }" */
static void
to_endpoints_by_chance(const ProxyView *view, NfChainBuilder *b, const PortRow *row, const Picks *picks)
{
    bool chains = endpoints_have_chains(view->params, row->port);
    g_autofree NfChoice *choices = g_new0(NfChoice, picks->n);

    for (uint32_t i = 0; i < picks->n; i++) {
        const ProxyEndpoint *ep = &row->port->endpoints[pick(picks, i)];
        choices[i].chain = chains ? endpoint_chain(row->names, pick(picks, i)) : NF_NO_ID;
        choices[i].addr = ep->from->addr;
        choices[i].port = ep->port;
    }
    nf_rule_begin(b, PORT_ORIGIN(view, row, -1, BALANCE));
    if (!chains)
        nf_rule_expr(b, nfx_proto(row->port->proto));
    nf_rule_expr(b, nfx_u32(chains ? NFX_NUMGEN_VMAP : NFX_NUMGEN_DNAT, nf_rule_choices(b, choices, picks->n), picks->n,
                            0, false));
    nf_rule_end(b);
}

static NfChain *
service_chain(const ProxyView *view, const PortRow *row, bool local, const Picks *picks)
{
    NfChainBuilder *b = nft_chain(view, port_chain(row->names, local ? PORT_LOCAL : PORT_CLUSTER));

    if (local == row->port->itp_local)
        masquerade_cluster_ip(view, b, row);
    if (row->port->affinity)
        to_endpoints_by_affinity(view, b, row, picks);
    to_endpoints_by_chance(view, b, row, picks);
    return nf_chain_seal(b);
}

static NfChain *
external_chain(const ProxyView *view, const PortRow *row)
{
    NfNames *names = view->names;
    NfChainBuilder *b = nft_chain(view, port_chain(row->names, PORT_EXTERNAL));
    NfExpr to_cluster = nfx_goto(port_chain(row->names, PORT_CLUSTER));
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
            NFT_RULE(b, PORT_ORIGIN(view, row, -1, EXT_LOCAL), nfx_goto(port_chain(row->names, PORT_LOCAL)));
    }
    return nf_chain_seal(b);
}

static uint32_t
ranges_set_id(const ProxyView *view, const PortRow *row)
{
    g_autofree char *set =
        g_strconcat("__set-", nf_chain_name(view->names, port_chain(row->names, PORT_FIREWALL)), NULL);

    return nft_set_named(view, set);
}

static NfChain *
firewall_chain(const ProxyView *view, const PortRow *row)
{
    NfChainBuilder *b = nft_chain(view, port_chain(row->names, PORT_FIREWALL));

    NFT_RULE(b, PORT_ORIGIN(view, row, -1, SOURCE_RANGE), nft_lookup(ranges_set_id(view, row), NF_KEY_SADDR, 1, true),
             nft_op(NFX_DROP));
    return nf_chain_seal(b);
}

static void
ranges_set(const ProxyView *view, const PortRow *row, Parts *parts)
{
    const ProxyServicePort *port = row->port;
    VEC(IpPrefix) allowed = {0};

    for (uint32_t i = 0; i < port->n_source_ranges; i++)
        vec_push(&allowed, port->source_ranges[i]);
    /* A packet that a node sends to a VIP may bear the VIP as its source, if the VIP is bound to the node. */
    for (uint32_t i = 0; row->verdict.node_in_ranges && i < port->n_lb_vips; i++)
        vec_push(&allowed, ipprefix_host(port->lb_vips[i]));
    nft_ranges_set(ranges_set_id(view, row), allowed.data, allowed.len, parts);
    vec_clear(&allowed);
}

static void
affinity_set(const PortRow *row, uint32_t set_id, Parts *parts)
{
    NfSetSpec spec = {.id = set_id,
                      .kind = NF_SET_PLAIN,
                      .fields = NF_KEY_DADDR,
                      .n_fields = 1,
                      .dynamic = true,
                      .timeout_s = (uint32_t)row->port->affinity_timeout_s,
                      .comment = NF_NO_ID,
                      .ipset_type = NF_NO_ID};

    vec_push(&parts->sets, nf_set_new(&spec, NULL, 0, NULL));
}

static NfChain *
make_endpoint_chain(const ProxyView *view, const PortRow *row, uint32_t index)
{
    const ProxyEndpoint *ep = &row->port->endpoints[index];
    NfChainBuilder *b = nft_chain(view, endpoint_chain(row->names, index));

    if (!nft_v36(view))
        NFT_RULE(b, PORT_ORIGIN(view, row, index, HAIRPIN), nfx_saddr(ipprefix_host(ep->from->addr), false),
                 nft_mark(view));
    if (row->port->affinity)
        NFT_RULE(b, PORT_ORIGIN(view, row, index, AFFINITY_SET),
                 nfx_u32(NFX_SET_UPDATE, row->names->affinity_sets[index], NFT_KEY_SADDR, 1, false));
    NFT_RULE(b, PORT_ORIGIN(view, row, index, DNAT), nfx_proto(row->port->proto),
             nfx_dnat(ep->from->addr, ep->port, 0));
    return nf_chain_seal(b);
}

static uint32_t
names_sets(const ProxyView *view, const PortRow *row, const Picks *list, PortChain chain, uint32_t index)
{
    const uint32_t *sets = row->names->affinity_sets;

    if (chain.kind == PORT_FIREWALL)
        return index == 0 ? ranges_set_id(view, row) : NF_NO_ID;
    if (!sets || chain.kind == PORT_EXTERNAL)
        return NF_NO_ID;
    if (chain.kind == PORT_ENDPOINT)
        return index == 0 ? sets[chain.endpoint] : NF_NO_ID;
    return index < list->n ? sets[pick(list, index)] : NF_NO_ID;
}

uint32_t
nftables_chain_n_rules(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain)
{
    const ProxyServicePort *port = row->port;
    bool local = chain.kind == PORT_LOCAL;

    switch (chain.kind) {
    case PORT_CLUSTER:
    case PORT_LOCAL:
        return (local == port->itp_local && masquerades(view, row)) +
               (port->affinity ? (local ? picks->local.n : picks->cluster.n) : 0) + 1u;
    case PORT_EXTERNAL:
        return row_external_n_rules(view, row);
    case PORT_FIREWALL:
        return 1;
    case PORT_ENDPOINT:
        break;
    }
    return !nft_v36(view) + port->affinity + 1u;
}

uint32_t
nftables_chain_names(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain, bool sets,
                     uint32_t index)
{
    const Picks *list = chain.kind == PORT_LOCAL ? &picks->local : &picks->cluster;
    bool marks = !nft_v36(view);

    if (sets)
        return names_sets(view, row, list, chain, index);
    if (chain.kind == PORT_FIREWALL)
        return NF_NO_ID;
    if (chain.kind == PORT_CLUSTER || chain.kind == PORT_LOCAL)
        marks = (chain.kind == PORT_LOCAL) == row->port->itp_local && masquerades(view, row);
    if (marks && index == 0)
        return nft_mark(view).a;
    index -= marks;
    switch (chain.kind) {
    case PORT_EXTERNAL:
        return row_external_names(row, index);
    case PORT_CLUSTER:
    case PORT_LOCAL:
        return endpoints_have_chains(view->params, row->port) && index < list->n
                   ? endpoint_chain(row->names, pick(list, index))
                   : NF_NO_ID;
    case PORT_FIREWALL:
    case PORT_ENDPOINT:
        break;
    }
    return NF_NO_ID;
}

void
nftables_sets(const ProxyView *view, const PortRow *row, const PortPicks *picks, Parts *parts)
{
    if (nft_uses_firewall(row))
        ranges_set(view, row, parts);
    for (uint32_t i = 0; row->port->affinity && i < picks->reachable.n; i++)
        affinity_set(row, row->names->affinity_sets[pick(&picks->reachable, i)], parts);
}
