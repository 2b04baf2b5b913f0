#include "model/proxy/proxier.h"

#include <string.h>

#include "model/proxy/compiler.h"
#include "model/proxy/parts.h"
#include "sim/engine/htable.h"

#define LARGE_CLUSTER_ENDPOINTS 1000 /* iptables/proxier.go largeClusterEndpointsThreshold. */

/* What nodes must have in common to share a base. */
typedef struct {
    const char *zone; /* NULL: none. */
    LocalDetector detector;
    bool node_ports_all, localhost_node_ports, tcp_be_liberal, random_fully, nfacct_invalid, nfacct_localhost;
} NodeClass;

/* A service port in a base. */
typedef struct {
    PortNames *names; /* Referenced. */
    PortVerdict verdict;
    const Parts *parts; /* Of the names' variants. */
} BasePort;

typedef struct {
    NodeClass class;
    uint64_t generation; /* Highest of a port that was taken in. */
    VEC(BasePort) ports;
    VEC(uint32_t) dependent; /* Indices of ports that may differ from node to node. */
    NfRuleset *ruleset;      /* Sealed. */
    GHashTable *overlays;    /* Key of decisions (GBytes) -> Parts of the shared chains; dropped with each change. */
} Base;

struct ProxyCompiler {
    ProxyParams params;
    NfNames *names;
    Origins *origins;
    const ProxyModeOps *ops; /* NULL: the mode is not modelled. */
    GPtrArray *bases;
    HTable port_names; /* Generation -> PortNames *. */
    VEC(PortRow) rows; /* Scratch. */
};

static void base_free(void *base);

ProxyCompiler *
proxy_compiler_new(const ProxyParams *params, NfNames *names)
{
    ProxyCompiler *c = g_new0(ProxyCompiler, 1);

    c->params = *params;
    c->names = nf_names_ref(names);
    c->origins = origins_new();
    c->bases = g_ptr_array_new_with_free_func(base_free);
    switch (params->mode) {
    case PROXY_IPTABLES:
        c->ops = &iptables_ops;
        break;
    case PROXY_NFTABLES:
        c->ops = &nftables_ops;
        break;
    case PROXY_IPVS:
        break;
    }
    htable_init(&c->port_names, sizeof(uint64_t), sizeof(PortNames *));
    return c;
}

void
proxy_compiler_free(ProxyCompiler *compiler)
{
    if (!compiler)
        return;
    g_ptr_array_unref(compiler->bases);
    htable_clear(&compiler->port_names);
    origins_free(compiler->origins);
    nf_names_unref(compiler->names);
    vec_clear(&compiler->rows);
    g_free(compiler);
}

const ProxyParams *
proxy_compiler_params(const ProxyCompiler *compiler)
{
    return &compiler->params;
}

void
proxy_compiler_forget(ProxyCompiler *compiler)
{
    g_ptr_array_set_size(compiler->bases, 0);
}

/* --- Views ------------------------------------------------------------------------------------------------------- */

static ProxyView
view_of_node(ProxyCompiler *c, const ServiceMap *map, const ProxyNode *node)
{
    const ProxyConfig *config = c->params.config;
    ProxyView view = {.params = &c->params,
                      .names = c->names,
                      .origins = c->origins,
                      .node = {node->name, node->zone, c->params.version},
                      .primary_ip = node->primary_ip,
                      .detector = detect_local(config, c->params.family, node),
                      .tcp_be_liberal = node->tcp_be_liberal,
                      .random_fully = node->random_fully,
                      .nfacct_invalid = node->nfacct_invalid && c->params.version.minor > 30,
                      .nfacct_localhost = node->nfacct_localhost && c->params.version.minor > 30,
                      .large_cluster = service_map_total_endpoints(map) > LARGE_CLUSTER_ENDPOINTS,
                      .mark = 1u << config->masquerade_bit};

    node_port_addrs(config, c->params.mode, c->params.family, node, &view.node_ports);
    view.localhost_node_ports =
        c->params.family == FAMILY_IPV4 && config->localhost_node_ports && view.node_ports.loopback4;
    return view;
}

/* The same without what is the node's own. */
static ProxyView
view_of_class(const ProxyView *node)
{
    ProxyView view = *node;

    view.node.name = NULL;
    view.primary_ip = view.params->family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6;
    view.node_ports.addrs = NULL;
    view.node_ports.n_addrs = 0;
    return view;
}

static NodeClass
class_of(const ProxyView *view)
{
    return (NodeClass){.zone = view->node.zone,
                       .detector = view->detector,
                       .node_ports_all = view->node_ports.all,
                       .localhost_node_ports = view->localhost_node_ports,
                       .tcp_be_liberal = view->tcp_be_liberal,
                       .random_fully = view->random_fully,
                       .nfacct_invalid = view->nfacct_invalid,
                       .nfacct_localhost = view->nfacct_localhost};
}

static bool
class_equal(const NodeClass *a, const NodeClass *b)
{
    return g_strcmp0(a->zone, b->zone) == 0 && detect_local_equal(&a->detector, &b->detector) &&
           a->node_ports_all == b->node_ports_all && a->localhost_node_ports == b->localhost_node_ports &&
           a->tcp_be_liberal == b->tcp_be_liberal && a->random_fully == b->random_fully &&
           a->nfacct_invalid == b->nfacct_invalid && a->nfacct_localhost == b->nfacct_localhost;
}

static Base *
base_of(ProxyCompiler *c, const ProxyView *view)
{
    NodeClass class = class_of(view);
    Base *base;

    for (guint i = 0; i < c->bases->len; i++) {
        base = c->bases->pdata[i];
        if (class_equal(&base->class, &class))
            return base;
    }
    base = g_new0(Base, 1);
    base->class = class;
    base->overlays = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, parts_free);
    g_ptr_array_add(c->bases, base);
    return base;
}

static void
base_reset(Base *base)
{
    for (size_t i = 0; i < base->ports.len; i++)
        port_names_unref(base->ports.data[i].names);
    vec_clear(&base->ports);
    vec_clear(&base->dependent);
    nf_ruleset_unref(base->ruleset);
    base->ruleset = NULL;
    base->generation = 0;
}

static void
base_free(void *data)
{
    Base *base = data;

    base_reset(base);
    g_hash_table_unref(base->overlays);
    g_free(base);
}

/* --- Decisions --------------------------------------------------------------------------------------------------- */

static bool
node_in_ranges(const ProxyView *view, const ProxyServicePort *port)
{
    if (ipaddr_is_any(&view->primary_ip))
        return false;
    for (uint32_t i = 0; i < port->n_source_ranges; i++)
        if (ipprefix_contains(&port->source_ranges[i], view->primary_ip))
            return true;
    return false;
}

static PortVerdict
decide(const ProxyView *view, const ProxyServicePort *port, EndpointChoice *ret_choice)
{
    endpoint_choice(port, &view->node, ret_choice);
    return (PortVerdict){.has_endpoints = ret_choice->has_endpoints,
                         .has_internal = ret_choice->has_internal,
                         .has_external = ret_choice->has_external,
                         .node_in_ranges = node_in_ranges(view, port)};
}

uint32_t
row_endpoint_index(const PortRow *row, const ProxyEndpoint *ep)
{
    const ProxyEndpoint *all = row->port->endpoints;
    uint32_t index = 0;

    if (ep >= all && ep < all + row->port->n_endpoints)
        return (uint32_t)(ep - all);
    while (strcmp(all[index].text, ep->text) != 0)
        index++;
    return index;
}

bool
row_has_external_chain(const PortRow *row)
{
    return row->verdict.has_endpoints && row->port->externally_accessible;
}

static bool
depends_on_node(const ProxyServicePort *port)
{
    if (port->uses_local || (port->n_source_ranges && port->n_lb_vips))
        return true;
    for (uint32_t i = 0; i < port->n_endpoints; i++)
        if (port->endpoints[i].again || port->endpoints[i].hint_nodes)
            return true;
    return false;
}

static PortNames *
names_of(ProxyCompiler *c, const ProxyServicePort *port)
{
    PortNames **known = htable_find(&c->port_names, &port->generation);
    PortNames *names;

    if (known) {
        (*known)->refs++;
        return *known;
    }
    names = g_new0(PortNames, 1);
    names->refs = 1;
    names->generation = port->generation;
    names->table = &c->port_names;
    names->origin = origins_add_port(c->origins, port);
    names->text = nf_text_id(c->names, port->text);
    names->node_dependent = depends_on_node(port);
    c->ops->name_port(c->names, port, names);
    *(PortNames **)htable_insert(&c->port_names, &port->generation, NULL) = names;
    return names;
}

/* --- Bases ------------------------------------------------------------------------------------------------------- */

static BasePort
base_port(ProxyCompiler *c, const ProxyView *view, const ProxyServicePort *port)
{
    BasePort made = {.names = names_of(c, port)};
    EndpointChoice choice;
    PortRow row;

    made.verdict = decide(view, port, &choice);
    row = (PortRow){port, made.names, made.verdict};
    made.parts = port_parts(c->ops, view, made.names, &row, &choice);
    endpoint_choice_clear(&choice);
    return made;
}

/* Takes in the ports as they are now; chains of unchanged ports stay the same objects. */
static void
take_ports(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *ports, size_t n,
           NfRuleset *next)
{
    VEC(BasePort) old = {0};
    size_t j = 0;
    uint64_t newest = base->generation;

    memcpy(&old, &base->ports, sizeof old);
    memset(&base->ports, 0, sizeof base->ports);
    vec_reserve(&base->ports, n);
    base->dependent.len = 0;
    /* Both lists are in the same order: what the old one has in between is gone. */
    for (size_t i = 0; i < n; i++) {
        if (ports[i].generation > base->generation)
            continue;
        for (; old.data[j].names->generation != ports[i].generation; j++)
            parts_remove(next, old.data[j].parts);
        j++;
    }
    for (; j < old.len; j++)
        parts_remove(next, old.data[j].parts);
    j = 0;
    for (size_t i = 0; i < n; i++) {
        if (ports[i].generation > base->generation) {
            vec_push(&base->ports, base_port(c, view, &ports[i]));
            parts_put(next, vec_last(&base->ports)->parts);
            newest = MAX(newest, ports[i].generation);
        } else {
            for (; old.data[j].names->generation != ports[i].generation; j++)
                port_names_unref(old.data[j].names);
            vec_push(&base->ports, old.data[j++]);
        }
        if (base->ports.data[i].names->node_dependent)
            vec_push(&base->dependent, (uint32_t)i);
    }
    for (; j < old.len; j++)
        port_names_unref(old.data[j].names);
    vec_clear(&old);
    base->generation = newest;
}

/* Rows of the base's ports, in scratch memory. */
static PortRow *
base_rows(ProxyCompiler *c, const Base *base, const ProxyServicePort *ports)
{
    c->rows.len = 0;
    vec_reserve(&c->rows, base->ports.len);
    for (size_t i = 0; i < base->ports.len; i++)
        vec_push(&c->rows, (PortRow){&ports[i], base->ports.data[i].names, base->ports.data[i].verdict});
    return c->rows.data;
}

static bool
is_current(const Base *base, const ProxyServicePort *ports, size_t n)
{
    if (!base->ruleset || base->ports.len != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (base->ports.data[i].names->generation != ports[i].generation)
            return false;
    return true;
}

static bool
base_update(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *ports, size_t n,
            GError **error)
{
    Parts shared = {0}, fixed = {0};
    NfRuleset *next;

    if (is_current(base, ports, n))
        return true;
    g_hash_table_remove_all(base->overlays);
    if (base->ruleset) {
        next = nf_ruleset_next(base->ruleset);
    } else {
        next = nf_ruleset_new(c->names, c->ops->dialect, c->params.family);
        if (c->ops->table_comment)
            nf_ruleset_set_comment(next, nf_text_id(c->names, c->ops->table_comment));
        c->ops->fixed(view, &fixed);
        parts_put(next, &fixed);
        parts_clear(&fixed);
    }
    take_ports(c, base, view, ports, n, next);
    if (!c->ops->shared(view, base_rows(c, base, ports), n, PART_ALL, &shared, error)) {
        /* After a failed sync kube-proxy starts over. */
        nf_ruleset_unref(next);
        base_reset(base);
        return false;
    }
    parts_put(next, &shared);
    parts_clear(&shared);
    if (!nf_ruleset_seal(next, error)) {
        nf_ruleset_unref(next);
        base_reset(base);
        return false;
    }
    nf_ruleset_unref(base->ruleset);
    base->ruleset = next;
    return true;
}

/* --- Overlays ---------------------------------------------------------------------------------------------------- */

/* What an overlay must say of its own. */
typedef struct {
    NfRuleset *rules;
    unsigned differs; /* PART_* of the shared parts. */
    GByteArray *key;  /* Of all decisions that shared parts depend on. */
} Overlay;

static unsigned
verdict_differs(const PortVerdict *a, const PortVerdict *b)
{
    return (a->has_internal != b->has_internal ? PART_INTERNAL : 0) |
           (a->has_external != b->has_external ? PART_EXTERNAL : 0) |
           (a->has_endpoints != b->has_endpoints ? PART_ALL : 0);
}

static bool
has_chain(const Parts *parts, uint32_t id)
{
    for (size_t i = 0; i < parts->chains.len; i++)
        if (nf_chain_spec(parts->chains.data[i])->id == id)
            return true;
    return false;
}

static bool
has_set(const Parts *parts, uint32_t id)
{
    for (size_t i = 0; i < parts->sets.len; i++)
        if (nf_set_spec(parts->sets.data[i])->id == id)
            return true;
    return false;
}

/* Sets of one name differ in nothing but their elements. */
static bool
set_equal(const NfSet *a, const NfSet *b)
{
    size_t n_a, n_b;
    const NfElem *x = nf_set_elems(a, &n_a), *y = nf_set_elems(b, &n_b);

    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++)
        if (memcmp(&x[i].key, &y[i].key, sizeof x[i].key) != 0 || x[i].addr_len != y[i].addr_len)
            return false;
    return true;
}

/* Puts what 'own' has otherwise than the base, and takes away what it has not. */
static void
overlay_parts(NfRuleset *overlay, const NfRuleset *base, const Parts *own, const Parts *of_base)
{
    for (size_t i = 0; i < own->chains.len; i++) {
        NfChain *chain = own->chains.data[i];
        const NfChain *there = nf_ruleset_chain(base, nf_chain_spec(chain)->id);
        if (!there || !nf_chain_equal(chain, there))
            nf_ruleset_put_chain(overlay, nf_chain_ref(chain));
    }
    for (size_t i = 0; i < own->sets.len; i++) {
        NfSet *set = own->sets.data[i];
        const NfSet *there = nf_ruleset_set(base, nf_set_spec(set)->id);
        if (there != set && !(there && set_equal(set, there)))
            nf_ruleset_put_set(overlay, nf_set_ref(set));
    }
    for (size_t i = 0; i < of_base->chains.len; i++)
        if (!has_chain(own, nf_chain_spec(of_base->chains.data[i])->id))
            nf_ruleset_remove_chain(overlay, nf_chain_spec(of_base->chains.data[i])->id);
    for (size_t i = 0; i < of_base->sets.len; i++)
        if (!has_set(own, nf_set_spec(of_base->sets.data[i])->id))
            nf_ruleset_remove_set(overlay, nf_set_spec(of_base->sets.data[i])->id);
}

static void
overlay_port(ProxyCompiler *c, const Base *base, const ProxyView *view, PortRow *row, const BasePort *of_base,
             Overlay *overlay)
{
    EndpointChoice choice;
    const Parts *own;
    uint8_t bits;

    row->verdict = decide(view, row->port, &choice);
    own = port_parts(c->ops, view, of_base->names, row, &choice);
    if (own != of_base->parts)
        overlay_parts(overlay->rules, base->ruleset, own, of_base->parts);
    endpoint_choice_clear(&choice);
    overlay->differs |= verdict_differs(&row->verdict, &of_base->verdict);
    bits = (uint8_t)(row->verdict.has_internal | row->verdict.has_external << 1 | row->verdict.has_endpoints << 2);
    g_byte_array_append(overlay->key, &bits, 1);
}

/* The shared parts as this node needs them; nodes that decide alike share them. */
static const Parts *
overlay_shared(ProxyCompiler *c, Base *base, const ProxyView *view, Overlay *overlay, GError **error)
{
    unsigned own = c->ops->per_node(view);
    g_autoptr(GBytes) key = NULL;
    Parts *parts;

    if (own & PART_NODE)
        for (uint32_t i = 0; i < view->node_ports.n_addrs; i++)
            g_byte_array_append(overlay->key, view->node_ports.addrs[i]->b, sizeof(IpAddr));
    if (own & PART_LOCAL)
        g_byte_array_append(overlay->key, (const guint8 *)view->node.name, (guint)strlen(view->node.name));
    key = g_bytes_new(overlay->key->data, overlay->key->len);
    parts = g_hash_table_lookup(base->overlays, key);
    if (parts)
        return parts;
    parts = g_new0(Parts, 1);
    if (!c->ops->shared(view, c->rows.data, c->rows.len, overlay->differs | own, parts, error)) {
        parts_free(parts);
        return NULL;
    }
    g_hash_table_insert(base->overlays, g_steal_pointer(&key), parts);
    return parts;
}

static NfRuleset *
overlay_new(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *ports, GError **error)
{
    g_autoptr(GByteArray) key = g_byte_array_new();
    Overlay overlay = {.rules = nf_ruleset_derive(base->ruleset), .key = key};
    PortRow *rows = base_rows(c, base, ports);
    bool ok = true;

    for (size_t i = 0; i < base->dependent.len; i++) {
        uint32_t at = base->dependent.data[i];
        overlay_port(c, base, view, &rows[at], &base->ports.data[at], &overlay);
    }
    if (overlay.differs | c->ops->per_node(view)) {
        const Parts *shared = overlay_shared(c, base, view, &overlay, error);
        ok = shared != NULL;
        if (ok)
            parts_put(overlay.rules, shared);
    }
    if (!ok || !nf_ruleset_seal(overlay.rules, error)) {
        nf_ruleset_unref(overlay.rules);
        return NULL;
    }
    return overlay.rules;
}

NfRuleset *
proxy_compile(ProxyCompiler *compiler, const ServiceMap *map, const ProxyNode *node, GError **error)
{
    size_t n;
    const ProxyServicePort *ports = service_map_ports(map, &n);
    NfRuleset *ruleset = NULL;
    ProxyView view, class_view;
    Base *base;

    if (!compiler->ops) {
        g_set_error_literal(error, PROXY_ERROR, 0, "ipvs mode is not modelled yet");
        return NULL;
    }
    view = view_of_node(compiler, map, node);
    class_view = view_of_class(&view);
    base = base_of(compiler, &class_view);
    if (base_update(compiler, base, &class_view, ports, n, error))
        ruleset = overlay_new(compiler, base, &view, ports, error);
    node_port_addrs_clear(&view.node_ports);
    return ruleset;
}

bool
proxy_origin(const ProxyCompiler *compiler, uint32_t origin, RuleOrigin *ret_origin)
{
    OriginWords words;

    if (!origins_resolve(compiler->origins, origin, &words))
        return false;
    *ret_origin = (RuleOrigin){words.object, words.detail, words.field, words.source};
    return true;
}

G_DEFINE_QUARK(svcsim - proxy - error, proxy_error)
