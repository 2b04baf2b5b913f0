#include "model/proxy/detect_local.h"

#include <string.h>

static LocalDetector
of_cidrs(const IpPrefix *cidrs, uint32_t n, IpFamily family)
{
    for (uint32_t i = 0; i < n; i++)
        if (ipaddr_family(&cidrs[i].addr) == family)
            return (LocalDetector){.kind = LOCAL_CIDR, .cidr = ipprefix_network(cidrs[i])};
    return (LocalDetector){.kind = LOCAL_UNKNOWN};
}

static LocalDetector
of_interface(const char *name, bool prefix)
{
    if (!name || !name[0])
        return (LocalDetector){.kind = LOCAL_UNKNOWN};
    return (LocalDetector){.kind = LOCAL_INTERFACE, .interface = name, .interface_prefix = prefix};
}

LocalDetector
detect_local(const ProxyConfig *config, IpFamily family, const ProxyNode *node)
{
    switch (config->detect_local) {
    case DETECT_CLUSTER_CIDR:
        return of_cidrs(config->cluster_cidr, config->n_cluster_cidr, family);
    case DETECT_NODE_CIDR:
        return of_cidrs(node->pod_cidrs, node->n_pod_cidrs, family);
    case DETECT_BRIDGE_INTERFACE:
        return of_interface(config->bridge_interface, false);
    case DETECT_INTERFACE_PREFIX:
        return of_interface(config->interface_prefix, true);
    case DETECT_NONE:
        break;
    }
    return (LocalDetector){.kind = LOCAL_UNKNOWN};
}

bool
detect_local_equal(const LocalDetector *a, const LocalDetector *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case LOCAL_CIDR:
        return ipaddr_eq(a->cidr.addr, b->cidr.addr) && a->cidr.len == b->cidr.len;
    case LOCAL_INTERFACE:
        return a->interface_prefix == b->interface_prefix && strcmp(a->interface, b->interface) == 0;
    case LOCAL_UNKNOWN:
        break;
    }
    return true;
}

NfExpr
detect_local_expr(const LocalDetector *detector, NfNames *names, bool neg)
{
    if (detector->kind == LOCAL_CIDR)
        return nfx_saddr(detector->cidr, neg);
    return nfx_u32(NFX_IIF, nf_text_id(names, detector->interface), 0, detector->interface_prefix, neg);
}
