#ifndef MODEL_REPORT_TEXT_LAYOUT_H
#define MODEL_REPORT_TEXT_LAYOUT_H

/* Tables and paragraphs of plain text, in columns of characters */

#include <glib.h>

/* Of paragraphs and folded tables. */
#define TEXT_WIDTH 110

/* 'header' ends with NULL; each row has as many cells.  Columns are as wide as their widest cell; a row
 * with nothing behind its first cell is a heading, which may be wider. */
void text_table(GString *out, const char *const *header, char *const *const *rows, size_t n_rows);
/* Columns that do not fit beside the first ones come in further tables below, each with the first column. */
void text_table_folded(GString *out, const char *const *header, char *const *const *rows, size_t n_rows);
/* Words in lines; the first begins at 'column', which is where 'out' is now, the others are indented.  Ends the line.
 */
void text_wrap(GString *out, int column, int indent, const char *text);
/* Lines from 'from' on that are wider than a paragraph go on below, 'hang' deeper than they begin. */
void text_fold(GString *out, gsize from, int hang);

#endif
