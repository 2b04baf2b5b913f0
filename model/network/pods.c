/* Pods of a Cluster, and the making of those that wait
 *
 * At the start of a run pods are declared only: a name, addresses, the index and the name of their node's port.  The
 * namespace, its veth and routes and the processes in it are made when somebody looks for one of the addresses (the
 * node's routes and bridge say so: HostLatentOps) or asks for the host, so that pods nobody calls cost little.  What is
 * made does not depend on when: everything that shows is fixed at the declaration.  Pods that do something by
 * themselves, and those whose making depends on others, are made at once. */

#include "model/network/cluster_private.h"
#include "model/network/node_host.h"

#include <string.h>

static void make_pod(PodRecord *record);

static int
compare_names(const ClusterPod *pod, const char *ns, const char *name)
{
    int order = strcmp(pod->ns, ns);

    return order ? order : strcmp(pod->name, name);
}

/* Where it stands or would stand. */
static guint
find_place(const Cluster *c, const char *ns, const char *name, bool *ret_found)
{
    guint low = 0, high = c->pods->len;

    *ret_found = false;
    /* The start of a run adds them in order. */
    if (high > 0 && compare_names(c->pods->pdata[high - 1], ns, name) < 0)
        return high;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        int order = compare_names(c->pods->pdata[middle], ns, name);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- Waiting -------------------------------------------------------------------------------------------------------
 */

bool
node_port_is_kept(const ClusterNode *node, IpAddr addr)
{
    return node->latent_octets[addr.b[15] / 32] >> addr.b[15] % 32 & 1;
}

static void
keep_port(ClusterNode *node, IpAddr addr, bool kept)
{
    uint32_t *word = &node->latent_octets[addr.b[15] / 32], bit = UINT32_C(1) << addr.b[15] % 32;

    *word = kept ? *word | bit : *word & ~bit;
}

static void
make_all(void *user)
{
    ClusterNode *node = user;

    while (node->latent)
        make_pod((PodRecord *)node->latent);
}

/* Where pods are routed to, each of their ports has the gateway's address: the first of them stands for it. */
static void
make_gateway(ClusterNode *node, uint32_t cidr)
{
    PodRecord *first = NULL;

    if (cidr < 32 && node->gateways >> cidr & 1)
        return;
    for (PodRecord *record = (PodRecord *)node->latent; record; record = record->next)
        for (uint32_t i = 0; i < record->pod.n_ips; i++)
            if (ipprefix_contains(&node->cidrs[cidr], record->pod.ips[i]))
                first = record;
    if (cidr < 32)
        node->gateways |= UINT32_C(1) << cidr;
    if (first)
        make_pod(first);
}

static void
make_by_addr(void *user, IpAddr addr)
{
    ClusterNode *node = user;
    const HostOwner *owner;
    uint32_t i;

    for (i = 0; i < node->n_cidrs && !ipprefix_contains(&node->cidrs[i], addr); i++)
        ;
    if (i == node->n_cidrs)
        return;
    if (!node->cni0 && ipaddr_eq(addr, pod_cidr_gateway(node->cidrs[i]))) {
        make_gateway(node, i);
        return;
    }
    owner = g_hash_table_lookup(node->cluster->by_addr, &addr);
    if (owner && owner->kind == OWNER_POD && ((PodRecord *)owner->pod)->latent && owner->pod->node == node)
        make_pod((PodRecord *)owner->pod);
}

static const HostLatentOps latent_ops = {.addr = make_by_addr, .all = make_all};

static void
latent_add(PodRecord *record)
{
    ClusterNode *node = record->pod.node;

    record->port = netdev_reserve(node->host);
    record->latent = true;
    if (!node->latent)
        host_set_latent(node->host, &latent_ops, node);
    keep_port(node, record->pod.ips[0], true);
    record->next = (PodRecord *)node->latent;
    if (record->next)
        record->next->prev = record;
    node->latent = &record->pod;
}

static void
latent_remove(PodRecord *record)
{
    ClusterNode *node = record->pod.node;

    if (record->prev)
        record->prev->next = record->next;
    else
        node->latent = (ClusterPod *)record->next;
    if (record->next)
        record->next->prev = record->prev;
    record->prev = record->next = NULL;
    record->latent = false;
    keep_port(node, record->pod.ips[0], false);
    if (!node->latent)
        host_set_latent(node->host, NULL, NULL);
}

static bool
in_cidrs(const ClusterNode *node, IpAddr addr)
{
    for (uint32_t i = 0; i < node->n_cidrs; i++)
        if (ipprefix_contains(&node->cidrs[i], addr))
            return true;
    return false;
}

/* Nobody can tell when it is made. */
static bool
can_wait(Cluster *c, const ClusterPod *pod, const Labels *labels, const ApplicationSpec *application)
{
    char port[8];

    g_snprintf(port, sizeof port, "v%up", pod->ips[0].b[15]);
    if (pod->host_network || (application && application->fail_at != SIMTIME_NEVER) || pod_is_dns(labels))
        return false;
    /* Its port would need another name; its address would have to be routed; it is not alone in having it. */
    if (node_port_is_kept(pod->node, pod->ips[0]) || host_dev(pod->node->host, port))
        return false;
    for (uint32_t i = 0; i < pod->n_ips; i++)
        if (!in_cidrs(pod->node, pod->ips[i]) || g_hash_table_contains(c->by_addr, &pod->ips[i]))
            return false;
    return true;
}

/* --- Making --------------------------------------------------------------------------------------------------------
 */

static void
make_host(PodRecord *record)
{
    ClusterPod *pod = &record->pod;
    Cluster *c = pod->cluster;
    g_autofree char *name = strcmp(pod->ns, "default") == 0 ? g_strdup_printf("pod/%s", pod->name)
                                                            : g_strdup_printf("pod/%s/%s", pod->ns, pod->name);

    pod->made_host = host_new(c->sim, name);
    host_set_user(pod->made_host, &record->owner);
    topology_attach_pod(c, pod, record->port);
}

/* One that has waited. */
static void
make_pod(PodRecord *record)
{
    latent_remove(record);
    make_host(record);
    if (record->plan)
        record->pod.made_runtime = pod_runtime_new(&record->pod, record->plan);
}

Host *
cluster_pod_host(ClusterPod *pod)
{
    PodRecord *record = (PodRecord *)pod;

    if (record->latent)
        make_pod(record);
    return pod->made_host;
}

PodRuntime *
cluster_pod_runtime(ClusterPod *pod)
{
    cluster_pod_host(pod);
    return pod->made_runtime;
}

const ApplicationSpec *
cluster_pod_application(const ClusterPod *pod)
{
    const PodRecord *record = (const PodRecord *)pod;

    if (pod->made_runtime)
        return pod_runtime_spec(pod->made_runtime);
    return record->latent && record->plan ? record->plan->spec : NULL;
}

/* NULL: it cannot be. */
static PodRecord *
record_new(Cluster *c, const PodOutline *outline)
{
    ClusterNode *node = outline->node_name ? cluster_node(c, outline->node_name) : NULL;
    bool host_network = outline->object && outline->object->spec.host_network;
    PodRecord *record;
    ClusterPod *pod;

    if (!node || (outline->n_ips == 0 && !host_network))
        return NULL;
    record = g_new0(PodRecord, 1);
    pod = &record->pod;
    record->owner = (HostOwner){.kind = OWNER_POD, .pod = pod};
    pod->cluster = c;
    pod->ns = outline->ns;
    pod->name = strings_add(store_strings(c->input->store), outline->name);
    pod->node = node;
    pod->host_network = host_network;
    pod->n_ips = host_network ? node->n_ips : outline->n_ips;
    memcpy(pod->ips, host_network ? node->ips : outline->ips, sizeof pod->ips);
    return record;
}

static void
enter(Cluster *c, ClusterPod *pod)
{
    bool found;
    guint at = find_place(c, pod->ns, pod->name, &found);

    g_ptr_array_insert(c->pods, (gint)at, pod);
    for (uint32_t i = 0; !pod->host_network && i < pod->n_ips; i++)
        g_hash_table_replace(c->by_addr, &pod->ips[i], &((PodRecord *)pod)->owner);
}

/* Pods that share an address are all made: the routes of those made later count. */
static void
make_namesakes(Cluster *c, const ClusterPod *pod)
{
    for (uint32_t i = 0; !pod->host_network && i < pod->n_ips; i++) {
        const HostOwner *owner = g_hash_table_lookup(c->by_addr, &pod->ips[i]);
        if (owner && owner->kind == OWNER_POD)
            cluster_pod_host(owner->pod);
    }
}

static ClusterPod *
add(Cluster *c, const PodOutline *outline)
{
    PodRecord *record = record_new(c, outline);

    if (!record)
        return NULL;
    make_namesakes(c, &record->pod);
    if (record->pod.host_network)
        record->pod.made_host = record->pod.node->host;
    else
        make_host(record);
    enter(c, &record->pod);
    return &record->pod;
}

ClusterPod *
cluster_pod_add(Cluster *c, const Pod *object)
{
    PodOutline outline;

    pod_outline(object, &outline);
    return add(c, &outline);
}

void
pods_declare(Cluster *c)
{
    PodCursor cursor = {0};

    for (const PodOutline *outline; (outline = store_next_pod(c->input->store, &cursor));) {
        const Pod *object = outline->object;
        bool over = object && (object->phase == POD_SUCCEEDED || object->phase == POD_FAILED);
        PodRecord *record = over ? NULL : record_new(c, outline);
        const ApplicationSpec *application;
        if (!record)
            continue;
        application = c->options.no_apps ? NULL : pod_application(c->input, outline->ns, outline->labels);
        if (!can_wait(c, &record->pod, outline->labels, application)) {
            g_free(record);
            add(c, outline);
            continue;
        }
        if (!c->options.no_apps)
            record->plan = pod_plans_keep(c->plans, pod_plan_new(&record->pod, object, application, c->slices));
        latent_add(record);
        enter(c, &record->pod);
    }
}

void
pods_start(Cluster *c)
{
    for (guint i = 0; i < c->pods->len; i++) {
        PodRecord *record = c->pods->pdata[i];
        if (!record->latent && !record->pod.made_runtime)
            record->pod.made_runtime = pod_runtime_start(&record->pod);
    }
}

void
pod_free(ClusterPod *pod)
{
    PodRecord *record = (PodRecord *)pod;
    Cluster *c = pod->cluster;

    if (pod->made_runtime)
        pod_runtime_kill(pod->made_runtime);
    pod->made_runtime = NULL;
    if (record->latent)
        latent_remove(record);
    pod->node->gateways = 0;
    for (uint32_t i = 0; !pod->host_network && i < pod->n_ips; i++)
        if (g_hash_table_lookup(c->by_addr, &pod->ips[i]) == &record->owner)
            g_hash_table_remove(c->by_addr, &pod->ips[i]);
    if (pod->made_host && !pod->host_network) {
        topology_detach_pod(c, pod);
        host_free(pod->made_host);
    }
    g_free(record);
}

void
cluster_pod_remove(Cluster *c, ClusterPod *pod)
{
    g_ptr_array_remove(c->pods, pod);
    pod_free(pod);
}

/* --- Finding -------------------------------------------------------------------------------------------------------
 */

ClusterPod *
cluster_pod(const Cluster *c, const char *ns, const char *name)
{
    bool found;
    guint at = find_place(c, ns, name, &found);

    return found ? c->pods->pdata[at] : NULL;
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

ClusterPod *
cluster_pod_by_ip(const Cluster *c, IpAddr addr)
{
    const HostOwner *owner = g_hash_table_lookup(c->by_addr, &addr);

    return owner && owner->kind == OWNER_POD ? owner->pod : NULL;
}
