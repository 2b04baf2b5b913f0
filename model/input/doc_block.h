#ifndef MODEL_INPUT_DOC_BLOCK_H
#define MODEL_INPUT_DOC_BLOCK_H

/* YAML as kubectl prints it, without libyaml
 *
 * A document is first scanned as a whole: if it keeps to the subset below, it is read here, at several times the speed;
 * else it is handed over to libyaml, so that what lies outside gets libyaml's meaning and messages.  Both give the same
 * trees with the same marks.
 *
 * The subset: printable ASCII; block mappings and sequences (of a mapping also without indentation, as kubectl writes
 * them); keys of letters, digits and "_./-"; texts that end with their line, plain or in quotes without escapes; {} and
 * []; lines that are blank or a comment.  Documents begin with a bare "---" or the file. */

#include "model/input/doc_private.h"

typedef struct {
    const char *text, *end;
    const char *start, *at, *eol; /* Of the line: its start, what is not read yet, its end. */
    uint32_t line;                /* From 1. */
    bool odd_comment;             /* One of other bytes than the subset's. */
    bool ended;                   /* No line of this document is left: at "---", or at the end of the file. */
    uint32_t items_column;        /* Of the sequence whose items are streamed. */
    uint32_t error_line;          /* After a failure (of a limit, reported): reading may go on behind it. */
} Block;

typedef enum { BLOCK_END, BLOCK_MAPPING, BLOCK_OTHER /* Not of the subset: begins at 'start'. */ } BlockRoot;

void doc_block_init(Block *block, const char *text, size_t size);
/* Goes into the next document's root mapping. */
BlockRoot doc_block_open_root(DocReader *reader, Block *block, Mark *ret_mark);
/* As FormatOps. */
PairResult doc_block_read_pair(DocReader *reader, Block *block, DocNode **ret_key, DocNode **ret_value);
PairResult doc_block_read_item(DocReader *reader, Block *block, DocNode **ret_item);

#endif
