/* JSON (RFC 8259, strict) from memory: a recursive pull reader that builds the same trees as YAML does
 *
 * Columns count characters: each UTF-8 continuation byte moves 'line_start' on by one. */

#include <endian.h>
#include <string.h>

#include "model/input/doc_private.h"

typedef struct {
    const char *p, *end, *line_start;
    uint32_t line;
    bool first; /* Of the root's pairs or of the streamed items: no comma yet. */
    bool item_first;
    GString *buffer; /* A string with escapes, decoded. */
} Json;

static RootResult json_open_root(DocReader *reader, Mark *ret_mark);
static PairResult json_read_pair(DocReader *reader, DocNode **ret_key, DocNode **ret_value);
static PairResult json_read_item(DocReader *reader, DocNode **ret_item);
static bool json_resync(DocReader *reader);
static uint64_t json_position(const DocReader *reader);
static void json_close(DocReader *reader);
static DocNode *json_value(DocReader *reader, uint32_t depth);
static DocNode *json_container(DocReader *reader, uint32_t depth);
static DocNode *json_key(DocReader *reader);
static DocNode *json_string(DocReader *reader);
static bool json_escape(DocReader *reader);
static bool json_hex4(Json *json, uint32_t *ret_code);
static const char *plain_end(const char *p, const char *end);
static size_t utf8_length(const char *p, const char *end);
static DocNode *json_word(DocReader *reader);
static int json_separator(DocReader *reader, bool *first, char closing);
static void skip_space(Json *json);
static const char *spaces_end(const char *p, const char *end);
static uint64_t eight_bytes(const char *p);
static Mark json_mark(const DocReader *reader, const char *at);
static void *json_fail(DocReader *reader, const char *want);

const FormatOps doc_json_ops = {json_open_root, json_read_pair, json_read_item, json_resync, json_position, json_close};

void
doc_json_open(DocReader *reader)
{
    Json *json = g_new0(Json, 1);
    json->p = reader->text;
    json->end = reader->text + reader->size;
    if (reader->size >= 3 && memcmp(json->p, "\xef\xbb\xbf", 3) == 0)
        json->p += 3;
    json->line_start = json->p;
    json->line = 1;
    json->buffer = g_string_new(NULL);
    reader->format = json;
}

static RootResult
json_open_root(DocReader *reader, Mark *ret_mark)
{
    Json *json = reader->format;
    skip_space(json);
    if (json->p == json->end)
        return ROOT_END;
    *ret_mark = json_mark(reader, json->p);
    if (*json->p != '{') {
        json_fail(reader, "an object");
        return ROOT_FAILED;
    }
    json->p++;
    json->first = true;
    return ROOT_MAPPING;
}

static PairResult
json_read_pair(DocReader *reader, DocNode **ret_key, DocNode **ret_value)
{
    Json *json = reader->format;
    int more = json_separator(reader, &json->first, '}');
    if (more <= 0)
        return more == 0 ? PAIR_END : PAIR_FAILED;
    *ret_key = json_key(reader);
    if (!*ret_key)
        return PAIR_FAILED;
    skip_space(json);
    if (reader->stream_items && json->p < json->end && *json->p == '[' && strcmp((*ret_key)->text, "items") == 0) {
        reader->list_mark = (*ret_key)->mark;
        json->p++;
        json->item_first = true;
        return PAIR_ITEMS;
    }
    *ret_value = json_value(reader, 2);
    if (!*ret_value)
        return PAIR_FAILED;
    vec_push(&reader->pending, *ret_key);
    vec_push(&reader->pending, *ret_value);
    return PAIR_READ;
}

static PairResult
json_read_item(DocReader *reader, DocNode **ret_item)
{
    Json *json = reader->format;
    int more = json_separator(reader, &json->item_first, ']');
    if (more <= 0)
        return more == 0 ? PAIR_END : PAIR_FAILED;
    *ret_item = json_value(reader, 3);
    return *ret_item ? PAIR_READ : PAIR_FAILED;
}

static bool
json_resync(DocReader *reader)
{
    (void)reader;
    return false;
}

static uint64_t
json_position(const DocReader *reader)
{
    const Json *json = reader->format;
    return (uint64_t)(json->p - reader->text);
}

static void
json_close(DocReader *reader)
{
    Json *json = reader->format;
    g_string_free(json->buffer, TRUE);
    g_free(json);
}

static DocNode *
json_value(DocReader *reader, uint32_t depth)
{
    Json *json = reader->format;
    skip_space(json);
    if (json->p == json->end)
        return json_fail(reader, "a value");
    Mark at = json_mark(reader, json->p);
    if (!doc_check_nodes(reader, at) || !doc_check_depth(reader, at, depth))
        return NULL;
    switch (*json->p) {
    case '{':
    case '[':
        return json_container(reader, depth);
    case '"':
        return json_string(reader);
    default:
        return json_word(reader);
    }
}

static DocNode *
json_container(DocReader *reader, uint32_t depth)
{
    Json *json = reader->format;
    Mark at = json_mark(reader, json->p);
    bool object = *json->p++ == '{', first = true;
    size_t base = reader->pending.len;
    for (;;) {
        int more = json_separator(reader, &first, object ? '}' : ']');
        if (more < 0)
            return NULL;
        if (more == 0)
            break;
        DocNode *key = object ? json_key(reader) : NULL;
        if (object && !key)
            return NULL;
        if (key)
            vec_push(&reader->pending, key);
        DocNode *value = json_value(reader, depth + 1);
        if (!value)
            return NULL;
        vec_push(&reader->pending, value);
        if (!doc_check_items(reader, at, (reader->pending.len - base) / (object ? 2 : 1)))
            return NULL;
    }
    return object ? doc_close_mapping(reader, at, base) : doc_close_sequence(reader, at, base);
}

static DocNode *
json_key(DocReader *reader)
{
    Json *json = reader->format;
    skip_space(json);
    if (json->p == json->end || *json->p != '"')
        return json_fail(reader, "a key in double quotes");
    DocNode *key = json_string(reader);
    if (!key)
        return NULL;
    skip_space(json);
    if (json->p == json->end || *json->p != ':')
        return json_fail(reader, "':' after the key");
    json->p++;
    return key;
}

static DocNode *
json_string(DocReader *reader)
{
    Json *json = reader->format;
    Mark at = json_mark(reader, json->p);
    const char *start = ++json->p, *run = start;
    bool escaped = false;
    for (;;) {
        json->p = plain_end(json->p, json->end);
        if (json->p == json->end) {
            diag(reader->diags, DIAG_ERROR, at, "string without an end");
            return NULL;
        }
        if (*json->p == '"')
            break;
        if (*json->p == '\\') {
            if (!escaped)
                g_string_truncate(json->buffer, 0);
            escaped = true;
            g_string_append_len(json->buffer, run, json->p - run);
            if (!json_escape(reader))
                return NULL;
            run = json->p;
            continue;
        }
        size_t n = utf8_length(json->p, json->end);
        if (n == 0)
            return json_fail(reader, (uint8_t)*json->p < 0x20 ? "no control characters in a string" : "valid UTF-8");
        json->p += n;
        json->line_start += n - 1;
    }
    const char *text = start;
    size_t length = (size_t)(json->p - start);
    if (escaped) {
        g_string_append_len(json->buffer, run, json->p - run);
        text = json->buffer->str;
        length = json->buffer->len;
    }
    json->p++;
    at.length = (uint16_t)MIN(json->p - (start - 1), UINT16_MAX);
    if (!doc_check_scalar(reader, at, length))
        return NULL;
    if (escaped && memchr(text, '\0', length)) {
        diag(reader->diags, DIAG_ERROR, at, "NUL character in a string");
        return NULL;
    }
    return doc_scalar(&reader->arena, at, text, length, true);
}

static bool
json_escape(DocReader *reader)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    Json *json = reader->format;
    if (json->end - json->p < 2)
        return json_fail(reader, "the rest of an escape") != NULL;
    char c = json->p[1];
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        g_string_append_c(json->buffer, to[simple - from]);
        json->p += 2;
        return true;
    }
    uint32_t code, low;
    if (c != 'u' || !(json->p += 2, json_hex4(json, &code)))
        return json_fail(reader, "an escape: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX") != NULL;
    if (code >= 0xd800 && code < 0xdc00) {
        if (json->end - json->p < 6 || json->p[0] != '\\' || json->p[1] != 'u')
            return json_fail(reader, "the second half of a surrogate pair") != NULL;
        json->p += 2;
        if (!json_hex4(json, &low) || low < 0xdc00 || low > 0xdfff)
            return json_fail(reader, "the second half of a surrogate pair") != NULL;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return json_fail(reader, "the first half of a surrogate pair") != NULL;
    }
    g_string_append_unichar(json->buffer, code);
    return true;
}

static bool
json_hex4(Json *json, uint32_t *ret_code)
{
    if (json->end - json->p < 4)
        return false;
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = g_ascii_xdigit_value(json->p[i]);
        if (digit < 0)
            return false;
        code = code << 4 | (uint32_t)digit;
    }
    json->p += 4;
    *ret_code = code;
    return true;
}

#define EIGHT_OF(byte) (UINT64_C(0x0101010101010101) * (uint8_t)(byte))

/* The first byte from 'p' on that does not stand for itself in a string: '"', '\\', a control character, or beyond
 * ASCII.  Each sets the highest bit of its place in 'marked'; a borrow may set one more, but only above it. */
static const char *
plain_end(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t bytes = eight_bytes(p);
        uint64_t marked = bytes | (bytes - EIGHT_OF(' ')) | ((bytes ^ EIGHT_OF('"')) - EIGHT_OF(1)) |
                          ((bytes ^ EIGHT_OF('\\')) - EIGHT_OF(1));
        if (marked & EIGHT_OF(0x80))
            return p + __builtin_ctzll(marked & EIGHT_OF(0x80)) / 8;
    }
    while (p < end && (uint8_t)*p >= ' ' && (uint8_t)*p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

/* Bytes of the character at 'p'; 0: not valid UTF-8 (RFC 3629: no overlong forms, no surrogates). */
static size_t
utf8_length(const char *p, const char *end)
{
    gunichar c = g_utf8_get_char_validated(p, end - p);
    if (c == (gunichar)-1 || c == (gunichar)-2 || c < 0x80)
        return 0;
    return c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* true, false, null or a number. */
static DocNode *
json_word(DocReader *reader)
{
    Json *json = reader->format;
    const char *start = json->p, *p = start, *end = json->end;
    Mark at = json_mark(reader, start);
    if (g_ascii_isalpha(*p)) {
        while (p < end && g_ascii_isalpha(*p))
            p++;
        size_t n = (size_t)(p - start);
        if (!(n == 4 && (memcmp(start, "true", 4) == 0 || memcmp(start, "null", 4) == 0)) &&
            !(n == 5 && memcmp(start, "false", 5) == 0))
            return json_fail(reader, "a value");
    } else {
        if (p < end && *p == '-')
            p++;
        if (p == end || !g_ascii_isdigit(*p))
            return json_fail(reader, "a value");
        bool zero = *p == '0';
        while (p < end && g_ascii_isdigit(*p) && !(zero && p > start + (*start == '-')))
            p++;
        if (p < end && *p == '.') {
            const char *digits = ++p;
            while (p < end && g_ascii_isdigit(*p))
                p++;
            if (p == digits)
                return json_fail(reader, "a number");
        }
        if (p < end && (*p == 'e' || *p == 'E')) {
            p++;
            if (p < end && (*p == '+' || *p == '-'))
                p++;
            const char *digits = p;
            while (p < end && g_ascii_isdigit(*p))
                p++;
            if (p == digits)
                return json_fail(reader, "a number");
        }
        if (p < end && g_ascii_isdigit(*p))
            return json_fail(reader, "a number without leading zeros");
    }
    json->p = p;
    at.length = (uint16_t)MIN(p - start, UINT16_MAX);
    if (!doc_check_scalar(reader, at, (size_t)(p - start)))
        return NULL;
    return doc_scalar(&reader->arena, at, start, (size_t)(p - start), false);
}

/* 1: another entry follows, 0: closed, -1: failed. */
static int
json_separator(DocReader *reader, bool *first, char closing)
{
    Json *json = reader->format;
    skip_space(json);
    if (json->p < json->end && *json->p == closing) {
        json->p++;
        return 0;
    }
    if (*first) {
        *first = false;
        return 1;
    }
    if (json->p == json->end || *json->p != ',') {
        json_fail(reader, closing == '}' ? "',' or '}'" : "',' or ']'");
        return -1;
    }
    json->p++;
    skip_space(json);
    if (json->p < json->end && *json->p == closing) {
        json_fail(reader, "another entry after ','");
        return -1;
    }
    return 1;
}

static void
skip_space(Json *json)
{
    const char *p = json->p, *end = json->end;
    for (; p < end && (uint8_t)*p <= ' '; p++) {
        if (*p == '\n') {
            json->line++;
            json->line_start = p + 1;
        } else if (*p == ' ') {
            p = spaces_end(p, end) - 1;
        } else if (*p != '\r' && *p != '\t') {
            break;
        }
    }
    json->p = p;
}

static const char *
spaces_end(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t others = eight_bytes(p) ^ EIGHT_OF(' ');
        if (others)
            return p + __builtin_ctzll(others) / 8;
    }
    while (p < end && *p == ' ')
        p++;
    return p;
}

/* The first one lowest. */
static uint64_t
eight_bytes(const char *p)
{
    uint64_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return le64toh(bytes);
}

static Mark
json_mark(const DocReader *reader, const char *at)
{
    const Json *json = reader->format;
    return (Mark){.file = (uint16_t)reader->file,
                  .line = json->line,
                  .column = (uint32_t)MIN(at - json->line_start + 1, UINT32_MAX)};
}

static void *
json_fail(DocReader *reader, const char *want)
{
    const Json *json = reader->format;
    Mark at = json_mark(reader, MIN(json->p, json->end));
    if (json->p >= json->end)
        diag(reader->diags, DIAG_ERROR, at, "JSON ends too early, want %s", want);
    else if (g_ascii_isprint(*json->p))
        diag(reader->diags, DIAG_ERROR, at, "JSON: want %s, found '%c'", want, *json->p);
    else
        diag(reader->diags, DIAG_ERROR, at, "JSON: want %s, found byte 0x%02x", want, (uint8_t)*json->p);
    return NULL;
}
