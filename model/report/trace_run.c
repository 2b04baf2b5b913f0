#include "model/report/trace_run.h"

#include "model/scenario/traffic.h"
#include "sim/engine/vec.h"

/* More branches than a Service of some thousand endpoints has. */
#define MAX_BRANCHES 20000
/* What a connection leaves behind is gone after this: packets sent again, and TIME_WAIT (60 s), which would answer the
 * next connection if that happened on the same ports. */
#define SETTLE (130 * SIMTIME_SEC)

/* Choices that concern the book's connections come from the script (or are counted); others from the source that was
 * there before. */
typedef struct {
    ChanceSource base;
    ChanceSource *before;
    ChanceScript *script; /* NULL: draw as always, and note how likely that was. */
    FlowBook *book;
    double probability;
} OwnChance;

typedef struct {
    Cluster *cluster;
    const TraceQuestion *question;
    FlowBook *book;
    Traffic *traffic;
    OwnChance chance;
    VEC(TraceOutcome) found;
} Runner;

static uint32_t
own_draw(ChanceSource *source, const ChancePoint *point)
{
    OwnChance *own = (OwnChance *)source;
    const Flow *flow = flow_book_find(own->book, point->flow);
    uint32_t choice;

    if (!flow || flow->end >= 0)
        return chance_draw(own->before, point);
    if (own->script)
        return chance_draw(&own->script->base, point);
    choice = chance_draw(own->before, point);
    own->probability *= (double)chance_weight(point, choice) / (double)point->total;
    return choice;
}

static void
on_ended(Flow *flow, void *user)
{
    (void)flow;
    *(bool *)user = true;
}

/* The rules that opening packets met. */
static void
take_path(TraceOutcome *o, const TraceTree *tree)
{
    VEC(PathStep) path = {0};
    size_t n;
    const TreePacket *const *packets = trace_tree_packets(tree, &n);

    for (size_t i = 0; i < n; i++) {
        if (packets[i]->role != PACKET_OPENS)
            continue;
        for (uint32_t j = 0; j < packets[i]->n_events; j++) {
            const TreeEvent *e = &packets[i]->events[j];
            if (e->kind != TRACE_RULE)
                continue;
            nf_ruleset_ref((NfRuleset *)e->step.ruleset); /* The tree may go first. */
            vec_push(&path, (PathStep){.step = e->step, .host = host_name(e->host)});
        }
    }
    o->path = path.data;
    o->n_path = (uint32_t)path.len;
}

static TraceOutcome
run_once(Runner *r)
{
    const TraceQuestion *q = r->question;
    Sim *sim = cluster_sim(r->cluster);
    bool ended = false;
    TraceOutcome o = {.n_branches = 1};

    cluster_flush_flows(r->cluster);
    r->chance.probability = 1;
    o.tree = trace_tree_new(r->cluster, r->book);
    o.flow = traffic_dial(
        r->traffic,
        &(DialParams){
            .name = "trace", .from = q->from, .to = q->to, .timeout = q->timeout, .ended = on_ended, .user = &ended});
    while (!ended && sim_step(sim, SIMTIME_NEVER))
        ;
    if (!ended)
        traffic_finish_pending(r->traffic);
    trace_tree_stop(o.tree);
    o.probability = r->chance.script ? chance_script_probability(r->chance.script) : r->chance.probability;
    take_path(&o, o.tree);
    sim_run_until(sim, sim->now + SETTLE);
    return o;
}

static void
outcome_clear(TraceOutcome *o)
{
    for (uint32_t i = 0; i < o->n_path; i++)
        nf_ruleset_unref((NfRuleset *)o->path[i].step.ruleset);
    g_free(o->path);
    trace_tree_free(o->tree);
}

/* --- Which branches end alike
 * ------------------------------------------------------------------------------------------- */

static int
compare_ipport(bool has_x, IpAddr x, uint16_t x_port, bool has_y, IpAddr y, uint16_t y_port)
{
    char xs[IPPORT_STR_SIZE] = "", ys[IPPORT_STR_SIZE] = "";

    if (has_x)
        ipport_format(x, x_port, xs);
    if (has_y)
        ipport_format(y, y_port, ys);
    return strcmp(xs, ys);
}

/* Ports of a translated source are no branch: they are left out. */
static int
compare_rewrites(const FlowRewrite *x, uint32_t n_x, const FlowRewrite *y, uint32_t n_y, bool ports)
{
    int order = (int)n_x - (int)n_y;

    for (uint32_t i = 0; order == 0 && i < n_x; i++) {
        order = strcmp(x[i].host, y[i].host);
        if (order == 0)
            order = compare_ipport(true, x[i].to, ports ? x[i].to_port : 0, true, y[i].to, ports ? y[i].to_port : 0);
    }
    return order;
}

static int
compare_flows(const Flow *x, const Flow *y)
{
    int order =
        compare_ipport(x->has_server, x->server_addr, x->server_port, y->has_server, y->server_addr, y->server_port);

    if (order == 0)
        order = compare_rewrites(x->dnat, x->n_dnat, y->dnat, y->n_dnat, true);
    if (order == 0)
        order = (int)x->outcome - (int)y->outcome;
    if (order == 0)
        order = g_strcmp0(x->reason, y->reason);
    if (order == 0)
        order = compare_ipport(x->has_server, x->source_seen, 0, y->has_server, y->source_seen, 0);
    if (order == 0)
        order = compare_ipport(x->has_reply, x->reply_from, x->reply_port, y->has_reply, y->reply_from, y->reply_port);
    if (order == 0)
        order = compare_rewrites(x->snat, x->n_snat, y->snat, y->n_snat, false);
    for (uint32_t i = 0; order == 0 && i < MIN(x->n_nodes, y->n_nodes); i++)
        order = strcmp(x->nodes[i], y->nodes[i]);
    if (order == 0)
        order = (int)x->n_nodes - (int)y->n_nodes;
    return order;
}

/* Adds a branch at its place among the outcomes; the likeliest of equal ones stands for all. */
static void
add_branch(Runner *r, TraceOutcome *o)
{
    size_t low = 0, high = r->found.len;

    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = compare_flows(r->found.data[mid].flow, o->flow);
        if (order == 0) {
            r->found.data[mid].probability += o->probability;
            r->found.data[mid].n_branches++;
            outcome_clear(o);
            return;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (!r->question->keep_tree) {
        trace_tree_free(o->tree);
        o->tree = NULL;
    }
    vec_push(&r->found, *o);
    memmove(&r->found.data[low + 1], &r->found.data[low], (r->found.len - 1 - low) * sizeof *o);
    r->found.data[low] = *o;
}

static void
follow_all(Runner *r, TraceAnswer *answer)
{
    ChanceScript script;

    chance_script_init(&script);
    r->chance.script = &script;
    do {
        TraceOutcome o = run_once(r);
        answer->n_branches++;
        if (o.probability > 0)
            add_branch(r, &o);
        else
            outcome_clear(&o);
        answer->truncated = answer->n_branches >= MAX_BRANCHES;
    } while (chance_script_next(&script) && !answer->truncated);
    chance_script_clear(&script);
}

void
trace_connection(Cluster *cluster, const TraceQuestion *question, TraceAnswer *ret_answer)
{
    Sim *sim = cluster_sim(cluster);
    Runner r = {.cluster = cluster, .question = question};
    OutsideRoute before;

    *ret_answer = (TraceAnswer){0};
    r.book = flow_book_new(cluster);
    r.traffic = traffic_new(cluster, r.book);
    r.chance = (OwnChance){.base.draw = own_draw, .before = sim->chance, .book = r.book};
    sim->chance = &r.chance.base;
    cluster_hold(cluster, true);
    if (question->via) {
        before = cluster_outside_route(cluster, question->to->addr);
        cluster_route_outside(cluster, question->to->addr, question->via);
    }
    if (question->all) {
        follow_all(&r, ret_answer);
    } else {
        TraceOutcome o = run_once(&r);
        ret_answer->n_branches = 1;
        add_branch(&r, &o);
    }
    if (question->via)
        cluster_restore_outside_route(cluster, question->to->addr, &before);
    cluster_hold(cluster, false);
    cluster_flush_flows(cluster);
    sim->chance = r.chance.before;
    traffic_free(r.traffic);
    /* The book hears no more, but owns the flows of the answer. */
    ret_answer->book = r.book;
    ret_answer->outcomes = r.found.data;
    ret_answer->n_outcomes = (uint32_t)r.found.len;
}

void
trace_answer_clear(TraceAnswer *answer)
{
    for (uint32_t i = 0; i < answer->n_outcomes; i++)
        outcome_clear(&answer->outcomes[i]);
    g_free(answer->outcomes);
    flow_book_free(answer->book);
    *answer = (TraceAnswer){0};
}
