#include "model/report/doc_out.h"

#include <string.h>

static void yaml_node(GString *out, const DocNode *node, guint indent, bool in_sequence);
static void json_node(GString *out, const DocNode *node, guint indent);

static int
compare_keys(gconstpointer a, gconstpointer b, gpointer map)
{
    const DocNode *node = map;

    return strcmp(node->keys[*(const uint32_t *)a]->text, node->keys[*(const uint32_t *)b]->text);
}

/* Positions of a mapping's pairs in order of their keys; caller frees. */
static uint32_t *
sorted(const DocNode *map)
{
    uint32_t *order = g_new(uint32_t, map->n + 1);

    for (uint32_t i = 0; i < map->n; i++)
        order[i] = i;
    if (map->n > 1)
        g_qsort_with_data(order, (gint)map->n, sizeof *order, compare_keys, (gpointer)map);
    return order;
}

static bool
is_empty(const DocNode *node)
{
    return (node->kind == NODE_MAPPING || node->kind == NODE_SEQUENCE) && node->n == 0;
}

static void
append_indent(GString *out, guint n)
{
    for (guint i = 0; i < n; i++)
        g_string_append_c(out, ' ');
}

/* --- YAML --------------------------------------------------------------------------------------------------------- */

/* A string that would read back as something else must be quoted. */
static bool
needs_quotes(const char *text)
{
    static const char *const words[] = {"null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", NULL};
    g_autofree char *lower = g_ascii_strdown(text, -1);
    char *end;

    if (!*text || g_strv_contains(words, lower) || strchr(" \t-?:,[]{}#&*!|>'\"%@`", text[0]))
        return true;
    g_ascii_strtod(text, &end);
    if (!*end || (g_ascii_isdigit(text[0]) && strspn(text, "0123456789abcdefxo_:.+-TtZz ") == strlen(text) &&
                  !strchr(text, '.')))
        return true;
    return strstr(text, ": ") || strstr(text, " #") || g_str_has_suffix(text, ":") || g_str_has_suffix(text, " ") ||
           strpbrk(text, "\n\t\\");
}

static void
json_string(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_printf(out, "\\%c", *c);
        else if (*c == '\n')
            g_string_append(out, "\\n");
        else if (*c == '\t')
            g_string_append(out, "\\t");
        else if ((guchar)*c < ' ')
            g_string_append_printf(out, "\\u%04x", (guchar)*c);
        else
            g_string_append_c(out, *c);
    }
    g_string_append_c(out, '"');
}

static void
yaml_scalar(GString *out, const DocNode *node)
{
    if (node->kind == NODE_NULL)
        g_string_append(out, "null");
    else if (is_empty(node))
        g_string_append(out, node->kind == NODE_MAPPING ? "{}" : "[]");
    else if (node_is_string(node) && needs_quotes(node->text))
        json_string(out, node->text);
    else
        g_string_append(out, node->text);
}

static bool
is_leaf(const DocNode *node)
{
    return node->kind == NODE_NULL || node->kind == NODE_SCALAR || node->n == 0;
}

static void
yaml_mapping(GString *out, const DocNode *node, guint indent, bool in_sequence)
{
    g_autofree uint32_t *order = sorted(node);

    for (uint32_t i = 0; i < node->n; i++) {
        const DocNode *value = node->items[order[i]];
        if (i > 0 || !in_sequence)
            append_indent(out, indent);
        if (needs_quotes(node->keys[order[i]]->text))
            json_string(out, node->keys[order[i]]->text);
        else
            g_string_append(out, node->keys[order[i]]->text);
        g_string_append_c(out, ':');
        g_string_append_c(out, is_leaf(value) ? ' ' : '\n');
        /* A sequence in a mapping is not indented. */
        yaml_node(out, value, value->kind == NODE_SEQUENCE ? indent : indent + 2, false);
    }
}

static void
yaml_node(GString *out, const DocNode *node, guint indent, bool in_sequence)
{
    if (is_leaf(node)) {
        yaml_scalar(out, node);
        g_string_append_c(out, '\n');
        return;
    }
    if (node->kind == NODE_MAPPING) {
        yaml_mapping(out, node, indent, in_sequence);
        return;
    }
    for (uint32_t i = 0; i < node->n; i++) {
        if (i > 0 || !in_sequence)
            append_indent(out, indent);
        g_string_append(out, "- ");
        yaml_node(out, node->items[i], indent + 2, true);
    }
}

void
doc_out_yaml(GString *out, const DocNode *root)
{
    yaml_node(out, root, 0, false);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static void
json_leaf(GString *out, const DocNode *node)
{
    if (node->kind == NODE_NULL)
        g_string_append(out, "null");
    else if (is_empty(node))
        g_string_append(out, node->kind == NODE_MAPPING ? "{}" : "[]");
    else if (node_is_string(node))
        json_string(out, node->text);
    else
        g_string_append(out, node->text);
}

static void
json_node(GString *out, const DocNode *node, guint indent)
{
    g_autofree uint32_t *order = NULL;
    bool mapping = node->kind == NODE_MAPPING;

    if (is_leaf(node)) {
        json_leaf(out, node);
        return;
    }
    order = mapping ? sorted(node) : NULL;
    g_string_append(out, mapping ? "{\n" : "[\n");
    for (uint32_t i = 0; i < node->n; i++) {
        append_indent(out, indent + 4);
        if (mapping) {
            json_string(out, node->keys[order[i]]->text);
            g_string_append(out, ": ");
        }
        json_node(out, node->items[mapping ? order[i] : i], indent + 4);
        g_string_append(out, i + 1 < node->n ? ",\n" : "\n");
    }
    append_indent(out, indent);
    g_string_append_c(out, mapping ? '}' : ']');
}

void
doc_out_json(GString *out, const DocNode *root)
{
    json_node(out, root, 0);
    g_string_append_c(out, '\n');
}
