/* Expectations of a moment: {object: ..., at: 40s} and {probe: ..., at: ...} are looked at when that time comes
 *
 * Their answers are kept until the run is evaluated.  A moment sees what happened before it and, of its own instant,
 * what the total order of events put first. */

#include "model/scenario/run_private.h"

static bool
is_timed(const Expectation *expect)
{
    bool of_target = expect->kind == EXPECT_PROBE && node_get(expect->fields, "target");

    return expect->at >= 0 && (expect->kind == EXPECT_OBJECT || expect->kind == EXPECT_PROBE) && !of_target;
}

static void
arm_next(ScenarioRun *run)
{
    SimTime next = SIMTIME_NEVER;

    for (size_t i = 0; i < run->timed.len; i++)
        if (!run->timed.data[i].done)
            next = MIN(next, run->spec->expects[run->timed.data[i].index].at);
    if (next != SIMTIME_NEVER)
        timer_arm(cluster_sim(run->cluster), run->expect_timer, next);
}

static void
on_timer(Sim *sim, void *owner)
{
    ScenarioRun *run = owner;

    for (size_t i = 0; i < run->timed.len; i++) {
        TimedResult *timed = &run->timed.data[i];
        const Expectation *expect = &run->spec->expects[timed->index];
        g_autoptr(GString) why = g_string_new(NULL);
        if (timed->done || expect->at > sim->now)
            continue;
        timed->ok =
            expect->kind == EXPECT_OBJECT ? run_object_meets(run, expect, why) : run_probe_meets(run, expect, why);
        timed->why = timed->ok ? NULL : g_strdup(why->str);
        timed->done = true;
    }
    arm_next(run);
}

void
run_timed_start(ScenarioRun *run)
{
    Sim *sim = cluster_sim(run->cluster);

    for (uint32_t i = 0; i < run->spec->n_expects; i++)
        if (is_timed(&run->spec->expects[i]))
            vec_push(&run->timed, (TimedResult){.index = i});
    run->expect_entity = sim_entity(sim, "scenario.expectations");
    run->expect_timer = timer_new(sim, "scenario.expect", &run->expect_entity, on_timer, run);
    arm_next(run);
}

void
run_timed_stop(ScenarioRun *run)
{
    Sim *sim = cluster_sim(run->cluster);

    timer_free(sim, &run->expect_timer);
    sim_entity_free(sim, run->expect_entity);
    for (size_t i = 0; i < run->timed.len; i++)
        g_free(run->timed.data[i].why);
    vec_clear(&run->timed);
}

bool
run_timed_pending(const ScenarioRun *run)
{
    for (size_t i = 0; i < run->timed.len; i++)
        if (!run->timed.data[i].done)
            return true;
    return false;
}

bool
run_timed_result(const ScenarioRun *run, uint32_t index, bool *ret_ok, GString *why)
{
    for (size_t i = 0; i < run->timed.len; i++) {
        const TimedResult *timed = &run->timed.data[i];
        if (timed->index != index)
            continue;
        *ret_ok = timed->done && timed->ok;
        if (!timed->done)
            g_string_append(why, "at: the run ended before that time");
        else if (timed->why)
            g_string_append(why, timed->why);
        return true;
    }
    return false;
}
