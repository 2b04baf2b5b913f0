#include "model/proxy/service_names.h"

#include <string.h>

#include "model/proxy/base.h"
#include "sim/engine/rng.h"

static uint64_t
service_key(const ServiceEntry *entry)
{
    const ApiObject *meta = &service_entry_service(entry)->meta;

    return rng_hash_str(rng_hash_str(0, meta->ns), meta->name);
}

static bool
is_same_service(const ServiceEntry *a, const ServiceEntry *b)
{
    const ApiObject *x = &service_entry_service(a)->meta, *y = &service_entry_service(b)->meta;

    return strcmp(x->name, y->name) == 0 && strcmp(x->ns, y->ns) == 0;
}

static bool
depends_on_node(const ProxyServicePort *port)
{
    if (port->uses_local || (port->n_source_ranges && port->n_lb_vips))
        return true;
    for (uint32_t i = 0; i < port->n_endpoints; i++)
        if (port->endpoints[i].again || endpoint_more(port->endpoints[i].from)->hint_nodes)
            return true;
    return false;
}

static bool
may_have(const ProxyServicePort *port, PortChainKind kind)
{
    switch (kind) {
    case PORT_CLUSTER:
        return port->uses_cluster;
    case PORT_LOCAL:
        return port->uses_local;
    case PORT_EXTERNAL:
        return port->externally_accessible;
    case PORT_FIREWALL:
        return port->n_lb_vips && port->n_source_ranges;
    case PORT_ENDPOINT:
        break;
    }
    return false;
}

/* --- Ports ---------------------------------------------------------------------------------------------------------
 */

static PortNames
port_names_of(const ServiceNames *names, const ProxyServicePort *port)
{
    const ProxyCompiler *c = names->compiler;
    PortNames of = {.service = names, .origin = names->origin};

    if (names->listed)
        of.affinity_sets = names->listed->affinity_sets;

    memset(of.place, NO_PLACE, sizeof of.place);
    for (size_t i = 0; i < PORT_N_SINGLE; i++)
        if (may_have(port, c->ops->order[i]))
            of.place[c->ops->order[i]] = of.n_single++;
    of.n_chains = of.n_single + (c->ops->endpoints_have_chains(&c->params, port) ? port->n_endpoints : 0);
    return of;
}

PortCursor
port_cursor(const ServiceNames *names)
{
    return (PortCursor){.names.service = names, .n_ports = service_entry_n_ports(names->entry)};
}

bool
port_cursor_next(PortCursor *cursor)
{
    const ProxyServicePort *ports = service_entry_ports(cursor->names.service->entry), *last = cursor->port;
    PortNames before = cursor->names;

    if (cursor->index + (last != NULL) == cursor->n_ports)
        return false;
    cursor->index += last != NULL;
    cursor->port = &ports[cursor->index];
    cursor->names = port_names_of(before.service, cursor->port);
    if (last) {
        cursor->names.first_place = before.first_place + before.n_chains;
        cursor->names.origin = before.origin + origin_numbers(last);
        if (before.affinity_sets)
            cursor->names.affinity_sets = before.affinity_sets + last->n_endpoints;
    }
    return true;
}

void
service_chain_name(void *names, uint32_t place, char ret_name[static NF_NAME_SIZE])
{
    PortCursor at = port_cursor(names);

    while (port_cursor_next(&at) && place - at.names.first_place >= at.names.n_chains)
        ;
    at.names.service->compiler->ops->chain_name(at.port, chain_at_place(&at.names, place - at.names.first_place),
                                                ret_name);
}

/* --- States --------------------------------------------------------------------------------------------------------
 */

static ListedIds *
listed(ServiceNames *names)
{
    if (!names->listed)
        names->listed = g_new0(ListedIds, 1);
    return names->listed;
}

/* All names of the Service's chains are in the table, but for new ones. */
static void
take_named_chains(ProxyCompiler *c, ServiceNames *names, uint32_t n)
{
    char name[NF_NAME_SIZE];

    listed(names)->chains = g_new(uint32_t, n);
    for (uint32_t place = 0; place < n; place++) {
        service_chain_name(names, place, name);
        names->listed->chains[place] = nf_chain_id_unreserved(c->names, c->ops->namer.table, name);
    }
}

static void
settle(ServiceNames *names, bool forget)
{
    if (names->reserved && names->first_chain != NF_NO_ID)
        nf_chain_settle(names->compiler->names, names->first_chain, forget);
    names->reserved = false;
}

static void
name_sets(ProxyCompiler *c, ServiceNames *names)
{
    const ProxyServicePort *ports = service_entry_ports(names->entry);
    uint32_t n_ports = service_entry_n_ports(names->entry), n = 0;

    for (uint32_t i = 0; i < n_ports; i++)
        n += ports[i].n_endpoints;
    listed(names)->affinity_sets = g_new(uint32_t, n);
    n = 0;
    for (uint32_t i = 0; i < n_ports; i++) {
        c->ops->name_sets(c->names, &ports[i], names->listed->affinity_sets + n);
        n += ports[i].n_endpoints;
    }
}

static ServiceNames *
names_new(ProxyCompiler *c, const ServiceEntry *entry, uint64_t key, uint32_t *ret_n_chains)
{
    ServiceNames *names = g_new0(ServiceNames, 1);

    names->refs = names->users = 1;
    names->compiler = proxy_compiler_ref(c);
    names->entry = service_entry_ref(entry);
    names->origin = origins_add_service(c->origins, entry);
    names->ends_block = service_ends_block(key);
    *ret_n_chains = 0;
    for (PortCursor at = port_cursor(names); port_cursor_next(&at);) {
        names->node_dependent |= depends_on_node(at.port);
        *ret_n_chains += at.names.n_chains;
    }
    /* Affinity is the Service's. */
    if (c->ops->name_sets && service_entry_ports(entry)[0].affinity)
        name_sets(c, names);
    return names;
}

ServiceNames *
service_names_use(ProxyCompiler *c, const ServiceEntry *entry)
{
    uint64_t key = service_key(entry);
    ServiceNames **known = htable_find(&c->service_names, &key), *names, *before = NULL;
    uint32_t n_chains;

    for (names = known ? *known : NULL; names; names = names->next) {
        if (names->entry == entry) {
            names->users++;
            names->refs++;
            return names;
        }
        if (!before && is_same_service(names->entry, entry))
            before = names;
    }
    names = names_new(c, entry, key, &n_chains);
    if (before)
        settle(before, false);
    if (before || htable_find(&c->gone_services, &key)) {
        take_named_chains(c, names, n_chains);
    } else {
        names->first_chain = nf_chain_reserve(c->names, &c->ops->namer, names, n_chains);
        names->reserved = true;
    }
    known = htable_insert(&c->service_names, &key, NULL);
    names->next = *known;
    *known = names;
    return names;
}

void
service_names_unref(ServiceNames *names)
{
    if (--names->refs > 0)
        return;
    settle(names, true);
    service_entry_unref(names->entry);
    if (names->listed) {
        g_free(names->listed->chains);
        g_free(names->listed->affinity_sets);
        g_free(names->listed);
    }
    proxy_compiler_unref(names->compiler);
    g_free(names);
}

static void
unlink_names(ServiceNames *names)
{
    ProxyCompiler *c = names->compiler;
    uint64_t key = service_key(names->entry);
    ServiceNames **head = htable_find(&c->service_names, &key), **at = head;

    while (*at != names)
        at = &(*at)->next;
    *at = names->next;
    if (*head == NULL)
        htable_remove(&c->service_names, &key);
    if (!c->closed) {
        settle(names, false);
        htable_insert(&c->gone_services, &key, NULL);
    }
}

void
service_names_leave(ServiceNames *names)
{
    if (--names->users == 0) {
        unlink_names(names);
        service_parts_drop(names);
    }
    service_names_unref(names);
}
