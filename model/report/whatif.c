#include "model/report/whatif_private.h"

#include "model/report/run_report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Changed flows that are listed one by one. */
#define MOST_CHANGES 20

/* --- Figures
 * ----------------------------------------------------------------------------------------------------------------- */

static double
value_tried(const Measures *m)
{
    return m->tried;
}
static double
value_lost(const Measures *m)
{
    return measures_lost(m);
}
static double
value_success(const Measures *m)
{
    return m->tried ? 100.0 * m->connected / m->tried : 100;
}
static double
value_lost_seconds(const Measures *m)
{
    return m->lost_seconds;
}
static double
value_retransmits(const Measures *m)
{
    return m->retransmits;
}
static double
value_p50(const Measures *m)
{
    return (double)m->p50 / SIMTIME_MSEC;
}
static double
value_p99(const Measures *m)
{
    return (double)m->p99 / SIMTIME_MSEC;
}
static double
value_p90(const Measures *m)
{
    return (double)m->p90 / SIMTIME_MSEC;
}
static double
value_request_p50(const Measures *m)
{
    return (double)m->request_p50 / SIMTIME_MSEC;
}
static double
value_request_p99(const Measures *m)
{
    return (double)m->request_p99 / SIMTIME_MSEC;
}
static double
value_source_kept(const Measures *m)
{
    return m->reached ? 100.0 * m->source_kept / m->reached : 0;
}
static double
value_extra_hops(const Measures *m)
{
    return m->reached ? (double)m->extra_hops / m->reached : 0;
}
static double
value_cross_zone(const Measures *m)
{
    return m->cross_zone;
}
static double
value_cross_zone_bytes(const Measures *m)
{
    return (double)m->cross_zone_bytes;
}
static double
value_imbalance(const Measures *m)
{
    return m->imbalance;
}
static double
value_gini(const Measures *m)
{
    return m->gini;
}
static double
value_conntrack(const Measures *m)
{
    return (double)m->conntrack_peak;
}
static double
value_failed(const Measures *m)
{
    return m->failed;
}

const Figure whatif_figures[] = {
    {"connections tried", "tried", "%.0f", value_tried},
    {"connected", "successPercent", "%.2f %%", value_success},
    {"lost", "lost", "%.0f", value_lost},
    {"loss windows, seconds", "lossSeconds", "%.3f", value_lost_seconds},
    {"retransmits", "retransmits", "%.0f", value_retransmits},
    {"connect ms, median", "connectMsP50", "%.2f", value_p50},
    {"connect ms, 90 %", "connectMsP90", "%.2f", value_p90},
    {"connect ms, 99 %", "connectMsP99", "%.2f", value_p99},
    {"request ms, median", "requestMsP50", "%.2f", value_request_p50},
    {"request ms, 99 %", "requestMsP99", "%.2f", value_request_p99},
    {"source IP kept", "sourceKeptPercent", "%.1f %%", value_source_kept},
    {"extra nodes a connection", "extraHops", "%.2f", value_extra_hops},
    {"connections across zones", "crossZone", "%.0f", value_cross_zone},
    {"bytes across zones", "crossZoneBytes", "%.0f", value_cross_zone_bytes},
    {"imbalance over pods (max/mean)", "imbalance", "%.3f", value_imbalance},
    {"Gini over pods", "gini", "%.3f", value_gini},
    {"conntrack peak on a node", "conntrackPeak", "%.0f", value_conntrack},
    {"expectations failed", "expectationsFailed", "%.0f", value_failed},
};
const size_t whatif_n_figures = G_N_ELEMENTS(whatif_figures);

/* Two-sided 95 % quantiles of Student's t for 1..30 degrees of freedom; beyond, the normal's. */
static const double t_quantiles[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                     2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                                     2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};

Estimate
whatif_estimate(const WhatifColumn *column, double (*value)(const Measures *m))
{
    double sum = 0, squares = 0, variance;
    size_t n = 0;
    Estimate e = {0};

    for (size_t i = 0; i < column->n_runs; i++) {
        double x;
        if (!column->runs[i].measures)
            continue;
        x = value(column->runs[i].measures);
        sum += x;
        squares += x * x;
        n++;
    }
    if (n == 0)
        return e;
    e.mean = sum / (double)n;
    if (n < 2)
        return e;
    variance = MAX(0, (squares - sum * sum / (double)n) / (double)(n - 1));
    e.half_width = (n - 1 <= G_N_ELEMENTS(t_quantiles) ? t_quantiles[n - 2] : 1.96) * sqrt(variance / (double)n);
    return e;
}

/* --- Changed flows
 * ------------------------------------------------------------------------------------------------------------- */

static const FlowDigest *
find_digest(const Measures *m, const char *name)
{
    uint32_t low = 0, high = m->n_flows;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = strcmp(m->flows[mid].name, name);
        if (order == 0)
            return &m->flows[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static bool
outcome_differs(const FlowDigest *a, const FlowDigest *b)
{
    return a->outcome != b->outcome ||
           g_strcmp0(a->outcome == FLOW_CONNECTED ? NULL : a->reason,
                     b->outcome == FLOW_CONNECTED ? NULL : b->reason) != 0 ||
           (a->server && b->server && a->source_kept != b->source_kept);
}

char *
whatif_digest_text(const FlowDigest *d)
{
    if (d->outcome == FLOW_CONNECTED)
        return g_strdup_printf("connected%s%s, source %s", d->server ? " to " : "", d->server ? d->server : "",
                               d->source_kept ? "kept" : "replaced");
    return g_strdup_printf("%s%s%s%s%s", flow_outcome_name(d->outcome), d->reason ? " " : "",
                           d->reason ? d->reason : "", d->blame ? ": " : "", d->blame ? d->blame : "");
}

static int
compare_starts(gconstpointer a, gconstpointer b)
{
    const FlowDigest *x = *(const FlowDigest *const *)a, *y = *(const FlowDigest *const *)b;

    return x->start != y->start ? (x->start > y->start) - (x->start < y->start) : strcmp(x->name, y->name);
}

size_t
whatif_each_change(const Measures *base, const Measures *other, EachChange each, void *user, size_t most)
{
    g_autoptr(GPtrArray) changed = g_ptr_array_new();

    for (uint32_t i = 0; i < base->n_flows; i++) {
        const FlowDigest *d = find_digest(other, base->flows[i].name);
        if (d && outcome_differs(&base->flows[i], d))
            g_ptr_array_add(changed, (gpointer)&base->flows[i]);
    }
    g_ptr_array_sort(changed, compare_starts);
    for (guint i = 0; i < changed->len && i < most; i++) {
        const FlowDigest *before = changed->pdata[i];
        each(before, find_digest(other, before->name), user);
    }
    return changed->len;
}

/* --- Text
 * ----------------------------------------------------------------------------------------------------------------------
 */

static char *
cell(const WhatifColumn *column, const Figure *figure)
{
    Estimate e = whatif_estimate(column, figure->value);
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
        if (whatif_figures[f].value == value_lost)
            add_reason_rows(rows, columns, n);
    }
    text_table(out, header, (char *const *const *)rows->pdata, rows->len);
}

static void
print_windows(GString *out, const WhatifColumn *column)
{
    const Measures *m = column->runs[0].measures;

    if (!m || m->n_windows == 0)
        return;
    g_string_append_printf(out, "\nLOSSES of %s\n", column->variant->name);
    for (uint32_t i = 0; i < m->n_windows; i++) {
        const LossWindow *w = &m->windows[i];
        g_string_append_printf(out, "  %.3f s to %.3f s", (double)w->start / SIMTIME_SEC,
                               (double)MAX(w->closed, w->end) / SIMTIME_SEC);
        if (w->closed >= 0)
            g_string_append_printf(out, " (the last at %.3f s)", (double)w->end / SIMTIME_SEC);
        g_string_append_printf(out, ": %u lost. %s\n", w->lost, w->cause);
        g_string_append_printf(out, "      clock: %s\n      fix: %s\n", w->clock, w->fix);
    }
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
print_share(GString *out, const PodShare *pod, bool more)
{
    g_string_append_printf(out, "%s %s %u", more ? "," : "", pod->pod, pod->connections);
    if (pod->expected >= 0)
        g_string_append_printf(out, " (expected at the start %.2f %%)", 100 * pod->expected);
}

static void
print_shares(GString *out, const WhatifColumn *columns, size_t n)
{
    g_string_append(out, "\nCONNECTIONS PER POD\n");
    for (size_t c = 0; c < n; c++) {
        const Measures *m = columns[c].runs[0].measures;
        g_string_append_printf(out, "  %s:", columns[c].variant->name);
        for (uint32_t i = 0; m && i < m->n_pods; i++)
            print_share(out, &m->pods[i], i > 0);
        g_string_append_c(out, '\n');
    }
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

static void
print_change(const FlowDigest *before, const FlowDigest *after, void *user)
{
    g_autofree char *was = whatif_digest_text(before);
    g_autofree char *is = whatif_digest_text(after);

    g_string_append_printf(user, "  %s (%.3f s): %s\n      now: %s\n", before->name,
                           (double)before->start / SIMTIME_SEC, was, is);
}

static void
print_changes(GString *out, const WhatifColumn *base, const WhatifColumn *other)
{
    const Measures *a = base->runs[0].measures, *b = other->runs[0].measures;
    size_t n;

    if (!a || !b)
        return;
    g_string_append_printf(out, "\nCHANGED from %s to %s\n", base->variant->name, other->variant->name);
    n = whatif_each_change(a, b, print_change, out, MOST_CHANGES);
    if (n == 0)
        g_string_append(out, "  no flow ends differently\n");
    else if (n > MOST_CHANGES)
        g_string_append_printf(out, "  ... and %zu more (--format json lists all)\n", n - MOST_CHANGES);
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
    print_shares(out, columns, n);
    for (size_t c = 0; c < n; c++)
        print_zones(out, &columns[c]);
    for (size_t c = 1; c < n; c++)
        print_changes(out, &columns[0], &columns[c]);
}
