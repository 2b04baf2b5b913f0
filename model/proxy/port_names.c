#include "model/proxy/port_names.h"

#include <string.h>

#include "model/proxy/base.h"
#include "sim/engine/rng.h"

static uint64_t
port_key(const ProxyServicePort *port)
{
    return rng_mix(rng_hash_str(rng_hash_str(rng_hash_str(0, port->ns), port->name), port->port_name), port->proto);
}

static bool
is_same_port(const ProxyServicePort *a, const ProxyServicePort *b)
{
    return a->proto == b->proto && strcmp(a->text, b->text) == 0;
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

/* All names of the port's chains are in the table, but for new ones. */
static void
take_named_chains(ProxyCompiler *c, PortNames *names)
{
    char name[NF_NAME_SIZE];

    names->chain_ids = g_new(uint32_t, names->n_chains);
    for (uint32_t place = 0; place < names->n_chains; place++) {
        c->ops->namer.name(names, place, name);
        names->chain_ids[place] = nf_chain_id_unreserved(c->names, c->ops->namer.table, name);
    }
}

static void
settle(PortNames *names, bool forget)
{
    if (names->reserved && names->n_chains)
        nf_chain_settle(names->compiler->names, names->first_chain, forget);
    names->reserved = false;
}

static PortNames *
names_new(ProxyCompiler *c, const ProxyServicePort *port)
{
    PortNames *names = g_new0(PortNames, 1);

    names->refs = names->users = 1;
    names->generation = port->generation;
    names->port = port;
    names->compiler = proxy_compiler_ref(c);
    service_entry_ref(port->entry);
    names->origin = origins_add_port(c->origins, port);
    names->node_dependent = depends_on_node(port);
    names->ends_block = port_ends_block(port_key(port));
    memset(names->place, NO_PLACE, sizeof names->place);
    for (size_t i = 0; i < PORT_N_SINGLE; i++)
        if (may_have(port, c->ops->order[i]))
            names->place[c->ops->order[i]] = names->n_single++;
    names->n_chains = names->n_single + (c->ops->endpoints_have_chains(&c->params, port) ? port->n_endpoints : 0);
    if (c->ops->name_sets && port->affinity) {
        names->affinity_sets = g_new(uint32_t, port->n_endpoints);
        c->ops->name_sets(c->names, port, names->affinity_sets);
    }
    return names;
}

PortNames *
port_names_use(ProxyCompiler *c, const ProxyServicePort *port)
{
    uint64_t key = port_key(port);
    PortNames **known = htable_find(&c->port_names, &key), *names, *before = NULL;

    for (names = known ? *known : NULL; names; names = names->next) {
        if (names->generation == port->generation) {
            names->users++;
            names->refs++;
            return names;
        }
        if (!before && is_same_port(names->port, port))
            before = names;
    }
    names = names_new(c, port);
    if (before)
        settle(before, false);
    if (before || htable_find(&c->gone_ports, &key)) {
        take_named_chains(c, names);
    } else {
        names->first_chain = nf_chain_reserve(c->names, &c->ops->namer, names, names->n_chains);
        names->reserved = true;
    }
    known = htable_insert(&c->port_names, &key, NULL);
    names->next = *known;
    *known = names;
    return names;
}

void
port_names_unref(PortNames *names)
{
    if (--names->refs > 0)
        return;
    settle(names, true);
    service_entry_unref(names->port->entry);
    g_free(names->chain_ids);
    g_free(names->affinity_sets);
    proxy_compiler_unref(names->compiler);
    g_free(names);
}

static void
unlink_names(PortNames *names)
{
    ProxyCompiler *c = names->compiler;
    uint64_t key = port_key(names->port);
    PortNames **head = htable_find(&c->port_names, &key), **at = head;

    while (*at != names)
        at = &(*at)->next;
    *at = names->next;
    if (*head == NULL)
        htable_remove(&c->port_names, &key);
    if (!c->closed) {
        settle(names, false);
        htable_insert(&c->gone_ports, &key, NULL);
    }
}

void
port_names_leave(PortNames *names)
{
    if (--names->users == 0) {
        unlink_names(names);
        port_parts_drop(names);
    }
    port_names_unref(names);
}
