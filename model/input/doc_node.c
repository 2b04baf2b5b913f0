/* Typed readers of a tree, and where in which object a node is */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/input/doc.h"
#include "sim/engine/simtime.h"

static DocNode *get_scalar(Diags *diags, const DocNode *map, const char *key, const char *want);
static bool parse_int(const DocNode *node, int64_t *ret_value);
static bool parse_bool(const DocNode *node, bool *ret_value);
static bool parse_double(const DocNode *node, double *ret_value);
static const char *kind_name(const DocNode *node);
static const char *shown(const DocNode *node, char buf[static 64]);
static void list_values(const char *const *values, GString *out);

DocNode *
node_get(const DocNode *map, const char *key)
{
    if (!map || map->kind != NODE_MAPPING)
        return NULL;
    size_t length = strlen(key);
    for (uint32_t i = 0; i < map->n; i++)
        if (map->keys[i]->text_len == length && memcmp(map->keys[i]->text, key, length) == 0) {
            map->used[i] = 1;
            return map->items[i]->kind == NODE_NULL ? NULL : map->items[i];
        }
    return NULL;
}

DocNode *
node_map(Diags *diags, const DocNode *map, const char *key)
{
    DocNode *node = node_get(map, key);
    return node && node_expect(diags, node, NODE_MAPPING) ? node : NULL;
}

DocNode *
node_seq(Diags *diags, const DocNode *map, const char *key)
{
    DocNode *node = node_get(map, key);
    return node && node_expect(diags, node, NODE_SEQUENCE) ? node : NULL;
}

DocNode *
node_require(Diags *diags, const DocNode *map, const char *key)
{
    DocNode *node = node_get(map, key);
    if (!node && map)
        node_diag(diags, DIAG_ERROR, map, "missing field \"%s\"", key);
    return node;
}

const char *
node_str(Diags *diags, const DocNode *map, const char *key, const char *fallback)
{
    const DocNode *node = get_scalar(diags, map, key, "a text");
    return node ? node->text : fallback;
}

bool
node_bool(Diags *diags, const DocNode *map, const char *key, bool fallback)
{
    const DocNode *node = node_get(map, key);
    bool value;
    return node && node_read_bool(diags, node, &value) ? value : fallback;
}

int64_t
node_int(Diags *diags, const DocNode *map, const char *key, int64_t fallback, int64_t min, int64_t max)
{
    const DocNode *node = node_get(map, key);
    int64_t value;
    return node && node_read_int(diags, node, min, max, &value) ? value : fallback;
}

double
node_double(Diags *diags, const DocNode *map, const char *key, double fallback, double min, double max)
{
    const DocNode *node = get_scalar(diags, map, key, "a number");
    double value;
    char buf[64];
    if (!node)
        return fallback;
    if (!parse_double(node, &value)) {
        node_diag(diags, DIAG_ERROR, node, "must be a number, not %s", shown(node, buf));
        return fallback;
    }
    if (!(value >= min && value <= max)) {
        node_diag(diags, DIAG_ERROR, node, "%s is out of range (%g to %g)", node->text, min, max);
        return fallback;
    }
    return value;
}

int
node_enum(Diags *diags, const DocNode *map, const char *key, int fallback, const char *const *values)
{
    const DocNode *node = node_get(map, key);
    int value;
    return node && node_read_enum(diags, node, values, &value) ? value : fallback;
}

int64_t
node_duration(Diags *diags, const DocNode *map, const char *key, int64_t fallback_ns)
{
    const DocNode *node = node_get(map, key);
    int64_t value;
    return node && node_read_duration(diags, node, &value) ? value : fallback_ns;
}

Mark
node_mark(const DocNode *map, const char *key)
{
    if (!map)
        return (Mark){0};
    for (uint32_t i = 0; map->kind == NODE_MAPPING && i < map->n; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i]->mark;
    return map->mark;
}

bool
node_expect(Diags *diags, const DocNode *node, NodeKind kind)
{
    static const char *const wants[] = {"null", "a single value", "a list", "a mapping"};
    if (node->kind == kind)
        return true;
    char buf[64];
    node_diag(diags, DIAG_ERROR, node, "must be %s, not %s", wants[kind], shown(node, buf));
    return false;
}

bool
node_read_int(Diags *diags, const DocNode *node, int64_t min, int64_t max, int64_t *ret_value)
{
    int64_t value;
    char buf[64];
    errno = 0;
    if (!parse_int(node, &value)) {
        if (errno == ERANGE)
            node_diag(diags, DIAG_ERROR, node, "%s is out of range (%" PRId64 " to %" PRId64 ")", node->text, min, max);
        else
            node_diag(diags, DIAG_ERROR, node, "must be a whole number, not %s", shown(node, buf));
        if (node->kind == NODE_SCALAR && node->quoted && *node->text &&
            strspn(node->text, "0123456789") == node->text_len)
            diag_hint(diags, "without quotes: %s", node->text);
        return false;
    }
    if (value < min || value > max) {
        node_diag(diags, DIAG_ERROR, node, "%" PRId64 " is out of range (%" PRId64 " to %" PRId64 ")", value, min, max);
        return false;
    }
    *ret_value = value;
    return true;
}

bool
node_read_bool(Diags *diags, const DocNode *node, bool *ret_value)
{
    char buf[64];
    if (parse_bool(node, ret_value))
        return true;
    node_diag(diags, DIAG_ERROR, node, "must be true or false, not %s", shown(node, buf));
    return false;
}

bool
node_read_enum(Diags *diags, const DocNode *node, const char *const *values, int *ret_value)
{
    if (!node_expect(diags, node, NODE_SCALAR))
        return false;
    for (int i = 0; values[i]; i++)
        if (strcmp(values[i], node->text) == 0) {
            *ret_value = i;
            return true;
        }
    g_autoptr(GString) list = g_string_new(NULL);
    list_values(values, list);
    char buf[64];
    node_diag(diags, DIAG_ERROR, node, "%s is not one of %s", shown(node, buf), list->str);
    diag_did_you_mean(diags, node->text, values);
    return false;
}

bool
node_read_duration(Diags *diags, const DocNode *node, int64_t *ret_ns)
{
    if (!node_expect(diags, node, NODE_SCALAR))
        return false;
    if (simtime_parse(node->text, ret_ns))
        return true;
    char buf[64];
    node_diag(diags, DIAG_ERROR, node, "%s is not a duration such as 250ms, 1.5s or 2m30s", shown(node, buf));
    if (*node->text && strspn(node->text, "0123456789.") == node->text_len)
        diag_hint(diags, "give a unit: %ss", node->text);
    return false;
}

/* go-yaml's resolution of a plain scalar (YAML 1.1 words for bool; numbers in every notation). */
bool
node_is_string(const DocNode *node)
{
    bool truth;
    return node->kind == NODE_SCALAR && (node->quoted || (!parse_bool(node, &truth) && !node_is_number(node)));
}

bool
node_is_number(const DocNode *node)
{
    int64_t whole;
    double real;
    errno = 0;
    return node->kind == NODE_SCALAR && !node->quoted &&
           (parse_int(node, &whole) || errno == ERANGE || parse_double(node, &real));
}

void
node_diag(Diags *diags, DiagLevel level, const DocNode *node, const char *format, ...)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) object = g_string_new(NULL);
    node_path(node, text);
    node_object(node, object);
    if (object->len)
        g_string_append_printf(text, "%s%s", text->len ? " of " : "", object->str);
    if (text->len)
        g_string_append(text, ": ");
    va_list args;
    va_start(args, format);
    g_string_append_vprintf(text, format, args);
    va_end(args);
    diag(diags, level, node->mark, "%s", text->str);
}

void
node_path(const DocNode *node, GString *out)
{
    const DocNode *parent = node->parent;
    if (!parent)
        return;
    node_path(parent, out);
    for (uint32_t i = 0; i < parent->n; i++) {
        if (parent->items[i] != node && !(parent->keys && parent->keys[i] == node))
            continue;
        if (parent->kind == NODE_SEQUENCE)
            g_string_append_printf(out, "[%u]", i);
        else if (strpbrk(parent->keys[i]->text, ".[ "))
            g_string_append_printf(out, "[%s]", parent->keys[i]->text);
        else
            g_string_append_printf(out, "%s%s", out->len ? "." : "", parent->keys[i]->text);
        return;
    }
}

void
node_object(const DocNode *node, GString *out)
{
    while (node->parent)
        node = node->parent;
    const DocNode *parts[3] = {0}; /* kind, namespace, name */
    for (uint32_t i = 0; node->kind == NODE_MAPPING && i < node->n; i++) {
        const DocNode *item = node->items[i];
        if (strcmp(node->keys[i]->text, "kind") == 0)
            parts[0] = item;
        if (strcmp(node->keys[i]->text, "metadata") != 0 || item->kind != NODE_MAPPING)
            continue;
        for (uint32_t k = 0; k < item->n; k++)
            if (strcmp(item->keys[k]->text, "namespace") == 0)
                parts[1] = item->items[k];
            else if (strcmp(item->keys[k]->text, "name") == 0)
                parts[2] = item->items[k];
    }
    if (parts[0] && parts[0]->kind == NODE_SCALAR)
        g_string_append(out, parts[0]->text);
    if (parts[2] && parts[2]->kind == NODE_SCALAR) {
        g_string_append(out, out->len ? " " : "");
        if (parts[1] && parts[1]->kind == NODE_SCALAR)
            g_string_append_printf(out, "%s/", parts[1]->text);
        g_string_append(out, parts[2]->text);
    }
}

/* Does the user say that, too?  What an object had before a patch has no place in a file. */
static bool
states(const DocNode *map, const char *key)
{
    for (uint32_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->keys[i]->mark.line > 0;
    return false;
}

void
node_report_unused(Diags *diags, const DocNode *map, DiagLevel level, const char *const *known)
{
    if (!map || map->kind != NODE_MAPPING)
        return;
    for (uint32_t i = 0; i < map->n; i++) {
        if (map->used[i])
            continue;
        const DocNode *key = map->keys[i];
        g_autoptr(GString) object = g_string_new(NULL);
        node_object(map, object);
        g_autoptr(GString) path = g_string_new(NULL);
        node_path(key, path);
        const char *near = level == DIAG_NOTE ? closest_word(key->text, known) : NULL;
        /* A file without lines is --set (objects written out have no file either): its field has to do something. */
        if (key->mark.file != 0 && key->mark.line == 0) {
            diag(diags, DIAG_ERROR, key->mark, "there is no field \"%s\"%s%s, or it is not modelled", path->str,
                 object->len ? " of " : "", object->str);
            diag_did_you_mean(diags, key->text, known);
            continue;
        }
        if (level != DIAG_NOTE || (near && strcmp(near, key->text) != 0 && !states(map, near))) {
            diag(diags, level == DIAG_NOTE ? DIAG_WARNING : level, key->mark, "unknown field \"%s\"%s%s", path->str,
                 object->len ? " of " : "", object->str);
            diag_did_you_mean(diags, key->text, known);
            continue;
        }
        /* Once per kind and field, whatever the index. */
        g_autoptr(GString) once = g_string_new("ignored ");
        const char *end = strchr(object->str, ' ');
        g_string_append_len(once, object->str, end ? end - object->str : (gssize)object->len);
        for (const char *p = path->str; *p; p++)
            if (!g_ascii_isdigit(*p))
                g_string_append_c(once, *p);
        if (diag_once(diags, once->str))
            diag(diags, DIAG_NOTE, key->mark, "field \"%s\"%s%s is not modelled and ignored", path->str,
                 object->len ? " of " : "", object->str);
    }
}

void
node_use_all(const DocNode *map)
{
    if (map && map->kind == NODE_MAPPING)
        memset(map->used, 1, map->n);
}

static DocNode *
get_scalar(Diags *diags, const DocNode *map, const char *key, const char *want)
{
    DocNode *node = node_get(map, key);
    if (!node || node->kind == NODE_SCALAR)
        return node;
    node_diag(diags, DIAG_ERROR, node, "must be %s, not a %s", want, kind_name(node));
    return NULL;
}

/* Decimal, 0x, 0o, 0b and YAML 1.1's leading 0 for octal; underscores between digits. */
static bool
parse_int(const DocNode *node, int64_t *ret_value)
{
    if (node->kind != NODE_SCALAR || node->quoted || node->text_len == 0 || node->text_len > 60)
        return false;
    char digits[64];
    size_t n = 0;
    const char *p = node->text;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    int base = 10;
    if (p[0] == '0' && p[1]) {
        char c = g_ascii_tolower(p[1]);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        p += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
    }
    if (!g_ascii_isxdigit(*p))
        return false;
    for (; *p; p++)
        if (*p != '_')
            digits[n++] = *p;
    digits[n] = '\0';
    char *end;
    errno = 0;
    unsigned long long value = strtoull(digits, &end, base);
    if (*end)
        errno = 0;
    if (*end || errno)
        return false;
    if (value > (unsigned long long)INT64_MAX + negative) {
        errno = ERANGE;
        return false;
    }
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static bool
parse_bool(const DocNode *node, bool *ret_value)
{
    static const char *const words[2][11] = {
        {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"},
        {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"},
    };
    if (node->kind != NODE_SCALAR || node->quoted || node->text_len > 5)
        return false;
    for (int truth = 0; truth < 2; truth++)
        for (size_t i = 0; i < G_N_ELEMENTS(words[0]); i++)
            if (words[truth][i][0] == node->text[0] && strcmp(words[truth][i], node->text) == 0) {
                *ret_value = truth;
                return true;
            }
    return false;
}

static bool
parse_double(const DocNode *node, double *ret_value)
{
    if (node->kind != NODE_SCALAR || node->quoted)
        return false;
    const char *p = node->text + (*node->text == '-' || *node->text == '+');
    if (!g_ascii_isdigit(*p) && *p != '.')
        return false;
    if (strspn(p, "0123456789.eE+-") != strlen(p))
        return false;
    char *end;
    *ret_value = g_ascii_strtod(node->text, &end);
    return end != node->text && !*end && isfinite(*ret_value);
}

static const char *
kind_name(const DocNode *node)
{
    static const char *const names[] = {"null", "text", "list", "mapping"};
    return names[node->kind];
}

/* How a message quotes a value: "the text", 12, a list. */
static const char *
shown(const DocNode *node, char buf[static 64])
{
    bool scalar = node->kind == NODE_SCALAR;
    int cut = (int)MIN(scalar ? node->text_len : 0, 40);
    while (scalar && cut && cut < (int)node->text_len && ((uint8_t)node->text[cut] & 0xc0) == 0x80)
        cut--;
    const char *dots = scalar && cut < (int)node->text_len ? "..." : "";
    if (!scalar)
        g_snprintf(buf, 64, "a %s", kind_name(node));
    else if (!node->quoted && (node_is_number(node) || !node_is_string(node)))
        g_snprintf(buf, 64, "%.*s%s", cut, node->text, dots);
    else
        g_snprintf(buf, 64, "\"%.*s%s\"", cut, node->text, dots);
    return buf;
}

static void
list_values(const char *const *values, GString *out)
{
    for (int i = 0; values[i]; i++)
        g_string_append_printf(out, "%s%s", i == 0 ? "" : values[i + 1] ? ", " : " or ", values[i]);
}
