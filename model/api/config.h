#ifndef MODEL_API_CONFIG_H
#define MODEL_API_CONFIG_H

/* Configuration kinds: KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1) and svcsim/v1 Cluster
 *
 * Every field has a default, so that a bare set of manifests is a complete input.  Without a KubeProxyConfiguration
 * the clusterCIDR is the Cluster's podCIDRs; with one whose clusterCIDR is empty there is no
 * detector. */

#include "model/api/object.h"
#include "sim/engine/simtime.h"

typedef enum { PROXY_IPTABLES, PROXY_NFTABLES, PROXY_IPVS } ProxyMode;
typedef enum {
    DETECT_CLUSTER_CIDR,
    DETECT_NODE_CIDR,
    DETECT_BRIDGE_INTERFACE,
    DETECT_INTERFACE_PREFIX,
    DETECT_NONE
} DetectLocalMode;

typedef struct {
    ProxyMode mode;
    IpPrefix cluster_cidr[2]; /* One per family; n_cluster_cidr of them. */
    uint32_t n_cluster_cidr;
    DetectLocalMode detect_local;
    const char *bridge_interface, *interface_prefix;
    IpPrefix *node_port_addresses;
    uint32_t n_node_port_addresses;
    bool node_port_primary;               /* "primary" was given. */
    bool masquerade_all;                  /* Of the mode in use (ipvs takes iptables'). */
    uint8_t masquerade_bit;               /* Default 14. */
    bool localhost_node_ports;            /* Default true. */
    SimTime sync_period, min_sync_period; /* 30 s; 1 s (iptables, nftables), 0 (ipvs). */
    struct {
        bool masquerade_all;
        uint8_t masquerade_bit;
        SimTime sync_period, min_sync_period;
    } of_mode[3];               /* By ProxyMode: what the fields above become with another mode. */
    const char *ipvs_scheduler; /* "rr". */
    bool ipvs_strict_arp;
    const char **ipvs_exclude_cidrs;
    uint32_t n_ipvs_exclude_cidrs;
    /* conntrack: kube-proxy sets these on the node; -1 leaves the kernel's. */
    int64_t ct_max_per_core, ct_min;
    SimTime ct_tcp_established, ct_tcp_close_wait; /* 24 h, 1 h. */
    bool ct_tcp_be_liberal;
    SimTime ct_udp, ct_udp_stream;
    Mark mark;
} ProxyConfig;

void proxy_config_default(ProxyConfig *ret_config);
/* Puts another mode in use. */
void proxy_config_set_mode(ProxyConfig *config, ProxyMode mode);

typedef struct {
    const char *name;
    IpPrefix *addrs;
    uint32_t n_addrs;
} InterfaceSpec;

typedef struct {
    const char *key, *value; /* sysctl name and value, as written. */
    Mark mark;
} SysctlSpec;

typedef struct {
    bool random_fully;     /* Default true. */
    bool forward_drop;     /* Policy DROP of filter FORWARD (as Docker sets it). */
    SimTime confirm_delay; /* HostSysctls; default 0. */
    const char **nfacct;   /* Counters that exist on the node. */
    uint32_t n_nfacct;
    SysctlSpec *sysctls;
    uint32_t n_sysctls;
} KernelSpec;

/* Minor version: 30..36 for "1.30".."1.36". */
typedef struct {
    uint8_t minor;
    const char *text;
} KubeVersion;
bool kube_version_parse(const char *text, KubeVersion *ret_version);
bool kube_version_modelled(const KubeVersion *version);

typedef struct {
    const char *name;          /* Of the Node. */
    InterfaceSpec *interfaces; /* Beyond those that the Node's addresses imply. */
    uint32_t n_interfaces;
    bool has_version, has_kernel, has_proxy;
    KubeVersion version;
    KernelSpec kernel;
    ProxyConfig proxy;         /* The cluster's, overridden by 'proxy_tree'; complete after loading. */
    const DocNode *proxy_tree; /* kubeProxy as written (kept), or NULL. */
    int64_t cpu_milli;
    Mark mark;
} NodeSpec;

typedef struct {
    const char *name;
    IpAddr *addrs;
    uint32_t n_addrs;
    Mark mark;
} ClientSpec;

typedef enum { NETWORK_ROUTED, NETWORK_BRIDGE, NETWORK_VXLAN, NETWORK_CLOUD } NetworkKind;

typedef struct {
    const char *name;
    KubeVersion version; /* Default 1.34. */
    IpPrefix pod_cidrs[2], service_cidrs[2];
    uint32_t n_pod_cidrs, n_service_cidrs;
    struct {
        NetworkKind kind;
        uint32_t mtu;
        SimTime latency_node, latency_zone, latency_client;
        Mark mark;
    } network;
    KernelSpec kernel;
    NodeSpec *nodes;
    uint32_t n_nodes;
    ClientSpec *clients;
    uint32_t n_clients;
    bool system_services;
    bool max_unavailable_statefulset; /* featureGates.MaxUnavailableStatefulSet. */
    const char *lb_profile;           /* A profile by name, or NULL. */
    const DocNode *lb_inline;         /* Fields in place (kept tree), or NULL. */
    Mark lb_mark;
    Mark mark;
} ClusterSpec;

void cluster_spec_default(ClusterSpec *ret_spec);

/* Readers; memory comes from 'strings' and lives as long as it. */
/* Fields of KubeProxyConfiguration over what 'config' holds. */
bool proxy_config_overlay(Diags *diags, Strings *strings, const DocNode *root, ProxyConfig *config);
bool proxy_config_decode(Diags *diags, Strings *strings, const DocNode *root, ProxyConfig *ret_config);
bool cluster_spec_decode(Diags *diags, Strings *strings, const DocNode *root, ClusterSpec *ret_spec);
/* Fields of a Cluster's spec, but nodes, clients and loadBalancer, over what 'config' holds; nodes with a kernel of
 * their own keep it. */
bool cluster_spec_overlay(Diags *diags, Strings *strings, const DocNode *spec, ClusterSpec *config);

#endif
