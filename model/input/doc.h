#ifndef MODEL_INPUT_DOC_H
#define MODEL_INPUT_DOC_H

/* Documents: YAML and JSON as small trees with places, one object at a time
 *
 * A DocReader streams: it yields one node tree per document, and for `kind: List` one per item, in an arena that the
 * next call reuses.  A large input is never a tree as a whole.  Anchors and aliases are expanded (within limits).  JSON
 * is recognised and read by the same calls.  Limits: depth, size of a scalar, alias expansion, objects per file; each
 * has a clear message.  Duplicate keys of a mapping are errors. */

#include "model/input/diag.h"

typedef enum { NODE_NULL, NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING } NodeKind;

typedef struct DocNode DocNode;
struct DocNode {
    NodeKind kind;
    bool quoted; /* Scalar in quotes: always a string. */
    Mark mark;
    const char *text; /* Scalar; NUL-terminated. */
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
/* The next object's root mapping, or NULL at the end.  A syntax error is reported and ends the file. */
DocNode *doc_reader_next(DocReader *reader);
uint64_t doc_reader_bytes(const DocReader *reader); /* Consumed so far, and the size, for progress. */
uint64_t doc_reader_size(const DocReader *reader);

/* --- Typed readers ----------------------------------------------------------------------------------------------
 * 'map' may be NULL (an absent parent): then everything is absent.  A wrong type or value is reported once, with the
 * field path, and reads as absent.  Each call marks the key as known. */

DocNode *node_get(const DocNode *map, const char *key);
/* A mapping or sequence child; reports another kind. */
DocNode *node_map(Diags *diags, const DocNode *map, const char *key);
DocNode *node_seq(Diags *diags, const DocNode *map, const char *key);
/* Required: a missing key is an error at the map's place. */
DocNode *node_require(Diags *diags, const DocNode *map, const char *key);

const char *node_str(Diags *diags, const DocNode *map, const char *key, const char *fallback);
bool node_bool(Diags *diags, const DocNode *map, const char *key, bool fallback);
int64_t node_int(Diags *diags, const DocNode *map, const char *key, int64_t fallback, int64_t min, int64_t max);
double node_double(Diags *diags, const DocNode *map, const char *key, double fallback, double min, double max);
/* Index in the NULL-terminated list of accepted values. */
int node_enum(Diags *diags, const DocNode *map, const char *key, int fallback, const char *const *values);
int64_t node_duration(Diags *diags, const DocNode *map, const char *key, int64_t fallback_ns);
Mark node_mark(const DocNode *map, const char *key); /* Of the value, else of the map. */

/* Unknown keys: an error (own kinds) or a note "ignored" (Kubernetes kinds). */
void node_report_unused(Diags *diags, const DocNode *map, DiagLevel level, const char *where, const char *const *known);

#endif
