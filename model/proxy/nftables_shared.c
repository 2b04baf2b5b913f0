/* nftables mode: the sets and maps with elements of all service ports
 *
 * Source: kube-proxy pkg/proxy/nftables/proxier.go syncProxyRules(). */

#include "model/proxy/nftables_compiler.h"
#include "model/proxy/service_parts.h"

typedef VEC(NfElem) Elems;
typedef void (*RowElems)(const ProxyView *view, const PortRow *row, Elems *elems);

typedef struct {
    const char *name, *comment;
    unsigned depends; /* PART_*. */
    NfSetKind kind;
    uint32_t fields;
    uint8_t n_fields;
    RowElems row;  /* NULL: nothing of a service port. */
    bool repeated; /* Ports may have equal elements, of which the set holds the first. */
    bool once;     /* Those of one Service have. */
    bool refusals; /* Nothing of ports that have internal and external endpoints. */
} SharedSet;

static void
push(Elems *elems, IpAddr addr, uint8_t proto, uint16_t port, NfOp verdict, uint32_t chain, uint32_t comment,
     uint32_t origin)
{
    NfElem elem;

    memset(&elem, 0, sizeof elem);
    elem.key.addr = addr;
    elem.key.proto = proto;
    elem.key.port = port;
    elem.addr_len = 255;
    elem.verdict = (uint8_t)verdict;
    elem.chain = chain;
    elem.comment = comment;
    elem.origin = origin;
    vec_push(elems, elem);
}

/* "addr . proto . port : goto CHAIN" */
static void
push_goto(Elems *elems, const PortRow *row, IpAddr addr, uint32_t chain, uint32_t origin)
{
    push(elems, addr, row->port->proto, row->port->port, NFX_GOTO, chain, NF_NO_ID, origin);
}

/* "addr . proto . port : goto reject-chain" if nobody serves at all, "drop" if only this node may not use those who do.
 */
static void
push_refusal(const ProxyView *view, Elems *elems, const PortRow *row, IpAddr addr, uint16_t port, uint32_t origin)
{
    bool drop = row->verdict.has_endpoints;

    push(elems, addr, row->port->proto, port, drop ? NFX_DROP : NFX_GOTO,
         drop ? 0 : nft_chain_named(view, "reject-chain"), nf_text_id(view->names, row->port->text), origin);
}

static void
cluster_ips_row(const ProxyView *view, const PortRow *row, Elems *elems)
{
    push(elems, row->port->cluster_ip, 0, 0, NFX_ACCEPT, 0, NF_NO_ID, PORT_ORIGIN(view, row, -1, CLUSTER_IP));
}

static void
service_ips_row(const ProxyView *view, const PortRow *row, Elems *elems)
{
    const ProxyServicePort *port = row->port;
    const PortNames *names = row->names;

    if (row->verdict.has_internal)
        push_goto(elems, row, port->cluster_ip, port_chain(names, port->itp_local ? PORT_LOCAL : PORT_CLUSTER),
                  PORT_ORIGIN(view, row, -1, CLUSTER_IP));
    if (!row->verdict.has_endpoints)
        return;
    for (uint32_t i = 0; i < port->n_external_ips; i++)
        push_goto(elems, row, port->external_ips[i], port_chain(names, PORT_EXTERNAL),
                  PORT_ORIGIN(view, row, -1, EXTERNAL_IP));
    for (uint32_t i = 0; i < port->n_lb_vips; i++)
        push_goto(elems, row, port->lb_vips[i], port_chain(names, PORT_EXTERNAL), PORT_ORIGIN(view, row, -1, LB_VIP));
}

static void
no_endpoint_services_row(const ProxyView *view, const PortRow *row, Elems *elems)
{
    const ProxyServicePort *port = row->port;
    bool any = row->verdict.has_endpoints;
    uint32_t internal =
        any ? PORT_ORIGIN(view, row, -1, NO_INTERNAL) : PORT_ORIGIN(view, row, -1, NO_ENDPOINTS_INTERNAL);
    uint32_t origin = any ? PORT_ORIGIN(view, row, -1, NO_EXTERNAL) : PORT_ORIGIN(view, row, -1, NO_ENDPOINTS);

    if (!row->verdict.has_internal)
        push_refusal(view, elems, row, port->cluster_ip, port->port, internal);
    if (row->verdict.has_external)
        return;
    for (uint32_t i = 0; i < port->n_external_ips; i++)
        push_refusal(view, elems, row, port->external_ips[i], port->port, origin);
    for (uint32_t i = 0; i < port->n_lb_vips; i++)
        push_refusal(view, elems, row, port->lb_vips[i], port->port, origin);
}

/* Keys without an address. */
static const IpAddr NO_ADDR = {{0}};

static void
service_nodeports_row(const ProxyView *view, const PortRow *row, Elems *elems)
{
    if (row->verdict.has_endpoints && row->port->node_port)
        push(elems, NO_ADDR, row->port->proto, row->port->node_port, NFX_GOTO, port_chain(row->names, PORT_EXTERNAL),
             NF_NO_ID, PORT_ORIGIN(view, row, -1, NODE_PORT));
}

static void
no_endpoint_nodeports_row(const ProxyView *view, const PortRow *row, Elems *elems)
{
    uint32_t origin = row->verdict.has_endpoints ? PORT_ORIGIN(view, row, -1, NO_EXTERNAL_PORT)
                                                 : PORT_ORIGIN(view, row, -1, NO_ENDPOINTS_PORT);

    if (!row->verdict.has_external && row->port->node_port)
        push_refusal(view, elems, row, NO_ADDR, row->port->node_port, origin);
}

static void
firewall_ips_row(const ProxyView *view, const PortRow *row, Elems *elems)
{
    for (uint32_t i = 0; nft_uses_firewall(row) && i < row->port->n_lb_vips; i++)
        push_goto(elems, row, row->port->lb_vips[i], port_chain(row->names, PORT_FIREWALL),
                  PORT_ORIGIN(view, row, -1, FIREWALL_IP));
}

/* v1.36 masquerades a connection from an endpoint to itself, if the endpoint is on this node. */
static void
hairpin_row(const ProxyView *view, const PortRow *row, Elems *elems)
{
    const ProxyServicePort *port = row->port;
    bool any_local = false;
    EndpointChoice choice;

    for (uint32_t i = 0; i < port->n_endpoints && !any_local; i++)
        any_local = endpoint_is_local(endpoint_on_node(&port->endpoints[i], &view->node), &view->node);
    if (!any_local)
        return;
    endpoint_choice(port, &view->node, &choice);
    for (uint32_t i = 0; i < choice.n_reachable; i++) {
        const ProxyEndpoint *ep = choice.reachable[i];
        if (!endpoint_is_local(ep, &view->node))
            continue;
        push(elems, ep->from->addr, port->proto, ep->port, NFX_ACCEPT, 0, NF_NO_ID,
             PORT_ORIGIN(view, row, port_endpoint_index(row->port, ep), HAIRPIN_ELEM));
        vec_last(elems)->key.addr2 = ep->from->addr;
    }
    endpoint_choice_clear(&choice);
}

/* NodePorts on loopback addresses do not work in this mode. */
static void
nodeport_ips(const ProxyView *view, Elems *elems)
{
    for (uint32_t i = 0; i < view->node_ports.n_addrs; i++)
        if (!ipaddr_is_loopback(view->node_ports.addrs[i]))
            push(elems, *view->node_ports.addrs[i], 0, 0, NFX_ACCEPT, 0, NF_NO_ID, FIXED_ORIGIN(view, NODEPORTS));
}

static const SharedSet CLUSTER_IPS = {
    "cluster-ips", "Active ClusterIPs", 0, NF_SET_PLAIN, NFT_KEY_DADDR, 1, cluster_ips_row, true, true, false};
static const SharedSet NODEPORT_IPS = {
    "nodeport-ips", "IPs that accept NodePort traffic", PART_NODE, NF_SET_PLAIN, NFT_KEY_DADDR, 1, NULL, false, false,
    false};
static const SharedSet HAIRPIN_CONNECTIONS = {"hairpin-connections",
                                              "service hairpin connections",
                                              PART_LOCAL,
                                              NF_SET_PLAIN,
                                              NFT_KEY_HAIRPIN,
                                              4,
                                              hairpin_row,
                                              false,
                                              false,
                                              false};
static const SharedSet MAPS[] = {
    {"firewall-ips", "destinations that are subject to LoadBalancerSourceRanges", 0, NF_SET_MAP, NFT_KEY_ADDR_PORT, 3,
     firewall_ips_row, false, false, false},
    {"no-endpoint-nodeports", "vmap to drop or reject packets to service nodeports with no endpoints",
     PART_EXTERNAL | PART_ENDPOINTS, NF_SET_MAP, NFT_KEY_PORT, 2, no_endpoint_nodeports_row, false, false, true},
    {"no-endpoint-services", "vmap to drop or reject packets to services with no endpoints",
     PART_INTERNAL | PART_EXTERNAL | PART_ENDPOINTS, NF_SET_MAP, NFT_KEY_ADDR_PORT, 3, no_endpoint_services_row, true,
     false, true},
    {"service-ips", "ClusterIP, ExternalIP and LoadBalancer IP traffic", PART_INTERNAL | PART_ENDPOINTS, NF_SET_MAP,
     NFT_KEY_ADDR_PORT, 3, service_ips_row, false, false, false},
    {"service-nodeports", "NodePort traffic", PART_ENDPOINTS, NF_SET_MAP, NFT_KEY_PORT, 2, service_nodeports_row, false,
     false, false},
};

/* Elements from 'at' on that one Service has in a shared set: all bear its origins. */
static size_t
skip_service(const NfElem *elems, size_t n, size_t at, const SharedService *service)
{
    while (at < n && elems[at].origin - service->origin < service->n_origins)
        at++;
    return at;
}

static void
put_rows(const ProxyView *view, const SharedSet *set, const SharedService *service, Elems *elems)
{
    if (set->refusals && service->serves)
        return;
    for (RowCursor at = row_cursor(service->parts); row_cursor_next(&at);) {
        set->row(view, &at.row, elems);
        if (set->once)
            break;
    }
}

static void
copy_elems(Elems *elems, const NfElem *from, size_t n)
{
    if (n == 0)
        return;
    vec_reserve(elems, elems->len + n);
    memcpy(elems->data + elems->len, from, n * sizeof *from);
    elems->len += n;
}

/* False: all are those of 'old'. */
static bool
write_rows(const ProxyView *view, const SharedSet *set, const SharedService *services, size_t n_services,
           const SharedBefore *before, const NfSet *old, Elems *elems)
{
    size_t n, from = 0, to = 0, at = 0; /* [from, to) of the old ones are to be copied when something else follows. */
    const NfElem *known = nf_set_elems(old, &n);
    bool differ = false;

    vec_reserve(elems, n + 16);
    for (size_t i = 0; i <= n_services; i++) {
        uint32_t kept = i < n_services ? before->kept[i] : (uint32_t)before->n;
        size_t end = to, len;
        if (kept != UINT32_MAX) {
            while (at < kept)
                end = skip_service(known, n, end, &before->services[at++]);
            if (end != to) {
                copy_elems(elems, known + from, to - from);
                from = end;
                differ = true;
            }
            to = i < n_services ? skip_service(known, n, end, &before->services[at++]) : end;
            continue;
        }
        copy_elems(elems, known + from, to - from);
        from = to;
        len = elems->len;
        put_rows(view, set, &services[i], elems);
        differ |= elems->len != len;
    }
    copy_elems(elems, known + from, to - from);
    return differ;
}

/* No Service had to leave an element to another. */
static bool
each_has_one(const NfSet *set, size_t n_services)
{
    size_t n;

    nf_set_elems(set, &n);
    return n == n_services;
}

static bool
make_set(const ProxyView *view, const SharedSet *set, const SharedService *services, size_t n_services,
         unsigned part_mask, const SharedBefore *before, Parts *parts, GError **error)
{
    NfSetSpec spec = {.id = nft_set_named(view, set->name),
                      .kind = set->kind,
                      .fields = set->fields,
                      .n_fields = set->n_fields,
                      .comment = nf_text_id(view->names, set->comment),
                      .ipset_type = NF_NO_ID};
    const NfSet *old = before && set->row ? nf_ruleset_set(before->rules, spec.id) : NULL;
    Elems elems = {0};
    NfSet *made;

    if (part_mask != PART_ALL && !(set->depends & part_mask))
        return true;
    if (old && set->repeated && !(set->once && each_has_one(old, before->n)))
        old = NULL;
    if (old && !write_rows(view, set, services, n_services, before, old, &elems)) {
        vec_clear(&elems);
        return true;
    }
    for (size_t i = 0; set->row && !old && i < n_services; i++)
        put_rows(view, set, &services[i], &elems);
    if (set == &NODEPORT_IPS)
        nodeport_ips(view, &elems);
    made = nf_set_new_take(&spec, elems.data, elems.len, error);
    if (!made)
        return false;
    vec_push(&parts->sets, made);
    return true;
}

bool
nftables_shared_sets(const ProxyView *view, const SharedService *services, size_t n, unsigned part_mask,
                     const SharedBefore *before, Parts *parts, GError **error)
{

    if (!make_set(view, &CLUSTER_IPS, services, n, part_mask, before, parts, error))
        return false;
    if (!view->node_ports.all && !make_set(view, &NODEPORT_IPS, services, n, part_mask, before, parts, error))
        return false;
    if (nft_v36(view) && !make_set(view, &HAIRPIN_CONNECTIONS, services, n, part_mask, before, parts, error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(MAPS); i++)
        if (!make_set(view, &MAPS[i], services, n, part_mask, before, parts, error))
            return false;
    return true;
}

unsigned
nftables_per_node(const ProxyView *view)
{
    return (view->node_ports.all ? 0 : PART_NODE) | (nft_v36(view) ? PART_LOCAL : 0);
}
