#include "model/report/whatif_private.h"

#include <math.h>
#include <string.h>

/* --- Figures
 * ----------------------------------------------------------------------------------------------------------------- */

static double
percent(double part, double whole)
{
    return 100 * part / whole;
}

static double
value_lost(const Measures *m)
{
    return measures_lost(m);
}

static double
value_success(const Measures *m)
{
    return m->tried ? percent(m->connected, m->tried) : 100;
}

static double
value_source_kept(const Measures *m)
{
    return m->reached ? percent(m->source_kept, m->reached) : 0;
}

static double
value_extra_hops(const Measures *m)
{
    return m->reached ? (double)m->extra_hops / m->reached : 0;
}

#define MEMBER(type, member) .kind = type, .offset = offsetof(Measures, member)
#define DERIVED(function)    .kind = FIGURE_DERIVED, .derived = function

const Figure whatif_figures[] = {
    {"connections tried", "tried", "%.0f", MEMBER(FIGURE_U32, tried)},
    {"connected", "successPercent", "%.2f %%", DERIVED(value_success)},
    {"lost", "lost", "%.0f", DERIVED(value_lost)},
    {"loss windows, seconds", "lossSeconds", "%.3f", MEMBER(FIGURE_DOUBLE, lost_seconds)},
    {"HTTP errors (400 to 599)", "httpErrors", "%.0f", MEMBER(FIGURE_U32, http_errors)},
    {"retransmits", "retransmits", "%.0f", MEMBER(FIGURE_U32, retransmits)},
    {"connect ms, median", "connectMsP50", "%.2f", MEMBER(FIGURE_MS, p50)},
    {"connect ms, 90 %", "connectMsP90", "%.2f", MEMBER(FIGURE_MS, p90)},
    {"connect ms, 99 %", "connectMsP99", "%.2f", MEMBER(FIGURE_MS, p99)},
    {"request ms, median", "requestMsP50", "%.2f", MEMBER(FIGURE_MS, request_p50)},
    {"request ms, 90 %", "requestMsP90", "%.2f", MEMBER(FIGURE_MS, request_p90)},
    {"request ms, 99 %", "requestMsP99", "%.2f", MEMBER(FIGURE_MS, request_p99)},
    {"source IP kept", "sourceKeptPercent", "%.1f %%", DERIVED(value_source_kept)},
    {"extra nodes a connection", "extraHops", "%.2f", DERIVED(value_extra_hops)},
    {"connections across zones", "crossZone", "%.0f", MEMBER(FIGURE_U32, cross_zone)},
    {"bytes across zones", "crossZoneBytes", "%.0f", MEMBER(FIGURE_U64, cross_zone_bytes)},
    {"imbalance over pods (max/mean)", "imbalance", "%.3f", MEMBER(FIGURE_DOUBLE, imbalance)},
    {"Gini over pods", "gini", "%.3f", MEMBER(FIGURE_DOUBLE, gini)},
    {"conntrack peak on a node", "conntrackPeak", "%.0f", MEMBER(FIGURE_U64, conntrack_peak)},
    {"expectations failed", "expectationsFailed", "%.0f", MEMBER(FIGURE_U32, failed)},
};
const size_t whatif_n_figures = G_N_ELEMENTS(whatif_figures);

static double
figure_value(const Figure *figure, const Measures *m)
{
    const void *member = (const char *)m + figure->offset;

    switch (figure->kind) {
    case FIGURE_U32:
        return *(const uint32_t *)member;
    case FIGURE_U64:
        return (double)*(const uint64_t *)member;
    case FIGURE_DOUBLE:
        return *(const double *)member;
    case FIGURE_MS:
        return (double)*(const SimTime *)member / SIMTIME_MSEC;
    case FIGURE_DERIVED:
        return figure->derived(m);
    }
    g_assert_not_reached();
}

/* Two-sided 95 % quantiles of Student's t for 1..30 degrees of freedom; beyond, the normal's. */
static const double t_quantiles[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                     2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                                     2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};

Estimate
whatif_estimate(const WhatifColumn *column, const Figure *figure)
{
    double sum = 0, squares = 0, variance;
    size_t n = 0;
    Estimate e = {0};

    for (size_t i = 0; i < column->n_runs; i++) {
        double x;
        if (!column->runs[i].measures)
            continue;
        x = figure_value(figure, column->runs[i].measures);
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
whatif_digest_text(const FlowDigest *d, bool server)
{
    bool reason = d->reason && strcmp(d->reason, flow_outcome_name(d->outcome)) != 0;

    if (d->outcome == FLOW_CONNECTED)
        return g_strdup_printf("connected%s%s, source %s", server && d->server ? " to " : "",
                               server && d->server ? d->server : "", d->source_kept ? "kept" : "replaced");
    return g_strdup_printf("%s%s%s%s%s", flow_outcome_name(d->outcome), reason ? " " : "", reason ? d->reason : "",
                           d->blame ? ": " : "", d->blame ? d->blame : "");
}

static int
compare_starts(gconstpointer a, gconstpointer b)
{
    const FlowDigest *x = *(const FlowDigest *const *)a, *y = *(const FlowDigest *const *)b;

    return x->start != y->start ? (x->start > y->start) - (x->start < y->start) : strcmp(x->name, y->name);
}

size_t
whatif_each_change(const Measures *base, const Measures *other, EachChange each, void *user)
{
    g_autoptr(GPtrArray) changed = g_ptr_array_new();

    for (uint32_t i = 0; i < base->n_flows; i++) {
        const FlowDigest *d = find_digest(other, base->flows[i].name);
        if (d && outcome_differs(&base->flows[i], d))
            g_ptr_array_add(changed, (gpointer)&base->flows[i]);
    }
    g_ptr_array_sort(changed, compare_starts);
    for (guint i = 0; i < changed->len; i++) {
        const FlowDigest *before = changed->pdata[i];
        each(before, find_digest(other, before->name), user);
    }
    return changed->len;
}
