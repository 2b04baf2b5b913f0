/* Building a Cluster from its Input, and finding things in it.  Topology is in topology.c, the outside in outside.c. */

#include "model/network/cluster_private.h"

#include "model/network/node_host.h"
#include "model/network/pod_apps.h"
#include "sim/netfilter/conntrack.h"

static guint
addr_hash(gconstpointer key)
{
    return (guint)rng_hash(0, key, sizeof(IpAddr));
}

static gboolean
addr_equal(gconstpointer a, gconstpointer b)
{
    return ipaddr_eq(*(const IpAddr *)a, *(const IpAddr *)b);
}

static HostOwner *
owner_new(Host *host, OwnerKind kind, void *object)
{
    HostOwner *owner = g_new0(HostOwner, 1);

    owner->kind = kind;
    owner->node = object;
    host_set_user(host, owner);
    return owner;
}

static void
host_release(Host *host)
{
    g_free(host_user(host));
    host_free(host);
}

/* --- Nodes ----------------------------------------------------------------------------------------------------------
 */

static bool
add_node(Cluster *c, const KubeNode *object)
{
    ClusterNode *node;
    Host *host;

    if (object->n_internal_ips == 0) {
        diag(c->input->diags, DIAG_ERROR, object->meta.mark, "Node %s has no InternalIP in status.addresses",
             object->meta.name);
        return false;
    }
    host = node_host_new(c->sim, c->input, object);
    if (!host)
        return false;
    node = g_new0(ClusterNode, 1);
    node->cluster = c;
    node->name = object->meta.name;
    node->host = host;
    node->eth0 = host_dev(host, "eth0");
    node->cni0 = host_dev(host, "cni0");
    node->n_ips = object->n_internal_ips;
    memcpy(node->ips, object->internal_ips, sizeof node->ips);
    node->zone = labels_get(&object->meta.labels, "topology.kubernetes.io/zone");
    node->failed_at = node->recovered_at = -1;
    node->index = c->nodes->len;
    owner_new(host, OWNER_NODE, node);
    g_ptr_array_add(c->nodes, node);
    g_hash_table_insert(c->node_names, (gpointer)node->name, node);
    for (uint32_t i = 0; i < node->n_ips; i++)
        g_hash_table_insert(c->by_addr, &node->ips[i], host_user(host));
    nf_stack_set_linear(host_netfilter(host), c->options.linear);
    topology_attach_node(c, node, object);
    return true;
}

static bool
add_nodes(Cluster *c)
{
    size_t n;
    const ApiObject *const *objects = store_list(c->input->store, KIND_NODE, &n);
    bool ok = true;

    for (size_t i = 0; i < n; i++)
        ok &= add_node(c, (const KubeNode *)objects[i]);
    return ok;
}

/* --- Pods -----------------------------------------------------------------------------------------------------------
 */

static int
compare_pods(gconstpointer a, gconstpointer b)
{
    const ClusterPod *x = *(ClusterPod *const *)a, *y = *(ClusterPod *const *)b;
    int order = strcmp(x->ns, y->ns);

    return order ? order : strcmp(x->name, y->name);
}

static char *
pod_host_name(const char *ns, const char *name)
{
    return strcmp(ns, "default") == 0 ? g_strdup_printf("pod/%s", name) : g_strdup_printf("pod/%s/%s", ns, name);
}

static ClusterPod *
make_pod(Cluster *c, const Pod *object, ClusterNode *node)
{
    ClusterPod *pod = g_new0(ClusterPod, 1);
    const KubeNode *node_object = (const KubeNode *)store_get(c->input->store, KIND_NODE, "", node->name);

    pod->cluster = c;
    pod->ns = object->meta.ns;
    pod->name = object->meta.name;
    pod->node = node;
    pod->host_network = object->spec.host_network;
    pod->n_ips = object->n_ips;
    memcpy(pod->ips, object->ips, sizeof pod->ips);
    if (pod->host_network) {
        pod->host = node->host;
        pod->n_ips = node->n_ips;
        memcpy(pod->ips, node->ips, sizeof pod->ips);
        return pod;
    }
    {
        g_autofree char *name = pod_host_name(pod->ns, pod->name);
        pod->host = host_new(c->sim, name);
    }
    owner_new(pod->host, OWNER_POD, pod);
    for (uint32_t i = 0; i < pod->n_ips; i++)
        g_hash_table_insert(c->by_addr, &pod->ips[i], host_user(pod->host));
    topology_attach_pod(c, pod, node_object);
    return pod;
}

static char *
pod_key(const char *ns, const char *name)
{
    return g_strdup_printf("%s/%s", ns, name);
}

ClusterPod *
cluster_pod_add(Cluster *c, const Pod *object)
{
    ClusterNode *node = object->spec.node_name ? cluster_node(c, object->spec.node_name) : NULL;
    ClusterPod *pod;

    if (!node || (object->n_ips == 0 && !object->spec.host_network))
        return NULL;
    pod = make_pod(c, object, node);
    g_ptr_array_add(c->pods, pod);
    if (c->pods->len > 1 && compare_pods(&c->pods->pdata[c->pods->len - 2], &c->pods->pdata[c->pods->len - 1]) > 0)
        g_ptr_array_sort(c->pods, compare_pods);
    g_hash_table_insert(c->pod_names, pod_key(pod->ns, pod->name), pod);
    return pod;
}

static void
pod_free(ClusterPod *pod)
{
    Cluster *c = pod->cluster;

    if (pod->runtime)
        pod_runtime_kill(pod->runtime);
    pod->runtime = NULL;
    if (!pod->host_network) {
        for (uint32_t i = 0; i < pod->n_ips; i++)
            if (g_hash_table_lookup(c->by_addr, &pod->ips[i]) == host_user(pod->host))
                g_hash_table_remove(c->by_addr, &pod->ips[i]);
        topology_detach_pod(c, pod);
        host_release(pod->host);
    }
    g_free(pod);
}

void
cluster_pod_remove(Cluster *c, ClusterPod *pod)
{
    g_autofree char *key = pod_key(pod->ns, pod->name);

    g_hash_table_remove(c->pod_names, key);
    g_ptr_array_remove(c->pods, pod);
    pod_free(pod);
}

static void
add_pods(Cluster *c)
{
    size_t n;
    const ApiObject *const *objects = store_list(c->input->store, KIND_POD, &n);

    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)objects[i];
        if (pod->phase != POD_SUCCEEDED && pod->phase != POD_FAILED)
            cluster_pod_add(c, pod);
    }
}

static void
start_apps(Cluster *c)
{
    for (guint i = 0; i < c->pods->len; i++) {
        ClusterPod *pod = c->pods->pdata[i];
        pod->runtime = pod_runtime_start(pod);
    }
}

/* --- The whole
 * -------------------------------------------------------------------------------------------------------- */

Cluster *
cluster_new(Input *input, const ClusterOptions *options)
{
    Cluster *c = g_new0(Cluster, 1);

    c->input = input;
    c->options = *options;
    c->sim = sim_new(options->seed);
    c->nodes = g_ptr_array_new_with_free_func(g_free);
    c->pods = g_ptr_array_new();
    c->clients = g_ptr_array_new();
    c->outside = g_ptr_array_new();
    c->hosts = g_ptr_array_new();
    c->node_names = g_hash_table_new(g_str_hash, g_str_equal);
    c->pod_names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    c->by_addr = g_hash_table_new(addr_hash, addr_equal);
    c->slices = slice_index_new(input->store);
    c->segments = g_array_new(FALSE, TRUE, sizeof(Segment));
    c->names = g_array_new(FALSE, TRUE, sizeof(OutsideName));
    c->neighbourhoods = g_array_new(FALSE, TRUE, sizeof(Neighbourhood));

    c->switches = g_ptr_array_new_with_free_func((GDestroyNotify)host_free);
    topology_build_router(c);
    if (!add_nodes(c)) {
        cluster_free(c);
        return NULL;
    }
    overlay_build(c);
    if (!options->no_pods)
        add_pods(c);
    if (!outside_build_clients(c)) {
        cluster_free(c);
        return NULL;
    }
    outside_build_proxy_ingress(c);
    c->proxies = proxy_fleet_new(c);
    if (!options->no_apps && !options->no_pods)
        start_apps(c);
    if (!options->no_apps)
        outside_start_apps(c);
    return c;
}

void
cluster_free(Cluster *c)
{
    if (!c)
        return;
    proxy_fleet_free(c->proxies);
    while (c->pods->len > 0) {
        ClusterPod *pod = c->pods->pdata[c->pods->len - 1];
        g_ptr_array_set_size(c->pods, (gint)c->pods->len - 1);
        pod_free(pod);
    }
    for (guint i = 0; i < c->clients->len; i++) {
        ClusterClient *client = c->clients->pdata[i];
        host_release(client->host);
        g_free(client);
    }
    for (guint i = 0; i < c->outside->len; i++)
        host_release(c->outside->pdata[i]);
    for (guint i = 0; i < c->nodes->len; i++)
        host_release(((ClusterNode *)c->nodes->pdata[i])->host);
    g_ptr_array_unref(c->switches);
    host_free(c->router);
    for (guint i = 0; i < c->segments->len; i++)
        g_array_unref(g_array_index(c->segments, Segment, i).routes);
    for (guint i = 0; i < c->neighbourhoods->len; i++)
        fib_base_unref(g_array_index(c->neighbourhoods, Neighbourhood, i).routes);
    g_ptr_array_unref(c->nodes);
    g_ptr_array_unref(c->pods);
    g_ptr_array_unref(c->clients);
    g_ptr_array_unref(c->outside);
    g_ptr_array_unref(c->hosts);
    g_hash_table_unref(c->node_names);
    g_hash_table_unref(c->pod_names);
    g_hash_table_unref(c->by_addr);
    slice_index_free(c->slices);
    for (guint i = 0; i < c->names->len; i++)
        g_free(g_array_index(c->names, OutsideName, i).name);
    g_array_unref(c->names);
    g_array_unref(c->segments);
    g_array_unref(c->neighbourhoods);
    sim_free(c->sim);
    g_free(c);
}

Sim *
cluster_sim(const Cluster *c)
{
    return c->sim;
}

Input *
cluster_input(const Cluster *c)
{
    return c->input;
}

Store *
cluster_store(const Cluster *c)
{
    return c->input->store;
}

ProxyFleet *
cluster_proxies(const Cluster *c)
{
    return c->proxies;
}

ClusterNode *
cluster_node(const Cluster *c, const char *name)
{
    return g_hash_table_lookup(c->node_names, name);
}

ClusterNode *const *
cluster_nodes(const Cluster *c, size_t *ret_n)
{
    *ret_n = c->nodes->len;
    return (ClusterNode *const *)c->nodes->pdata;
}

ClusterPod *
cluster_pod(const Cluster *c, const char *ns, const char *name)
{
    g_autofree char *key = pod_key(ns, name);

    return g_hash_table_lookup(c->pod_names, key);
}

ClusterPod *const *
cluster_pods(const Cluster *c, size_t *ret_n)
{
    *ret_n = c->pods->len;
    return (ClusterPod *const *)c->pods->pdata;
}

ClusterPod *
cluster_pod_of_host(const Cluster *c, const Host *host)
{
    const HostOwner *owner = host_user(host);

    (void)c;
    return owner && owner->kind == OWNER_POD ? owner->pod : NULL;
}

ClusterNode *
cluster_node_of_host(const Cluster *c, const Host *host)
{
    const HostOwner *owner = host_user(host);

    (void)c;
    return owner && owner->kind == OWNER_NODE ? owner->node : NULL;
}

ClusterPod *
cluster_pod_by_ip(const Cluster *c, IpAddr addr)
{
    const HostOwner *owner = g_hash_table_lookup(c->by_addr, &addr);

    return owner && owner->kind == OWNER_POD ? owner->pod : NULL;
}

ClusterNode *
cluster_node_by_ip(const Cluster *c, IpAddr addr)
{
    const HostOwner *owner = g_hash_table_lookup(c->by_addr, &addr);

    return owner && owner->kind == OWNER_NODE ? owner->node : NULL;
}

ClusterClient *
cluster_client(const Cluster *c, const char *name)
{
    for (guint i = 0; i < c->clients->len; i++) {
        ClusterClient *client = c->clients->pdata[i];
        if (strcmp(client->name, name) == 0)
            return client;
    }
    return NULL;
}

ClusterClient *const *
cluster_clients(const Cluster *c, size_t *ret_n)
{
    *ret_n = c->clients->len;
    return (ClusterClient *const *)c->clients->pdata;
}

Host *
cluster_router(const Cluster *c)
{
    return c->router;
}

Host *const *
cluster_hosts(Cluster *c, size_t *ret_n)
{
    g_ptr_array_set_size(c->hosts, 0);
    for (guint i = 0; i < c->nodes->len; i++)
        g_ptr_array_add(c->hosts, ((ClusterNode *)c->nodes->pdata[i])->host);
    for (guint i = 0; i < c->pods->len; i++)
        if (!((ClusterPod *)c->pods->pdata[i])->host_network)
            g_ptr_array_add(c->hosts, ((ClusterPod *)c->pods->pdata[i])->host);
    for (guint i = 0; i < c->clients->len; i++)
        g_ptr_array_add(c->hosts, ((ClusterClient *)c->clients->pdata[i])->host);
    g_ptr_array_add(c->hosts, c->router);
    for (guint i = 0; i < c->outside->len; i++)
        g_ptr_array_add(c->hosts, c->outside->pdata[i]);
    *ret_n = c->hosts->len;
    return (Host *const *)c->hosts->pdata;
}

void
cluster_set_storyteller(Cluster *c, Storyteller tell, void *user)
{
    c->tell = tell;
    c->tell_user = user;
}

void
cluster_story(Cluster *c, const char *format, ...)
{
    va_list args;
    g_autofree char *text = NULL;

    if (!c->tell)
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    c->tell(c->tell_user, text);
}

static bool
any_conn(const Conn *conn, void *user)
{
    (void)conn;
    (void)user;
    return true;
}

void
cluster_flush_flows(Cluster *c)
{
    size_t n;
    Host *const *hosts = cluster_hosts(c, &n);

    for (size_t i = 0; i < n; i++) {
        NfStack *nf = host_netfilter_peek(hosts[i]);
        if (!nf)
            continue;
        if (nf_stack_conntrack(nf))
            conntrack_delete(nf_stack_conntrack(nf), any_conn, NULL);
        nf_state_forget(nf_stack_state(nf));
    }
    if (c->flush)
        c->flush(c->flush_user);
}

void
cluster_set_flush_listener(Cluster *c, void (*flush)(void *user), void *user)
{
    c->flush = flush;
    c->flush_user = user;
}

/* The Service that has 'addr' and by which door. */
static const char *
service_of_addr(const Cluster *c, IpAddr addr, const Service **ret_service)
{
    size_t n;
    const ApiObject *const *objects = store_list(c->input->store, KIND_SERVICE, &n);
    char text[IPADDR_STR_SIZE];

    ipaddr_format(addr, text);
    for (size_t i = 0; i < n; i++) {
        const Service *s = (const Service *)objects[i];
        *ret_service = s;
        for (uint32_t j = 0; j < s->n_cluster_ips; j++)
            if (g_strcmp0(s->cluster_ips[j], text) == 0)
                return "clusterIP";
        for (uint32_t j = 0; j < s->n_ingress; j++)
            if (g_strcmp0(s->ingress[j].ip, text) == 0)
                return "load balancer IP";
        for (uint32_t j = 0; j < s->n_external_ips; j++)
            if (g_strcmp0(s->external_ips[j], text) == 0)
                return "external IP";
    }
    return NULL;
}

const char *
cluster_name_addr(const Cluster *c, IpAddr addr, char *buf, size_t size)
{
    const HostOwner *owner = g_hash_table_lookup(c->by_addr, &addr);
    const Service *service;
    const char *door;

    if (owner) {
        switch (owner->kind) {
        case OWNER_NODE:
            g_snprintf(buf, size, "node %s", owner->node->name);
            return buf;
        case OWNER_POD:
            g_snprintf(buf, size, "pod %s/%s", owner->pod->ns, owner->pod->name);
            return buf;
        case OWNER_CLIENT:
            g_snprintf(buf, size, "client %s", owner->client->name);
            return buf;
        case OWNER_OUTSIDE:
            break;
        }
    }
    door = service_of_addr(c, addr, &service);
    if (!door)
        return NULL;
    g_snprintf(buf, size, "Service %s/%s %s", service->meta.ns, service->meta.name, door);
    return buf;
}

void
cluster_resolv_conf(const Cluster *c, const Host *host, ResolvConf *ret_conf)
{
    const Service *dns = (const Service *)store_get(c->input->store, KIND_SERVICE, "kube-system", "kube-dns");
    const ClusterPod *pod = cluster_pod_of_host(c, host);
    Strings *strings = store_strings(c->input->store);

    *ret_conf = (ResolvConf){.ndots = 1, .timeout = 5 * SIMTIME_SEC, .attempts = 2, .want_aaaa = true};
    for (uint32_t i = 0; dns && i < dns->n_cluster_ips && ret_conf->n_servers < 3; i++)
        if (ipaddr_parse_sloppy(dns->cluster_ips[i], &ret_conf->servers[ret_conf->n_servers]))
            ret_conf->n_servers++;
    if (pod) {
        g_autofree char *domain = g_strdup_printf("%s.svc.cluster.local", pod->ns);
        ret_conf->search[0] = strings_add(strings, domain);
        ret_conf->search[1] = "svc.cluster.local";
        ret_conf->search[2] = "cluster.local";
        ret_conf->n_search = 3;
        ret_conf->ndots = 5;
    }
}
