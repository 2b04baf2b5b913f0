#include "model/scenario/run_private.h"

#include "model/report/percentile.h"
#include "sim/netfilter/conntrack.h"

#include <stdlib.h>

/* A run without a duration ends this long after the last step and the last traffic. */
#define QUIET_TIME (5 * SIMTIME_SEC)
/* ... and not later than this after the last step. */
#define LONGEST_TAIL (3600 * SIMTIME_SEC)

static void
tell(void *user, const char *text)
{
    ScenarioRun *run = user;

    vec_push(&run->story, (StoryLine){.at = cluster_sim(run->cluster)->now, .text = g_strdup(text)});
}

static void
on_timer(Sim *sim, void *owner)
{
    ScenarioRun *run = owner;

    while (run->next_step < run->spec->n_steps && run->spec->steps[run->next_step].at <= sim->now)
        run_step(run, &run->spec->steps[run->next_step++]);
    if (run->next_step < run->spec->n_steps)
        timer_arm(sim, run->timer, run->spec->steps[run->next_step].at);
}

/* --- Calls of applications are flows too
 * --------------------------------------------------------------------------------- */

static Flow *
flow_of_id(const ScenarioRun *run, uint64_t id)
{
    return flow_book_find(run->book, id);
}

static uint64_t
on_call_begin(void *user, ClusterPod *from, const char *to, uint64_t parent)
{
    ScenarioRun *run = user;
    const Flow *parent_flow = flow_of_id(run, parent);
    g_autofree char *who = strcmp(from->ns, "default") == 0 ? g_strdup_printf("pod/%s", from->name)
                                                            : g_strdup_printf("pod/%s/%s", from->ns, from->name);
    g_autofree char *name = g_strdup_printf("%s/%s", parent_flow ? parent_flow->name : from->name, to);
    Flow *flow = flow_begin(run->book, name, who, to, cluster_pod_host(from), IPPROTO_TCP_);

    /* The calls that a load's connections cause are as many as these. */
    if (parent_flow && parent_flow->group) {
        g_autofree char *group = g_strdup_printf("%s/%s", parent_flow->group, to);
        flow->group = flow_book_keep_name(run->book, group);
    }
    return flow->id;
}

static void
on_call_dial(void *user, uint64_t id, IpAddr to, uint16_t port)
{
    ScenarioRun *run = user;
    Flow *flow = flow_of_id(run, id);
    char text[IPPORT_STR_SIZE];

    if (flow && !flow->dialed)
        flow->dialed = flow_book_keep(run->book, ipport_format(to, port, text));
}

static void
on_call_end(void *user, uint64_t id, const HttpResult *result)
{
    ScenarioRun *run = user;
    Flow *flow = flow_of_id(run, id);

    if (!flow || flow->end >= 0)
        return;
    if (!result) {
        flow_finish(run->book, flow, FLOW_UNRESOLVED, "nxdomain");
        return;
    }
    traffic_note_result(flow, result);
    flow_finish(run->book, flow, traffic_outcome(result->error, result->connected),
                result->ok ? NULL : socket_error_code(result->error));
}

/* --- The run
 * ---------------------------------------------------------------------------------------------------------------- */

ScenarioRun *
scenario_run_new(Cluster *cluster, const ScenarioSpec *spec)
{
    ScenarioRun *run = g_new0(ScenarioRun, 1);
    Sim *sim = cluster_sim(cluster);
    ControlClocks clocks;

    run->cluster = cluster;
    run->spec = spec;
    run->book = flow_book_new(cluster);
    run->zones = zone_meter_new(cluster, run->book);
    run->traffic = traffic_new(cluster, run->book);
    control_clocks_decode(cluster_input(cluster)->diags, spec->clocks, &cluster_input(cluster)->cluster.version,
                          &clocks);
    run->controllers = controllers_new(cluster, &clocks);
    run->loads = g_ptr_array_new_with_free_func(load_free);
    run->dials = g_ptr_array_new_with_free_func(run_series_free);
    run->entity = sim_entity(sim, "scenario");
    run->timer = timer_new(sim, "scenario.step", &run->entity, on_timer, run);
    if (spec->n_steps > 0)
        timer_arm(sim, run->timer, spec->steps[0].at);
    cluster_set_storyteller(cluster, tell, run);
    run->cloud = cloud_new(cluster);
    run_timed_start(run);
    cluster_set_call_observer(
        cluster, &(AppCallObserver){.begin = on_call_begin, .dial = on_call_dial, .end = on_call_end, .user = run});
    return run;
}

void
scenario_run_free(ScenarioRun *run)
{
    Sim *sim;

    if (!run)
        return;
    sim = cluster_sim(run->cluster);
    cluster_set_storyteller(run->cluster, NULL, NULL);
    cluster_set_call_observer(run->cluster, NULL);
    g_ptr_array_unref(run->loads);
    g_ptr_array_unref(run->dials);
    traffic_free(run->traffic);
    cloud_free(run->cloud);
    controllers_free(run->controllers);
    zone_meter_free(run->zones);
    flow_book_free(run->book);
    run_timed_stop(run);
    timer_free(sim, &run->timer);
    sim_entity_free(sim, run->entity);
    for (size_t i = 0; i < run->story.len; i++)
        g_free(run->story.data[i].text);
    for (size_t i = 0; i < run->expected.len; i++) {
        g_free(run->expected.data[i].text);
        g_free(run->expected.data[i].why);
    }
    vec_clear(&run->story);
    vec_clear(&run->conntrack);
    vec_clear(&run->results);
    vec_clear(&run->expected);
    g_free(run);
}

static bool
is_quiet(const ScenarioRun *run)
{
    if (run->next_step < run->spec->n_steps || run->n_repeating > 0 || traffic_active(run->traffic) > 0 ||
        run_timed_pending(run))
        return false;
    for (guint i = 0; i < run->loads->len; i++)
        if (!load_over(run->loads->pdata[i]))
            return false;
    return true;
}

static uint64_t
fullest_conntrack(const Cluster *cluster)
{
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(cluster, &n);
    uint64_t most = 0;

    for (size_t i = 0; i < n; i++) {
        const Conntrack *ct = nf_stack_conntrack(host_netfilter(nodes[i]->host));
        if (ct)
            most = MAX(most, conntrack_entries(ct));
    }
    return most;
}

/* To that time, with a look around at every whole second on the way. */
static bool
run_on(ScenarioRun *run, SimTime until)
{
    Sim *sim = cluster_sim(run->cluster);

    while (sim->now < until) {
        SimTime second = (sim->now / SIMTIME_SEC + 1) * SIMTIME_SEC;
        if (!sim_run_until(sim, MIN(until, second)))
            return false;
        if (second <= until)
            vec_push(&run->conntrack, fullest_conntrack(run->cluster));
    }
    return sim_run_until(sim, until);
}

/* Without a duration: until all steps are done and traffic is over, and a little longer. */
static bool
run_until_quiet(ScenarioRun *run, SimTime until)
{
    Sim *sim = cluster_sim(run->cluster);
    SimTime last = run->spec->n_steps ? run->spec->steps[run->spec->n_steps - 1].at : 0;
    SimTime limit = MIN(until, last + LONGEST_TAIL);

    while (sim->now < limit && !is_quiet(run))
        if (!run_on(run, MIN(limit, sim->now + SIMTIME_SEC)))
            return false;
    return run_on(run, MIN(limit, sim->now + QUIET_TIME));
}

bool
scenario_run_until(ScenarioRun *run, SimTime until)
{
    bool whole = until == SIMTIME_NEVER || (run->spec->duration > 0 && until >= run->spec->duration);
    bool ok;

    if (run->spec->duration > 0)
        ok = run_on(run, MIN(until, run->spec->duration));
    else
        ok = run_until_quiet(run, until);
    if (whole && ok)
        traffic_finish_pending(run->traffic);
    return ok;
}

Cluster *
scenario_run_cluster(const ScenarioRun *run)
{
    return run->cluster;
}

FlowBook *
scenario_run_flows(const ScenarioRun *run)
{
    return run->book;
}

Controllers *
scenario_run_controllers(const ScenarioRun *run)
{
    return run->controllers;
}

const ZoneMeter *
scenario_run_zones(const ScenarioRun *run)
{
    return run->zones;
}

Cloud *
scenario_run_cloud(const ScenarioRun *run)
{
    return run->cloud;
}

const uint64_t *
scenario_run_conntrack(const ScenarioRun *run, size_t *ret_n)
{
    *ret_n = run->conntrack.len;
    return run->conntrack.data;
}

const ExpectResult *
scenario_run_expectations(ScenarioRun *run, size_t *ret_n)
{
    if (!run->evaluated)
        run_evaluate(run);
    run->evaluated = true;
    *ret_n = run->expected.len;
    return run->expected.data;
}

const StoryLine *
scenario_run_story(const ScenarioRun *run, size_t *ret_n)
{
    *ret_n = run->story.len;
    return run->story.data;
}

/* --- Results of loads
 * --------------------------------------------------------------------------------------------------------- */

static void
count_flow(LoadResult *result, const Flow *flow)
{
    result->tried++;
    result->connected += flow->outcome == FLOW_CONNECTED;
    result->refused += flow->outcome == FLOW_REFUSED;
    result->timed_out += flow->outcome == FLOW_TIMEOUT;
    result->reset += flow->outcome == FLOW_RESET;
    result->unresolved += flow->outcome == FLOW_UNRESOLVED;
    result->requests += flow->requests;
    result->retransmits += flow->retransmits;
}

static void
take_percentiles(LoadResult *result, Times *times)
{
    times_sort(times->data, times->len);
    result->p50 = percentile(times->data, times->len, 50);
    result->p90 = percentile(times->data, times->len, 90);
    result->p99 = percentile(times->data, times->len, 99);
    result->max = percentile(times->data, times->len, 100);
    vec_clear(times);
}

const LoadResult *
scenario_run_loads(ScenarioRun *run, size_t *ret_n)
{
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal); /* Name to place + 1. */
    g_autofree Times *times = g_new0(Times, run->loads->len + 1);
    size_t n_flows;
    Flow *const *flows = flow_book_flows(run->book, &n_flows);

    run->results.len = 0;
    for (guint i = 0; i < run->loads->len; i++) {
        const char *name = load_step(run->loads->pdata[i])->name;
        vec_push(&run->results, (LoadResult){.name = name});
        if (!g_hash_table_contains(places, name))
            g_hash_table_insert(places, (gpointer)name, GUINT_TO_POINTER(i + 1));
    }
    for (size_t f = 0; f < n_flows; f++) {
        guint place = flows[f]->group ? GPOINTER_TO_UINT(g_hash_table_lookup(places, flows[f]->group)) : 0;
        if (place == 0)
            continue;
        count_flow(&run->results.data[place - 1], flows[f]);
        if (flows[f]->connected_at >= 0)
            vec_push(&times[place - 1], flows[f]->connected_at - flows[f]->start);
    }
    for (guint i = 0; i < run->loads->len; i++) {
        guint first = GPOINTER_TO_UINT(g_hash_table_lookup(places, run->results.data[i].name)) - 1;
        if (first == i)
            take_percentiles(&run->results.data[i], &times[i]);
        else
            run->results.data[i] = run->results.data[first];
    }
    *ret_n = run->results.len;
    return run->results.data;
}
