/* kube-proxy's own input to iptables-restore
 *
 * Source: kube-proxy pkg/proxy/iptables/proxier.go syncProxyRules().  The lines stand
 * in the normalised order of kube-proxy's own tests: tables by name; KUBE-NODEPORTS, KUBE-SERVICES, then the other
 * chains, alphabetically; rules; deletions. */

#include <stdlib.h>

#include "model/proxy/iptables_compiler.h"
#include "sim/netfilter/nf_text.h"

/* Rewritten by every sync. */
static const struct {
    const char *table, *name;
} FIXED_CHAINS[] = {
    {IPT_FILTER, "KUBE-SERVICES"},  {IPT_FILTER, "KUBE-EXTERNAL-SERVICES"}, {IPT_FILTER, "KUBE-FORWARD"},
    {IPT_FILTER, "KUBE-NODEPORTS"}, {IPT_FILTER, "KUBE-PROXY-FIREWALL"},    {IPT_NAT, "KUBE-SERVICES"},
    {IPT_NAT, "KUBE-NODEPORTS"},    {IPT_NAT, "KUBE-POSTROUTING"},          {IPT_NAT, "KUBE-MARK-MASQ"},
};

static bool
is_fixed_chain(const NfRuleset *rs, uint32_t chain_id, const char *table, const char *name)
{
    if (strcmp(name, "KUBE-FIREWALL") == 0)
        return nf_chain_n_rules(nf_ruleset_chain(rs, chain_id)) > 0;
    for (size_t i = 0; i < G_N_ELEMENTS(FIXED_CHAINS); i++)
        if (strcmp(table, FIXED_CHAINS[i].table) == 0 && strcmp(name, FIXED_CHAINS[i].name) == 0)
            return true;
    return false;
}

typedef struct {
    const char *name;
    uint32_t chain_id;
    bool stale;
} Line;

static int
rank(const char *name)
{
    return strcmp(name, "KUBE-NODEPORTS") == 0 ? 0 : strcmp(name, "KUBE-SERVICES") == 0 ? 1 : 2;
}

static int
line_cmp(const void *a, const void *b)
{
    const Line *x = a, *y = b;
    int c = rank(x->name) - rank(y->name);

    return c ? c : strcmp(x->name, y->name);
}

/* The chains of a table that this sync names, in order. */
static GArray *
lines_of(const NfRuleset *before, const NfRuleset *after, const char *table, bool full)
{
    const NfNames *names = nf_ruleset_names(after);
    GArray *lines = g_array_new(FALSE, FALSE, sizeof(Line));
    size_t n;
    uint32_t *ids = nf_ruleset_chain_ids(after, &n);

    for (size_t i = 0; i < n; i++) {
        Line line = {nf_chain_name(names, ids[i]), ids[i], false};
        bool written;
        if (strcmp(nf_chain_table(names, ids[i]), table) != 0)
            continue;
        written = iptables_is_port_chain(line.name) ? full || !before || !nf_ruleset_same_chain(before, after, ids[i])
                                                    : is_fixed_chain(after, ids[i], table, line.name);
        if (written)
            g_array_append_val(lines, line);
    }
    g_free(ids);
    ids = before ? nf_ruleset_chain_ids(before, &n) : NULL;
    for (size_t i = 0; ids && i < n; i++) {
        Line line = {nf_chain_name(names, ids[i]), ids[i], true};
        if (strcmp(nf_chain_table(names, ids[i]), table) == 0 && iptables_is_port_chain(line.name) &&
            !nf_ruleset_has_chain(after, ids[i]))
            g_array_append_val(lines, line);
    }
    g_free(ids);
    g_array_sort(lines, line_cmp);
    return lines;
}

static void
print_table(GString *out, const NfRuleset *before, const NfRuleset *after, const char *table, bool full)
{
    GArray *lines = lines_of(before, after, table, full);

    g_string_append_printf(out, "*%s\n", table);
    for (guint i = 0; i < lines->len; i++)
        g_string_append_printf(out, ":%s - [0:0]\n", g_array_index(lines, Line, i).name);
    for (guint i = 0; i < lines->len; i++) {
        const Line *line = &g_array_index(lines, Line, i);
        NfChain *chain = line->stale ? NULL : nf_ruleset_take_chain(after, line->chain_id);
        for (uint32_t r = 0; chain && r < nf_chain_n_rules(chain); r++) {
            nf_print_restore_rule(out, after, chain, r);
            g_string_append_c(out, '\n');
        }
        nf_chain_unref(chain);
    }
    for (guint i = 0; i < lines->len; i++)
        if (g_array_index(lines, Line, i).stale)
            g_string_append_printf(out, "-X %s\n", g_array_index(lines, Line, i).name);
    g_string_append(out, "COMMIT\n");
    g_array_unref(lines);
}

void
proxy_print_iptables_restore(GString *out, const NfRuleset *before, const NfRuleset *after, bool full)
{
    print_table(out, before, after, IPT_FILTER, full);
    print_table(out, before, after, IPT_NAT, full);
}

uint32_t
proxy_rules_to_write(const NfRuleset *before, const NfRuleset *after)
{
    const NfNames *names = nf_ruleset_names(after);
    uint32_t written = 0;
    size_t n;
    g_autofree uint32_t *ids = nf_ruleset_changed_chains(before, after, &n);

    for (size_t i = 0; i < n; i++)
        written += nf_ruleset_chain_n_rules(after, ids[i]);
    for (size_t i = 0; before && i < G_N_ELEMENTS(FIXED_CHAINS); i++) {
        uint32_t id = nf_chain_find(names, FIXED_CHAINS[i].table, FIXED_CHAINS[i].name);

        if (id != NF_NO_ID && nf_ruleset_same_chain(before, after, id))
            written += nf_chain_n_rules(nf_ruleset_chain(after, id));
    }
    return written;
}
