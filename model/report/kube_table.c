#include "model/report/kube_table.h"

#include <string.h>

#include "model/control/budgets.h"
#include "model/report/tab_align.h"
#include "sim/packet/packet.h"

/* printers.go: addresses of a load balancer are cut to this length, lists of endpoints to three. */
#define INGRESS_WIDTH 16
#define LIST_MAX      3

typedef void (*RowPrinter)(GString *out, const KubeTable *table, const ApiObject *object);

typedef struct {
    const char *columns; /* Between NAME and AGE. */
    const char *wide;    /* Behind AGE. */
    RowPrinter row;
} KindTable;

static void pod_row(GString *out, const KubeTable *t, const ApiObject *object);
static void service_row(GString *out, const KubeTable *t, const ApiObject *object);
static void endpoints_row(GString *out, const KubeTable *t, const ApiObject *object);
static void slice_row(GString *out, const KubeTable *t, const ApiObject *object);
static void deployment_row(GString *out, const KubeTable *t, const ApiObject *object);
static void replicaset_row(GString *out, const KubeTable *t, const ApiObject *object);
static void statefulset_row(GString *out, const KubeTable *t, const ApiObject *object);
static void daemonset_row(GString *out, const KubeTable *t, const ApiObject *object);
static void node_row(GString *out, const KubeTable *t, const ApiObject *object);
static void budget_row(GString *out, const KubeTable *t, const ApiObject *object);
static void namespace_row(GString *out, const KubeTable *t, const ApiObject *object);

static const KindTable kinds[API_N_KINDS] = {
    [KIND_NAMESPACE] = {"STATUS", NULL, namespace_row},
    [KIND_NODE] = {"STATUS\tROLES", "VERSION\tINTERNAL-IP\tEXTERNAL-IP\tOS-IMAGE\tKERNEL-VERSION\tCONTAINER-RUNTIME",
                   node_row},
    [KIND_POD] = {"READY\tSTATUS\tRESTARTS", "IP\tNODE\tNOMINATED NODE\tREADINESS GATES", pod_row},
    [KIND_DEPLOYMENT] = {"READY\tUP-TO-DATE\tAVAILABLE", "CONTAINERS\tIMAGES\tSELECTOR", deployment_row},
    [KIND_REPLICASET] = {"DESIRED\tCURRENT\tREADY", "CONTAINERS\tIMAGES\tSELECTOR", replicaset_row},
    [KIND_STATEFULSET] = {"READY", "CONTAINERS\tIMAGES", statefulset_row},
    [KIND_DAEMONSET] = {"DESIRED\tCURRENT\tREADY\tUP-TO-DATE\tAVAILABLE\tNODE SELECTOR", "CONTAINERS\tIMAGES\tSELECTOR",
                        daemonset_row},
    [KIND_SERVICE] = {"TYPE\tCLUSTER-IP\tEXTERNAL-IP\tPORT(S)", "SELECTOR", service_row},
    [KIND_ENDPOINTS] = {"ENDPOINTS", NULL, endpoints_row},
    [KIND_ENDPOINTSLICE] = {"ADDRESSTYPE\tPORTS\tENDPOINTS", NULL, slice_row},
    [KIND_BUDGET] = {"MIN AVAILABLE\tMAX UNAVAILABLE\tALLOWED DISRUPTIONS", NULL, budget_row},
};

static void
print_header(GString *text, const KubeTable *t, ApiKind kind)
{
    const KindTable *k = &kinds[kind];

    g_string_append_printf(text, "%sNAME\t%s\tAGE",
                           t->with_namespace && api_kind_info(kind)->namespaced ? "NAMESPACE\t" : "", k->columns);
    /* A node's version is always shown. */
    if (kind == KIND_NODE && !t->wide)
        g_string_append(text, "\tVERSION");
    else if (t->wide && k->wide)
        g_string_append_printf(text, "\t%s", k->wide);
    g_string_append_c(text, '\n');
}

void
kube_table_print(GString *out, const KubeTable *t, ApiKind kind, const ApiObject *const *objects, size_t n)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!t->no_headers)
        print_header(text, t, kind);
    for (size_t i = 0; i < n; i++) {
        if (t->with_namespace && api_kind_info(kind)->namespaced)
            g_string_append_printf(text, "%s\t", objects[i]->ns);
        if (t->with_kind)
            g_string_append_printf(text, "%s/", kube_kind_prefix(kind));
        g_string_append_printf(text, "%s\t", objects[i]->name);
        kinds[kind].row(text, t, objects[i]);
        g_string_append_c(text, '\n');
    }
    tab_align(out, text->str, TAB_GET_MIN, TAB_GET_PADDING);
}

static void
append_age(GString *out, const KubeTable *t, const ApiObject *object)
{
    g_string_append_c(out, '\t');
    kube_append_age(out, t->now - object->created_ns);
}

static const char *
or_none(const char *text)
{
    return text && *text ? text : "<none>";
}

/* --- Pods, nodes, namespaces -------------------------------------------------------------------------------------- */

static void
pod_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    const Pod *pod = (const Pod *)object;
    char ip[IPADDR_STR_SIZE];
    uint32_t n = pod->spec.n_containers, gates = pod->spec.n_readiness_gates;

    g_string_append_printf(out, "%u/%u\t%s\t0", pod->ready ? n : 0, n, kube_pod_status(pod));
    append_age(out, t, object);
    if (!t->wide)
        return;
    g_string_append_printf(out, "\t%s\t%s\t<none>\t", pod->n_ips ? ipaddr_format(pod->ips[0], ip) : "<none>",
                           or_none(pod->spec.node_name));
    if (gates)
        g_string_append_printf(out, "%u/%u", pod->ready ? gates : 0, gates);
    else
        g_string_append(out, "<none>");
}

static void
node_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    const KubeNode *node = (const KubeNode *)object;
    char internal[IPADDR_STR_SIZE], external[IPADDR_STR_SIZE];

    g_string_append_printf(out, "%s%s\t", node->ready ? "Ready" : "NotReady",
                           node->unschedulable ? ",SchedulingDisabled" : "");
    kube_append_roles(out, node);
    append_age(out, t, object);
    g_string_append_c(out, '\t');
    kube_append_version(out, t->input, node);
    if (!t->wide)
        return;
    g_string_append_printf(
        out, "\t%s\t%s\t%s\t%s\t%s", node->n_internal_ips ? ipaddr_format(node->internal_ips[0], internal) : "<none>",
        node->n_external_ips ? ipaddr_format(node->external_ips[0], external) : "<none>",
        node->os_image ? node->os_image : "<unknown>", node->kernel_version ? node->kernel_version : "<unknown>",
        node->runtime ? node->runtime : "<unknown>");
}

static void
namespace_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    g_string_append(out, object->deletion_ns >= 0 ? "Terminating" : "Active");
    append_age(out, t, object);
}

/* --- Services and what is behind them ----------------------------------------------------------------------------- */

void
kube_append_service_ports(GString *out, const Service *service)
{
    for (uint32_t i = 0; i < service->n_ports; i++) {
        const ServicePort *port = &service->ports[i];
        char buf[IPPROTO_STR_SIZE];
        g_autofree char *proto = g_ascii_strup(ipproto_name(port->proto, buf), -1);
        g_string_append_printf(out, "%s%u", i ? "," : "", port->port);
        if (port->node_port)
            g_string_append_printf(out, ":%u", port->node_port);
        g_string_append_printf(out, "/%s", proto);
    }
    if (service->n_ports == 0)
        g_string_append(out, "<none>");
}

static void
append_external_ips(GString *out, const Service *service)
{
    for (uint32_t i = 0; i < service->n_external_ips; i++)
        g_string_append_printf(out, "%s%s", i ? "," : "", service->external_ips[i]);
}

static void
append_external(GString *out, const KubeTable *t, const Service *service)
{
    gsize begin = out->len;

    switch (service->type) {
    case SERVICE_CLUSTERIP:
    case SERVICE_NODEPORT:
        append_external_ips(out, service);
        break;
    case SERVICE_LOADBALANCER:
        for (uint32_t i = 0; i < service->n_ingress; i++)
            g_string_append_printf(out, "%s%s", i ? "," : "",
                                   service->ingress[i].ip ? service->ingress[i].ip : service->ingress[i].hostname);
        if (!t->wide && out->len - begin > INGRESS_WIDTH) {
            g_string_truncate(out, begin + INGRESS_WIDTH - 3);
            g_string_append(out, "...");
        }
        if (service->n_external_ips > 0) {
            g_string_append(out, service->n_ingress ? "," : "");
            append_external_ips(out, service);
        }
        if (out->len == begin)
            g_string_append(out, "<pending>");
        break;
    case SERVICE_EXTERNALNAME:
        g_string_append(out, service->external_name ? service->external_name : "");
        break;
    }
    if (out->len == begin)
        g_string_append(out, "<none>");
}

static void
service_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    static const char *const types[] = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};
    const Service *service = (const Service *)object;

    g_string_append_printf(out, "%s\t%s\t", types[service->type],
                           or_none(service->n_cluster_ips ? service->cluster_ips[0] : NULL));
    append_external(out, t, service);
    g_string_append_c(out, '\t');
    kube_append_service_ports(out, service);
    append_age(out, t, object);
    if (!t->wide)
        return;
    g_string_append_c(out, '\t');
    kube_append_labels(out, &service->selector);
}

static void
endpoints_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    const Service *service = (const Service *)object;
    int family = service->n_ip_families ? service->ip_families[0] : 0;

    if (kube_append_endpoints(out, t->input, object, NULL, family, LIST_MAX) == 0)
        g_string_append(out, "<none>");
    append_age(out, t, object);
}

static void
slice_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    const EndpointSlice *slice = (const EndpointSlice *)object;
    char ip[IPADDR_STR_SIZE];

    g_string_append_printf(out, "%s\t", slice->fqdn ? "FQDN" : slice->family == FAMILY_IPV4 ? "IPv4" : "IPv6");
    for (uint32_t i = 0; i < slice->n_ports && i < LIST_MAX; i++) {
        if (slice->ports[i].port)
            g_string_append_printf(out, "%s%u", i ? "," : "", slice->ports[i].port);
        else
            g_string_append_printf(out, "%s*", i ? "," : "");
    }
    if (slice->n_ports > LIST_MAX)
        g_string_append_printf(out, " + %u more...", slice->n_ports - LIST_MAX);
    g_string_append(out, slice->n_ports ? "\t" : "<unset>\t");
    for (uint32_t i = 0; i < slice->n_endpoints && i < LIST_MAX; i++) {
        const char *raw = endpoint_more(&slice->endpoints[i])->raw;
        g_string_append_printf(out, "%s%s", i ? "," : "", raw ? raw : ipaddr_format(slice->endpoints[i].addr, ip));
    }
    if (slice->n_endpoints > LIST_MAX)
        g_string_append_printf(out, " + %u more...", slice->n_endpoints - LIST_MAX);
    if (slice->n_endpoints == 0)
        g_string_append(out, "<unset>");
    append_age(out, t, object);
}

/* --- Workloads ---------------------------------------------------------------------------------------------------- */

static void
append_containers(GString *out, const KubeTable *t, const Workload *w, bool selector)
{
    const PodSpec *spec = &w->template;

    if (!t->wide)
        return;
    g_string_append_c(out, '\t');
    for (uint32_t i = 0; i < spec->n_containers; i++)
        g_string_append_printf(out, "%s%s", i ? "," : "", spec->containers[i].name);
    g_string_append_c(out, '\t');
    for (uint32_t i = 0; i < spec->n_containers; i++)
        g_string_append_printf(out, "%s%s", i ? "," : "", spec->containers[i].image ? spec->containers[i].image : "");
    if (!selector)
        return;
    g_string_append_c(out, '\t');
    kube_append_labels(out, &w->selector);
}

static void
deployment_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    const Workload *w = (const Workload *)object;
    WorkloadCounts c = kube_workload_counts(t->input, w);

    g_string_append_printf(out, "%d/%d\t%d\t%d", c.ready, c.desired, c.updated, c.ready);
    append_age(out, t, object);
    append_containers(out, t, w, true);
}

static void
replicaset_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    const Workload *w = (const Workload *)object;
    WorkloadCounts c = kube_workload_counts(t->input, w);

    g_string_append_printf(out, "%d\t%d\t%d", c.desired, c.current, c.ready);
    append_age(out, t, object);
    append_containers(out, t, w, true);
}

static void
statefulset_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    const Workload *w = (const Workload *)object;
    WorkloadCounts c = kube_workload_counts(t->input, w);

    g_string_append_printf(out, "%d/%d", c.ready, c.desired);
    append_age(out, t, object);
    append_containers(out, t, w, false);
}

static void
daemonset_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    const Workload *w = (const Workload *)object;
    WorkloadCounts c = kube_workload_counts(t->input, w);

    g_string_append_printf(out, "%d\t%d\t%d\t%d\t%d\t", c.desired, c.current, c.ready, c.updated, c.ready);
    kube_append_labels(out, &w->template.node_selector);
    append_age(out, t, object);
    append_containers(out, t, w, true);
}

static void
append_limit(GString *out, bool given, IntOrPercent value)
{
    if (given)
        g_string_append_printf(out, "%d%s\t", value.value, value.percent ? "%" : "");
    else
        g_string_append(out, "N/A\t");
}

static void
budget_row(GString *out, const KubeTable *t, const ApiObject *object)
{
    const Budget *b = (const Budget *)object;

    append_limit(out, b->has_min, b->min_available);
    append_limit(out, b->has_max, b->max_unavailable);
    g_string_append_printf(out, "%d", budget_status(t->input->store, b).allowed);
    append_age(out, t, object);
}
