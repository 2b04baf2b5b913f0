/* svcsim matrix: every kind of client at every door of every Service. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#include "model/report/matrix_text.h"

typedef struct {
    char *service, *client, *mode, *seed;
    int nodes;
} Options;

/* -1: all; -2 after a message. */
static int
client_of(const char *text)
{
    if (!text)
        return -1;
    for (int kind = 0; kind < MATRIX_N_CLIENTS; kind++)
        if (strcmp(matrix_client_kind_name((MatrixClientKind)kind), text) == 0)
            return kind;
    cli_usage_error(&command_matrix, "--client is pod, endpoint, node or outside, not \"%s\"", text);
    return -2;
}

static bool
check_service(Input *input, const char *service)
{
    g_autofree char *ns = NULL, *name = NULL;

    if (!service)
        return true;
    split_ns_name(service, &ns, &name);
    if (store_get(input->store, KIND_SERVICE, ns, name))
        return true;
    cli_no_such(&command_matrix, "Service", service, input->store, KIND_SERVICE);
    return false;
}

static int
matrix_input(Input *input, const Options *o, const CommonOptions *common)
{
    g_autoptr(GString) out = g_string_new(NULL);
    MatrixOptions options = {.service = o->service, .client = client_of(o->client), .max_nodes = (uint32_t)o->nodes};
    uint64_t seed = input->scenario.seed;
    Cluster *cluster;
    Cloud *cloud;
    Matrix matrix;

    if (options.client < -1 || !check_service(input, o->service) || !cli_set_mode(&command_matrix, input, o->mode))
        return EXIT_USAGE;
    if (o->nodes < 0)
        return cli_usage_error(&command_matrix, "--nodes is a number of nodes, not %d", o->nodes);
    if (!cli_parse_number(&command_matrix, "--seed", o->seed, 0, G_MAXUINT64, &seed))
        return EXIT_USAGE;
    cluster = cluster_new(input, &(ClusterOptions){.seed = seed});
    if (!cluster) {
        diags_print(input->diags, stderr, DIAG_ERROR);
        return EXIT_USAGE;
    }
    cli_warn_syncs(&command_matrix, cluster);
    cloud = cloud_new(cluster);
    if (diags_errors(input->diags) > 0) {
        diags_print(input->diags, stderr, DIAG_ERROR);
        cloud_free(cloud);
        cluster_free(cluster);
        return EXIT_USAGE;
    }
    options.cloud = cloud;
    matrix_make(cluster, &options, &matrix);
    if (common->json)
        matrix_print_json(out, &matrix);
    else
        matrix_print_text(out, cluster, &matrix);
    matrix_clear(&matrix);
    cloud_free(cloud);
    cluster_free(cluster);
    return cli_output(out);
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    Options o = {0};
    const GOptionEntry entries[] = {
        {"service", 0, 0, G_OPTION_ARG_STRING, &o.service, "only this Service", "[NS/]NAME"},
        {"client", 0, 0, G_OPTION_ARG_STRING, &o.client, "only pod, endpoint, node or outside", "KIND"},
        {"nodes", 0, 0, G_OPTION_ARG_INT, &o.nodes, "nodes that stand for all (default 4)", "N"},
        {"mode", 0, 0, G_OPTION_ARG_STRING, &o.mode, "iptables or nftables (default: the configuration's)", "MODE"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &o.seed, "of the world: ports and sequence numbers", "N"},
        {0},
    };
    Input *input;
    int status = EXIT_USAGE;

    if (!cli_parse(&command_matrix, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    if ((input = cli_load_filled(&common))) {
        status = matrix_input(input, &o, &common);
        input_free(input);
    }
    cli_common_clear(&common);
    g_free(o.service);
    g_free(o.client);
    g_free(o.mode);
    g_free(o.seed);
    return status;
}

const Command command_matrix = {
    .name = "matrix",
    .group = "Explain",
    .summary = "every kind of client at every door of a Service: exact outcomes",
    .usage = "FILE... [--service [NS/]NAME] [options]",
    .example = "svcsim matrix shop.yaml --service frontend --client outside",
    .run = run,
};
