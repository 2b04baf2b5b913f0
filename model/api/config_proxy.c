/* KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1 (staging/src/k8s.io/kube-proxy/config/v1alpha1/types.go and
 * pkg/proxy/apis/config/v1alpha1/defaults.go) */

#include <string.h>

#include "model/api/config.h"
#include "model/api/config_read.h"

static const char *const known[] = {"apiVersion",
                                    "kind",
                                    "metadata",
                                    "mode",
                                    "clusterCIDR",
                                    "detectLocalMode",
                                    "detectLocal",
                                    "nodePortAddresses",
                                    "iptables",
                                    "ipvs",
                                    "nftables",
                                    "conntrack",
                                    "bindAddress",
                                    "bindAddressHardFail",
                                    "clientConnection",
                                    "configSyncPeriod",
                                    "enableProfiling",
                                    "featureGates",
                                    "healthzBindAddress",
                                    "hostnameOverride",
                                    "logging",
                                    "metricsBindAddress",
                                    "oomScoreAdj",
                                    "portRange",
                                    "showHiddenMetricsForVersion",
                                    "udpIdleTimeout",
                                    "winkernel",
                                    "windowsRunAsService",
                                    NULL};

static void read_cluster_cidr(Diags *diags, const DocNode *root, ProxyConfig *config);
static void read_detect_local(Diags *diags, Strings *strings, const DocNode *root, ProxyConfig *config);
static void read_node_port_addresses(Diags *diags, Strings *strings, const DocNode *root, ProxyConfig *config);
static void read_mode_block(Diags *diags, const DocNode *block, ProxyConfig *config, ProxyMode mode);
static void read_ipvs(Diags *diags, Strings *strings, const DocNode *block, ProxyConfig *config);
static void read_conntrack(Diags *diags, const DocNode *block, ProxyConfig *config);

void
proxy_config_default(ProxyConfig *ret_config)
{
    *ret_config = (ProxyConfig){
        .mode = PROXY_IPTABLES,
        .detect_local = DETECT_CLUSTER_CIDR,
        .localhost_node_ports = true,
        .ipvs_scheduler = "rr",
        .ct_max_per_core = 32768,
        .ct_min = 131072,
        .ct_tcp_established = 24 * 3600 * SIMTIME_SEC,
        .ct_tcp_close_wait = 3600 * SIMTIME_SEC,
        .ct_udp = -1,
        .ct_udp_stream = -1,
    };
    for (int mode = 0; mode < 3; mode++) {
        ret_config->of_mode[mode].masquerade_bit = 14;
        ret_config->of_mode[mode].sync_period = 30 * SIMTIME_SEC;
        ret_config->of_mode[mode].min_sync_period = mode == PROXY_IPVS ? 0 : SIMTIME_SEC;
    }
    proxy_config_set_mode(ret_config, PROXY_IPTABLES);
}

void
proxy_config_set_mode(ProxyConfig *config, ProxyMode mode)
{
    ProxyMode masquerade = mode == PROXY_IPVS ? PROXY_IPTABLES : mode;
    config->mode = mode;
    config->masquerade_all = config->of_mode[masquerade].masquerade_all;
    config->masquerade_bit = config->of_mode[masquerade].masquerade_bit;
    config->sync_period = config->of_mode[mode].sync_period;
    config->min_sync_period = config->of_mode[mode].min_sync_period;
}

bool
proxy_config_decode(Diags *diags, Strings *strings, const DocNode *root, ProxyConfig *ret_config)
{
    proxy_config_default(ret_config);
    ret_config->mark = root->mark;
    return proxy_config_overlay(diags, strings, root, ret_config);
}

bool
proxy_config_overlay(Diags *diags, Strings *strings, const DocNode *root, ProxyConfig *config)
{
    static const char *const modes[] = {"iptables", "nftables", "ipvs", NULL};
    uint32_t before = diags_errors(diags);
    const char *mode_text = node_str(diags, root, "mode", "");
    ProxyMode mode = config->mode;
    if (*mode_text)
        mode = (ProxyMode)node_enum(diags, root, "mode", (int)mode, modes);
    read_cluster_cidr(diags, root, config);
    read_detect_local(diags, strings, root, config);
    read_node_port_addresses(diags, strings, root, config);
    const DocNode *iptables = node_map(diags, root, "iptables");
    read_mode_block(diags, iptables, config, PROXY_IPTABLES);
    config->localhost_node_ports = node_bool(diags, iptables, "localhostNodePorts", config->localhost_node_ports);
    static const char *const iptables_known[] = {"masqueradeAll", "masqueradeBit", "localhostNodePorts",
                                                 "syncPeriod",    "minSyncPeriod", NULL};
    node_report_unused(diags, iptables, DIAG_NOTE, iptables_known);
    const DocNode *nftables = node_map(diags, root, "nftables");
    read_mode_block(diags, nftables, config, PROXY_NFTABLES);
    static const char *const nftables_known[] = {"masqueradeAll", "masqueradeBit", "syncPeriod", "minSyncPeriod", NULL};
    node_report_unused(diags, nftables, DIAG_NOTE, nftables_known);
    read_ipvs(diags, strings, node_map(diags, root, "ipvs"), config);
    read_conntrack(diags, node_map(diags, root, "conntrack"), config);
    const DocNode *meta = node_get(root, "metadata");
    node_use_all(meta);
    node_get(root, "apiVersion");
    node_get(root, "kind");
    node_report_unused(diags, root, DIAG_NOTE, known);
    proxy_config_set_mode(config, mode);
    return diags_errors(diags) == before;
}

/* "v4", "v6" or "v4,v6". */
static void
read_cluster_cidr(Diags *diags, const DocNode *root, ProxyConfig *config)
{
    const DocNode *node = node_get(root, "clusterCIDR");
    const char *text = node_str(diags, root, "clusterCIDR", NULL);
    if (!node || !text)
        return;
    config->n_cluster_cidr = 0;
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    for (char **part = parts; *part; part++) {
        IpPrefix prefix;
        g_strstrip(*part);
        if (!**part)
            continue;
        if (!ipprefix_parse(*part, &prefix))
            node_diag(diags, DIAG_ERROR, node, "\"%s\" is not a range such as 10.244.0.0/16", *part);
        else if (config->n_cluster_cidr == 2 ||
                 (config->n_cluster_cidr == 1 &&
                  ipaddr_family(&config->cluster_cidr[0].addr) == ipaddr_family(&prefix.addr)))
            node_diag(diags, DIAG_ERROR, node, "more than one range of a family");
        else
            config->cluster_cidr[config->n_cluster_cidr++] = ipprefix_network(prefix);
    }
}

static void
read_detect_local(Diags *diags, Strings *strings, const DocNode *root, ProxyConfig *config)
{
    static const char *const modes[] = {"ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix", NULL};
    static const char *const detail[] = {"bridgeInterface", "interfaceNamePrefix", NULL};
    if (*node_str(diags, root, "detectLocalMode", ""))
        config->detect_local =
            (DetectLocalMode)node_enum(diags, root, "detectLocalMode", (int)config->detect_local, modes);
    const DocNode *block = node_map(diags, root, "detectLocal");
    config->bridge_interface = config_text(diags, strings, block, detail[0], config->bridge_interface);
    config->interface_prefix = config_text(diags, strings, block, detail[1], config->interface_prefix);
    node_report_unused(diags, block, DIAG_NOTE, detail);
    const DocNode *at = node_get(root, "detectLocalMode");
    if (at && config->detect_local == DETECT_BRIDGE_INTERFACE &&
        (!config->bridge_interface || !*config->bridge_interface))
        node_diag(diags, DIAG_ERROR, at, "BridgeInterface needs detectLocal.bridgeInterface");
    if (at && config->detect_local == DETECT_INTERFACE_PREFIX &&
        (!config->interface_prefix || !*config->interface_prefix))
        node_diag(diags, DIAG_ERROR, at, "InterfaceNamePrefix needs detectLocal.interfaceNamePrefix");
}

static void
read_node_port_addresses(Diags *diags, Strings *strings, const DocNode *root, ProxyConfig *config)
{
    const DocNode *seq = node_seq(diags, root, "nodePortAddresses");
    if (!seq)
        return;
    config->n_node_port_addresses = 0;
    config->node_port_primary = false;
    config->node_port_addresses = strings_alloc(strings, (seq->n + 1) * sizeof *config->node_port_addresses);
    for (uint32_t i = 0; i < seq->n; i++) {
        const DocNode *item = seq->items[i];
        IpPrefix prefix;
        if (item->kind == NODE_SCALAR && strcmp(item->text, "primary") == 0) {
            config->node_port_primary = true;
            if (seq->n > 1)
                node_diag(diags, DIAG_ERROR, item, "\"primary\" stands alone");
        } else if (config_prefix(diags, item, &prefix)) {
            config->node_port_addresses[config->n_node_port_addresses++] = ipprefix_network(prefix);
        }
    }
}

/* A period of zero is the default, as in kube-proxy's own defaulting. */
static void
read_mode_block(Diags *diags, const DocNode *block, ProxyConfig *config, ProxyMode mode)
{
    config->of_mode[mode].masquerade_all =
        node_bool(diags, block, "masqueradeAll", config->of_mode[mode].masquerade_all);
    config->of_mode[mode].masquerade_bit =
        (uint8_t)node_int(diags, block, "masqueradeBit", config->of_mode[mode].masquerade_bit, 0, 31);
    SimTime period = node_duration(diags, block, "syncPeriod", 0);
    if (period)
        config->of_mode[mode].sync_period = period;
    config->of_mode[mode].min_sync_period =
        node_duration(diags, block, "minSyncPeriod", config->of_mode[mode].min_sync_period);
    if (config->of_mode[mode].min_sync_period > config->of_mode[mode].sync_period)
        node_diag(diags, DIAG_ERROR, node_get(block, "minSyncPeriod") ? node_get(block, "minSyncPeriod") : block,
                  "longer than syncPeriod");
}

static void
read_ipvs(Diags *diags, Strings *strings, const DocNode *block, ProxyConfig *config)
{
    static const char *const ipvs_known[] = {"syncPeriod",    "minSyncPeriod", "scheduler",
                                             "excludeCIDRs",  "strictARP",     "tcpTimeout",
                                             "tcpFinTimeout", "udpTimeout",    NULL};
    static const char *const schedulers[] = {"rr", "wrr", "lc",  "wlc", "lblc", "lblcr",
                                             "sh", "dh",  "sed", "nq",  "mh",   NULL};
    SimTime period = node_duration(diags, block, "syncPeriod", 0);
    if (period)
        config->of_mode[PROXY_IPVS].sync_period = period;
    config->of_mode[PROXY_IPVS].min_sync_period =
        node_duration(diags, block, "minSyncPeriod", config->of_mode[PROXY_IPVS].min_sync_period);
    if (*node_str(diags, block, "scheduler", "")) {
        int scheduler = node_enum(diags, block, "scheduler", -1, schedulers);
        if (scheduler >= 0)
            config->ipvs_scheduler = schedulers[scheduler];
    }
    config->ipvs_strict_arp = node_bool(diags, block, "strictARP", config->ipvs_strict_arp);
    const DocNode *exclude = node_seq(diags, block, "excludeCIDRs");
    if (exclude)
        config->ipvs_exclude_cidrs = config_texts(diags, strings, block, "excludeCIDRs", &config->n_ipvs_exclude_cidrs);
    for (uint32_t i = 0; exclude && i < exclude->n; i++) {
        IpPrefix prefix;
        config_prefix(diags, exclude->items[i], &prefix);
    }
    node_report_unused(diags, block, DIAG_NOTE, ipvs_known);
}

static void
read_conntrack(Diags *diags, const DocNode *block, ProxyConfig *config)
{
    static const char *const ct_known[] = {"maxPerCore",   "min",        "tcpEstablishedTimeout", "tcpCloseWaitTimeout",
                                           "tcpBeLiberal", "udpTimeout", "udpStreamTimeout",      NULL};
    config->ct_max_per_core = node_int(diags, block, "maxPerCore", config->ct_max_per_core, 0, INT32_MAX);
    config->ct_min = node_int(diags, block, "min", config->ct_min, 0, INT32_MAX);
    config->ct_tcp_established = node_duration(diags, block, "tcpEstablishedTimeout", config->ct_tcp_established);
    config->ct_tcp_close_wait = node_duration(diags, block, "tcpCloseWaitTimeout", config->ct_tcp_close_wait);
    config->ct_tcp_be_liberal = node_bool(diags, block, "tcpBeLiberal", config->ct_tcp_be_liberal);
    config->ct_udp = node_duration(diags, block, "udpTimeout", config->ct_udp);
    config->ct_udp_stream = node_duration(diags, block, "udpStreamTimeout", config->ct_udp_stream);
    node_report_unused(diags, block, DIAG_NOTE, ct_known);
}
