#include "model/input/doc_block.h"

#include <string.h>

#define KEY_MAX 128 /* Well below libyaml's limit. */

typedef struct {
    enum { VALUE_TEXT, VALUE_MAPPING, VALUE_SEQUENCE, VALUE_OTHER } kind;
    const char *text;
    size_t length;
    uint16_t width; /* With quotes. */
    bool quoted;
} Value;

static bool scan_document(Block block);
static bool scan_node(Block *b, uint32_t depth);
static bool scan_mapping(Block *b, uint32_t depth);
static bool scan_sequence(Block *b, bool indentless, uint32_t depth);
static DocNode *build_node(DocReader *reader, Block *b, uint32_t depth);
static DocNode *build_mapping(DocReader *reader, Block *b, uint32_t depth);
static DocNode *build_sequence(DocReader *reader, Block *b, uint32_t depth);
static DocNode *build_value(DocReader *reader, Block *b, uint32_t depth);
static bool build_pair(DocReader *reader, Block *b, uint32_t depth);
static void to_line(Block *b, const char *from);

/* --- Lines ------------------------------------------------------------------------------------------------------- */

static inline uint32_t
column_of(const Block *b)
{
    return (uint32_t)(b->at - b->start);
}

static inline bool
at_entry(const Block *b)
{
    return b->eol - b->at >= 2 && b->at[0] == '-' && b->at[1] == ' ';
}

static inline bool
at_document(const Block *b)
{
    size_t n = (size_t)(b->eol - b->start);

    return n >= 3 && memcmp(b->start, "---", 3) == 0 && (n == 3 || strchr(" \t\r", b->start[3]));
}

static bool
is_printable(const Block *b)
{
    uint8_t bad = 0;

    for (const char *p = b->start; p < b->eol; p++)
        bad |= (uint8_t)(*p - 0x20) > 0x5e;
    return !bad;
}

/* To the first line from 'from' on that says something. */
static void
to_line(Block *b, const char *from)
{
    for (;; from = b->eol + 1) {
        b->start = b->at = from;
        b->line++;
        if (from >= b->end) {
            b->start = b->at = b->eol = b->end;
            b->ended = true;
            return;
        }
        b->eol = memchr(from, '\n', (size_t)(b->end - from));
        if (!b->eol)
            b->eol = b->end;
        while (b->at < b->eol && *b->at == ' ')
            b->at++;
        if (b->at < b->eol && *b->at != '#') {
            b->ended = at_document(b);
            return;
        }
        b->odd_comment |= b->at < b->eol && !is_printable(b);
    }
}

static inline void
next_line(Block *b)
{
    to_line(b, b->eol + 1);
}

/* Over "- " and further blanks. */
static inline void
skip_dash(Block *b)
{
    for (b->at++; b->at < b->eol && *b->at == ' '; b->at++)
        ;
}

static inline bool
is_key_char(char c)
{
    return g_ascii_isalnum(c) || c == '_' || c == '.' || c == '/' || c == '-';
}

/* Length of the key at 'at' that a colon follows; 0: there is none. */
static inline size_t
key_length(const Block *b)
{
    const char *p = b->at;

    if (p < b->eol && *p == '-')
        return 0;
    while (p < b->eol && is_key_char(*p))
        p++;
    if (p == b->at || p == b->eol || *p != ':' || (p + 1 < b->eol && p[1] != ' '))
        return 0;
    return (size_t)(p - b->at);
}

/* Over "key:" and blanks: the value, or the end of the line. */
static inline void
skip_key(Block *b, size_t length)
{
    for (b->at += length + 1; b->at < b->eol && *b->at == ' '; b->at++)
        ;
}

/* The rest of the line as a value. */
static Value
value_at(const Block *b)
{
    size_t n = (size_t)(b->eol - b->at);
    char first = *b->at;

    if (first == '"' || first == '\'') {
        const char *close = memchr(b->at + 1, first, n - 1);
        if (close != b->eol - 1 || memchr(b->at, '\\', n))
            return (Value){.kind = VALUE_OTHER};
        return (Value){VALUE_TEXT, b->at + 1, n - 2, (uint16_t)MIN(n, UINT16_MAX), true};
    }
    if (n == 2 && memcmp(b->at, "{}", 2) == 0)
        return (Value){.kind = VALUE_MAPPING};
    if (n == 2 && memcmp(b->at, "[]", 2) == 0)
        return (Value){.kind = VALUE_SEQUENCE};
    return (Value){VALUE_TEXT, b->at, n, (uint16_t)MIN(n, UINT16_MAX), false};
}

/* --- The scan ---------------------------------------------------------------------------------------------------- */

static bool
scan_plain(const char *p, const char *eol)
{
    static const char indicators[] = "?:,[]{}#&*!|>'\"%@`";

    if (strchr(indicators, *p) || (*p == '-' && (p + 1 == eol || p[1] == ' ')) || eol[-1] == ' ' || eol[-1] == ':')
        return false;
    for (; p + 1 < eol; p++)
        if ((*p == ':' && p[1] == ' ') || (*p == ' ' && p[1] == '#'))
            return false;
    return true;
}

static bool
scan_value(Block *b)
{
    Value value;

    if (!is_printable(b))
        return false;
    value = value_at(b);
    if (value.kind == VALUE_OTHER || (value.kind == VALUE_TEXT && !value.quoted && !scan_plain(b->at, b->eol)))
        return false;
    next_line(b);
    return true;
}

/* What a key without a value on its line has on the next ones. */
static bool
scan_below(Block *b, uint32_t column, uint32_t depth)
{
    next_line(b);
    if (b->ended || column_of(b) < column || (column_of(b) == column && !at_entry(b)))
        return false;
    if (at_entry(b))
        return scan_sequence(b, column_of(b) == column, depth);
    return key_length(b) > 0 && scan_mapping(b, depth);
}

static bool
scan_mapping(Block *b, uint32_t depth)
{
    uint32_t column = column_of(b);

    if (depth > DOC_MAX_DEPTH)
        return false;
    do {
        size_t length = key_length(b);
        if (length == 0 || length > KEY_MAX || !is_printable(b))
            return false;
        skip_key(b, length);
        if (b->at == b->eol ? b->eol[-1] == ' ' || !scan_below(b, column, depth + 1) : !scan_value(b))
            return false;
    } while (!b->ended && column_of(b) == column);
    return b->ended || column_of(b) < column;
}

static bool
scan_sequence(Block *b, bool indentless, uint32_t depth)
{
    uint32_t column = column_of(b);

    if (depth > DOC_MAX_DEPTH)
        return false;
    do {
        skip_dash(b);
        if (b->at == b->eol || !scan_node(b, depth + 1))
            return false;
    } while (!b->ended && column_of(b) == column && at_entry(b));
    return b->ended || column_of(b) < column || (indentless && column_of(b) == column);
}

static bool
scan_node(Block *b, uint32_t depth)
{
    if (at_entry(b))
        return scan_sequence(b, false, depth);
    return key_length(b) > 0 ? scan_mapping(b, depth) : scan_value(b);
}

/* Does the document that begins on this line keep to the subset? */
static bool
scan_document(Block block)
{
    return column_of(&block) == 0 && key_length(&block) > 0 && scan_mapping(&block, 1) && block.ended &&
           !block.odd_comment;
}

/* --- Building: the same way again, of what is known to be right --------------------------------------------------- */

static inline Mark
mark_at(const DocReader *reader, const Block *b, uint16_t width)
{
    return (Mark){.file = (uint16_t)reader->file, .line = b->line, .column = column_of(b) + 1, .length = width};
}

static bool
check_node(DocReader *reader, Block *b, Mark at, uint32_t depth)
{
    if (doc_check_nodes(reader, at) && doc_check_depth(reader, at, depth))
        return true;
    b->error_line = at.line;
    return false;
}

static DocNode *
build_key(DocReader *reader, Block *b, uint32_t depth)
{
    size_t length = key_length(b);
    Mark at = mark_at(reader, b, (uint16_t)length);
    const char *text = b->at;

    if (!check_node(reader, b, at, depth))
        return NULL;
    skip_key(b, length);
    return doc_scalar(&reader->arena, at, text, length, false);
}

static DocNode *
build_value(DocReader *reader, Block *b, uint32_t depth)
{
    Value value = value_at(b);
    Mark at = mark_at(reader, b, value.kind == VALUE_TEXT ? value.width : 0);
    DocNode *node = NULL;

    if (!check_node(reader, b, at, depth))
        return NULL;
    if (value.kind == VALUE_MAPPING)
        node = doc_close_mapping(reader, at, reader->pending.len);
    else if (value.kind == VALUE_SEQUENCE)
        node = doc_close_sequence(reader, at, reader->pending.len);
    else if (doc_check_scalar(reader, at, value.length))
        node = doc_scalar(&reader->arena, at, value.text, value.length, value.quoted);
    else
        b->error_line = at.line;
    next_line(b);
    return node;
}

/* What stands behind a key, there or below. */
static DocNode *
build_after_key(DocReader *reader, Block *b, uint32_t depth)
{
    if (b->at < b->eol)
        return build_value(reader, b, depth);
    next_line(b);
    return build_node(reader, b, depth);
}

/* Leaves key and value pending. */
static bool
build_pair(DocReader *reader, Block *b, uint32_t depth)
{
    DocNode *key = build_key(reader, b, depth), *value;

    if (!key)
        return false;
    vec_push(&reader->pending, key);
    value = build_after_key(reader, b, depth);
    if (!value)
        return false;
    vec_push(&reader->pending, value);
    return true;
}

static DocNode *
build_mapping(DocReader *reader, Block *b, uint32_t depth)
{
    uint32_t column = column_of(b);
    Mark at = mark_at(reader, b, 0);
    size_t first = reader->pending.len;

    do {
        uint32_t line = b->line;
        if (!build_pair(reader, b, depth + 1))
            return NULL;
        if (!doc_check_items(reader, at, (reader->pending.len - first) / 2)) {
            b->error_line = line;
            return NULL;
        }
    } while (!b->ended && column_of(b) == column);
    return doc_close_mapping(reader, at, first);
}

static DocNode *
build_sequence(DocReader *reader, Block *b, uint32_t depth)
{
    uint32_t column = column_of(b);
    Mark at = mark_at(reader, b, 0);
    size_t first = reader->pending.len;

    do {
        uint32_t line = b->line;
        DocNode *item;
        skip_dash(b);
        item = build_node(reader, b, depth + 1);
        if (!item)
            return NULL;
        vec_push(&reader->pending, item);
        if (!doc_check_items(reader, at, reader->pending.len - first)) {
            b->error_line = line;
            return NULL;
        }
    } while (!b->ended && column_of(b) == column && at_entry(b));
    return doc_close_sequence(reader, at, first);
}

static DocNode *
build_node(DocReader *reader, Block *b, uint32_t depth)
{
    bool is_entry = at_entry(b);

    if (!is_entry && key_length(b) == 0)
        return build_value(reader, b, depth);
    if (!check_node(reader, b, mark_at(reader, b, 0), depth))
        return NULL;
    return is_entry ? build_sequence(reader, b, depth) : build_mapping(reader, b, depth);
}

/* --- Documents --------------------------------------------------------------------------------------------------- */

void
doc_block_init(Block *block, const char *text, size_t size)
{
    *block = (Block){.text = text, .end = text + size};
    to_line(block, text);
}

BlockRoot
doc_block_open_root(DocReader *reader, Block *block, Mark *ret_mark)
{
    while (block->ended) {
        Block next = *block;
        if (block->start == block->end)
            return BLOCK_END;
        if (block->eol - block->start != 3)
            return BLOCK_OTHER;
        next.ended = false;
        next_line(&next);
        if (next.odd_comment || (!next.ended && !scan_document(next)))
            return BLOCK_OTHER;
        *block = next;
        if (!block->ended) {
            *ret_mark = mark_at(reader, block, 0);
            return BLOCK_MAPPING;
        }
    }
    /* The first document of a file, without "---". */
    *ret_mark = mark_at(reader, block, 0);
    return scan_document(*block) ? BLOCK_MAPPING : BLOCK_OTHER;
}

/* Behind the key `items`: goes into its sequence, if it is one. */
static bool
open_items(Block *block)
{
    Block before = *block;

    if (block->at == block->eol) {
        next_line(block);
        block->items_column = column_of(block);
        if (at_entry(block))
            return true;
    } else if (value_at(block).kind == VALUE_SEQUENCE) {
        next_line(block);
        block->items_column = UINT32_MAX;
        return true;
    }
    *block = before;
    return false;
}

PairResult
doc_block_read_pair(DocReader *reader, Block *block, DocNode **ret_key, DocNode **ret_value)
{
    uint32_t line = block->line;

    if (block->ended)
        return PAIR_END;
    *ret_key = build_key(reader, block, 2);
    if (!*ret_key)
        return PAIR_FAILED;
    if (reader->stream_items && strcmp((*ret_key)->text, "items") == 0 && open_items(block)) {
        reader->list_mark = (*ret_key)->mark;
        return PAIR_ITEMS;
    }
    vec_push(&reader->pending, *ret_key);
    *ret_value = build_after_key(reader, block, 2);
    if (!*ret_value)
        return PAIR_FAILED;
    vec_push(&reader->pending, *ret_value);
    if (doc_check_items(reader, reader->root_mark, reader->pending.len / 2))
        return PAIR_READ;
    block->error_line = line;
    return PAIR_FAILED;
}

PairResult
doc_block_read_item(DocReader *reader, Block *block, DocNode **ret_item)
{
    if (block->ended || column_of(block) != block->items_column || !at_entry(block))
        return PAIR_END;
    skip_dash(block);
    *ret_item = build_node(reader, block, 3);
    return *ret_item ? PAIR_READ : PAIR_FAILED;
}
