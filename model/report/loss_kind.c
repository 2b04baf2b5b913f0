/* What kind of loss a lost flow is, and where: from its drops, its rewrites and where it was sent last */

#include "model/report/loss_private.h"

#include <string.h>

SimTime
loss_time(const Flow *flow)
{
    const FlowDrop *drop = flow_decisive_drop(flow);

    /* A connection that lived is lost when its packets are.  One that only a proxy had accepted did not live. */
    if (flow->connected_at < 0 || !flow->has_server)
        return flow->start;
    return drop ? drop->at : flow->end;
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

static bool
is_down(const ClusterNode *node, SimTime t)
{
    return node && node->failed_at >= 0 && t >= node->failed_at &&
           (node->recovered_at < node->failed_at || t < node->recovered_at);
}

/* By whoever sent it last, rather than to a node or to the address that was dialled. */
static bool
is_sent_to_pod(const LossWorld *w, const Flow *flow)
{
    char addr[IPPORT_STR_SIZE];

    if (choice_of_pod(w->cluster, flow) || flow->aim.pod)
        return true;
    return flow->aim.by && !cluster_node_by_ip(w->cluster, flow->aim.to) && flow->dialed &&
           strcmp(ipport_format(flow->aim.to, flow->aim.port, addr), flow->dialed) != 0;
}

static bool
has_reason_of_death(const Flow *flow)
{
    const FlowDrop *drop = flow_decisive_drop(flow);

    return drop && (drop->reason == DROP_HOST_DOWN || drop->reason == DROP_LINK_DOWN);
}

static LossKind
kind_of_unreachable(const LossWorld *w, const Flow *flow)
{
    const FlowRewrite *choice = choice_of_pod(w->cluster, flow);

    if (!choice && !flow->aim.node && !flow->aim.pod && loss_lb_of(w, flow) && !is_sent_to_pod(w, flow))
        return LOSS_LB; /* Nobody announces the address. */
    if (choice && is_down(cluster_node(w->cluster, choice->host), loss_time(flow)))
        return LOSS_NODE_DOWN;
    if (is_sent_to_pod(w, flow))
        return LOSS_POD;
    return has_reason_of_death(flow) || is_down(flow->aim.node, loss_time(flow)) ? LOSS_NODE_DOWN : LOSS_OTHER;
}

/* An announced address leads to a node, which its packets see, or to nobody. */
static bool
is_announced_by_nobody(const LossWorld *w, const Flow *flow)
{
    return flow->n_nodes == 0 && !flow->aim.node && !flow->aim.pod && loss_lb_of(w, flow) &&
           cloud_profile(w->cloud)->path == LB_PATH_ANNOUNCE;
}

static LossKind
kind_of(const LossWorld *w, const Flow *flow)
{
    const FlowDrop *drop = flow_decisive_drop(flow);

    /* It still waited for the neighbour's answer. */
    if (!drop && flow->outcome == FLOW_TIMEOUT &&
        (is_down(flow->aim.node, loss_time(flow)) || is_announced_by_nobody(w, flow)))
        return kind_of_unreachable(w, flow);
    if (!drop && (flow->outcome == FLOW_REFUSED || flow->outcome == FLOW_RESET))
        return flow->has_server ? LOSS_SERVER : LOSS_POD;
    if (!drop)
        return LOSS_OTHER;
    switch (drop->reason) {
    case DROP_RULE:
    case DROP_RULE_REJECT:
    case DROP_POLICY:
        return drop->reject && drop->rule && strstr(drop->rule, "no endpoints") ? LOSS_NOBODY : LOSS_RULE;
    case DROP_NO_SOCKET:
        if (strcmp(drop->host, host_name(flow->client_host)) == 0)
            return LOSS_OTHER; /* An answer that the client does not understand, or an address of its own. */
        return flow->connected_at >= 0 && flow->has_server ? LOSS_SERVER : LOSS_POD;
    case DROP_NEIGHBOUR:
    case DROP_NO_ROUTE:
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
    const FlowDrop *drop = flow_decisive_drop(flow);
    const ClusterNode *node = drop ? cluster_node(w->cluster, drop->host) : NULL;
    const FlowRewrite *choice = choice_of_pod(w->cluster, flow);

    if (choice)
        return cluster_node(w->cluster, choice->host)->name;
    if (node)
        return node->name;
    if (flow->n_nodes)
        return flow->nodes[flow->n_nodes - 1];
    /* A dead node passes nothing on. */
    return flow->aim.node ? flow->aim.node->name : NULL;
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

bool
loss_dials(const Flow *flow, IpAddr addr)
{
    const char *dialed = flow->dialed;
    char text[IPADDR_STR_SIZE];

    if (!dialed)
        return false;
    dialed += *dialed == '[';
    ipaddr_format(addr, text);
    return strncmp(dialed, text, strlen(text)) == 0 && strchr(":]", dialed[strlen(text)]);
}

const Lb *
loss_lb_of(const LossWorld *w, const Flow *flow)
{
    size_t n = 0;
    Lb *const *lbs = w->cloud ? cloud_lbs(w->cloud, &n) : NULL;
    IpAddr addr;

    for (size_t i = 0; i < n; i++)
        for (IpFamily family = FAMILY_IPV4; family <= FAMILY_IPV6; family++)
            if (lb_address(lbs[i], family, &addr) && loss_dials(flow, addr))
                return lbs[i];
    return NULL;
}

/* Translated without a rule: by a connection that the node remembers. */
static bool
is_remembered(const LossWorld *w, const Flow *flow)
{
    const FlowRewrite *choice = choice_of_pod(w->cluster, flow);

    return choice && !choice->rule && node_proxy_mode(cluster_node(w->cluster, choice->host)->proxy) != PROXY_IPVS;
}

/* Were later connections lost there because of a rule? */
static bool
is_still_chosen(const LossWorld *w, const Flow *flow)
{
    const FlowRewrite *choice = choice_of_pod(w->cluster, flow);

    for (size_t i = 0; i < w->n_flows; i++) {
        const Flow *later = w->flows[i];
        const FlowRewrite *other = flow_is_lost(later) ? choice_of_pod(w->cluster, later) : NULL;
        if (other && other->rule && ipaddr_eq(other->to, choice->to) && strcmp(other->host, choice->host) == 0 &&
            loss_time(later) >= loss_time(flow))
            return true;
    }
    return false;
}

/* Hosts of pods are "pod/NAME" in the namespace default, else "pod/NS/NAME". */
static bool
is_host_of(const char *host, const char *pod)
{
    if (!pod || !g_str_has_prefix(host, "pod/"))
        return false;
    return strcmp(host + 4, g_str_has_prefix(pod, "default/") ? pod + 8 : pod) == 0;
}

/* Under stateless announcement packets follow the address, not the node where their connection began. */
static bool
is_moved(const LossWorld *w, const Flow *flow, const LossGroup *g)
{
    const FlowDrop *drop = flow_decisive_drop(flow);

    if (!g->broken || !g->lb || !drop || cloud_profile(w->cloud)->path != LB_PATH_ANNOUNCE)
        return false;
    return g->kind == LOSS_RULE || (drop->reason == DROP_NO_SOCKET && !is_host_of(drop->host, flow->server_pod));
}

/* --- Words ------------------------------------------------------------------------------------------------------- */

static const char *
pod_state_text(const LossGroup *g)
{
    if (g->down)
        return "whose node is down";
    if (!g->broken && g->pod_state == FLOW_POD_LISTENS)
        return "which does not listen on that port";
    if (!g->broken && g->pod_state == FLOW_POD_NOT_YET)
        return "which does not listen yet";
    return "which no longer serves";
}

static char *
cause_of_pod(const LossGroup *g, const char *by, const char *addr, const char *what)
{
    bool told = g->down || (!g->broken && g->pod_state == FLOW_POD_LISTENS);

    return g_strdup_printf("%s%s sends to %s%s%s%s, %s%s%s", by, told ? "" : " still", addr, g->pod ? " (pod " : "",
                           g->pod ? g->pod : "", g->pod ? ")" : "", pod_state_text(g), g->down ? "" : ": ",
                           g->down ? "" : what);
}

static char *
cause_of_server(const Flow *flow, const char *what)
{
    const char *pod = flow->server_pod ? flow->server_pod : "the server";

    if (flow->server_state == FLOW_POD_LISTENS && flow->server_expects_header)
        return g_strdup_printf("%s closed connections that did not begin with a header of the PROXY protocol, which "
                               "it expects",
                               pod);
    if (flow->server_state == FLOW_POD_LISTENS)
        return g_strdup_printf("%s ended the connection itself, and goes on serving others: %s", pod, what);
    return g_strdup_printf("%s ended with connections open: %s", pod, what);
}

static char *
cause_text(const LossWorld *w, const Flow *flow, const LossGroup *g)
{
    const FlowDrop *drop = flow_decisive_drop(flow);
    const FlowRewrite *choice = choice_of_pod(w->cluster, flow);
    const char *what = drop ? drop_reason_sentence(drop->reason) : flow->reason ? flow->reason : "no answer";

    if (g->kind == LOSS_POD && is_sent_to_pod(w, flow)) {
        char addr[IPPORT_STR_SIZE];
        ipport_format(g->pod_addr, choice ? choice->to_port : flow->aim.port, addr);
        return cause_of_pod(g, choice ? choice->host : flow->aim.by, addr, what);
    }
    if (g->kind == LOSS_SERVER)
        return cause_of_server(flow, what);
    if (g->kind == LOSS_NOBODY)
        return g_strdup_printf("there is no endpoint to send to; %s rejected it: %s", drop->host,
                               drop->rule ? drop->rule : what);
    if (g->kind == LOSS_LB && drop && cloud_profile(w->cloud)->path == LB_PATH_ANNOUNCE)
        return g_strdup_printf("no node announces the address: %s: %s", drop->host, what);
    if (g->kind == LOSS_LB && is_announced_by_nobody(w, flow))
        return g_strdup("no node announces the address: the client gave up before the router did");
    if (g->moved)
        return g_strdup_printf("packets of connections under way came where nobody knows them, first from %s to %s: %s",
                               flow->n_nodes ? flow->nodes[0] : "another node", drop->host,
                               drop->rule ? drop->rule : what);
    if (g->kind == LOSS_NODE_DOWN)
        return g_strdup_printf(g->broken ? "%s is down, and connections that went through it hang"
                                         : "%s is down and was still sent connections",
                               g->node ? g->node : "a node");
    if (drop && drop->reason == DROP_NO_SOCKET && flow->has_server &&
        strcmp(drop->host, host_name(flow->client_host)) == 0)
        return g_strdup_printf("the answer of %s came to the client from an address that it had not dialled: it went "
                               "past the node that had translated the request",
                               flow->server_pod ? flow->server_pod : "the server");
    if (drop && drop->rule)
        return g_strdup_printf("%s %s it: %s", drop->host, drop->reject ? "rejected" : "dropped", drop->rule);
    if (drop)
        return g_strdup_printf("%s: %s", drop->host, what);
    if (flow->outcome == FLOW_TIMEOUT && flow->has_server && flow->connected_at < 0)
        return g_strdup_printf("%s got the opening packet and did not take it as one: it remembers an earlier "
                               "connection from that client port",
                               flow->server_pod ? flow->server_pod : "the server");
    if (flow->outcome == FLOW_TIMEOUT && flow->aim.by) {
        char addr[IPPORT_STR_SIZE];
        return g_strdup_printf("no answer within the client's time limit, and no packet was dropped; %s sent the last "
                               "opening packet to %s",
                               flow->aim.by, ipport_format(flow->aim.to, flow->aim.port, addr));
    }
    return g_strdup_printf("%s (%s)", flow_outcome_name(flow->outcome), what);
}

/* --- The group --------------------------------------------------------------------------------------------------- */

static void
place_at_pod(const LossWorld *w, const Flow *flow, LossGroup *g)
{
    const FlowRewrite *choice = choice_of_pod(w->cluster, flow);
    char addr[IPADDR_STR_SIZE];
    bool aimed;

    g->pod_addr = choice ? choice->to : flow->aim.to;
    aimed = ipaddr_eq(flow->aim.to, g->pod_addr);
    g->pod = aimed && flow->aim.pod ? flow->aim.pod : pod_at(w, g->pod_addr);
    g->pod_state = aimed ? flow->aim.pod_state : FLOW_POD_GONE;
    g->down = g->down || (aimed && is_down(flow->aim.node, loss_time(flow)));
    g->late = is_remembered(w, flow) && !is_still_chosen(w, flow);
    g->key = g_strdup_printf("pod %d %d %d %s", g->late, g->down,
                             !g->broken && (g->pod_state == FLOW_POD_NOT_YET || g->pod_state == FLOW_POD_LISTENS),
                             ipaddr_format(g->pod_addr, addr));
}

LossGroup
loss_group_of(const LossWorld *w, const Flow *flow)
{
    const FlowDrop *drop = flow_decisive_drop(flow);
    SimTime at = loss_time(flow);
    LossGroup g = {.kind = kind_of(w, flow), .node = entry_node(w, flow), .lb = loss_lb_of(w, flow)};

    g.broken = flow->connected_at >= 0 && flow->has_server;
    g.moved = is_moved(w, flow, &g);
    if (g.moved)
        g.kind = LOSS_RULE;
    g.down = drop && drop->reason == DROP_HOST_DOWN;
    g.first = flow;
    g.service = loss_service_of(w, flow, g.lb);
    g.late = !g.moved && (g.kind == LOSS_RULE || g.kind == LOSS_NODE_DOWN) && g.lb && g.node &&
             loss_is_out(w, g.lb, g.node, at) && loss_any_healthy(w, g.lb, at);
    g.reasons = drop ? UINT64_C(1) << drop->reason : 0;
    if (g.kind == LOSS_POD && is_sent_to_pod(w, flow)) {
        place_at_pod(w, flow, &g);
        if (choice_of_pod(w->cluster, flow))
            loss_note_entry(&g, g.node);
    } else if (g.moved) {
        g.key = g_strdup_printf("moved %s", flow->dialed);
    } else if (g.kind == LOSS_NOBODY) {
        loss_note_entry(&g, g.node);
        g.key = g_strdup_printf("nobody %s", flow->dialed);
    } else if (g.kind == LOSS_SERVER) {
        g.key = g_strdup_printf("server %s %d", flow->server_pod ? flow->server_pod : "",
                                flow->server_state == FLOW_POD_LISTENS);
    } else {
        g.key = g_strdup_printf("%d %s %d %d %s", (int)g.kind, g.node ? g.node : "", g.late, g.broken,
                                g.kind == LOSS_RULE && drop->rule ? drop->rule : "");
    }
    g.window = (LossWindow){.start = at,
                            .end = at,
                            .closed = -1,
                            .lost = 1,
                            .timed_out = flow->outcome == FLOW_TIMEOUT,
                            .refused = flow->outcome == FLOW_REFUSED,
                            .reset = flow->outcome == FLOW_RESET,
                            .where = g_strdup(drop ? drop->host : ""),
                            .cause = cause_text(w, flow, &g)};
    return g;
}
