#include "model/report/state_files.h"

#include "model/network/node_proxy.h"
#include "sim/netfilter/nf_text.h"

typedef struct {
    GString *out;
    const Conntrack *ct;
} ListContext;

static void
list_conn(const Conn *conn, void *user)
{
    ListContext *context = user;
    g_autofree char *line = conn_format(context->ct, conn);

    g_string_append_printf(context->out, "%s\n", line);
}

void
state_conntrack_list(GString *out, const Host *host)
{
    NfStack *nf = host_netfilter_peek(host);
    Conntrack *ct = nf ? nf_stack_conntrack(nf) : NULL;

    if (ct)
        conntrack_each(ct, list_conn, &(ListContext){out, ct});
}

static bool
write_file(const char *dir, const char *node, const char *suffix, const GString *text, GError **error)
{
    g_autofree char *name = g_strconcat(node, suffix, NULL);
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return text->len == 0 || g_file_set_contents(path, text->str, (gssize)text->len, error);
}

static bool
write_rules(const ClusterNode *node, IpFamily family, const char *dir, GError **error)
{
    NfRuleset *rs = node_proxy_ruleset(node->proxy, family);
    g_autoptr(GString) text = g_string_new(NULL);
    bool v4 = family == FAMILY_IPV4;

    if (!rs)
        return true;
    if (nf_ruleset_dialect(rs) == NF_DIALECT_NFT) {
        nf_print_nft_ruleset(text, rs, nf_stack_state(host_netfilter(node->host)));
        return write_file(dir, node->name, v4 ? ".nft" : ".ip6.nft", text, error);
    }
    nf_print_iptables_save_counters(text, rs, nf_stack_state(host_netfilter(node->host)));
    return write_file(dir, node->name, v4 ? ".iptables-save" : ".ip6tables-save", text, error);
}

static bool
write_node(const ClusterNode *node, const char *dir, GError **error)
{
    g_autoptr(GString) conns = g_string_new(NULL);

    state_conntrack_list(conns, node->host);
    return write_rules(node, FAMILY_IPV4, dir, error) && write_rules(node, FAMILY_IPV6, dir, error) &&
           write_file(dir, node->name, ".conntrack", conns, error);
}

bool
state_files_write(Cluster *cluster, const char *dir, GError **error)
{
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(cluster, &n);

    for (size_t i = 0; i < n; i++)
        if (!write_node(nodes[i], dir, error))
            return false;
    return true;
}
