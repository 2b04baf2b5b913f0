/* Input files: faults are reported, what has none runs for 50 simulated milliseconds. */

#include "model/control/control.h"
#include "model/scenario/run.h"
#include "tests/fuzz/fuzz.h"

static void
run_shortly(Input *input)
{
    Cluster *cluster = cluster_new(input, &(ClusterOptions){.seed = input->scenario.seed});
    ScenarioRun *run;

    if (!cluster)
        return;
    cluster_sim(cluster)->event_limit = 20000;
    run = scenario_run_new(cluster, &input->scenario);
    scenario_run_until(run, 50 * SIMTIME_MSEC);
    scenario_run_free(run);
    cluster_free(cluster);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    Input *input = input_load_text("fuzz.yaml", text);

    if (diags_errors(input->diags) == 0 && control_fill(input) && diags_errors(input->diags) == 0)
        run_shortly(input);
    input_free(input);
    return 0;
}
