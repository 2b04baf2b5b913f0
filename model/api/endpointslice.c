/* EndpointSlice, and Endpoints as the slices that the mirroring controller makes of them */

#include <string.h>

#include "model/api/api_encode.h"

static const char *const address_types[] = {"IPv4", "IPv6", "FQDN", NULL};

static void read_endpoint(ApiReader *r, const DocNode *node, EndpointSlice *slice);
static void read_address(ApiReader *r, const DocNode *node, const EndpointSlice *slice, IpAddr *ret_addr,
                         const char **ret_raw);
static const char *const *read_hints(ApiReader *r, const DocNode *hints, const char *key);
static void read_slice_ports(ApiReader *r, const DocNode *parent, EndpointSlice *slice);
static void mirror_subset(ApiReader *r, const DocNode *subset, const ApiObject *meta, IpFamily family, uint32_t *number,
                          GPtrArray *ret_slices);
static void mirror_addresses(ApiReader *r, const DocNode *subset, const char *key, bool ready, EndpointSlice *slice);

const EndpointMore ENDPOINT_MORE_NONE;

void
endpoint_set_more(Strings *strings, Endpoint *ep, const EndpointMore *more)
{
    bool none = !more->zone && !more->hint_zones && !more->hint_nodes && !more->raw;
    ep->more = none ? NULL : strings_record(strings, more, sizeof *more);
}

bool
endpointslice_decode(ApiReader *r, const DocNode *root, EndpointSlice *slice)
{
    static const char *const known[] = {"apiVersion", "kind", "metadata", "addressType", "endpoints", "ports", NULL};
    slice->service = labels_get(&slice->meta.labels, "kubernetes.io/service-name");
    if (!node_require(r->diags, root, "addressType"))
        return false;
    int type = node_enum(r->diags, root, "addressType", -1, address_types);
    slice->family = type == 1 ? FAMILY_IPV6 : FAMILY_IPV4;
    slice->fqdn = type == 2;
    const DocNode *seq = node_seq(r->diags, root, "endpoints");
    if (seq && seq->n)
        slice->endpoints = g_new0(Endpoint, seq->n);
    for (uint32_t i = 0; seq && i < seq->n; i++)
        if (node_expect(r->diags, seq->items[i], NODE_MAPPING))
            read_endpoint(r, seq->items[i], slice);
    read_slice_ports(r, root, slice);
    node_report_unused(r->diags, root, DIAG_NOTE, known);
    return type >= 0;
}

void
endpointslice_encode(DocOut *out, const EndpointSlice *slice)
{
    DocArena *arena = out->arena;
    put_text(out, "addressType", address_types[slice->fqdn ? 2 : slice->family == FAMILY_IPV6]);
    DocOut endpoints = {.arena = arena}, ports = {.arena = arena};
    for (uint32_t i = 0; i < slice->n_endpoints; i++) {
        const Endpoint *ep = &slice->endpoints[i];
        DocOut node = {.arena = arena}, conditions = {.arena = arena};
        char buf[IPADDR_STR_SIZE];
        const EndpointMore *more = endpoint_more(ep);
        const char *address = more->raw ? more->raw : ipaddr_format(ep->addr, buf);
        put_texts(&node, "addresses", &address, 1);
        put_bool(&conditions, "ready", ep->conditions & EP_READY);
        put_bool(&conditions, "serving", ep->conditions & EP_SERVING);
        put_bool(&conditions, "terminating", ep->conditions & EP_TERMINATING);
        put_node(&node, "conditions", out_map(&conditions));
        put_text(&node, "nodeName", ep->node_name);
        put_text(&node, "zone", more->zone);
        if (ep->target) {
            DocOut target = {.arena = arena};
            put_text(&target, "kind", "Pod");
            put_text(&target, "name", ep->target);
            put_text(&target, "namespace", slice->meta.ns);
            put_node(&node, "targetRef", out_map(&target));
        }
        if (more->hint_zones || more->hint_nodes) {
            DocOut hints = {.arena = arena};
            for (int nodes = 0; nodes < 2; nodes++) {
                const char *const *names = nodes ? more->hint_nodes : more->hint_zones;
                DocOut list = {.arena = arena};
                for (; names && *names; names++) {
                    DocOut entry = {.arena = arena};
                    put_text(&entry, "name", *names);
                    put_item(&list, out_map(&entry));
                }
                if (list.items.len)
                    put_node(&hints, nodes ? "forNodes" : "forZones", out_seq(&list));
            }
            put_node(&node, "hints", out_map(&hints));
        }
        put_item(&endpoints, out_map(&node));
    }
    put_node(out, "endpoints", out_seq(&endpoints));
    for (uint32_t i = 0; i < slice->n_ports; i++) {
        DocOut port = {.arena = arena};
        put_text(&port, "name", slice->ports[i].name);
        put_int(&port, "port", slice->ports[i].port);
        put_text(&port, "protocol", proto_text(slice->ports[i].proto));
        put_text(&port, "appProtocol", slice->ports[i].app_protocol);
        put_item(&ports, out_map(&port));
    }
    put_node(out, "ports", out_seq(&ports));
}

void
endpoints_decode(Diags *diags, Strings *strings, const DocNode *root, GPtrArray *ret_slices)
{
    ApiReader r = {diags, strings};
    ApiObject *meta = api_new(KIND_ENDPOINTS, "", "");
    uint32_t number = 0;
    if (read_meta(&r, root, meta)) {
        const DocNode *subsets = node_seq(diags, root, "subsets");
        for (uint32_t i = 0; subsets && i < subsets->n; i++) {
            if (!node_expect(diags, subsets->items[i], NODE_MAPPING))
                continue;
            mirror_subset(&r, subsets->items[i], meta, FAMILY_IPV4, &number, ret_slices);
            mirror_subset(&r, subsets->items[i], meta, FAMILY_IPV6, &number, ret_slices);
        }
    }
    api_unref(meta);
}

static void
read_endpoint(ApiReader *r, const DocNode *node, EndpointSlice *slice)
{
    static const char *const known[] = {"addresses", "conditions", "hostname",           "nodeName", "targetRef",
                                        "zone",      "hints",      "deprecatedTopology", "topology", NULL};
    Endpoint *ep = &slice->endpoints[slice->n_endpoints];
    const DocNode *addresses = node_seq(r->diags, node, "addresses");
    if (!addresses || !addresses->n) {
        if (!addresses)
            node_require(r->diags, node, "addresses");
        else
            node_diag(r->diags, DIAG_WARNING, addresses, "an endpoint without addresses, ignored");
        return;
    }
    EndpointMore more = {0};
    read_address(r, addresses->items[0], slice, &ep->addr, &more.raw);
    ep->node_name = read_text(r, node, "nodeName", NULL);
    more.zone = read_text(r, node, "zone", NULL);
    const DocNode *target = node_map(r->diags, node, "targetRef");
    if (target && strcmp(node_str(r->diags, target, "kind", "Pod"), "Pod") == 0)
        ep->target = read_text(r, target, "name", NULL);
    const DocNode *hints = node_map(r->diags, node, "hints");
    more.hint_zones = read_hints(r, hints, "forZones");
    more.hint_nodes = read_hints(r, hints, "forNodes");
    endpoint_set_more(r->strings, ep, &more);
    const DocNode *conditions = node_map(r->diags, node, "conditions");
    ep->conditions = (node_bool(r->diags, conditions, "ready", true) ? EP_READY : 0) |
                     (node_bool(r->diags, conditions, "serving", true) ? EP_SERVING : 0) |
                     (node_bool(r->diags, conditions, "terminating", false) ? EP_TERMINATING : 0);
    node_get(node, "hostname");
    node_report_unused(r->diags, node, DIAG_NOTE, known);
    slice->n_endpoints++;
}

/* The address, and its text where that is not canonical. */
static void
read_address(ApiReader *r, const DocNode *node, const EndpointSlice *slice, IpAddr *ret_addr, const char **ret_raw)
{
    char buf[IPADDR_STR_SIZE];
    *ret_addr = slice->family == FAMILY_IPV6 ? IPADDR_ANY6 : IPADDR_ANY4;
    if (!node_expect(r->diags, node, NODE_SCALAR))
        return;
    bool ok = !slice->fqdn && ipaddr_parse_sloppy(node->text, ret_addr);
    if (!ok && !slice->fqdn)
        node_diag(r->diags, DIAG_WARNING, node, "\"%s\" is not an IP address, kube-proxy ignores it", node->text);
    else if (ok && ipaddr_family(ret_addr) != slice->family)
        node_diag(r->diags, DIAG_WARNING, node, "%s is not of the slice's addressType", node->text);
    if (!ok || strcmp(ipaddr_format(*ret_addr, buf), node->text) != 0)
        *ret_raw = strings_add_len(r->strings, node->text, node->text_len);
}

static const char *const *
read_hints(ApiReader *r, const DocNode *hints, const char *key)
{
    const DocNode *seq = node_seq(r->diags, hints, key);
    if (!seq || !seq->n)
        return NULL;
    g_autofree const char **names = g_new(const char *, seq->n);
    size_t n = 0;
    for (uint32_t i = 0; i < seq->n; i++) {
        const char *name =
            node_expect(r->diags, seq->items[i], NODE_MAPPING) ? read_text(r, seq->items[i], "name", NULL) : NULL;
        if (name)
            names[n++] = name;
    }
    return n ? strings_list(r->strings, names, n) : NULL;
}

/* The API server makes a missing name "", a missing protocol TCP. */
static void
read_slice_ports(ApiReader *r, const DocNode *parent, EndpointSlice *slice)
{
    static const char *const known[] = {"name", "port", "protocol", "appProtocol", NULL};
    const DocNode *seq = node_seq(r->diags, parent, "ports");
    if (!seq || !seq->n)
        return;
    slice->ports = g_new0(EndpointPort, seq->n);
    for (uint32_t i = 0; i < seq->n; i++) {
        const DocNode *node = seq->items[i];
        if (!node_expect(r->diags, node, NODE_MAPPING))
            continue;
        slice->ports[slice->n_ports++] = (EndpointPort){
            .name = read_text(r, node, "name", ""),
            .port = read_port(r, node, "port"),
            .proto = read_proto(r, node, "protocol"),
            .app_protocol = read_text(r, node, "appProtocol", NULL),
        };
        node_report_unused(r->diags, node, DIAG_NOTE, known);
    }
}

static void
mirror_subset(ApiReader *r, const DocNode *subset, const ApiObject *meta, IpFamily family, uint32_t *number,
              GPtrArray *ret_slices)
{
    EndpointSlice *slice = (EndpointSlice *)api_new(KIND_ENDPOINTSLICE, meta->ns,
                                                    strings_printf(r->strings, "%s-%u", meta->name, *number));
    slice->meta.mark = subset->mark;
    slice->family = family;
    slice->service = meta->name;
    labels_set(&slice->meta.labels, "endpointslice.kubernetes.io/managed-by",
               "endpointslicemirroring-controller.k8s.io");
    labels_set(&slice->meta.labels, "kubernetes.io/service-name", meta->name);
    mirror_addresses(r, subset, "addresses", true, slice);
    mirror_addresses(r, subset, "notReadyAddresses", false, slice);
    if (slice->n_endpoints == 0) {
        api_unref(&slice->meta);
        return;
    }
    read_slice_ports(r, subset, slice);
    g_ptr_array_add(ret_slices, slice);
    ++*number;
}

static void
mirror_addresses(ApiReader *r, const DocNode *subset, const char *key, bool ready, EndpointSlice *slice)
{
    const DocNode *seq = node_seq(r->diags, subset, key);
    if (!seq || !seq->n)
        return;
    slice->endpoints = g_renew(Endpoint, slice->endpoints, slice->n_endpoints + seq->n);
    for (uint32_t i = 0; i < seq->n; i++) {
        const DocNode *node = seq->items[i];
        const char *ip = node_expect(r->diags, node, NODE_MAPPING) ? node_str(r->diags, node, "ip", NULL) : NULL;
        Endpoint ep = {.conditions = ready ? EP_READY | EP_SERVING : 0};
        if (!ip)
            continue;
        if (!ipaddr_parse_sloppy(ip, &ep.addr)) {
            if (slice->family == FAMILY_IPV4)
                node_diag(r->diags, DIAG_WARNING, node_get(node, "ip"), "\"%s\" is not an IP address, ignored", ip);
            continue;
        }
        if (ipaddr_family(&ep.addr) != slice->family)
            continue;
        ep.node_name = read_text(r, node, "nodeName", NULL);
        const DocNode *target = node_map(r->diags, node, "targetRef");
        if (target && strcmp(node_str(r->diags, target, "kind", ""), "Pod") == 0)
            ep.target = read_text(r, target, "name", NULL);
        slice->endpoints[slice->n_endpoints++] = ep;
    }
}
