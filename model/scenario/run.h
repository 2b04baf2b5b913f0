#ifndef MODEL_SCENARIO_RUN_H
#define MODEL_SCENARIO_RUN_H

/* Running a scenario: the timeline, traffic, expectations
 *
 * Steps fire in order of time, then of writing.  The run ends at the scenario's duration (default: 5 s after the last
 * step or traffic is over), at the event limit, or when stopped. */

#include "model/cloud/lb.h"
#include "model/control/control.h"
#include "model/report/flows.h"
#include "model/report/zone_meter.h"

typedef struct ScenarioRun ScenarioRun;

/* More events than any scenario that ends by itself needs: a loop of a careless one ends here, with a message. */
#define SCENARIO_EVENT_LIMIT UINT64_C(2000000000)

typedef struct {
    char *text; /* As written, one line. Owned. */
    bool ok;
    char *why; /* Explanation of a failure; NULL if ok. Owned. */
    Mark mark;
} ExpectResult;

/* One line of the story: what happened, in words. */
typedef struct {
    SimTime at;
    char *text;
} StoryLine;

typedef struct {
    const char *name;
    uint32_t tried, connected, refused, timed_out, reset, unresolved, requests, failed_requests, retransmits;
    SimTime p50, p90, p99, max; /* Connect times. */
} LoadResult;

ScenarioRun *scenario_run_new(Cluster *cluster, const ScenarioSpec *spec);
void scenario_run_free(ScenarioRun *run);
/* Runs to the end (or to 'until' if not SIMTIME_NEVER); can be called again with a later time. False if stopped early.
 */
bool scenario_run_until(ScenarioRun *run, SimTime until);
Cluster *scenario_run_cluster(const ScenarioRun *run);
FlowBook *scenario_run_flows(const ScenarioRun *run);
Controllers *scenario_run_controllers(const ScenarioRun *run);
const ZoneMeter *scenario_run_zones(const ScenarioRun *run); /* NULL: not several zones. */
/* Conntrack entries on the fullest node at each whole second that has passed. */
const uint64_t *scenario_run_conntrack(const ScenarioRun *run, size_t *ret_n);
Cloud *scenario_run_cloud(const ScenarioRun *run); /* NULL: no load balancers. */
const LoadResult *scenario_run_loads(ScenarioRun *run, size_t *ret_n);
const ExpectResult *scenario_run_expectations(ScenarioRun *run, size_t *ret_n); /* Evaluates on first call. */
const StoryLine *scenario_run_story(const ScenarioRun *run, size_t *ret_n);
#endif
