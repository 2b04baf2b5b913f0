#ifndef MODEL_INPUT_DOC_H
#define MODEL_INPUT_DOC_H

/* Documents: YAML and JSON as small trees with places, one object at a time
 *
 * A DocReader streams: it yields one node tree per document, and for `kind: List` one per item, in an arena that the
 * next call reuses.  A large input is never a tree as a whole.  Anchors and aliases are expanded (within limits).  JSON
 * is recognised and read by the same calls.  Limits: the constants below; each has a clear message.  Duplicate keys of
 * a mapping are errors.  Plain scalars mean what they mean to kubectl (sigs.k8s.io/yaml, that is YAML 1.1: yes, on and
 * 0755 are not strings). */

#include "model/input/diag.h"
#include "model/input/doc_arena.h"

#define DOC_MAX_FILE        (UINT64_C(4) << 30)
#define DOC_MAX_DEPTH       64
#define DOC_MAX_SCALAR      (4u << 20)
#define DOC_MAX_ITEMS       100000u  /* Of one sequence or mapping. */
#define DOC_MAX_NODES       1000000u /* Of one object. */
#define DOC_MAX_OBJECTS     5000000u /* Of one file. */
#define DOC_MAX_ALIAS_NODES 100000u  /* Nodes that the anchors and aliases of one document stand for. */
#define DOC_MAX_SYNTAX      20u      /* Syntax errors after which a file is given up. */

typedef enum { NODE_NULL, NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING } NodeKind;

typedef struct DocNode DocNode;
struct DocNode {
    NodeKind kind;
    bool quoted; /* Scalar in quotes: always a string. */
    Mark mark;
    const DocNode *parent; /* NULL: the root. */
    const char *text;      /* Scalar; NUL-terminated. */
    uint32_t text_len;
    uint32_t n;      /* Items or pairs. */
    DocNode **items; /* Sequence: n items.  Mapping: n values. */
    DocNode **keys;  /* Mapping: n scalar keys, in order. */
    uint8_t *used;   /* Mapping: which keys a reader asked for (unknown-field reports). */
};

typedef struct DocReader DocReader;

/* 'path' "-": standard input.  NULL with a diagnostic if it cannot be read. */
DocReader *doc_reader_open(Diags *diags, const char *path);
DocReader *doc_reader_new(Diags *diags, const char *name, const char *text, size_t size);
void doc_reader_free(DocReader *reader);
/* The next object's root mapping, or NULL at the end; valid until the next call.  A syntax error is reported and ends
 * the document (YAML; reading goes on after the next "---") or the file (JSON). */
DocNode *doc_reader_next(DocReader *reader);
/* "Service" while the objects are items of a ServiceList (they may then lack `kind`), else NULL. */
const char *doc_reader_item_kind(const DocReader *reader);
uint32_t doc_reader_file(const DocReader *reader);
uint64_t doc_reader_bytes(const DocReader *reader); /* Consumed so far, and the size, for progress. */
uint64_t doc_reader_size(const DocReader *reader);

/* --- Typed readers ----------------------------------------------------------------------------------------------
 * 'map' may be NULL (an absent parent): then everything is absent.  A wrong type or value is reported once, with the
 * field path, and reads as absent.  Each call marks the key as known.  null is the same as absent. */

DocNode *node_get(const DocNode *map, const char *key);
/* A mapping or sequence child; reports another kind. */
DocNode *node_map(Diags *diags, const DocNode *map, const char *key);
DocNode *node_seq(Diags *diags, const DocNode *map, const char *key);
/* Required: a missing key is an error at the map's place. */
DocNode *node_require(Diags *diags, const DocNode *map, const char *key);

/* A scalar of any type, as written; a string in strict places is node_is_string(). */
const char *node_str(Diags *diags, const DocNode *map, const char *key, const char *fallback);
bool node_bool(Diags *diags, const DocNode *map, const char *key, bool fallback);
int64_t node_int(Diags *diags, const DocNode *map, const char *key, int64_t fallback, int64_t min, int64_t max);
double node_double(Diags *diags, const DocNode *map, const char *key, double fallback, double min, double max);
/* Index in the NULL-terminated list of accepted values. */
int node_enum(Diags *diags, const DocNode *map, const char *key, int fallback, const char *const *values);
int64_t node_duration(Diags *diags, const DocNode *map, const char *key, int64_t fallback_ns);
Mark node_mark(const DocNode *map, const char *key); /* Of the value, else of the map. */

/* The same of a node itself (an item of a sequence); false with a report if it is something else. */
bool node_expect(Diags *diags, const DocNode *node, NodeKind kind);
bool node_read_int(Diags *diags, const DocNode *node, int64_t min, int64_t max, int64_t *ret_value);
bool node_read_bool(Diags *diags, const DocNode *node, bool *ret_value);
bool node_read_enum(Diags *diags, const DocNode *node, const char *const *values, int *ret_value);
bool node_read_duration(Diags *diags, const DocNode *node, int64_t *ret_ns);
/* A scalar that Kubernetes' JSON takes for a string: in quotes, or plain and neither number nor bool. */
bool node_is_string(const DocNode *node);
bool node_is_number(const DocNode *node);

/* Reports at a node: "spec.ports[0].port of Service default/web: <format>". */
void node_diag(Diags *diags, DiagLevel level, const DocNode *node, const char *format, ...) G_GNUC_PRINTF(4, 5);
/* "spec.ports[0].port"; "" for a root. */
void node_path(const DocNode *node, GString *out);
/* "Service default/web" of the object that the node belongs to; "" if it has neither kind nor name. */
void node_object(const DocNode *node, GString *out);

/* Unknown keys: an error (own kinds), a warning if it looks like a slip and else a note "ignored" (Kubernetes kinds:
 * level DIAG_NOTE).  'known' are all real names: to hint at,
 * and, where they are not modelled, never a slip. */
void node_report_unused(Diags *diags, const DocNode *map, DiagLevel level, const char *const *known);
/* Marks every key as known: a part that is kept or ignored as a whole. */
void node_use_all(const DocNode *map);

/* --- Building trees ---------------------------------------------------------------------------------------------- */

bool doc_is_null_text(const char *text, size_t length); /* "null", "~", nothing. */
/* Inline, as a large input has millions. */
static inline DocNode *
doc_scalar(DocArena *arena, Mark mark, const char *text, size_t length, bool quoted)
{
    DocNode *node = doc_arena_alloc(arena, sizeof *node);
    *node = (DocNode){.kind = !quoted && doc_is_null_text(text, length) ? NODE_NULL : NODE_SCALAR,
                      .quoted = quoted,
                      .mark = mark,
                      .text = doc_arena_text(arena, text, length),
                      .text_len = (uint32_t)length};
    return node;
}
/* Copies the pointers; sets the children's parent.  'keys' NULL: a sequence. */
DocNode *doc_container(DocArena *arena, Mark mark, DocNode *const *keys, DocNode *const *items, size_t n);
DocNode *doc_copy(DocArena *arena, const DocNode *node);
/* On one line, in YAML's flow style: {at: 1s, connect: {from: client/laptop}}. */
void doc_write_flow(const DocNode *node, GString *out);
/* The smallest tree that sets 'path' ("spec.externalTrafficPolicy", "spec.ports[0].port", annotation keys in
 * brackets: "metadata.annotations[a.b/c]") to 'value', which is read as YAML flow ("Local", "{a: b}").  NULL with a
 * diagnostic if path or value cannot be read. */
DocNode *doc_from_path(Diags *diags, DocArena *arena, Mark mark, const char *path, const char *value);

#endif
