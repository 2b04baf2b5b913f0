#include "model/report/loss_private.h"

#include "sim/engine/vec.h"

#include <string.h>

/* Losses of one cause that are further apart than this are two windows. */
#define LONGEST_PAUSE (30 * SIMTIME_SEC)

typedef VEC(LossGroup) GroupList;

static bool
is_lost(const Flow *flow)
{
    return flow->outcome != FLOW_CONNECTED && flow->outcome != FLOW_PENDING;
}

/* A flow that waits in vain is decided by what met its first packet; one that hears an answer, by that. */
static const FlowDrop *
decisive_drop(const Flow *flow)
{
    if (flow->n_drops == 0)
        return NULL;
    return flow->outcome == FLOW_TIMEOUT ? &flow->drops[0] : &flow->drops[flow->n_drops - 1];
}

/* The last node that translated the destination: where kube-proxy chose the pod. */
static const FlowRewrite *
choice_of_pod(const Cluster *cluster, const Flow *flow)
{
    for (uint32_t i = flow->n_dnat; i-- > 0;)
        if (cluster_node(cluster, flow->dnat[i].host))
            return &flow->dnat[i];
    return NULL;
}

/* The node that the load balancer translated to, if nobody chose a pod after that. */
static const ClusterNode *
node_sent_to(const LossWorld *w, const Flow *flow)
{
    return flow->n_dnat ? cluster_node_by_ip(w->cluster, flow->dnat[flow->n_dnat - 1].to) : NULL;
}

static LossKind
kind_of_unreachable(const LossWorld *w, const Flow *flow)
{
    const FlowRewrite *choice = choice_of_pod(w->cluster, flow);

    if (choice)
        return cluster_node(w->cluster, choice->host)->failed ? LOSS_NODE_DOWN : LOSS_POD;
    return flow->n_dnat == 0 || node_sent_to(w, flow) ? LOSS_NODE_DOWN : LOSS_POD;
}

static LossKind
kind_of(const LossWorld *w, const Flow *flow)
{
    const FlowDrop *drop = decisive_drop(flow);

    if (!drop)
        return flow->outcome == FLOW_REFUSED || flow->outcome == FLOW_RESET ? LOSS_POD : LOSS_OTHER;
    switch (drop->reason) {
    case DROP_RULE:
    case DROP_RULE_REJECT:
    case DROP_POLICY:
        return LOSS_RULE;
    case DROP_NO_SOCKET:
        return LOSS_POD;
    case DROP_NEIGHBOUR:
    case DROP_NO_ROUTE:
    case DROP_ICMP_RATELIMIT:
    case DROP_HOST_DOWN:
    case DROP_LINK_DOWN:
        return kind_of_unreachable(w, flow);
    case DROP_LB_NO_TARGET:
    case DROP_LB_NO_FLOW:
    case DROP_LB_HAIRPIN:
        return LOSS_LB;
    default:
        return LOSS_OTHER;
    }
}

/* The node by which the flow entered the cluster. */
static const char *
entry_node(const LossWorld *w, const Flow *flow)
{
    const FlowDrop *drop = decisive_drop(flow);
    const ClusterNode *node = drop ? cluster_node(w->cluster, drop->host) : NULL;
    const FlowRewrite *choice = choice_of_pod(w->cluster, flow);

    if (choice)
        return cluster_node(w->cluster, choice->host)->name;
    if (node)
        return node->name;
    if (flow->n_nodes)
        return flow->nodes[flow->n_nodes - 1];
    /* A dead node passes nothing on: the load balancer's translation tells where it went. */
    node = node_sent_to(w, flow);
    return node ? node->name : NULL;
}

/* "ns/name" of the pod that an address belonged to, from the flows it served. */
static const char *
pod_at(const LossWorld *w, IpAddr addr)
{
    for (size_t i = 0; i < w->n_flows; i++)
        if (w->flows[i]->has_server && w->flows[i]->server_pod && ipaddr_eq(w->flows[i]->server_addr, addr))
            return w->flows[i]->server_pod;
    return NULL;
}

const Lb *
loss_lb_of(const LossWorld *w, const Flow *flow)
{
    size_t n = 0;
    Lb *const *lbs = w->cloud ? cloud_lbs(w->cloud, &n) : NULL;

    for (size_t i = 0; flow->dialed && i < n; i++)
        for (IpFamily family = FAMILY_IPV4; family <= FAMILY_IPV6; family++) {
            char text[IPADDR_STR_SIZE];
            IpAddr addr;
            if (!lb_address(lbs[i], family, &addr))
                continue;
            ipaddr_format(addr, text);
            if (strncmp(flow->dialed + (*flow->dialed == '['), text, strlen(text)) == 0 &&
                strchr(":]", flow->dialed[(*flow->dialed == '[') + strlen(text)]))
                return lbs[i];
        }
    return NULL;
}

/* --- Grouping
 * --------------------------------------------------------------------------------------------------------------- */

static char *
cause_text(const LossWorld *w, const Flow *flow, const LossGroup *g)
{
    const FlowDrop *drop = decisive_drop(flow);
    const char *what = drop ? drop_reason_sentence(drop->reason) : flow->reason ? flow->reason : "no answer";

    if (g->kind == LOSS_POD && flow->n_dnat) {
        const FlowRewrite *choice = choice_of_pod(w->cluster, flow);
        char addr[IPPORT_STR_SIZE];
        choice = choice ? choice : &flow->dnat[flow->n_dnat - 1];
        ipport_format(choice->to, choice->to_port, addr);
        return g_strdup_printf("%s still sends to %s%s%s%s, which is no more: %s", choice->host, addr,
                               g->pod ? " (pod " : "", g->pod ? g->pod : "", g->pod ? ")" : "", what);
    }
    if (g->kind == LOSS_NODE_DOWN)
        return g_strdup_printf(g->broken ? "%s is down, and connections that went through it hang"
                                         : "%s is down and was still sent connections",
                               g->node ? g->node : "a node");
    if (drop && drop->rule)
        return g_strdup_printf("%s %s it: %s", drop->host, drop->reject ? "rejected" : "dropped", drop->rule);
    if (drop)
        return g_strdup_printf("%s: %s", drop->host, what);
    return g_strdup_printf("%s (%s)", flow_outcome_name(flow->outcome), what);
}

SimTime
loss_time(const Flow *flow)
{
    const FlowDrop *drop = decisive_drop(flow);

    /* A connection that lived is lost when its packets are. */
    return flow->connected_at < 0 ? flow->start : drop ? drop->at : flow->end;
}

/* Translated without a rule: by a connection that the node remembers. */
static bool
is_remembered(const LossWorld *w, const Flow *flow)
{
    const FlowRewrite *choice = choice_of_pod(w->cluster, flow);

    return choice && !choice->rule && node_proxy_mode(cluster_node(w->cluster, choice->host)->proxy) != PROXY_IPVS;
}

static LossGroup
group_of(const LossWorld *w, const Flow *flow)
{
    const FlowDrop *drop = decisive_drop(flow);
    LossGroup g = {.kind = kind_of(w, flow), .node = entry_node(w, flow), .lb = loss_lb_of(w, flow)};
    const LbHealthEvent *out = g.lb && g.node ? loss_taken_out(w, g.lb, g.node, 0) : NULL;

    g.broken = flow->connected_at >= 0;
    g.down = drop && (drop->reason == DROP_HOST_DOWN || drop->reason == DROP_LINK_DOWN);
    g.late = out && out->at < loss_time(flow) && (g.kind == LOSS_RULE || g.kind == LOSS_NODE_DOWN);
    if (g.kind == LOSS_POD && flow->n_dnat) {
        char addr[IPPORT_STR_SIZE];
        const FlowRewrite *last = &flow->dnat[flow->n_dnat - 1];
        g.late = is_remembered(w, flow);
        g.pod = pod_at(w, last->to);
        g.key = g_strdup_printf("pod %d %s", g.late, ipport_format(last->to, last->to_port, addr));
    } else {
        g.key = g_strdup_printf("%d %s %d %d %s", (int)g.kind, g.node ? g.node : "", g.late, g.broken,
                                g.kind == LOSS_RULE && drop->rule ? drop->rule : "");
    }
    g.window = (LossWindow){.start = loss_time(flow),
                            .end = loss_time(flow),
                            .closed = -1,
                            .lost = 1,
                            .where = g_strdup(drop ? drop->host : ""),
                            .cause = cause_text(w, flow, &g)};
    return g;
}

static void
group_clear(LossGroup *g)
{
    g_free(g->key);
    g_free(g->entry);
}

static void
note_entry(LossGroup *g, const char *node)
{
    for (uint32_t i = 0; i < g->n_entry; i++)
        if (strcmp(g->entry[i], node) == 0)
            return;
    g->entry = g_realloc_n(g->entry, g->n_entry + 1, sizeof *g->entry);
    g->entry[g->n_entry++] = node;
}

static void
add_loss(const LossWorld *w, GroupList *list, const Flow *flow)
{
    LossGroup g = group_of(w, flow), *same = NULL;

    for (size_t i = 0; i < list->len && !same; i++)
        if (strcmp(list->data[i].key, g.key) == 0 && g.window.start - list->data[i].window.end <= LONGEST_PAUSE)
            same = &list->data[i];
    if (same) {
        same->window.end = loss_time(flow);
        same->window.lost++;
        g_free(g.window.where);
        g_free(g.window.cause);
        group_clear(&g);
    } else {
        vec_push(list, g);
        same = vec_last(list);
    }
    if (g.kind == LOSS_POD && g.node)
        note_entry(same, g.node);
}

/* The last pod of a node goes: its listener first, then the rules.  For whoever waits that is one window. */
static void
merge_phases(GroupList *list)
{
    for (size_t i = 0; i < list->len; i++) {
        LossGroup *pod = &list->data[i], *rule = NULL;
        if (pod->kind != LOSS_POD || pod->n_entry != 1)
            continue;
        for (size_t j = 0; j < list->len && !rule; j++) {
            LossGroup *g = &list->data[j];
            if (g->kind == LOSS_RULE && !g->late && g->node && strcmp(g->node, pod->entry[0]) == 0 &&
                g->window.start >= pod->window.start && g->window.start - pod->window.end <= 2 * SIMTIME_SEC)
                rule = g;
        }
        if (!rule)
            continue;
        char *cause = g_strdup_printf("%s; from %.3f s on %s", pod->window.cause,
                                      (double)rule->window.start / SIMTIME_SEC, rule->window.cause);
        g_free(rule->window.cause);
        g_free(pod->window.cause);
        g_free(pod->window.where);
        rule->window.cause = cause;
        rule->window.start = pod->window.start;
        rule->window.lost += pod->window.lost;
        group_clear(pod);
        memmove(pod, pod + 1, (list->len - i - 1) * sizeof *pod);
        list->len--;
        i--;
    }
}

static int
compare_starts(gconstpointer a, gconstpointer b, gpointer unused)
{
    const LossGroup *x = a, *y = b;

    (void)unused;
    if (x->window.start != y->window.start)
        return x->window.start < y->window.start ? -1 : 1;
    return strcmp(x->key, y->key);
}

static int
compare_loss_times(gconstpointer a, gconstpointer b, gpointer unused)
{
    const Flow *x = *(const Flow *const *)a, *y = *(const Flow *const *)b;
    SimTime x_at = loss_time(x), y_at = loss_time(y);

    (void)unused;
    return x_at != y_at ? (x_at > y_at) - (x_at < y_at) : strcmp(x->name, y->name);
}

LossWindow *
loss_windows(Cluster *cluster, const Cloud *cloud, Flow *const *flows, size_t n_flows, uint32_t *ret_n)
{
    const LossWorld w = {cluster, cloud, flows, n_flows};
    VEC(const Flow *) lost = {0};
    GroupList list = {0};
    LossWindow *windows;

    for (size_t i = 0; i < n_flows; i++)
        if (is_lost(flows[i]))
            vec_push(&lost, flows[i]);
    if (lost.len > 0)
        g_qsort_with_data(lost.data, (gint)lost.len, sizeof(Flow *), compare_loss_times, NULL);
    for (size_t i = 0; i < lost.len; i++)
        add_loss(&w, &list, lost.data[i]);
    vec_clear(&lost);
    merge_phases(&list);
    if (list.len > 0)
        g_qsort_with_data(list.data, (gint)list.len, sizeof(LossGroup), compare_starts, NULL);
    windows = g_new0(LossWindow, list.len + 1);
    for (size_t i = 0; i < list.len; i++) {
        loss_find_closer(&w, &list.data[i]);
        windows[i] = list.data[i].window;
        group_clear(&list.data[i]);
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
