#include "model/proxy/service_parts_private.h"

#include <stddef.h>
#include <string.h>

/* Of a list: two bits of Decision.modes. */
typedef enum { PICK_NONE, PICK_ALL, PICK_LISTED, PICK_AS_CLUSTER } PickMode;

enum { PICKS_CLUSTER, PICKS_LOCAL, PICKS_REACHABLE, N_PICKS };

static NfChain *make_chain(NfMaker *maker, uint32_t chain_id);
static uint32_t chain_names(const NfMaker *maker, uint32_t chain_id, bool sets, uint32_t skip,
                            uint32_t ret_ids[static NF_MAKER_NAMES]);
static uint32_t chain_n_rules(const NfMaker *maker, uint32_t chain_id);
static void parts_gone(NfMaker *maker);

static const NfMakerOps MAKER = {make_chain, chain_names, chain_n_rules, parts_gone};

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

/* --- Rows ----------------------------------------------------------------------------------------------------------
 */

RowCursor
row_cursor(const ServiceParts *parts)
{
    return (RowCursor){
        .parts = parts, .ports = port_cursor(parts->names), .listed = parts->extra ? parts->extra->listed : NULL};
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

static uint32_t
chain_n_rules(const NfMaker *maker, uint32_t chain_id)
{
    const ServiceParts *parts = (const ServiceParts *)maker;
    ProxyView view = service_parts_view(parts);
    PortChain chain;
    RowCursor at = row_of_chain(parts, chain_id, &chain);

    at.row.names = &at.ports.names;
    return view.ops->chain_n_rules(&view, &at.row, &at.picks, chain);
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

/* --- End of life ----------------------------------------------------------------------------------------------------
 */

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
