/* `kubectl describe` of Pods and of what makes them */

#include <string.h>

#include "model/api/tolerations.h"
#include "model/control/budgets.h"
#include "model/report/describe_private.h"
#include "model/report/kube_status.h"
#include "sim/packet/packet.h"

static void
append_container_ports(GString *out, const Container *c, const char *indent, bool host)
{
    const char *title = host ? "Host Port" : "Port";
    char buf[IPPROTO_STR_SIZE];

    g_string_append_printf(out, "%s%s%s:\t", indent, title, c->n_ports > 1 ? "s" : "");
    for (uint32_t i = 0; i < c->n_ports; i++) {
        g_autofree char *proto = g_ascii_strup(ipproto_name(c->ports[i].proto, buf), -1);
        g_string_append_printf(out, "%s%u/%s", i ? ", " : "", host ? c->ports[i].host_port : c->ports[i].port, proto);
    }
    g_string_append(out, c->n_ports ? "\n" : "<none>\n");
}

static void
append_probe(GString *out, const char *title, const Probe *probe, const char *indent)
{
    if (probe->kind == PROBE_NONE)
        return;
    g_string_append_printf(out, "%s%s:\t", indent, title);
    switch (probe->kind) {
    case PROBE_HTTP:
        if (probe->port_name)
            g_string_append_printf(out, "http-get http://:%s%s", probe->port_name, probe->path);
        else
            g_string_append_printf(out, "http-get http://:%u%s", probe->port, probe->path);
        break;
    case PROBE_TCP:
        if (probe->port_name)
            g_string_append_printf(out, "tcp-socket :%s", probe->port_name);
        else
            g_string_append_printf(out, "tcp-socket :%u", probe->port);
        break;
    case PROBE_GRPC:
        g_string_append_printf(out, "grpc <pod>:%u", probe->port);
        break;
    case PROBE_EXEC:
        g_string_append(out, "exec");
        break;
    case PROBE_NONE:
        break;
    }
    g_string_append_printf(out, " delay=%ds timeout=%ds period=%ds #success=%d #failure=%d\n", probe->initial_delay_s,
                           probe->timeout_s, probe->period_s, probe->success, probe->failure);
}

static void
append_containers(GString *out, const PodSpec *spec, const Pod *pod, const char *indent)
{
    g_autofree char *inner = g_strconcat(indent, pod ? "  " : " ", NULL);

    for (uint32_t i = 0; i < spec->n_containers; i++) {
        const Container *c = &spec->containers[i];
        g_string_append_printf(out, "%s%s:\n", indent, c->name);
        g_string_append_printf(out, "%sImage:\t%s\n", inner, c->image ? c->image : "");
        append_container_ports(out, c, inner, false);
        append_container_ports(out, c, inner, true);
        if (pod && pod->phase == POD_RUNNING)
            g_string_append_printf(out, "%sState:\tRunning\n%sReady:\t%s\n%sRestart Count:\t0\n", inner, inner,
                                   pod->ready ? "True" : "False", inner);
        else if (pod && pod->phase == POD_PENDING && spec->node_name)
            g_string_append_printf(out, "%sState:\tWaiting\n%s  Reason:\tContainerCreating\n%sReady:\tFalse\n", inner,
                                   inner, inner);
        if (c->cpu_request_milli)
            g_string_append_printf(out, "%sRequests:\n%s  cpu:\t%" G_GINT64_FORMAT "m\n", inner, inner,
                                   c->cpu_request_milli);
        append_probe(out, "Liveness", &c->liveness, inner);
        append_probe(out, "Readiness", &c->readiness, inner);
        append_probe(out, "Startup", &c->startup, inner);
        g_string_append_printf(out, "%sEnvironment:\t<none>\n%sMounts:\t<none>\n", inner, inner);
    }
}

static void
append_node_selectors(GString *out, const PodSpec *spec, const char *title)
{
    g_string_append_printf(out, "%s:\t", title);
    for (uint32_t i = 0; i < spec->node_selector.n; i++)
        g_string_append_printf(out, "%s%s=%s\n", i ? "\t" : "", spec->node_selector.items[i].key,
                               spec->node_selector.items[i].value);
    g_string_append(out, spec->node_selector.n ? "" : "<none>\n");
}

static int
compare_tolerations(gconstpointer a, gconstpointer b, gpointer unused)
{
    (void)unused;
    return strcmp(((const Toleration *)a)->key, ((const Toleration *)b)->key);
}

/* A stored pod has those that the API server and its controller added; a template has its own. */
static void
append_tolerations(GString *out, const char *title, const PodSpec *spec, bool daemon, bool stored)
{
    g_autofree Toleration *all = g_new(Toleration, spec->n_tolerations + TOLERATIONS_ADDED);
    uint32_t n = stored ? tolerations_of(spec, daemon, all) : spec->n_tolerations;

    if (!stored && n > 0)
        memcpy(all, spec->tolerations, n * sizeof *all);
    if (n > 0)
        g_qsort_with_data(all, (gint)n, sizeof *all, compare_tolerations, NULL);
    g_string_append_printf(out, "%s:\t%s", title, n ? "" : "<none>\n");
    for (uint32_t i = 0; i < n; i++) {
        const Toleration *t = &all[i];
        int64_t seconds = t->seconds == TOLERATION_DEFAULT ? DEFAULT_TOLERATION_S : t->seconds;
        bool named = *t->key || t->effect;
        g_string_append_printf(out, "%s%s", i ? "\t" : "", t->key);
        if (t->value && *t->value)
            g_string_append_printf(out, "=%s", t->value);
        if (t->effect)
            g_string_append_printf(out, ":%s", t->effect);
        if (t->exists)
            g_string_append_printf(out, "%sop=Exists", named ? " " : "");
        if (seconds >= 0)
            g_string_append_printf(out, " for %" G_GINT64_FORMAT "s", seconds);
        g_string_append_c(out, '\n');
    }
}

static const char *
controller_kind(const ApiObject *object)
{
    return api_kind_info(object->owner_kind)->name;
}

static void
append_pod_addresses(GString *out, const Pod *pod)
{
    char ip[IPADDR_STR_SIZE];

    g_string_append_printf(out, "IP:\t%s\n", pod->n_ips ? ipaddr_format(pod->ips[0], ip) : "");
    g_string_append(out, pod->n_ips ? "IPs:\n" : "IPs:\t<none>\n");
    for (uint32_t i = 0; i < pod->n_ips; i++)
        g_string_append_printf(out, "  IP:\t%s\n", ipaddr_format(pod->ips[i], ip));
}

void
describe_pod(GString *out, const Pod *pod)
{
    static const char *const phases[] = {"Pending", "Running", "Succeeded", "Failed"};
    const PodSpec *spec = &pod->spec;
    char ip[IPADDR_STR_SIZE];
    bool burstable = false;

    for (uint32_t i = 0; i < spec->n_containers; i++)
        burstable |= spec->containers[i].cpu_request_milli > 0;
    g_string_append_printf(out, "Name:\t%s\nNamespace:\t%s\n", pod->meta.name, pod->meta.ns);
    if (spec->node_name)
        g_string_append_printf(out, "Node:\t%s/%s\nStart Time:\t", spec->node_name,
                               ipaddr_is_any(&pod->host_ip) ? "" : ipaddr_format(pod->host_ip, ip));
    else
        g_string_append(out, "Node:\t<none>\n");
    if (spec->node_name) {
        describe_time(out, pod->meta.created_ns);
        g_string_append_c(out, '\n');
    }
    describe_pairs(out, "Labels", &pod->meta.labels, "=");
    describe_pairs(out, "Annotations", &pod->meta.annotations, ": ");
    if (pod->meta.deletion_ns >= 0)
        g_string_append_printf(out, "Status:\tTerminating\nTermination Grace Period:\t%" G_GINT64_FORMAT "s\n",
                               spec->grace_ns / SIMTIME_SEC);
    else
        g_string_append_printf(out, "Status:\t%s\n", phases[pod->phase]);
    append_pod_addresses(out, pod);
    if (pod->meta.owner)
        g_string_append_printf(out, "Controlled By:\t%s/%s\n", controller_kind(&pod->meta), pod->meta.owner);
    g_string_append(out, "Containers:\n");
    append_containers(out, spec, pod, "  ");
    for (uint32_t i = 0; i < spec->n_readiness_gates; i++)
        g_string_append_printf(out, "%s  %s \t%s \n", i ? "" : "Readiness Gates:\n  Type\tStatus\n",
                               spec->readiness_gates[i], pod->ready ? "True" : "<none>");
    g_string_append_printf(out, "Conditions:\n  Type\tStatus\n  Ready \t%s \n", pod->ready ? "True" : "False");
    g_string_append_printf(out, "Volumes:\t<none>\nQoS Class:\t%s\n", burstable ? "Burstable" : "BestEffort");
    append_node_selectors(out, spec, "Node-Selectors");
    append_tolerations(out, "Tolerations", spec, pod_is_daemon(pod), true);
    g_string_append(out, "Events:\t<none>\n");
}

/* --- Workloads ---------------------------------------------------------------------------------------------------- */

static void
append_quantity(GString *out, IntOrPercent q)
{
    g_string_append_printf(out, "%d%s", q.value, q.percent ? "%" : "");
}

static void
append_template(GString *out, const Workload *w)
{
    g_string_append(out, "Pod Template:\n  ");
    for (uint32_t i = 0; i < w->template_labels.n; i++)
        g_string_append_printf(out, "%s\t%s=%s\n", i ? "" : "Labels:", w->template_labels.items[i].key,
                               w->template_labels.items[i].value);
    if (w->template_labels.n == 0)
        g_string_append(out, "Labels:\t<none>\n");
    g_string_append(out, "  Containers:\n");
    append_containers(out, &w->template, NULL, "   ");
    g_string_append(out, "  Volumes:\t<none>\n");
    append_node_selectors(out, &w->template, "  Node-Selectors");
    append_tolerations(out, "  Tolerations", &w->template, false, false);
}

static void
append_counts(GString *out, const Describe *d, const Workload *w)
{
    WorkloadCounts c = kube_workload_counts(d->input, w);

    switch (w->meta.kind) {
    case KIND_DEPLOYMENT:
        g_string_append_printf(out, "Replicas:\t%d desired | %d updated | %d total | %d available | %d unavailable\n",
                               c.desired, c.updated, c.current, c.ready, MAX(c.desired - c.ready, 0));
        g_string_append_printf(out, "StrategyType:\t%s\nMinReadySeconds:\t%d\n",
                               w->recreate ? "Recreate" : "RollingUpdate", w->min_ready_s);
        if (!w->recreate) {
            g_string_append(out, "RollingUpdateStrategy:\t");
            append_quantity(out, w->max_unavailable);
            g_string_append(out, " max unavailable, ");
            append_quantity(out, w->max_surge);
            g_string_append(out, " max surge\n");
        }
        return;
    case KIND_REPLICASET:
        g_string_append_printf(out, "Replicas:\t%d current / %d desired\n", c.current, c.desired);
        break;
    case KIND_STATEFULSET:
        g_string_append_printf(out,
                               "Replicas:\t%d desired | %d total\nUpdate Strategy:\tRollingUpdate\n  Partition:\t0\n",
                               c.desired, c.current);
        break;
    default:
        g_string_append_printf(out,
                               "Desired Number of Nodes Scheduled: %d\nCurrent Number of Nodes Scheduled: %d\n"
                               "Number of Nodes Scheduled with Up-to-date Pods: %d\n"
                               "Number of Nodes Scheduled with Available Pods: %d\nNumber of Nodes Misscheduled: 0\n",
                               c.desired, c.current, c.updated, c.ready);
    }
    g_string_append_printf(out, "Pods Status:\t%d Running / %d Waiting / 0 Succeeded / 0 Failed\n", c.ready,
                           c.current - c.ready);
}

/* The four kinds differ in what stands in front. */
static void
append_head(GString *out, const Workload *w)
{
    bool set = w->meta.kind == KIND_REPLICASET, daemons = w->meta.kind == KIND_DAEMONSET;
    bool deployment = w->meta.kind == KIND_DEPLOYMENT;

    g_string_append_printf(out, "Name:\t%s\n", w->meta.name);
    if (!daemons)
        g_string_append_printf(out, "Namespace:\t%s\n", w->meta.ns);
    if (!set && !daemons) {
        g_string_append(out, "CreationTimestamp:\t");
        describe_time(out, w->meta.created_ns);
        g_string_append_c(out, '\n');
    }
    if (deployment) {
        describe_pairs(out, "Labels", &w->meta.labels, "=");
        describe_pairs(out, "Annotations", &w->meta.annotations, ": ");
    }
    g_string_append(out, "Selector:\t");
    kube_append_labels(out, &w->selector);
    g_string_append_c(out, '\n');
    if (daemons)
        append_node_selectors(out, &w->template, "Node-Selector");
    if (!deployment) {
        describe_pairs(out, "Labels", &w->meta.labels, "=");
        describe_pairs(out, "Annotations", &w->meta.annotations, ": ");
    }
    if (set && w->meta.owner)
        g_string_append_printf(out, "Controlled By:\t%s/%s\n", controller_kind(&w->meta), w->meta.owner);
}

static int32_t
unavailable_allowed(const Workload *w, int32_t desired)
{
    return w->max_unavailable.percent ? desired * w->max_unavailable.value / 100 : w->max_unavailable.value;
}

/* The ReplicaSet of the present template, or the others that still have pods. */
static void
append_replicasets(GString *out, const Describe *d, const Workload *w, bool present)
{
    size_t n;
    const ApiObject *const *sets = store_list(d->input->store, KIND_REPLICASET, &n);
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        const Workload *set = (const Workload *)sets[i];
        WorkloadCounts c;
        if (g_strcmp0(set->meta.owner, w->meta.name) != 0 || strcmp(set->meta.ns, w->meta.ns) != 0 ||
            (set->template_hash == w->template_hash) != present || (!present && set->replicas == 0))
            continue;
        c = kube_workload_counts(d->input, set);
        g_string_append_printf(out, "%s%s (%d/%d replicas created)", any ? ", " : "", set->meta.name, c.current,
                               c.desired);
        any = true;
    }
    g_string_append(out, any ? "\n" : "<none>\n");
}

static void
append_conditions(GString *out, const Describe *d, const Workload *w)
{
    WorkloadCounts c = kube_workload_counts(d->input, w);
    bool available = c.ready >= c.desired - unavailable_allowed(w, c.desired);
    bool done = c.updated == c.desired && c.current == c.desired && c.ready == c.desired;

    g_string_append_printf(out,
                           "Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------\n  Available \t%s\t%s\n"
                           "  Progressing \tTrue\t%s\n",
                           available ? "True" : "False",
                           available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                           done ? "NewReplicaSetAvailable" : "ReplicaSetUpdated");
    g_string_append(out, "OldReplicaSets:\t");
    append_replicasets(out, d, w, false);
    g_string_append(out, "NewReplicaSet:\t");
    append_replicasets(out, d, w, true);
}

void
describe_workload(GString *out, const Describe *d, const Workload *w)
{
    append_head(out, w);
    append_counts(out, d, w);
    append_template(out, w);
    if (w->meta.kind == KIND_STATEFULSET)
        g_string_append(out, "Volume Claims:\t<none>\n");
    else if (w->meta.kind == KIND_DEPLOYMENT)
        append_conditions(out, d, w);
    g_string_append(out, "Events:\t<none>\n");
}

/* --- PodDisruptionBudgets ----------------------------------------------------------------------------------------- */

void
describe_budget(GString *out, const Describe *d, const Budget *b)
{
    BudgetStatus status = budget_status(d->input->store, b);

    g_string_append_printf(out, "Name:\t%s\nNamespace:\t%s\n", b->meta.name, b->meta.ns);
    if (b->has_min) {
        g_string_append(out, "Min available:\t");
        append_quantity(out, b->min_available);
        g_string_append_c(out, '\n');
    } else if (b->has_max) {
        g_string_append(out, "Max unavailable:\t");
        append_quantity(out, b->max_unavailable);
        g_string_append_c(out, '\n');
    }
    g_string_append(out, "Selector:\t");
    kube_append_labels(out, &b->selector);
    g_string_append_printf(out, "\nStatus:\n    Allowed disruptions:\t%d\n    Current:\t%d\n", status.allowed,
                           status.healthy);
    g_string_append_printf(out, "    Desired:\t%d\n    Total:\t%d\nEvents:\t<none>\n", status.desired,
                           MAX(0, status.expected));
}
