/* What the objects say about losses: who is behind a Service, and how long its pods may take to go */

#include "model/report/loss_private.h"

#include <string.h>

const Service *
loss_service(const LossWorld *w, const Lb *lb)
{
    g_auto(GStrv) parts = g_strsplit(lb_name(lb), "/", 2);

    return (const Service *)store_get(cluster_store(w->cluster), KIND_SERVICE, parts[0], parts[1]);
}

static bool
is_dialed(const Service *s, const Flow *flow)
{
    IpAddr own;

    for (uint32_t i = 0; i < s->n_cluster_ips; i++)
        if (ipaddr_parse_sloppy(s->cluster_ips[i], &own) && loss_dials(flow, own))
            return true;
    for (uint32_t i = 0; i < s->n_external_ips; i++)
        if (ipaddr_parse_sloppy(s->external_ips[i], &own) && loss_dials(flow, own))
            return true;
    return false;
}

const Service *
loss_service_of(const LossWorld *w, const Flow *flow, const Lb *lb)
{
    size_t n;
    const ApiObject *const *objects = store_list(cluster_store(w->cluster), KIND_SERVICE, &n);

    if (lb)
        return loss_service(w, lb);
    for (size_t i = 0; i < n; i++)
        if (is_dialed((const Service *)objects[i], flow))
            return (const Service *)objects[i];
    return NULL;
}

static const Pod *
next_pod(const LossWorld *w, const Service *s, size_t *i)
{
    size_t n;
    const ApiObject *const *objects = store_list(cluster_store(w->cluster), KIND_POD, &n);

    while (*i < n) {
        const ApiObject *object = objects[(*i)++];
        if (object->deletion_ns < 0 && strcmp(object->ns, s->meta.ns) == 0 &&
            labels_match(&s->selector, &object->labels))
            return (const Pod *)object;
    }
    return NULL;
}

static char *
selector_text(const Service *s)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (uint32_t i = 0; i < s->selector.n; i++)
        g_string_append_printf(text, "%s%s=%s", i ? "," : "", s->selector.items[i].key, s->selector.items[i].value);
    return g_strdup(text->str);
}

/* What decides whether the pod is ready. */
static char *
probe_text(const Pod *pod)
{
    for (uint32_t i = 0; pod && i < pod->spec.n_containers; i++) {
        const Probe *probe = &pod->spec.containers[i].readiness;
        if (probe->kind == PROBE_HTTP)
            return g_strdup_printf(" (readinessProbe: HTTP :%u%s)", probe->port, probe->path ? probe->path : "/");
        if (probe->kind == PROBE_TCP)
            return g_strdup_printf(" (readinessProbe: TCP :%u)", probe->port);
    }
    return g_strdup("");
}

char *
loss_unready(const LossWorld *w, const Lb *lb, const char *node)
{
    const Service *s = lb ? loss_service(w, lb) : NULL;
    const Pod *pod;

    for (size_t i = 0; s && (pod = next_pod(w, s, &i));) {
        g_autofree char *probe = probe_text(pod);
        if (!pod->ready && g_strcmp0(pod->spec.node_name, node) == 0)
            return g_strdup_printf("pod %s/%s on %s is there but not ready%s", pod->meta.ns, pod->meta.name, node,
                                   probe);
    }
    return NULL;
}

char *
loss_why_nobody(const LossWorld *w, const Service *s)
{
    uint32_t matching = 0, ready = 0;
    const Pod *pod;

    if (!s)
        return NULL;
    if (s->selector.n == 0)
        return g_strdup_printf("Service %s/%s has no selector, and no EndpointSlice gives it a ready endpoint",
                               s->meta.ns, s->meta.name);
    for (size_t i = 0; (pod = next_pod(w, s, &i));) {
        matching++;
        ready += pod->ready;
    }
    if (ready > 0)
        return NULL;
    g_autofree char *selector = selector_text(s), *probe = NULL;
    size_t first = 0;
    if (matching == 0)
        return g_strdup_printf("no pod matches %s, the selector of Service %s/%s", selector, s->meta.ns, s->meta.name);
    probe = probe_text(next_pod(w, s, &first));
    return g_strdup_printf("none of the %u pods that match %s, the selector of Service %s/%s, is ready%s", matching,
                           selector, s->meta.ns, s->meta.name, probe);
}

char *
loss_grace_note(const LossWorld *w, const Lb *lb)
{
    const Service *s = lb ? loss_service(w, lb) : NULL;
    const Pod *pod;

    for (size_t i = 0; s && (pod = next_pod(w, s, &i));) {
        int64_t longest = 0;
        for (uint32_t k = 0; k < pod->spec.n_containers; k++)
            longest = MAX(longest, pod->spec.containers[k].pre_stop_ns);
        if (longest > 0 && longest >= pod->spec.grace_ns)
            return g_strdup_printf(
                "; preStop sleeps %g s and terminationGracePeriodSeconds: %g allows no longer: raise "
                "it first",
                (double)longest / SIMTIME_SEC, (double)pod->spec.grace_ns / SIMTIME_SEC);
    }
    return g_strdup("");
}
