#include "model/proxy/base.h"

#include <string.h>

static NodeClass
class_of(const ProxyView *view)
{
    return (NodeClass){.zone = view->node.zone,
                       .detector = view->detector,
                       .node_ports_all = view->node_ports.all,
                       .localhost_node_ports = view->localhost_node_ports,
                       .tcp_be_liberal = view->tcp_be_liberal,
                       .random_fully = view->random_fully,
                       .forward_drop = view->forward_drop,
                       .nfacct_invalid = view->nfacct_invalid,
                       .nfacct_localhost = view->nfacct_localhost};
}

static bool
class_equal(const NodeClass *a, const NodeClass *b)
{
    return g_strcmp0(a->zone, b->zone) == 0 && detect_local_equal(&a->detector, &b->detector) &&
           a->node_ports_all == b->node_ports_all && a->localhost_node_ports == b->localhost_node_ports &&
           a->tcp_be_liberal == b->tcp_be_liberal && a->forward_drop == b->forward_drop &&
           a->random_fully == b->random_fully && a->nfacct_invalid == b->nfacct_invalid &&
           a->nfacct_localhost == b->nfacct_localhost;
}

Base *
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
clear_shared(SharedPorts *shared)
{
    for (size_t i = 0; i < shared->len; i++)
        port_parts_unref(shared->data[i].parts);
    vec_clear(shared);
}

static void
base_reset(Base *base)
{
    for (size_t i = 0; i < base->ports.len; i++)
        port_names_leave(base->ports.data[i].names);
    vec_clear(&base->ports);
    vec_clear(&base->dependent);
    port_blocks_clear(&base->blocks);
    clear_shared(&base->shared);
    nf_ruleset_unref(base->ruleset);
    base->ruleset = NULL;
    base->generation = 0;
}

void
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

PortVerdict
base_decide(const ProxyView *view, const ProxyServicePort *port, EndpointChoice *ret_choice)
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
    while (!endpoint_same(&all[index], ep))
        index++;
    return index;
}

bool
row_has_external_chain(const PortRow *row)
{
    return row->verdict.has_endpoints && row->port->externally_accessible;
}

/* --- Bases ------------------------------------------------------------------------------------------------------- */

static BasePort
base_port(ProxyCompiler *c, const ProxyView *view, const ProxyServicePort *port)
{
    BasePort made = {.port = port, .names = port_names_use(c, port), .shared = UINT32_MAX};
    EndpointChoice choice;
    PortRow row;

    made.node_dependent = made.names->node_dependent;
    made.verdict = base_decide(view, port, &choice);
    row = (PortRow){port, made.names, made.verdict};
    made.parts = port_parts(view, &row, &choice);
    endpoint_choice_clear(&choice);
    return made;
}

/* What shared parts see of a service port: its Service and the decision. */
static bool
shared_alike(const BasePort *a, const BasePort *b)
{
    return a->port->service_generation == b->port->service_generation &&
           a->verdict.has_endpoints == b->verdict.has_endpoints && a->verdict.has_internal == b->verdict.has_internal &&
           a->verdict.has_external == b->verdict.has_external;
}

static void
note_dependent(Base *base)
{
    base->dependent.len = 0;
    for (size_t i = 0; i < base->ports.len; i++)
        if (base->ports.data[i].node_dependent)
            vec_push(&base->dependent, (uint32_t)i);
}

/* The usual case: none came, none went.  False, and nothing done, if it is another. */
static bool
take_in_place(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *const *ports, size_t n,
              NfRuleset *next, bool *ret_shared_differ)
{
    VEC(uint32_t) changed = {0};

    if (!base->ruleset || base->ports.len != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (base->ports.data[i].port == ports[i])
            continue;
        if (ports[i]->generation <= base->generation) {
            vec_clear(&changed);
            return false;
        }
        vec_push(&changed, (uint32_t)i);
    }
    for (size_t k = 0; k < changed.len; k++)
        port_parts_remove(next, base->ports.data[changed.data[k]].parts);
    for (size_t k = 0; k < changed.len; k++) {
        BasePort *port = &base->ports.data[changed.data[k]], old = *port;

        *port = base_port(c, view, ports[changed.data[k]]);
        port_parts_put(next, port->parts);
        if (shared_alike(&old, port))
            port->shared = old.shared;
        else
            *ret_shared_differ = true;
        port_names_leave(old.names);
    }
    vec_clear(&changed);
    return true;
}

/* Was a port in this state already, when the base was of that generation?  Then it is among the old ones from 'at' on,
 * mostly the next: nothing else of it need be read. */
static bool
is_kept(const BasePort *at, const BasePort *end, const ProxyServicePort *port, uint64_t generation)
{
    return (at < end && at->port == port) || port->generation <= generation;
}

/* Takes in the ports as they are now; chains of unchanged ports stay the same objects.  Returns whether shared parts
 * must be made anew. */
static bool
take_ports(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *const *ports, size_t n,
           NfRuleset *next)
{
    VEC(BasePort) old = {0};
    size_t j = 0;
    bool shared_differ = false;

    if (take_in_place(c, base, view, ports, n, next, &shared_differ)) {
        note_dependent(base);
        return shared_differ;
    }
    memcpy(&old, &base->ports, sizeof old);
    memset(&base->ports, 0, sizeof base->ports);
    vec_reserve(&base->ports, n);
    /* Both lists are in the same order: what the old one has in between is gone. */
    for (size_t i = 0; i < n; i++) {
        if (!is_kept(&old.data[j], &old.data[old.len], ports[i], base->generation))
            continue;
        for (; old.data[j].port != ports[i]; j++)
            port_parts_remove(next, old.data[j].parts);
        j++;
    }
    for (; j < old.len; j++)
        port_parts_remove(next, old.data[j].parts);
    j = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_kept(&old.data[j], &old.data[old.len], ports[i], base->generation)) {
            for (; old.data[j].port != ports[i]; j++)
                port_names_leave(old.data[j].names);
            vec_push(&base->ports, old.data[j++]);
        } else {
            vec_push(&base->ports, base_port(c, view, ports[i]));
            port_parts_put(next, vec_last(&base->ports)->parts);
        }
    }
    for (; j < old.len; j++)
        port_names_leave(old.data[j].names);
    vec_clear(&old);
    note_dependent(base);
    return true;
}

PortRow *
base_rows(ProxyCompiler *c, const Base *base, const ProxyServicePort *const *ports)
{
    c->rows.len = 0;
    vec_reserve(&c->rows, base->ports.len);
    for (size_t i = 0; i < base->ports.len; i++)
        vec_push(&c->rows, (PortRow){ports[i], base->ports.data[i].names, base->ports.data[i].verdict});
    return c->rows.data;
}

static NfRuleset *
next_ruleset(ProxyCompiler *c, const Base *base, const ProxyView *view)
{
    NfRuleset *next;
    Parts fixed = {0};

    if (base->ruleset)
        return nf_ruleset_next(base->ruleset);
    next = nf_ruleset_new(c->names, c->ops->dialect, c->params.family);
    if (c->ops->table_comment)
        nf_ruleset_set_comment(next, nf_text_id(c->names, c->ops->table_comment));
    c->ops->fixed(view, &fixed);
    parts_put(next, &fixed);
    parts_clear(&fixed);
    return next;
}

/* What shared parts are to be made of: of ports that they see unchanged, what they were made of before. */
static void
note_shared(Base *base, const SharedPorts *was, uint32_t *ret_kept)
{
    base->shared = (SharedPorts){0};
    vec_reserve(&base->shared, base->ports.len);
    for (size_t i = 0; i < base->ports.len; i++) {
        BasePort *port = &base->ports.data[i];
        SharedPort now = {port->parts, port->names->origin, port->names->ends_block};

        ret_kept[i] = port->shared;
        if (port->shared != UINT32_MAX)
            now = was->data[port->shared];
        port_parts_ref(now.parts);
        vec_push(&base->shared, now);
        port->shared = (uint32_t)i;
    }
}

static bool
make_shared(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *const *ports, Parts *parts,
            GError **error)
{
    SharedPorts was = base->shared;
    g_autofree uint32_t *kept = g_new(uint32_t, base->ports.len + 1);
    SharedBefore before = {base->ruleset, was.data, was.len, kept};
    bool ok = true;

    note_shared(base, &was, kept);
    if (c->ops->n_shared_chains)
        port_blocks_update(&base->blocks, view, base->shared.data, base->shared.len);
    for (uint32_t i = 0; i < c->ops->n_shared_chains; i++)
        vec_push(&parts->chains, port_blocks_chain(&base->blocks, view, i));
    if (c->ops->shared_sets) {
        ok = c->ops->shared_sets(view, base_rows(c, base, ports), base->ports.len, PART_ALL,
                                 base->ruleset ? &before : NULL, parts, error);
        if (!base->ruleset)
            vec_clear(&c->rows); /* Changes are few, but there are many rows: worth their memory only then. */
    }
    clear_shared(&was);
    return ok;
}

bool
base_update(ProxyCompiler *c, Base *base, const ProxyView *view, const ServiceMap *map, GError **error)
{
    Parts shared = {0};
    NfRuleset *next;
    size_t n;
    const ProxyServicePort *const *ports = service_map_ports(map, &n);
    bool ok = true;

    if (base->ruleset && base->generation == service_map_generation(map))
        return true;
    g_hash_table_remove_all(base->overlays);
    next = next_ruleset(c, base, view);
    if (take_ports(c, base, view, ports, n, next)) {
        ok = make_shared(c, base, view, ports, &shared, error);
        if (ok)
            parts_put(next, &shared);
        parts_clear(&shared);
    }
    if (!ok || !nf_ruleset_seal(next, error)) {
        /* After a failed sync kube-proxy starts over. */
        nf_ruleset_unref(next);
        base_reset(base);
        return false;
    }
    base->generation = service_map_generation(map);
    nf_ruleset_unref(base->ruleset);
    base->ruleset = next;
    return true;
}
