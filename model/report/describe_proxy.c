/* What kube-proxy made of a Service: its chains and rules, once for all nodes that have the same */

#include <string.h>

#include "model/network/node_proxy.h"
#include "model/report/describe_private.h"
#include "sim/engine/htable.h"
#include "sim/netfilter/nf_text.h"

typedef struct {
    GString *text;
    GString *nodes; /* "minikube, minikube-m02" */
} NodeGroup;

static bool
is_of(const ProxyCompiler *compiler, const NfChain *chain, uint32_t rule, const char *object)
{
    RuleOrigin origin;
    size_t length = strlen(object);

    return proxy_origin(compiler, nf_chain_rule(chain, rule)->origin, &origin) && origin.object &&
           strncmp(origin.object, object, length) == 0 && (!origin.object[length] || origin.object[length] == ' ');
}

/* "-A CHAIN " is said by the line above. */
static const char *
without_chain(const char *rule, const char *chain)
{
    g_autofree char *prefix = g_strdup_printf("-A %s ", chain);

    return g_str_has_prefix(rule, prefix) ? rule + strlen(prefix) : rule;
}

/* False: nothing in the chain is of the object. */
static bool
append_chain(GString *out, const ProxyCompiler *compiler, const NfRuleset *rs, const NfChain *chain, const char *object)
{
    const NfNames *names = nf_ruleset_names(rs);
    uint32_t id = nf_chain_spec(chain)->id;
    bool titled = false;

    for (uint32_t r = 0; r < nf_chain_n_rules(chain); r++) {
        if (!is_of(compiler, chain, r, object))
            continue;
        g_autoptr(GString) rule = g_string_new(NULL);
        if (!titled)
            g_string_append_printf(out, "  %s%s %s:\n", nf_ruleset_family(rs) == FAMILY_IPV6 ? "IPv6 " : "",
                                   nf_chain_table(names, id), nf_chain_name(names, id));
        titled = true;
        nf_print_rule(rule, rs, chain, r);
        g_string_append_printf(out, "    %u  %s\n", r + 1, without_chain(rule->str, nf_chain_name(names, id)));
    }
    return titled;
}

/* 'others': a rule set by the family and id of a chain of it that has nothing of the object; nodes share chains. */
static void
append_family(GString *out, const ClusterNode *node, IpFamily family, const char *object, HTable *others)
{
    const ProxyCompiler *compiler = node_proxy_compiler(node->proxy, family);
    const NfRuleset *rs = node_proxy_ruleset(node->proxy, family);
    g_autofree uint32_t *ids = NULL;
    size_t n;

    if (!compiler || !rs)
        return;
    ids = nf_ruleset_chain_ids(rs, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t key = (uint64_t)family << 32 | ids[i];
        const NfRuleset **other = htable_find(others, &key);
        NfChain *chain;
        if (other && nf_ruleset_same_chain(*other, rs, ids[i]))
            continue;
        chain = nf_ruleset_take_chain(rs, ids[i]);
        if (!append_chain(out, compiler, rs, chain, object))
            *(const NfRuleset **)htable_insert(others, &key, NULL) = rs;
        nf_chain_unref(chain);
    }
}

static void
group_clear(gpointer data)
{
    NodeGroup *group = data;

    g_string_free(group->text, TRUE);
    g_string_free(group->nodes, TRUE);
}

static void
add_node(GArray *groups, const char *name, GString *text)
{
    NodeGroup group = {text, g_string_new(name)};

    for (guint i = 0; i < groups->len; i++) {
        NodeGroup *g = &g_array_index(groups, NodeGroup, i);
        if (!g_string_equal(g->text, text))
            continue;
        g_string_append_printf(g->nodes, ", %s", name);
        group_clear(&group);
        return;
    }
    g_array_append_val(groups, group);
}

void
describe_proxy(GString *out, const Describe *d, const Service *service)
{
    g_autofree char *object = g_strdup_printf("Service %s/%s", service->meta.ns, service->meta.name);
    g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(NodeGroup));
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(d->cluster, &n);
    HTable others;

    htable_init(&others, sizeof(uint64_t), sizeof(const NfRuleset *));
    g_array_set_clear_func(groups, group_clear);
    for (size_t i = 0; i < n; i++) {
        GString *text = g_string_new(NULL);
        append_family(text, nodes[i], FAMILY_IPV4, object, &others);
        append_family(text, nodes[i], FAMILY_IPV6, object, &others);
        add_node(groups, nodes[i]->name, text);
    }
    htable_clear(&others);
    for (guint i = 0; i < groups->len; i++) {
        const NodeGroup *g = &g_array_index(groups, NodeGroup, i);
        g_string_append_printf(out, "Kube-Proxy on %s:\n%s", g->nodes->str,
                               g->text->len ? g->text->str : "  no rules\n");
    }
}
