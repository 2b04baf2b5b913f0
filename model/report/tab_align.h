#ifndef MODEL_REPORT_TAB_ALIGN_H
#define MODEL_REPORT_TAB_ALIGN_H

/* Columns: text with tabs in, aligned text out
 *
 * The rule is that of Go's text/tabwriter, with which kubectl lays out everything: a tab ends a cell; the cells of one
 * column on consecutive lines are as wide as the widest of them plus 'padding', at least 'min_width'; what stands
 * behind a line's last tab is not part of a column.  Widths count characters, not bytes. */

#include <glib.h>

/* kubectl get and kubectl describe. */
#define TAB_GET_MIN          6
#define TAB_GET_PADDING      3
#define TAB_DESCRIBE_MIN     0
#define TAB_DESCRIBE_PADDING 2

void tab_align(GString *out, const char *text, int min_width, int padding);

#endif
