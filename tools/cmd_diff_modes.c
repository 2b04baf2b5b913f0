/* svcsim diff-modes: what ends differently in two modes of kube-proxy, or in two versions. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#include "model/report/mode_diff.h"

typedef struct {
    char *between, *versions, *service, *mode;
    int nodes;
} Options;

typedef struct {
    char *name;
    Cluster *cluster;
    Matrix matrix;
} World;

/* Both worlds share the Input: the first has asked its last question when the second changes the mode. */
static bool
build(World *w, Input *input, const char *name, const Options *o)
{
    MatrixOptions options = {.service = o->service, .client = -1, .max_nodes = (uint32_t)o->nodes};
    KubeVersion version;

    w->name = g_strdup(name);
    if (!o->versions) {
        if (!cli_set_mode(&command_diff_modes, input, name))
            return false;
    } else if (kube_version_parse(name, &version)) {
        input_set_version(input, version);
    } else {
        cli_usage_error(&command_diff_modes, "--versions takes two of 1.30 to 1.36, not \"%s\"", name);
        return false;
    }
    w->cluster = cluster_new(input, &(ClusterOptions){.seed = input->scenario.seed});
    if (!w->cluster) {
        diags_print(input->diags, stderr, DIAG_ERROR);
        return false;
    }
    cli_warn_syncs(&command_diff_modes, w->cluster);
    matrix_make(w->cluster, &options, &w->matrix);
    return true;
}

static void
world_clear(World *w)
{
    matrix_clear(&w->matrix);
    cluster_free(w->cluster);
    g_free(w->name);
}

static int
compare(const World *a, const World *b, const CommonOptions *common)
{
    g_autoptr(GString) out = g_string_new(NULL);
    DiffSide x = {a->name, &a->matrix}, y = {b->name, &b->matrix};
    uint32_t n = common->json ? mode_diff_print_json(out, &x, &y) : mode_diff_print_text(out, &x, &y);
    int status = cli_output(out);

    return status == EXIT_FINE && n > 0 ? EXIT_DIFFERENT : status;
}

static int
diff_input(Input *input, const Options *o, const CommonOptions *common)
{
    const char *pair = o->versions ? o->versions : o->between ? o->between : "iptables,nftables";
    g_auto(GStrv) names = g_strsplit(pair, ",", -1);
    World a = {0}, b = {0};
    int status = EXIT_USAGE;

    if (o->versions && o->between)
        return cli_usage_error(&command_diff_modes, "--between and --versions exclude each other");
    if (g_strv_length(names) != 2)
        return cli_usage_error(&command_diff_modes, "--%s takes two names with a comma between them, not \"%s\"",
                               o->versions ? "versions" : "between", pair);
    if (o->nodes < 0)
        return cli_usage_error(&command_diff_modes, "--nodes is a number of nodes, not %d", o->nodes);
    if (!cli_set_mode(&command_diff_modes, input, o->mode))
        return EXIT_USAGE;
    if (build(&a, input, names[0], o) && build(&b, input, names[1], o))
        status = compare(&a, &b, common);
    world_clear(&a);
    world_clear(&b);
    return status;
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    Options o = {0};
    const GOptionEntry entries[] = {
        {"between", 0, 0, G_OPTION_ARG_STRING, &o.between, "two modes (default: iptables,nftables)", "MODE,MODE"},
        {"versions", 0, 0, G_OPTION_ARG_STRING, &o.versions, "two versions of Kubernetes instead", "1.30,1.36"},
        {"mode", 0, 0, G_OPTION_ARG_STRING, &o.mode, "with --versions: the mode of both", "MODE"},
        {"service", 0, 0, G_OPTION_ARG_STRING, &o.service, "only this Service", "[NS/]NAME"},
        {"nodes", 0, 0, G_OPTION_ARG_INT, &o.nodes, "nodes that stand for all (default 4)", "N"},
        {0},
    };
    Input *input;
    int status = EXIT_USAGE;

    if (!cli_parse(&command_diff_modes, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    if ((input = cli_load_filled(&common))) {
        status = diff_input(input, &o, &common);
        input_free(input);
    }
    cli_common_clear(&common);
    g_free(o.between);
    g_free(o.versions);
    g_free(o.service);
    g_free(o.mode);
    return status;
}

const Command command_diff_modes = {
    .name = "diff-modes",
    .group = "Explain",
    .summary = "which clients at which doors end differently in two modes or versions",
    .usage = "FILE... [--between MODE,MODE | --versions V,V] [options]",
    .example = "svcsim diff-modes shop.yaml --between iptables,nftables",
    .run = run,
};
