/* What ended a loss window, which clock that was, and what would have ended it sooner
 *
 * Candidates are events after the window's last loss and before the first connection that succeeded the same way: the
 * load balancer taking the target out, kube-proxy writing rules. */

#include "model/report/loss_private.h"

#include <string.h>

const LbHealthEvent *
loss_taken_out(const LossWorld *w, const Lb *lb, const char *target, SimTime from)
{
    size_t n = 0;
    const LbHealthEvent *events = w->cloud ? lb_health_history(w->cloud, &n) : NULL;

    for (size_t i = 0; i < n; i++)
        if (events[i].at > 0 && events[i].at >= from && strcmp(events[i].lb, lb_name(lb)) == 0 &&
            strcmp(events[i].target, target) == 0 && events[i].from == LB_TARGET_HEALTHY)
            return &events[i];
    return NULL;
}

/* By the end of 'at': its last change before that took it out. */
bool
loss_is_out(const LossWorld *w, const Lb *lb, const char *target, SimTime at)
{
    size_t n = 0;
    const LbHealthEvent *events = w->cloud ? lb_health_history(w->cloud, &n) : NULL;
    bool out = false;

    for (size_t i = 0; i < n && events[i].at < at; i++)
        if (events[i].at > 0 && strcmp(events[i].lb, lb_name(lb)) == 0 && strcmp(events[i].target, target) == 0)
            out = events[i].from == LB_TARGET_HEALTHY || (out && events[i].to != LB_TARGET_HEALTHY);
    return out;
}

bool
loss_any_healthy(const LossWorld *w, const Lb *lb, SimTime at)
{
    size_t n = 0;
    const LbHealthEvent *events = w->cloud ? lb_health_history(w->cloud, &n) : NULL;
    int32_t healthy = 0;

    for (size_t i = 0; i < n && events[i].at <= at; i++)
        if (strcmp(events[i].lb, lb_name(lb)) == 0)
            healthy += (events[i].to == LB_TARGET_HEALTHY) - (events[i].from == LB_TARGET_HEALTHY);
    return healthy > 0;
}

const LbHealthEvent *
loss_first_usable(const LossWorld *w, const Lb *lb, SimTime from)
{
    size_t n = 0;
    const LbHealthEvent *events = w->cloud ? lb_health_history(w->cloud, &n) : NULL;

    for (size_t i = 0; i < n; i++) {
        bool usable = events[i].to == LB_TARGET_HEALTHY ||
                      (events[i].to == LB_TARGET_INITIAL && cloud_profile(w->cloud)->no_target == LB_FAIL_OPEN);
        if (events[i].at >= from && strcmp(events[i].lb, lb_name(lb)) == 0 && usable)
            return &events[i];
    }
    return NULL;
}

/* From one start of a probe that goes unanswered to the next. */
static SimTime
silent_spacing(const LbProbe *probe)
{
    return probe->interval * MAX(1, (probe->timeout + probe->interval - 1) / probe->interval);
}

SimTime
loss_notice_longest(const LbProbe *probe, bool answers)
{
    if (answers)
        return probe->interval * probe->unhealthy + probe->jitter * probe->unhealthy;
    return probe->interval + silent_spacing(probe) * (probe->unhealthy - 1) + probe->timeout +
           probe->jitter * probe->unhealthy;
}

SimTime
loss_notice_shortest(const LbProbe *probe, bool answers)
{
    if (answers)
        return (probe->interval - MIN(probe->jitter, probe->interval)) * (probe->unhealthy - 1);
    return (silent_spacing(probe) - MIN(probe->jitter, probe->interval)) * (probe->unhealthy - 1) + probe->timeout;
}

/* When a connection first got through by that node (NULL: to that pod's Service at all) again. */
static SimTime
first_success(const LossWorld *w, const LossGroup *g)
{
    for (size_t i = 0; i < w->n_flows; i++) {
        const Flow *flow = w->flows[i];
        if (flow->start <= g->window.end || flow->connected_at < 0)
            continue;
        for (uint32_t k = 0; g->node && k < flow->n_nodes; k++)
            if (strcmp(flow->nodes[k], g->node) == 0)
                return MAX(flow->connected_at, flow->end); /* A proxy connects its client before it has a server. */
    }
    return SIMTIME_NEVER;
}

const ProxySync *
loss_next_sync(const LossWorld *w, const char *name, SimTime from)
{
    const ClusterNode *node = cluster_node(w->cluster, name);
    size_t n = 0;
    const ProxySync *syncs = node && !node->failed ? node_proxy_syncs(node->proxy, &n) : NULL;

    for (size_t i = 0; i < n; i++)
        if (syncs[i].done >= from && syncs[i].rules_written > 0)
            return &syncs[i];
    return NULL;
}

/* --- The search
 * ------------------------------------------------------------------------------------------------------------- */

static bool
targets_are_pods(const LossWorld *w)
{
    return w->cloud && cloud_profile(w->cloud)->targets == LB_TARGETS_PODS;
}

/* Each node that sent there stopped when it had new rules or got nothing any more; the last of them counts. */
static void
find_closer_of_pod(const LossWorld *w, LossGroup *g, const LbHealthEvent *pod_event)
{
    SimTime end = g->window.end, last = -1;
    const ProxySync *sync = NULL;
    const LbHealthEvent *event = NULL;
    const char *node = NULL;

    for (uint32_t i = 0; i < g->n_entry; i++) {
        const ProxySync *s = loss_next_sync(w, g->entry[i], end);
        const LbHealthEvent *e = g->lb ? loss_taken_out(w, g->lb, g->entry[i], end) : NULL;
        SimTime stopped = MIN(s ? s->done : SIMTIME_NEVER, e ? e->at : SIMTIME_NEVER);
        if (stopped == SIMTIME_NEVER || stopped <= last)
            continue;
        last = stopped;
        node = g->entry[i];
        event = e && e->at == stopped ? e : NULL;
        sync = event ? NULL : s;
    }
    event = event ? event : pod_event;
    if (!g->broken && !g->down && g->pod_state == FLOW_POD_NOT_YET)
        loss_tell_early(w, g);
    else if (!g->broken && !g->down && g->pod_state == FLOW_POD_LISTENS)
        loss_tell_unclosed(w, g);
    else if (sync)
        loss_tell_sync(w, g, node, sync);
    else if (event)
        loss_tell_event(w, g, event);
    else if (g->n_entry == 0 || !loss_tell_stuck(w, g, g->entry[0]))
        loss_tell_unclosed(w, g);
}

void
loss_find_closer(const LossWorld *w, LossGroup *g)
{
    SimTime end = g->window.end, ok = first_success(w, g);
    bool pods = g->kind == LOSS_POD && targets_are_pods(w) && g->n_entry == 0;
    const char *target = pods ? g->pod : g->node;
    const LbHealthEvent *event = g->lb && target ? loss_taken_out(w, g->lb, target, end) : NULL;
    const ProxySync *sync = NULL;

    if (g->moved) {
        loss_tell_unclosed(w, g);
        return;
    }
    if (g->late) {
        loss_tell_late(w, g);
        return;
    }
    if (g->kind == LOSS_POD) {
        find_closer_of_pod(w, g, event);
        return;
    }
    if (g->kind == LOSS_LB && g->lb) {
        loss_tell_refusal(w, g);
        return;
    }
    if (g->kind == LOSS_NOBODY) {
        loss_tell_nobody(w, g);
        return;
    }
    if (g->kind == LOSS_SERVER) {
        loss_tell_server(g);
        return;
    }
    if (g->kind == LOSS_OTHER) {
        loss_tell_unclosed(w, g);
        return;
    }
    if (g->kind == LOSS_RULE && g->node)
        sync = loss_next_sync(w, g->node, end);
    if (event && event->at <= ok)
        loss_tell_event(w, g, event);
    else if (sync && ok != SIMTIME_NEVER && sync->done <= ok)
        loss_tell_sync(w, g, g->node, sync);
    else
        loss_tell_unclosed(w, g);
}
