#include "model/api/config_read.h"

#include <stdlib.h>
#include <string.h>

static int compare_labels(const void *a, const void *b);

const char *
config_text(Diags *diags, Strings *strings, const DocNode *map, const char *key, const char *fallback)
{
    return strings_add(strings, node_str(diags, map, key, fallback));
}

const char **
config_texts(Diags *diags, Strings *strings, const DocNode *map, const char *key, uint32_t *ret_n)
{
    const DocNode *seq = node_seq(diags, map, key);
    *ret_n = 0;
    if (!seq || !seq->n)
        return NULL;
    const char **texts = strings_alloc(strings, seq->n * sizeof *texts);
    for (uint32_t i = 0; i < seq->n; i++)
        if (node_expect(diags, seq->items[i], NODE_SCALAR))
            texts[(*ret_n)++] = strings_add(strings, seq->items[i]->text);
    return texts;
}

Labels
config_labels(Diags *diags, Strings *strings, const DocNode *map, const char *key)
{
    const DocNode *node = node_map(diags, map, key);
    Labels labels = {0};
    if (!node || !node->n)
        return labels;
    labels.items = strings_alloc(strings, node->n * sizeof *labels.items);
    for (uint32_t i = 0; i < node->n; i++)
        if (node_expect(diags, node->items[i], NODE_SCALAR))
            labels.items[labels.n++] =
                (Label){strings_add(strings, node->keys[i]->text), strings_add(strings, node->items[i]->text)};
    qsort(labels.items, labels.n, sizeof *labels.items, compare_labels);
    return labels;
}

bool
config_prefix(Diags *diags, const DocNode *node, IpPrefix *ret_prefix)
{
    if (!node_expect(diags, node, NODE_SCALAR))
        return false;
    if (ipprefix_parse(node->text, ret_prefix))
        return true;
    node_diag(diags, DIAG_ERROR, node, "\"%s\" is not an address or range such as 10.0.0.0/8", node->text);
    return false;
}

bool
config_addr(Diags *diags, const DocNode *node, IpAddr *ret_addr)
{
    if (!node_expect(diags, node, NODE_SCALAR))
        return false;
    if (ipaddr_parse(node->text, ret_addr))
        return true;
    node_diag(diags, DIAG_ERROR, node, "\"%s\" is not an IP address", node->text);
    return false;
}

void
config_dual_prefixes(Diags *diags, const DocNode *map, const char *key, IpPrefix prefixes[2], uint32_t *ret_n)
{
    const DocNode *seq = node_seq(diags, map, key);
    if (!seq)
        return;
    *ret_n = 0;
    for (uint32_t i = 0; i < seq->n; i++) {
        IpPrefix prefix;
        if (!config_prefix(diags, seq->items[i], &prefix))
            continue;
        if (*ret_n == 2 || (*ret_n == 1 && ipaddr_family(&prefixes[0].addr) == ipaddr_family(&prefix.addr))) {
            node_diag(diags, DIAG_ERROR, seq->items[i], "more than one range of a family");
            continue;
        }
        prefixes[(*ret_n)++] = ipprefix_network(prefix);
    }
}

const char *
config_name(Diags *diags, Strings *strings, const DocNode *root)
{
    const DocNode *meta = node_map(diags, root, "metadata");
    const char *name = config_text(diags, strings, meta, "name", NULL);
    node_use_all(meta);
    return name;
}

static int
compare_labels(const void *a, const void *b)
{
    return strcmp(((const Label *)a)->key, ((const Label *)b)->key);
}
