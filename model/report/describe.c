#include "model/report/describe_private.h"

#include <string.h>
#include <time.h>

#include "model/report/kube_status.h"
#include "model/report/tab_align.h"
#include "sim/packet/capture.h"

static void describe_node(GString *out, const Describe *d, const KubeNode *node);

void
describe_object(GString *out, const Describe *d, ApiKind kind, const ApiObject *object)
{
    g_autoptr(GString) text = g_string_new(NULL);

    switch (kind) {
    case KIND_SERVICE:
        describe_service(text, d, (const Service *)object);
        break;
    case KIND_ENDPOINTS:
        describe_endpoints(text, d, (const Service *)object);
        break;
    case KIND_ENDPOINTSLICE:
        describe_slice(text, (const EndpointSlice *)object);
        break;
    case KIND_POD:
        describe_pod(text, (const Pod *)object);
        break;
    case KIND_NODE:
        describe_node(text, d, (const KubeNode *)object);
        break;
    case KIND_NAMESPACE:
        g_string_append_printf(text, "Name:\t%s\n", object->name);
        describe_pairs(text, "Labels", &object->labels, "=");
        describe_pairs(text, "Annotations", &object->annotations, ": ");
        g_string_append_printf(text, "Status:\t%s\n", object->deletion_ns >= 0 ? "Terminating" : "Active");
        break;
    case KIND_DEPLOYMENT:
    case KIND_REPLICASET:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET:
        describe_workload(text, d, (const Workload *)object);
        break;
    case KIND_BUDGET:
        describe_budget(text, d, (const Budget *)object);
        break;
    case API_N_KINDS:
        g_assert_not_reached();
    }
    tab_align(out, text->str, TAB_DESCRIBE_MIN, TAB_DESCRIBE_PADDING);
    if (kind == KIND_SERVICE && d->cluster)
        describe_proxy(out, d, (const Service *)object);
}

void
describe_pairs(GString *out, const char *title, const Labels *labels, const char *separator)
{
    g_string_append_printf(out, "%s:\t", title);
    for (uint32_t i = 0; i < labels->n; i++)
        g_string_append_printf(out, "%s%s%s%s\n", i ? "\t" : "", labels->items[i].key, separator,
                               labels->items[i].value);
    if (labels->n == 0)
        g_string_append(out, "<none>\n");
}

void
describe_time(GString *out, SimTime at)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(CAPTURE_EPOCH_SEC + at / SIMTIME_SEC);
    static const char *const days[] = {"", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"",    "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

    g_string_append_printf(out, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[g_date_time_get_day_of_week(time)],
                           g_date_time_get_day_of_month(time), months[g_date_time_get_month(time)],
                           g_date_time_get_year(time), g_date_time_get_hour(time), g_date_time_get_minute(time),
                           g_date_time_get_second(time));
}

/* --- Nodes -------------------------------------------------------------------------------------------------------- */

static void
append_taints(GString *out, const KubeNode *node)
{
    g_string_append(out, "Taints:\t");
    for (uint32_t i = 0; i < node->n_taints; i++) {
        const Taint *t = &node->taints[i];
        g_string_append_printf(out, "%s%s%s%s:%s\n", i ? "\t" : "", t->key, t->value && *t->value ? "=" : "",
                               t->value ? t->value : "", t->effect);
    }
    if (node->n_taints == 0)
        g_string_append(out, "<none>\n");
}

static void
append_node_pods(GString *out, const Describe *d, const KubeNode *node)
{
    g_autoptr(GString) rows = g_string_new(NULL);
    size_t n;
    const ApiObject *const *pods = store_list(d->input->store, KIND_POD, &n);
    uint32_t count = 0;

    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)pods[i];
        if (g_strcmp0(pod->spec.node_name, node->meta.name) != 0 || pod->phase == POD_SUCCEEDED ||
            pod->phase == POD_FAILED)
            continue;
        g_string_append_printf(rows, "  %s\t%s\n", pod->meta.ns, pod->meta.name);
        count++;
    }
    g_string_append_printf(out, "Non-terminated Pods:\t(%u in total)\n  Namespace\tName\n  ---------\t----\n%s", count,
                           rows->str);
}

static void
describe_node(GString *out, const Describe *d, const KubeNode *node)
{
    char ip[IPADDR_STR_SIZE];

    g_string_append_printf(out, "Name:\t%s\nRoles:\t", node->meta.name);
    kube_append_roles(out, node);
    g_string_append_c(out, '\n');
    describe_pairs(out, "Labels", &node->meta.labels, "=");
    describe_pairs(out, "Annotations", &node->meta.annotations, ": ");
    g_string_append(out, "CreationTimestamp:\t");
    describe_time(out, node->meta.created_ns);
    g_string_append_c(out, '\n');
    append_taints(out, node);
    g_string_append_printf(out, "Unschedulable:\t%s\n", node->unschedulable ? "true" : "false");
    g_string_append_printf(out, "Conditions:\n  Type\tStatus\n  ----\t------\n  Ready \t%s\n",
                           node->ready ? "True" : "False");
    g_string_append(out, "Addresses:\n");
    for (uint32_t i = 0; i < node->n_internal_ips; i++)
        g_string_append_printf(out, "  InternalIP:\t%s\n", ipaddr_format(node->internal_ips[i], ip));
    for (uint32_t i = 0; i < node->n_external_ips; i++)
        g_string_append_printf(out, "  ExternalIP:\t%s\n", ipaddr_format(node->external_ips[i], ip));
    if (node->hostname)
        g_string_append_printf(out, "  Hostname:\t%s\n", node->hostname);
    g_string_append_printf(out, "System Info:\n  Kernel Version:\t%s\n  OS Image:\t%s\n",
                           node->kernel_version ? node->kernel_version : "", node->os_image ? node->os_image : "");
    g_string_append_printf(out, "  Container Runtime Version:\t%s\n  Kubelet Version:\t",
                           node->runtime ? node->runtime : "");
    kube_append_version(out, d->input, node);
    g_string_append_c(out, '\n');
    if (node->n_pod_cidrs > 0)
        g_string_append_printf(out, "PodCIDR:\t%s\nPodCIDRs:\t", node->pod_cidrs[0]);
    for (uint32_t i = 0; i < node->n_pod_cidrs; i++)
        g_string_append_printf(out, "%s%s", i ? "," : "", node->pod_cidrs[i]);
    g_string_append(out, node->n_pod_cidrs ? "\n" : "");
    append_node_pods(out, d, node);
}
