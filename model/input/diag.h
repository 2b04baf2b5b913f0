#ifndef MODEL_INPUT_DIAG_H
#define MODEL_INPUT_DIAG_H

/* Diagnostics: everything wrong with the user's input, by place
 *
 * Readers go on after each error, so that one run shows them all (at most DIAG_MAX per file, then a count).  Libraries
 * only collect; tools/ prints.  A message names the object, the field path, the offending value and the accepted set;
 * lower case, no full stop. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DIAG_MAX 100

/* A place in an input file; line and column from 1; 0: unknown. */
typedef struct {
    uint32_t file; /* Index in Diags' files. */
    uint32_t line;
    uint16_t column, length; /* Length of the underlined text, 0: one caret. */
} Mark;

typedef enum { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } DiagLevel;

typedef struct Diags Diags;

Diags *diags_new(void);
void diags_free(Diags *diags);
/* Registers an input file; 'text' is borrowed for showing lines (may be NULL: lines are read from the file again). */
uint32_t diags_add_file(Diags *diags, const char *name, const char *text, size_t size);
const char *diags_file_name(const Diags *diags, uint32_t file);

void diag(Diags *diags, DiagLevel level, Mark at, const char *format, ...) G_GNUC_PRINTF(4, 5);
/* Adds a hint or note line to the last diagnostic. */
void diag_hint(Diags *diags, const char *format, ...) G_GNUC_PRINTF(2, 3);
void diag_note(Diags *diags, Mark at, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* "did you mean "x"?" if one of 'known' (NULL-terminated) is close to 'word'. */
void diag_did_you_mean(Diags *diags, const char *word, const char *const *known);

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
