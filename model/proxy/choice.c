#include "model/proxy/choice.h"

#include <glib.h>
#include <string.h>

typedef bool (*EndpointTest)(const ProxyEndpoint *ep, const ChoiceNode *node, const char *topology_mode);

static const char MODE_NONE[] = "", MODE_ZONE[] = "PreferSameZone", MODE_NODE[] = "PreferSameNode";

static bool
is_ready(const ProxyEndpoint *ep)
{
    return ep->from->conditions & EP_READY;
}

/* What serves when nothing is ready. */
static bool
is_last_resort(const ProxyEndpoint *ep)
{
    return !is_ready(ep) && ep->from->conditions & EP_SERVING && ep->from->conditions & EP_TERMINATING;
}

bool
endpoint_is_local(const ProxyEndpoint *ep, const ChoiceNode *node)
{
    return ep->from->node_name && node->name && strcmp(ep->from->node_name, node->name) == 0;
}

const ProxyEndpoint *
endpoint_on_node(const ProxyEndpoint *ep, const ChoiceNode *node)
{
    const ProxyEndpoint *seen = ep;

    for (const ProxyEndpoint *e = endpoint_again(ep); e; e = endpoint_again(e))
        if (endpoint_is_local(e, node))
            seen = e;
    return seen;
}

static bool
has_hint(const char *const *hints, const char *value)
{
    return hints && g_strv_contains(hints, value);
}

static bool
any_hint(const char *const *hints)
{
    return hints && hints[0];
}

/* topologyModeFromHints(): all ready endpoints must carry hints, one of them must be meant for us. */
static const char *
topology_mode(const ProxyServicePort *port, const ProxyEndpoint *const *eps, const ChoiceNode *node)
{
    bool knows_node_hints = node->version.minor >= 34; /* PreferSameTrafficDistribution is on by default. */
    bool all_node = true, all_zone = true, for_node = false, for_zone = false;
    const char *zone = node->zone ? node->zone : "";

    if (node->version.minor <= 30 && !port->hints_enabled)
        return MODE_NONE;
    for (uint32_t i = 0; i < port->n_endpoints; i++) {
        const ProxyEndpoint *ep = eps[i];
        if (!is_ready(ep))
            continue;
        all_node = all_node && any_hint(endpoint_more(ep->from)->hint_nodes);
        all_zone = all_zone && any_hint(endpoint_more(ep->from)->hint_zones);
        for_node = for_node || has_hint(endpoint_more(ep->from)->hint_nodes, node->name ? node->name : "");
        for_zone = for_zone || has_hint(endpoint_more(ep->from)->hint_zones, zone);
    }
    if (knows_node_hints && all_node && for_node)
        return MODE_NODE;
    if (zone[0] && all_zone && for_zone)
        return MODE_ZONE;
    return MODE_NONE;
}

static bool
ready_in_topology(const ProxyEndpoint *ep, const ChoiceNode *node, const char *mode)
{
    if (!is_ready(ep))
        return false;
    if (mode == MODE_NODE)
        return has_hint(endpoint_more(ep->from)->hint_nodes, node->name);
    if (mode == MODE_ZONE)
        return has_hint(endpoint_more(ep->from)->hint_zones, node->zone);
    return true;
}

static bool
last_resort(const ProxyEndpoint *ep, const ChoiceNode *node, const char *mode)
{
    (void)node;
    (void)mode;
    return is_last_resort(ep);
}

static bool
local_ready(const ProxyEndpoint *ep, const ChoiceNode *node, const char *mode)
{
    (void)mode;
    return is_ready(ep) && endpoint_is_local(ep, node);
}

static bool
local_last_resort(const ProxyEndpoint *ep, const ChoiceNode *node, const char *mode)
{
    (void)mode;
    return is_last_resort(ep) && endpoint_is_local(ep, node);
}

static uint32_t
filter(const ProxyEndpoint *const *eps, uint32_t n, EndpointTest test, const ChoiceNode *node, const char *mode,
       const ProxyEndpoint **ret_list)
{
    uint32_t n_kept = 0;

    for (uint32_t i = 0; i < n; i++)
        if (test(eps[i], node, mode))
            ret_list[n_kept++] = eps[i];
    return n_kept;
}

/* Both lists are subsequences of 'eps': their union in its order. */
static uint32_t
merge(const ProxyEndpoint *const *eps, uint32_t n, const EndpointChoice *choice, const ProxyEndpoint **ret_list)
{
    uint32_t c = 0, l = 0, n_kept = 0;

    for (uint32_t i = 0; i < n; i++) {
        bool in_cluster = c < choice->n_cluster && choice->cluster[c] == eps[i];
        bool in_local = l < choice->n_local && choice->local[l] == eps[i];
        c += in_cluster;
        l += in_local;
        if (in_cluster || in_local)
            ret_list[n_kept++] = eps[i];
    }
    return n_kept;
}

void
endpoint_choice(const ProxyServicePort *port, const ChoiceNode *node, EndpointChoice *ret_choice)
{
    EndpointChoice *choice = ret_choice;
    uint32_t n = port->n_endpoints;
    const ProxyEndpoint **seen = g_new(const ProxyEndpoint *, 4 * (gsize)n + 1);
    bool local_terminating = false;

    memset(choice, 0, sizeof *choice);
    choice->memory = seen;
    choice->cluster = seen + n;
    choice->local = seen + 2 * (gsize)n;
    choice->topology_mode = MODE_NONE;
    choice->uses_cluster = port->uses_cluster;
    choice->uses_local = port->uses_local;
    for (uint32_t i = 0; i < n; i++)
        seen[i] = endpoint_on_node(&port->endpoints[i], node);

    if (port->uses_cluster) {
        choice->topology_mode = topology_mode(port, seen, node);
        choice->n_cluster = filter(seen, n, ready_in_topology, node, choice->topology_mode, choice->cluster);
        if (choice->n_cluster == 0)
            choice->n_cluster = filter(seen, n, last_resort, node, NULL, choice->cluster);
        choice->has_endpoints = choice->n_cluster > 0;
    }
    if (port->uses_local) {
        for (uint32_t i = 0; i < n && !choice->has_endpoints; i++)
            choice->has_endpoints = is_ready(seen[i]) || is_last_resort(seen[i]);
        choice->n_local = filter(seen, n, local_ready, node, NULL, choice->local);
        if (choice->n_local == 0) {
            choice->n_local = filter(seen, n, local_last_resort, node, NULL, choice->local);
            local_terminating = choice->n_local > 0;
        }
    }

    if (!port->uses_local || (port->uses_cluster && choice->topology_mode == MODE_NONE && !local_terminating)) {
        choice->reachable = choice->cluster;
        choice->n_reachable = choice->n_cluster;
    } else if (!port->uses_cluster) {
        choice->reachable = choice->local;
        choice->n_reachable = choice->n_local;
    } else {
        choice->reachable = seen + 3 * (gsize)n;
        choice->n_reachable = merge(seen, n, choice, choice->reachable);
    }
    choice->has_internal = choice->has_endpoints && (!port->itp_local || choice->n_local > 0);
    choice->has_external = choice->has_endpoints && (!port->etp_local || choice->n_local > 0);
}

void
endpoint_choice_clear(EndpointChoice *choice)
{
    g_free(choice->memory);
    memset(choice, 0, sizeof *choice);
}
