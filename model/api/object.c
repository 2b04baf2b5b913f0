/* Objects: kinds by name, life, copies */

#include "model/api/object.h"

#include <string.h>

static const ApiKindInfo kinds[API_N_KINDS] = {
    [KIND_NAMESPACE] = {"Namespace", "namespaces", {"ns"}, "v1", false},
    [KIND_NODE] = {"Node", "nodes", {"no"}, "v1", false},
    [KIND_POD] = {"Pod", "pods", {"po"}, "v1", true},
    [KIND_DEPLOYMENT] = {"Deployment", "deployments", {"deploy"}, "apps/v1", true},
    [KIND_REPLICASET] = {"ReplicaSet", "replicasets", {"rs"}, "apps/v1", true},
    [KIND_STATEFULSET] = {"StatefulSet", "statefulsets", {"sts"}, "apps/v1", true},
    [KIND_DAEMONSET] = {"DaemonSet", "daemonsets", {"ds"}, "apps/v1", true},
    [KIND_SERVICE] = {"Service", "services", {"svc"}, "v1", true},
    [KIND_ENDPOINTS] = {"Endpoints", "endpoints", {"ep"}, "v1", true},
    [KIND_ENDPOINTSLICE] = {"EndpointSlice", "endpointslices", {NULL}, "discovery.k8s.io/v1", true},
    [KIND_BUDGET] = {"PodDisruptionBudget", "poddisruptionbudgets", {"pdb"}, "policy/v1", true},
};

static const size_t sizes[API_N_KINDS] = {
    [KIND_NAMESPACE] = sizeof(ApiObject),
    [KIND_NODE] = sizeof(KubeNode),
    [KIND_POD] = sizeof(Pod),
    [KIND_DEPLOYMENT] = sizeof(Workload),
    [KIND_REPLICASET] = sizeof(Workload),
    [KIND_STATEFULSET] = sizeof(Workload),
    [KIND_DAEMONSET] = sizeof(Workload),
    [KIND_SERVICE] = sizeof(Service),
    [KIND_ENDPOINTS] = sizeof(ApiObject),
    [KIND_ENDPOINTSLICE] = sizeof(EndpointSlice),
    [KIND_BUDGET] = sizeof(Budget),
};

#define DUP(array, n) ((array) = (n) ? g_memdup2((array), (n) * sizeof *(array)) : NULL)

static void copy_arrays(ApiObject *copy);
static void free_arrays(ApiObject *object);

const ApiKindInfo *
api_kind_info(ApiKind kind)
{
    return &kinds[kind];
}

bool
api_kind_parse(const char *text, ApiKind *ret_kind)
{
    for (ApiKind k = 0; k < API_N_KINDS; k++) {
        bool known = g_ascii_strcasecmp(text, kinds[k].name) == 0 || g_ascii_strcasecmp(text, kinds[k].plural) == 0;
        for (int i = 0; i < 3 && kinds[k].shorts[i]; i++)
            known |= g_ascii_strcasecmp(text, kinds[k].shorts[i]) == 0;
        if (known) {
            *ret_kind = k;
            return true;
        }
    }
    return false;
}

ApiObject *
api_new(ApiKind kind, const char *ns, const char *name)
{
    ApiObject *object = g_malloc0(sizes[kind]);
    object->kind = kind;
    object->refs = 1;
    object->ns = kinds[kind].namespaced ? ns : "";
    object->name = name;
    object->deletion_ns = -1;
    if (kind == KIND_SERVICE) {
        Service *service = (Service *)object;
        service->affinity_timeout_s = 10800;
        service->allocate_node_ports = true;
    } else if (kind == KIND_POD) {
        ((Pod *)object)->spec.grace_ns = INT64_C(30) * 1000000000;
        ((Pod *)object)->spec.dns_policy = "ClusterFirst";
    } else if (kind == KIND_DEPLOYMENT || kind == KIND_REPLICASET || kind == KIND_STATEFULSET ||
               kind == KIND_DAEMONSET) {
        Workload *workload = (Workload *)object;
        workload->replicas = 1;
        workload->template.grace_ns = INT64_C(30) * 1000000000;
        workload->template.dns_policy = "ClusterFirst";
        if (kind == KIND_DEPLOYMENT) {
            workload->max_surge = workload->max_unavailable = (IntOrPercent){25, true};
        } else if (kind == KIND_DAEMONSET || kind == KIND_STATEFULSET) {
            workload->max_unavailable = (IntOrPercent){1, false};
        }
    } else if (kind == KIND_ENDPOINTSLICE) {
        ((EndpointSlice *)object)->family = FAMILY_IPV4;
    }
    return object;
}

ApiObject *
api_copy(const ApiObject *object)
{
    ApiObject *copy = g_memdup2(object, sizes[object->kind]);
    copy->refs = 1;
    copy_arrays(copy);
    return copy;
}

ApiObject *
api_ref(ApiObject *object)
{
    object->refs++;
    return object;
}

void
api_unref(ApiObject *object)
{
    if (!object || --object->refs)
        return;
    free_arrays(object);
    g_free(object);
}

void
pod_spec_copy(PodSpec *ret_copy, const PodSpec *spec)
{
    *ret_copy = *spec;
    DUP(ret_copy->containers, spec->n_containers);
    for (uint32_t i = 0; i < spec->n_containers; i++)
        DUP(ret_copy->containers[i].ports, ret_copy->containers[i].n_ports);
    DUP(ret_copy->readiness_gates, spec->n_readiness_gates);
    DUP(ret_copy->tolerations, spec->n_tolerations);
    ret_copy->node_selector = labels_copy(&spec->node_selector);
}

void
pod_spec_clear(PodSpec *spec)
{
    for (uint32_t i = 0; i < spec->n_containers; i++)
        g_free(spec->containers[i].ports);
    g_free(spec->containers);
    g_free(spec->readiness_gates);
    g_free(spec->tolerations);
    g_free(spec->node_selector.items);
    *spec = (PodSpec){0};
}

static void
copy_arrays(ApiObject *copy)
{
    copy->labels = labels_copy(&copy->labels);
    copy->annotations = labels_copy(&copy->annotations);
    switch (copy->kind) {
    case KIND_NODE: {
        KubeNode *node = (KubeNode *)copy;
        DUP(node->pod_cidrs, node->n_pod_cidrs);
        DUP(node->taints, node->n_taints);
        break;
    }
    case KIND_POD: {
        PodSpec spec = ((Pod *)copy)->spec;
        pod_spec_copy(&((Pod *)copy)->spec, &spec);
        break;
    }
    case KIND_DEPLOYMENT:
    case KIND_REPLICASET:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET: {
        Workload *workload = (Workload *)copy;
        workload->selector = labels_copy(&workload->selector);
        workload->template_labels = labels_copy(&workload->template_labels);
        workload->template_annotations = labels_copy(&workload->template_annotations);
        PodSpec spec = workload->template;
        pod_spec_copy(&workload->template, &spec);
        break;
    }
    case KIND_SERVICE: {
        Service *service = (Service *)copy;
        service->selector = labels_copy(&service->selector);
        DUP(service->cluster_ips, service->n_cluster_ips);
        DUP(service->ports, service->n_ports);
        DUP(service->external_ips, service->n_external_ips);
        DUP(service->source_ranges, service->n_source_ranges);
        DUP(service->ingress, service->n_ingress);
        break;
    }
    case KIND_ENDPOINTSLICE: {
        EndpointSlice *slice = (EndpointSlice *)copy;
        DUP(slice->endpoints, slice->n_endpoints);
        DUP(slice->ports, slice->n_ports);
        break;
    }
    case KIND_BUDGET: {
        Budget *budget = (Budget *)copy;
        budget->selector = labels_copy(&budget->selector);
        break;
    }
    case KIND_NAMESPACE:
    case KIND_ENDPOINTS:
    case API_N_KINDS:
        break;
    }
}

static void
free_arrays(ApiObject *object)
{
    g_free(object->labels.items);
    g_free(object->annotations.items);
    switch (object->kind) {
    case KIND_NODE:
        g_free(((KubeNode *)object)->pod_cidrs);
        g_free(((KubeNode *)object)->taints);
        break;
    case KIND_POD:
        pod_spec_clear(&((Pod *)object)->spec);
        break;
    case KIND_DEPLOYMENT:
    case KIND_REPLICASET:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET: {
        Workload *workload = (Workload *)object;
        g_free(workload->selector.items);
        g_free(workload->template_labels.items);
        g_free(workload->template_annotations.items);
        pod_spec_clear(&workload->template);
        break;
    }
    case KIND_SERVICE: {
        Service *service = (Service *)object;
        g_free(service->selector.items);
        g_free(service->cluster_ips);
        g_free(service->ports);
        g_free(service->external_ips);
        g_free(service->source_ranges);
        g_free(service->ingress);
        break;
    }
    case KIND_ENDPOINTSLICE:
        g_free(((EndpointSlice *)object)->endpoints);
        g_free(((EndpointSlice *)object)->ports);
        break;
    case KIND_BUDGET:
        g_free(((Budget *)object)->selector.items);
        break;
    case KIND_NAMESPACE:
    case KIND_ENDPOINTS:
    case API_N_KINDS:
        break;
    }
}
