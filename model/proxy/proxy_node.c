/* What kube-proxy reads of its node, from the input */

#include <string.h>

#include "model/proxy/proxier.h"
#include "sim/engine/vec.h"

#define ZONE_LABEL "topology.kubernetes.io/zone"

typedef VEC(IpAddr) Addrs;

static void
add_addr(Addrs *addrs, IpAddr addr, IpFamily family)
{
    if (ipaddr_family(&addr) != family)
        return;
    for (size_t i = 0; i < addrs->len; i++)
        if (ipaddr_eq(addrs->data[i], addr))
            return;
    /* Few, of every node: no room to grow. */
    addrs->data = g_renew(IpAddr, addrs->data, addrs->len + 1);
    addrs->data[addrs->len++] = addr;
    addrs->cap = addrs->len;
}

static bool
names_interface(const NodeSpec *spec, const char *name)
{
    for (uint32_t i = 0; spec && i < spec->n_interfaces; i++)
        if (strcmp(spec->interfaces[i].name, name) == 0)
            return true;
    return false;
}

/* The addresses that model/network gives to the interfaces of such a node: loopback, what the Cluster document lists,
 * the Node's own, the pod bridge's. */
static void
interface_addrs(const Input *input, const KubeNode *node, const NodeSpec *spec, IpFamily family, Addrs *ret_addrs)
{
    add_addr(ret_addrs, IPADDR_LOOPBACK4, family);
    add_addr(ret_addrs, IPADDR_LOOPBACK6, family);
    for (uint32_t i = 0; node && i < node->n_internal_ips; i++)
        add_addr(ret_addrs, node->internal_ips[i], family);
    for (uint32_t i = 0; spec && i < spec->n_interfaces; i++)
        for (uint32_t j = 0; j < spec->interfaces[i].n_addrs; j++)
            add_addr(ret_addrs, spec->interfaces[i].addrs[j].addr, family);
    if (input->cluster.network.kind != NETWORK_BRIDGE || names_interface(spec, "cni0"))
        return;
    for (uint32_t i = 0; node && i < node->n_pod_cidrs; i++) {
        IpPrefix cidr;
        if (ipprefix_parse(node->pod_cidrs[i], &cidr))
            add_addr(ret_addrs, ipaddr_add(ipprefix_network(cidr).addr, 1), family);
    }
}

static bool
has_counter(const KernelSpec *kernel, const char *name)
{
    for (uint32_t i = 0; i < kernel->n_nfacct; i++)
        if (strcmp(kernel->nfacct[i], name) == 0)
            return true;
    return false;
}

/* The sysctl as it will be when kube-proxy reads it: set by hand, or by kube-proxy's own conntrack settings. */
static bool
is_be_liberal(const KernelSpec *kernel, const ProxyConfig *config)
{
    bool liberal = config->ct_tcp_be_liberal;

    for (uint32_t i = 0; i < kernel->n_sysctls; i++)
        if (strcmp(kernel->sysctls[i].key, "net.netfilter.nf_conntrack_tcp_be_liberal") == 0)
            liberal = liberal || strcmp(kernel->sysctls[i].value, "0") != 0;
    return liberal;
}

void
proxy_node_from_input(const Input *input, const char *node, IpFamily family, ProxyNode *ret_node)
{
    const KubeNode *object = (const KubeNode *)store_get(input->store, KIND_NODE, "", node);
    const KernelSpec *kernel = input_kernel_of(input, node);
    Addrs addrs = {0};
    IpPrefix *pod_cidrs = NULL;
    uint32_t n_pod_cidrs = 0;
    ProxyNode made = {.name = object ? object->meta.name : node,
                      .primary_ip = family == FAMILY_IPV4 ? IPADDR_ANY4 : IPADDR_ANY6,
                      .random_fully = kernel->random_fully,
                      .forward_drop = kernel->forward_drop,
                      .nfacct_invalid = has_counter(kernel, "ct_state_invalid_dropped_pkts"),
                      .nfacct_localhost = has_counter(kernel, "localhost_nps_accepted_pkts"),
                      .tcp_be_liberal = is_be_liberal(kernel, input_proxy_of(input, node))};

    if (object) {
        made.zone = labels_get(&object->meta.labels, ZONE_LABEL);
        for (uint32_t i = object->n_internal_ips; i-- > 0;)
            if (ipaddr_family(&object->internal_ips[i]) == family)
                made.primary_ip = object->internal_ips[i];
        for (uint32_t i = 0; i < object->n_pod_cidrs; i++) {
            IpPrefix cidr;
            if (!ipprefix_parse(object->pod_cidrs[i], &cidr) || ipaddr_family(&cidr.addr) != family)
                continue;
            pod_cidrs = g_renew(IpPrefix, pod_cidrs, n_pod_cidrs + 1);
            pod_cidrs[n_pod_cidrs++] = cidr;
        }
    }
    interface_addrs(input, object, input_node_spec(input, node), family, &addrs);
    made.interface_addrs = addrs.data;
    made.n_interface_addrs = (uint32_t)addrs.len;
    made.pod_cidrs = pod_cidrs;
    made.n_pod_cidrs = n_pod_cidrs;
    *ret_node = made;
}

void
proxy_node_clear(ProxyNode *node)
{
    g_free((void *)node->interface_addrs);
    g_free((void *)node->pod_cidrs);
    memset(node, 0, sizeof *node);
}
