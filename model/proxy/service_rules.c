/* The parts of a Service in rule sets: which chains it has on some node, and what an overlay has otherwise than its
 * base */

#include "model/proxy/service_parts_private.h"

#include <string.h>

/* Has the port this single chain on such a node? */
static bool
has_chain(const RowCursor *at, PortChainKind kind)
{
    if (at->ports.names.place[kind] == NO_PLACE)
        return false;
    switch (kind) {
    case PORT_EXTERNAL:
        return row_has_external_chain(&at->row);
    case PORT_FIREWALL:
        return at->parts->names->compiler->ops->uses_firewall(&at->row);
    case PORT_CLUSTER:
        return at->picks.cluster.n > 0;
    case PORT_LOCAL:
        return at->picks.local.n > 0;
    case PORT_ENDPOINT:
        break;
    }
    return false;
}

/* How many endpoints have chains: the first of those reachable. */
static uint32_t
n_endpoint_chains(const RowCursor *at)
{
    return at->ports.names.n_chains > at->ports.names.n_single ? at->picks.reachable.n : 0;
}

static size_t
n_sets(const ServiceParts *p)
{
    return p->extra ? p->extra->sets.sets.len : 0;
}

static void
put_chain(NfRuleset *ruleset, const ServiceParts *p, uint32_t id)
{
    nf_ruleset_put_maker(ruleset, id, nf_maker_ref((NfMaker *)&p->maker));
}

void
service_parts_put(NfRuleset *ruleset, const ServiceParts *parts)
{
    for (RowCursor at = row_cursor(parts); row_cursor_next(&at);) {
        for (PortChainKind kind = 0; kind < PORT_N_SINGLE; kind++)
            if (has_chain(&at, kind))
                put_chain(ruleset, parts, port_chain(&at.ports.names, kind));
        for (uint32_t i = 0; i < n_endpoint_chains(&at); i++)
            put_chain(ruleset, parts, endpoint_chain(&at.ports.names, pick(&at.picks.reachable, i)));
    }
    if (parts->extra)
        parts_put(ruleset, &parts->extra->sets);
}

void
service_parts_remove(NfRuleset *ruleset, const ServiceParts *parts)
{
    for (RowCursor at = row_cursor(parts); row_cursor_next(&at);) {
        for (PortChainKind kind = 0; kind < PORT_N_SINGLE; kind++)
            if (has_chain(&at, kind))
                nf_ruleset_remove_chain(ruleset, port_chain(&at.ports.names, kind));
        for (uint32_t i = 0; i < n_endpoint_chains(&at); i++)
            nf_ruleset_remove_chain(ruleset, endpoint_chain(&at.ports.names, pick(&at.picks.reachable, i)));
    }
    for (size_t i = 0; i < n_sets(parts); i++)
        nf_ruleset_remove_set(ruleset, nf_set_spec(parts->extra->sets.sets.data[i])->id);
}

static bool
picks_equal(const Picks *a, const Picks *b)
{
    if (a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n && a->index != b->index; i++)
        if (pick(a, i) != pick(b, i))
            return false;
    return true;
}

/* Both have a chain of that kind: would they be made equal? */
static bool
chains_equal(const RowCursor *a, const RowCursor *b, PortChainKind kind)
{
    const ProxyServicePort *port = a->row.port;
    bool same_detector = a->parts->detector == b->parts->detector;
    bool same_size = a->parts->large_cluster == b->parts->large_cluster;
    bool masquerades = kind == (port->itp_local ? PORT_LOCAL : PORT_CLUSTER);

    switch (kind) {
    case PORT_EXTERNAL:
        return !port->etp_local || (a->row.verdict.has_external == b->row.verdict.has_external && same_detector);
    case PORT_FIREWALL:
        return a->row.verdict.node_in_ranges == b->row.verdict.node_in_ranges;
    case PORT_CLUSTER:
    case PORT_LOCAL:
        if (masquerades && (a->row.verdict.has_internal != b->row.verdict.has_internal || !same_detector))
            return false;
        return same_size && (kind == PORT_CLUSTER ? picks_equal(&a->picks.cluster, &b->picks.cluster)
                                                  : picks_equal(&a->picks.local, &b->picks.local));
    case PORT_ENDPOINT:
        break;
    }
    return same_size;
}

/* Sets of one name differ in nothing but their elements. */
static bool
sets_equal(const NfSet *a, const NfSet *b)
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

static NfSet *
find_set(const ServiceParts *p, uint32_t id)
{
    for (size_t i = 0; i < n_sets(p); i++)
        if (nf_set_spec(p->extra->sets.sets.data[i])->id == id)
            return p->extra->sets.sets.data[i];
    return NULL;
}

static void
overlay_sets(NfRuleset *overlay, const ServiceParts *own, const ServiceParts *of_base)
{
    for (size_t i = 0; i < n_sets(own); i++) {
        NfSet *set = own->extra->sets.sets.data[i];
        const NfSet *there = find_set(of_base, nf_set_spec(set)->id);
        if (!there || !sets_equal(set, there))
            nf_ruleset_put_set(overlay, nf_set_ref(set));
    }
    for (size_t i = 0; i < n_sets(of_base); i++) {
        uint32_t id = nf_set_spec(of_base->extra->sets.sets.data[i])->id;
        if (!find_set(own, id))
            nf_ruleset_remove_set(overlay, id);
    }
}

/* Both lists ascend. */
static void
overlay_endpoints(NfRuleset *overlay, const RowCursor *own, const RowCursor *of_base)
{
    uint32_t n_own = n_endpoint_chains(own), n_base = n_endpoint_chains(of_base), i = 0, k = 0;
    bool equal = chains_equal(own, of_base, PORT_ENDPOINT);
    const PortNames *names = &own->ports.names;

    while (i < n_own || k < n_base) {
        uint32_t x = i < n_own ? pick(&own->picks.reachable, i) : UINT32_MAX;
        uint32_t y = k < n_base ? pick(&of_base->picks.reachable, k) : UINT32_MAX;
        if (x < y || (x == y && !equal))
            put_chain(overlay, own->parts, endpoint_chain(names, x));
        else if (y < x)
            nf_ruleset_remove_chain(overlay, endpoint_chain(names, y));
        i += x <= y;
        k += y <= x;
    }
}

void
service_parts_overlay(NfRuleset *overlay, const ServiceParts *own, const ServiceParts *of_base)
{
    RowCursor at = row_cursor(own), there = row_cursor(of_base);

    while (row_cursor_next(&at) && row_cursor_next(&there)) {
        for (PortChainKind kind = 0; kind < PORT_N_SINGLE; kind++) {
            bool has = has_chain(&at, kind), base_has = has_chain(&there, kind);
            if (has && (!base_has || !chains_equal(&at, &there, kind)))
                put_chain(overlay, own, port_chain(&at.ports.names, kind));
            else if (!has && base_has)
                nf_ruleset_remove_chain(overlay, port_chain(&at.ports.names, kind));
        }
        overlay_endpoints(overlay, &at, &there);
    }
    overlay_sets(overlay, own, of_base);
}
