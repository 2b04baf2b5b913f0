/* iptables mode: the chains of one service port
 *
 * Source: kube-proxy pkg/proxy/iptables/proxier.go syncProxyRules(), writeServiceToEndpointRules().
 * Chains KUBE-EXT (external destinations), KUBE-FW (loadBalancerSourceRanges), KUBE-SVC (all endpoints), KUBE-SVL
 * (local endpoints), and a KUBE-SEP for each endpoint that one of them can reach. */

#include "model/proxy/iptables_compiler.h"
#include "model/proxy/names.h"

static uint32_t
named_chain(NfNames *names, const char *prefix, const char *hash)
{
    char name[32];

    g_snprintf(name, sizeof name, "%s%s", prefix, hash);
    return nf_chain_id(names, IPT_NAT, name);
}

static void
iptables_name_port(NfNames *names, const ProxyServicePort *port, PortNames *ret_names)
{
    char hash[IPT_HASH_SIZE];

    ipt_service_hash(port, hash);
    if (port->externally_accessible)
        ret_names->external_chain = named_chain(names, "KUBE-EXT-", hash);
    if (port->n_lb_vips && port->n_source_ranges)
        ret_names->firewall_chain = named_chain(names, "KUBE-FW-", hash);
    if (port->uses_cluster)
        ret_names->cluster_chain = named_chain(names, "KUBE-SVC-", hash);
    if (port->uses_local)
        ret_names->local_chain = named_chain(names, "KUBE-SVL-", hash);
    ret_names->endpoint_chains = arena_alloc(&ret_names->arena, port->n_endpoints * sizeof(uint32_t));
    for (uint32_t i = 0; i < port->n_endpoints; i++) {
        ipt_endpoint_hash(port, &port->endpoints[i], hash);
        ret_names->endpoint_chains[i] = named_chain(names, "KUBE-SEP-", hash);
    }
}

const ProxyModeOps iptables_ops = {
    .dialect = NF_DIALECT_IPTABLES,
    .name_port = iptables_name_port,
    .fixed = iptables_fixed,
    .port = iptables_port,
    .shared = iptables_shared,
    .per_node = iptables_per_node,
};

/* The masquerade rule of the clusterIP heads the chain that clusterIP traffic goes to.  It must name the address, as
 * traffic from outside comes through the same chain. */
static void
masquerade_cluster_ip(const ProxyView *view, NfChainBuilder *b, const PortRow *row)
{
    const ProxyServicePort *port = row->port;
    IpPrefix cluster_ip = ipprefix_host(port->cluster_ip);
    uint32_t to_mark = nf_chain_id(view->names, IPT_NAT, "KUBE-MARK-MASQ");
    IptRule rule = {.dst = &cluster_ip, .proto = port->proto, .dport = port->port};
    NfExpr not_local;

    if (!row->verdict.has_internal)
        return;
    rule.comment = ipt_comment(view->names, "%s cluster IP", port->text);
    if (view->params->config->masquerade_all) {
        ipt_rule(b, view->names, PORT_ORIGIN(view, row, -1, CLUSTER_IP_MASQ_ALL), &rule, nfx_jump(to_mark));
    } else if (view->detector.kind != LOCAL_UNKNOWN) {
        not_local = detect_local_expr(&view->detector, view->names, true);
        rule.local = &not_local;
        ipt_rule(b, view->names, PORT_ORIGIN(view, row, -1, CLUSTER_IP_MASQ), &rule, nfx_jump(to_mark));
    }
}

/* "NAME -> IP:port"; large clusters do without. */
static uint32_t
endpoint_comment(const ProxyView *view, const PortRow *row, const ProxyEndpoint *ep)
{
    char text[ENDPOINT_TEXT_SIZE];

    return view->large_cluster ? NF_NO_ID
                               : ipt_comment(view->names, "%s -> %s", row->port->text, endpoint_text(ep, text));
}

/* The list of an endpoint's clients bears the name of its chain. */
static NfExpr
recent_expr(const ProxyView *view, uint32_t endpoint_chain, uint32_t seconds, uint8_t ops)
{
    return nfx_u32(NFX_RECENT, nf_text_id(view->names, nf_chain_name(view->names, endpoint_chain)), seconds, ops,
                   false);
}

static void
to_endpoints_by_affinity(const ProxyView *view, NfChainBuilder *b, const PortRow *row, const ProxyEndpoint *const *list,
                         uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = row_endpoint_index(row, list[i]), chain = row->names->endpoint_chains[index];
        NfExpr recent =
            recent_expr(view, chain, (uint32_t)row->port->affinity_timeout_s, NF_RECENT_RCHECK | NF_RECENT_REAP);
        ipt_rule(b, view->names, PORT_ORIGIN(view, row, index, AFFINITY),
                 &(IptRule){.comment = endpoint_comment(view, row, list[i]), .match = &recent}, nfx_jump(chain));
    }
}

/* Each rule takes its share of what the rules before it left over: 1/n, 1/(n-1), ... 1. */
static void
to_endpoints_by_chance(const ProxyView *view, NfChainBuilder *b, const PortRow *row, const ProxyEndpoint *const *list,
                       uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = row_endpoint_index(row, list[i]), left = n - i;
        NfExpr chance = nfx_u32(NFX_STATISTIC_RANDOM, 0, left, 0, false);
        if (left > 1)
            chance.a = ipt_probability_threshold(left);
        ipt_rule(b, view->names, PORT_ORIGIN(view, row, index, BALANCE),
                 &(IptRule){.comment = endpoint_comment(view, row, list[i]), .match = left > 1 ? &chance : NULL},
                 nfx_jump(row->names->endpoint_chains[index]));
    }
}

/* KUBE-SVC or KUBE-SVL. */
static void
service_chain(const ProxyView *view, const PortRow *row, bool local, const ProxyEndpoint *const *list, uint32_t n,
              Parts *parts)
{
    NfChainBuilder *b = ipt_chain(view->names, local ? row->names->local_chain : row->names->cluster_chain);

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
    const char *text = row->port->text;
    NfChainBuilder *b = ipt_chain(names, row->names->external_chain);
    uint32_t to_mark = nf_chain_id(names, IPT_NAT, "KUBE-MARK-MASQ");
    NfExpr is_local;

    if (!row->port->etp_local) {
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_MASQ),
                 &(IptRule){.comment = ipt_comment(names, "masquerade traffic for %s external destinations", text)},
                 nfx_jump(to_mark));
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_CLUSTER), &(IptRule){.comment = NF_NO_ID},
                 nfx_jump(row->names->cluster_chain));
    } else {
        if (view->detector.kind != LOCAL_UNKNOWN) {
            is_local = detect_local_expr(&view->detector, names, false);
            ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_POD),
                     &(IptRule){.comment = ipt_comment(names, "pod traffic for %s external destinations", text),
                                .local = &is_local},
                     nfx_jump(row->names->cluster_chain));
        }
        ipt_rule(
            b, names, PORT_ORIGIN(view, row, -1, EXT_LOCAL_MASQ),
            &(IptRule){.comment = ipt_comment(names, "masquerade LOCAL traffic for %s external destinations", text),
                       .addrtype = NF_TYPE_LOCAL << 16},
            nfx_jump(to_mark));
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_LOCAL_JUMP),
                 &(IptRule){.comment = ipt_comment(names, "route LOCAL traffic for %s external destinations", text),
                            .addrtype = NF_TYPE_LOCAL << 16},
                 nfx_jump(row->names->cluster_chain));
        if (row->verdict.has_external)
            ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_LOCAL), &(IptRule){.comment = NF_NO_ID},
                     nfx_jump(row->names->local_chain));
    }
    vec_push(&parts->chains, nf_chain_seal(b));
}

/* What falls off this chain goes on untranslated, to KUBE-PROXY-FIREWALL. */
static void
firewall_chain(const ProxyView *view, const PortRow *row, Parts *parts)
{
    NfNames *names = view->names;
    const ProxyServicePort *port = row->port;
    NfChainBuilder *b = ipt_chain(names, row->names->firewall_chain);
    uint32_t comment = ipt_comment(names, "%s loadbalancer IP", port->text);

    for (uint32_t i = 0; i < port->n_source_ranges; i++)
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, SOURCE_RANGE),
                 &(IptRule){.comment = comment, .src = &port->source_ranges[i]}, nfx_jump(row->names->external_chain));
    /* A packet that a node sends to a VIP may bear the VIP as its source, if the VIP is bound to the node. */
    for (uint32_t i = 0; row->verdict.node_in_ranges && i < port->n_lb_vips; i++) {
        IpPrefix vip = ipprefix_host(port->lb_vips[i]);
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, SOURCE_NODE), &(IptRule){.comment = comment, .src = &vip},
                 nfx_jump(row->names->external_chain));
    }
    ipt_rule(b, names, PORT_ORIGIN(view, row, -1, SOURCE_RANGE),
             &(IptRule){.comment = ipt_comment(names, "other traffic to %s will be dropped by KUBE-PROXY-FIREWALL",
                                               port->text)},
             ipt_target(NFX_CONTINUE));
    vec_push(&parts->chains, nf_chain_seal(b));
}

static void
endpoint_chain(const ProxyView *view, const PortRow *row, const ProxyEndpoint *ep, Parts *parts)
{
    NfNames *names = view->names;
    uint32_t index = row_endpoint_index(row, ep), id = row->names->endpoint_chains[index];
    NfChainBuilder *b = ipt_chain(names, id);
    IpPrefix self = ipprefix_host(ep->from->addr);
    uint32_t comment = view->large_cluster ? NF_NO_ID : row->names->text;
    NfExpr recent = {0};

    ipt_rule(b, names, PORT_ORIGIN(view, row, index, HAIRPIN), &(IptRule){.comment = comment, .src = &self},
             nfx_jump(nf_chain_id(names, IPT_NAT, "KUBE-MARK-MASQ")));
    if (row->port->affinity)
        recent = recent_expr(view, id, 0, NF_RECENT_SET);
    ipt_rule(b, names, PORT_ORIGIN(view, row, index, DNAT),
             &(IptRule){.comment = comment, .match = row->port->affinity ? &recent : NULL, .proto = row->port->proto},
             nfx_dnat(ep->from->addr, ep->port, 0));
    vec_push(&parts->chains, nf_chain_seal(b));
}

void
iptables_port(const ProxyView *view, const PortRow *row, const EndpointChoice *choice, Parts *parts)
{
    if (row_has_external_chain(row))
        external_chain(view, row, parts);
    if (iptables_uses_firewall(row))
        firewall_chain(view, row, parts);
    if (choice->uses_cluster && choice->n_cluster)
        service_chain(view, row, false, choice->cluster, choice->n_cluster, parts);
    if (choice->uses_local && choice->n_local)
        service_chain(view, row, true, choice->local, choice->n_local, parts);
    for (uint32_t i = 0; i < choice->n_reachable; i++)
        endpoint_chain(view, row, choice->reachable[i], parts);
}
