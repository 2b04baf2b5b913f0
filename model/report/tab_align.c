#include "model/report/tab_align.h"

#include <string.h>

typedef struct {
    char **cells; /* NULL-terminated. */
    guint n;      /* Cells that a tab ends. */
    int *widths;  /* Of those. */
} Line;

static int column_width(const GArray *lines, guint first, guint column, int min_width, int padding, guint *ret_end);

static void
line_clear(gpointer data)
{
    Line *line = data;

    g_strfreev(line->cells);
    g_free(line->widths);
}

static GArray *
split_lines(const char *text)
{
    GArray *lines = g_array_new(FALSE, FALSE, sizeof(Line));

    g_array_set_clear_func(lines, line_clear);
    while (*text) {
        const char *end = strchrnul(text, '\n');
        g_autofree char *line = g_strndup(text, (gsize)(end - text));
        Line l = {.cells = g_strsplit(line, "\t", -1)};
        guint n = g_strv_length(l.cells);
        l.n = n > 0 ? n - 1 : 0;
        l.widths = g_new(int, l.n + 1);
        g_array_append_val(lines, l);
        text = *end ? end + 1 : end;
    }
    return lines;
}

static void
set_widths(const GArray *lines, int min_width, int padding)
{
    guint columns = 0, end;

    for (guint i = 0; i < lines->len; i++)
        columns = MAX(columns, g_array_index(lines, Line, i).n);
    for (guint column = 0; column < columns; column++)
        for (guint i = 0; i < lines->len; i = end) {
            int width = column_width(lines, i, column, min_width, padding, &end);
            for (guint j = i; j < end; j++)
                if (column < g_array_index(lines, Line, j).n)
                    g_array_index(lines, Line, j).widths[column] = width;
        }
}

/* Of the run of lines from 'first' that have the column; its end is behind 'first' at least. */
static int
column_width(const GArray *lines, guint first, guint column, int min_width, int padding, guint *ret_end)
{
    int width = min_width;
    guint i;

    for (i = first; i < lines->len && column < g_array_index(lines, Line, i).n; i++)
        width = MAX(width, (int)g_utf8_strlen(g_array_index(lines, Line, i).cells[column], -1) + padding);
    *ret_end = MAX(i, first + 1);
    return width;
}

void
tab_align(GString *out, const char *text, int min_width, int padding)
{
    g_autoptr(GArray) lines = split_lines(text);

    set_widths(lines, min_width, padding);
    for (guint i = 0; i < lines->len; i++) {
        const Line *line = &g_array_index(lines, Line, i);
        for (guint c = 0; c < line->n; c++)
            g_string_append_printf(out, "%s%*s", line->cells[c],
                                   line->widths[c] - (int)g_utf8_strlen(line->cells[c], -1), "");
        g_string_append(out, line->cells[0] ? line->cells[line->n] : "");
        g_string_append_c(out, '\n');
    }
}
