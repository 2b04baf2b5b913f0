/* rules/CASE/NODE.iptables-save: dumps of nodes on which only a real kube-proxy wrote rules.
 *
 * Texts must be equal, but for the order of different Services' rules in the chains where kube-proxy goes through a
 * map: those compare as multisets, with the jump to the node ports last. */

#include <string.h>

#include "model/proxy/proxy_rules.h"
#include "sim/netfilter/nf_text.h"
#include "tests/conformance/conf.h"

static const char *const UNORDERED[] = {"-A KUBE-SERVICES ", "-A KUBE-NODEPORTS ", "-A KUBE-EXTERNAL-SERVICES ",
                                        "-A KUBE-PROXY-FIREWALL ", NULL};

static bool
is_unordered(const char *line)
{
    for (const char *const *prefix = UNORDERED; *prefix; prefix++)
        if (g_str_has_prefix(line, *prefix))
            return !strstr(line, "NOTE: this must be the last rule");
    return false;
}

static gint
compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts each run of lines whose order means nothing. */
static char *
normalise(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint n = g_strv_length(lines);

    for (guint i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && is_unordered(lines[i]) && is_unordered(lines[end]) &&
                          strncmp(lines[i], lines[end], strcspn(lines[i] + 3, " ") + 4) == 0;
             end++)
            ;
        if (is_unordered(lines[i]))
            qsort(&lines[i], end - i, sizeof *lines, compare_lines);
    }
    return g_strjoinv("\n", lines);
}

static void
check_dump(Conf *conf, Input *input, const char *dir, const char *label, const char *node, IpFamily family)
{
    g_autofree char *path =
        g_strdup_printf("%s/%s.%s", dir, node, family == FAMILY_IPV4 ? "iptables-save" : "ip6tables-save");
    g_autofree char *name = g_strdup_printf("rules/%s/%s.%s", label, node, family == FAMILY_IPV4 ? "ipv4" : "ipv6");
    g_autofree char *dump = conf_read(path), *want = NULL, *got = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    ProxyMode mode = PROXY_IPTABLES;
    ProxyRules *rules;

    if (!dump || !conf_wants(conf, name))
        return;
    rules = proxy_rules_new(input, node, &mode, family);
    if (rules->ruleset)
        nf_print_iptables_save(text, rules->ruleset);
    else
        g_string_append(text, rules->error);
    proxy_rules_free(rules);
    want = normalise(dump);
    got = normalise(text->str);
    conf_text(conf, name, got, want);
}

void
conf_rules(Conf *conf)
{
    g_autofree char *root = g_strdup_printf("%s/rules", conf->root);
    g_autoptr(GPtrArray) cases = conf_list(root, "");

    for (guint i = 0; i < cases->len; i++) {
        g_autofree char *dir = g_strdup_printf("%s/%s", root, (char *)cases->pdata[i]);
        g_autofree char *manifests = g_strdup_printf("%s/manifests.yaml", dir);
        g_autofree char *config = g_strdup_printf("%s/config.yaml", dir);
        g_autofree char *label = g_strdup_printf("rules/%s/", (char *)cases->pdata[i]);
        const char *paths[] = {config, manifests};
        Input *input;
        size_t n;
        const ApiObject *const *nodes;

        if (conf->filter[0] && !strstr(label, conf->filter) && !g_str_has_prefix(conf->filter, label))
            continue;
        input = input_load(paths, 2);
        if (diags_errors(input->diags)) {
            diags_print(input->diags, stdout, DIAG_ERROR);
            conf_true(conf, label, false, "the input has errors");
        }
        nodes = store_list(input->store, KIND_NODE, &n);
        for (size_t k = 0; k < n; k++) {
            check_dump(conf, input, dir, cases->pdata[i], nodes[k]->name, FAMILY_IPV4);
            check_dump(conf, input, dir, cases->pdata[i], nodes[k]->name, FAMILY_IPV6);
        }
        input_free(input);
    }
}
