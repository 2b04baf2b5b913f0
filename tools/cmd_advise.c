/* svcsim advise: which value of a field loses nothing. */

#include "tools/cli.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "model/report/advise.h"
#include "tools/watch.h"

typedef struct {
    char **searches;
    char *step, *seed, *repeat;
} Options;

static volatile sig_atomic_t stopped;

static void
stop_all(void)
{
    stopped = 1;
}

static int
advise(const CommonOptions *common, const SearchRange *ranges, size_t n, const uint64_t *seeds, size_t repeat)
{
    g_autoptr(GString) out = g_string_new(NULL);
    JsonOut json = json_out(out, true);
    bool found = true, failed = false;

    watch_work(NULL, NULL, SIMTIME_NEVER, stop_all);
    if (common->json) {
        json_object(&json);
        json_key(&json, "searches");
        json_array(&json);
    }
    for (size_t i = 0; i < n; i++) {
        SearchResult result;
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\rsearching %s", ranges[i].field);
        search_run((const char *const *)common->files, g_strv_length(common->files), &ranges[i], seeds, repeat,
                   &stopped, &result);
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r\033[K");
        found &= result.verdict == SEARCH_SMALLEST || result.verdict == SEARCH_LARGEST || result.verdict == SEARCH_ALL;
        for (uint32_t p = 0; p < result.n_points; p++)
            if (result.points[p].limited)
                fprintf(stderr,
                        "svcsim advise: %s=%" G_GINT64_FORMAT ": stopped at the limit of %" G_GUINT64_FORMAT
                        " events\n",
                        ranges[i].field, result.points[p].value, SCENARIO_EVENT_LIMIT);
        for (uint32_t p = 0; p < result.n_points && !failed; p++)
            if (result.points[p].error) {
                fprintf(stderr, "svcsim advise: %s\n", result.points[p].error);
                failed = true;
            }
        if (common->json) {
            advise_print_json(&json, &ranges[i], &result, repeat);
        } else {
            if (i > 0)
                g_string_append_c(out, '\n');
            advise_print_text(out, &ranges[i], &result, repeat);
        }
        search_result_clear(&result);
    }
    if (common->json) {
        json_array_end(&json);
        if (stopped)
            json_kv_bool(&json, "interrupted", true);
        json_object_end(&json);
        json_out_done(&json);
    } else if (stopped) {
        g_string_append(out, "INTERRUPTED: what was run so far\n");
    }
    watch_tell_limit();
    if (failed)
        return EXIT_USAGE;
    if (cli_output(out) != EXIT_FINE)
        return EXIT_OURS;
    return found ? EXIT_FINE : EXIT_DIFFERENT;
}

static int
run_options(const CommonOptions *common, const Options *o)
{
    size_t n = o->searches ? g_strv_length(o->searches) : 0, n_read = 0;
    g_autofree SearchRange *ranges = g_new0(SearchRange, n + 1);
    size_t repeat = 3;
    g_autofree uint64_t *seeds = cli_parse_seeds(&command_advise, common, o->seed, o->repeat, &repeat);
    int status = EXIT_FINE;

    if (!seeds)
        return EXIT_USAGE;
    if (n == 0)
        return cli_usage_error(&command_advise, "which field? --search OBJECT.FIELD=LOW..HIGH");
    for (; n_read < n && status == EXIT_FINE; n_read++)
        if (!search_range_parse(o->searches[n_read], o->step, &ranges[n_read]))
            status = cli_usage_error(&command_advise,
                                     "--search is OBJECT.FIELD=LOW..HIGH with numbers or durations, LOW below HIGH%s, "
                                     "not \"%s\"",
                                     o->step ? ", and --step of the same kind" : "", o->searches[n_read]);
    if (status == EXIT_FINE)
        status = advise(common, ranges, n, seeds, repeat);
    for (size_t i = 0; i < n_read; i++)
        search_range_clear(&ranges[i]);
    return status;
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    Options o = {0};
    const GOptionEntry entries[] = {
        {"search", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.searches,
         "the field and its range, e.g. deployment/web.preStop=0..120s; each is searched alone if given several times",
         "OBJECT.FIELD=LOW..HIGH"},
        {"step", 0, 0, G_OPTION_ARG_STRING, &o.step, "how fine to search (default: 1s, or 1)", "STEP"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &o.seed, "instead of the scenario's", "N"},
        {"repeat", 0, 0, G_OPTION_ARG_STRING, &o.repeat, "with N seeds: probes' phases and other chances (default: 3)",
         "N"},
        {0},
    };
    int status = EXIT_USAGE;

    if (!cli_parse(&command_advise, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    status = run_options(&common, &o);
    cli_common_clear(&common);
    g_strfreev(o.searches);
    g_free(o.step);
    g_free(o.seed);
    g_free(o.repeat);
    return status;
}

const Command command_advise = {
    .name = "advise",
    .group = "Simulation",
    .summary = "search a field for the value at which a scenario loses nothing, and tell which clock decides",
    .usage = "FILE... --search OBJECT.FIELD=LOW..HIGH [options]",
    .example = "svcsim advise scenarios/patterns/canonical-race.yaml --search deployment/web.preStop=0..60s",
    .run = run,
};
