#include "model/report/text_layout.h"

#include <stdbool.h>
#include <string.h>

/* Between columns of a table. */
#define GAP 3

/* Has a row a first cell only?  It may go on over the others. */
static bool
is_heading(char *const *cells)
{
    for (char *const *cell = cells + 1; *cells && *cell; cell++)
        if (**cell)
            return false;
    return cells[0] && cells[1];
}

static glong *
column_widths(const char *const *header, char *const *const *rows, size_t n_rows, guint n_columns)
{
    glong *widths = g_new0(glong, n_columns);

    for (guint c = 0; c < n_columns; c++) {
        widths[c] = g_utf8_strlen(header[c], -1);
        for (size_t r = 0; r < n_rows; r++)
            if (c > 0 || !is_heading(rows[r]))
                widths[c] = MAX(widths[c], g_utf8_strlen(rows[r][c], -1));
    }
    return widths;
}

/* Column 0 and columns from 'from' to before 'to'. */
static void
put_line(GString *out, const char *const *cells, const glong *widths, guint from, guint to)
{
    for (guint c = 0; c < to; c = c ? c + 1 : from) {
        g_string_append(out, cells[c]);
        for (glong pad = g_utf8_strlen(cells[c], -1); c + 1 < to && pad < widths[c] + GAP; pad++)
            g_string_append_c(out, ' ');
    }
    while (out->len > 0 && out->str[out->len - 1] == ' ')
        g_string_truncate(out, out->len - 1);
    g_string_append_c(out, '\n');
}

static void
put_table(GString *out, const char *const *header, char *const *const *rows, size_t n_rows, glong most)
{
    guint n_columns = g_strv_length((char **)header);
    g_autofree glong *widths = column_widths(header, rows, n_rows, n_columns);

    for (guint from = 1, to; from < MAX(n_columns, 2); from = to) {
        glong width = widths[0];
        for (to = from; to < n_columns && (to == from || width + GAP + widths[to] <= most); to++)
            width += GAP + widths[to];
        if (from > 1)
            g_string_append_c(out, '\n');
        put_line(out, header, widths, from, to);
        for (size_t r = 0; r < n_rows; r++)
            put_line(out, (const char *const *)rows[r], widths, from, to);
        to = MAX(to, from + 1);
    }
}

void
text_table(GString *out, const char *const *header, char *const *const *rows, size_t n_rows)
{
    put_table(out, header, rows, n_rows, G_MAXLONG / 2);
}

void
text_table_folded(GString *out, const char *const *header, char *const *const *rows, size_t n_rows)
{
    put_table(out, header, rows, n_rows, TEXT_WIDTH);
}

void
text_wrap(GString *out, int column, int indent, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    for (char **word = words; *word; word++) {
        int width = (int)g_utf8_strlen(*word, -1);
        if (word > words && column + 1 + width > TEXT_WIDTH) {
            while (out->len > 0 && out->str[out->len - 1] == ' ')
                g_string_truncate(out, out->len - 1);
            g_string_append_printf(out, "\n%*s", indent, "");
            column = indent;
        } else if (word > words) {
            g_string_append_c(out, ' ');
            column++;
        }
        g_string_append(out, *word);
        column += width;
    }
    g_string_append_c(out, '\n');
}

void
text_fold(GString *out, gsize from, int hang)
{
    g_auto(GStrv) lines = g_strsplit(out->str + from, "\n", -1);

    g_string_truncate(out, from);
    for (char **line = lines; *line; line++) {
        int indent = (int)strspn(*line, " ");
        if (line[1] && g_utf8_strlen(*line, -1) > TEXT_WIDTH) {
            g_string_append_printf(out, "%*s", indent, "");
            /* However deep the calls are, a word or two stand beside each other. */
            text_wrap(out, indent, MIN(indent + hang, TEXT_WIDTH / 2), *line + indent);
        } else {
            g_string_append_printf(out, "%s%s", *line, line[1] ? "\n" : "");
        }
    }
}
