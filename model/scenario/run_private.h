#ifndef MODEL_SCENARIO_RUN_PRIVATE_H
#define MODEL_SCENARIO_RUN_PRIVATE_H

/* The inside of a ScenarioRun, for this room's own files only */

#include "model/cloud/lb.h"
#include "model/network/pod_apps.h"
#include "model/scenario/run.h"
#include "model/scenario/traffic.h"
#include "sim/engine/timer.h"
#include "sim/engine/vec.h"

typedef struct Load Load;

/* expect_timed.c: an expectation of a moment, and its answer once that has come. */
typedef struct {
    uint32_t index; /* In the spec's expects. */
    bool done, ok;
    char *why; /* Owned. */
} TimedResult;

struct ScenarioRun {
    Cluster *cluster;
    const ScenarioSpec *spec;
    FlowBook *book;
    ZoneMeter *zones; /* NULL: not several. */
    Traffic *traffic;
    Controllers *controllers;
    Cloud *cloud; /* NULL: no load balancers. */
    SimEntity entity;
    Timer timer;
    uint32_t next_step;
    uint32_t n_repeating; /* Steps with more dials to come. */
    GPtrArray *loads;     /* Load. */
    GPtrArray *dials;     /* Repeated connects (DialSeries). */
    VEC(StoryLine) story;
    VEC(LoadResult) results;
    VEC(ExpectResult) expected;
    VEC(TimedResult) timed;
    VEC(uint64_t) conntrack; /* Entries on the fullest node, by second. */
    SimEntity expect_entity;
    Timer expect_timer;
    bool evaluated;
};

/* steps.c: carries out one step now. */
void run_step(ScenarioRun *run, const Step *step);
void run_series_free(gpointer series);
/* A step that cannot be done: an error at its place, and a line of the story. */
void run_step_failed(ScenarioRun *run, const Step *step, const char *why);
/* faults.c */
NetDev *run_find_dev(ScenarioRun *run, const char *text, char **ret_error); /* "HOST/INTERFACE" */
bool run_fail_target(ScenarioRun *run, const char *target, bool down, char **ret_error);
/* inject.c: sends a crafted packet. */
void run_inject(ScenarioRun *run, const Step *step);
/* load.c */
Load *load_start(ScenarioRun *run, const Step *step, const Who *from, const Where *to);
void load_free(gpointer load);
bool load_over(const Load *load);
const Step *load_step(const Load *load);
/* expect.c */
void run_evaluate(ScenarioRun *run);
/* expect_timed.c */
void run_timed_start(ScenarioRun *run);
void run_timed_stop(ScenarioRun *run);
bool run_timed_pending(const ScenarioRun *run);
/* False: it is not one of a moment. */
bool run_timed_result(const ScenarioRun *run, uint32_t index, bool *ret_ok, GString *why);
/* expect_object.c: as things stand now */
bool run_object_meets(ScenarioRun *run, const Expectation *expect, GString *why);
bool run_probe_meets(ScenarioRun *run, const Expectation *expect, GString *why);

#endif
