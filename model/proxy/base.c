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
base_reset(Base *base)
{
    for (size_t i = 0; i < base->services.len; i++)
        service_names_leave(service_parts_names(base->services.data[i].parts));
    vec_clear(&base->services);
    nearby_clear(&base->nearby);
    service_blocks_clear(&base->blocks);
    vec_clear(&base->shared);
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

const ServiceParts *
base_decide(ProxyCompiler *c, const ProxyView *view, ServiceNames *names)
{
    const ProxyServicePort *ports = service_entry_ports(names->entry);
    uint32_t n = service_entry_n_ports(names->entry);
    const ServiceParts *parts;

    c->choices.len = 0;
    for (uint32_t i = 0; i < n; i++) {
        PortChoice made;

        endpoint_choice(&ports[i], &view->node, &made.choice);
        made.verdict = (PortVerdict){.has_endpoints = made.choice.has_endpoints,
                                     .has_internal = made.choice.has_internal,
                                     .has_external = made.choice.has_external,
                                     .node_in_ranges = node_in_ranges(view, &ports[i])};
        vec_push(&c->choices, made);
    }
    parts = service_parts(view, names, c->choices.data);
    for (uint32_t i = 0; i < n; i++)
        endpoint_choice_clear(&c->choices.data[i].choice);
    return parts;
}

uint32_t
port_endpoint_index(const ProxyServicePort *port, const ProxyEndpoint *ep)
{
    uint32_t index = 0;

    if (ep >= port->endpoints && ep < port->endpoints + port->n_endpoints)
        return (uint32_t)(ep - port->endpoints);
    while (!endpoint_same(&port->endpoints[index], ep))
        index++;
    return index;
}

bool
row_has_external_chain(const PortRow *row)
{
    return row->verdict.has_endpoints && row->port->externally_accessible;
}

uint32_t
row_external_n_rules(const ProxyView *view, const PortRow *row)
{
    bool from_pods = view->detector.kind != LOCAL_UNKNOWN;

    return row->port->etp_local ? from_pods + 2u + row->verdict.has_external : 2;
}

uint32_t
row_external_names(const PortRow *row, uint32_t index)
{
    if (index == 0)
        return port_chain(row->names, PORT_CLUSTER);
    return index == 1 && row->port->etp_local && row->verdict.has_external ? port_chain(row->names, PORT_LOCAL)
                                                                           : NF_NO_ID;
}

/* --- Bases ------------------------------------------------------------------------------------------------------- */

static BaseService
base_service(ProxyCompiler *c, const ProxyView *view, const ServiceEntry *entry)
{
    ServiceNames *names = service_names_use(c, entry);

    vec_push(&c->awake, service_entry_ref(entry));
    return (BaseService){.entry = entry,
                         .parts = base_decide(c, view, names),
                         .shared = UINT32_MAX,
                         .node_dependent = names->node_dependent};
}

static void
leave(const BaseService *service)
{
    service_names_leave(service_parts_names(service->parts));
}

/* What shared parts see: the Service and the decisions. */
static bool
shared_alike(const BaseService *a, const BaseService *b)
{
    if (service_entry_service_generation(a->entry) != service_entry_service_generation(b->entry))
        return false;
    for (uint32_t i = 0; i < service_entry_n_ports(a->entry); i++) {
        PortVerdict x = service_parts_verdict(a->parts, i), y = service_parts_verdict(b->parts, i);
        if (x.has_endpoints != y.has_endpoints || x.has_internal != y.has_internal || x.has_external != y.has_external)
            return false;
    }
    return true;
}

/* The Service in that place is another, or in another state. */
static void
change_nearby(Base *base, uint32_t place, const BaseService *old, const BaseService *new_)
{
    if (!base->nearby.by_node)
        return;
    if (old->node_dependent)
        nearby_remove(&base->nearby, place, old->entry);
    if (new_->node_dependent)
        nearby_add(&base->nearby, place, new_->entry);
}

/* The usual case: none came, none went.  False, and nothing done, if it is another. */
static bool
take_in_place(ProxyCompiler *c, Base *base, const ProxyView *view, const ServiceEntry *const *entries, size_t n,
              NfRuleset *next, bool *ret_shared_differ)
{
    VEC(uint32_t) changed = {0};

    if (!base->ruleset || base->services.len != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (base->services.data[i].entry == entries[i])
            continue;
        if (service_entry_generation(entries[i]) <= base->generation) {
            vec_clear(&changed);
            return false;
        }
        vec_push(&changed, (uint32_t)i);
    }
    for (size_t k = 0; k < changed.len; k++)
        service_parts_remove(next, base->services.data[changed.data[k]].parts);
    for (size_t k = 0; k < changed.len; k++) {
        BaseService *service = &base->services.data[changed.data[k]], old = *service;

        *service = base_service(c, view, entries[changed.data[k]]);
        service_parts_put(next, service->parts);
        change_nearby(base, changed.data[k], &old, service);
        if (shared_alike(&old, service))
            service->shared = old.shared;
        else
            *ret_shared_differ = true;
        leave(&old);
    }
    vec_clear(&changed);
    return true;
}

/* Was a Service in this state already, when the base was of that generation?  Then it is among the old ones from 'at'
 * on, mostly the next: nothing else of it need be read. */
static bool
is_kept(const BaseService *at, const BaseService *end, const ServiceEntry *entry, uint64_t generation)
{
    return (at < end && at->entry == entry) || service_entry_generation(entry) <= generation;
}

/* Takes in the Services as they are now; chains of unchanged ones stay the same objects.  Returns whether shared parts
 * must be made anew. */
static bool
take_services(ProxyCompiler *c, Base *base, const ProxyView *view, const ServiceEntry *const *entries, size_t n,
              NfRuleset *next)
{
    VEC(BaseService) old = {0};
    size_t j = 0;
    bool shared_differ = false;

    if (take_in_place(c, base, view, entries, n, next, &shared_differ))
        return shared_differ;
    nearby_clear(&base->nearby);
    memcpy(&old, &base->services, sizeof old);
    memset(&base->services, 0, sizeof base->services);
    vec_reserve(&base->services, n);
    /* Both lists are in the same order: what the old one has in between is gone. */
    for (size_t i = 0; i < n; i++) {
        if (!is_kept(&old.data[j], &old.data[old.len], entries[i], base->generation))
            continue;
        for (; old.data[j].entry != entries[i]; j++)
            service_parts_remove(next, old.data[j].parts);
        j++;
    }
    for (; j < old.len; j++)
        service_parts_remove(next, old.data[j].parts);
    j = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_kept(&old.data[j], &old.data[old.len], entries[i], base->generation)) {
            for (; old.data[j].entry != entries[i]; j++)
                leave(&old.data[j]);
            vec_push(&base->services, old.data[j++]);
        } else {
            vec_push(&base->services, base_service(c, view, entries[i]));
            service_parts_put(next, vec_last(&base->services)->parts);
        }
    }
    for (; j < old.len; j++)
        leave(&old.data[j]);
    vec_clear(&old);
    return true;
}

/* What was new has been decided and put; shared sets look at all Services each time. */
static void
let_sleep(ProxyCompiler *c)
{
    for (size_t i = 0; i < c->awake.len; i++) {
        if (!c->ops->shared_sets)
            service_entry_sleep(c->awake.data[i]);
        service_entry_unref(c->awake.data[i]);
    }
    vec_clear(&c->awake);
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

/* Of all its ports. */
static uint32_t
n_origins(const ServiceEntry *entry)
{
    const ProxyServicePort *ports = service_entry_ports(entry);
    uint32_t n = 0;

    for (uint32_t i = 0; i < service_entry_n_ports(entry); i++)
        n += origin_numbers(&ports[i]);
    return n & (INT32_MAX >> 1);
}

/* What shared parts are to be made of: of Services that they see unchanged, what they were made of before. */
static void
note_shared(const ProxyCompiler *c, Base *base, const SharedServices *was, uint32_t *ret_kept)
{
    base->shared = (SharedServices){0};
    vec_reserve(&base->shared, base->services.len);
    for (size_t i = 0; i < base->services.len; i++) {
        BaseService *service = &base->services.data[i];
        SharedService now;

        ret_kept[i] = service->shared;
        if (service->shared != UINT32_MAX) {
            now = was->data[service->shared];
            if (c->ops->shared_sets) /* No block holds them: sets ask those of now. */
                now.parts = service->parts;
        } else {
            const ServiceNames *names = service_parts_names(service->parts);
            now = (SharedService){service->parts, names->origin, n_origins(names->entry), names->ends_block,
                                  service_parts_serve(service->parts)};
        }
        vec_push(&base->shared, now);
        service->shared = (uint32_t)i;
    }
}

static bool
make_shared(ProxyCompiler *c, Base *base, const ProxyView *view, Parts *parts, GError **error)
{
    SharedServices was = base->shared;
    g_autofree uint32_t *kept = g_new(uint32_t, base->services.len + 1);
    SharedBefore before = {base->ruleset, was.data, was.len, kept};
    bool ok = true;

    note_shared(c, base, &was, kept);
    if (c->ops->n_shared_chains)
        service_blocks_update(&base->blocks, view, base->shared.data, base->shared.len);
    for (uint32_t i = 0; i < c->ops->n_shared_chains; i++)
        vec_push(&parts->chains, service_blocks_chain(&base->blocks, view, i));
    if (c->ops->shared_sets)
        ok = c->ops->shared_sets(view, base->shared.data, base->shared.len, PART_ALL, base->ruleset ? &before : NULL,
                                 parts, error);
    vec_clear(&was);
    return ok;
}

bool
base_update(ProxyCompiler *c, Base *base, const ProxyView *view, const ServiceMap *map, GError **error)
{
    Parts shared = {0};
    NfRuleset *next;
    size_t n;
    const ServiceEntry *const *entries = service_map_entries(map, &n);
    bool ok = true;

    if (base->ruleset && base->generation == service_map_generation(map))
        return true;
    g_hash_table_remove_all(base->overlays);
    next = next_ruleset(c, base, view);
    if (take_services(c, base, view, entries, n, next)) {
        ok = make_shared(c, base, view, &shared, error);
        if (ok)
            parts_put(next, &shared);
        parts_clear(&shared);
    }
    ok = ok && nf_ruleset_seal(next, error);
    let_sleep(c);
    if (!ok) {
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
