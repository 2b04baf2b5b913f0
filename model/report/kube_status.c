#include "model/report/kube_status.h"

#include <stdlib.h>
#include <string.h>

void
kube_append_age(GString *out, SimTime age)
{
    int64_t s = age / SIMTIME_SEC, m = s / 60, h = m / 60, d = h / 24;

    if (age < 0)
        g_string_append(out, age < -SIMTIME_SEC ? "<invalid>" : "0s");
    else if (s < 120)
        g_string_append_printf(out, "%" G_GINT64_FORMAT "s", s);
    else if (m < 10 && s % 60)
        g_string_append_printf(out, "%" G_GINT64_FORMAT "m%" G_GINT64_FORMAT "s", m, s % 60);
    else if (m < 180)
        g_string_append_printf(out, "%" G_GINT64_FORMAT "m", m);
    else if (h < 8 && m % 60)
        g_string_append_printf(out, "%" G_GINT64_FORMAT "h%" G_GINT64_FORMAT "m", h, m % 60);
    else if (h < 48)
        g_string_append_printf(out, "%" G_GINT64_FORMAT "h", h);
    else if (d < 8 && h % 24)
        g_string_append_printf(out, "%" G_GINT64_FORMAT "d%" G_GINT64_FORMAT "h", d, h % 24);
    else
        g_string_append_printf(out, "%" G_GINT64_FORMAT "d", d);
}

const char *
kube_pod_status(const Pod *pod)
{
    if (pod->meta.deletion_ns >= 0)
        return "Terminating";
    switch (pod->phase) {
    case POD_PENDING:
        return pod->spec.node_name ? "ContainerCreating" : "Pending";
    case POD_RUNNING:
        return "Running";
    case POD_SUCCEEDED:
        return "Completed";
    case POD_FAILED:
        return "Error";
    }
    g_assert_not_reached();
}

void
kube_append_labels(GString *out, const Labels *labels)
{
    for (uint32_t i = 0; i < labels->n; i++)
        g_string_append_printf(out, "%s%s=%s", i ? "," : "", labels->items[i].key, labels->items[i].value);
    if (labels->n == 0)
        g_string_append(out, "<none>");
}

void
kube_append_roles(GString *out, const KubeNode *node)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    const Labels *labels = &node->meta.labels;
    bool any = false;

    for (uint32_t i = 0; i < labels->n; i++) {
        const char *key = labels->items[i].key;
        const char *role = g_str_has_prefix(key, prefix)            ? key + strlen(prefix)
                           : strcmp(key, "kubernetes.io/role") == 0 ? labels->items[i].value
                                                                    : "";
        if (!*role)
            continue;
        g_string_append_printf(out, "%s%s", any ? "," : "", role);
        any = true;
    }
    if (!any)
        g_string_append(out, "<none>");
}

void
kube_append_version(GString *out, const Input *input, const KubeNode *node)
{
    const char *text = node->kubelet_version;

    if (text && *text) {
        g_string_append(out, text);
        return;
    }
    text = input_version_of(input, node->meta.name).text;
    g_string_append_printf(out, "v%s%s", text, strchr(text, '.') == strrchr(text, '.') ? ".0" : "");
}

const char *
kube_kind_prefix(ApiKind kind)
{
    switch (kind) {
    case KIND_NAMESPACE:
        return "namespace";
    case KIND_NODE:
        return "node";
    case KIND_POD:
        return "pod";
    case KIND_DEPLOYMENT:
        return "deployment.apps";
    case KIND_REPLICASET:
        return "replicaset.apps";
    case KIND_STATEFULSET:
        return "statefulset.apps";
    case KIND_DAEMONSET:
        return "daemonset.apps";
    case KIND_SERVICE:
        return "service";
    case KIND_ENDPOINTS:
        return "endpoints";
    case KIND_ENDPOINTSLICE:
        return "endpointslice.discovery.k8s.io";
    case KIND_BUDGET:
        return "poddisruptionbudget.policy";
    case API_N_KINDS:
        break;
    }
    g_assert_not_reached();
}

/* --- Counts of workloads ------------------------------------------------------------------------------------------ */

/* A Deployment's pods belong to it by way of a ReplicaSet, whose template says whether they are of the latest kind. */
static bool
is_updated(Input *input, const Workload *w, const Pod *pod)
{
    const Workload *set;

    if (w->meta.kind != KIND_DEPLOYMENT || pod->meta.owner_kind != KIND_REPLICASET || !pod->meta.owner)
        return true;
    set = (const Workload *)store_get(input->store, KIND_REPLICASET, pod->meta.ns, pod->meta.owner);
    return !set || set->template_hash == w->template_hash;
}

static bool
owns(Input *input, const Workload *w, const Pod *pod)
{
    const ApiObject *set;

    if (strcmp(pod->meta.ns, w->meta.ns) != 0 || !labels_match(&w->selector, &pod->meta.labels))
        return false;
    if (!pod->meta.owner)
        return true;
    if (w->meta.kind != KIND_DEPLOYMENT || pod->meta.owner_kind != KIND_REPLICASET)
        return pod->meta.owner_kind == w->meta.kind && strcmp(pod->meta.owner, w->meta.name) == 0;
    set = store_get(input->store, KIND_REPLICASET, pod->meta.ns, pod->meta.owner);
    return !set || g_strcmp0(set->owner, w->meta.name) == 0;
}

WorkloadCounts
kube_workload_counts(Input *input, const Workload *w)
{
    WorkloadCounts counts = {.desired = w->replicas};
    size_t n;
    const ApiObject *const *pods = store_list(input->store, KIND_POD, &n);

    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)pods[i];
        if (pod->meta.deletion_ns >= 0 || pod->phase == POD_SUCCEEDED || pod->phase == POD_FAILED ||
            !owns(input, w, pod))
            continue;
        counts.current++;
        counts.ready += pod->ready;
        counts.updated += is_updated(input, w, pod);
    }
    if (w->meta.kind == KIND_DAEMONSET)
        counts.desired = counts.current;
    return counts;
}

/* --- Endpoints ---------------------------------------------------------------------------------------------------- */

typedef struct {
    IpAddr addr;
    uint16_t port;
    uint32_t order; /* Of its port in the slice. */
} Target;

static int
compare_targets(gconstpointer a, gconstpointer b)
{
    const Target *x = a, *y = b;
    int c = (x->order > y->order) - (x->order < y->order);

    return c ? c : ipaddr_cmp(&x->addr, &y->addr);
}

static void
add_targets(GArray *targets, const EndpointSlice *slice, const char *port_name)
{
    for (uint32_t p = 0; p < slice->n_ports; p++) {
        if (port_name && g_strcmp0(slice->ports[p].name ? slice->ports[p].name : "", port_name) != 0)
            continue;
        for (uint32_t e = 0; e < slice->n_endpoints; e++) {
            Target target = {slice->endpoints[e].addr, slice->ports[p].port, p};
            if (slice->endpoints[e].conditions & EP_READY)
                g_array_append_val(targets, target);
        }
    }
}

uint32_t
kube_append_endpoints(GString *out, Input *input, const ApiObject *service, const char *port_name, int family,
                      uint32_t show)
{
    g_autoptr(GArray) targets = g_array_new(FALSE, FALSE, sizeof(Target));
    char text[IPPORT_STR_SIZE];
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(input->store, service->ns, service->name, &n);

    for (size_t i = 0; i < n; i++)
        if (family == 0 || slices[i]->family == (IpFamily)family)
            add_targets(targets, slices[i], port_name);
    g_array_sort(targets, compare_targets);
    for (guint i = 0; i < targets->len && i < show; i++) {
        const Target *t = &g_array_index(targets, Target, i);
        g_string_append_printf(out, "%s%s", i ? "," : "", ipport_format(t->addr, t->port, text));
    }
    if (targets->len > show)
        g_string_append_printf(out, " + %u more...", targets->len - show);
    return targets->len;
}
