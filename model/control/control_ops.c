/* What users do: apply, patch, delete, scale, roll out, cordon, drain, and power cuts */

#include <string.h>

#include "model/control/controllers_private.h"
#include "model/control/fill_private.h"
#include "model/control/slice_make.h"

static const ApiObject *find(Controllers *c, ApiKind kind, const char *ns, const char *name, char **ret_error);
static bool store_service(Controllers *c, const Service *old, Service *service, char **ret_error);
static void keep_status(const ApiObject *old, ApiObject *object);
static void cascade(Controllers *c, ApiKind kind, const char *ns, const char *name);
static void delete_service(Controllers *c, const Service *service);
static bool set_unschedulable(Controllers *c, const char *name, bool on, char **ret_error);
static ClusterNode *find_node(Controllers *c, const char *name, char **ret_error);

bool
control_apply(Controllers *c, ApiObject *object, char **ret_error)
{
    const ApiObject *old = store_get(c->store, object->kind, object->ns, object->name);

    if (object->kind == KIND_NODE && !old) {
        *ret_error = g_strdup("nodes cannot join a running simulation: give them in the input");
        api_unref(object);
        return false;
    }
    object->from_input = true;
    object->created_ns = old ? old->created_ns : c->sim->now;
    if (object->kind == KIND_SERVICE)
        return store_service(c, (const Service *)old, (Service *)object, ret_error);
    if (old)
        keep_status(old, object);
    store_put(c->store, object);
    return true;
}

bool
control_patch(Controllers *c, ApiKind kind, const char *ns, const char *name, const DocNode *patch, char **ret_error)
{
    const ApiObject *old = find(c, kind, ns, name, ret_error);
    ApiObject *object;

    if (!old)
        return false;
    object = api_patch(c->input->diags, c->strings, old, patch);
    if (!object) {
        *ret_error = g_strdup_printf("the patch does not fit %s %s", api_kind_info(kind)->name, name);
        return false;
    }
    if (kind == KIND_SERVICE)
        return store_service(c, (const Service *)old, (Service *)object, ret_error);
    store_put(c->store, object);
    return true;
}

bool
control_delete(Controllers *c, ApiKind kind, const char *ns, const char *name, char **ret_error)
{
    const ApiObject *object = find(c, kind, ns, name, ret_error);

    if (!object)
        return false;
    switch (kind) {
    case KIND_POD:
        pod_delete(c, (const Pod *)object, "deleted");
        return true;
    case KIND_SERVICE:
        delete_service(c, (const Service *)object);
        return true;
    case KIND_NODE:
        *ret_error = g_strdup("nodes cannot leave a running simulation: drain or fail them");
        return false;
    case KIND_DEPLOYMENT:
    case KIND_REPLICASET:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET:
        ns = object->ns;
        name = object->name;
        store_remove(c->store, kind, ns, name);
        cascade(c, kind, ns, name);
        return true;
    case KIND_NAMESPACE:
    case KIND_ENDPOINTS:
    case KIND_ENDPOINTSLICE:
    case KIND_BUDGET:
    case API_N_KINDS:
        break;
    }
    store_remove(c->store, kind, ns, name);
    return true;
}

bool
control_scale(Controllers *c, ApiKind kind, const char *ns, const char *name, int32_t replicas, char **ret_error)
{
    const ApiObject *old = find(c, kind, ns, name, ret_error);

    if (!old)
        return false;
    if (kind != KIND_DEPLOYMENT && kind != KIND_REPLICASET && kind != KIND_STATEFULSET) {
        *ret_error = g_strdup_printf("%s cannot be scaled", api_kind_info(kind)->name);
        return false;
    }
    Workload *copy = (Workload *)api_copy(old);
    copy->replicas = replicas;
    store_put(c->store, &copy->meta);
    return true;
}

/* kubectl rollout restart: an annotation makes the template another one. */
bool
control_rollout(Controllers *c, ApiKind kind, const char *ns, const char *name, char **ret_error)
{
    const ApiObject *old = find(c, kind, ns, name, ret_error);
    char text[SIMTIME_STR_SIZE];

    if (!old)
        return false;
    if (kind != KIND_DEPLOYMENT && kind != KIND_STATEFULSET && kind != KIND_DAEMONSET) {
        *ret_error = g_strdup_printf("%s has no rollouts", api_kind_info(kind)->name);
        return false;
    }
    Workload *copy = (Workload *)api_copy(old);
    const char *when = strings_add(c->strings, simtime_format(c->sim->now, text));
    labels_set(&copy->template_annotations, strings_add(c->strings, "kubectl.kubernetes.io/restartedAt"), when);
    copy->template_hash = rng_mix(copy->template_hash, rng_hash_str(1, when));
    store_put(c->store, &copy->meta);
    return true;
}

bool
control_cordon(Controllers *c, const char *node, bool on, char **ret_error)
{
    return set_unschedulable(c, node, on, ret_error);
}

bool
control_drain(Controllers *c, const char *name, char **ret_error)
{
    if (!set_unschedulable(c, name, true, ret_error))
        return false;
    drain_node(c, name);
    return true;
}

bool
control_fail_node(Controllers *c, const char *name, char **ret_error)
{
    ClusterNode *node = find_node(c, name, ret_error);

    if (!node)
        return false;
    if (node->failed) {
        *ret_error = g_strdup_printf("node %s has failed already", name);
        return false;
    }
    node_life_fail(c->nodes, node);
    return true;
}

bool
control_recover_node(Controllers *c, const char *name, char **ret_error)
{
    ClusterNode *node = find_node(c, name, ret_error);

    if (!node)
        return false;
    if (!node->failed) {
        *ret_error = g_strdup_printf("node %s has not failed", name);
        return false;
    }
    node_life_recover(c->nodes, node);
    return true;
}

static const ApiObject *
find(Controllers *c, ApiKind kind, const char *ns, const char *name, char **ret_error)
{
    const ApiObject *object = store_get(c->store, kind, api_kind_info(kind)->namespaced ? ns : "", name);

    if (!object)
        *ret_error = g_strdup_printf("no %s \"%s\"", api_kind_info(kind)->name, name);
    return object;
}

static ClusterNode *
find_node(Controllers *c, const char *name, char **ret_error)
{
    ClusterNode *node = cluster_node(c->cluster, name);

    if (!node)
        *ret_error = g_strdup_printf("no node \"%s\"", name);
    return node;
}

/* An update that leaves allocated values out keeps them, as the API server does. */
static void
keep_allocations(const Service *old, Service *service)
{
    if (service->n_cluster_ips == 0 && service->type != SERVICE_EXTERNALNAME && old->n_cluster_ips) {
        g_free(service->cluster_ips);
        service->cluster_ips = g_memdup2(old->cluster_ips, old->n_cluster_ips * sizeof *old->cluster_ips);
        service->n_cluster_ips = old->n_cluster_ips;
        memcpy(service->ip_families, old->ip_families, sizeof old->ip_families);
        service->n_ip_families = old->n_ip_families;
    }
    bool ports = service->type == SERVICE_NODEPORT || service->type == SERVICE_LOADBALANCER;
    for (uint32_t i = 0; i < service->n_ports; i++) {
        for (uint32_t k = 0; ports && !service->ports[i].node_port && k < old->n_ports; k++)
            if (old->ports[k].port == service->ports[i].port && old->ports[k].proto == service->ports[i].proto)
                service->ports[i].node_port = old->ports[k].node_port;
        if (!ports && old->type != service->type)
            service->ports[i].node_port = 0;
    }
    bool health = service->type == SERVICE_LOADBALANCER && service->external_policy == POLICY_LOCAL;
    if (health && !service->health_check_node_port)
        service->health_check_node_port = old->health_check_node_port;
    else if (!health && old->type == SERVICE_LOADBALANCER && old->external_policy == POLICY_LOCAL)
        service->health_check_node_port = 0;
    if (!service->n_ingress && old->n_ingress && service->type == SERVICE_LOADBALANCER) {
        service->ingress = g_memdup2(old->ingress, old->n_ingress * sizeof *old->ingress);
        service->n_ingress = old->n_ingress;
    }
}

static bool
store_service(Controllers *c, const Service *old, Service *service, char **ret_error)
{
    if (old) {
        keep_allocations(old, service);
        alloc_release_service(c->alloc, old);
    }
    alloc_take_service(c->alloc, service);
    if (!service_complete(c->alloc, &c->input->cluster, c->strings, service, ret_error)) {
        alloc_release_service(c->alloc, service);
        if (old)
            alloc_take_service(c->alloc, old);
        api_unref(&service->meta);
        return false;
    }
    store_put(c->store, &service->meta);
    return true;
}

/* Applying a manifest again does not touch what the cluster says of the object. */
static void
keep_status(const ApiObject *old, ApiObject *object)
{
    object->deletion_ns = old->deletion_ns;
    if (object->kind == KIND_POD) {
        const Pod *was = (const Pod *)old;
        Pod *pod = (Pod *)object;
        if (!pod->meta.owner) {
            pod->meta.owner = was->meta.owner;
            pod->meta.owner_kind = was->meta.owner_kind;
        }
        if (!pod->spec.node_name)
            pod->spec.node_name = was->spec.node_name;
        if (pod->n_ips == 0) {
            pod->phase = was->phase;
            pod->ready = was->ready;
            pod->n_ips = was->n_ips;
            memcpy(pod->ips, was->ips, sizeof was->ips);
            pod->host_ip = was->host_ip;
        }
    } else if (object->kind == KIND_NODE) {
        const KubeNode *was = (const KubeNode *)old;
        KubeNode *node = (KubeNode *)object;
        if (node->n_internal_ips == 0) {
            node->n_internal_ips = was->n_internal_ips;
            memcpy(node->internal_ips, was->internal_ips, sizeof was->internal_ips);
            node->ready = was->ready;
        }
        if (node->n_pod_cidrs == 0) {
            node->pod_cidrs = g_memdup2(was->pod_cidrs, was->n_pod_cidrs * sizeof *was->pod_cidrs);
            node->n_pod_cidrs = was->n_pod_cidrs;
        }
    }
}

/* Background deletion of what an owner leaves behind. */
static void
cascade(Controllers *c, ApiKind kind, const char *ns, const char *name)
{
    if (kind == KIND_DEPLOYMENT) {
        size_t n;
        const ApiObject *const *list = store_list(c->store, KIND_REPLICASET, &n);
        g_autofree const ApiObject **all = g_memdup2(list, n * sizeof *list);
        for (size_t i = 0; i < n; i++) {
            if (strcmp(all[i]->ns, ns) != 0 || g_strcmp0(all[i]->owner, name) != 0)
                continue;
            const char *rs = all[i]->name;
            store_remove(c->store, KIND_REPLICASET, ns, rs);
            cascade(c, KIND_REPLICASET, ns, rs);
        }
        return;
    }
    g_autoptr(GPtrArray) pods = pods_owned(c, ns, kind, name);
    for (guint i = 0; i < pods->len; i++)
        if (pod_active(pods->pdata[i]))
            pod_delete(c, pods->pdata[i], "deleted with its owner");
}

static void
delete_service(Controllers *c, const Service *service)
{
    const char *ns = service->meta.ns, *name = service->meta.name;
    size_t n;
    const EndpointSlice *const *list = store_slices_of(c->store, ns, name, &n);
    g_autofree const EndpointSlice **all = g_memdup2(list, n * sizeof *list);

    alloc_release_service(c->alloc, service);
    store_remove(c->store, KIND_SERVICE, ns, name);
    for (size_t i = 0; i < n; i++)
        store_remove(c->store, KIND_ENDPOINTSLICE, ns, all[i]->meta.name);
}

static bool
set_unschedulable(Controllers *c, const char *name, bool on, char **ret_error)
{
    const KubeNode *old = (const KubeNode *)find(c, KIND_NODE, "", name, ret_error);

    if (!old)
        return false;
    if (old->unschedulable == on)
        return true;
    KubeNode *copy = (KubeNode *)api_copy(&old->meta);
    copy->unschedulable = on;
    store_put(c->store, &copy->meta);
    return true;
}
