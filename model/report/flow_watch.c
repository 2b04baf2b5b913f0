/* What the trace says of flows: the book's sink.  A million flows lie out of the caches, so each record is asked first
 * whether it can concern one (tells_nothing()), and lists grow in the book's arena by doubling. */

#include "model/network/node_proxy.h"
#include "model/network/pod_apps.h"
#include "model/report/flows_private.h"

/* Room for one more than 'n' elements: the list doubles, and the old one stays in the arena. */
static void *
grown(FlowBook *book, void *list, uint32_t n, size_t size)
{
    void *more;

    if (n & (n - 1))
        return list;
    more = arena_alloc(&book->arena, MAX(1, 2 * n) * size);
    if (n > 0)
        memcpy(more, list, n * size);
    return more;
}

static const char *
short_rule(FlowBook *book, const NfRuleset *rs, const NfChain *chain, uint32_t index)
{
    const char *name = nf_chain_name(nf_ruleset_names(rs), nf_chain_spec(chain)->id);
    char text[NF_NAME_SIZE + 16];

    if (index < nf_chain_n_rules(chain))
        g_snprintf(text, sizeof text, "%s %u", name, index + 1);
    else
        g_snprintf(text, sizeof text, "%s policy", name);
    return flow_book_keep(book, text);
}

static bool
rule_origin(const Cluster *cluster, const Host *host, const NfRuleset *rs, const NfChain *chain, uint32_t index,
            RuleOrigin *ret_origin)
{
    const ClusterNode *node = cluster_node_of_host(cluster, host);

    return node && node->proxy && index < nf_chain_n_rules(chain) &&
           proxy_origin(node_proxy_compiler(node->proxy, nf_ruleset_family(rs)), nf_chain_rule(chain, index)->origin,
                        ret_origin);
}

static bool
sets_mark(const TraceRecord *r)
{
    const NfRule *rule = nf_chain_rule(r->rule.chain, r->rule.index);
    const NfExpr *exprs = nf_chain_exprs(r->rule.chain, r->rule.index);

    for (uint16_t i = 0; i < rule->n; i++)
        if (exprs[i].op == NFX_SET_MARK)
            return true;
    return false;
}

/* kube-proxy marks in a chain of its own, so the rule before is the one that wanted it.  POSTROUTING takes the mark off
 * again. */
static void
on_rule(FlowBook *book, const TraceRecord *r)
{
    if (r->rule.hook != NF_POSTROUTING && book->last.packet == r->pkt->id && book->last.host == r->host && sets_mark(r))
        book->marker = book->last;
    book->last = (LastRule){r->pkt->id, r->host, r->rule.ruleset, r->rule.chain, r->rule.index};
}

static void
note_marker(FlowBook *book, FlowRewrite *rewrite, const TraceRecord *r)
{
    const LastRule *marker = &book->marker;
    RuleOrigin origin;

    if (marker->packet != r->pkt->id || marker->host != r->host)
        return;
    rewrite->marked_by = short_rule(book, marker->ruleset, marker->chain, marker->index);
    if (rule_origin(book->cluster, r->host, marker->ruleset, marker->chain, marker->index, &origin))
        rewrite->because = flow_book_keep_name(book, origin.field);
}

static const char *
kept_name(FlowBook *book, const Host *host)
{
    return host ? flow_book_keep_name(book, host_name(host)) : "";
}

static void
add_rewrite(FlowBook *book, FlowRewrite **list, uint32_t *n, const TraceRecord *r)
{
    const LastRule *last = &book->last;
    bool by_rule = last->packet == r->pkt->id && last->host == r->host;

    for (uint32_t i = 0; i < *n; i++)
        if (strcmp((*list)[i].host, host_name(r->host)) == 0 && ipaddr_eq((*list)[i].to, r->nat.to) &&
            (*list)[i].to_port == r->nat.to_port)
            return;
    *list = grown(book, *list, *n, sizeof **list);
    (*list)[(*n)++] = (FlowRewrite){.host = kept_name(book, r->host),
                                    .from = r->nat.from,
                                    .to = r->nat.to,
                                    .from_port = r->nat.from_port,
                                    .to_port = r->nat.to_port,
                                    .rule = by_rule ? short_rule(book, last->ruleset, last->chain, last->index) : NULL,
                                    .at = r->at};
    if (r->nat.manip == NAT_MANIP_SRC)
        note_marker(book, &(*list)[*n - 1], r);
}

static void
on_nat(FlowBook *book, Flow *flow, const TraceRecord *r)
{
    if (r->nat.undo)
        return;
    if (r->nat.manip == NAT_MANIP_DST)
        add_rewrite(book, &flow->dnat, &flow->n_dnat, r);
    else
        add_rewrite(book, &flow->snat, &flow->n_snat, r);
}

static void
on_drop(FlowBook *book, Flow *flow, const TraceRecord *r)
{
    DropReason reason = r->drop.reason;
    g_autofree char *rule = NULL;

    /* A reject was told already, when its rule decided. */
    if (r->kind == TRACE_DROP && reason == DROP_RULE_REJECT)
        return;
    /* A proxy that closed the client's connection meets its later packets without a socket: because of what became of
     * the other connection, or because it never had one. */
    if (reason == DROP_NO_SOCKET && !flow->has_server && r->host && cluster_is_lan_host(r->host)) {
        if (flow->n_drops > 0 || (flow->aim.by && strcmp(flow->aim.by, host_name(r->host)) == 0))
            return;
        reason = DROP_LB_NO_TARGET;
    }
    if (r->drop.chain)
        rule = flow_rule_text(book->cluster, r->host, r->drop.ruleset, r->drop.chain, r->drop.index);
    flow->drops = grown(book, flow->drops, flow->n_drops, sizeof *flow->drops);
    flow->drops[flow->n_drops++] = (FlowDrop){
        .at = r->at,
        .host = kept_name(book, r->host),
        .reason = reason,
        .reject = r->kind == TRACE_REJECT,
        .rule = flow_book_keep(book, rule),
    };
}

static void
add_node(FlowBook *book, Flow *flow, const Host *host)
{
    const ClusterNode *node = cluster_node_of_host(book->cluster, host);

    if (!node)
        return;
    for (uint32_t i = 0; i < flow->n_nodes; i++)
        if (flow->nodes[i] == node->name)
            return;
    flow->nodes = grown(book, flow->nodes, flow->n_nodes, sizeof *flow->nodes);
    flow->nodes[flow->n_nodes++] = node->name;
}

static bool
packet_is_syn(const Packet *pkt)
{
    return (pkt->tcp.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static bool
opens(const Flow *flow, const Packet *pkt)
{
    if (packet_is_icmp(pkt))
        return false;
    return pkt->proto == IPPROTO_TCP_ ? packet_is_syn(pkt) : !flow->has_reply;
}

FlowPodState
flow_pod_state(ClusterPod *pod)
{
    const ApiObject *object = store_get(cluster_store(pod->cluster), KIND_POD, pod->ns, pod->name);

    if (!object)
        return FLOW_POD_GONE;
    if (object->deletion_ns >= 0)
        return FLOW_POD_TERMINATING;
    return cluster_pod_runtime(pod) && pod_runtime_listening(cluster_pod_runtime(pod)) ? FLOW_POD_LISTENS
                                                                                       : FLOW_POD_NOT_YET;
}

static const char *
kept_pod_name(FlowBook *book, const ClusterPod *pod)
{
    g_autofree char *name = g_strconcat(pod->ns, "/", pod->name, NULL);

    return flow_book_keep(book, name);
}

static void
take_aim(FlowBook *book, Flow *flow, const TraceRecord *r)
{
    FlowAim *aim = &flow->aim;
    bool same = aim->by && ipaddr_eq(aim->to, r->pkt->dst) && aim->port == r->pkt->dport;
    const ClusterNode *node;
    ClusterPod *pod;

    if (r->route.kind == TRACE_ROUTE_LOCAL || r->route.kind == TRACE_ROUTE_NONE)
        return;
    if (same && aim->pod && strcmp(aim->by, host_name(r->host)) != 0)
        return; /* On its way to the pod, which is told of already. */
    for (uint32_t i = 0; i < flow->n_dnat; i++)
        if (ipaddr_eq(flow->dnat[i].from, r->pkt->dst) && flow->dnat[i].from_port == r->pkt->dport)
            return; /* Sent again: it goes where the first one went, or the next translation tells. */
    pod = cluster_pod_by_ip(book->cluster, r->pkt->dst);
    node = pod ? pod->node : cluster_node_by_ip(book->cluster, r->route.via);
    if (!same)
        *aim = (FlowAim){.by = kept_name(book, r->host), .to = r->pkt->dst, .port = r->pkt->dport};
    aim->node = node ? node : aim->node;
    if (!pod)
        aim->pod = NULL;
    else if (!aim->pod)
        aim->pod = kept_pod_name(book, pod);
    aim->pod_state = pod ? flow_pod_state(pod) : FLOW_POD_GONE;
}

static void
set_server(FlowBook *book, Flow *flow, const TraceRecord *r)
{
    const FlowAim *aim = &flow->aim;
    ClusterPod *pod = cluster_pod_by_ip(book->cluster, r->pkt->dst);
    const ClusterNode *node = cluster_node_of_host(book->cluster, r->host);

    flow->has_server = true;
    flow->server_pod = NULL;
    if (pod)
        flow->server_pod = aim->pod && ipaddr_eq(aim->to, r->pkt->dst) ? aim->pod : kept_pod_name(book, pod);
    flow->server_node = pod ? pod->node->name : node ? node->name : NULL;
    flow->server_addr = r->pkt->dst;
    flow->server_port = r->pkt->dport;
    flow->source_seen = r->pkt->src;
    flow->source_seen_port = r->pkt->sport;
}

/* The server is where the connection's first packet is delivered, a proxying load balancer not counted; a later
 * delivery to the client is the reply. */
static void
on_deliver(FlowBook *book, Flow *flow, const TraceRecord *r)
{
    const Packet *pkt = r->pkt;
    bool first = pkt->proto == IPPROTO_TCP_ ? opens(flow, pkt) : !flow->has_server;

    if (packet_is_icmp(pkt) || (pkt->proto == IPPROTO_TCP_ && (pkt->tcp.flags & TCP_RST)))
        return;
    if (first) {
        if (!cluster_is_lan_host(r->host))
            set_server(book, flow, r);
    } else if (r->host == flow->client_host && !flow->has_reply) {
        flow->has_reply = true;
        flow->reply_from = pkt->src;
        flow->reply_port = pkt->sport;
    }
}

/* Most records do not concern their flow, which lies out of the caches: a host is passed at its first hook, and only
 * the packet that opens a connection shows where it is sent. */
static bool
tells_nothing(const TraceRecord *r)
{
    if (r->kind == TRACE_HOOK)
        return r->hook.hook != NF_PREROUTING && r->hook.hook != NF_OUTPUT;
    return r->kind == TRACE_ROUTE && r->pkt->proto == IPPROTO_TCP_ && !packet_is_syn(r->pkt);
}

static void
on_record(TraceSink *sink, const TraceRecord *r)
{
    FlowBook *book = (FlowBook *)sink;
    Flow *flow;

    if (!r->pkt)
        return;
    if (r->kind == TRACE_RULE) {
        on_rule(book, r);
        return;
    }
    if (tells_nothing(r))
        return;
    flow = flow_book_find(book, r->pkt->flow);
    if (!flow || flow->end >= 0)
        return;
    if (r->kind == TRACE_NAT)
        on_nat(book, flow, r);
    else if (r->kind == TRACE_DROP || r->kind == TRACE_REJECT)
        on_drop(book, flow, r);
    else if (r->kind == TRACE_DELIVER)
        on_deliver(book, flow, r);
    else if (r->kind == TRACE_HOOK)
        add_node(book, flow, r->host);
    else if (r->kind == TRACE_ROUTE && opens(flow, r->pkt))
        take_aim(book, flow, r);
}

void
flow_book_watch(FlowBook *book)
{
    /* Rules in nat chains rewrite and mark; of a rule that ends a packet, TRACE_DROP tells. */
    book->sink.mask = TRACE_NAT_RULES | TRACE_BIT(TRACE_NAT) | TRACE_BIT(TRACE_DROP) | TRACE_BIT(TRACE_REJECT) |
                      TRACE_BIT(TRACE_DELIVER) | TRACE_BIT(TRACE_HOOK) | TRACE_BIT(TRACE_ROUTE);
    book->sink.record = on_record;
    trace_add_sink(cluster_sim(book->cluster), &book->sink);
}

char *
flow_rule_text(const Cluster *cluster, const Host *host, const NfRuleset *rs, const NfChain *chain, uint32_t index)
{
    const NfNames *names = nf_ruleset_names(rs);
    uint32_t id = nf_chain_spec(chain)->id;
    RuleOrigin origin;

    if (index >= nf_chain_n_rules(chain))
        return g_strdup_printf("%s %s policy", nf_chain_table(names, id), nf_chain_name(names, id));
    if (!rule_origin(cluster, host, rs, chain, index, &origin))
        return g_strdup_printf("%s %s rule %u", nf_chain_table(names, id), nf_chain_name(names, id), index + 1);
    return g_strdup_printf("%s %s rule %u (%s%s%s%s%s)", nf_chain_table(names, id), nf_chain_name(names, id), index + 1,
                           origin.object, origin.detail ? ", " : "", origin.detail ? origin.detail : "",
                           origin.field ? ", " : "", origin.field ? origin.field : "");
}
