/* svcsim run: replays a scenario. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/report/capture_sink.h"
#include "model/report/run_report.h"
#include "model/report/state_files.h"
#include "model/scenario/run.h"
#include "tools/watch.h"

/* Whole frames: the largest that a link carries. */
#define SNAPLEN 262144

typedef struct {
    char *out, *seed, *events, *until;
    char **set;
    gboolean no_capture, linear;
} Options;

/* Ctrl-C ends the run at the next event; captures stay whole. */
static Sim *running;

static void
stop_running(void)
{
    if (running)
        sim_stop(running);
}

static bool
write_file(const char *dir, const char *name, const GString *text)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) error = NULL;

    if (g_file_set_contents(path, text->str, (gssize)text->len, &error))
        return true;
    fprintf(stderr, "svcsim run: %s\n", error->message);
    return false;
}

static bool
write_results(const Options *o, ScenarioRun *run, Cluster *cluster)
{
    g_autoptr(GString) flows = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    run_report_flows_json(flows, run);
    if (!write_file(o->out, "flows.json", flows))
        return false;
    if (state_files_write(cluster, o->out, &error))
        return true;
    fprintf(stderr, "svcsim run: %s\n", error->message);
    return false;
}

static int
replay(Cluster *cluster, const ScenarioSpec *spec, uint64_t seed, SimTime until, const Options *o,
       const CommonOptions *common)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    CaptureSink *captures = NULL;
    ScenarioRun *run;
    RunReportOptions report = {.out_dir = o->out};
    int status;

    if (o->out && !o->no_capture) {
        captures = capture_sink_new(cluster, o->out, spec->captures, spec->n_captures, SNAPLEN, &error);
        if (!captures) {
            fprintf(stderr, "svcsim run: %s\n", error->message);
            return EXIT_USAGE;
        }
    }
    run = scenario_run_new(cluster, spec);
    running = cluster_sim(cluster);
    watch_work("replaying", running, MIN(until, spec->duration > 0 ? spec->duration : SIMTIME_NEVER), stop_running);
    report.interrupted = !scenario_run_until(run, until);
    watch_end();
    running = NULL;
    if (captures && !capture_sink_close(captures, &error)) {
        fprintf(stderr, "svcsim run: %s\n", error->message);
        scenario_run_free(run);
        return EXIT_OURS;
    }
    if (!watch_tell_limit() && report.interrupted && cluster_sim(cluster)->event_limit &&
        cluster_sim(cluster)->n_events >= cluster_sim(cluster)->event_limit)
        fprintf(stderr, "svcsim run: stopped at the limit of %" G_GUINT64_FORMAT " events (--event-limit raises it)\n",
                cluster_sim(cluster)->event_limit);
    if (common->json)
        run_report_json(out, run, spec, seed, &report);
    else
        run_report_text(out, run, spec, seed, &report);
    status = o->out && !write_results(o, run, cluster) ? EXIT_OURS : EXIT_FINE;
    if (status == EXIT_FINE)
        status = cli_output(out);
    if (status == EXIT_FINE && run_report_failures(run) > 0)
        status = EXIT_DIFFERENT;
    scenario_run_free(run);
    return status;
}

static int
run_input(Input *input, const Options *o, const CommonOptions *common)
{
    uint64_t seed = input->scenario.seed, events = SCENARIO_EVENT_LIMIT;
    SimTime until = SIMTIME_NEVER;
    Cluster *cluster;
    int status;

    if (!cli_parse_number(&command_run, "--seed", o->seed, 0, G_MAXUINT64, &seed) ||
        !cli_parse_number(&command_run, "--event-limit", o->events, 0, G_MAXUINT64, &events))
        return EXIT_USAGE;
    if (o->until && !simtime_parse(o->until, &until))
        return cli_usage_error(&command_run, "--until is a time such as 12s, not \"%s\"", o->until);
    if (o->out && g_mkdir_with_parents(o->out, 0777) != 0)
        return cli_usage_error(&command_run, "cannot make the folder %s", o->out);
    watch_work("building the cluster", NULL, SIMTIME_NEVER, NULL);
    cluster = cluster_new(input, &(ClusterOptions){.seed = seed, .linear = o->linear});
    if (!cluster) {
        diags_print(input->diags, stderr, DIAG_ERROR);
        return EXIT_USAGE;
    }
    cli_warn_syncs(&command_run, cluster);
    cluster_sim(cluster)->event_limit = events;
    status = replay(cluster, &input->scenario, seed, until, o, common);
    if (diags_errors(input->diags) > 0) {
        diags_print(input->diags, stderr, DIAG_ERROR);
        status = EXIT_USAGE;
    }
    cluster_free(cluster);
    return status;
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    Options o = {0};
    const GOptionEntry entries[] = {
        {"out", 0, 0, G_OPTION_ARG_FILENAME, &o.out, "leave captures, flows, rules and conntrack tables here", "DIR"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &o.seed, "instead of the scenario's", "N"},
        {"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.set,
         "change a field first, e.g. service/web.spec.externalTrafficPolicy=Local, kubeproxy.mode=nftables, "
         "cluster.network.mtu=9000, loadBalancer.profile=metallb-l2",
         "OBJECT.FIELD=VALUE"},
        {"until", 0, 0, G_OPTION_ARG_STRING, &o.until, "end there instead of at the scenario's end", "TIME"},
        {"event-limit", 0, 0, G_OPTION_ARG_STRING, &o.events, "stop after so many events", "N"},
        {"no-capture", 0, 0, G_OPTION_ARG_NONE, &o.no_capture, "with --out: no packet captures", NULL},
        {"no-index", 0, 0, G_OPTION_ARG_NONE, &o.linear, "walk rules one by one, without their index", NULL},
        {0},
    };
    Input *input;
    int status = EXIT_USAGE;

    if (!cli_parse(&command_run, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    input = cli_load_set(&command_run, &common, o.set);
    if (input)
        status = run_input(input, &o, &common);
    input_free(input);
    cli_common_clear(&common);
    g_free(o.out);
    g_free(o.seed);
    g_free(o.events);
    g_free(o.until);
    g_strfreev(o.set);
    return status;
}

const Command command_run = {
    .name = "run",
    .group = "Simulation",
    .summary = "replay a scenario: what happened, every flow, every expectation; captures with --out",
    .usage = "FILE... [options]",
    .example = "svcsim run scenarios/article/14-external-traffic-policy-local.yaml --out out",
    .run = run,
};
