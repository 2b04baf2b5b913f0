/* Building trees by hand: copies, and the tree that a path like "spec.ports[0].port" stands for */

#include <string.h>

#include "model/input/doc.h"
#include "sim/engine/vec.h"

typedef struct {
    char *key; /* NULL: an index. */
    uint32_t index;
} PathPart;

typedef VEC(PathPart) PathParts;

static bool is_plain(const char *text);
static bool split_path(const char *path, PathParts *ret_parts);
static DocNode *read_value(Diags *diags, DocArena *arena, Mark mark, const char *path, const char *value);

bool
doc_is_null_text(const char *text, size_t length)
{
    return length == 0 || (length == 1 && *text == '~') ||
           (length == 4 &&
            (memcmp(text, "null", 4) == 0 || memcmp(text, "Null", 4) == 0 || memcmp(text, "NULL", 4) == 0));
}

DocNode *
doc_container(DocArena *arena, Mark mark, DocNode *const *keys, DocNode *const *items, size_t n)
{
    DocNode *node = doc_arena_alloc(arena, sizeof *node);
    *node = (DocNode){.kind = keys ? NODE_MAPPING : NODE_SEQUENCE, .mark = mark, .n = (uint32_t)n};
    node->items = doc_arena_alloc(arena, n * sizeof *node->items);
    for (size_t i = 0; i < n; i++) {
        node->items[i] = items[i];
        node->items[i]->parent = node;
    }
    if (!keys)
        return node;
    node->keys = doc_arena_alloc(arena, n * sizeof *node->keys);
    node->used = doc_arena_alloc(arena, n);
    memset(node->used, 0, n);
    for (size_t i = 0; i < n; i++) {
        node->keys[i] = keys[i];
        node->keys[i]->parent = node;
    }
    return node;
}

DocNode *
doc_copy(DocArena *arena, const DocNode *node)
{
    if (!node)
        return NULL;
    DocNode *copy = doc_arena_alloc(arena, sizeof *copy);
    *copy = *node;
    copy->parent = NULL;
    if (node->text)
        copy->text = doc_arena_text(arena, node->text, node->text_len);
    if (node->kind == NODE_SCALAR || node->kind == NODE_NULL)
        return copy;
    copy->items = doc_arena_alloc(arena, node->n * sizeof *copy->items);
    for (uint32_t i = 0; i < node->n; i++) {
        copy->items[i] = doc_copy(arena, node->items[i]);
        copy->items[i]->parent = copy;
    }
    if (node->kind == NODE_SEQUENCE)
        return copy;
    copy->keys = doc_arena_alloc(arena, node->n * sizeof *copy->keys);
    copy->used = doc_arena_alloc(arena, node->n);
    memset(copy->used, 0, node->n);
    for (uint32_t i = 0; i < node->n; i++) {
        copy->keys[i] = doc_copy(arena, node->keys[i]);
        copy->keys[i]->parent = copy;
    }
    return copy;
}

void
doc_write_flow(const DocNode *node, GString *out)
{
    if (node->kind == NODE_NULL || node->kind == NODE_SCALAR) {
        bool quotes = node->quoted && (!is_plain(node->text) || !*node->text);
        g_string_append_printf(out, quotes ? "\"%s\"" : "%s", node->kind == NODE_NULL ? "null" : node->text);
        return;
    }
    bool map = node->kind == NODE_MAPPING;
    g_string_append_c(out, map ? '{' : '[');
    for (uint32_t i = 0; i < node->n; i++) {
        g_string_append_printf(out, "%s%s%s", i ? ", " : "", map ? node->keys[i]->text : "", map ? ": " : "");
        doc_write_flow(node->items[i], out);
    }
    g_string_append_c(out, map ? '}' : ']');
}

DocNode *
doc_from_path(Diags *diags, DocArena *arena, Mark mark, const char *path, const char *value)
{
    PathParts parts = {0};
    DocNode *node = NULL;
    if (!split_path(path, &parts))
        diag(diags, DIAG_ERROR, mark, "\"%s\" is not a field path such as spec.ports[0].port", path);
    else
        node = read_value(diags, arena, mark, path, value);
    for (size_t i = parts.len; i-- > 0 && node;) {
        const PathPart *part = &parts.data[i];
        if (part->key) {
            DocNode *key = doc_scalar(arena, mark, part->key, strlen(part->key), true);
            node = doc_container(arena, mark, &key, &node, 1);
        } else {
            /* Items before the index are null: a patch leaves those as they are. */
            g_autofree DocNode **items = g_new(DocNode *, part->index + 1);
            for (uint32_t k = 0; k < part->index; k++)
                items[k] = doc_scalar(arena, mark, "null", 4, false);
            items[part->index] = node;
            node = doc_container(arena, mark, NULL, items, part->index + 1);
        }
    }
    for (size_t i = 0; i < parts.len; i++)
        g_free(parts.data[i].key);
    vec_clear(&parts);
    return node;
}

static bool
is_plain(const char *text)
{
    for (; *text; text++)
        if (!g_ascii_isalnum(*text) && !strchr("./_-:+*", *text))
            return false;
    return true;
}

/* "a.b[3].c", "metadata.annotations[x.y/z]". */
static bool
split_path(const char *path, PathParts *ret_parts)
{
    const char *p = path;
    if (!*p)
        return false;
    while (*p) {
        PathPart part = {0};
        if (*p == '[') {
            const char *end = strchr(p, ']');
            if (!end || end == p + 1)
                return false;
            g_autofree char *inside = g_strndup(p + 1, (gsize)(end - p - 1));
            if (strspn(inside, "0123456789") == strlen(inside)) {
                if (strlen(inside) > 4)
                    return false;
                part.index = (uint32_t)g_ascii_strtoull(inside, NULL, 10);
            } else {
                part.key = g_steal_pointer(&inside);
            }
            p = end + 1;
        } else {
            size_t n = strcspn(p, ".[");
            if (n == 0)
                return false;
            part.key = g_strndup(p, n);
            p += n;
        }
        vec_push(ret_parts, part);
        if (ret_parts->len > DOC_MAX_DEPTH)
            return false;
        if (*p == '.' && !*++p)
            return false;
    }
    return true;
}

static DocNode *
read_value(Diags *diags, DocArena *arena, Mark mark, const char *path, const char *value)
{
    g_autofree char *text = g_strdup_printf("---\nvalue: %s\n", value);
    g_autoptr(GString) name = g_string_new(NULL);
    g_string_printf(name, "(value of %s)", path);
    uint32_t before = diags_errors(diags);
    DocReader *reader = doc_reader_new(diags, name->str, text, strlen(text));
    uint32_t file = doc_reader_file(reader);
    DocNode *root = doc_reader_next(reader), *node = NULL;
    if (root && root->n == 1 && diags_errors(diags) == before)
        node = doc_copy(arena, root->items[0]);
    else if (diags_errors(diags) == before)
        diag(diags, DIAG_ERROR, mark, "\"%s\" cannot be read as a value of %s", value, path);
    doc_reader_free(reader);
    diags_drop_text(diags, file, g_steal_pointer(&text));
    return node;
}
