/* iptables mode: the chains with rules of all service ports
 *
 * Source: kube-proxy pkg/proxy/iptables/proxier.go syncProxyRules(). */

#include "model/proxy/iptables_compiler.h"

bool
iptables_uses_firewall(const PortRow *row)
{
    return row->verdict.has_endpoints && row->port->n_lb_vips && row->port->n_source_ranges;
}

/* "-m comment --comment "NAME WORDS" -m P -p P -d ADDR --dport PORT -j TARGET" */
static void
address_rule(const ProxyView *view, NfChainBuilder *b, const PortRow *row, uint32_t origin, const char *words,
             IpAddr addr, NfExpr target)
{
    IpPrefix dst = ipprefix_host(addr);

    ipt_rule(b, view->names, origin,
             &(IptRule){.comment = ipt_comment(view->names, "%s %s", row->port->text, words),
                        .dst = &dst,
                        .proto = row->port->proto,
                        .dport = row->port->port},
             target);
}

/* --- nat KUBE-SERVICES ------------------------------------------------------------------------------------------- */

static void
nat_services_row(const ProxyView *view, NfChainBuilder *b, const PortRow *row)
{
    const ProxyServicePort *port = row->port;
    const PortNames *names = row->names;

    if (row->verdict.has_internal)
        address_rule(view, b, row, PORT_ORIGIN(view, row, -1, CLUSTER_IP), "cluster IP", port->cluster_ip,
                     nfx_jump(port_chain(names, port->itp_local ? PORT_LOCAL : PORT_CLUSTER)));
    if (!row->verdict.has_endpoints)
        return;
    for (uint32_t i = 0; i < port->n_external_ips; i++)
        address_rule(view, b, row, PORT_ORIGIN(view, row, -1, EXTERNAL_IP), "external IP", port->external_ips[i],
                     nfx_jump(port_chain(names, PORT_EXTERNAL)));
    for (uint32_t i = 0; i < port->n_lb_vips; i++)
        address_rule(view, b, row, PORT_ORIGIN(view, row, -1, LB_VIP), "loadbalancer IP", port->lb_vips[i],
                     nfx_jump(port_chain(names, iptables_uses_firewall(row) ? PORT_FIREWALL : PORT_EXTERNAL)));
}

/* Destinations on the node itself go to the NodePorts. */
static void
nodeports_jump(const ProxyView *view, NfChainBuilder *b)
{
    static const char WORDS[] = "kubernetes service nodeports; NOTE: this must be the last rule in this chain";
    NfExpr jump = nfx_jump(nf_chain_id(view->names, IPT_NAT, "KUBE-NODEPORTS"));
    bool v4 = view->params->family == FAMILY_IPV4;
    IpPrefix loopback = v4 ? (IpPrefix){ipaddr_v4(127, 0, 0, 0), 8} : (IpPrefix){IPADDR_LOOPBACK6, 128};
    IptRule rule = {.comment = nf_text_id(view->names, WORDS)};

    if (view->node_ports.all) {
        rule.addrtype = NF_TYPE_LOCAL;
        if (!view->localhost_node_ports) {
            rule.dst = &loopback;
            rule.not_dst = true;
        }
        ipt_rule(b, view->names, FIXED_ORIGIN(view, NODEPORTS), &rule, jump);
        return;
    }
    for (uint32_t i = 0; i < view->node_ports.n_addrs; i++) {
        IpPrefix addr = ipprefix_host(*view->node_ports.addrs[i]);
        if (ipaddr_is_loopback(&addr.addr) && !view->localhost_node_ports)
            continue;
        rule.dst = &addr;
        ipt_rule(b, view->names, FIXED_ORIGIN(view, NODEPORTS), &rule, jump);
    }
}

/* --- nat KUBE-NODEPORTS ------------------------------------------------------------------------------------------ */

static void
nat_nodeports_row(const ProxyView *view, NfChainBuilder *b, const PortRow *row)
{
    IpPrefix loopback = {ipaddr_v4(127, 0, 0, 0), 8};
    IptRule rule = {.proto = row->port->proto, .dport = row->port->node_port};
    NfExpr jump;

    if (!row->verdict.has_endpoints || row->port->node_port == 0)
        return;
    rule.comment = nf_text_id(view->names, row->port->text);
    jump = nfx_jump(port_chain(row->names, PORT_EXTERNAL));
    if (view->localhost_node_ports && view->nfacct_localhost) {
        IptRule counted = rule;
        counted.dst = &loopback;
        counted.nfacct = "localhost_nps_accepted_pkts";
        ipt_rule(b, view->names, PORT_ORIGIN(view, row, -1, NODE_PORT), &counted, jump);
    }
    ipt_rule(b, view->names, PORT_ORIGIN(view, row, -1, NODE_PORT), &rule, jump);
}

/* --- filter ------------------------------------------------------------------------------------------------------ */

/* REJECT if nobody serves at all, DROP if only this node may not use those who do. */
static NfExpr
refusal(const PortRow *row)
{
    return row->verdict.has_endpoints ? ipt_target(NFX_DROP) : nfx_u32(NFX_REJECT, REJECT_PORT_UNREACH, 0, 0, false);
}

static const char *
refusal_words(const PortRow *row)
{
    return row->verdict.has_endpoints ? "has no local endpoints" : "has no endpoints";
}

static void
filter_services_row(const ProxyView *view, NfChainBuilder *b, const PortRow *row)
{
    uint32_t origin = row->verdict.has_endpoints ? PORT_ORIGIN(view, row, -1, NO_INTERNAL)
                                                 : PORT_ORIGIN(view, row, -1, NO_ENDPOINTS_INTERNAL);

    if (!row->verdict.has_internal)
        address_rule(view, b, row, origin, refusal_words(row), row->port->cluster_ip, refusal(row));
}

static void
filter_external_row(const ProxyView *view, NfChainBuilder *b, const PortRow *row)
{
    const ProxyServicePort *port = row->port;
    uint32_t origin =
        row->verdict.has_endpoints ? PORT_ORIGIN(view, row, -1, NO_EXTERNAL) : PORT_ORIGIN(view, row, -1, NO_ENDPOINTS);

    if (row->verdict.has_external)
        return;
    for (uint32_t i = 0; i < port->n_external_ips; i++)
        address_rule(view, b, row, origin, refusal_words(row), port->external_ips[i], refusal(row));
    for (uint32_t i = 0; i < port->n_lb_vips; i++)
        address_rule(view, b, row, origin, refusal_words(row), port->lb_vips[i], refusal(row));
    if (port->node_port)
        ipt_rule(b, view->names, origin,
                 &(IptRule){.comment = ipt_comment(view->names, "%s %s", port->text, refusal_words(row)),
                            .addrtype = NF_TYPE_LOCAL,
                            .proto = port->proto,
                            .dport = port->node_port},
                 refusal(row));
}

static void
filter_nodeports_row(const ProxyView *view, NfChainBuilder *b, const PortRow *row)
{
    if (row->port->health_check_node_port)
        ipt_rule(b, view->names, PORT_ORIGIN(view, row, -1, HEALTH_CHECK),
                 &(IptRule){.comment = ipt_comment(view->names, "%s health check node port", row->port->text),
                            .proto = IPPROTO_TCP,
                            .dport = row->port->health_check_node_port},
                 ipt_target(NFX_ACCEPT));
}

static void
filter_firewall_row(const ProxyView *view, NfChainBuilder *b, const PortRow *row)
{
    g_autofree char *words = NULL;

    if (!iptables_uses_firewall(row))
        return;
    words = g_strconcat("traffic not accepted by ", nf_chain_name(view->names, port_chain(row->names, PORT_FIREWALL)),
                        NULL);
    for (uint32_t i = 0; i < row->port->n_lb_vips; i++)
        address_rule(view, b, row, PORT_ORIGIN(view, row, -1, SOURCE_RANGE), words, row->port->lb_vips[i],
                     ipt_target(NFX_DROP));
}

const SharedChain iptables_shared_chains[IPT_N_SHARED] = {
    {IPT_FILTER, "KUBE-SERVICES", PART_INTERNAL | PART_ENDPOINTS, filter_services_row, NULL},
    {IPT_FILTER, "KUBE-EXTERNAL-SERVICES", PART_EXTERNAL | PART_ENDPOINTS, filter_external_row, NULL},
    {IPT_FILTER, "KUBE-NODEPORTS", 0, filter_nodeports_row, NULL},
    {IPT_FILTER, "KUBE-PROXY-FIREWALL", PART_ENDPOINTS, filter_firewall_row, NULL},
    {IPT_NAT, "KUBE-SERVICES", PART_INTERNAL | PART_ENDPOINTS | PART_NODE, nat_services_row, nodeports_jump},
    {IPT_NAT, "KUBE-NODEPORTS", PART_ENDPOINTS, nat_nodeports_row, NULL},
};

unsigned
iptables_per_node(const ProxyView *view)
{
    return view->node_ports.all ? 0 : PART_NODE;
}
