#include "model/network/node_host.h"

#include "model/network/forward_policy.h"

/* conntrack limits as kube-proxy sets them (cmd/kube-proxy/app/server_linux.go getConntrackMax). */
static int64_t
conntrack_max(const ProxyConfig *proxy, int64_t cpu_milli)
{
    int64_t cores = cpu_milli >= 1000 ? cpu_milli / 1000 : 1;

    if (proxy->ct_max_per_core <= 0)
        return 0;
    return MAX(proxy->ct_max_per_core * cores, proxy->ct_min);
}

static void
set_ct_seconds(CtSysctls *ct, const char *name, SimTime value)
{
    char text[32];

    if (value <= 0)
        return;
    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, value / SIMTIME_SEC);
    ct_sysctl_set(ct, name, text);
}

static void
apply_proxy_settings(Host *host, const ProxyConfig *proxy, int64_t cpu_milli)
{
    CtSysctls *ct;
    int64_t max = conntrack_max(proxy, cpu_milli);

    nf_stack_force_conntrack(host_netfilter(host));
    ct = conntrack_sysctls(nf_stack_conntrack(host_netfilter(host)));
    if (max > 0)
        ct->max = (uint32_t)MIN(max, UINT32_MAX);
    set_ct_seconds(ct, "tcp_timeout_established", proxy->ct_tcp_established);
    set_ct_seconds(ct, "tcp_timeout_close_wait", proxy->ct_tcp_close_wait);
    set_ct_seconds(ct, "udp_timeout", proxy->ct_udp);
    set_ct_seconds(ct, "udp_timeout_stream", proxy->ct_udp_stream);
    if (proxy->ct_tcp_be_liberal)
        ct->tcp_be_liberal = true;
}

static bool
apply_sysctls(Input *input, Host *host, const KernelSpec *kernel)
{
    bool ok = true;

    host_sysctls(host)->confirm_delay = kernel->confirm_delay;
    for (uint32_t i = 0; i < kernel->n_sysctls; i++) {
        const SysctlSpec *s = &kernel->sysctls[i];
        if (!host_sysctl_set(host, s->key, s->value)) {
            diag(input->diags, DIAG_ERROR, s->mark, "sysctl %s = \"%s\" is unknown or out of range", s->key, s->value);
            ok = false;
        }
    }
    return ok;
}

static NetDev *
ensure_dev(Host *host, const char *name)
{
    NetDev *dev = host_dev(host, name);

    if (!dev)
        dev = netdev_new(host, name, strcmp(name, "cni0") == 0 ? DEV_BRIDGE : DEV_ETHER);
    return dev;
}

static bool
spec_names_interface(const NodeSpec *spec, const char *name)
{
    for (uint32_t i = 0; spec && i < spec->n_interfaces; i++)
        if (strcmp(spec->interfaces[i].name, name) == 0)
            return true;
    return false;
}

static bool
has_addr(Host *host, IpAddr addr)
{
    return fib_is_local(host_fib(host), addr, NULL);
}

static void
add_interfaces(Host *host, const NodeSpec *spec)
{
    for (uint32_t i = 0; spec && i < spec->n_interfaces; i++) {
        NetDev *dev = ensure_dev(host, spec->interfaces[i].name);
        for (uint32_t j = 0; j < spec->interfaces[i].n_addrs; j++)
            if (!has_addr(host, spec->interfaces[i].addrs[j].addr))
                netdev_add_addr(dev, spec->interfaces[i].addrs[j]);
    }
}

static void
add_node_addrs(Host *host, const KubeNode *node)
{
    NetDev *eth0 = ensure_dev(host, "eth0");

    for (uint32_t i = 0; i < node->n_internal_ips; i++) {
        IpAddr addr = node->internal_ips[i];
        uint8_t len = ipaddr_is_v4(&addr) ? NODE_PREFIX_LEN4 : NODE_PREFIX_LEN6;
        if (!has_addr(host, addr))
            netdev_add_addr(eth0, (IpPrefix){addr, len});
    }
}

static void
add_pod_bridge(Host *host, const KubeNode *node)
{
    NetDev *cni0 = ensure_dev(host, "cni0");

    for (uint32_t i = 0; i < node->n_pod_cidrs; i++) {
        IpPrefix cidr;
        if (ipprefix_parse(node->pod_cidrs[i], &cidr))
            netdev_add_addr(cni0, (IpPrefix){pod_cidr_gateway(cidr), cidr.len});
    }
}

Host *
node_host_new(Sim *sim, Input *input, const KubeNode *node)
{
    const NodeSpec *spec = input_node_spec(input, node->meta.name);
    const ProxyConfig *proxy = input_proxy_of(input, node->meta.name);
    Host *host = host_new(sim, node->meta.name);
    HostSysctls *sysctls = host_sysctls(host);

    sysctls->ip_forward = sysctls->ip6_forward = true;
    sysctls->send_redirects = false;
    sysctls->bridge_nf_call_iptables = sysctls->bridge_nf_call_ip6tables = true;
    /* kube-proxy sets route_localnet for nodePorts on localhost in iptables mode only. */
    sysctls->route_localnet = proxy->mode == PROXY_IPTABLES && proxy->localhost_node_ports;
    if (input_kernel_of(input, node->meta.name)->forward_drop && proxy->mode == PROXY_NFTABLES)
        forward_policy_drop(host_netfilter(host));
    apply_proxy_settings(host, proxy, spec && spec->cpu_milli ? spec->cpu_milli : node->cpu_milli);

    add_interfaces(host, spec);
    add_node_addrs(host, node);
    if ((input->cluster.network.kind == NETWORK_BRIDGE || input->cluster.network.kind == NETWORK_VXLAN) &&
        !spec_names_interface(spec, "cni0"))
        add_pod_bridge(host, node);

    if (!apply_sysctls(input, host, input_kernel_of(input, node->meta.name))) {
        host_free(host);
        return NULL;
    }
    return host;
}

IpAddr
pod_cidr_gateway(IpPrefix cidr)
{
    return ipaddr_add(ipprefix_network(cidr).addr, 1);
}
