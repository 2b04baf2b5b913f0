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

static void
read_cidrs(ClusterNode *node, const KubeNode *object)
{
    node->cidrs = g_new(IpPrefix, object->n_pod_cidrs);
    for (uint32_t i = 0; i < object->n_pod_cidrs; i++)
        if (ipprefix_parse(object->pod_cidrs[i], &node->cidrs[node->n_cidrs]))
            node->n_cidrs++;
}

static void
node_free(gpointer data)
{
    ClusterNode *node = data;

    g_free(node->cidrs);
    g_free(node);
}

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
    read_cidrs(node, object);
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

/* --- The whole
 * -------------------------------------------------------------------------------------------------------- */

Cluster *
cluster_new(Input *input, const ClusterOptions *options)
{
    Cluster *c = g_new0(Cluster, 1);

    c->input = input;
    c->options = *options;
    c->sim = sim_new(options->seed);
    c->nodes = g_ptr_array_new_with_free_func(node_free);
    c->pods = g_ptr_array_new();
    c->pods_sorted = true;
    htable_init(&c->pod_names, sizeof(PodName), sizeof(ClusterPod *));
    c->clients = g_ptr_array_new();
    c->outside = g_ptr_array_new();
    c->hosts = g_ptr_array_new();
    c->node_names = g_hash_table_new(g_str_hash, g_str_equal);
    c->by_addr = g_hash_table_new(addr_hash, addr_equal);
    c->slices = slice_index_new(input->store);
    c->plans = pod_plans_new();
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
        pods_declare(c);
    if (!outside_build_clients(c)) {
        cluster_free(c);
        return NULL;
    }
    outside_build_proxy_ingress(c);
    c->proxies = proxy_fleet_new(c);
    if (!options->no_apps && !options->no_pods)
        pods_start(c);
    slice_index_forget(c->slices);
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
    c->ending = true;
    pods_free(c);
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
    g_ptr_array_unref(c->clients);
    g_ptr_array_unref(c->outside);
    g_ptr_array_unref(c->hosts);
    g_hash_table_unref(c->node_names);
    g_hash_table_unref(c->by_addr);
    slice_index_free(c->slices);
    pod_plans_free(c->plans);
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

ClusterNode *
cluster_node_of_host(const Cluster *c, const Host *host)
{
    const HostOwner *owner = host_user(host);

    (void)c;
    return owner && owner->kind == OWNER_NODE ? owner->node : NULL;
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
cluster_hosts_made(Cluster *c, size_t *ret_n)
{
    g_ptr_array_set_size(c->hosts, 0);
    pods_sort(c);
    for (guint i = 0; i < c->nodes->len; i++)
        g_ptr_array_add(c->hosts, ((ClusterNode *)c->nodes->pdata[i])->host);
    for (guint i = 0; i < c->pods->len; i++) {
        ClusterPod *pod = c->pods->pdata[i];
        if (pod->made_host && !pod->host_network)
            g_ptr_array_add(c->hosts, pod->made_host);
    }
    for (guint i = 0; i < c->clients->len; i++)
        g_ptr_array_add(c->hosts, ((ClusterClient *)c->clients->pdata[i])->host);
    g_ptr_array_add(c->hosts, c->router);
    for (guint i = 0; i < c->outside->len; i++)
        g_ptr_array_add(c->hosts, c->outside->pdata[i]);
    *ret_n = c->hosts->len;
    return (Host *const *)c->hosts->pdata;
}

Host *const *
cluster_hosts(Cluster *c, size_t *ret_n)
{
    size_t n;
    ClusterPod *const *pods = cluster_pods(c, &n);

    for (size_t i = 0; i < n; i++)
        cluster_pod_host(pods[i]);
    return cluster_hosts_made(c, ret_n);
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
    Host *const *hosts = cluster_hosts_made(c, &n);

    for (size_t i = 0; i < n; i++) {
        NfStack *nf = host_netfilter_peek(hosts[i]);
        if (!nf)
            continue;
        if (nf_stack_conntrack(nf))
            conntrack_delete(nf_stack_conntrack(nf), any_conn, NULL);
        nf_state_forget(nf_stack_state(nf));
    }
    if (c->listener.flush)
        c->listener.flush(c->listener.user);
}

void
cluster_hold(Cluster *c, bool hold)
{
    if (c->listener.hold)
        c->listener.hold(c->listener.user, hold);
}

void
cluster_set_listener(Cluster *c, const ClusterListener *listener)
{
    c->listener = listener ? *listener : (ClusterListener){0};
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
    const HostOwner *owner = cluster_owner(c, addr);
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
