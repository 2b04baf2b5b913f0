/* svcsim trace: one connection end to end, with the reply. */

#include "tools/cli.h"

#include <stdio.h>

#include "model/cloud/lb.h"
#include "model/report/trace_text.h"

typedef struct {
    char *from, *to, *via, *mode, *family, *seed;
    gboolean all, detail, summary, minimal;
} Options;

typedef struct {
    Who from;
    Where to;
    TraceQuestion question;
    char *error;
} Asked;

static TraceForm
form_of(const Options *o)
{
    return o->detail    ? TRACE_FORM_DETAIL
           : o->summary ? TRACE_FORM_SUMMARY
           : o->minimal ? TRACE_FORM_MINIMAL
                        : TRACE_FORM_AUTO;
}

/* An address that is nobody's belongs to a host outside. */
static bool
stranger(Cluster *cluster, const char *text, Who *who)
{
    const LinkParams link = {.latency = cluster_input(cluster)->cluster.network.latency_client};
    g_autofree char *name = g_strdup_printf("client/%s", text);
    IpAddr addr;

    if (!ipaddr_parse(text, &addr))
        return false;
    *who = (Who){.kind = WHO_CLIENT, .addr = addr, .text = g_strdup(text)};
    who->host = cluster_add_outside_host(cluster, name, &addr, 1, &link);
    return true;
}

static bool
ask(Cluster *cluster, const Options *o, IpFamily family, Asked *a)
{
    const ClusterNode *via = o->via ? cluster_node(cluster, o->via) : NULL;

    if (o->via && !via) {
        cli_no_such(&command_trace, "Node", o->via, cluster_store(cluster), KIND_NODE);
        return false;
    }
    if (!who_parse(cluster, o->from, &a->from, &a->error)) {
        if (!stranger(cluster, o->from, &a->from)) {
            cli_usage_error(&command_trace, "--from: %s", a->error);
            return false;
        }
        g_clear_pointer(&a->error, g_free);
    }
    if (!where_parse(cluster, o->to, &a->from, via, family, IPPROTO_TCP_, &a->to, &a->error)) {
        cli_usage_error(&command_trace, "--to: %s", a->error);
        return false;
    }
    a->question = (TraceQuestion){.from = &a->from, .to = &a->to, .via = via, .all = o->all, .keep_tree = true};
    return true;
}

static int
answer(Cluster *cluster, const Asked *a, const Options *o, const CommonOptions *common)
{
    g_autoptr(GString) out = g_string_new(NULL);
    TraceAnswer found;

    trace_connection(cluster, &a->question, &found);
    if (common->json)
        trace_print_json(out, &found);
    else
        trace_print_text(out, cluster, &a->question, &found, form_of(o));
    trace_answer_clear(&found);
    return cli_output(out);
}

static int
trace_input(Input *input, const Options *o, const CommonOptions *common)
{
    uint64_t seed = input->scenario.seed;
    IpFamily family = FAMILY_IPV4;
    Asked a = {0};
    Cloud *cloud;
    Cluster *cluster;
    int status = EXIT_USAGE;

    if (o->detail + o->summary + o->minimal > 1)
        return cli_usage_error(&command_trace, "--detail, --summary and --minimal exclude each other");
    if (!cli_parse_number(&command_trace, "--seed", o->seed, 0, G_MAXUINT64, &seed))
        return EXIT_USAGE;
    if (o->family && !cli_parse_family(o->family, &family))
        return cli_usage_error(&command_trace, "--family is ipv4 or ipv6, not \"%s\"", o->family);
    if (!cli_set_mode(&command_trace, input, o->mode))
        return EXIT_USAGE;
    cluster = cluster_new(input, &(ClusterOptions){.seed = seed});
    if (!cluster) {
        diags_print(input->diags, stderr, DIAG_ERROR);
        return EXIT_USAGE;
    }
    cloud = cloud_new(cluster);
    cli_warn_syncs(&command_trace, cluster);
    if (ask(cluster, o, family, &a))
        status = answer(cluster, &a, o, common);
    who_clear(&a.from);
    where_clear(&a.to);
    g_free(a.error);
    cloud_free(cloud);
    cluster_free(cluster);
    return status;
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    Options o = {0};
    const GOptionEntry entries[] = {
        {"from", 0, 0, G_OPTION_ARG_STRING, &o.from, "pod/NAME, node/NAME, client/NAME or an address", "WHO"},
        {"to", 0, 0, G_OPTION_ARG_STRING, &o.to, "service/NAME[:PORT], pod/NAME, node/NAME:PORT, a name or IP:PORT",
         "WHERE"},
        {"via", 0, 0, G_OPTION_ARG_STRING, &o.via, "the node to which the outside routes the address", "NODE"},
        {"all", 0, 0, G_OPTION_ARG_NONE, &o.all, "every random branch, with exact probabilities", NULL},
        {"detail", 0, 0, G_OPTION_ARG_NONE, &o.detail, "packet by packet, hop by hop, rule by rule", NULL},
        {"summary", 0, 0, G_OPTION_ARG_NONE, &o.summary, "hops and rewrites only", NULL},
        {"minimal", 0, 0, G_OPTION_ARG_NONE, &o.minimal, "one line: who received what from which source", NULL},
        {"mode", 0, 0, G_OPTION_ARG_STRING, &o.mode, "iptables or nftables (default: the configuration's)", "MODE"},
        {"family", 0, 0, G_OPTION_ARG_STRING, &o.family, "which address of a name: ipv4 (default) or ipv6", "FAMILY"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &o.seed, "for the one draw without --all", "N"},
        {0},
    };
    Input *input;
    int status = EXIT_USAGE;

    if (!cli_parse(&command_trace, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    if (!o.from || !o.to)
        cli_usage_error(&command_trace, "%s is missing", !o.from ? "--from" : "--to");
    else if ((input = cli_load_filled(&common))) {
        status = trace_input(input, &o, &common);
        input_free(input);
    }
    cli_common_clear(&common);
    g_free(o.from);
    g_free(o.to);
    g_free(o.via);
    g_free(o.mode);
    g_free(o.family);
    g_free(o.seed);
    return status;
}

const Command command_trace = {
    .name = "trace",
    .group = "Explain",
    .summary = "follow one connection end to end, and the reply",
    .usage = "FILE... --from WHO --to WHERE [--via NODE] [options]",
    .example = "svcsim trace shop.yaml --from client/laptop --to service/frontend --via worker-2 --all",
    .run = run,
};
