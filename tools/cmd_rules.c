/* svcsim rules: what iptables-save, ip6tables-save or nft list ruleset print on a node. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#include "model/proxy/proxy_rules.h"
#include "sim/netfilter/nf_text.h"

typedef struct {
    char *node, *mode, *family, *as;
} Options;

static void
print_rules(GString *out, const ProxyRules *rules, bool restore)
{
    if (rules->mode == PROXY_NFTABLES) {
        if (restore)
            nf_print_nft_transaction(out, rules->ruleset);
        else
            nf_print_nft_ruleset(out, rules->ruleset, NULL);
    } else if (restore) {
        proxy_print_iptables_restore(out, NULL, rules->ruleset, true);
    } else {
        nf_print_iptables_save(out, rules->ruleset);
    }
}

static void
print_json(GString *out, const Options *options, const ProxyRules *rules, const GString *text)
{
    JsonOut json = json_out(out, true);

    json_object(&json);
    json_kv_str(&json, "node", options->node);
    json_kv_str(&json, "family", rules->family == FAMILY_IPV4 ? "ipv4" : "ipv6");
    json_kv_str(&json, "text", text->str);
    json_object_end(&json);
    json_out_done(&json);
}

static int
rules_of_node(Input *input, const CommonOptions *common, const Options *options)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) out = g_string_new(NULL);
    ProxyMode mode = PROXY_IPTABLES;
    IpFamily family = FAMILY_IPV4;
    ProxyRules *rules;
    int status = EXIT_FINE;

    if (options->mode && !cli_parse_mode(options->mode, &mode))
        return cli_usage_error(&command_rules, "--mode is iptables, nftables or ipvs, not \"%s\"", options->mode);
    if (options->family && !cli_parse_family(options->family, &family))
        return cli_usage_error(&command_rules, "--family is ipv4 or ipv6, not \"%s\"", options->family);
    if (options->as && strcmp(options->as, "save") != 0 && strcmp(options->as, "restore") != 0)
        return cli_usage_error(&command_rules, "--as is save or restore, not \"%s\"", options->as);
    if (!store_get(input->store, KIND_NODE, "", options->node))
        return cli_no_such(&command_rules, "Node", options->node, input->store, KIND_NODE);

    rules = proxy_rules_new(input, options->node, options->mode ? &mode : NULL, family);
    if (!rules->ruleset) {
        fprintf(stderr, "svcsim rules: kube-proxy's sync on %s fails as a whole: %s\n", options->node, rules->error);
        status = EXIT_DIFFERENT;
    } else {
        print_rules(text, rules, g_strcmp0(options->as, "restore") == 0);
        if (common->json)
            print_json(out, options, rules, text);
        status = cli_output(common->json ? out : text);
    }
    proxy_rules_free(rules);
    return status;
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    Options o = {0};
    const GOptionEntry entries[] = {
        {"node", 'n', 0, G_OPTION_ARG_STRING, &o.node, "whose rules", "NODE"},
        {"mode", 0, 0, G_OPTION_ARG_STRING, &o.mode, "iptables or nftables (default: the configuration's)", "MODE"},
        {"family", 0, 0, G_OPTION_ARG_STRING, &o.family, "ipv4 (default) or ipv6", "FAMILY"},
        {"as", 0, 0, G_OPTION_ARG_STRING, &o.as,
         "save: as the tools print it (default); restore: as kube-proxy writes it", "FORM"},
        {0},
    };
    Input *input;
    int status = EXIT_USAGE;

    if (!cli_parse(&command_rules, &argc, &argv, entries, &common))
        return EXIT_USAGE;
    if (!o.node)
        cli_usage_error(&command_rules, "--node is missing");
    else if ((input = cli_load_filled(&common))) {
        status = rules_of_node(input, &common, &o);
        input_free(input);
    }
    cli_common_clear(&common);
    g_free(o.node);
    g_free(o.mode);
    g_free(o.family);
    g_free(o.as);
    return status;
}

const Command command_rules = {
    .name = "rules",
    .group = "Rules",
    .summary = "print a node's rules as iptables-save or nft list ruleset would",
    .usage = "FILE... --node NODE [options]",
    .example = "svcsim rules shop.yaml --node worker-1 --mode nftables",
    .run = run,
};
