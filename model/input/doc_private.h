#ifndef MODEL_INPUT_DOC_PRIVATE_H
#define MODEL_INPUT_DOC_PRIVATE_H

/* What the two formats share: the state of a DocReader and the building of its trees
 *
 * A format (doc_yaml.c, doc_json.c) implements FormatOps.  Children wait on 'pending' until their container closes.
 * doc.c decides when a root mapping is a list whose items are handed out one by one; `items` may come before `kind`
 * (kubectl sorts keys), so it streams first and looks at the kind when it sees it. */

#include "model/input/doc.h"
#include "sim/engine/vec.h"

typedef enum { ROOT_END, ROOT_MAPPING, ROOT_FAILED } RootResult;
typedef enum { PAIR_END, PAIR_READ, PAIR_ITEMS, PAIR_FAILED } PairResult;

typedef struct {
    /* Goes into the next document's root mapping; reports and skips anything else. */
    RootResult (*open_root)(DocReader *reader, Mark *ret_mark);
    /* Next pair of the root; PAIR_ITEMS: key `items` and its sequence was opened (streaming). */
    PairResult (*read_pair)(DocReader *reader, DocNode **ret_key, DocNode **ret_value);
    /* Next item of the streamed sequence: PAIR_END after the last. */
    PairResult (*read_item)(DocReader *reader, DocNode **ret_item);
    /* After PAIR_FAILED or ROOT_FAILED: to the next document, false if there is none that can be read. */
    bool (*resync)(DocReader *reader);
    uint64_t (*position)(const DocReader *reader);
    void (*close)(DocReader *reader);
} FormatOps;

struct DocReader {
    Diags *diags;
    uint32_t file;
    const FormatOps *ops;
    void *format; /* Of the format, owned by it. */
    const char *text;
    size_t size;
    GMappedFile *mapped;
    char *owned;

    DocArena arena;
    VEC(DocNode *) pending;
    uint32_t n_nodes, n_objects;
    bool ended, in_list, list_item_read;
    bool stream_items; /* An `items` sequence may be streamed: no known kind forbids it. */
    Mark list_mark, root_mark;
    char *kind; /* Of the root being read, NULL: not seen yet. */
    char *item_kind;
};

extern const FormatOps doc_yaml_ops, doc_json_ops;

void doc_yaml_open(DocReader *reader);
void doc_json_open(DocReader *reader);

/* Limits: false with a report.  Inline, as each value of a large input is checked. */
static inline bool
doc_check_depth(DocReader *reader, Mark at, uint32_t depth)
{
    if (depth <= DOC_MAX_DEPTH)
        return true;
    diag(reader->diags, DIAG_ERROR, at, "nested deeper than %d levels", DOC_MAX_DEPTH);
    return false;
}

static inline bool
doc_check_scalar(DocReader *reader, Mark at, size_t length)
{
    if (length <= DOC_MAX_SCALAR)
        return true;
    diag(reader->diags, DIAG_ERROR, at, "text of %zu bytes is longer than %u", length, DOC_MAX_SCALAR);
    return false;
}

static inline bool
doc_check_items(DocReader *reader, Mark at, size_t n)
{
    if (n <= DOC_MAX_ITEMS)
        return true;
    diag(reader->diags, DIAG_ERROR, at, "more than %u entries in one list or mapping", DOC_MAX_ITEMS);
    return false;
}

static inline bool
doc_check_nodes(DocReader *reader, Mark at)
{
    if (++reader->n_nodes <= DOC_MAX_NODES)
        return true;
    diag(reader->diags, DIAG_ERROR, at, "object of more than %u values", DOC_MAX_NODES);
    return false;
}

/* Closes the container whose children are pending from 'first' on (for a mapping: key, value, key, ...). */
DocNode *doc_close_sequence(DocReader *reader, Mark at, size_t first);
DocNode *doc_close_mapping(DocReader *reader, Mark at, size_t first);

#endif
