#include "model/control/pod_make.h"

Pod *
pod_of_workload(const Workload *owner, const char *name, int64_t now)
{
    Pod *pod = (Pod *)api_new(KIND_POD, owner->meta.ns, name);

    pod->meta.labels = labels_copy(&owner->template_labels);
    pod->meta.annotations = labels_copy(&owner->template_annotations);
    pod->meta.owner = owner->meta.name;
    pod->meta.owner_kind = owner->meta.kind;
    pod->meta.mark = owner->meta.mark;
    pod->meta.created_ns = now;
    pod_spec_copy(&pod->spec, &owner->template);
    if (owner->meta.kind == KIND_STATEFULSET) {
        labels_set(&pod->meta.labels, "statefulset.kubernetes.io/pod-name", name);
        pod->spec.hostname = name;
        pod->spec.subdomain = owner->service_name;
    }
    return pod;
}

Workload *
replicaset_of(Strings *strings, const Workload *deployment, const char *name, const char *hash, int64_t now)
{
    Workload *rs = (Workload *)api_new(KIND_REPLICASET, deployment->meta.ns, name);
    const char *key = strings_add(strings, LABEL_TEMPLATE_HASH);

    rs->meta.owner = deployment->meta.name;
    rs->meta.owner_kind = KIND_DEPLOYMENT;
    rs->meta.mark = deployment->meta.mark;
    rs->meta.created_ns = now;
    rs->selector = labels_copy(&deployment->selector);
    labels_set(&rs->selector, key, hash);
    rs->template_labels = labels_copy(&deployment->template_labels);
    labels_set(&rs->template_labels, key, hash);
    rs->meta.labels = labels_copy(&rs->template_labels);
    rs->template_annotations = labels_copy(&deployment->template_annotations);
    pod_spec_copy(&rs->template, &deployment->template);
    rs->min_ready_s = deployment->min_ready_s;
    rs->template_hash = deployment->template_hash;
    rs->replicas_mark = deployment->replicas_mark;
    return rs;
}

bool
pod_place(Alloc *alloc, const KubeNode *node, Pod *pod)
{
    pod->spec.node_name = node->meta.name;
    if (node->n_internal_ips)
        pod->host_ip = node->internal_ips[0];
    if (pod->n_ips)
        return true;
    if (pod->spec.host_network) {
        pod->n_ips = node->n_internal_ips;
        for (uint32_t i = 0; i < pod->n_ips; i++)
            pod->ips[i] = node->internal_ips[i];
        return true;
    }
    for (uint32_t i = 0; i < node->n_pod_cidrs && pod->n_ips < 2; i++) {
        IpPrefix cidr;
        if (ipprefix_parse(node->pod_cidrs[i], &cidr) &&
            alloc_pod_addr(alloc, cidr, pod->meta.ns, pod->meta.name, &pod->ips[pod->n_ips]))
            pod->n_ips++;
    }
    return pod->n_ips > 0;
}
