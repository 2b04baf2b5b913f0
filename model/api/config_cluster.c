/* svcsim/v1 Cluster: what manifests cannot say */

#include <stdlib.h>
#include <string.h>

#include "model/api/config.h"
#include "model/api/config_read.h"

#define MINOR_MIN 30
#define MINOR_MAX 36

static void read_version(Diags *diags, Strings *strings, const DocNode *map, KubeVersion *version, bool *ret_given);
static void read_network(Diags *diags, const DocNode *spec, ClusterSpec *ret_spec);
static void read_gates(Diags *diags, const DocNode *spec, ClusterSpec *ret_spec);
static void read_kernel(Diags *diags, Strings *strings, const DocNode *map, KernelSpec *kernel);
static void read_sysctls(Diags *diags, Strings *strings, const DocNode *map, KernelSpec *kernel);
static void read_node_spec(Diags *diags, Strings *strings, const DocNode *node, const ClusterSpec *cluster,
                           NodeSpec *ret_node);
static void read_interfaces(Diags *diags, Strings *strings, const DocNode *node, NodeSpec *ret_node);
static void read_client(Diags *diags, Strings *strings, const DocNode *node, ClientSpec *ret_client);
static void check_unique(Diags *diags, const char *what, const char *name, Mark at, const char *other, Mark other_at);

bool
kube_version_parse(const char *text, KubeVersion *ret_version)
{
    const char *p = text + (*text == 'v');
    if (strncmp(p, "1.", 2) != 0 || !g_ascii_isdigit(p[2]) || !g_ascii_isdigit(p[3]) || (p[4] && p[4] != '.'))
        return false;
    *ret_version = (KubeVersion){.minor = (uint8_t)atoi(p + 2), .text = text};
    return true;
}

void
cluster_spec_default(ClusterSpec *ret_spec)
{
    static const char *const nfacct[] = {"ct_state_invalid_dropped_pkts"};
    static const SysctlSpec sysctls[] = {{.key = "net.ipv4.ip_forward", .value = "1"}};
    *ret_spec = (ClusterSpec){
        .name = "cluster",
        .version = {34, "1.34"},
        .n_pod_cidrs = 1,
        .n_service_cidrs = 1,
        .network = {.kind = NETWORK_ROUTED,
                    .mtu = 1500,
                    .latency_node = 250 * SIMTIME_USEC,
                    .latency_zone = SIMTIME_MSEC,
                    .latency_client = 20 * SIMTIME_MSEC},
        .kernel = {.random_fully = true,
                   .nfacct = (const char **)nfacct,
                   .n_nfacct = 1,
                   .sysctls = (SysctlSpec *)sysctls,
                   .n_sysctls = 1},
    };
    ret_spec->pod_cidrs[0] = (IpPrefix){ipaddr_v4(10, 244, 0, 0), 16};
    ret_spec->service_cidrs[0] = (IpPrefix){ipaddr_v4(10, 96, 0, 0), 12};
}

static const char *const settable[] = {
    "kubernetesVersion", "podCIDRs", "serviceCIDRs", "network", "kernel", "systemServices", "featureGates", NULL};

/* Those of 'settable', over what 'ret_spec' holds. */
static void
read_settable(Diags *diags, Strings *strings, const DocNode *spec, ClusterSpec *ret_spec)
{
    bool given;

    read_version(diags, strings, spec, &ret_spec->version, &given);
    config_dual_prefixes(diags, spec, "podCIDRs", ret_spec->pod_cidrs, &ret_spec->n_pod_cidrs);
    config_dual_prefixes(diags, spec, "serviceCIDRs", ret_spec->service_cidrs, &ret_spec->n_service_cidrs);
    read_network(diags, spec, ret_spec);
    read_kernel(diags, strings, node_map(diags, spec, "kernel"), &ret_spec->kernel);
    ret_spec->system_services = node_bool(diags, spec, "systemServices", ret_spec->system_services);
    read_gates(diags, spec, ret_spec);
}

bool
cluster_spec_overlay(Diags *diags, Strings *strings, const DocNode *spec, ClusterSpec *config)
{
    uint32_t before = diags_errors(diags);

    read_settable(diags, strings, spec, config);
    node_report_unused(diags, spec, DIAG_ERROR, settable);
    return diags_errors(diags) == before;
}

bool
cluster_spec_decode(Diags *diags, Strings *strings, const DocNode *root, ClusterSpec *ret_spec)
{
    static const char *const root_known[] = {"apiVersion", "kind", "metadata", "spec", NULL};
    static const char *const known[] = {
        "kubernetesVersion", "podCIDRs", "serviceCIDRs",   "network",      "kernel", "nodes",
        "loadBalancer",      "clients",  "systemServices", "featureGates", NULL};
    uint32_t before = diags_errors(diags);
    cluster_spec_default(ret_spec);
    ret_spec->mark = root->mark;
    const char *name = config_name(diags, strings, root);
    if (name)
        ret_spec->name = name;
    const DocNode *spec = node_map(diags, root, "spec");
    read_settable(diags, strings, spec, ret_spec);
    const DocNode *nodes = node_seq(diags, spec, "nodes");
    ret_spec->nodes = strings_alloc(strings, (nodes ? nodes->n : 0) * sizeof *ret_spec->nodes);
    for (uint32_t i = 0; nodes && i < nodes->n; i++) {
        if (!node_expect(diags, nodes->items[i], NODE_MAPPING))
            continue;
        NodeSpec *node = &ret_spec->nodes[ret_spec->n_nodes++];
        read_node_spec(diags, strings, nodes->items[i], ret_spec, node);
        for (uint32_t k = 0; k + 1 < ret_spec->n_nodes; k++)
            check_unique(diags, "node", node->name, node->mark, ret_spec->nodes[k].name, ret_spec->nodes[k].mark);
    }
    const DocNode *clients = node_seq(diags, spec, "clients");
    ret_spec->clients = strings_alloc(strings, (clients ? clients->n : 0) * sizeof *ret_spec->clients);
    for (uint32_t i = 0; clients && i < clients->n; i++) {
        if (!node_expect(diags, clients->items[i], NODE_MAPPING))
            continue;
        ClientSpec *client = &ret_spec->clients[ret_spec->n_clients++];
        read_client(diags, strings, clients->items[i], client);
        for (uint32_t k = 0; k + 1 < ret_spec->n_clients; k++)
            check_unique(diags, "client", client->name, client->mark, ret_spec->clients[k].name,
                         ret_spec->clients[k].mark);
    }
    const DocNode *balancer = node_get(spec, "loadBalancer");
    if (balancer && balancer->kind == NODE_SCALAR) {
        ret_spec->lb_profile = strings_add(strings, balancer->text);
    } else if (balancer && node_expect(diags, balancer, NODE_MAPPING)) {
        ret_spec->lb_profile = config_text(diags, strings, balancer, "profile", NULL);
        ret_spec->lb_inline = node_keep(strings, balancer);
    }
    ret_spec->lb_mark = node_mark(spec, "loadBalancer");
    node_get(root, "apiVersion");
    node_get(root, "kind");
    node_report_unused(diags, root, DIAG_ERROR, root_known);
    node_report_unused(diags, spec, DIAG_ERROR, known);
    return diags_errors(diags) == before;
}

bool
kube_version_modelled(const KubeVersion *version)
{
    return version->minor >= MINOR_MIN && version->minor <= MINOR_MAX;
}

static void
read_version(Diags *diags, Strings *strings, const DocNode *map, KubeVersion *version, bool *ret_given)
{
    const char *text = config_text(diags, strings, map, "kubernetesVersion", NULL);
    KubeVersion parsed;
    *ret_given = false;
    if (!text)
        return;
    if (!kube_version_parse(text, &parsed) || !kube_version_modelled(&parsed)) {
        node_diag(diags, DIAG_ERROR, node_get(map, "kubernetesVersion"), "\"%s\" is not a version from 1.%d to 1.%d",
                  text, MINOR_MIN, MINOR_MAX);
        if (strcmp(text, "1.3") == 0)
            diag_hint(diags, "a number loses its last zero: write \"1.30\" in quotes");
        return;
    }
    *version = parsed;
    *ret_given = true;
}

static void
read_network(Diags *diags, const DocNode *spec, ClusterSpec *ret_spec)
{
    static const char *const kinds[] = {"routed", "bridge", "vxlan", "cloud", NULL};
    static const char *const known[] = {"kind", "mtu", "latency", NULL};
    static const char *const latency_known[] = {"node", "zone", "client", NULL};
    const DocNode *network = node_map(diags, spec, "network");
    if (network)
        ret_spec->network.mark = node_mark(spec, "network");
    ret_spec->network.kind = (NetworkKind)node_enum(diags, network, "kind", ret_spec->network.kind, kinds);
    ret_spec->network.mtu = (uint32_t)node_int(diags, network, "mtu", ret_spec->network.mtu, 576, 65535);
    const DocNode *latency = node_map(diags, network, "latency");
    ret_spec->network.latency_node = node_duration(diags, latency, "node", ret_spec->network.latency_node);
    ret_spec->network.latency_zone = node_duration(diags, latency, "zone", ret_spec->network.latency_zone);
    ret_spec->network.latency_client = node_duration(diags, latency, "client", ret_spec->network.latency_client);
    node_report_unused(diags, network, DIAG_ERROR, known);
    node_report_unused(diags, latency, DIAG_ERROR, latency_known);
}

/* Over what 'kernel' holds: lists of names replace, sysctls add. */
static void
read_kernel(Diags *diags, Strings *strings, const DocNode *map, KernelSpec *kernel)
{
    static const char *const known[] = {"randomFully", "forwardPolicy", "confirmDelay", "nfacct", "sysctls", NULL};
    static const char *const policies[] = {"ACCEPT", "DROP", NULL};
    kernel->forward_drop = node_enum(diags, map, "forwardPolicy", kernel->forward_drop, policies) == 1;
    kernel->random_fully = node_bool(diags, map, "randomFully", kernel->random_fully);
    kernel->confirm_delay = node_duration(diags, map, "confirmDelay", kernel->confirm_delay);
    if (node_get(map, "nfacct"))
        kernel->nfacct = config_texts(diags, strings, map, "nfacct", &kernel->n_nfacct);
    read_sysctls(diags, strings, map, kernel);
    node_report_unused(diags, map, DIAG_ERROR, known);
}

/* Gates that are off by default in all versions modelled, and change what is simulated. */
static void
read_gates(Diags *diags, const DocNode *spec, ClusterSpec *ret_spec)
{
    static const char *const known[] = {"MaxUnavailableStatefulSet", NULL};
    const DocNode *gates = node_map(diags, spec, "featureGates");
    ret_spec->max_unavailable_statefulset = node_bool(diags, gates, known[0], ret_spec->max_unavailable_statefulset);
    if (gates)
        node_report_unused(diags, gates, DIAG_ERROR, known);
}

static void
read_sysctls(Diags *diags, Strings *strings, const DocNode *map, KernelSpec *kernel)
{
    const DocNode *given = node_map(diags, map, "sysctls");
    if (!given)
        return;
    SysctlSpec *merged = strings_alloc(strings, (kernel->n_sysctls + given->n) * sizeof *merged);
    uint32_t n = 0;
    for (uint32_t i = 0; i < kernel->n_sysctls; i++) {
        bool replaced = false;
        for (uint32_t k = 0; k < given->n && !replaced; k++)
            replaced = strcmp(given->keys[k]->text, kernel->sysctls[i].key) == 0;
        if (!replaced)
            merged[n++] = kernel->sysctls[i];
    }
    for (uint32_t k = 0; k < given->n; k++)
        if (node_expect(diags, given->items[k], NODE_SCALAR))
            merged[n++] = (SysctlSpec){strings_add(strings, given->keys[k]->text),
                                       strings_add(strings, given->items[k]->text), given->keys[k]->mark};
    node_use_all(given);
    kernel->sysctls = merged;
    kernel->n_sysctls = n;
}

static void
read_node_spec(Diags *diags, Strings *strings, const DocNode *node, const ClusterSpec *cluster, NodeSpec *ret_node)
{
    static const char *const known[] = {"name", "interfaces", "kubernetesVersion", "kernel", "kubeProxy", "cpu", NULL};
    *ret_node = (NodeSpec){.mark = node->mark, .version = cluster->version, .kernel = cluster->kernel};
    node_require(diags, node, "name");
    ret_node->name = config_text(diags, strings, node, "name", "");
    read_interfaces(diags, strings, node, ret_node);
    read_version(diags, strings, node, &ret_node->version, &ret_node->has_version);
    const DocNode *kernel = node_map(diags, node, "kernel");
    ret_node->has_kernel = kernel != NULL;
    read_kernel(diags, strings, kernel, &ret_node->kernel);
    const DocNode *proxy = node_map(diags, node, "kubeProxy");
    ret_node->has_proxy = proxy != NULL;
    ret_node->proxy_tree = proxy ? node_keep(strings, proxy) : NULL;
    const DocNode *cpu = node_get(node, "cpu");
    if (cpu && node_expect(diags, cpu, NODE_SCALAR)) {
        char *end;
        double cores = g_ascii_strtod(cpu->text, &end);
        if (end == cpu->text || !(cores >= 0 && cores < 1e6) || (*end && strcmp(end, "m") != 0))
            node_diag(diags, DIAG_ERROR, cpu, "\"%s\" is not a CPU quantity such as 2 or 250m", cpu->text);
        else
            ret_node->cpu_milli = (int64_t)(*end ? cores : cores * 1000);
    }
    node_report_unused(diags, node, DIAG_ERROR, known);
}

static void
read_interfaces(Diags *diags, Strings *strings, const DocNode *node, NodeSpec *ret_node)
{
    static const char *const known[] = {"name", "addresses", NULL};
    const DocNode *seq = node_seq(diags, node, "interfaces");
    if (!seq)
        return;
    ret_node->interfaces = strings_alloc(strings, seq->n * sizeof *ret_node->interfaces);
    for (uint32_t i = 0; i < seq->n; i++) {
        const DocNode *item = seq->items[i];
        if (!node_expect(diags, item, NODE_MAPPING) || !node_require(diags, item, "name"))
            continue;
        InterfaceSpec *interface = &ret_node->interfaces[ret_node->n_interfaces++];
        interface->name = config_text(diags, strings, item, "name", "");
        size_t length = strlen(interface->name);
        if (length == 0 || length > 15 || strpbrk(interface->name, "/ "))
            node_diag(diags, DIAG_ERROR, node_get(item, "name"),
                      "\"%s\" is not an interface name (1 to 15 characters without '/' and blank)", interface->name);
        const DocNode *addresses = node_seq(diags, item, "addresses");
        uint32_t n = addresses ? addresses->n : 0;
        interface->addrs = strings_alloc(strings, n * sizeof *interface->addrs);
        for (uint32_t k = 0; k < n; k++)
            if (config_prefix(diags, addresses->items[k], &interface->addrs[interface->n_addrs]))
                interface->n_addrs++;
        node_report_unused(diags, item, DIAG_ERROR, known);
    }
}

static void
read_client(Diags *diags, Strings *strings, const DocNode *node, ClientSpec *ret_client)
{
    static const char *const known[] = {"name", "addresses", "address", NULL};
    ret_client->mark = node->mark;
    node_require(diags, node, "name");
    ret_client->name = config_text(diags, strings, node, "name", "");
    const DocNode *one = node_get(node, "address"), *many = node_seq(diags, node, "addresses");
    if (one && many)
        node_diag(diags, DIAG_ERROR, one, "address and addresses are both given");
    if (!one && !many)
        node_diag(diags, DIAG_ERROR, node, "missing field \"addresses\"");
    uint32_t n = one ? 1 : many ? many->n : 0;
    ret_client->addrs = strings_alloc(strings, n * sizeof *ret_client->addrs);
    for (uint32_t i = 0; i < n; i++)
        if (config_addr(diags, one ? one : many->items[i], &ret_client->addrs[ret_client->n_addrs]))
            ret_client->n_addrs++;
    node_report_unused(diags, node, DIAG_ERROR, known);
}

static void
check_unique(Diags *diags, const char *what, const char *name, Mark at, const char *other, Mark other_at)
{
    if (strcmp(name, other) != 0)
        return;
    diag(diags, DIAG_ERROR, at, "%s \"%s\" is given twice", what, name);
    diag_note(diags, other_at, "first given here");
}
