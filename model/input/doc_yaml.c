/* YAML from libyaml's events: a recursive reader that builds trees as events arrive
 *
 * Documents as kubectl prints them are read by doc_block.c; with the first other one libyaml takes over for the rest of
 * the file.
 *
 * libyaml gives marks with characters as columns.  After a syntax error reading goes on behind the next line that
 * begins with "---".  An anchored node is copied into an arena of the document, since the object's own arena is reused
 * for each item of a list; aliases share that copy. */

#include <string.h>
#include <yaml.h>

#include "model/input/doc_block.h"

typedef struct {
    char *name;
    DocNode *node;
    uint32_t weight, height;
} Anchor;

typedef struct {
    Block block;
    bool by_block; /* Until a document is not of the subset. */
    yaml_parser_t parser;
    bool parser_open;
    size_t base;        /* Offset where the parser began. */
    uint32_t base_line; /* Lines before that. */
    uint32_t n_syntax;
    DocArena anchors_arena;
    VEC(Anchor) anchors;
    uint32_t n_alias_nodes;
    uint32_t error_line; /* Reading may go on behind it. */
} Yaml;

static RootResult yaml_open_root(DocReader *reader, Mark *ret_mark);
static PairResult yaml_read_pair(DocReader *reader, DocNode **ret_key, DocNode **ret_value);
static PairResult yaml_read_item(DocReader *reader, DocNode **ret_item);
static bool yaml_resync(DocReader *reader);
static uint64_t yaml_position(const DocReader *reader);
static void yaml_close(DocReader *reader);
static void hand_over(DocReader *reader);
static void parser_start(DocReader *reader, size_t base, uint32_t base_line);
static bool next_event(DocReader *reader, yaml_event_t *ret_event);
static void report_syntax(DocReader *reader);
static DocNode *yaml_node(DocReader *reader, yaml_event_t *event, uint32_t depth);
static DocNode *yaml_container(DocReader *reader, yaml_event_t *event, uint32_t depth);
static bool check_key(DocReader *reader, const DocNode *node);
static DocNode *yaml_scalar(DocReader *reader, const yaml_event_t *event);
static DocNode *yaml_alias(DocReader *reader, const yaml_event_t *event, uint32_t depth);
static bool keep_anchor(DocReader *reader, const yaml_char_t *name, const DocNode *node);
static void clear_anchors(Yaml *yaml);
static void measure(const DocNode *node, uint32_t *ret_weight, uint32_t *ret_height);
static Mark event_mark(const DocReader *reader, const yaml_event_t *event);
static Mark place(const DocReader *reader, size_t line, size_t column);

const FormatOps doc_yaml_ops = {yaml_open_root, yaml_read_pair, yaml_read_item, yaml_resync, yaml_position, yaml_close};

void
doc_yaml_open(DocReader *reader)
{
    Yaml *yaml = g_new0(Yaml, 1);
    reader->format = yaml;
    yaml->by_block = true;
    doc_block_init(&yaml->block, reader->text, reader->size);
}

static RootResult
yaml_open_root(DocReader *reader, Mark *ret_mark)
{
    Yaml *yaml = reader->format;
    yaml_event_t event;
    if (yaml->by_block) {
        switch (doc_block_open_root(reader, &yaml->block, ret_mark)) {
        case BLOCK_END:
            return ROOT_END;
        case BLOCK_MAPPING:
            yaml->error_line = ret_mark->line;
            return ROOT_MAPPING;
        case BLOCK_OTHER:
            hand_over(reader);
        }
    }
    for (;;) {
        if (!next_event(reader, &event))
            return ROOT_FAILED;
        yaml_event_type_t type = event.type;
        Mark at = event_mark(reader, &event);
        switch (type) {
        case YAML_STREAM_END_EVENT:
            yaml_event_delete(&event);
            return ROOT_END;
        case YAML_MAPPING_START_EVENT:
            if (event.data.mapping_start.anchor)
                diag(reader->diags, DIAG_ERROR, at, "an anchor on a whole document is not supported");
            *ret_mark = at;
            yaml->error_line = at.line;
            yaml_event_delete(&event);
            return ROOT_MAPPING;
        case YAML_SCALAR_EVENT: {
            bool empty = event.data.scalar.length == 0 ||
                         (event.data.scalar.plain_implicit && (strcmp((char *)event.data.scalar.value, "null") == 0 ||
                                                               strcmp((char *)event.data.scalar.value, "~") == 0));
            yaml_event_delete(&event);
            if (!empty)
                diag(reader->diags, DIAG_ERROR, at, "a document must be an object (a mapping), this is a text");
            break;
        }
        case YAML_SEQUENCE_START_EVENT:
            yaml_event_delete(&event);
            diag(reader->diags, DIAG_ERROR, at, "a document must be an object (a mapping), this is a list");
            diag_hint(reader->diags, "a list of objects is written as kind: List with items");
            yaml->error_line = at.line;
            return ROOT_FAILED;
        case YAML_DOCUMENT_START_EVENT:
            clear_anchors(yaml);
            yaml_event_delete(&event);
            break;
        case YAML_NO_EVENT:
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
        case YAML_ALIAS_EVENT:
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
            if (type == YAML_ALIAS_EVENT)
                diag(reader->diags, DIAG_ERROR, at, "a document must be an object (a mapping), this is an alias");
            yaml_event_delete(&event);
            break;
        }
    }
}

static PairResult
yaml_read_pair(DocReader *reader, DocNode **ret_key, DocNode **ret_value)
{
    Yaml *yaml = reader->format;
    yaml_event_t event;
    if (yaml->by_block) {
        PairResult result = doc_block_read_pair(reader, &yaml->block, ret_key, ret_value);
        yaml->error_line = MAX(yaml->error_line, yaml->block.error_line);
        return result;
    }
    if (!next_event(reader, &event))
        return PAIR_FAILED;
    if (event.type == YAML_MAPPING_END_EVENT) {
        yaml_event_delete(&event);
        return PAIR_END;
    }
    *ret_key = yaml_node(reader, &event, 2);
    if (!*ret_key || !check_key(reader, *ret_key))
        return PAIR_FAILED;
    if (!next_event(reader, &event))
        return PAIR_FAILED;
    if (reader->stream_items && event.type == YAML_SEQUENCE_START_EVENT && strcmp((*ret_key)->text, "items") == 0) {
        reader->list_mark = (*ret_key)->mark;
        yaml_event_delete(&event);
        return PAIR_ITEMS;
    }
    *ret_value = yaml_node(reader, &event, 2);
    if (!*ret_value)
        return PAIR_FAILED;
    vec_push(&reader->pending, *ret_key);
    vec_push(&reader->pending, *ret_value);
    if (doc_check_items(reader, reader->root_mark, reader->pending.len / 2))
        return PAIR_READ;
    yaml->error_line = (*ret_key)->mark.line;
    return PAIR_FAILED;
}

static PairResult
yaml_read_item(DocReader *reader, DocNode **ret_item)
{
    Yaml *yaml = reader->format;
    yaml_event_t event;
    if (yaml->by_block) {
        PairResult result = doc_block_read_item(reader, &yaml->block, ret_item);
        yaml->error_line = MAX(yaml->error_line, yaml->block.error_line);
        return result;
    }
    if (!next_event(reader, &event))
        return PAIR_FAILED;
    if (event.type == YAML_SEQUENCE_END_EVENT) {
        yaml_event_delete(&event);
        return PAIR_END;
    }
    *ret_item = yaml_node(reader, &event, 3);
    return *ret_item ? PAIR_READ : PAIR_FAILED;
}

/* To the next "---" behind the line of the error. */
static bool
yaml_resync(DocReader *reader)
{
    Yaml *yaml = reader->format;
    if (++yaml->n_syntax >= DOC_MAX_SYNTAX) {
        diag(reader->diags, DIAG_ERROR, place(reader, yaml->error_line - yaml->base_line, 0),
             "too many syntax errors, the rest of the file was not read");
        return false;
    }
    const char *p = reader->text + yaml->base, *end = reader->text + reader->size;
    uint32_t line = yaml->base_line + 1;
    while (p && p < end) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            return false;
        p++;
        line++;
        if (line > yaml->error_line && end - p >= 3 && memcmp(p, "---", 3) == 0 &&
            (end - p == 3 || strchr(" \t\r\n", p[3]))) {
            parser_start(reader, (size_t)(p - reader->text), line - 1);
            return true;
        }
    }
    return false;
}

static uint64_t
yaml_position(const DocReader *reader)
{
    const Yaml *yaml = reader->format;
    if (yaml->by_block)
        return (uint64_t)(yaml->block.start - reader->text);
    return MIN(yaml->base + yaml->parser.offset, reader->size);
}

static void
yaml_close(DocReader *reader)
{
    Yaml *yaml = reader->format;
    if (yaml->parser_open)
        yaml_parser_delete(&yaml->parser);
    clear_anchors(yaml);
    vec_clear(&yaml->anchors);
    doc_arena_clear(&yaml->anchors_arena);
    g_free(yaml);
}

/* To libyaml, from the document on that the block reader declined. */
static void
hand_over(DocReader *reader)
{
    const Block *block = &((Yaml *)reader->format)->block;
    bool at_start = !block->ended;
    parser_start(reader, at_start ? 0 : (size_t)(block->start - block->text), at_start ? 0 : block->line - 1);
}

static void
parser_start(DocReader *reader, size_t base, uint32_t base_line)
{
    Yaml *yaml = reader->format;
    yaml->by_block = false;
    if (yaml->parser_open)
        yaml_parser_delete(&yaml->parser);
    yaml->parser_open = yaml_parser_initialize(&yaml->parser) == 1;
    g_assert(yaml->parser_open);
    yaml_parser_set_input_string(&yaml->parser, (const unsigned char *)reader->text + base, reader->size - base);
    yaml->base = base;
    yaml->base_line = base_line;
}

static bool
next_event(DocReader *reader, yaml_event_t *ret_event)
{
    Yaml *yaml = reader->format;
    if (yaml_parser_parse(&yaml->parser, ret_event))
        return true;
    report_syntax(reader);
    return false;
}

static void
report_syntax(DocReader *reader)
{
    Yaml *yaml = reader->format;
    const yaml_parser_t *parser = &yaml->parser;
    const char *problem = parser->problem ? parser->problem : "cannot be read";
    Mark at = place(reader, parser->problem_mark.line, parser->problem_mark.column);
    if (parser->error == YAML_READER_ERROR) {
        /* Only a byte offset is known. */
        const char *bad = reader->text + MIN(yaml->base + parser->problem_offset, reader->size);
        size_t line = 0, column = 0;
        for (const char *p = reader->text + yaml->base; p < bad; p++) {
            column = *p == '\n' ? 0 : column + (((uint8_t)*p & 0xc0) != 0x80);
            line += *p == '\n';
        }
        at = place(reader, line, column);
        if (parser->problem_value >= 0)
            diag(reader->diags, DIAG_ERROR, at, "not a text file: %s (0x%02x)", problem,
                 (unsigned)parser->problem_value);
        else
            diag(reader->diags, DIAG_ERROR, at, "not a text file: %s", problem);
    } else {
        diag(reader->diags, DIAG_ERROR, at, "YAML: %s%s%s", problem, parser->context ? ", " : "",
             parser->context ? parser->context : "");
        if (parser->context && parser->context_mark.line != parser->problem_mark.line)
            diag_note(reader->diags, place(reader, parser->context_mark.line, parser->context_mark.column),
                      "it began here");
        if (strstr(problem, "cannot start any token"))
            diag_hint(reader->diags, "indentation must be blanks, not tabs; a text that begins with @, `, %% or | "
                                     "needs quotes");
        else if (strstr(problem, "mapping values are not allowed"))
            diag_hint(reader->diags, "a text with \": \" in it needs quotes; or is the line above indented wrongly?");
    }
    /* Where an unclosed text or bracket began: what follows may be whole. */
    yaml->error_line = at.line;
    if (parser->error != YAML_READER_ERROR && parser->context)
        yaml->error_line = MIN(at.line, place(reader, parser->context_mark.line, 0).line);
}

/* Takes the event. */
static DocNode *
yaml_node(DocReader *reader, yaml_event_t *event, uint32_t depth)
{
    Yaml *yaml = reader->format;
    Mark at = event_mark(reader, event);
    DocNode *node = NULL;
    if (!doc_check_nodes(reader, at) || !doc_check_depth(reader, at, depth))
        yaml->error_line = at.line;
    else if (event->type == YAML_SCALAR_EVENT)
        node = yaml_scalar(reader, event);
    else if (event->type == YAML_ALIAS_EVENT)
        node = yaml_alias(reader, event, depth);
    else
        node = yaml_container(reader, event, depth);
    const yaml_char_t *anchor = event->type == YAML_SCALAR_EVENT           ? event->data.scalar.anchor
                                : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.anchor
                                                                           : NULL;
    if (node && anchor && !keep_anchor(reader, anchor, node))
        node = NULL;
    yaml_event_delete(event);
    return node;
}

static DocNode *
yaml_container(DocReader *reader, yaml_event_t *event, uint32_t depth)
{
    Yaml *yaml = reader->format;
    Mark at = event_mark(reader, event);
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    yaml_event_type_t end = mapping ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    size_t first = reader->pending.len;
    for (bool is_key = mapping;; is_key = mapping && !is_key) {
        yaml_event_t child;
        if (!next_event(reader, &child))
            return NULL;
        if (child.type == end) {
            yaml_event_delete(&child);
            break;
        }
        Mark child_at = event_mark(reader, &child);
        DocNode *node = yaml_node(reader, &child, depth + 1);
        if (!node)
            return NULL;
        if (is_key && !check_key(reader, node))
            return NULL;
        vec_push(&reader->pending, node);
        if (!doc_check_items(reader, at, (reader->pending.len - first) / (mapping ? 2 : 1))) {
            yaml->error_line = child_at.line;
            return NULL;
        }
    }
    return mapping ? doc_close_mapping(reader, at, first) : doc_close_sequence(reader, at, first);
}

static bool
check_key(DocReader *reader, const DocNode *node)
{
    Yaml *yaml = reader->format;
    if (node->kind == NODE_SCALAR || node->kind == NODE_NULL)
        return true;
    diag(reader->diags, DIAG_ERROR, node->mark, "a key must be a text, this is a %s",
         node->kind == NODE_MAPPING ? "mapping" : "list");
    diag_hint(reader->diags, "a text that begins with { or [ needs quotes");
    yaml->error_line = node->mark.line;
    return false;
}

static DocNode *
yaml_scalar(DocReader *reader, const yaml_event_t *event)
{
    Yaml *yaml = reader->format;
    Mark at = event_mark(reader, event);
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    const char *tag = (const char *)event->data.scalar.tag;
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (tag)
        quoted = strcmp(tag, YAML_STR_TAG) == 0 || strcmp(tag, "!") == 0;
    if (!doc_check_scalar(reader, at, length)) {
        yaml->error_line = at.line;
        return NULL;
    }
    if (memchr(text, '\0', length)) {
        diag(reader->diags, DIAG_ERROR, at, "NUL character in a text");
        yaml->error_line = at.line;
        return NULL;
    }
    return doc_scalar(&reader->arena, at, text, length, quoted);
}

static DocNode *
yaml_alias(DocReader *reader, const yaml_event_t *event, uint32_t depth)
{
    Yaml *yaml = reader->format;
    Mark at = event_mark(reader, event);
    const char *name = (const char *)event->data.alias.anchor;
    yaml->error_line = at.line;
    for (size_t i = yaml->anchors.len; i-- > 0;) {
        const Anchor *anchor = &yaml->anchors.data[i];
        if (strcmp(anchor->name, name) != 0)
            continue;
        yaml->n_alias_nodes += anchor->weight;
        if (yaml->n_alias_nodes > DOC_MAX_ALIAS_NODES) {
            diag(reader->diags, DIAG_ERROR, at, "the aliases of this document stand for more than %u values",
                 DOC_MAX_ALIAS_NODES);
            return NULL;
        }
        /* A copy, not the anchor's own tree: each place has its own parent and its own marks of use. */
        return doc_check_depth(reader, at, depth + anchor->height - 1) ? doc_copy(&reader->arena, anchor->node) : NULL;
    }
    diag(reader->diags, DIAG_ERROR, at, "alias *%s has no anchor &%s before it", name, name);
    return NULL;
}

static bool
keep_anchor(DocReader *reader, const yaml_char_t *name, const DocNode *node)
{
    Yaml *yaml = reader->format;
    Anchor anchor = {0};
    measure(node, &anchor.weight, &anchor.height);
    yaml->n_alias_nodes += anchor.weight;
    if (yaml->n_alias_nodes > DOC_MAX_ALIAS_NODES) {
        diag(reader->diags, DIAG_ERROR, node->mark, "the anchors of this document hold more than %u values",
             DOC_MAX_ALIAS_NODES);
        yaml->error_line = node->mark.line;
        return false;
    }
    anchor.name = g_strdup((const char *)name);
    anchor.node = doc_copy(&yaml->anchors_arena, node);
    vec_push(&yaml->anchors, anchor);
    return true;
}

static void
clear_anchors(Yaml *yaml)
{
    for (size_t i = 0; i < yaml->anchors.len; i++)
        g_free(yaml->anchors.data[i].name);
    yaml->anchors.len = 0;
    yaml->n_alias_nodes = 0;
    doc_arena_reset(&yaml->anchors_arena);
}

static void
measure(const DocNode *node, uint32_t *ret_weight, uint32_t *ret_height)
{
    uint32_t weight = 1, height = 0;
    for (uint32_t i = 0; i < node->n; i++) {
        uint32_t w, h;
        measure(node->items[i], &w, &h);
        weight += w + (node->kind == NODE_MAPPING);
        height = MAX(height, h);
    }
    *ret_weight = weight;
    *ret_height = height + 1;
}

static Mark
event_mark(const DocReader *reader, const yaml_event_t *event)
{
    Mark at = place(reader, event->start_mark.line, event->start_mark.column);
    bool one_line = event->start_mark.line == event->end_mark.line;
    if (one_line && (event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT))
        at.length = (uint16_t)MIN(event->end_mark.column - event->start_mark.column, UINT16_MAX);
    return at;
}

static Mark
place(const DocReader *reader, size_t line, size_t column)
{
    const Yaml *yaml = reader->format;
    return (Mark){.file = (uint16_t)reader->file,
                  .line = (uint32_t)line + yaml->base_line + 1,
                  .column = (uint32_t)MIN(column, UINT32_MAX - 1) + 1};
}
