/* svcsim walk: what a node's rules alone do to the first packet of a connection. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#include "model/network/node_host.h"
#include "model/proxy/proxy_rules.h"
#include "model/report/walk.h"
#include "model/report/walk_text.h"
#include "sim/netfilter/nf_text.h"

typedef struct {
    char *node, *mode, *from, *to, *in, *rules, *seed;
    gboolean all, misses, linear;
} Options;

/* Everything a walk needs, built from the options. */
typedef struct {
    Sim *sim;
    Host *host;
    ProxyRules *rules; /* NULL with --rules. */
    NfNames *names;    /* Of a dump. */
    NfRuleset *ruleset;
    WalkQuestion question;
} Setup;

static bool
parse_question(const Options *o, WalkQuestion *q)
{
    uint8_t from_proto = 0;

    *q = (WalkQuestion){.proto = IPPROTO_TCP_, .in = o->in, .all = o->all, .misses = o->misses};
    if (!cli_parse_endpoint(o->from, &q->from, &q->from_port, &from_proto)) {
        cli_usage_error(&command_walk, "--from is IP or IP:PORT, not \"%s\"", o->from);
        return false;
    }
    if (!cli_parse_endpoint(o->to, &q->to, &q->to_port, &q->proto)) {
        cli_usage_error(&command_walk, "--to is IP:PORT with an optional /tcp, /udp or /sctp, not \"%s\"", o->to);
        return false;
    }
    if (q->to_port == 0 && (q->proto == IPPROTO_TCP_ || q->proto == IPPROTO_UDP_ || q->proto == IPPROTO_SCTP_)) {
        cli_usage_error(&command_walk, "--to has no port: \"%s\"", o->to);
        return false;
    }
    if (ipaddr_family(&q->from) != ipaddr_family(&q->to)) {
        cli_usage_error(&command_walk, "--from and --to are of different IP families");
        return false;
    }
    return true;
}

static bool
load_dump(Setup *s, const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    GPtrArray *notes = NULL;
    size_t size;

    if (!g_file_get_contents(path, &text, &size, &error)) {
        cli_usage_error(&command_walk, "%s", error->message);
        return false;
    }
    s->names = nf_names_new();
    s->ruleset = nf_parse_iptables_save(s->names, ipaddr_family(&s->question.to), text, size, &notes);
    for (guint i = 0; i < notes->len; i++) {
        const NfParseNote *note = g_ptr_array_index(notes, i);
        fprintf(stderr, "%s:%u:%u: %s: %s\n", path, note->line, note->column, note->error ? "error" : "warning",
                note->message);
        if (note->hint)
            fprintf(stderr, "    hint: %s\n", note->hint);
    }
    g_ptr_array_unref(notes);
    return s->ruleset != NULL;
}

static bool
compile_rules(Setup *s, Input *input, const Options *o)
{
    ProxyMode mode = PROXY_IPTABLES;

    if (o->mode && !cli_parse_mode(o->mode, &mode)) {
        cli_usage_error(&command_walk, "--mode is iptables, nftables or ipvs, not \"%s\"", o->mode);
        return false;
    }
    s->rules = proxy_rules_new(input, o->node, o->mode ? &mode : NULL, ipaddr_family(&s->question.to));
    if (s->rules->ruleset)
        s->ruleset = nf_ruleset_ref(s->rules->ruleset);
    else
        fprintf(stderr, "svcsim walk: kube-proxy's sync on %s fails as a whole, so there are no rules: %s\n", o->node,
                s->rules->error);
    return true;
}

static bool
setup(Setup *s, Input *input, const Options *o)
{
    const KubeNode *node = (const KubeNode *)store_get(input->store, KIND_NODE, "", o->node);
    uint64_t seed = input->scenario.seed;

    if (!node) {
        cli_no_such(&command_walk, "Node", o->node, input->store, KIND_NODE);
        return false;
    }
    if (!cli_parse_number(&command_walk, "--seed", o->seed, 0, G_MAXUINT64, &seed))
        return false;
    if (!parse_question(o, &s->question))
        return false;
    if (!(o->rules ? load_dump(s, o->rules) : compile_rules(s, input, o)))
        return false;
    s->sim = sim_new(seed);
    s->host = node_host_new(s->sim, input, node);
    if (!s->host) {
        diags_print(input->diags, stderr, DIAG_ERROR);
        return false;
    }
    if (o->in && !host_dev(s->host, o->in)) {
        cli_usage_error(&command_walk, "node %s has no interface \"%s\"", o->node, o->in);
        return false;
    }
    nf_stack_set_linear(host_netfilter(s->host), o->linear);
    if (s->ruleset)
        nf_stack_set_ruleset(host_netfilter(s->host), ipaddr_family(&s->question.to), "kube-proxy", s->ruleset);
    return true;
}

static void
setup_clear(Setup *s)
{
    host_free(s->host);
    if (s->sim)
        sim_free(s->sim);
    nf_ruleset_unref(s->ruleset);
    proxy_rules_free(s->rules);
    if (s->names)
        nf_names_unref(s->names);
}

static int
answer(const Setup *s, const Options *o, const CommonOptions *common)
{
    g_autoptr(GString) out = g_string_new(NULL);
    WalkAnswer a;
    uint32_t unknown = 0;
    int status;

    walk(s->host, &s->question, &a);
    if (common->json)
        walk_print_json(out, &a);
    else
        walk_print_text(out, o->node, &s->question, &a, s->rules ? s->rules->compiler : NULL);
    for (uint32_t i = 0; i < a.n_outcomes; i++)
        unknown = MAX(unknown, a.outcomes[i].unknown);
    walk_answer_clear(&a);
    status = cli_output(out);
    if (unknown > 0) {
        fprintf(stderr,
                "svcsim walk: the packet's fate depends on %u rule%s that svcsim does not model (see the warnings); "
                "assumed: "
                "no match\n",
                unknown, unknown == 1 ? "" : "s");
        status = EXIT_USAGE;
    }
    return status;
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    Options o = {0};
    Setup s = {0};
    const GOptionEntry entries[] = {
        {"node", 'n', 0, G_OPTION_ARG_STRING, &o.node, "on which node", "NODE"},
        {"from", 0, 0, G_OPTION_ARG_STRING, &o.from, "source", "IP[:PORT]"},
        {"to", 0, 0, G_OPTION_ARG_STRING, &o.to, "destination", "IP:PORT[/tcp|udp|sctp]"},
        {"in", 0, 0, G_OPTION_ARG_STRING, &o.in, "arrives by this interface (default: that of the route back)",
         "INTERFACE"},
        {"rules", 0, 0, G_OPTION_ARG_FILENAME, &o.rules, "walk this iptables-save file instead of kube-proxy's rules",
         "DUMP"},
        {"mode", 0, 0, G_OPTION_ARG_STRING, &o.mode, "iptables or nftables (default: the configuration's)", "MODE"},
        {"all", 0, 0, G_OPTION_ARG_NONE, &o.all, "follow every random branch, with exact probabilities", NULL},
        {"misses", 0, 0, G_OPTION_ARG_NONE, &o.misses, "show rules that were tried and did not match", NULL},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &o.seed, "for the one draw without --all", "N"},
        {"no-index", 0, 0, G_OPTION_ARG_NONE, &o.linear, "walk rule by rule, without the index", NULL},
        {0},
    };
    Input *input;
    int status = EXIT_USAGE;

    if (!cli_parse(&command_walk, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    if (!o.node || !o.from || !o.to)
        cli_usage_error(&command_walk, "%s is missing", !o.node ? "--node" : !o.from ? "--from" : "--to");
    else if ((input = cli_load_filled(&common))) {
        if (setup(&s, input, &o))
            status = answer(&s, &o, &common);
        setup_clear(&s);
        input_free(input);
    }
    cli_common_clear(&common);
    g_free(o.node);
    g_free(o.mode);
    g_free(o.from);
    g_free(o.to);
    g_free(o.in);
    g_free(o.rules);
    g_free(o.seed);
    return status;
}

const Command command_walk = {
    .name = "walk",
    .group = "Rules",
    .summary = "follow one packet through a node's rules, rule by rule",
    .usage = "FILE... --node NODE --from IP[:PORT] --to IP:PORT[/tcp|udp|sctp] [options]",
    .example = "svcsim walk shop.yaml --node worker-1 --from 203.0.113.7 --to 192.168.49.2:30080 --all",
    .run = run,
};
