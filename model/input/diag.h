#ifndef MODEL_INPUT_DIAG_H
#define MODEL_INPUT_DIAG_H

/* Diagnostics: everything wrong with the user's input, by place
 *
 * Readers go on after each error, so that one run shows them all (at most DIAG_MAX of each level per file, then a
 * count).  Libraries only collect; tools/ prints.  A message names the object, the field path, the offending value and
 * the accepted set; lower case, no full stop. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DIAG_MAX 100

/* A place in an input file; line and column (in characters) from 1; 0: unknown. */
typedef struct {
    uint16_t file;   /* Index in Diags' files. */
    uint16_t length; /* Of the underlined text, 0: one caret. */
    uint32_t line, column;
} Mark;

typedef enum { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } DiagLevel;
#define DIAG_N_LEVELS 3

typedef struct Diags Diags;

Diags *diags_new(void);
void diags_free(Diags *diags);
/* Registers an input file; 'text' is borrowed for showing lines until diags_drop_text() (may be NULL: lines are read
 * from the file again). */
uint32_t diags_add_file(Diags *diags, const char *name, const char *text, size_t size);
/* The text goes away.  A file that cannot be read twice (a pipe) leaves its text with Diags: 'owned' (g_malloc). */
void diags_drop_text(Diags *diags, uint32_t file, char *owned);
const char *diags_file_name(const Diags *diags, uint32_t file);
/* "shop.yaml:14:3", "shop.yaml" if the line is unknown. */
void diag_format_place(const Diags *diags, Mark at, GString *out);

void diag(Diags *diags, DiagLevel level, Mark at, const char *format, ...) G_GNUC_PRINTF(4, 5);
/* Adds a hint or note line to the last diagnostic. */
void diag_hint(Diags *diags, const char *format, ...) G_GNUC_PRINTF(2, 3);
void diag_note(Diags *diags, Mark at, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* "did you mean "x"?" if one of 'known' (NULL-terminated) is close to 'word'. */
void diag_did_you_mean(Diags *diags, const char *word, const char *const *known);
/* True the first time this key is asked: for messages that are given once per run. */
bool diag_once(Diags *diags, const char *key);

uint32_t diags_errors(const Diags *diags);
uint32_t diags_warnings(const Diags *diags);
/* In order of file, line, column; with source line and carets:
 *   shop.yaml:14:3: error: unknown field "x" in Service default/web
 *      14 |   x: Local
 *         |   ^
 *         hint: did you mean ...                                                                                     */
void diags_print(Diags *diags, FILE *out, DiagLevel least);

/* Closest of 'known' by edit distance (case ignored) or NULL if none is near. */
const char *closest_word(const char *word, const char *const *known);

#endif
