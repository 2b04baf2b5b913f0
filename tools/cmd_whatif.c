/* svcsim whatif: the same scenario, the same chances, in several variants side by side. */

#include "tools/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/report/whatif.h"
#include "model/report/whatif_plot.h"
#include "tools/watch.h"

typedef struct {
    char **variants;
    char *seed, *repeat, *plot, *events;
    gboolean serial;
} Options;

/* Ctrl-C: what was run so far is told, marked as such. */
static volatile sig_atomic_t stopped;

static void
stop_all(void)
{
    stopped = 1;
}

static void
show_progress(size_t done, size_t total, void *user)
{
    (void)user;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%zu of %zu runs%s", done, total, done == total ? "\r\033[K" : "");
}

/* The scenario as written comes first. */
static bool
name_is_taken(const Variant *variants, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(variants[i].name, name) == 0)
            return true;
    return false;
}

static void
variants_free(Variant *variants, size_t n)
{
    for (size_t i = 0; i < n; i++)
        variant_clear(&variants[i]);
    g_free(variants);
}

static Variant *
parse_variants(char *const *texts, size_t *ret_n)
{
    size_t n = texts ? g_strv_length((char **)texts) : 0;
    Variant *variants = g_new0(Variant, n + 1);

    variants[0].name = g_strdup("as written");
    for (size_t i = 0; i < n; i++) {
        bool ok = variant_parse(texts[i], &variants[i + 1]);
        if (!ok)
            cli_usage_error(&command_whatif, "--variant is NAME:OBJECT.FIELD=VALUE[,...], not \"%s\"", texts[i]);
        else if (name_is_taken(variants, i + 1, variants[i + 1].name))
            cli_usage_error(&command_whatif, "two variants are called \"%s\"", variants[i + 1].name);
        else
            continue;
        variants_free(variants, i + 2);
        return NULL;
    }
    *ret_n = n + 1;
    return variants;
}

static int
plot(const WhatifColumn *columns, size_t n, const char *dir)
{
    size_t n_figures;
    PlotFigure *figures;
    g_autofree char *error = NULL;
    int status = EXIT_FINE;

    if (g_mkdir_with_parents(dir, 0777) != 0)
        return cli_usage_error(&command_whatif, "cannot make the folder %s", dir);
    figures = whatif_plot_figures(columns, n, &n_figures);
    for (size_t i = 0; i < n_figures && status == EXIT_FINE; i++)
        if (!whatif_plot_draw(&figures[i], dir, &error)) {
            fprintf(stderr, "svcsim whatif: %s\n", error);
            status = EXIT_OURS;
        }
    whatif_plot_free(figures, n_figures);
    return status;
}

static int
compare(const CommonOptions *common, const Variant *variants, size_t n, const uint64_t *seeds, size_t repeat,
        uint64_t event_limit, const Options *o)
{
    g_autofree VariantResult *results = g_new0(VariantResult, n * repeat);
    g_autofree WhatifColumn *columns = g_new0(WhatifColumn, n);
    g_autoptr(GString) out = g_string_new(NULL);
    int status;
    bool failed = false, any = false;

    watch_work(NULL, NULL, SIMTIME_NEVER, stop_all);
    variants_run((const char *const *)common->files, g_strv_length(common->files), variants, n, seeds, repeat, results,
                 &(VariantsOptions){.progress = show_progress,
                                    .stop = &stopped,
                                    .shares = true,
                                    .serial = o->serial,
                                    .event_limit = event_limit});
    watch_end();
    watch_tell_limit();
    for (size_t v = 0; v < n; v++) {
        columns[v] = (WhatifColumn){&variants[v], &results[v * repeat], repeat};
        for (size_t s = 0; s < repeat; s++)
            if (results[v * repeat + s].limited)
                fprintf(stderr,
                        "svcsim whatif: variant %s: stopped at the limit of %" G_GUINT64_FORMAT
                        " events (--event-limit raises it)\n",
                        variants[v].name, event_limit);
        if (results[v * repeat].error) {
            fprintf(stderr, "svcsim whatif: variant %s: %s\n", variants[v].name, results[v * repeat].error);
            failed = true;
        }
        any |= results[v * repeat].measures != NULL;
    }
    /* One that could not run does not hide the others. */
    if (any) {
        if (common->json)
            whatif_print_json(out, columns, n);
        else
            whatif_print_text(out, columns, n);
    }
    status = cli_output(out);
    if (status == EXIT_FINE && any && o->plot)
        status = plot(columns, n, o->plot);
    if (status == EXIT_FINE && failed)
        status = EXIT_USAGE;
    for (size_t i = 0; i < n * repeat; i++)
        variant_result_clear(&results[i]);
    return status;
}

static int
run_options(const CommonOptions *common, const Options *o)
{
    uint64_t events = SCENARIO_EVENT_LIMIT;
    size_t n, repeat = 1;
    g_autofree uint64_t *seeds = cli_parse_seeds(&command_whatif, common, o->seed, o->repeat, &repeat);
    Variant *variants;
    int status;

    if (!seeds || !cli_parse_number(&command_whatif, "--event-limit", o->events, 1, G_MAXUINT64, &events))
        return EXIT_USAGE;
    variants = parse_variants(o->variants, &n);
    if (!variants)
        return EXIT_USAGE;
    status = compare(common, variants, n, seeds, repeat, events, o);
    variants_free(variants, n);
    return status;
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    Options o = {0};
    const GOptionEntry entries[] = {
        {"variant", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.variants, "a variant; may be given several times",
         "NAME:OBJECT.FIELD=VALUE[,...]"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &o.seed, "instead of the scenario's", "N"},
        {"repeat", 0, 0, G_OPTION_ARG_STRING, &o.repeat, "with N seeds; figures then carry 95 % confidence intervals",
         "N"},
        {"plot", 0, 0, G_OPTION_ARG_FILENAME, &o.plot,
         "draw a figure over time of every measure there (SVG, by gnuplot)", "DIR"},
        {"event-limit", 0, 0, G_OPTION_ARG_STRING, &o.events, "stop each run after so many events", "N"},
        {"serial", 0, 0, G_OPTION_ARG_NONE, &o.serial, "one run after the other instead of one on each processor",
         NULL},
        {0},
    };
    int status = EXIT_USAGE;

    if (!cli_parse(&command_whatif, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    status = run_options(&common, &o);
    cli_common_clear(&common);
    g_strfreev(o.variants);
    g_free(o.seed);
    g_free(o.repeat);
    g_free(o.plot);
    g_free(o.events);
    return status;
}

const Command command_whatif = {
    .name = "whatif",
    .group = "Simulation",
    .summary = "compare variants of a scenario: losses and the clock to blame, source IP, balance, changed flows",
    .usage = "FILE... --variant NAME:OBJECT.FIELD=VALUE[,...] ... [options]",
    .example = "svcsim whatif shop.yaml --variant local:service/web.externalTrafficPolicy=Local",
    .run = run,
};
