/* Node: decode and encode */

#include <string.h>

#include "model/api/api_encode.h"

static void read_node_addresses(ApiReader *r, const DocNode *status, KubeNode *node);
static void add_address(IpAddr addrs[2], uint32_t *n, IpAddr addr);
static void read_taints(ApiReader *r, const DocNode *spec, KubeNode *node);
static void put_addresses(DocOut *list, const char *type, const IpAddr *addrs, uint32_t n);

bool
node_decode(ApiReader *r, const DocNode *root, KubeNode *node)
{
    static const char *const known[] = {"podCIDR",    "podCIDRs",     "unschedulable", "taints",
                                        "providerID", "configSource", "externalID",    NULL};
    const DocNode *spec = node_map(r->diags, root, "spec");
    const DocNode *status = node_map(r->diags, root, "status");
    const char *cidr = read_text(r, spec, "podCIDR", NULL);
    node->pod_cidrs = read_texts(r, spec, "podCIDRs", &node->n_pod_cidrs);
    if (!node->n_pod_cidrs && cidr && *cidr) {
        node->pod_cidrs = g_new(const char *, 1);
        node->pod_cidrs[node->n_pod_cidrs++] = cidr;
    }
    for (uint32_t i = 0; i < node->n_pod_cidrs; i++) {
        IpPrefix prefix;
        if (!ipprefix_parse_sloppy(node->pod_cidrs[i], &prefix))
            node_diag(r->diags, DIAG_WARNING, node_get(spec, node_get(spec, "podCIDRs") ? "podCIDRs" : "podCIDR"),
                      "\"%s\" is not a range such as 10.244.0.0/24", node->pod_cidrs[i]);
    }
    node->unschedulable = node_bool(r->diags, spec, "unschedulable", false);
    read_taints(r, spec, node);
    node_report_unused(r->diags, spec, DIAG_NOTE, known);

    read_node_addresses(r, status, node);
    bool found;
    node->ready = read_condition(r, status, "Ready", &found) || !found;
    const DocNode *info = node_map(r->diags, status, "nodeInfo");
    node->kubelet_version = read_text(r, info, "kubeletVersion", NULL);
    node->os_image = read_text(r, info, "osImage", NULL);
    node->kernel_version = read_text(r, info, "kernelVersion", NULL);
    node->runtime = read_text(r, info, "containerRuntimeVersion", NULL);
    node->cpu_milli = read_cpu(r, node_map(r->diags, status, "allocatable"), "cpu");
    if (!node->cpu_milli)
        node->cpu_milli = read_cpu(r, node_map(r->diags, status, "capacity"), "cpu");
    return true;
}

DocNode *
node_encode(DocArena *arena, const KubeNode *node, DocNode **ret_status)
{
    DocOut out = {.arena = arena}, status = {.arena = arena}, addresses = {.arena = arena}, taints = {.arena = arena};
    if (node->n_pod_cidrs) {
        put_text(&out, "podCIDR", node->pod_cidrs[0]);
        put_texts(&out, "podCIDRs", node->pod_cidrs, node->n_pod_cidrs);
    }
    if (node->unschedulable)
        put_bool(&out, "unschedulable", true);
    for (uint32_t i = 0; i < node->n_taints; i++) {
        DocOut taint = {.arena = arena};
        put_text(&taint, "key", node->taints[i].key);
        put_text(&taint, "value", node->taints[i].value);
        put_text(&taint, "effect", node->taints[i].effect);
        put_item(&taints, out_map(&taint));
    }
    if (node->n_taints)
        put_node(&out, "taints", out_seq(&taints));

    put_addresses(&addresses, "InternalIP", node->internal_ips, node->n_internal_ips);
    put_addresses(&addresses, "ExternalIP", node->external_ips, node->n_external_ips);
    if (node->hostname) {
        DocOut entry = {.arena = arena};
        put_text(&entry, "type", "Hostname");
        put_text(&entry, "address", node->hostname);
        put_item(&addresses, out_map(&entry));
    }
    put_node(&status, "addresses", out_seq(&addresses));
    DocOut condition = {.arena = arena}, conditions = {.arena = arena};
    put_text(&condition, "type", "Ready");
    put_text(&condition, "status", node->ready ? "True" : "False");
    put_item(&conditions, out_map(&condition));
    put_node(&status, "conditions", out_seq(&conditions));
    DocOut info = {.arena = arena};
    put_text(&info, "kubeletVersion", node->kubelet_version);
    put_text(&info, "osImage", node->os_image);
    put_text(&info, "kernelVersion", node->kernel_version);
    put_text(&info, "containerRuntimeVersion", node->runtime);
    if (info.items.len)
        put_node(&status, "nodeInfo", out_map(&info));
    if (node->cpu_milli) {
        DocOut allocatable = {.arena = arena};
        g_autofree char *cpu = g_strdup_printf("%" G_GINT64_FORMAT "m", node->cpu_milli);
        put_text(&allocatable, "cpu", cpu);
        put_node(&status, "allocatable", out_map(&allocatable));
    }
    *ret_status = out_map(&status);
    return out_map(&out);
}

static void
read_node_addresses(ApiReader *r, const DocNode *status, KubeNode *node)
{
    const DocNode *seq = node_seq(r->diags, status, "addresses");
    for (uint32_t i = 0; seq && i < seq->n; i++) {
        const DocNode *entry = seq->items[i];
        if (!node_expect(r->diags, entry, NODE_MAPPING))
            continue;
        const char *type = node_str(r->diags, entry, "type", "");
        const DocNode *address = node_require(r->diags, entry, "address");
        IpAddr addr;
        if (strcmp(type, "Hostname") == 0)
            node->hostname = read_text(r, entry, "address", NULL);
        else if (strcmp(type, "InternalIP") == 0 && read_ip(r, address, &addr))
            add_address(node->internal_ips, &node->n_internal_ips, addr);
        else if (strcmp(type, "ExternalIP") == 0 && read_ip(r, address, &addr))
            add_address(node->external_ips, &node->n_external_ips, addr);
    }
}

/* kube-proxy takes the first address of each family. */
static void
add_address(IpAddr addrs[2], uint32_t *n, IpAddr addr)
{
    if (*n < 2 && (*n == 0 || ipaddr_family(&addrs[0]) != ipaddr_family(&addr)))
        addrs[(*n)++] = addr;
}

static void
read_taints(ApiReader *r, const DocNode *spec, KubeNode *node)
{
    const DocNode *seq = node_seq(r->diags, spec, "taints");
    if (!seq || !seq->n)
        return;
    node->taints = g_new0(Taint, seq->n);
    for (uint32_t i = 0; i < seq->n; i++)
        if (node_expect(r->diags, seq->items[i], NODE_MAPPING))
            node->taints[node->n_taints++] = (Taint){
                .key = read_text(r, seq->items[i], "key", ""),
                .value = read_text(r, seq->items[i], "value", NULL),
                .effect = read_text(r, seq->items[i], "effect", "NoSchedule"),
            };
}

static void
put_addresses(DocOut *list, const char *type, const IpAddr *addrs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char buf[IPADDR_STR_SIZE];
        DocOut entry = {.arena = list->arena};
        put_text(&entry, "type", type);
        put_text(&entry, "address", ipaddr_format(addrs[i], buf));
        put_item(list, out_map(&entry));
    }
}
