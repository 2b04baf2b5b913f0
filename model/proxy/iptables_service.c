/* iptables mode: the chains of one service port
 *
 * Source: kube-proxy pkg/proxy/iptables/proxier.go syncProxyRules(), writeServiceToEndpointRules().
 * Chains KUBE-EXT (external destinations), KUBE-FW (loadBalancerSourceRanges), KUBE-SVC (all endpoints), KUBE-SVL
 * (local endpoints), and a KUBE-SEP for each endpoint that one of them can reach. */

#include "model/proxy/iptables_compiler.h"
#include "model/proxy/names.h"
#include "model/proxy/service_names.h"

static void
iptables_chain_name(const ProxyServicePort *port, PortChain chain, char ret_name[static NF_NAME_SIZE])
{
    static const char *const PREFIXES[] = {[PORT_CLUSTER] = "KUBE-SVC-",
                                           [PORT_LOCAL] = "KUBE-SVL-",
                                           [PORT_EXTERNAL] = "KUBE-EXT-",
                                           [PORT_FIREWALL] = "KUBE-FW-",
                                           [PORT_ENDPOINT] = "KUBE-SEP-"};
    char hash[IPT_HASH_SIZE];

    if (chain.kind == PORT_ENDPOINT)
        ipt_endpoint_hash(port, &port->endpoints[chain.endpoint], hash);
    else
        ipt_service_hash(port, hash);
    strcpy(g_stpcpy(ret_name, PREFIXES[chain.kind]), hash);
}

bool
iptables_is_port_chain(const char *name)
{
    static const char *const PREFIXES[] = {"KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-", "KUBE-FW-", "KUBE-EXT-"};

    for (size_t i = 0; i < G_N_ELEMENTS(PREFIXES); i++)
        if (g_str_has_prefix(name, PREFIXES[i]))
            return true;
    return false;
}

static bool
endpoints_have_chains(const ProxyParams *params, const ProxyServicePort *port)
{
    (void)params;
    (void)port;
    return true;
}

static NfChain *service_chain(const ProxyView *view, const PortRow *row, bool local, const Picks *picks);
static NfChain *external_chain(const ProxyView *view, const PortRow *row);
static NfChain *firewall_chain(const ProxyView *view, const PortRow *row);
static NfChain *make_endpoint_chain(const ProxyView *view, const PortRow *row, uint32_t index);

const ProxyModeOps iptables_ops = {
    .dialect = NF_DIALECT_IPTABLES,
    .namer = {service_chain_name, iptables_is_port_chain, IPT_NAT},
    .chain_name = iptables_chain_name,
    .order = {PORT_EXTERNAL, PORT_FIREWALL, PORT_CLUSTER, PORT_LOCAL},
    .endpoints_have_chains = endpoints_have_chains,
    .uses_firewall = iptables_uses_firewall,
    .service_chain = service_chain,
    .external_chain = external_chain,
    .firewall_chain = firewall_chain,
    .endpoint_chain = make_endpoint_chain,
    .chain_names = iptables_chain_names,
    .chain_n_rules = iptables_chain_n_rules,
    .fixed = iptables_fixed,
    .shared_chains = iptables_shared_chains,
    .n_shared_chains = IPT_N_SHARED,
    .per_node = iptables_per_node,
};

/* Traffic to the clusterIP is masqueraded at the head of the chain that it goes to. */
static bool
masquerades(const ProxyView *view, const PortRow *row)
{
    return row->verdict.has_internal && (view->params->config->masquerade_all || view->detector.kind != LOCAL_UNKNOWN);
}

/* The masquerade rule of the clusterIP heads the chain that clusterIP traffic goes to.  It must name the address, as
 * traffic from outside comes through the same chain. */
static void
masquerade_cluster_ip(const ProxyView *view, NfChainBuilder *b, const PortRow *row)
{
    const ProxyServicePort *port = row->port;
    IpPrefix cluster_ip = ipprefix_host(port->cluster_ip);
    uint32_t to_mark = ipt_mark_chain(view);
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
endpoint_comment(const ProxyView *view, const PortRow *row, uint32_t endpoint)
{
    char text[ENDPOINT_TEXT_SIZE];

    return view->large_cluster ? NF_NO_ID
                               : ipt_comment(view->names, "%s -> %s", row->port->text,
                                             endpoint_text(&row->port->endpoints[endpoint], text));
}

/* The list of an endpoint's clients bears the name of its chain. */
static NfExpr
recent_expr(const ProxyView *view, uint32_t chain, uint32_t seconds, uint8_t ops)
{
    return nfx_u32(NFX_RECENT, nf_text_id(view->names, nf_chain_name(view->names, chain)), seconds, ops, false);
}

static void
to_endpoints_by_affinity(const ProxyView *view, NfChainBuilder *b, const PortRow *row, const Picks *picks)
{
    for (uint32_t i = 0; i < picks->n; i++) {
        uint32_t index = pick(picks, i), chain = endpoint_chain(row->names, index);
        NfExpr recent =
            recent_expr(view, chain, (uint32_t)row->port->affinity_timeout_s, NF_RECENT_RCHECK | NF_RECENT_REAP);
        ipt_rule(b, view->names, PORT_ORIGIN(view, row, index, AFFINITY),
                 &(IptRule){.comment = endpoint_comment(view, row, index), .match = &recent}, nfx_jump(chain));
    }
}

/* Each rule takes its share of what the rules before it left over: 1/n, 1/(n-1), ... 1. */
static void
to_endpoints_by_chance(const ProxyView *view, NfChainBuilder *b, const PortRow *row, const Picks *picks)
{
    for (uint32_t i = 0; i < picks->n; i++) {
        uint32_t index = pick(picks, i), left = picks->n - i;
        NfExpr chance = nfx_u32(NFX_STATISTIC_RANDOM, 0, left, 0, false);
        if (left > 1)
            chance.a = ipt_probability_threshold(left);
        ipt_rule(b, view->names, PORT_ORIGIN(view, row, index, BALANCE),
                 &(IptRule){.comment = endpoint_comment(view, row, index), .match = left > 1 ? &chance : NULL},
                 nfx_jump(endpoint_chain(row->names, index)));
    }
}

/* KUBE-SVC or KUBE-SVL. */
static NfChain *
service_chain(const ProxyView *view, const PortRow *row, bool local, const Picks *picks)
{
    NfChainBuilder *b = ipt_chain(view->names, port_chain(row->names, local ? PORT_LOCAL : PORT_CLUSTER));

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
    const char *text = row->port->text;
    NfChainBuilder *b = ipt_chain(names, port_chain(row->names, PORT_EXTERNAL));
    uint32_t to_mark = ipt_mark_chain(view), cluster = port_chain(row->names, PORT_CLUSTER);
    NfExpr is_local;

    if (!row->port->etp_local) {
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_MASQ),
                 &(IptRule){.comment = ipt_comment(names, "masquerade traffic for %s external destinations", text)},
                 nfx_jump(to_mark));
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_CLUSTER), &(IptRule){.comment = NF_NO_ID}, nfx_jump(cluster));
    } else {
        if (view->detector.kind != LOCAL_UNKNOWN) {
            is_local = detect_local_expr(&view->detector, names, false);
            ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_POD),
                     &(IptRule){.comment = ipt_comment(names, "pod traffic for %s external destinations", text),
                                .local = &is_local},
                     nfx_jump(cluster));
        }
        ipt_rule(
            b, names, PORT_ORIGIN(view, row, -1, EXT_LOCAL_MASQ),
            &(IptRule){.comment = ipt_comment(names, "masquerade LOCAL traffic for %s external destinations", text),
                       .addrtype = NF_TYPE_LOCAL << 16},
            nfx_jump(to_mark));
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_LOCAL_JUMP),
                 &(IptRule){.comment = ipt_comment(names, "route LOCAL traffic for %s external destinations", text),
                            .addrtype = NF_TYPE_LOCAL << 16},
                 nfx_jump(cluster));
        if (row->verdict.has_external)
            ipt_rule(b, names, PORT_ORIGIN(view, row, -1, EXT_LOCAL), &(IptRule){.comment = NF_NO_ID},
                     nfx_jump(port_chain(row->names, PORT_LOCAL)));
    }
    return nf_chain_seal(b);
}

/* What falls off this chain goes on untranslated, to KUBE-PROXY-FIREWALL. */
static NfChain *
firewall_chain(const ProxyView *view, const PortRow *row)
{
    NfNames *names = view->names;
    const ProxyServicePort *port = row->port;
    NfChainBuilder *b = ipt_chain(names, port_chain(row->names, PORT_FIREWALL));
    uint32_t comment = ipt_comment(names, "%s loadbalancer IP", port->text);

    for (uint32_t i = 0; i < port->n_source_ranges; i++)
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, SOURCE_RANGE),
                 &(IptRule){.comment = comment, .src = &port->source_ranges[i]},
                 nfx_jump(port_chain(row->names, PORT_EXTERNAL)));
    /* A packet that a node sends to a VIP may bear the VIP as its source, if the VIP is bound to the node. */
    for (uint32_t i = 0; row->verdict.node_in_ranges && i < port->n_lb_vips; i++) {
        IpPrefix vip = ipprefix_host(port->lb_vips[i]);
        ipt_rule(b, names, PORT_ORIGIN(view, row, -1, SOURCE_NODE), &(IptRule){.comment = comment, .src = &vip},
                 nfx_jump(port_chain(row->names, PORT_EXTERNAL)));
    }
    ipt_rule(b, names, PORT_ORIGIN(view, row, -1, SOURCE_RANGE),
             &(IptRule){.comment = ipt_comment(names, "other traffic to %s will be dropped by KUBE-PROXY-FIREWALL",
                                               port->text)},
             ipt_target(NFX_CONTINUE));
    return nf_chain_seal(b);
}

static NfChain *
make_endpoint_chain(const ProxyView *view, const PortRow *row, uint32_t index)
{
    NfNames *names = view->names;
    const ProxyEndpoint *ep = &row->port->endpoints[index];
    uint32_t id = endpoint_chain(row->names, index);
    NfChainBuilder *b = ipt_chain(names, id);
    IpPrefix self = ipprefix_host(ep->from->addr);
    uint32_t comment = view->large_cluster ? NF_NO_ID : nf_text_id(names, row->port->text);
    NfExpr recent = {0};

    ipt_rule(b, names, PORT_ORIGIN(view, row, index, HAIRPIN), &(IptRule){.comment = comment, .src = &self},
             nfx_jump(ipt_mark_chain(view)));
    if (row->port->affinity)
        recent = recent_expr(view, id, 0, NF_RECENT_SET);
    ipt_rule(b, names, PORT_ORIGIN(view, row, index, DNAT),
             &(IptRule){.comment = comment, .match = row->port->affinity ? &recent : NULL, .proto = row->port->proto},
             nfx_dnat(ep->from->addr, ep->port, 0));
    return nf_chain_seal(b);
}

uint32_t
iptables_chain_n_rules(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain)
{
    const ProxyServicePort *port = row->port;
    bool local = chain.kind == PORT_LOCAL;

    switch (chain.kind) {
    case PORT_CLUSTER:
    case PORT_LOCAL:
        return (local == port->itp_local && masquerades(view, row)) +
               (local ? picks->local.n : picks->cluster.n) * (port->affinity ? 2 : 1);
    case PORT_EXTERNAL:
        return row_external_n_rules(view, row);
    case PORT_FIREWALL:
        return port->n_source_ranges + (row->verdict.node_in_ranges ? port->n_lb_vips : 0) + 1;
    case PORT_ENDPOINT:
        break;
    }
    return 2;
}

uint32_t
iptables_chain_names(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain, bool sets,
                     uint32_t index)
{
    const Picks *list = chain.kind == PORT_LOCAL ? &picks->local : &picks->cluster;
    bool marks = true;

    if (sets)
        return NF_NO_ID;
    if (chain.kind == PORT_FIREWALL)
        return index == 0 ? port_chain(row->names, PORT_EXTERNAL) : NF_NO_ID;
    if (chain.kind == PORT_CLUSTER || chain.kind == PORT_LOCAL)
        marks = (chain.kind == PORT_LOCAL) == row->port->itp_local && masquerades(view, row);
    if (marks && index == 0)
        return ipt_mark_chain(view);
    index -= marks;
    switch (chain.kind) {
    case PORT_EXTERNAL:
        return row_external_names(row, index);
    case PORT_CLUSTER:
    case PORT_LOCAL:
        return index < list->n ? endpoint_chain(row->names, pick(list, index)) : NF_NO_ID;
    case PORT_FIREWALL:
    case PORT_ENDPOINT:
        break;
    }
    return NF_NO_ID;
}
