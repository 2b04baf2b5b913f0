#include "model/input/diag.h"

#include <stdlib.h>
#include <string.h>

#include "sim/engine/vec.h"

#define SHOWN_WIDTH 100 /* Characters of a source line that are shown. */
#define WORD_MAX    64  /* Longer words are not compared. */

typedef struct {
    char *name;
    const char *text; /* Borrowed, owned or mapped; NULL: not loaded. */
    size_t size;
    char *owned;
    GMappedFile *mapped;
    bool tried;           /* To read it again. */
    uint32_t cursor_line; /* Line that begins at cursor_at: printing is in order of lines. */
    size_t cursor_at;
    uint32_t counts[DIAG_N_LEVELS];
} DiagFile;

typedef struct {
    DiagLevel level;
    Mark at;
    uint32_t order; /* Of arrival. */
    char *text;
    GString *extra; /* Lines below, each with its newline. */
} Diag;

struct Diags {
    VEC(DiagFile) files;
    VEC(Diag) list;
    GHashTable *once;
    bool last_dropped; /* Hints for a diagnostic beyond the limit go nowhere. */
    uint32_t n_level[DIAG_N_LEVELS];
};

static const char *const level_names[] = {"error", "warning", "note"};

static int compare_diags(const void *a, const void *b);
static void print_diag(Diags *diags, const Diag *d, FILE *out);
static void print_source_line(Diags *diags, const Diag *d, FILE *out);
static bool find_line(DiagFile *file, uint32_t line, const char **ret_text, size_t *ret_len);
static uint32_t word_distance(const char *a, const char *b, uint32_t limit);

Diags *
diags_new(void)
{
    Diags *diags = g_new0(Diags, 1);
    diags->once = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    diags_add_file(diags, "(none)", "", 0);
    return diags;
}

void
diags_free(Diags *diags)
{
    if (!diags)
        return;
    for (size_t i = 0; i < diags->files.len; i++) {
        DiagFile *f = &diags->files.data[i];
        g_free(f->name);
        g_free(f->owned);
        g_clear_pointer(&f->mapped, g_mapped_file_unref);
    }
    for (size_t i = 0; i < diags->list.len; i++) {
        g_free(diags->list.data[i].text);
        g_string_free(diags->list.data[i].extra, TRUE);
    }
    vec_clear(&diags->files);
    vec_clear(&diags->list);
    g_hash_table_unref(diags->once);
    g_free(diags);
}

uint32_t
diags_add_file(Diags *diags, const char *name, const char *text, size_t size)
{
    DiagFile file = {.name = g_strdup(name), .text = text, .size = size, .cursor_line = 1};
    vec_push(&diags->files, file);
    return (uint32_t)diags->files.len - 1;
}

void
diags_drop_text(Diags *diags, uint32_t file, char *owned)
{
    DiagFile *f = &diags->files.data[file];
    f->owned = owned;
    f->text = owned;
    if (!owned)
        f->size = 0;
    f->cursor_line = 1;
    f->cursor_at = 0;
}

const char *
diags_file_name(const Diags *diags, uint32_t file)
{
    return file < diags->files.len ? diags->files.data[file].name : "?";
}

void
diag_format_place(const Diags *diags, Mark at, GString *out)
{
    g_string_append(out, diags_file_name(diags, at.file));
    if (at.line)
        g_string_append_printf(out, ":%u", at.line);
    if (at.line && at.column)
        g_string_append_printf(out, ":%u", at.column);
}

void
diag(Diags *diags, DiagLevel level, Mark at, const char *format, ...)
{
    DiagFile *file = &diags->files.data[at.file < diags->files.len ? at.file : 0];
    diags->n_level[level]++;
    diags->last_dropped = ++file->counts[level] > DIAG_MAX;
    if (diags->last_dropped)
        return;
    va_list args;
    va_start(args, format);
    Diag d = {level, at, (uint32_t)diags->list.len, g_strdup_vprintf(format, args), g_string_new(NULL)};
    va_end(args);
    vec_push(&diags->list, d);
}

void
diag_hint(Diags *diags, const char *format, ...)
{
    if (diags->last_dropped || !diags->list.len)
        return;
    va_list args;
    va_start(args, format);
    GString *extra = vec_last(&diags->list)->extra;
    g_string_append(extra, "hint: ");
    g_string_append_vprintf(extra, format, args);
    g_string_append_c(extra, '\n');
    va_end(args);
}

void
diag_note(Diags *diags, Mark at, const char *format, ...)
{
    if (diags->last_dropped || !diags->list.len)
        return;
    va_list args;
    va_start(args, format);
    GString *extra = vec_last(&diags->list)->extra;
    g_string_append(extra, "note: ");
    g_string_append_vprintf(extra, format, args);
    if (at.line) {
        g_string_append(extra, " (");
        diag_format_place(diags, at, extra);
        g_string_append_c(extra, ')');
    }
    g_string_append_c(extra, '\n');
    va_end(args);
}

void
diag_did_you_mean(Diags *diags, const char *word, const char *const *known)
{
    const char *near = diags->last_dropped ? NULL : closest_word(word, known);
    if (near)
        diag_hint(diags, "did you mean \"%s\"?", near);
}

bool
diag_once(Diags *diags, const char *key)
{
    if (g_hash_table_contains(diags->once, key))
        return false;
    g_hash_table_add(diags->once, g_strdup(key));
    return true;
}

uint32_t
diags_errors(const Diags *diags)
{
    return diags->n_level[DIAG_ERROR];
}

uint32_t
diags_warnings(const Diags *diags)
{
    return diags->n_level[DIAG_WARNING];
}

void
diags_print(Diags *diags, FILE *out, DiagLevel least)
{
    g_autofree Diag *sorted = g_new(Diag, diags->list.len + 1);
    if (diags->list.len)
        memcpy(sorted, diags->list.data, diags->list.len * sizeof *sorted);
    qsort(sorted, diags->list.len, sizeof *sorted, compare_diags);
    for (size_t i = 0; i < diags->list.len; i++)
        if (sorted[i].level <= least)
            print_diag(diags, &sorted[i], out);
    for (size_t i = 0; i < diags->files.len; i++) {
        const DiagFile *f = &diags->files.data[i];
        for (DiagLevel level = DIAG_ERROR; level <= least; level++)
            if (f->counts[level] > DIAG_MAX)
                fprintf(out, "%s: %u more %ss not shown\n", f->name, f->counts[level] - DIAG_MAX, level_names[level]);
    }
}

const char *
closest_word(const char *word, const char *const *known)
{
    size_t len = strlen(word);
    uint32_t limit = len <= 2 ? 1 : len <= 5 ? 2 : 3;
    const char *best = NULL;
    for (; *known; known++) {
        uint32_t d = word_distance(word, *known, limit);
        if (d <= limit && d < MAX(len, strlen(*known))) {
            best = *known;
            if (d == 0)
                break;
            limit = d - 1;
        }
    }
    return best;
}

static int
compare_diags(const void *a, const void *b)
{
    const Diag *x = a, *y = b;
    if (x->at.file != y->at.file)
        return x->at.file < y->at.file ? -1 : 1;
    if (x->at.line != y->at.line)
        return x->at.line < y->at.line ? -1 : 1;
    if (x->at.column != y->at.column)
        return x->at.column < y->at.column ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void
print_diag(Diags *diags, const Diag *d, FILE *out)
{
    g_autoptr(GString) place = g_string_new(NULL);
    if (d->at.file)
        diag_format_place(diags, d->at, place);
    fprintf(out, "%s%s%s: %s\n", place->str, place->len ? ": " : "", level_names[d->level], d->text);
    print_source_line(diags, d, out);
    for (const char *line = d->extra->str; *line;) {
        const char *end = strchr(line, '\n');
        fprintf(out, "         %.*s\n", (int)(end - line), line);
        line = end + 1;
    }
}

/* The line, cut around the column where it is long; tabs and control characters become one blank. */
static void
print_source_line(Diags *diags, const Diag *d, FILE *out)
{
    const char *text;
    size_t len;
    if (!d->at.file || d->at.file >= diags->files.len ||
        !find_line(&diags->files.data[d->at.file], d->at.line, &text, &len))
        return;
    uint32_t column = MAX(d->at.column, 1);
    uint32_t first = column > SHOWN_WIDTH * 3 / 4 ? column - SHOWN_WIDTH / 2 : 1;
    g_autoptr(GString) shown = g_string_new(first > 1 ? "..." : "");
    uint32_t at = 0, n_shown = 0;
    bool cut = false;
    for (size_t i = 0; i < len && !cut;) {
        const char *next = text + i + 1;
        while (next < text + len && ((uint8_t)*next & 0xc0) == 0x80)
            next++;
        size_t n = (size_t)(next - (text + i));
        if (++at >= first && n_shown++ < SHOWN_WIDTH) {
            if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
                g_string_append_c(shown, ' ');
            else if (g_utf8_validate(text + i, (gssize)n, NULL))
                g_string_append_len(shown, text + i, (gssize)n);
            else
                g_string_append_c(shown, '?');
        }
        cut = n_shown > SHOWN_WIDTH;
        i += n;
    }
    if (cut)
        g_string_append(shown, "...");
    fprintf(out, "%5u | %s\n", d->at.line, shown->str);
    if (!d->at.column)
        return;
    uint32_t blanks = column - first + (first > 1 ? 3 : 0);
    uint32_t length = MIN(MAX(d->at.length, 1), SHOWN_WIDTH - MIN(blanks, SHOWN_WIDTH - 1));
    fprintf(out, "      | %*s^", (int)blanks, "");
    for (uint32_t i = 1; i < length; i++)
        fputc('~', out);
    fputc('\n', out);
}

static bool
find_line(DiagFile *file, uint32_t line, const char **ret_text, size_t *ret_len)
{
    if (!line)
        return false;
    if (!file->text && !file->tried) {
        file->tried = true;
        file->mapped = g_mapped_file_new(file->name, FALSE, NULL);
        if (file->mapped) {
            file->text = g_mapped_file_get_contents(file->mapped);
            file->size = g_mapped_file_get_length(file->mapped);
        }
    }
    if (!file->text)
        return false;
    if (line < file->cursor_line) {
        file->cursor_line = 1;
        file->cursor_at = 0;
    }
    while (file->cursor_line < line) {
        const char *nl = memchr(file->text + file->cursor_at, '\n', file->size - file->cursor_at);
        if (!nl)
            return false;
        file->cursor_at = (size_t)(nl - file->text) + 1;
        file->cursor_line++;
    }
    const char *start = file->text + file->cursor_at;
    size_t left = file->size - file->cursor_at;
    const char *nl = left ? memchr(start, '\n', left) : NULL;
    size_t len = nl ? (size_t)(nl - start) : left;
    if (len && start[len - 1] == '\r')
        len--;
    *ret_text = start;
    *ret_len = len;
    return true;
}

/* Edit distance with transpositions of neighbours, case ignored; more than 'limit' if it is, however much.  A cell that
 * is farther from the diagonal than the limit cannot count: there may be 100,000 words to compare with. */
static uint32_t
word_distance(const char *a, const char *b, uint32_t limit)
{
    const uint32_t far = 2 * WORD_MAX;
    size_t n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX || (n > m ? n - m : m - n) > limit)
        return far;
    uint32_t rows[3][WORD_MAX + 2];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (uint32_t)j;
    uint32_t least_before = 0;
    for (size_t i = 1; i <= n; i++) {
        uint32_t *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];
        size_t low = i > limit ? i - limit : 1, high = MIN(m, i + limit);
        uint32_t least = row[low - 1] = low == 1 ? (uint32_t)i : far;
        for (size_t j = low; j <= high; j++) {
            char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);
            uint32_t best = MIN(up[j] + 1, row[j - 1] + 1);
            best = MIN(best, up[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) && y == g_ascii_tolower(a[i - 2]))
                best = MIN(best, up2[j - 2] + 1);
            row[j] = best;
            least = MIN(least, best);
        }
        row[high + 1] = far;
        if (least > limit && least_before > limit)
            return far;
        least_before = least;
    }
    return rows[n % 3][m];
}
