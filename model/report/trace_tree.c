#include "model/report/trace_tree.h"

#include "sim/engine/vec.h"
#include "sim/netfilter/conntrack.h"

#define SCTP_CHUNK_INIT     1
#define SCTP_CHUNK_INIT_ACK 2

struct TraceTree {
    TraceSink sink;
    Cluster *cluster;
    FlowBook *book;
    GPtrArray *packets;  /* TreePacket. */
    GPtrArray *rulesets; /* That steps point into: a sync may replace them before the tree is read. */
    bool listening;
};

static TreePacket *
find_packet(const TraceTree *tree, uint64_t id)
{
    /* The packet under way is nearly always the last. */
    for (guint i = tree->packets->len; i > 0; i--) {
        TreePacket *p = tree->packets->pdata[i - 1];
        if (p->id == id)
            return p;
    }
    return NULL;
}

static bool
has_role(const TraceTree *tree, PacketRole role, const Host *sender)
{
    for (guint i = 0; i < tree->packets->len; i++) {
        const TreePacket *p = tree->packets->pdata[i];
        if (p->role == role && (!sender || p->sender == sender))
            return true;
    }
    return false;
}

static PacketRole
tcp_role(const TraceTree *tree, const Packet *pkt, const Host *sender, bool from_client)
{
    uint8_t syn_ack = pkt->tcp.flags & (TCP_SYN | TCP_ACK);

    if (pkt->tcp.flags & TCP_RST)
        return PACKET_REFUSES;
    if (syn_ack == TCP_SYN)
        return has_role(tree, PACKET_OPENS, sender) ? PACKET_REPEATS : PACKET_OPENS;
    if (syn_ack == (TCP_SYN | TCP_ACK))
        return has_role(tree, PACKET_ACCEPTS, sender) ? PACKET_REPEATS : PACKET_ACCEPTS;
    if (!from_client && pkt->payload.len > 0 && !has_role(tree, PACKET_ANSWERS, NULL))
        return PACKET_ANSWERS;
    return PACKET_OTHER;
}

static PacketRole
role_of(const TraceTree *tree, const Packet *pkt, const Host *sender, bool from_client)
{
    if (packet_is_icmp(pkt))
        return packet_is_icmp_error(pkt) ? PACKET_REFUSES : PACKET_OTHER;
    if (pkt->proto == IPPROTO_TCP_)
        return tcp_role(tree, pkt, sender, from_client);
    if (pkt->proto == IPPROTO_SCTP_) {
        if (pkt->sctp.chunk == SCTP_CHUNK_INIT)
            return has_role(tree, PACKET_OPENS, sender) ? PACKET_REPEATS : PACKET_OPENS;
        return pkt->sctp.chunk == SCTP_CHUNK_INIT_ACK ? PACKET_ACCEPTS : PACKET_OTHER;
    }
    if (from_client)
        return has_role(tree, PACKET_OPENS, sender) ? PACKET_REPEATS : PACKET_OPENS;
    return has_role(tree, PACKET_ANSWERS, NULL) ? PACKET_OTHER : PACKET_ANSWERS;
}

static TreePacket *
add_packet(TraceTree *tree, const Flow *flow, const TraceRecord *r)
{
    TreePacket *p = g_new0(TreePacket, 1);

    p->id = r->pkt->id;
    p->at = r->at;
    p->sender = r->host;
    p->from_client = r->host == flow->client_host;
    p->role = role_of(tree, r->pkt, r->host, p->from_client);
    packet_format(r->pkt, p->title);
    g_ptr_array_add(tree->packets, p);
    return p;
}

static WalkStep
drop_step(const TraceRecord *r)
{
    const NfNames *names = nf_ruleset_names(r->drop.ruleset);
    uint32_t id = nf_chain_spec(r->drop.chain)->id;

    return (WalkStep){.hook = r->drop.hook,
                      .table = nf_chain_table(names, id),
                      .chain = nf_chain_name(names, id),
                      .ruleset = r->drop.ruleset,
                      .chain_obj = r->drop.chain,
                      .rule = r->drop.index < nf_chain_n_rules(r->drop.chain) ? r->drop.index + 1 : 0,
                      .tried = r->drop.index + 1,
                      .matched = true};
}

static void
hold_ruleset(TraceTree *tree, const NfRuleset *ruleset)
{
    if (ruleset && !g_ptr_array_find(tree->rulesets, ruleset, NULL))
        g_ptr_array_add(tree->rulesets, nf_ruleset_ref((NfRuleset *)ruleset));
}

static void
take_details(TraceTree *tree, TreeEvent *e, const TraceRecord *r)
{
    switch (r->kind) {
    case TRACE_HOOK:
        e->hook = (NfHook)r->hook.hook;
        break;
    case TRACE_RULE:
    case TRACE_CHAIN_END:
        e->step = walk_step_of(r);
        hold_ruleset(tree, e->step.ruleset);
        break;
    case TRACE_NAT:
        e->nat.manip = r->nat.manip;
        e->nat.undo = r->nat.undo;
        e->nat.from = r->nat.from;
        e->nat.to = r->nat.to;
        e->nat.from_port = r->nat.from_port;
        e->nat.to_port = r->nat.to_port;
        break;
    case TRACE_ROUTE:
        e->route.kind = (TraceRouteKind)r->route.kind;
        e->route.via = r->route.via;
        e->route.out = r->route.out;
        break;
    case TRACE_CT:
        e->ct.event = (TraceCtEvent)r->ct.event;
        e->ct.orig = conn_tuple(r->ct.conn, CT_ORIG);
        e->ct.reply = conn_tuple(r->ct.conn, CT_REPLY);
        e->ct.state = conn_state_name(r->ct.conn);
        break;
    case TRACE_DROP:
    case TRACE_REJECT:
        e->drop.reason = r->drop.reason;
        e->drop.by_rule = r->drop.chain != NULL;
        if (e->drop.by_rule) {
            e->drop.step = drop_step(r);
            hold_ruleset(tree, e->drop.step.ruleset);
        }
        break;
    case TRACE_DEV_OUT:
    case TRACE_DEV_IN:
    case TRACE_DELIVER:
    case TRACE_SEND:
    case TRACE_RULE_MISS:
    case TRACE_SOCKET:
    case TRACE_APP:
    case TRACE_N_KINDS:
        break;
    }
}

static void
on_record(TraceSink *sink, const TraceRecord *r)
{
    TraceTree *tree = (TraceTree *)sink;
    const Flow *flow = r->pkt && r->host ? flow_book_find(tree->book, r->pkt->flow) : NULL;
    TreePacket *p;
    TreeEvent *e;

    if (!flow || flow->end >= 0)
        return;
    p = find_packet(tree, r->pkt->id);
    if (!p)
        p = add_packet(tree, flow, r);
    if (p->n_events == p->capacity) {
        p->capacity = MAX(32, p->capacity * 2);
        p->events = g_renew(TreeEvent, p->events, p->capacity);
    }
    e = &p->events[p->n_events++];
    *e = (TreeEvent){.kind = r->kind,
                     .at = r->at,
                     .host = r->host,
                     .dev = r->dev,
                     .src = r->pkt->src,
                     .dst = r->pkt->dst,
                     .sport = r->pkt->sport,
                     .dport = r->pkt->dport,
                     .ttl = r->pkt->ttl};
    take_details(tree, e, r);
}

TraceTree *
trace_tree_new(Cluster *cluster, FlowBook *book)
{
    TraceTree *tree = g_new0(TraceTree, 1);

    tree->cluster = cluster;
    tree->book = book;
    tree->packets = g_ptr_array_new();
    tree->rulesets = g_ptr_array_new_with_free_func((GDestroyNotify)nf_ruleset_unref);
    tree->listening = true;
    tree->sink.mask = TRACE_ALL & ~(TRACE_BIT(TRACE_SOCKET) | TRACE_BIT(TRACE_APP));
    tree->sink.record = on_record;
    trace_add_sink(cluster_sim(cluster), &tree->sink);
    return tree;
}

void
trace_tree_stop(TraceTree *tree)
{
    if (tree->listening)
        trace_remove_sink(cluster_sim(tree->cluster), &tree->sink);
    tree->listening = false;
}

void
trace_tree_free(TraceTree *tree)
{
    if (!tree)
        return;
    trace_tree_stop(tree);
    for (guint i = 0; i < tree->packets->len; i++) {
        TreePacket *p = tree->packets->pdata[i];
        g_free(p->events);
        g_free(p);
    }
    g_ptr_array_unref(tree->packets);
    g_ptr_array_unref(tree->rulesets);
    g_free(tree);
}

const TreePacket *const *
trace_tree_packets(const TraceTree *tree, size_t *ret_n)
{
    *ret_n = tree->packets->len;
    return (const TreePacket *const *)tree->packets->pdata;
}
