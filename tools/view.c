#include "tools/view.h"
#include "tools/watch.h"

#include <stdio.h>
#include <string.h>

void
view_options_clear(ViewOptions *options)
{
    g_free(options->at);
    g_free(options->seed);
    g_free(options->node);
    g_free(options->host);
    *options = (ViewOptions){0};
}

static bool
is_file(const char *word)
{
    return strcmp(word, "-") == 0 || g_str_has_suffix(word, ".yaml") || g_str_has_suffix(word, ".yml") ||
           g_str_has_suffix(word, ".json") ||
           (g_file_test(word, G_FILE_TEST_EXISTS) && !g_file_test(word, G_FILE_TEST_IS_DIR));
}

char **
view_take_words(CommonOptions *common)
{
    GStrvBuilder *files = g_strv_builder_new(), *words = g_strv_builder_new();
    char **result;

    for (char **word = common->files; *word; word++)
        g_strv_builder_add(is_file(*word) ? files : words, *word);
    g_strfreev(common->files);
    common->files = g_strv_builder_end(files);
    result = g_strv_builder_end(words);
    g_strv_builder_unref(files);
    g_strv_builder_unref(words);
    return result;
}

static bool
parse_options(const Command *command, const ViewOptions *o, View *view, uint64_t *seed)
{
    if (o->at && !simtime_parse(o->at, &view->at)) {
        cli_usage_error(command, "--at is a time such as 12s, not \"%s\"", o->at);
        return false;
    }
    return cli_parse_number(command, "--seed", o->seed, 0, G_MAXUINT64, seed);
}

static bool
build_world(View *view, uint64_t seed)
{
    watch_work("building the cluster", NULL, SIMTIME_NEVER, NULL);
    view->cluster = cluster_new(view->input, &(ClusterOptions){.seed = seed});
    if (!view->cluster) {
        diags_print(view->input->diags, stderr, DIAG_ERROR);
        return false;
    }
    cluster_sim(view->cluster)->event_limit = SCENARIO_EVENT_LIMIT;
    view->run = scenario_run_new(view->cluster, &view->input->scenario);
    watch_work("replaying", cluster_sim(view->cluster), view->at, NULL);
    return true;
}

static bool
open_view(const Command *command, const CommonOptions *common, const ViewOptions *options, bool objects, View *ret_view)
{
    View view = {.command = command, .at = SIMTIME_NEVER};
    uint64_t seed;

    if (!common->files[0]) {
        cli_usage_error(command, "no input file: svcsim %s %s", command->name, command->usage);
        return false;
    }
    view.input = cli_load_filled(common);
    if (!view.input)
        return false;
    seed = view.input->scenario.seed;
    if (!parse_options(command, options, &view, &seed) ||
        (!(objects && view.at == SIMTIME_NEVER && !view.input->has_scenario) && !build_world(&view, seed))) {
        view_close(&view);
        return false;
    }
    *ret_view = view;
    return true;
}

bool
view_open(const Command *command, const CommonOptions *common, const ViewOptions *options, View *ret_view)
{
    return open_view(command, common, options, false, ret_view);
}

bool
view_open_objects(const Command *command, const CommonOptions *common, const ViewOptions *options, View *ret_view)
{
    return open_view(command, common, options, true, ret_view);
}

void
view_advance(View *view)
{
    Sim *sim;

    if (!view->cluster || (view->at == SIMTIME_NEVER && !view->input->has_scenario))
        return;
    sim = cluster_sim(view->cluster);
    scenario_run_until(view->run, view->at);
    /* The scenario may be over, the world is not. */
    if (view->at != SIMTIME_NEVER && sim->now < view->at)
        sim_run_until(sim, view->at);
}

SimTime
view_now(const View *view)
{
    return view->cluster ? cluster_sim(view->cluster)->now : 0;
}

void
view_close(View *view)
{
    scenario_run_free(view->run);
    if (view->cluster)
        cluster_free(view->cluster);
    input_free(view->input);
    *view = (View){0};
}

int
view_main(const Command *command, int argc, char **argv, const GOptionEntry *entries, ViewOptions *options,
          ViewShow show, const void *user)
{
    CommonOptions common;
    g_auto(GStrv) words = NULL;
    View view;
    int status = EXIT_USAGE;

    if (!cli_parse(command, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    words = view_take_words(&common);
    if (view_open(command, &common, options, &view)) {
        status = show(&view, words, user);
        view_close(&view);
    }
    cli_common_clear(&common);
    view_options_clear(options);
    return status;
}

/* Pods of the namespace default are called "pod/NAME", and may be called with their namespace. */
static bool
is_named(const Host *host, const char *name)
{
    static const char pod_default[] = "pod/default/";

    if (strcmp(host_name(host), name) == 0)
        return true;
    return g_str_has_prefix(name, pod_default) && g_str_has_prefix(host_name(host), "pod/") &&
           strcmp(host_name(host) + strlen("pod/"), name + strlen(pod_default)) == 0;
}

Host *
view_host(const View *view, const ViewOptions *options, bool required)
{
    const ClusterNode *node = options->node ? cluster_node(view->cluster, options->node) : NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *name = options->host, *near;
    size_t n;
    Host *const *hosts = cluster_hosts(view->cluster, &n);

    if (node)
        return node->host;
    if (options->node) {
        cli_no_such(view->command, "Node", options->node, view->input->store, KIND_NODE);
        return NULL;
    }
    if (!name) {
        if (required)
            cli_usage_error(view->command, "--node is missing");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (is_named(hosts[i], name))
            return hosts[i];
        g_ptr_array_add(names, (gpointer)host_name(hosts[i]));
    }
    g_ptr_array_add(names, NULL);
    near = closest_word(options->host, (const char *const *)names->pdata);
    cli_usage_error(view->command, "no host \"%s\" at this time%s%s%s", options->host, near ? "; did you mean \"" : "",
                    near ? near : "", near ? "\"?" : "");
    return NULL;
}
