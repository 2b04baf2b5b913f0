#include "model/proxy/port_parts.h"

#include <string.h>

#include "model/proxy/base.h"

struct PortParts {
    NfMaker maker; /* Of its chains. */
    PortParts *next;
    PortNames *names;
    const LocalDetector *detector; /* The compiler's. */
    PortVerdict verdict;
    bool large_cluster; /* As it was then: what did not change is not written again. */
    uint8_t listed;     /* LIST_*: the picks whose indices are in 'chosen', in this order; else it is the first n. */
    uint32_t n_cluster, n_local, n_reachable;
    Parts *sets; /* NULL: none. */
    uint32_t chosen[];
};

enum { LIST_CLUSTER = 1, LIST_LOCAL = 2, LIST_REACHABLE = 4, REACHABLE_AS_CLUSTER = 8 };

static NfChain *make_chain(NfMaker *maker, uint32_t chain_id);
static uint32_t chain_names(const NfMaker *maker, uint32_t chain_id, bool sets, uint32_t skip,
                            uint32_t ret_ids[static NF_MAKER_NAMES]);
static void parts_gone(NfMaker *maker);

static const NfMakerOps MAKER = {make_chain, chain_names, parts_gone};

ProxyView
port_parts_view(const PortParts *parts)
{
    ProxyCompiler *c = parts->names->compiler;

    return (ProxyView){.params = &c->params,
                       .ops = c->ops,
                       .names = c->names,
                       .origins = c->origins,
                       .detector = *parts->detector,
                       .large_cluster = parts->large_cluster,
                       .mark_chain = &c->mark_chain,
                       .mark = 1u << c->params.config->masquerade_bit};
}

PortRow
port_parts_row(const PortParts *parts)
{
    return (PortRow){parts->names->port, parts->names, parts->verdict};
}

const PortParts *
port_parts_ref(const PortParts *parts)
{
    nf_maker_ref((NfMaker *)&parts->maker);
    return parts;
}

void
port_parts_unref(const PortParts *parts)
{
    nf_maker_unref((NfMaker *)&parts->maker);
}

static PortPicks
picks_of(const PortParts *p)
{
    const uint32_t *local = p->chosen + (p->listed & LIST_CLUSTER ? p->n_cluster : 0);
    const uint32_t *reachable = local + (p->listed & LIST_LOCAL ? p->n_local : 0);
    PortPicks picks = {.cluster = {p->n_cluster, p->listed & LIST_CLUSTER ? p->chosen : NULL},
                       .local = {p->n_local, p->listed & LIST_LOCAL ? local : NULL},
                       .reachable = {p->n_reachable, p->listed & LIST_REACHABLE ? reachable : NULL}};

    if (p->listed & REACHABLE_AS_CLUSTER)
        picks.reachable = picks.cluster;
    return picks;
}

static PortChain
chain_of(const PortNames *names, uint32_t chain_id)
{
    uint32_t place = 0;

    if (!names->chain_ids)
        place = chain_id - names->first_chain;
    else
        while (names->chain_ids[place] != chain_id)
            place++;
    return chain_at_place(names, place);
}

static NfChain *
make_chain(NfMaker *maker, uint32_t chain_id)
{
    const PortParts *parts = (const PortParts *)maker;
    ProxyView view = port_parts_view(parts);
    PortRow row = port_parts_row(parts);
    PortPicks picks = picks_of(parts);
    PortChain chain = chain_of(parts->names, chain_id);
    const ProxyModeOps *ops = parts->names->compiler->ops;

    switch (chain.kind) {
    case PORT_EXTERNAL:
        return ops->external_chain(&view, &row);
    case PORT_FIREWALL:
        return ops->firewall_chain(&view, &row);
    case PORT_CLUSTER:
        return ops->service_chain(&view, &row, false, &picks.cluster);
    case PORT_LOCAL:
        return ops->service_chain(&view, &row, true, &picks.local);
    case PORT_ENDPOINT:
        break;
    }
    return ops->endpoint_chain(&view, &row, chain.endpoint);
}

static uint32_t
chain_names(const NfMaker *maker, uint32_t chain_id, bool sets, uint32_t skip, uint32_t ret_ids[static NF_MAKER_NAMES])
{
    const PortParts *parts = (const PortParts *)maker;
    PortChain chain = chain_of(parts->names, chain_id);
    ProxyView view = port_parts_view(parts);
    PortRow row = port_parts_row(parts);
    PortPicks picks = picks_of(parts);
    uint32_t n = 0, id;

    while (n < NF_MAKER_NAMES &&
           (id = parts->names->compiler->ops->chain_names(&view, &row, &picks, chain, sets, skip + n)) != NF_NO_ID)
        ret_ids[n++] = id;
    return n;
}

/* --- Deciding ----------------------------------------------------------------------------------------------------- */

static bool
list_is(const Picks *picks, const PortRow *row, const ProxyEndpoint *const *list, uint32_t n)
{
    if (picks->n != n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (pick(picks, i) != row_endpoint_index(row, list[i]))
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
parts_are(const PortParts *p, const ProxyView *view, const PortRow *row, const EndpointChoice *choice)
{
    PortPicks picks = picks_of(p);

    return verdict_equal(&p->verdict, &row->verdict) && detect_local_equal(p->detector, &view->detector) &&
           list_is(&picks.cluster, row, choice->cluster, choice->n_cluster) &&
           list_is(&picks.local, row, choice->local, choice->n_local) &&
           list_is(&picks.reachable, row, choice->reachable, choice->n_reachable);
}

/* Notes the indices of a list at *chosen, unless it is the first n; returns whether it did. */
static bool
note_list(uint32_t **chosen, const PortRow *row, const ProxyEndpoint *const *list, uint32_t n)
{
    bool first_n = true;

    for (uint32_t i = 0; i < n; i++) {
        (*chosen)[i] = row_endpoint_index(row, list[i]);
        first_n = first_n && (*chosen)[i] == i;
    }
    if (!first_n)
        *chosen += n;
    return !first_n;
}

/* The same endpoints: lists of one choice share them. */
static bool
lists_equal(const ProxyEndpoint *const *a, uint32_t n_a, const ProxyEndpoint *const *b, uint32_t n_b)
{
    return n_a == n_b && (a == b || n_a == 0 || memcmp(a, b, n_a * sizeof *a) == 0);
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

static const LocalDetector *
keep_detector(ProxyCompiler *c, const LocalDetector *detector)
{
    for (guint i = 0; i < c->detectors->len; i++)
        if (detect_local_equal(c->detectors->pdata[i], detector))
            return c->detectors->pdata[i];
    g_ptr_array_add(c->detectors, g_memdup2(detector, sizeof *detector));
    return c->detectors->pdata[c->detectors->len - 1];
}

static void
make_sets(const ProxyView *view, const PortRow *row, PortParts *p)
{
    const ProxyModeOps *ops = p->names->compiler->ops;
    PortPicks picks = picks_of(p);
    Parts sets = {0};

    if (ops->sets)
        ops->sets(view, row, &picks, &sets);
    if (sets.sets.len)
        p->sets = g_memdup2(&sets, sizeof sets);
}

static PortParts *
parts_new(const ProxyView *view, const PortRow *row, const EndpointChoice *choice)
{
    PortNames *names = (PortNames *)row->names;
    ProxyCompiler *c = names->compiler;
    g_autofree uint32_t *scratch =
        g_new(uint32_t, (gsize)choice->n_cluster + choice->n_local + choice->n_reachable + 1);
    uint32_t *end = scratch;
    uint8_t listed = 0;
    PortParts *p;

    if (note_list(&end, row, choice->cluster, choice->n_cluster))
        listed |= LIST_CLUSTER;
    if (note_list(&end, row, choice->local, choice->n_local))
        listed |= LIST_LOCAL;
    if (lists_equal(choice->reachable, choice->n_reachable, choice->cluster, choice->n_cluster))
        listed |= REACHABLE_AS_CLUSTER;
    else if (note_list(&end, row, choice->reachable, choice->n_reachable))
        listed |= LIST_REACHABLE;
    p = g_malloc0(sizeof *p + (size_t)(end - scratch) * sizeof *scratch);
    memcpy(p->chosen, scratch, (size_t)(end - scratch) * sizeof *scratch);
    nf_maker_init(&p->maker, &MAKER);
    p->maker.uses_ct = choice->n_cluster || choice->n_local;
    p->names = names;
    names->refs++;
    p->detector = keep_detector(c, &view->detector);
    p->verdict = row->verdict;
    p->large_cluster = view->large_cluster;
    p->listed = listed;
    p->n_cluster = choice->n_cluster;
    p->n_local = choice->n_local;
    p->n_reachable = choice->n_reachable;
    make_sets(view, row, p);
    return p;
}

const PortParts *
port_parts(const ProxyView *view, const PortRow *row, const EndpointChoice *choice)
{
    PortNames *names = (PortNames *)row->names;
    PortParts *p;

    for (p = names->parts; p; p = p->next)
        if (parts_are(p, view, row, choice))
            return p;
    p = parts_new(view, row, choice);
    p->next = names->parts;
    names->parts = p;
    return p;
}

/* --- Rule sets ---------------------------------------------------------------------------------------------------- */

/* Has the port this single chain on such a node? */
static bool
has_chain(const PortParts *p, PortChainKind kind)
{
    PortRow row = port_parts_row(p);
    PortPicks picks = picks_of(p);

    if (p->names->place[kind] == NO_PLACE)
        return false;
    switch (kind) {
    case PORT_EXTERNAL:
        return row_has_external_chain(&row);
    case PORT_FIREWALL:
        return p->names->compiler->ops->uses_firewall(&row);
    case PORT_CLUSTER:
        return picks.cluster.n > 0;
    case PORT_LOCAL:
        return picks.local.n > 0;
    case PORT_ENDPOINT:
        break;
    }
    return false;
}

/* How many endpoints have chains: the first of those reachable. */
static uint32_t
n_endpoint_chains(const PortParts *p)
{
    return p->names->n_chains > p->names->n_single ? p->n_reachable : 0;
}

static size_t
n_sets(const PortParts *p)
{
    return p->sets ? p->sets->sets.len : 0;
}

static void
put_chain(NfRuleset *ruleset, const PortParts *p, uint32_t id)
{
    nf_ruleset_put_maker(ruleset, id, nf_maker_ref((NfMaker *)&p->maker));
}

void
port_parts_put(NfRuleset *ruleset, const PortParts *parts)
{
    PortPicks picks = picks_of(parts);

    for (PortChainKind kind = 0; kind < PORT_N_SINGLE; kind++)
        if (has_chain(parts, kind))
            put_chain(ruleset, parts, port_chain(parts->names, kind));
    for (uint32_t i = 0; i < n_endpoint_chains(parts); i++)
        put_chain(ruleset, parts, endpoint_chain(parts->names, pick(&picks.reachable, i)));
    if (parts->sets)
        parts_put(ruleset, parts->sets);
}

void
port_parts_remove(NfRuleset *ruleset, const PortParts *parts)
{
    PortPicks picks = picks_of(parts);

    for (PortChainKind kind = 0; kind < PORT_N_SINGLE; kind++)
        if (has_chain(parts, kind))
            nf_ruleset_remove_chain(ruleset, port_chain(parts->names, kind));
    for (uint32_t i = 0; i < n_endpoint_chains(parts); i++)
        nf_ruleset_remove_chain(ruleset, endpoint_chain(parts->names, pick(&picks.reachable, i)));
    for (size_t i = 0; i < n_sets(parts); i++)
        nf_ruleset_remove_set(ruleset, nf_set_spec(parts->sets->sets.data[i])->id);
}

/* Both have a chain of that kind: would they be made equal? */
static bool
chains_equal(const PortParts *a, const PortParts *b, PortChainKind kind)
{
    const ProxyServicePort *port = a->names->port;
    bool same_detector = detect_local_equal(a->detector, b->detector);
    bool masquerades = kind == (port->itp_local ? PORT_LOCAL : PORT_CLUSTER);
    PortPicks x = picks_of(a), y = picks_of(b);

    switch (kind) {
    case PORT_EXTERNAL:
        return !port->etp_local || (a->verdict.has_external == b->verdict.has_external && same_detector);
    case PORT_FIREWALL:
        return a->verdict.node_in_ranges == b->verdict.node_in_ranges;
    case PORT_CLUSTER:
    case PORT_LOCAL:
        if (masquerades && (a->verdict.has_internal != b->verdict.has_internal || !same_detector))
            return false;
        return a->large_cluster == b->large_cluster &&
               (kind == PORT_CLUSTER ? picks_equal(&x.cluster, &y.cluster) : picks_equal(&x.local, &y.local));
    case PORT_ENDPOINT:
        break;
    }
    return a->large_cluster == b->large_cluster;
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
find_set(const PortParts *p, uint32_t id)
{
    for (size_t i = 0; i < n_sets(p); i++)
        if (nf_set_spec(p->sets->sets.data[i])->id == id)
            return p->sets->sets.data[i];
    return NULL;
}

static void
overlay_sets(NfRuleset *overlay, const PortParts *own, const PortParts *of_base)
{
    for (size_t i = 0; i < n_sets(own); i++) {
        NfSet *set = own->sets->sets.data[i];
        const NfSet *there = find_set(of_base, nf_set_spec(set)->id);
        if (!there || !sets_equal(set, there))
            nf_ruleset_put_set(overlay, nf_set_ref(set));
    }
    for (size_t i = 0; i < n_sets(of_base); i++) {
        uint32_t id = nf_set_spec(of_base->sets->sets.data[i])->id;
        if (!find_set(own, id))
            nf_ruleset_remove_set(overlay, id);
    }
}

/* Both lists ascend. */
static void
overlay_endpoints(NfRuleset *overlay, const PortParts *own, const PortParts *of_base)
{
    uint32_t n_own = n_endpoint_chains(own), n_base = n_endpoint_chains(of_base), i = 0, k = 0;
    bool equal = chains_equal(own, of_base, PORT_ENDPOINT);
    PortPicks mine = picks_of(own), theirs = picks_of(of_base);

    while (i < n_own || k < n_base) {
        uint32_t x = i < n_own ? pick(&mine.reachable, i) : UINT32_MAX;
        uint32_t y = k < n_base ? pick(&theirs.reachable, k) : UINT32_MAX;
        if (x < y || (x == y && !equal))
            put_chain(overlay, own, endpoint_chain(own->names, x));
        else if (y < x)
            nf_ruleset_remove_chain(overlay, endpoint_chain(own->names, y));
        i += x <= y;
        k += y <= x;
    }
}

void
port_parts_overlay(NfRuleset *overlay, const PortParts *own, const PortParts *of_base)
{
    for (PortChainKind kind = 0; kind < PORT_N_SINGLE; kind++) {
        bool has = has_chain(own, kind), base_has = has_chain(of_base, kind);
        if (has && (!base_has || !chains_equal(own, of_base, kind)))
            put_chain(overlay, own, port_chain(own->names, kind));
        else if (!has && base_has)
            nf_ruleset_remove_chain(overlay, port_chain(own->names, kind));
    }
    overlay_endpoints(overlay, own, of_base);
    overlay_sets(overlay, own, of_base);
}

void
port_parts_drop(PortNames *names)
{
    for (PortParts *p = names->parts, *next; p; p = next) {
        next = p->next;
        nf_maker_unref(&p->maker);
    }
    names->parts = NULL;
}

static void
parts_gone(NfMaker *maker)
{
    PortParts *p = (PortParts *)maker;

    if (p->sets)
        parts_free(p->sets);
    port_names_unref(p->names);
    g_free(p);
}
