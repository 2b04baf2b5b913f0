#include "model/report/walk.h"

#include "sim/engine/vec.h"
#include "sim/netfilter/conntrack.h"
#include "sim/netfilter/nf_state.h"

/* First ephemeral port: where the question leaves the source port open. */
#define DEFAULT_SOURCE_PORT 32768

typedef struct {
    TraceSink sink;
    VEC(WalkStep) steps;
    bool masquerade;
} Recorder;

typedef struct {
    Host *host;
    const WalkQuestion *question;
    Recorder recorder;
    WalkOutcome outcome;
} Walker;

/* The rule masquerades, even where the source is the outgoing address already and nothing changes. */
static bool
is_masquerade(const NfChain *chain, uint32_t index)
{
    const NfRule *rule = nf_chain_rule(chain, index);
    const NfExpr *exprs = nf_chain_exprs(chain, index);

    return rule->n > 0 && exprs[rule->n - 1].op == NFX_MASQUERADE;
}

WalkStep
walk_step_of(const TraceRecord *r)
{
    const NfNames *names = nf_ruleset_names(r->rule.ruleset);
    uint32_t chain_id = nf_chain_spec(r->rule.chain)->id;

    return (WalkStep){.hook = r->rule.hook,
                      .table = nf_chain_table(names, chain_id),
                      .chain = nf_chain_name(names, chain_id),
                      .ruleset = r->rule.ruleset,
                      .chain_obj = r->rule.chain,
                      .rule = r->rule.index < nf_chain_n_rules(r->rule.chain) ? r->rule.index + 1 : 0,
                      .tried = r->rule.tried,
                      .depth = r->rule.depth,
                      .matched = r->kind == TRACE_RULE,
                      .draw = r->rule.draw,
                      .draw_n = r->rule.draw_n,
                      .set_elem = r->rule.set_elem};
}

static void
record(TraceSink *sink, const TraceRecord *r)
{
    Recorder *rec = (Recorder *)sink;
    WalkStep step;

    if (r->kind == TRACE_NAT) {
        rec->masquerade |= r->nat.manip == NAT_MANIP_SRC && !r->nat.undo;
        return;
    }
    step = walk_step_of(r);
    if (step.matched && step.rule > 0)
        rec->masquerade |= is_masquerade(r->rule.chain, r->rule.index);
    vec_push(&rec->steps, step);
}

/* Runs one hook; false ends the walk. */
static bool
run_hook(Walker *w, NfHook hook, Packet *pkt, const NetDev *in, const NetDev *out)
{
    NfStack *nf = host_netfilter(w->host);
    NfResult result;

    pkt->meta.in = in;
    pkt->meta.out = out;
    result = nf_stack_hook(nf, hook, pkt);
    w->outcome.last_hook = hook;
    w->outcome.unknown += nf_stack_unknown_hits(nf);
    w->outcome.verdict = result.verdict;
    w->outcome.reject = result.reject;
    w->outcome.reason = result.reason;
    return result.verdict == NF_ACCEPT;
}

static const NetDev *
route_dev(Host *host, IpAddr dst)
{
    const Route *route = fib_lookup(host_fib(host), dst);

    if (route && route->dev && route->type == ROUTE_UNICAST)
        return route->dev;
    return host_dev(host, "eth0") ? host_dev(host, "eth0") : host_loopback(host);
}

static bool
is_local(Host *host, IpAddr addr)
{
    return fib_is_local(host_fib(host), addr, NULL) || ipaddr_is_loopback(&addr);
}

/* Locally delivered by INPUT, or forwarded. */
static void
walk_inward(Walker *w, Packet *pkt, const NetDev *in)
{
    const NetDev *out;

    if (!run_hook(w, NF_PREROUTING, pkt, in, NULL))
        return;
    if (is_local(w->host, pkt->dst)) {
        run_hook(w, NF_INPUT, pkt, in, NULL);
        return;
    }
    out = route_dev(w->host, pkt->dst);
    if (run_hook(w, NF_FORWARD, pkt, in, out))
        run_hook(w, NF_POSTROUTING, pkt, NULL, out);
}

static void
walk_outward(Walker *w, Packet *pkt)
{
    NetDev *lo = host_loopback(w->host);
    const NetDev *out = is_local(w->host, pkt->dst) ? lo : route_dev(w->host, pkt->dst);

    pkt->meta.local_out = 1;
    if (!run_hook(w, NF_OUTPUT, pkt, NULL, out))
        return;
    out = is_local(w->host, pkt->dst) ? lo : route_dev(w->host, pkt->dst);
    if (!run_hook(w, NF_POSTROUTING, pkt, NULL, out) || out != lo)
        return;
    pkt->meta.local_out = 0;
    walk_inward(w, pkt, lo);
}

static const NetDev *
incoming_dev(Host *host, const WalkQuestion *q)
{
    return q->in ? host_dev(host, q->in) : route_dev(host, q->from);
}

static Packet *
first_packet(Sim *sim, const WalkQuestion *q)
{
    Packet *pkt = packet_new(sim);

    pkt->src = q->from;
    pkt->dst = q->to;
    pkt->proto = q->proto;
    pkt->flow = 1;
    if (packet_is_icmp(pkt)) {
        pkt->icmp.type = q->proto == IPPROTO_ICMP_ ? 8 : 128;
        return pkt;
    }
    pkt->sport = q->from_port ? q->from_port : DEFAULT_SOURCE_PORT;
    pkt->dport = q->to_port;
    if (q->proto == IPPROTO_TCP_) {
        pkt->tcp.flags = TCP_SYN;
        pkt->tcp.window = 64240;
    } else if (q->proto == IPPROTO_SCTP_) {
        pkt->sctp.chunk = 1;
        pkt->sctp.init_tag = 1;
    }
    return pkt;
}

/* One walk with the Sim's present source of chance. */
static void
walk_once(Walker *w)
{
    const WalkQuestion *q = w->question;
    Sim *sim = host_sim(w->host);
    Packet *pkt = first_packet(sim, q);

    w->outcome = (WalkOutcome){.probability = 1};
    w->recorder.steps.len = 0;
    w->recorder.masquerade = false;
    if (!q->in && is_local(w->host, q->from))
        walk_outward(w, pkt);
    else
        walk_inward(w, pkt, incoming_dev(w->host, q));

    w->outcome.dnat = !ipaddr_eq(pkt->dst, q->to) || pkt->dport != (packet_is_icmp(pkt) ? 0 : q->to_port);
    w->outcome.dnat_addr = pkt->dst;
    w->outcome.dnat_port = pkt->dport;
    w->outcome.source = pkt->src;
    w->outcome.source_port = pkt->sport;
    w->outcome.masquerade = w->recorder.masquerade;
    w->outcome.n_path = (uint32_t)w->recorder.steps.len;
    w->outcome.path = g_memdup2(w->recorder.steps.data, w->recorder.steps.len * sizeof(WalkStep));
    packet_free(sim, pkt);
}

static int
compare_outcomes(gconstpointer a, gconstpointer b)
{
    const WalkOutcome *x = a, *y = b;
    char xs[IPPORT_STR_SIZE] = "", ys[IPPORT_STR_SIZE] = "";
    int order;

    if (x->dnat)
        ipport_format(x->dnat_addr, x->dnat_port, xs);
    if (y->dnat)
        ipport_format(y->dnat_addr, y->dnat_port, ys);
    order = strcmp(xs, ys);
    if (order == 0)
        order = (int)x->verdict - (int)y->verdict;
    if (order == 0)
        order = (int)x->masquerade - (int)y->masquerade;
    return order;
}

/* g_qsort_with_data() is stable: branches that end alike stay in order of their choices. */
static int
compare_stable(gconstpointer a, gconstpointer b, gpointer unused)
{
    (void)unused;
    return compare_outcomes(a, b);
}

static bool
delete_any(const Conn *conn, void *user)
{
    (void)conn;
    (void)user;
    return true;
}

/* Every branch starts from the same state: connections, recent lists and sets of earlier branches are forgotten. */
static void
forget_branches(Host *host)
{
    Conntrack *ct = nf_stack_conntrack(host_netfilter(host));

    if (ct)
        conntrack_delete(ct, delete_any, NULL);
    nf_state_forget(nf_stack_state(host_netfilter(host)));
}

static void
walk_branches(Walker *w, WalkAnswer *answer)
{
    Sim *sim = host_sim(w->host);
    ChanceSource *before = sim->chance;
    ChanceScript script;
    VEC(WalkOutcome) found = {0};

    chance_script_init(&script);
    sim->chance = &script.base;
    do {
        forget_branches(w->host);
        walk_once(w);
        w->outcome.probability = chance_script_probability(&script);
        if (w->outcome.probability > 0)
            vec_push(&found, w->outcome);
        else
            g_free(w->outcome.path);
    } while (chance_script_next(&script));
    sim->chance = before;
    chance_script_clear(&script);
    answer->outcomes = found.data;
    answer->n_outcomes = (uint32_t)found.len;
}

static WalkOutcome *
single_outcome(Walker *w)
{
    WalkOutcome *outcome = g_new(WalkOutcome, 1);

    walk_once(w);
    *outcome = w->outcome;
    return outcome;
}

/* Branches that end alike by different rules are one outcome; the path of the likelier one stands. */
static void
merge_equal(WalkAnswer *answer)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < answer->n_outcomes; i++) {
        WalkOutcome *o = &answer->outcomes[i];
        WalkOutcome *last = n ? &answer->outcomes[n - 1] : NULL;
        if (!last || compare_outcomes(last, o) != 0) {
            answer->outcomes[n++] = *o;
            continue;
        }
        last->probability += o->probability;
        g_free(o->path);
    }
    answer->n_outcomes = n;
}

void
walk(Host *host, const WalkQuestion *question, WalkAnswer *ret_answer)
{
    Sim *sim = host_sim(host);
    uint32_t mask = TRACE_BIT(TRACE_RULE) | TRACE_BIT(TRACE_NAT) | TRACE_BIT(TRACE_CHAIN_END);
    Walker w = {.host = host, .question = question, .recorder.sink = {.record = record}};

    w.recorder.sink.mask = mask | (question->misses ? TRACE_BIT(TRACE_RULE_MISS) : 0);
    *ret_answer = (WalkAnswer){0};
    trace_add_sink(sim, &w.recorder.sink);
    if (question->all) {
        walk_branches(&w, ret_answer);
    } else {
        ret_answer->outcomes = single_outcome(&w);
        ret_answer->n_outcomes = 1;
    }
    trace_remove_sink(sim, &w.recorder.sink);
    vec_clear(&w.recorder.steps);
    if (ret_answer->n_outcomes > 1)
        g_qsort_with_data(ret_answer->outcomes, (gint)ret_answer->n_outcomes, sizeof(WalkOutcome), compare_stable,
                          NULL);
    merge_equal(ret_answer);
    ret_answer->in_dev =
        is_local(host, question->from) && !question->in ? NULL : netdev_name(incoming_dev(host, question));
    ret_answer->out_dev = netdev_name(route_dev(host, question->to));
}

void
walk_answer_clear(WalkAnswer *answer)
{
    for (uint32_t i = 0; i < answer->n_outcomes; i++)
        g_free(answer->outcomes[i].path);
    g_free(answer->outcomes);
    *answer = (WalkAnswer){0};
}
