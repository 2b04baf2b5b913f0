/* Probes that can never pass: of ports on which the pods do not listen
 *
 * A pod listens on the ports of its Application; without one, on its containerPorts and on what Services and slices
 * send it. */

#include "model/input/loader_check.h"
#include "sim/packet/packet.h"

#include <string.h>

/* Looked at without a controller. */
#define MOST_PODS 1000u

typedef struct {
    Input *input;
    const ApiObject *object;
    const Labels *labels;
    const PodSpec *spec;
    GArray *ports; /* uint16_t: where such a pod listens for TCP. */
} Listener;

static void
add_port(Listener *l, uint16_t port)
{
    for (guint i = 0; i < l->ports->len; i++)
        if (g_array_index(l->ports, uint16_t, i) == port)
            return;
    if (port)
        g_array_append_val(l->ports, port);
}

static bool
add_application_ports(Listener *l)
{
    for (uint32_t i = 0; i < l->input->n_applications; i++) {
        const ApplicationSpec *a = &l->input->applications[i];
        bool matches = (!a->ns || strcmp(a->ns, l->object->ns) == 0) &&
                       (a->selector.n == 0 || labels_match(&a->selector, l->labels));
        if (!matches || a->n_ports == 0)
            continue;
        for (uint32_t k = 0; k < a->n_ports; k++)
            add_port(l, a->ports[k]);
        return true;
    }
    return false;
}

static void
add_service_ports(Listener *l)
{
    size_t n;
    const ApiObject *const *objects = store_list(l->input->store, KIND_SERVICE, &n);
    for (size_t i = 0; i < n; i++) {
        const Service *s = (const Service *)objects[i];
        if (strcmp(s->meta.ns, l->object->ns) != 0 || !labels_match(&s->selector, l->labels))
            continue;
        for (uint32_t k = 0; k < s->n_ports; k++)
            if (s->ports[k].proto == IPPROTO_TCP_ && !s->ports[k].target_name)
                add_port(l, s->ports[k].target_port ? s->ports[k].target_port : s->ports[k].port);
    }
}

static void
add_container_ports(Listener *l)
{
    for (uint32_t i = 0; i < l->spec->n_containers; i++)
        for (uint32_t k = 0; k < l->spec->containers[i].n_ports; k++)
            if (l->spec->containers[i].ports[k].proto == IPPROTO_TCP_)
                add_port(l, l->spec->containers[i].ports[k].port);
}

static void
check_probe(const Listener *l, const Probe *probe, const char *name)
{
    g_autoptr(GString) ports = g_string_new(NULL);
    if ((probe->kind != PROBE_HTTP && probe->kind != PROBE_TCP) || probe->port == 0)
        return;
    for (guint i = 0; i < l->ports->len; i++) {
        uint16_t port = g_array_index(l->ports, uint16_t, i);
        if (port == probe->port)
            return;
        g_string_append_printf(ports, "%s%u", i ? ", " : "", port);
    }
    g_autofree char *once = g_strdup_printf("probe %s %s %u", name, l->object->name, probe->port);
    if (!diag_once(l->input->diags, once))
        return;
    diag(l->input->diags, DIAG_WARNING, l->object->mark,
         "the %s of %s %s/%s asks port %u, on which its pods do not listen: it never passes", name,
         api_kind_info(l->object->kind)->name, l->object->ns, l->object->name, probe->port);
    if (ports->len)
        diag_hint(l->input->diags, "they listen on %s", ports->str);
    else
        diag_hint(l->input->diags, "they have no containerPorts, and no Application gives them ports");
}

static void
check_pods_of(Input *input, const ApiObject *object, const Labels *labels, const PodSpec *spec)
{
    g_autoptr(GArray) ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    Listener l = {input, object, labels, spec, ports};
    bool probed = false;
    for (uint32_t i = 0; i < spec->n_containers && !probed; i++)
        probed = spec->containers[i].readiness.kind != PROBE_NONE || spec->containers[i].liveness.kind != PROBE_NONE ||
                 spec->containers[i].startup.kind != PROBE_NONE;
    if (!probed)
        return;
    if (!add_application_ports(&l)) {
        add_container_ports(&l);
        add_service_ports(&l);
    }
    for (uint32_t i = 0; i < spec->n_containers; i++) {
        check_probe(&l, &spec->containers[i].readiness, "readinessProbe");
        check_probe(&l, &spec->containers[i].liveness, "livenessProbe");
        check_probe(&l, &spec->containers[i].startup, "startupProbe");
    }
}

/* Pods that a controller made are told of by their controller. */
void
input_check_probes(Input *input)
{
    size_t n;
    for (ApiKind kind = KIND_DEPLOYMENT; kind <= KIND_DAEMONSET; kind++) {
        const ApiObject *const *objects = store_list(input->store, kind, &n);
        for (size_t i = 0; i < n; i++) {
            const Workload *w = (const Workload *)objects[i];
            check_pods_of(input, objects[i], &w->template_labels, &w->template);
        }
    }
    const ApiObject *const *pods = store_list(input->store, KIND_POD, &n);
    for (size_t i = 0; i < MIN(n, MOST_PODS); i++)
        if (!pods[i]->owner)
            check_pods_of(input, pods[i], &pods[i]->labels, &((const Pod *)pods[i])->spec);
}
