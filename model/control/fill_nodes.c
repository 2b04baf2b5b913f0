/* Nodes: objects for names that are only spoken of, addresses, pod CIDRs */

#include <stdlib.h>
#include <string.h>

#include "model/control/fill_private.h"
#include "sim/engine/vec.h"

/* minikube's network. */
#define NODE_NET4     "192.168.49.0"
#define NODE_NET6     "fd00:49::"
#define FIRST_NODE    2u
#define DEFAULT_NODES 2

typedef VEC(const KubeNode *) NodeVec;

static void invent_nodes(Fill *f);
static void invent_node(Fill *f, const char *name);
static NodeVec nodes_as_written(Fill *f);
static bool lacks_pod_cidrs_that_matter(Fill *f);
static KubeNode *changed(KubeNode **copy, const KubeNode *node);
static void give_internal_ip(Fill *f, KubeNode **copy, const KubeNode *node, uint32_t index);
static void give_pod_cidrs(Fill *f, KubeNode **copy, const KubeNode *node, uint32_t index, uint32_t n_nodes);

void
fill_nodes(Fill *f)
{
    invent_nodes(f);
    NodeVec nodes = nodes_as_written(f);
    bool pods_need = lacks_pod_cidrs_that_matter(f);

    for (uint32_t i = 0; i < nodes.len; i++) {
        const KubeNode *node = nodes.data[i];
        KubeNode *copy = NULL;
        if (node->n_internal_ips == 0)
            give_internal_ip(f, &copy, node, i);
        if (pods_need && node->n_pod_cidrs == 0)
            give_pod_cidrs(f, &copy, node, i, (uint32_t)nodes.len);
        if (copy)
            store_put(f->store, &copy->meta);
    }
    vec_clear(&nodes);
}

/* Without a Node: those that pods and slices name, those of the Cluster document, or two. */
static void
invent_nodes(Fill *f)
{
    size_t n, n_nodes;

    store_list(f->store, KIND_NODE, &n_nodes);
    if (n_nodes)
        return;
    const ApiObject *const *pods = store_list(f->store, KIND_POD, &n);
    for (size_t i = 0; i < n; i++)
        invent_node(f, ((const Pod *)pods[i])->spec.node_name);
    const ApiObject *const *slices = store_list(f->store, KIND_ENDPOINTSLICE, &n);
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < ((const EndpointSlice *)slices[i])->n_endpoints; k++)
            invent_node(f, ((const EndpointSlice *)slices[i])->endpoints[k].node_name);
    for (uint32_t i = 0; i < f->input->cluster.n_nodes; i++)
        invent_node(f, f->input->cluster.nodes[i].name);
    store_list(f->store, KIND_NODE, &n_nodes);
    for (int i = 1; !n_nodes && i <= DEFAULT_NODES; i++)
        invent_node(f, strings_printf(f->strings, "node-%d", i));
    store_list(f->store, KIND_NODE, &n_nodes);
    diag(f->input->diags, DIAG_NOTE, (Mark){0}, "no Node is given: %zu made up", n_nodes);
}

static void
invent_node(Fill *f, const char *name)
{
    if (!name || store_get(f->store, KIND_NODE, "", name))
        return;
    KubeNode *node = (KubeNode *)api_new(KIND_NODE, "", name);
    node->ready = true;
    labels_set(&node->meta.labels, strings_add(f->strings, "kubernetes.io/hostname"), name);
    labels_set(&node->meta.labels, strings_add(f->strings, "kubernetes.io/os"), strings_add(f->strings, "linux"));
    store_put(f->store, &node->meta);
}

static int
compare_written(const void *a, const void *b)
{
    const ApiObject *x = *(const ApiObject *const *)a, *y = *(const ApiObject *const *)b;

    if (x->mark.file != y->mark.file)
        return x->mark.file < y->mark.file ? -1 : 1;
    if (x->mark.line != y->mark.line)
        return x->mark.line < y->mark.line ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* A node that is appended gets the next numbers, as one that joins a cluster. */
static NodeVec
nodes_as_written(Fill *f)
{
    NodeVec nodes = {0};
    size_t n;
    const ApiObject *const *list = store_list(f->store, KIND_NODE, &n);

    for (size_t i = 0; i < n; i++)
        vec_push(&nodes, (const KubeNode *)list[i]);
    if (n)
        qsort(nodes.data, n, sizeof *nodes.data, compare_written);
    return nodes;
}

/* Nodes without a podCIDR are legal (cloud networks): they get one only where pods will want addresses. */
static bool
lacks_pod_cidrs_that_matter(Fill *f)
{
    size_t n;

    for (ApiKind kind = KIND_DEPLOYMENT; kind <= KIND_DAEMONSET; kind++) {
        store_list(f->store, kind, &n);
        if (n)
            return true;
    }
    if (f->input->scenario.n_steps || f->input->cluster.system_services)
        return true;
    const ApiObject *const *pods = store_list(f->store, KIND_POD, &n);
    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)pods[i];
        if (pod->n_ips == 0 && !pod->spec.host_network)
            return true;
    }
    return false;
}

static KubeNode *
changed(KubeNode **copy, const KubeNode *node)
{
    if (!*copy)
        *copy = (KubeNode *)api_copy(&node->meta);
    return *copy;
}

/* From its eth0 in the Cluster document, or the next free one of the usual network. */
static void
give_internal_ip(Fill *f, KubeNode **copy, const KubeNode *node, uint32_t index)
{
    const NodeSpec *spec = input_node_spec(f->input, node->meta.name);
    KubeNode *own = changed(copy, node);
    const ClusterSpec *cluster = &f->input->cluster;

    for (uint32_t i = 0; spec && i < spec->n_interfaces; i++)
        for (uint32_t k = 0; strcmp(spec->interfaces[i].name, "eth0") == 0 && k < spec->interfaces[i].n_addrs; k++) {
            IpAddr addr = spec->interfaces[i].addrs[k].addr;
            if (own->n_internal_ips == 0 ||
                (own->n_internal_ips == 1 && ipaddr_family(&own->internal_ips[0]) != ipaddr_family(&addr)))
                own->internal_ips[own->n_internal_ips++] = addr;
        }
    if (own->n_internal_ips)
        return;
    for (uint32_t i = 0; i < MAX(1, cluster->n_pod_cidrs); i++) {
        bool v6 = i < cluster->n_pod_cidrs && !ipaddr_is_v4(&cluster->pod_cidrs[i].addr);
        IpAddr net, addr;
        ipaddr_parse(v6 ? NODE_NET6 : NODE_NET4, &net);
        addr = ipaddr_add(net, FIRST_NODE + index);
        while (alloc_addr_taken(f->alloc, addr))
            addr = ipaddr_add(addr, 1);
        alloc_take_addr(f->alloc, addr);
        own->internal_ips[own->n_internal_ips++] = addr;
    }
}

static void
give_pod_cidrs(Fill *f, KubeNode **copy, const KubeNode *node, uint32_t index, uint32_t n_nodes)
{
    const ClusterSpec *cluster = &f->input->cluster;
    KubeNode *own = changed(copy, node);

    own->pod_cidrs = g_new0(const char *, 2);
    for (uint32_t i = 0; i < cluster->n_pod_cidrs; i++) {
        IpPrefix cidr;
        char text[IPPREFIX_STR_SIZE];
        if (!alloc_pod_cidr(f->alloc, cluster->pod_cidrs[i], index, n_nodes, node->meta.name, &cidr)) {
            diag(f->input->diags, DIAG_ERROR, node->meta.mark, "no pod CIDR is left in %s for Node %s",
                 ipprefix_format(cluster->pod_cidrs[i], text), node->meta.name);
            continue;
        }
        own->pod_cidrs[own->n_pod_cidrs++] = strings_add(f->strings, ipprefix_format(cidr, text));
    }
}
