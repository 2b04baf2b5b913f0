#include "model/proxy/node_addrs.h"

#include <glib.h>
#include <string.h>

#include "sim/engine/vec.h"

/* The CIDRs of the family that are in effect; none: every address. */
typedef struct {
    VEC(IpPrefix) cidrs;
} Selection;

static Selection
selection(const ProxyConfig *config, ProxyMode mode, IpFamily family, const ProxyNode *node)
{
    Selection s = {0};
    bool primary = config->node_port_primary || (mode == PROXY_NFTABLES && config->n_node_port_addresses == 0);

    if (primary && !ipaddr_is_any(&node->primary_ip)) {
        vec_push(&s.cidrs, ipprefix_host(node->primary_ip));
        return s;
    }
    for (uint32_t i = 0; i < config->n_node_port_addresses; i++)
        if (ipaddr_family(&config->node_port_addresses[i].addr) == family)
            vec_push(&s.cidrs, config->node_port_addresses[i]);
    return s;
}

static bool
selected(const Selection *s, IpAddr addr)
{
    for (size_t i = 0; i < s->cidrs.len; i++)
        if (ipprefix_contains(&s->cidrs.data[i], addr))
            return true;
    return false;
}

void
node_port_addrs(const ProxyConfig *config, ProxyMode mode, IpFamily family, const ProxyNode *node,
                NodePortAddrs *ret_addrs)
{
    Selection s = selection(config, mode, family, node);
    IpAddr loopback_start = ipaddr_v4(127, 0, 0, 0);
    NodePortAddrs addrs = {.all = s.cidrs.len == 0};

    for (size_t i = 0; i < s.cidrs.len; i++) {
        addrs.all = addrs.all || s.cidrs.data[i].len == 0;
        addrs.loopback4 =
            addrs.loopback4 || (family == FAMILY_IPV4 && (ipaddr_is_loopback(&s.cidrs.data[i].addr) ||
                                                          ipprefix_contains(&s.cidrs.data[i], loopback_start)));
    }
    if (addrs.all)
        addrs.loopback4 = family == FAMILY_IPV4;
    addrs.addrs = g_new(const IpAddr *, node->n_interface_addrs + 1);
    for (uint32_t i = 0; i < node->n_interface_addrs && !addrs.all; i++)
        if (selected(&s, node->interface_addrs[i]))
            addrs.addrs[addrs.n_addrs++] = &node->interface_addrs[i];
    vec_clear(&s.cidrs);
    *ret_addrs = addrs;
}

void
node_port_addrs_clear(NodePortAddrs *addrs)
{
    g_free(addrs->addrs);
    memset(addrs, 0, sizeof *addrs);
}
