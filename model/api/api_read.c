#include "model/api/api_read.h"

#include <stdlib.h>
#include <string.h>

#include "sim/packet/packet.h"

static bool valid_name(const char *name);
static int compare_labels(const void *a, const void *b);

const char *
read_text(ApiReader *r, const DocNode *map, const char *key, const char *fallback)
{
    const DocNode *node = node_get(map, key);
    if (!node || !node_expect(r->diags, node, NODE_SCALAR))
        return fallback;
    if (!node_is_string(node)) {
        node_diag(r->diags, DIAG_ERROR, node, "%s is a %s, want a string", node->text,
                  node_is_number(node) ? "number" : "bool");
        diag_hint(r->diags, "in quotes: \"%s\"", node->text);
    }
    return strings_add_len(r->strings, node->text, node->text_len);
}

const char **
read_texts(ApiReader *r, const DocNode *map, const char *key, uint32_t *ret_n)
{
    const DocNode *seq = node_seq(r->diags, map, key);
    *ret_n = 0;
    if (!seq || !seq->n)
        return NULL;
    const char **texts = g_new(const char *, seq->n);
    for (uint32_t i = 0; i < seq->n; i++)
        if (node_expect(r->diags, seq->items[i], NODE_SCALAR))
            texts[(*ret_n)++] = strings_add_len(r->strings, seq->items[i]->text, seq->items[i]->text_len);
    if (*ret_n == 0)
        g_clear_pointer(&texts, g_free);
    return texts;
}

Labels
read_labels(ApiReader *r, const DocNode *map, const char *key)
{
    const DocNode *node = node_map(r->diags, map, key);
    Labels labels = {0};
    if (!node || !node->n)
        return labels;
    labels.items = g_new(Label, node->n);
    node_use_all(node);
    for (uint32_t i = 0; i < node->n; i++) {
        const DocNode *value = node->items[i];
        if (value->kind != NODE_NULL && !node_expect(r->diags, value, NODE_SCALAR))
            continue;
        if (value->kind == NODE_SCALAR && !node_is_string(value)) {
            node_diag(r->diags, DIAG_ERROR, value, "%s is a %s, want a string", value->text,
                      node_is_number(value) ? "number" : "bool");
            diag_hint(r->diags, "in quotes: \"%s\"", value->text);
        }
        labels.items[labels.n++] = (Label){
            strings_add_len(r->strings, node->keys[i]->text, node->keys[i]->text_len),
            value->kind == NODE_NULL ? "" : strings_add_len(r->strings, value->text, value->text_len),
        };
    }
    qsort(labels.items, labels.n, sizeof *labels.items, compare_labels);
    return labels;
}

uint8_t
read_proto(ApiReader *r, const DocNode *map, const char *key)
{
    static const char *const names[] = {"TCP", "UDP", "SCTP", NULL};
    static const uint8_t protos[] = {IPPROTO_TCP_, IPPROTO_UDP_, IPPROTO_SCTP_};
    return protos[node_enum(r->diags, map, key, 0, names)];
}

uint16_t
read_port(ApiReader *r, const DocNode *map, const char *key)
{
    return (uint16_t)node_int(r->diags, map, key, 0, 0, 65535);
}

uint16_t
read_port_ref(ApiReader *r, const DocNode *map, const char *key, const char **ret_name)
{
    const DocNode *node = node_get(map, key);
    *ret_name = NULL;
    if (!node || !node_expect(r->diags, node, NODE_SCALAR))
        return 0;
    if (node_is_string(node)) {
        *ret_name = strings_add_len(r->strings, node->text, node->text_len);
        if (node->text_len && strspn(node->text, "0123456789") == node->text_len) {
            node_diag(r->diags, DIAG_ERROR, node, "\"%s\" in quotes is the name of a port, not a number", node->text);
            diag_hint(r->diags, "without quotes: %s", node->text);
        }
        return 0;
    }
    int64_t port = 0;
    node_read_int(r->diags, node, 1, 65535, &port);
    return (uint16_t)port;
}

int64_t
read_cpu(ApiReader *r, const DocNode *map, const char *key)
{
    const DocNode *node = node_get(map, key);
    if (!node || !node_expect(r->diags, node, NODE_SCALAR))
        return 0;
    char *end;
    double value = g_ascii_strtod(node->text, &end);
    bool milli = strcmp(end, "m") == 0;
    if (end == node->text || (*end && !milli) || !(value >= 0 && value <= 1e9)) {
        node_diag(r->diags, DIAG_ERROR, node, "\"%s\" is not a CPU quantity such as 2 or 250m", node->text);
        return 0;
    }
    return (int64_t)(milli ? value : value * 1000);
}

bool
read_ip(ApiReader *r, const DocNode *node, IpAddr *ret_addr)
{
    if (!node || !node_expect(r->diags, node, NODE_SCALAR))
        return false;
    if (ipaddr_parse_sloppy(node->text, ret_addr))
        return true;
    node_diag(r->diags, DIAG_WARNING, node, "\"%s\" is not an IP address, ignored", node->text);
    return false;
}

bool
read_meta(ApiReader *r, const DocNode *root, ApiObject *object)
{
    static const char *const known[] = {"name",
                                        "namespace",
                                        "labels",
                                        "annotations",
                                        "ownerReferences",
                                        "deletionTimestamp",
                                        "creationTimestamp",
                                        "deletionGracePeriodSeconds",
                                        "finalizers",
                                        "generateName",
                                        "generation",
                                        "managedFields",
                                        "resourceVersion",
                                        "selfLink",
                                        "uid",
                                        NULL};
    const ApiKindInfo *info = api_kind_info(object->kind);
    object->mark = root->mark;
    const DocNode *meta_value = node_require(r->diags, root, "metadata");
    const DocNode *meta = meta_value ? node_map(r->diags, root, "metadata") : NULL;
    if (!meta)
        return false;
    const DocNode *name = node_require(r->diags, meta, "name");
    object->name = read_text(r, meta, "name", NULL);
    if (!name || !object->name)
        return false;
    object->mark = name->mark;
    if (!valid_name(object->name)) {
        node_diag(r->diags, DIAG_ERROR, name, "\"%s\" is not a name (letters, digits, '-' and '.')", object->name);
        return false;
    }
    const char *ns = read_text(r, meta, "namespace", NULL);
    if (ns && *ns && !valid_name(ns)) {
        node_diag(r->diags, DIAG_ERROR, node_get(meta, "namespace"), "\"%s\" is not a name", ns);
        return false;
    }
    object->ns = !info->namespaced ? "" : strings_add(r->strings, ns && *ns ? ns : "default");
    object->labels = read_labels(r, meta, "labels");
    object->annotations = read_labels(r, meta, "annotations");
    object->deletion_ns = node_get(meta, "deletionTimestamp") ? 0 : -1;
    const DocNode *owners = node_seq(r->diags, meta, "ownerReferences");
    for (uint32_t i = 0; owners && i < owners->n; i++) {
        const DocNode *owner = owners->items[i];
        const char *kind = node_str(r->diags, owner, "kind", "");
        ApiKind owner_kind;
        if (node_bool(r->diags, owner, "controller", false) && api_kind_parse(kind, &owner_kind)) {
            object->owner = read_text(r, owner, "name", NULL);
            object->owner_kind = owner_kind;
        }
    }
    for (uint32_t i = 0; i < meta->n; i++)
        for (const char *const *k = known + 6; *k && !meta->used[i]; k++)
            meta->used[i] = strcmp(*k, meta->keys[i]->text) == 0;
    node_report_unused(r->diags, meta, DIAG_NOTE, known);
    return true;
}

bool
read_condition(ApiReader *r, const DocNode *status, const char *type, bool *ret_found)
{
    const DocNode *conditions = node_seq(r->diags, status, "conditions");
    *ret_found = false;
    for (uint32_t i = 0; conditions && i < conditions->n; i++)
        if (strcmp(node_str(r->diags, conditions->items[i], "type", ""), type) == 0) {
            *ret_found = true;
            return g_ascii_strcasecmp(node_str(r->diags, conditions->items[i], "status", ""), "True") == 0;
        }
    return false;
}

static bool
valid_name(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 253)
        return false;
    for (const char *p = name; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr("-._:", *p))
            return false;
    return true;
}

static int
compare_labels(const void *a, const void *b)
{
    return strcmp(((const Label *)a)->key, ((const Label *)b)->key);
}
