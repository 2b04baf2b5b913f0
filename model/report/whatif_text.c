/* whatif's columns as text */

#include "model/report/text_layout.h"
#include "model/report/whatif_private.h"

#include <inttypes.h>
#include <string.h>

/* Kinds of changed flows that are listed. */
#define MOST_CHANGES 20
/* Where the lines of a paragraph begin. */
#define INDENT 14

static char *
cell(const WhatifColumn *column, const Figure *figure)
{
    Estimate e = whatif_estimate(column, figure);
    g_autoptr(GString) text = g_string_new(NULL);
    size_t percent = strlen(figure->format) > 3 && g_str_has_suffix(figure->format, "%%");

    if (!column->runs[0].measures)
        return g_strdup("-");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    g_string_printf(text, figure->format, e.mean);
#pragma GCC diagnostic pop
    if (column->n_runs > 1)
        g_string_append_printf(text, " ± %.2f%s", e.half_width, percent ? " %" : "");
    return g_strdup(text->str);
}

static char *
column_name(const WhatifColumn *column)
{
    bool interrupted = false;

    for (size_t i = 0; i < column->n_runs; i++)
        interrupted |= column->runs[i].interrupted;
    return g_strconcat(column->variant->name, interrupted ? " (interrupted)" : "", NULL);
}

static uint32_t
lost_by(const Measures *m, const char *reason)
{
    for (uint32_t i = 0; m && i < m->n_reasons; i++)
        if (strcmp(m->reasons[i].reason, reason) == 0)
            return m->reasons[i].n;
    return 0;
}

/* A row for each reason that occurs in the first run of any variant. */
static void
add_reason_rows(GPtrArray *rows, const WhatifColumn *columns, size_t n)
{
    g_autoptr(GPtrArray) seen = g_ptr_array_new();

    for (size_t c = 0; c < n; c++) {
        const Measures *m = columns[c].runs[0].measures;
        for (uint32_t i = 0; m && i < m->n_reasons; i++) {
            const char *reason = m->reasons[i].reason;
            char **row;
            if (g_ptr_array_find_with_equal_func(seen, reason, g_str_equal, NULL))
                continue;
            g_ptr_array_add(seen, (gpointer)reason);
            row = g_new0(char *, n + 2);
            row[0] = g_strdup_printf("  %s", reason);
            for (size_t k = 0; k < n; k++)
                row[k + 1] = g_strdup_printf("%u", lost_by(columns[k].runs[0].measures, reason));
            g_ptr_array_add(rows, row);
        }
    }
}

static void
print_figures(GString *out, const WhatifColumn *columns, size_t n)
{
    g_autofree const char **header = g_new0(const char *, n + 2);
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);

    g_autoptr(GPtrArray) names = g_ptr_array_new_full((guint)n, g_free);

    g_ptr_array_set_size(names, (gint)n);
    header[0] = "";
    for (size_t c = 0; c < n; c++)
        header[c + 1] = names->pdata[c] = column_name(&columns[c]);
    for (size_t f = 0; f < whatif_n_figures; f++) {
        char **row = g_new0(char *, n + 2);
        row[0] = g_strdup(whatif_figures[f].label);
        for (size_t c = 0; c < n; c++)
            row[c + 1] = cell(&columns[c], &whatif_figures[f]);
        g_ptr_array_add(rows, row);
        if (strcmp(whatif_figures[f].key, "lost") == 0)
            add_reason_rows(rows, columns, n);
    }
    text_table_folded(out, header, (char *const *const *)rows->pdata, rows->len);
}

static void
print_paragraph(GString *out, const char *label, const char *text)
{
    g_string_append_printf(out, "      %-*s", INDENT - 6, label);
    text_wrap(out, INDENT, INDENT, text);
}

/* " (3 timed out, 1 reset)" */
static void
print_ways(GString *out, const LossWindow *w)
{
    const struct {
        uint32_t n;
        const char *name;
    } ways[] = {{w->timed_out, "timed out"}, {w->refused, "refused"}, {w->reset, "reset"}};
    const char *before = " (";

    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        if (ways[i].n == 0)
            continue;
        g_string_append_printf(out, "%s%u %s", before, ways[i].n, ways[i].name);
        before = ", ";
    }
    if (*before == ',')
        g_string_append_c(out, ')');
}

void
whatif_print_window(GString *out, const LossWindow *w)
{
    g_string_append_printf(out, "  %.3f s", (double)w->start / SIMTIME_SEC);
    if (MAX(w->closed, w->end) > w->start)
        g_string_append_printf(out, " to %.3f s", (double)MAX(w->closed, w->end) / SIMTIME_SEC);
    g_string_append_printf(out, ": %u lost", w->lost);
    print_ways(out, w);
    if (w->closed > w->end)
        g_string_append_printf(out, ", the last at %.3f s", (double)w->end / SIMTIME_SEC);
    g_string_append_c(out, '\n');
    print_paragraph(out, "cause:", w->cause);
    print_paragraph(out, "clock:", w->clock);
    print_paragraph(out, "fix:", w->fix);
}

static void
print_windows(GString *out, const WhatifColumn *column)
{
    const Measures *m = column->runs[0].measures;

    if (!m || m->n_windows == 0)
        return;
    g_string_append_printf(out, "\nLOSSES of %s%s\n", column->variant->name, column->n_runs > 1 ? ", first seed" : "");
    for (uint32_t i = 0; i < m->n_windows; i++)
        whatif_print_window(out, &m->windows[i]);
}

static void
print_health(GString *out, const WhatifColumn *column)
{
    const Measures *m = column->runs[0].measures;
    bool any = false;

    for (uint32_t i = 0; m && i < m->n_health; i++) {
        const HealthChange *h = &m->health[i];
        if (h->at == 0)
            continue;
        if (!any)
            g_string_append_printf(out, "\nLOAD BALANCER TARGETS of %s\n", column->variant->name);
        any = true;
        g_string_append_printf(out, "  %.3f s %s: %s %s (%s)\n", (double)h->at / SIMTIME_SEC, h->lb, h->target,
                               lb_target_state_name(h->state), h->cause);
    }
}

static void
print_shares(GString *out, const WhatifColumn *column)
{
    static const char *const header[] = {"  POD", "CONNECTIONS", "SHARE", "EXPECTED AT THE START", NULL};
    const Measures *m = column->runs[0].measures;
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    uint64_t total = 0;

    for (uint32_t i = 0; m && i < m->n_pods; i++)
        total += m->pods[i].connections;
    for (uint32_t i = 0; m && i < m->n_pods; i++) {
        const PodShare *pod = &m->pods[i];
        char **row = g_new0(char *, G_N_ELEMENTS(header));
        row[0] = g_strdup_printf("  %s", pod->pod);
        row[1] = g_strdup_printf("%u", pod->connections);
        row[2] = g_strdup_printf("%.2f %%", total ? 100.0 * pod->connections / (double)total : 0);
        row[3] = pod->expected >= 0 ? g_strdup_printf("%.2f %%", 100 * pod->expected) : g_strdup("-");
        g_ptr_array_add(rows, row);
    }
    if (rows->len == 0)
        return;
    g_string_append_printf(out, "\nCONNECTIONS PER POD of %s\n", column->variant->name);
    text_table(out, header, (char *const *const *)rows->pdata, rows->len);
}

static void
print_zones(GString *out, const WhatifColumn *column)
{
    const Measures *m = column->runs[0].measures;

    if (!m || m->n_zone_bytes == 0)
        return;
    g_string_append_printf(out, "\nBYTES ACROSS ZONES of %s\n", column->variant->name);
    for (uint32_t i = 0; i < m->n_zone_bytes; i++) {
        const ZoneBytes *z = &m->zone_bytes[i];
        g_string_append_printf(out, "  %s to %s: %" PRIu64 " in %" PRIu64 " packets\n", z->from, z->to, z->bytes,
                               z->packets);
    }
    for (uint32_t i = 0; i < m->n_destination_bytes; i++)
        g_string_append_printf(out, "  of connections to %s, both ways: %" PRIu64 "\n", m->destination_bytes[i].to,
                               m->destination_bytes[i].bytes);
}

/* --- Changed flows ----------------------------------------------------------------------------------------------- */

/* Flows of one load that ended alike before, and alike now. */
typedef struct {
    const char *group; /* NULL: a flow alone. */
    const FlowDigest *first_before, *first_after;
    char *was, *is;
    SimTime from, to;
    uint32_t n;
} ChangeKind;

static void
change_kind_clear(gpointer data)
{
    ChangeKind *kind = data;

    g_free(kind->was);
    g_free(kind->is);
}

static void
add_change(const FlowDigest *before, const FlowDigest *after, void *user)
{
    GArray *kinds = user;
    g_autofree char *was = whatif_digest_text(before, false);
    g_autofree char *is = whatif_digest_text(after, false);

    for (guint i = 0; before->group && i < kinds->len; i++) {
        ChangeKind *kind = &g_array_index(kinds, ChangeKind, i);
        if (g_strcmp0(kind->group, before->group) != 0 || strcmp(kind->was, was) != 0 || strcmp(kind->is, is) != 0)
            continue;
        kind->to = before->start;
        kind->n++;
        return;
    }
    ChangeKind kind = {.group = before->group,
                       .first_before = before,
                       .first_after = after,
                       .was = g_steal_pointer(&was),
                       .is = g_steal_pointer(&is),
                       .from = before->start,
                       .to = before->start,
                       .n = 1};
    g_array_append_val(kinds, kind);
}

static void
print_change(GString *out, const ChangeKind *kind)
{
    if (kind->n > 1) {
        g_string_append_printf(out, "  %u of %s, %.3f s to %.3f s\n", kind->n, kind->group,
                               (double)kind->from / SIMTIME_SEC, (double)kind->to / SIMTIME_SEC);
        print_paragraph(out, "before:", kind->was);
        print_paragraph(out, "now:", kind->is);
    } else {
        g_autofree char *was = whatif_digest_text(kind->first_before, true);
        g_autofree char *is = whatif_digest_text(kind->first_after, true);
        g_string_append_printf(out, "  %s, %.3f s\n", kind->first_before->name, (double)kind->from / SIMTIME_SEC);
        print_paragraph(out, "before:", was);
        print_paragraph(out, "now:", is);
    }
}

static void
print_changes(GString *out, const WhatifColumn *base, const WhatifColumn *other)
{
    const Measures *a = base->runs[0].measures, *b = other->runs[0].measures;
    g_autoptr(GArray) kinds = g_array_new(FALSE, FALSE, sizeof(ChangeKind));
    size_t n, rest = 0;

    if (!a || !b)
        return;
    g_array_set_clear_func(kinds, change_kind_clear);
    g_string_append_printf(out, "\nCHANGED from %s to %s\n", base->variant->name, other->variant->name);
    n = whatif_each_change(a, b, add_change, kinds);
    if (n == 0)
        g_string_append(out, "  no flow ends differently\n");
    for (guint i = 0; i < kinds->len; i++)
        if (i < MOST_CHANGES)
            print_change(out, &g_array_index(kinds, ChangeKind, i));
        else
            rest += g_array_index(kinds, ChangeKind, i).n;
    if (rest > 0)
        g_string_append_printf(out, "  ... and %zu more\n", rest);
    if (n > 0)
        g_string_append(out, "  (--format json lists every flow)\n");
}

void
whatif_print_text(GString *out, const WhatifColumn *columns, size_t n)
{
    print_figures(out, columns, n);
    for (size_t c = 0; c < n; c++) {
        print_windows(out, &columns[c]);
        print_health(out, &columns[c]);
        if (columns[c].runs[0].error)
            g_string_append_printf(out, "\n%s could not run:\n%s\n", columns[c].variant->name,
                                   columns[c].runs[0].error);
    }
    for (size_t c = 0; c < n; c++)
        print_shares(out, &columns[c]);
    for (size_t c = 0; c < n; c++)
        print_zones(out, &columns[c]);
    for (size_t c = 1; c < n; c++)
        print_changes(out, &columns[0], &columns[c]);
}
