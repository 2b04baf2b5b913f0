/* Pods of a Cluster, and the making of those that wait
 *
 * At the start of a run pods are declared only: a name, addresses, the index and the name of their node's port.  Those
 * that follow from slices have not even a ClusterPod until somebody asks for it (dormant_pods.h).  The
 * namespace, its veth and routes and the processes in it are made when somebody looks for one of the addresses (the
 * node's routes and bridge say so: HostLatentOps) or asks for the host, so that pods nobody calls cost little.  What is
 * made does not depend on when: everything that shows is fixed at the declaration.  Pods that do something by
 * themselves, and those whose making depends on others, are made at once. */

#include "model/network/cluster_private.h"
#include "model/network/node_host.h"

#include <string.h>

static void make_pod(PodRecord *record);
static PodRecord *wake(Cluster *c, uint32_t number);

static gint
compare_pods(gconstpointer a, gconstpointer b)
{
    const ClusterPod *x = *(const ClusterPod *const *)a, *y = *(const ClusterPod *const *)b;
    int order = strcmp(x->ns, y->ns);

    return order ? order : strcmp(x->name, y->name);
}

void
pods_sort(Cluster *c)
{
    if (!c->pods_sorted)
        g_ptr_array_sort(c->pods, compare_pods);
    c->pods_sorted = true;
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
wake_node(ClusterNode *node)
{
    Cluster *c = node->cluster;

    for (uint32_t i; (i = dormant_pods_of_node(c->dormant, node)) != DORMANT_NONE;)
        wake(c, i);
}

static void
make_all(void *user)
{
    ClusterNode *node = user;

    wake_node(node);
    while (node->latent)
        make_pod((PodRecord *)node->latent);
}

static bool
any_in(const IpPrefix *cidr, const IpAddr *ips, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (ipprefix_contains(cidr, ips[i]))
            return true;
    return false;
}

/* Where pods are routed to, each of their ports has the gateway's address: the first of them stands for it. */
static void
make_gateway(ClusterNode *node, uint32_t cidr)
{
    Cluster *c = node->cluster;
    PodRecord *first = NULL;
    uint32_t dormant = DORMANT_NONE;
    PodOutline outline;

    if (cidr < 32 && node->gateways >> cidr & 1)
        return;
    for (PodRecord *record = (PodRecord *)node->latent; record; record = record->next)
        if (any_in(&node->cidrs[cidr], record->pod.ips, record->pod.n_ips) && (!first || record->port < first->port))
            first = record;
    for (uint32_t i = dormant_pods_of_node(c->dormant, node); i != DORMANT_NONE; i = dormant_pods_next(c->dormant, i)) {
        dormant_pods_outline(c->dormant, i, &outline);
        if (any_in(&node->cidrs[cidr], outline.ips, outline.n_ips))
            dormant = i;
    }
    if (cidr < 32)
        node->gateways |= UINT32_C(1) << cidr;
    if (dormant != DORMANT_NONE && (!first || dormant_pods_port(c->dormant, dormant) < first->port))
        first = wake(c, dormant);
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
    owner = cluster_owner(node->cluster, addr);
    if (owner && owner->kind == OWNER_POD && ((PodRecord *)owner->pod)->latent && owner->pod->node == node)
        make_pod((PodRecord *)owner->pod);
}

static const HostLatentOps latent_ops = {.addr = make_by_addr, .all = make_all};

/* Its node has one more that waits. */
static uint32_t
latent_declare(ClusterNode *node, IpAddr addr)
{
    if (!node->latent && !node->n_dormant)
        host_set_latent(node->host, &latent_ops, node);
    keep_port(node, addr, true);
    return netdev_reserve(node->host);
}

static void
latent_add(PodRecord *record, uint32_t port)
{
    ClusterNode *node = record->pod.node;

    record->port = port;
    record->latent = true;
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
    if (!node->latent && !node->n_dormant)
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
        if (!in_cidrs(pod->node, pod->ips[i]) || cluster_owner(c, pod->ips[i]))
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

/* False: it cannot be.  The name is borrowed. */
static bool
draft(Cluster *c, const PodOutline *outline, ClusterPod *ret_pod)
{
    ClusterNode *node = outline->node_name ? cluster_node(c, outline->node_name) : NULL;
    bool host_network = outline->object && outline->object->spec.host_network;

    if (!node || (outline->n_ips == 0 && !host_network))
        return false;
    *ret_pod = (ClusterPod){.cluster = c, .ns = outline->ns, .name = outline->name, .node = node};
    ret_pod->host_network = host_network;
    ret_pod->n_ips = host_network ? node->n_ips : outline->n_ips;
    memcpy(ret_pod->ips, host_network ? node->ips : outline->ips, sizeof ret_pod->ips);
    return true;
}

/* In its lists. */
static PodRecord *
record_new(Cluster *c, const ClusterPod *pod)
{
    PodRecord *record = g_new0(PodRecord, 1);
    PodName name;

    record->pod = *pod;
    record->pod.name = strings_add(store_strings(c->input->store), pod->name);
    record->owner = (HostOwner){.kind = OWNER_POD, .pod = &record->pod};
    name = (PodName){record->pod.ns, record->pod.name};
    *(ClusterPod **)htable_insert(&c->pod_names, &name, NULL) = &record->pod;
    if (c->pods->len > 0) {
        const ClusterPod *last = c->pods->pdata[c->pods->len - 1], *own = &record->pod;
        c->pods_sorted = c->pods_sorted && compare_pods(&last, &own) < 0;
    }
    g_ptr_array_add(c->pods, record);
    for (uint32_t i = 0; !pod->host_network && i < pod->n_ips; i++)
        g_hash_table_replace(c->by_addr, &record->pod.ips[i], &record->owner);
    return record;
}

/* A dormant pod becomes one that waits. */
static PodRecord *
wake(Cluster *c, uint32_t number)
{
    uint32_t port = dormant_pods_port(c->dormant, number);
    PodOutline outline;
    PodRecord *record;
    ClusterPod pod;

    dormant_pods_outline(c->dormant, number, &outline);
    if (!draft(c, &outline, &pod))
        g_assert_not_reached(); /* It could be when it was declared. */
    dormant_pods_take(c->dormant, number, pod.node);
    record = record_new(c, &pod);
    record->plan = dormant_pods_plan(c->dormant, number);
    latent_add(record, port);
    return record;
}

/* Pods that share an address are all made: the routes of those made later count. */
static void
make_namesakes(Cluster *c, const ClusterPod *pod)
{
    for (uint32_t i = 0; !pod->host_network && i < pod->n_ips; i++) {
        const HostOwner *owner = cluster_owner(c, pod->ips[i]);
        if (owner && owner->kind == OWNER_POD)
            cluster_pod_host(owner->pod);
    }
}

static ClusterPod *
add(Cluster *c, const ClusterPod *pod)
{
    PodRecord *record;

    make_namesakes(c, pod);
    record = record_new(c, pod);
    if (pod->host_network)
        record->pod.made_host = pod->node->host;
    else
        make_host(record);
    return &record->pod;
}

ClusterPod *
cluster_pod_add(Cluster *c, const Pod *object)
{
    PodOutline outline;
    ClusterPod pod;

    pod_outline(object, &outline);
    return draft(c, &outline, &pod) ? add(c, &pod) : NULL;
}

static void
declare(Cluster *c, const PodOutline *outline, const ClusterPod *pod)
{
    const ApplicationSpec *application =
        c->options.no_apps ? NULL : pod_application(c->input, outline->ns, outline->labels);
    const PodPlan *plan = NULL;
    PodRecord *record;
    uint32_t port;

    if (!can_wait(c, pod, outline->labels, application)) {
        add(c, pod);
        return;
    }
    if (!c->options.no_apps)
        plan = pod_plans_keep(c->plans, pod_plan_new(pod, outline->object, application, c->slices));
    port = latent_declare(pod->node, pod->ips[0]);
    if (!outline->object) {
        dormant_pods_add(c->dormant, outline, pod->node, port, plan);
        return;
    }
    record = record_new(c, pod);
    record->plan = plan;
    latent_add(record, port);
}

void
pods_declare(Cluster *c)
{
    PodCursor cursor = {0};
    ClusterPod pod;

    c->dormant = dormant_pods_new(store_implied(c->input->store));
    for (const PodOutline *outline; (outline = store_next_pod(c->input->store, &cursor));) {
        const Pod *object = outline->object;
        bool over = object && (object->phase == POD_SUCCEEDED || object->phase == POD_FAILED);
        if (!over && draft(c, outline, &pod))
            declare(c, outline, &pod);
    }
}

void
pods_start(Cluster *c)
{
    pods_sort(c);
    for (guint i = 0; i < c->pods->len; i++) {
        PodRecord *record = c->pods->pdata[i];
        if (!record->latent && !record->pod.made_runtime)
            record->pod.made_runtime = pod_runtime_start(&record->pod);
    }
}

static void
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
pods_free(Cluster *c)
{
    for (guint i = 0; i < c->nodes->len; i++) {
        ClusterNode *node = c->nodes->pdata[i];
        if (node->n_dormant && !node->latent)
            host_set_latent(node->host, NULL, NULL);
        node->n_dormant = 0;
    }
    dormant_pods_free(c->dormant);
    c->dormant = NULL;
    for (guint i = c->pods->len; i-- > 0;)
        pod_free(c->pods->pdata[i]);
    g_ptr_array_unref(c->pods);
    htable_clear(&c->pod_names);
}

void
cluster_pod_remove(Cluster *c, ClusterPod *pod)
{
    PodName name = {pod->ns, pod->name};

    htable_remove(&c->pod_names, &name);
    g_ptr_array_remove(c->pods, pod);
    pod_free(pod);
}

/* --- Finding -------------------------------------------------------------------------------------------------------
 */

ClusterPod *
cluster_pod(const Cluster *c, const char *ns, const char *name)
{
    const Strings *strings = store_strings(c->input->store);
    PodName key = {strings_find(strings, ns), strings_find(strings, name)};
    ClusterPod **known = key.ns && key.name ? htable_find(&c->pod_names, &key) : NULL;
    uint32_t dormant = known || !c->dormant ? DORMANT_NONE : dormant_pods_by_name(c->dormant, ns, name);

    if (dormant != DORMANT_NONE)
        return &wake((Cluster *)c, dormant)->pod;
    return known ? *known : NULL;
}

/* To the outside nothing changes when a pod gets its ClusterPod. */
ClusterPod *const *
cluster_pods(const Cluster *cluster, size_t *ret_n)
{
    Cluster *c = (Cluster *)cluster;

    for (uint32_t i = 0; c->dormant && (i = dormant_pods_any(c->dormant, i)) != DORMANT_NONE; i++)
        wake(c, i);
    pods_sort(c);
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

const HostOwner *
cluster_owner(const Cluster *c, IpAddr addr)
{
    const HostOwner *owner = g_hash_table_lookup(c->by_addr, &addr);
    uint32_t dormant = owner || !c->dormant ? DORMANT_NONE : dormant_pods_by_addr(c->dormant, addr);

    return dormant == DORMANT_NONE ? owner : &wake((Cluster *)c, dormant)->owner;
}

ClusterPod *
cluster_pod_by_ip(const Cluster *c, IpAddr addr)
{
    const HostOwner *owner = cluster_owner(c, addr);

    return owner && owner->kind == OWNER_POD ? owner->pod : NULL;
}
