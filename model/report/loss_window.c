#include "model/report/loss_window.h"

#include "model/network/node_proxy.h"
#include "sim/engine/vec.h"

#include <math.h>
#include <string.h>

/* Losses of one cause that are further apart than this are two windows. */
#define LONGEST_PAUSE (10 * SIMTIME_SEC)

typedef enum { CAUSE_RULE, CAUSE_NO_LISTENER, CAUSE_POD_GONE, CAUSE_HOST_DOWN, CAUSE_LB, CAUSE_OTHER } CauseKind;

typedef struct {
    LossWindow window;
    CauseKind kind;
    char *key;
    const char *node; /* Node concerned, or NULL. */
} Open;

typedef VEC(Open) OpenList;

static bool
is_lost(const Flow *flow)
{
    return flow->outcome != FLOW_CONNECTED && flow->outcome != FLOW_PENDING;
}

static const FlowDrop *
last_drop(const Flow *flow)
{
    return flow->n_drops ? &flow->drops[flow->n_drops - 1] : NULL;
}

static CauseKind
cause_kind(const Flow *flow)
{
    const FlowDrop *drop = last_drop(flow);

    if (!drop)
        return flow->outcome == FLOW_REFUSED || flow->outcome == FLOW_RESET ? CAUSE_NO_LISTENER : CAUSE_OTHER;
    switch (drop->reason) {
    case DROP_RULE:
    case DROP_RULE_REJECT:
    case DROP_POLICY:
        return CAUSE_RULE;
    case DROP_NO_SOCKET:
        return CAUSE_NO_LISTENER;
    case DROP_NEIGHBOUR:
    case DROP_NO_ROUTE:
        return CAUSE_POD_GONE;
    case DROP_HOST_DOWN:
    case DROP_LINK_DOWN:
        return CAUSE_HOST_DOWN;
    case DROP_LB_NO_TARGET:
    case DROP_LB_NO_FLOW:
    case DROP_LB_HAIRPIN:
        return CAUSE_LB;
    default:
        return CAUSE_OTHER;
    }
}

/* The node whose rules or pods are behind the loss. */
static const char *
node_of_loss(Cluster *cluster, const Flow *flow)
{
    const FlowDrop *drop = last_drop(flow);
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(cluster, &n);

    for (size_t i = 0; drop && i < n; i++)
        if (strcmp(nodes[i]->name, drop->host) == 0)
            return nodes[i]->name;
    return flow->n_nodes ? flow->nodes[flow->n_nodes - 1] : NULL;
}

static char *
cause_text(const Flow *flow)
{
    const FlowDrop *drop = last_drop(flow);

    if (flow->blame)
        return g_strdup(flow->blame);
    if (drop)
        return g_strdup_printf("%s: %s", drop->host, drop_reason_sentence(drop->reason));
    return g_strdup_printf("%s (%s)", flow_outcome_name(flow->outcome), flow->reason ? flow->reason : "no answer");
}

static char *
cause_key(Cluster *cluster, const Flow *flow, CauseKind kind)
{
    const char *node = node_of_loss(cluster, flow);
    const FlowDrop *drop = last_drop(flow);

    return g_strdup_printf("%d %s %s", (int)kind, node ? node : "", kind == CAUSE_RULE && drop->rule ? drop->rule : "");
}

static void
add_loss(Cluster *cluster, OpenList *list, const Flow *flow)
{
    CauseKind kind = cause_kind(flow);
    char *key = cause_key(cluster, flow, kind);
    const FlowDrop *drop = last_drop(flow);

    for (size_t i = 0; i < list->len; i++) {
        Open *open = &list->data[i];
        if (strcmp(open->key, key) == 0 && flow->start - open->window.end <= LONGEST_PAUSE) {
            open->window.end = flow->start;
            open->window.lost++;
            g_free(key);
            return;
        }
    }
    vec_push(list, (Open){.window = {.start = flow->start,
                                     .end = flow->start,
                                     .closed = -1,
                                     .lost = 1,
                                     .where = g_strdup(drop ? drop->host : ""),
                                     .cause = cause_text(flow)},
                          .kind = kind,
                          .key = key,
                          .node = node_of_loss(cluster, flow)});
}

/* --- What closed it
 * -------------------------------------------------------------------------------------------------------- */

static const LbHealthEvent *
target_taken_out(const Cloud *cloud, const Open *open)
{
    size_t n = 0;
    const LbHealthEvent *events = cloud ? lb_health_history(cloud, &n) : NULL;

    for (size_t i = 0; open->node && i < n; i++)
        if (events[i].at >= open->window.end && strcmp(events[i].target, open->node) == 0 &&
            events[i].to != LB_TARGET_HEALTHY && events[i].to != LB_TARGET_INITIAL)
            return &events[i];
    return NULL;
}

static const ProxySync *
next_sync(Cluster *cluster, const Open *open)
{
    const ClusterNode *node = open->node ? cluster_node(cluster, open->node) : NULL;
    size_t n = 0;
    const ProxySync *syncs = node ? node_proxy_syncs(node->proxy, &n) : NULL;

    for (size_t i = 0; i < n; i++)
        if (syncs[i].done >= open->window.end && syncs[i].rules_written > 0)
            return &syncs[i];
    return NULL;
}

static double
seconds(SimTime t)
{
    return (double)t / SIMTIME_SEC;
}

static void
closed_by_lb(Open *open, const LbHealthEvent *event, const LbProfile *profile)
{
    LossWindow *w = &open->window;
    const LbProbe *probe = &profile->probe[POLICY_LOCAL];
    g_autofree char *how_often = probe->interval ? g_strdup_printf(" (now every %g s, out after %u failures)",
                                                                   seconds(probe->interval), probe->unhealthy)
                                                 : g_strdup("");

    w->closed = event->at;
    w->clock = g_strdup_printf("load balancer health check: %s taken out at %.3f s (%s%s)", event->target,
                               seconds(event->at), event->cause ? event->cause : "unhealthy",
                               event->first_bad >= 0 ? ", after the probes' interval times their threshold" : "");
    w->fix = g_strdup_printf("keep a serving pod on %s for %.1f s (preStop at least %.0f s), or probe more often%s",
                             event->target, seconds(w->closed - w->start), ceil(seconds(w->closed - w->start)) + 1,
                             how_often);
}

static void
closed_by_sync(Open *open, const ProxySync *sync)
{
    LossWindow *w = &open->window;

    w->closed = sync->done;
    w->clock =
        g_strdup_printf("endpoint removal: kube-proxy on %s had the new rules at %.3f s (EndpointSlice update, watch, "
                        "minSyncPeriod, load time)",
                        open->node, seconds(sync->done));
    if (open->kind == CAUSE_RULE)
        w->fix = g_strdup("have a ready endpoint before the last one goes (maxUnavailable: 0, a second replica)");
    else
        w->fix =
            g_strdup_printf("let terminating pods go on serving for at least %.1f s (preStop, or drain on SIGTERM)",
                            seconds(w->closed - w->start) + 0.5);
}

static void
find_closer(Cluster *cluster, const Cloud *cloud, Open *open)
{
    const LbHealthEvent *event = target_taken_out(cloud, open);
    const ProxySync *sync = next_sync(cluster, open);
    bool lb_matters = open->kind == CAUSE_RULE || open->kind == CAUSE_HOST_DOWN;

    if (lb_matters && event && (!sync || event->at <= sync->done))
        closed_by_lb(open, event, cloud_profile(cloud));
    else if (sync && open->kind != CAUSE_LB && open->kind != CAUSE_OTHER)
        closed_by_sync(open, sync);
    else if (event)
        closed_by_lb(open, event, cloud_profile(cloud));
}

LossWindow *
loss_windows(Cluster *cluster, const Cloud *cloud, Flow *const *flows, size_t n_flows, uint32_t *ret_n)
{
    OpenList list = {0};
    LossWindow *windows;

    for (size_t i = 0; i < n_flows; i++)
        if (is_lost(flows[i]))
            add_loss(cluster, &list, flows[i]);
    windows = g_new0(LossWindow, list.len + 1);
    for (size_t i = 0; i < list.len; i++) {
        find_closer(cluster, cloud, &list.data[i]);
        windows[i] = list.data[i].window;
        if (!windows[i].clock)
            windows[i].clock = g_strdup("nothing in this run closed it");
        if (!windows[i].fix)
            windows[i].fix = g_strdup("see the cause");
        g_free(list.data[i].key);
    }
    *ret_n = (uint32_t)list.len;
    vec_clear(&list);
    return windows;
}

void
loss_windows_free(LossWindow *windows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        g_free(windows[i].where);
        g_free(windows[i].cause);
        g_free(windows[i].clock);
        g_free(windows[i].fix);
    }
    g_free(windows);
}
