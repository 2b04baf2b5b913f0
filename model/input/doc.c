#include "model/input/doc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/input/doc_private.h"

#define SMALL_MAPPING 16 /* Up to here duplicate keys are searched pair by pair. */

static DocReader *reader_new(Diags *diags, uint32_t file, const char *text, size_t size);
static bool looks_like_json(const char *text, size_t size);
static char *read_stream(int fd, size_t *ret_size);
static DocNode *read_root(DocReader *reader);
static DocNode *read_list_item(DocReader *reader);
static void note_kind(DocReader *reader, const DocNode *key, const DocNode *value);
static void finish_list(DocReader *reader);
static void check_duplicates(DocReader *reader, const DocNode *map);
static void report_duplicate(DocReader *reader, const DocNode *first, const DocNode *second);
static void merge_keys(DocReader *reader, DocNode *map);

DocReader *
doc_reader_open(Diags *diags, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "(standard input)" : path;
    int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || (S_ISDIR(st.st_mode) && (errno = EISDIR))) {
        int saved = errno;
        uint32_t file = diags_add_file(diags, name, "", 0);
        diag(diags, DIAG_ERROR, (Mark){.file = (uint16_t)file}, "cannot read: %s", g_strerror(saved));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    bool regular = S_ISREG(st.st_mode) && !is_stdin;
    size_t size = 0;
    GMappedFile *mapped = regular ? g_mapped_file_new_from_fd(fd, FALSE, NULL) : NULL;
    errno = 0;
    char *owned = mapped ? NULL : read_stream(fd, &size);
    int saved = errno;
    close(fd);
    const char *text = mapped ? g_mapped_file_get_contents(mapped) : owned;
    if (mapped)
        size = g_mapped_file_get_length(mapped);
    uint32_t file = diags_add_file(diags, name, text ? text : "", size);
    Mark at = {.file = (uint16_t)file};
    if (!mapped && !owned)
        diag(diags, DIAG_ERROR, at, "cannot read: %s", saved ? g_strerror(saved) : "larger than 4 GiB");
    else if (size > DOC_MAX_FILE)
        diag(diags, DIAG_ERROR, at, "larger than 4 GiB");
    else {
        DocReader *reader = reader_new(diags, file, text ? text : "", size);
        reader->mapped = mapped;
        reader->owned = owned;
        return reader;
    }
    diags_drop_text(diags, file, NULL);
    g_clear_pointer(&mapped, g_mapped_file_unref);
    g_free(owned);
    return NULL;
}

DocReader *
doc_reader_new(Diags *diags, const char *name, const char *text, size_t size)
{
    return reader_new(diags, diags_add_file(diags, name, text, size), text, size);
}

void
doc_reader_free(DocReader *reader)
{
    if (!reader)
        return;
    reader->ops->close(reader);
    if (reader->mapped || reader->owned)
        diags_drop_text(reader->diags, reader->file, reader->owned);
    g_clear_pointer(&reader->mapped, g_mapped_file_unref);
    doc_arena_clear(&reader->arena);
    vec_clear(&reader->pending);
    g_free(reader->kind);
    g_free(reader->item_kind);
    g_free(reader);
}

DocNode *
doc_reader_next(DocReader *reader)
{
    while (!reader->ended) {
        doc_arena_reset(&reader->arena);
        reader->pending.len = 0;
        reader->n_nodes = 0;
        DocNode *node = reader->in_list ? read_list_item(reader) : read_root(reader);
        if (!node)
            continue;
        if (++reader->n_objects <= DOC_MAX_OBJECTS)
            return node;
        diag(reader->diags, DIAG_ERROR, node->mark, "more than %u objects in one file", DOC_MAX_OBJECTS);
        reader->ended = true;
    }
    return NULL;
}

const char *
doc_reader_item_kind(const DocReader *reader)
{
    return reader->in_list ? reader->item_kind : NULL;
}

uint32_t
doc_reader_file(const DocReader *reader)
{
    return reader->file;
}

uint64_t
doc_reader_bytes(const DocReader *reader)
{
    return reader->ended ? reader->size : reader->ops->position(reader);
}

uint64_t
doc_reader_size(const DocReader *reader)
{
    return reader->size;
}

DocNode *
doc_close_sequence(DocReader *reader, Mark at, size_t first)
{
    size_t n = reader->pending.len - first;
    DocNode **items = n ? reader->pending.data + first : NULL; /* There may be no array yet. */
    DocNode *node = doc_container(&reader->arena, at, NULL, items, n);
    reader->pending.len = first;
    return node;
}

DocNode *
doc_close_mapping(DocReader *reader, Mark at, size_t first)
{
    size_t n = (reader->pending.len - first) / 2;
    DocNode **pairs = n ? reader->pending.data + first : NULL;
    DocNode *node = doc_container(&reader->arena, at, NULL, NULL, 0);
    node->kind = NODE_MAPPING;
    node->n = (uint32_t)n;
    node->keys = doc_arena_alloc(&reader->arena, n * 2 * sizeof *node->keys + n);
    node->items = node->keys + n;
    node->used = (uint8_t *)(node->items + n);
    memset(node->used, 0, n);
    bool merge = false;
    for (size_t i = 0; i < n; i++) {
        node->keys[i] = pairs[2 * i];
        node->items[i] = pairs[2 * i + 1];
        node->keys[i]->parent = node->items[i]->parent = node;
        merge |= !node->keys[i]->quoted && strcmp(node->keys[i]->text, "<<") == 0;
    }
    reader->pending.len = first;
    check_duplicates(reader, node);
    if (merge)
        merge_keys(reader, node);
    return node;
}

static DocReader *
reader_new(Diags *diags, uint32_t file, const char *text, size_t size)
{
    DocReader *reader = g_new0(DocReader, 1);
    reader->diags = diags;
    reader->file = file;
    reader->text = text;
    reader->size = size;
    if (looks_like_json(text, size)) {
        reader->ops = &doc_json_ops;
        doc_json_open(reader);
    } else {
        reader->ops = &doc_yaml_ops;
        doc_yaml_open(reader);
    }
    return reader;
}

/* A brace or bracket first, and then what JSON wants there; `{kind: x}` is YAML in flow style. */
static bool
looks_like_json(const char *text, size_t size)
{
    const char *p = text, *end = text + size;
    if (size >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    while (p < end && strchr(" \t\r\n", *p) && *p)
        p++;
    if (p == end || (*p != '{' && *p != '['))
        return false;
    bool object = *p == '{';
    for (p++; p < end && *p && strchr(" \t\r\n", *p); p++)
        ;
    return p == end || (object ? *p == '"' || *p == '}' : *p == '{' || *p == '[' || *p == '"' || *p == ']');
}

/* NULL with errno 0: too large. */
static char *
read_stream(int fd, size_t *ret_size)
{
    size_t cap = 1u << 16, n = 0;
    char *data = g_malloc(cap);
    for (;;) {
        ssize_t got = read(fd, data + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (n += (size_t)got) > DOC_MAX_FILE) {
            if (got >= 0)
                errno = 0;
            g_free(data);
            return NULL;
        }
        if (got == 0)
            break;
        if (n == cap)
            data = g_realloc(data, cap *= 2);
    }
    *ret_size = n;
    return data;
}

/* NULL: nothing to hand out (yet); look at 'ended' and 'in_list'. */
static DocNode *
read_root(DocReader *reader)
{
    g_clear_pointer(&reader->kind, g_free);
    g_clear_pointer(&reader->item_kind, g_free);
    reader->stream_items = true;
    RootResult root = reader->ops->open_root(reader, &reader->root_mark);
    if (root != ROOT_MAPPING) {
        reader->ended = root == ROOT_END || !reader->ops->resync(reader);
        return NULL;
    }
    for (;;) {
        DocNode *key, *value;
        switch (reader->ops->read_pair(reader, &key, &value)) {
        case PAIR_END:
            return doc_close_mapping(reader, reader->root_mark, 0);
        case PAIR_READ:
            note_kind(reader, key, value);
            break;
        case PAIR_ITEMS:
            reader->in_list = true;
            return NULL;
        case PAIR_FAILED:
            reader->ended = !reader->ops->resync(reader);
            return NULL;
        }
    }
}

static DocNode *
read_list_item(DocReader *reader)
{
    DocNode *item = NULL;
    PairResult result = reader->ops->read_item(reader, &item);
    if (result == PAIR_READ) {
        if (item->kind == NODE_MAPPING)
            return item;
        diag(reader->diags, DIAG_ERROR, item->mark, "items must be objects");
        return NULL;
    }
    while (result != PAIR_FAILED) {
        DocNode *key, *value;
        result = reader->ops->read_pair(reader, &key, &value);
        if (result == PAIR_READ)
            note_kind(reader, key, value);
        if (result == PAIR_ITEMS) {
            diag(reader->diags, DIAG_ERROR, reader->list_mark, "duplicate key \"items\"");
            result = PAIR_FAILED;
        }
        if (result == PAIR_END) {
            finish_list(reader);
            return NULL;
        }
    }
    reader->in_list = false;
    reader->ended = !reader->ops->resync(reader);
    return NULL;
}

static void
note_kind(DocReader *reader, const DocNode *key, const DocNode *value)
{
    if (strcmp(key->text, "kind") != 0 || value->kind != NODE_SCALAR || reader->kind)
        return;
    reader->kind = g_strdup(value->text);
    reader->stream_items = g_str_has_suffix(value->text, "List");
    if (reader->stream_items && value->text_len > 4)
        reader->item_kind = g_strndup(value->text, value->text_len - 4);
}

static void
finish_list(DocReader *reader)
{
    reader->in_list = false;
    if (!reader->kind)
        diag(reader->diags, DIAG_ERROR, reader->list_mark, "list of items without a kind, want kind: List");
    else if (!reader->stream_items)
        diag(reader->diags, DIAG_ERROR, reader->list_mark, "items in an object of kind %s, want kind: List",
             reader->kind);
}

static int
compare_keys(const void *a, const void *b)
{
    const DocNode *x = *(DocNode *const *)a, *y = *(DocNode *const *)b;
    int order = strcmp(x->text, y->text);
    return order ? order : x < y ? -1 : x > y;
}

static void
check_duplicates(DocReader *reader, const DocNode *map)
{
    if (map->n <= SMALL_MAPPING) {
        for (uint32_t i = 1; i < map->n; i++)
            for (uint32_t j = 0; j < i; j++)
                if (map->keys[i]->text_len == map->keys[j]->text_len &&
                    memcmp(map->keys[i]->text, map->keys[j]->text, map->keys[i]->text_len) == 0) {
                    report_duplicate(reader, map->keys[j], map->keys[i]);
                    break;
                }
        return;
    }
    g_autofree DocNode **sorted = g_memdup2(map->keys, map->n * sizeof *sorted);
    qsort(sorted, map->n, sizeof *sorted, compare_keys);
    for (uint32_t i = 1; i < map->n; i++)
        if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0) {
            bool later = sorted[i]->mark.line > sorted[i - 1]->mark.line ||
                         (sorted[i]->mark.line == sorted[i - 1]->mark.line &&
                          sorted[i]->mark.column > sorted[i - 1]->mark.column);
            report_duplicate(reader, sorted[later ? i - 1 : i], sorted[later ? i : i - 1]);
        }
}

static void
report_duplicate(DocReader *reader, const DocNode *first, const DocNode *second)
{
    if (strcmp(first->text, "<<") == 0)
        return;
    diag(reader->diags, DIAG_ERROR, second->mark, "duplicate key \"%s\"", second->text);
    diag_note(reader->diags, first->mark, "first given here");
}

/* Adds the pairs of 'source' whose keys are not among the pending ones from 'first' on. */
static void
merge_source(DocReader *reader, size_t first, const DocNode *source)
{
    for (uint32_t k = 0; k < source->n; k++) {
        bool given = false;
        for (size_t p = first; p < reader->pending.len && !given; p += 2)
            given = strcmp(reader->pending.data[p]->text, source->keys[k]->text) == 0;
        if (given)
            continue;
        vec_push(&reader->pending, source->keys[k]);
        vec_push(&reader->pending, source->items[k]);
    }
}

/* `<<: *base`, `<<: [*a, *b]`: the keys that the mapping lacks, the first source wins. */
static void
merge_keys(DocReader *reader, DocNode *map)
{
    size_t first = reader->pending.len;
    for (uint32_t i = 0; i < map->n; i++)
        if (strcmp(map->keys[i]->text, "<<") != 0) {
            vec_push(&reader->pending, map->keys[i]);
            vec_push(&reader->pending, map->items[i]);
        }
    for (uint32_t i = 0; i < map->n; i++) {
        if (strcmp(map->keys[i]->text, "<<") != 0)
            continue;
        DocNode *value = map->items[i];
        bool many = value->kind == NODE_SEQUENCE;
        for (uint32_t s = 0; s < (many ? value->n : 1); s++) {
            const DocNode *source = many ? value->items[s] : value;
            if (source->kind != NODE_MAPPING) {
                diag(reader->diags, DIAG_ERROR, value->mark, "merge key << wants a mapping or a list of mappings");
                break;
            }
            merge_source(reader, first, source);
        }
    }
    size_t n = (reader->pending.len - first) / 2;
    map->keys = doc_arena_alloc(&reader->arena, n * 2 * sizeof *map->keys + n);
    map->items = map->keys + n;
    map->used = (uint8_t *)(map->items + n);
    memset(map->used, 0, n);
    map->n = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        map->keys[i] = reader->pending.data[first + 2 * i];
        map->items[i] = reader->pending.data[first + 2 * i + 1];
        map->keys[i]->parent = map->items[i]->parent = map;
    }
    reader->pending.len = first;
}
