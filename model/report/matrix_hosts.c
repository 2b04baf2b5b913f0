/* Who asks: the rows of a matrix, and the hosts that are made for them. */

#include "model/report/matrix_private.h"

#include <string.h>

#include "sim/engine/vec.h"

static const char pod_name[] = "svcsim-client";
static const char outside_name[] = "client/outside";

void
matrix_hosts_init(MatrixHosts *hosts, Cluster *cluster)
{
    *hosts = (MatrixHosts){.cluster = cluster, .pods = g_hash_table_new(NULL, NULL)};
}

void
matrix_hosts_clear(MatrixHosts *hosts)
{
    g_hash_table_unref(hosts->pods);
}

/* The highest address of the pod CIDR that nobody has. */
static bool
free_pod_addr(const MatrixHosts *hosts, const char *cidr, IpAddr *ret_addr)
{
    IpPrefix prefix;
    uint64_t size;

    if (!ipprefix_parse(cidr, &prefix))
        return false;
    prefix = ipprefix_network(prefix);
    /* In a larger block the first 254 are enough. */
    size = ipaddr_is_v4(&prefix.addr) && prefix.len > 24 ? UINT64_C(1) << (32 - prefix.len) : 256;
    for (uint64_t i = size - 2; i >= 2 && i < size; i--) {
        *ret_addr = ipaddr_add(prefix.addr, i);
        if (!cluster_pod_by_ip(hosts->cluster, *ret_addr))
            return true;
    }
    return false;
}

static ClusterPod *
pod_on(MatrixHosts *hosts, ClusterNode *node)
{
    Store *store = cluster_store(hosts->cluster);
    const KubeNode *object = (const KubeNode *)store_get(store, KIND_NODE, "", node->name);
    ClusterPod *made = g_hash_table_lookup(hosts->pods, node);
    g_autofree char *name = g_strdup_printf("%s-%s", pod_name, node->name);
    Pod *pod;

    if (made)
        return made;
    pod = (Pod *)api_new(KIND_POD, "default", strings_add(store_strings(store), name));
    pod->spec.node_name = node->name;
    for (uint32_t i = 0; object && i < object->n_pod_cidrs && pod->n_ips < 2; i++)
        if (free_pod_addr(hosts, object->pod_cidrs[i], &pod->ips[pod->n_ips]))
            pod->n_ips++;
    made = cluster_pod_add(hosts->cluster, pod);
    if (made)
        g_hash_table_insert(hosts->pods, node, made);
    api_unref(&pod->meta);
    return made;
}

static void
find_outside(MatrixHosts *hosts)
{
    size_t n;
    ClusterClient *const *clients = cluster_clients(hosts->cluster, &n);
    const LinkParams link = {.latency = cluster_input(hosts->cluster)->cluster.network.latency_client};
    IpAddr addrs[2];

    if (hosts->outside)
        return;
    hosts->outside_as = outside_name;
    if (n > 0) {
        hosts->outside = clients[0]->host;
        hosts->outside_as = host_name(clients[0]->host);
        return;
    }
    ipaddr_parse("198.51.100.10", &addrs[0]);
    ipaddr_parse("2001:db8:100::10", &addrs[1]);
    hosts->outside = cluster_add_outside_host(hosts->cluster, outside_name, addrs, 2, &link);
}

typedef VEC(MatrixClient) Clients;

static void
add_pods(MatrixHosts *hosts, const MatrixTable *table, Clients *clients)
{
    for (guint i = 0; i < table->nodes->len; i++) {
        ClusterNode *node = table->nodes->pdata[i];
        ClusterPod *pod = pod_on(hosts, node);
        if (!pod)
            continue;
        vec_push(clients, (MatrixClient){.kind = MATRIX_POD,
                                         .name = g_strdup_printf("pod on %s", node->name),
                                         .node = node,
                                         .who = {.kind = WHO_POD,
                                                 .host = cluster_pod_host(pod),
                                                 .pod = pod,
                                                 .node = node,
                                                 .text = g_strdup_printf("pod/%s", pod->name)}});
    }
}

typedef struct {
    const Cluster *cluster;
    ClusterPod *pod;
} FirstEndpoint;

static void
take_first(const Endpoint *endpoint, bool ready, void *user)
{
    FirstEndpoint *first = user;
    ClusterPod *pod = cluster_pod_by_ip(first->cluster, endpoint->addr);

    if (ready && !first->pod && pod && !pod->host_network)
        first->pod = pod;
}

static void
add_endpoint(MatrixHosts *hosts, const MatrixTable *table, Clients *clients)
{
    FirstEndpoint first = {.cluster = hosts->cluster};

    matrix_each_endpoint(hosts->cluster, table->service, table->port, take_first, &first);
    if (!first.pod)
        return;
    vec_push(clients, (MatrixClient){.kind = MATRIX_ENDPOINT,
                                     .name = g_strdup_printf("endpoint %s", first.pod->name),
                                     .node = first.pod->node,
                                     .who = {.kind = WHO_POD,
                                             .host = cluster_pod_host(first.pod),
                                             .pod = first.pod,
                                             .node = first.pod->node,
                                             .text = g_strdup_printf("pod/%s/%s", first.pod->ns, first.pod->name)}});
}

static void
add_nodes(const MatrixTable *table, Clients *clients)
{
    for (guint i = 0; i < table->nodes->len; i++) {
        ClusterNode *node = table->nodes->pdata[i];
        vec_push(clients, (MatrixClient){.kind = MATRIX_NODE,
                                         .name = g_strdup_printf("node %s", node->name),
                                         .node = node,
                                         .who = {.kind = WHO_NODE,
                                                 .host = node->host,
                                                 .node = node,
                                                 .text = g_strdup_printf("node/%s", node->name)}});
    }
}

static void
add_outside(MatrixHosts *hosts, const MatrixTable *table, Clients *clients)
{
    find_outside(hosts);
    for (guint i = 0; i <= table->nodes->len; i++) {
        ClusterNode *via = i > 0 ? table->nodes->pdata[i - 1] : NULL;
        vec_push(
            clients,
            (MatrixClient){.kind = MATRIX_OUTSIDE,
                           .name = via ? g_strdup_printf("outside via %s", via->name) : g_strdup("outside"),
                           .node = via,
                           .who = {.kind = WHO_CLIENT, .host = hosts->outside, .text = g_strdup(hosts->outside_as)}});
    }
}

void
matrix_add_clients(MatrixHosts *hosts, MatrixTable *table, int only)
{
    Clients clients = {0};

    if (only < 0 || only == MATRIX_POD)
        add_pods(hosts, table, &clients);
    if (only < 0 || only == MATRIX_ENDPOINT)
        add_endpoint(hosts, table, &clients);
    if (only < 0 || only == MATRIX_NODE)
        add_nodes(table, &clients);
    if (only < 0 || only == MATRIX_OUTSIDE)
        add_outside(hosts, table, &clients);
    table->clients = clients.data;
    table->n_clients = (uint32_t)clients.len;
}
