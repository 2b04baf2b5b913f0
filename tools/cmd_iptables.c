/* svcsim iptables: `iptables -L` and `-S` of a node at a moment, with the counters that its traffic left. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#include "model/network/node_proxy.h"
#include "sim/netfilter/nf_text.h"
#include "tools/view.h"

typedef struct {
    ViewOptions view;
    char *table, *family;
    gboolean list, rules, numeric, verbose, line_numbers, exact;
} Options;

/* iptables -S: policies, chains, then rules. */
static bool
print_rules(GString *out, const NfRuleset *rs, const char *table, const char *only)
{
    size_t n, n_found = 0;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rs, &n);
    const NfNames *names = nf_ruleset_names(rs);
    g_autoptr(GString) rules = g_string_new(NULL);

    for (int base = 1; base >= 0; base--)
        for (size_t i = 0; i < n; i++) {
            const char *name = nf_chain_name(names, ids[i]);
            NfChain *chain;
            if (nf_ruleset_is_base_chain(rs, ids[i]) != base || strcmp(nf_chain_table(names, ids[i]), table) != 0 ||
                (only && strcmp(only, name) != 0))
                continue;
            n_found++;
            chain = nf_ruleset_take_chain(rs, ids[i]);
            if (base)
                g_string_append_printf(out, "-P %s %s\n", name,
                                       nf_chain_spec(chain)->policy == NF_ACCEPT ? "ACCEPT" : "DROP");
            else
                g_string_append_printf(out, "-N %s\n", name);
            for (uint32_t r = 0; r < nf_chain_n_rules(chain); r++) {
                nf_print_iptables_rule(rules, rs, chain, r);
                g_string_append_c(rules, '\n');
            }
            nf_chain_unref(chain);
        }
    g_string_append_len(out, rules->str, (gssize)rules->len);
    return n_found > 0 || !only;
}

static void
explain_no_chain(const NfRuleset *rs, const char *table, const char *chain)
{
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    size_t n;
    g_autofree uint32_t *ids = nf_ruleset_chain_ids(rs, &n);
    const char *near;

    for (size_t i = 0; i < n; i++)
        if (strcmp(nf_chain_table(nf_ruleset_names(rs), ids[i]), table) == 0)
            g_ptr_array_add(known, (gpointer)nf_chain_name(nf_ruleset_names(rs), ids[i]));
    g_ptr_array_add(known, NULL);
    near = closest_word(chain, (const char *const *)known->pdata);
    cli_usage_error(&command_iptables, "table %s has no chain \"%s\"%s%s%s", table, chain,
                    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static bool
has_table(const NfRuleset *rs, const char *table)
{
    const char *tables[8];
    size_t n = nf_ruleset_tables(rs, tables);

    for (size_t i = 0; i < n; i++)
        if (strcmp(tables[i], table) == 0)
            return true;
    return false;
}

static int
show(View *view, char *const *words, const void *options)
{
    const Options *o = options;
    const char *chain = words[0];
    g_autoptr(GString) out = g_string_new(NULL);
    const char *table = o->table ? o->table : "filter";
    IpFamily family = FAMILY_IPV4;
    Host *host;
    const NfRuleset *rs;
    bool found;

    if (chain && words[1])
        return cli_usage_error(&command_iptables, "one CHAIN at most, not also \"%s\"", words[1]);
    if (o->family && !cli_parse_family(o->family, &family))
        return cli_usage_error(&command_iptables, "--family is ipv4 or ipv6, not \"%s\"", o->family);
    view_advance(view);
    host = view_host(view, &o->view, true);
    if (!host)
        return EXIT_USAGE;
    rs = nf_stack_ruleset(host_netfilter(host), family, "kube-proxy");
    if (!rs || nf_ruleset_dialect(rs) != NF_DIALECT_IPTABLES)
        return cli_usage_error(&command_iptables, "%s has no iptables rules%s", host_name(host),
                               rs ? "; kube-proxy is in nftables mode there (see svcsim rules)" : "");
    if (!has_table(rs, table))
        return cli_usage_error(&command_iptables, "no table \"%s\"; there are mangle, filter and nat", table);
    if (o->rules)
        found = print_rules(out, rs, table, chain);
    else
        found = nf_print_iptables_list(out, rs, nf_stack_state(host_netfilter(host)), table,
                                       &(NfListOptions){.numeric = o->numeric,
                                                        .verbose = o->verbose,
                                                        .line_numbers = o->line_numbers,
                                                        .exact = o->exact,
                                                        .chain = chain});
    if (found)
        return cli_output(out);
    explain_no_chain(rs, table, chain);
    return EXIT_USAGE;
}

static int
run(int argc, char **argv)
{
    Options o = {0};
    const GOptionEntry entries[] = {
        VIEW_HOST_ENTRIES(o.view),
        VIEW_OPTION_ENTRIES(o.view),
        {"table", 't', 0, G_OPTION_ARG_STRING, &o.table, "filter (default), nat or mangle", "TABLE"},
        {"list", 'L', 0, G_OPTION_ARG_NONE, &o.list, "list the rules of all chains or of CHAIN (default)", NULL},
        {"list-rules", 'S', 0, G_OPTION_ARG_NONE, &o.rules, "print them as commands", NULL},
        {"numeric", 'n', 0, G_OPTION_ARG_NONE, &o.numeric, "numbers instead of names", NULL},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &o.verbose, "with counters and interfaces", NULL},
        {"line-numbers", 0, 0, G_OPTION_ARG_NONE, &o.line_numbers, "number the rules", NULL},
        {"exact", 'x', 0, G_OPTION_ARG_NONE, &o.exact, "counters in full", NULL},
        {"family", 0, 0, G_OPTION_ARG_STRING, &o.family, "ipv4 (default) or ipv6 (ip6tables)", "FAMILY"},
        {0},
    };
    int status = view_main(&command_iptables, argc, argv, entries, &o.view, show, &o);

    g_free(o.table);
    g_free(o.family);
    return status;
}

const Command command_iptables = {
    .name = "iptables",
    .group = "Views",
    .summary = "a node's rules with their counters, as iptables -L prints them",
    .usage = "FILE... --node NODE [-t TABLE] [-L] [CHAIN] [options]",
    .example = "svcsim iptables shop.yaml --node minikube -t nat -L KUBE-SERVICES -n -v --line-numbers --at 12s",
    .run = run,
};
