#include "model/report/flows.h"

#include "model/network/node_proxy.h"
#include "model/network/pod_apps.h"
#include "model/proxy/arena.h"
#include "sim/engine/htable.h"
#include "sim/engine/vec.h"
#include "sim/netfilter/conntrack.h"

#define BLOCK_SIZE 65536
#define N_RECENT   1024

/* The rule that matched last, for the rewrite that follows it in the same walk. */
typedef struct {
    uint64_t packet;
    const Host *host;
    const NfRuleset *ruleset;
    const NfChain *chain;
    uint32_t index;
} LastRule;

struct FlowBook {
    TraceSink sink;
    Cluster *cluster;
    GPtrArray *flows;       /* Flow. */
    HTable by_id;           /* Flow id -> Flow *. */
    Flow *recent[N_RECENT]; /* By the low bits of the id: those under way are few, and are looked for at each host. */
    LastRule last;
    LastRule marker;     /* The rule that sent a packet to be marked for masquerading. */
    Arena arena;         /* Flows and what is theirs alone. */
    GStringChunk *names; /* Of hosts, which may be gone when the flow is told, and of what many flows have in common. */
};

static const char *const outcome_names[] = {"pending", "connected", "refused", "timeout", "reset", "unresolved"};

const char *
flow_outcome_name(FlowOutcome outcome)
{
    return outcome_names[outcome];
}

/* --- What the trace says
 * ------------------------------------------------------------------------------------------------ */

const char *
flow_book_keep(FlowBook *book, const char *text)
{
    return arena_strdup(&book->arena, text);
}

const void *
flow_book_keep_bytes(FlowBook *book, const void *data, size_t size)
{
    return arena_copy(&book->arena, data, size);
}

const char *
flow_book_keep_name(FlowBook *book, const char *name)
{
    return name ? g_string_chunk_insert_const(book->names, name) : NULL;
}

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
    const NfExpr *exprs = nf_chain_exprs(r->rule.chain, rule);

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

static FlowPodState
pod_state(ClusterPod *pod)
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
    aim->pod_state = pod ? pod_state(pod) : FLOW_POD_GONE;
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

/* --- The book
 * ------------------------------------------------------------------------------------------------------------- */

FlowBook *
flow_book_new(Cluster *cluster)
{
    FlowBook *book = g_new0(FlowBook, 1);

    book->cluster = cluster;
    book->flows = g_ptr_array_new();
    book->names = g_string_chunk_new(256);
    book->arena.block_size = BLOCK_SIZE;
    htable_init(&book->by_id, sizeof(uint64_t), sizeof(Flow *));
    /* Rules in nat chains rewrite and mark; of a rule that ends a packet, TRACE_DROP tells. */
    book->sink.mask = TRACE_NAT_RULES | TRACE_BIT(TRACE_NAT) | TRACE_BIT(TRACE_DROP) | TRACE_BIT(TRACE_REJECT) |
                      TRACE_BIT(TRACE_DELIVER) | TRACE_BIT(TRACE_HOOK) | TRACE_BIT(TRACE_ROUTE);
    book->sink.record = on_record;
    trace_add_sink(cluster_sim(cluster), &book->sink);
    return book;
}

void
flow_book_free(FlowBook *book)
{
    if (!book)
        return;
    trace_remove_sink(cluster_sim(book->cluster), &book->sink);
    g_ptr_array_unref(book->flows);
    arena_clear(&book->arena);
    g_string_chunk_free(book->names);
    htable_clear(&book->by_id);
    g_free(book);
}

Flow *
flow_begin(FlowBook *book, const char *name, const char *from, const char *to, Host *client, uint8_t proto)
{
    Sim *sim = cluster_sim(book->cluster);
    Flow *flow = arena_alloc(&book->arena, sizeof *flow), **slot;
    bool is_new;

    /* From the name, so that an unrelated flow more or less does not move the choices of this one. */
    flow->id = rng_mix(rng_hash_str(sim->seed, name), rng_hash_str(1, from));
    while (flow->id == 0 || (slot = htable_insert(&book->by_id, &flow->id, &is_new), !is_new))
        flow->id = rng_mix(flow->id, 1);
    *slot = flow;
    flow->name = flow_book_keep(book, name);
    flow->from = flow_book_keep_name(book, from);
    flow->to = flow_book_keep_name(book, to);
    flow->client_host = client;
    flow->proto = proto;
    flow->start = sim->now;
    flow->connected_at = flow->end = -1;
    g_ptr_array_add(book->flows, flow);
    return flow;
}

/* Did the sender hear of it?  What met the client itself was an answer already. */
static bool
is_answered(const Flow *flow, const FlowDrop *drop)
{
    switch (drop->reason) {
    case DROP_NO_SOCKET:
        return strcmp(drop->host, host_name(flow->client_host)) != 0;
    case DROP_NO_ROUTE:
    case DROP_NEIGHBOUR:
    case DROP_TTL:
    case DROP_LB_NO_TARGET:
    case DROP_LB_NO_FLOW:
        return true;
    default:
        return drop->reject;
    }
}

const FlowDrop *
flow_decisive_drop(const Flow *flow)
{
    const FlowDrop *last = NULL;

    for (uint32_t i = 0; i < flow->n_drops; i++) {
        const FlowDrop *drop = &flow->drops[i];
        if (drop->reason == DROP_ICMP_RATELIMIT)
            continue;
        if (flow->outcome == FLOW_TIMEOUT || (flow->outcome == FLOW_RESET && is_answered(flow, drop)))
            return drop;
        last = drop;
    }
    return last;
}

static char *
blame_text(const Flow *flow)
{
    const FlowDrop *drop = flow_decisive_drop(flow);
    bool silenced = false;

    for (uint32_t i = 0; i < flow->n_drops; i++)
        silenced |= flow->drops[i].reason == DROP_ICMP_RATELIMIT;
    if (!drop)
        return NULL;
    if (drop->rule)
        return g_strdup_printf("%s %s it: %s%s", drop->host, drop->reject ? "rejected" : "dropped", drop->rule,
                               silenced && flow->outcome == FLOW_TIMEOUT ? "; the ICMP rate limit kept the answer back"
                                                                         : "");
    return g_strdup_printf("%s: %s", drop->host, drop_reason_sentence(drop->reason));
}

static void
note_server_state(const FlowBook *book, Flow *flow)
{
    ClusterPod *pod = cluster_pod_by_ip(book->cluster, flow->server_addr);
    const PodRuntime *runtime = pod ? cluster_pod_runtime(pod) : NULL;
    const ApplicationSpec *spec = runtime ? pod_runtime_spec(runtime) : NULL;

    flow->server_state = pod ? pod_state(pod) : FLOW_POD_GONE;
    flow->server_expects_header = spec && spec->accept_proxy;
}

void
flow_finish(FlowBook *book, Flow *flow, FlowOutcome outcome, const char *reason)
{
    if (flow->has_server && outcome != FLOW_CONNECTED)
        note_server_state(book, flow);
    flow->outcome = outcome;
    flow->reason = reason;
    flow->end = cluster_sim(book->cluster)->now;
    if (outcome != FLOW_CONNECTED) {
        g_autofree char *blame = blame_text(flow);
        flow->blame = flow_book_keep(book, blame);
    }
}

Flow *
flow_book_find(FlowBook *book, uint64_t id)
{
    Flow **recent = &book->recent[id % N_RECENT], **slot;

    if (*recent && (*recent)->id == id)
        return *recent;
    slot = id ? htable_find(&book->by_id, &id) : NULL;
    if (!slot)
        return NULL;
    *recent = *slot;
    return *slot;
}

Flow *const *
flow_book_flows(const FlowBook *book, size_t *ret_n)
{
    *ret_n = book->flows->len;
    return (Flow *const *)book->flows->pdata;
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
