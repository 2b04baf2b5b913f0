#include "model/proxy/service_parts.h"

#include <stddef.h>
#include <string.h>

#include "model/proxy/base.h"

/* Which endpoints a list picks: a field of two bits. */
typedef enum { PICK_NONE, PICK_ALL, PICK_LISTED, PICK_AS_CLUSTER } PickMode;

enum { PICKS_CLUSTER, PICKS_LOCAL, PICKS_REACHABLE, N_PICKS };

/* What was decided of one port; of lists that are neither none nor all nor another, the number and the indices stand in
 * the parts' 'listed'. */
typedef struct {
    PortVerdict verdict;
    uint8_t modes; /* PickMode of each list. */
} Decision;

/* What few have. */
typedef struct {
    Parts sets;
    uint32_t *listed; /* Port after port, list after list. */
} Extra;

struct ServiceParts {
    NfMaker maker; /* Of its chains. */
    ServiceParts *next;
    ServiceNames *names;
    Extra *extra;               /* NULL: nothing. */
    uint32_t detector : 30;     /* Index among the compiler's. */
    uint32_t serves : 1;        /* service_parts_serve(). */
    uint32_t large_cluster : 1; /* As it was then: what did not change is not written again. */
    Decision decisions[];       /* Of each port. */
};

static NfChain *make_chain(NfMaker *maker, uint32_t chain_id);
static uint32_t chain_names(const NfMaker *maker, uint32_t chain_id, bool sets, uint32_t skip,
                            uint32_t ret_ids[static NF_MAKER_NAMES]);
static void parts_gone(NfMaker *maker);

static const NfMakerOps MAKER = {make_chain, chain_names, parts_gone};

static const LocalDetector *
detector_of(const ServiceParts *parts)
{
    return parts->names->compiler->detectors->pdata[parts->detector];
}

ProxyView
service_parts_view(const ServiceParts *parts)
{
    ProxyCompiler *c = parts->names->compiler;

    return (ProxyView){.params = &c->params,
                       .ops = c->ops,
                       .names = c->names,
                       .origins = c->origins,
                       .detector = *detector_of(parts),
                       .large_cluster = parts->large_cluster,
                       .mark_chain = &c->mark_chain,
                       .mark = 1u << c->params.config->masquerade_bit};
}

const ServiceParts *
service_parts_ref(const ServiceParts *parts)
{
    nf_maker_ref((NfMaker *)&parts->maker);
    return parts;
}

void
service_parts_unref(const ServiceParts *parts)
{
    nf_maker_unref((NfMaker *)&parts->maker);
}

ServiceNames *
service_parts_names(const ServiceParts *parts)
{
    return parts->names;
}

PortVerdict
service_parts_verdict(const ServiceParts *parts, uint32_t port)
{
    return parts->decisions[port].verdict;
}

bool
service_parts_serve(const ServiceParts *parts)
{
    return parts->serves;
}

/* --- Rows ---------------------------------------------------------------------------------------------------------- */

RowCursor
row_cursor(const ServiceParts *parts)
{
    return (RowCursor){.parts = parts, .ports = port_cursor(parts->names), .listed = parts->extra ? parts->extra->listed : NULL};
}

static PickMode
mode_of(const Decision *decision, int list)
{
    return (PickMode)(decision->modes >> 2 * list & 3);
}

bool
row_cursor_next(RowCursor *cursor)
{
    const Decision *decision;
    Picks *lists[N_PICKS] = {&cursor->picks.cluster, &cursor->picks.local, &cursor->picks.reachable};

    if (!port_cursor_next(&cursor->ports))
        return false;
    decision = &cursor->parts->decisions[cursor->ports.index];
    cursor->row = (PortRow){cursor->ports.port, &cursor->ports.names, decision->verdict};
    for (int i = 0; i < N_PICKS; i++) {
        switch (mode_of(decision, i)) {
        case PICK_NONE:
            *lists[i] = (Picks){0};
            break;
        case PICK_ALL:
            *lists[i] = (Picks){.n = cursor->row.port->n_endpoints};
            break;
        case PICK_LISTED:
            *lists[i] = (Picks){.n = cursor->listed[0], .index = cursor->listed + 1};
            cursor->listed += 1 + cursor->listed[0];
            break;
        case PICK_AS_CLUSTER:
            *lists[i] = cursor->picks.cluster;
            break;
        }
    }
    return true;
}

/* The row of the port that may have this chain. */
static RowCursor
row_of_chain(const ServiceParts *parts, uint32_t chain_id, PortChain *ret_chain)
{
    const ServiceNames *names = parts->names;
    RowCursor at = row_cursor(parts);
    uint32_t place = 0;

    if (!names->listed || !names->listed->chains)
        place = chain_id - names->first_chain;
    else
        while (names->listed->chains[place] != chain_id)
            place++;
    while (row_cursor_next(&at) && place - at.ports.names.first_place >= at.ports.names.n_chains)
        ;
    *ret_chain = chain_at_place(&at.ports.names, place - at.ports.names.first_place);
    return at;
}

static NfChain *
make_chain(NfMaker *maker, uint32_t chain_id)
{
    const ServiceParts *parts = (const ServiceParts *)maker;
    ProxyView view = service_parts_view(parts);
    PortChain chain;
    RowCursor at = row_of_chain(parts, chain_id, &chain);

    at.row.names = &at.ports.names;
    switch (chain.kind) {
    case PORT_EXTERNAL:
        return view.ops->external_chain(&view, &at.row);
    case PORT_FIREWALL:
        return view.ops->firewall_chain(&view, &at.row);
    case PORT_CLUSTER:
        return view.ops->service_chain(&view, &at.row, false, &at.picks.cluster);
    case PORT_LOCAL:
        return view.ops->service_chain(&view, &at.row, true, &at.picks.local);
    case PORT_ENDPOINT:
        break;
    }
    return view.ops->endpoint_chain(&view, &at.row, chain.endpoint);
}

static uint32_t
chain_names(const NfMaker *maker, uint32_t chain_id, bool sets, uint32_t skip, uint32_t ret_ids[static NF_MAKER_NAMES])
{
    const ServiceParts *parts = (const ServiceParts *)maker;
    ProxyView view = service_parts_view(parts);
    PortChain chain;
    RowCursor at = row_of_chain(parts, chain_id, &chain);
    uint32_t n = 0, id;

    at.row.names = &at.ports.names;
    while (n < NF_MAKER_NAMES &&
           (id = view.ops->chain_names(&view, &at.row, &at.picks, chain, sets, skip + n)) != NF_NO_ID)
        ret_ids[n++] = id;
    return n;
}

/* --- Deciding ----------------------------------------------------------------------------------------------------- */

static bool
list_is(const Picks *picks, const ProxyServicePort *port, const ProxyEndpoint *const *list, uint32_t n)
{
    if (picks->n != n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (pick(picks, i) != port_endpoint_index(port, list[i]))
            return false;
    return true;
}

static bool
verdict_equal(const PortVerdict *a, const PortVerdict *b)
{
    return a->has_endpoints == b->has_endpoints && a->has_internal == b->has_internal &&
           a->has_external == b->has_external && a->node_in_ranges == b->node_in_ranges;
}

static bool
parts_are(const ServiceParts *p, const ProxyView *view, const PortChoice *choices)
{
    if (!detect_local_equal(detector_of(p), &view->detector))
        return false;
    for (RowCursor at = row_cursor(p); row_cursor_next(&at);) {
        const PortChoice *port = &choices[at.ports.index];
        const EndpointChoice *choice = &port->choice;
        if (!verdict_equal(&at.row.verdict, &port->verdict) ||
            !list_is(&at.picks.cluster, at.row.port, choice->cluster, choice->n_cluster) ||
            !list_is(&at.picks.local, at.row.port, choice->local, choice->n_local) ||
            !list_is(&at.picks.reachable, at.row.port, choice->reachable, choice->n_reachable))
            return false;
    }
    return true;
}

typedef VEC(uint32_t) Listed;

/* Notes a list, its indices if need be. */
static PickMode
note_list(Listed *listed, const ProxyServicePort *port, const ProxyEndpoint *const *list, uint32_t n)
{
    if (n == 0)
        return PICK_NONE;
    if (n == port->n_endpoints) /* Lists have an endpoint once, in the port's order. */
        return PICK_ALL;
    vec_push(listed, n);
    for (uint32_t i = 0; i < n; i++)
        vec_push(listed, port_endpoint_index(port, list[i]));
    return PICK_LISTED;
}

/* The same endpoints: lists of one choice share them. */
static bool
reaches_cluster(const EndpointChoice *choice)
{
    return choice->n_reachable == choice->n_cluster &&
           (choice->reachable == choice->cluster || choice->n_cluster == 0 ||
            memcmp(choice->reachable, choice->cluster, choice->n_cluster * sizeof(ProxyEndpoint *)) == 0);
}

static Decision
decide(Listed *listed, const ProxyServicePort *port, const PortChoice *choice)
{
    const EndpointChoice *c = &choice->choice;
    Decision decision = {.verdict = choice->verdict};
    PickMode cluster = note_list(listed, port, c->cluster, c->n_cluster);
    PickMode local = note_list(listed, port, c->local, c->n_local);
    PickMode reachable = PICK_AS_CLUSTER;

    if (!reaches_cluster(c))
        reachable = note_list(listed, port, c->reachable, c->n_reachable);
    decision.modes =
        (uint8_t)(cluster << 2 * PICKS_CLUSTER | local << 2 * PICKS_LOCAL | reachable << 2 * PICKS_REACHABLE);
    return decision;
}

static uint32_t
keep_detector(ProxyCompiler *c, const LocalDetector *detector)
{
    guint i;

    for (i = 0; i < c->detectors->len; i++)
        if (detect_local_equal(c->detectors->pdata[i], detector))
            return i;
    g_ptr_array_add(c->detectors, g_memdup2(detector, sizeof *detector));
    return i;
}

static Extra *
extra(ServiceParts *parts)
{
    if (!parts->extra)
        parts->extra = g_new0(Extra, 1);
    return parts->extra;
}

static void
make_sets(const ProxyView *view, ServiceParts *p)
{
    Parts sets = {0};

    for (RowCursor at = row_cursor(p); view->ops->sets && row_cursor_next(&at);)
        view->ops->sets(view, &at.row, &at.picks, &sets);
    if (sets.sets.len)
        extra(p)->sets = sets;
}

static ServiceParts *
parts_new(const ProxyView *view, ServiceNames *names, const PortChoice *choices)
{
    const ProxyServicePort *ports = service_entry_ports(names->entry);
    uint32_t n_ports = service_entry_n_ports(names->entry);
    ServiceParts *p = g_malloc0(offsetof(ServiceParts, decisions) + n_ports * sizeof *p->decisions);
    Listed listed = {0};

    nf_maker_init(&p->maker, &MAKER);
    p->names = names;
    names->refs++;
    p->detector = keep_detector(names->compiler, &view->detector) & (INT32_MAX >> 1);
    p->serves = true;
    p->large_cluster = view->large_cluster;
    for (uint32_t i = 0; i < n_ports; i++) {
        p->decisions[i] = decide(&listed, &ports[i], &choices[i]);
        p->serves &= choices[i].verdict.has_internal && choices[i].verdict.has_external;
        p->maker.uses_ct |= choices[i].choice.n_cluster || choices[i].choice.n_local;
    }
    if (listed.len)
        extra(p)->listed = g_memdup2(listed.data, listed.len * sizeof *listed.data);
    vec_clear(&listed);
    make_sets(view, p);
    return p;
}

const ServiceParts *
service_parts(const ProxyView *view, ServiceNames *names, const PortChoice *choices)
{
    ServiceParts *p;

    for (p = names->parts; p; p = p->next)
        if (parts_are(p, view, choices))
            return p;
    p = parts_new(view, names, choices);
    p->next = names->parts;
    names->parts = p;
    return p;
}

/* --- Rule sets ---------------------------------------------------------------------------------------------------- */

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

void
service_parts_drop(ServiceNames *names)
{
    for (ServiceParts *p = names->parts, *next; p; p = next) {
        next = p->next;
        nf_maker_unref(&p->maker);
    }
    names->parts = NULL;
}

static void
parts_gone(NfMaker *maker)
{
    ServiceParts *p = (ServiceParts *)maker;

    if (p->extra) {
        parts_clear(&p->extra->sets);
        g_free(p->extra->listed);
        g_free(p->extra);
    }
    service_names_unref(p->names);
    g_free(p);
}
