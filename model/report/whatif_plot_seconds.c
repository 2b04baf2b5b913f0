/* Figures of flows, by the second in which they began: every variant a curve */

#include "model/report/percentile.h"
#include "model/report/whatif_plot_private.h"

#include <math.h>
#include <string.h>

/* Digests by start, so that a second is a slice. */
typedef struct {
    const FlowDigest **flows;
    uint32_t n;
} Timeline;

typedef struct {
    const FlowDigest *const *flows;
    uint32_t n;
} Second;

/* A curve of one second's flows; NAN: nothing to say. */
typedef double (*SecondValue)(const Second *s);

static int
compare_starts(gconstpointer a, gconstpointer b, gpointer unused)
{
    const FlowDigest *x = *(const FlowDigest *const *)a, *y = *(const FlowDigest *const *)b;

    (void)unused;
    return x->start != y->start ? (x->start > y->start) - (x->start < y->start) : strcmp(x->name, y->name);
}

static Timeline
timeline_of(const Measures *m)
{
    Timeline t = {g_new0(const FlowDigest *, m->n_flows + 1), m->n_flows};

    for (uint32_t i = 0; i < m->n_flows; i++)
        t.flows[i] = &m->flows[i];
    if (t.n > 0)
        g_qsort_with_data(t.flows, (gint)t.n, sizeof *t.flows, compare_starts, NULL);
    return t;
}

/* Returns the highest value. */
static double
append_seconds(GString *s, uint32_t block, const Measures *m, const Timeline *t, SecondValue value)
{
    uint32_t n = plot_last_second(m), at = 0;
    double top = 0;

    g_string_append_printf(s, "$d%u << EOD\n", block);
    for (uint32_t second = 0; second < n; second++) {
        Second slice = {(const FlowDigest *const *)t->flows + at, 0};
        double y;
        while (at < t->n && t->flows[at]->start / SIMTIME_SEC <= second) {
            at++;
            slice.n++;
        }
        y = value(&slice);
        if (isnan(y))
            g_string_append_printf(s, "%u NaN\n", second);
        else
            g_string_append_printf(s, "%u %.6g\n", second, y);
        top = isnan(y) ? top : MAX(top, y);
    }
    g_string_append(s, "EOD\n");
    return top;
}

static double
second_tried(const Second *s)
{
    return s->n;
}

static double
second_lost(const Second *s)
{
    double n = 0;

    for (uint32_t i = 0; i < s->n; i++)
        n += s->flows[i]->outcome != FLOW_CONNECTED && s->flows[i]->outcome != FLOW_PENDING;
    return n;
}

static double
second_retransmits(const Second *s)
{
    double n = 0;

    for (uint32_t i = 0; i < s->n; i++)
        n += s->flows[i]->retransmits;
    return n;
}

/* In milliseconds, of those that are not negative. */
static double
second_percentile(const Second *s, bool request, double p)
{
    g_autofree SimTime *times = g_new(SimTime, s->n + 1);
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        times[n] = request ? s->flows[i]->request : s->flows[i]->connect;
        n += times[n] >= 0;
    }
    if (n == 0)
        return NAN;
    times_sort(times, n);
    return (double)percentile(times, n, p) / SIMTIME_MSEC;
}

static double
second_connect_p50(const Second *s)
{
    return second_percentile(s, false, 50);
}

static double
second_connect_p99(const Second *s)
{
    return second_percentile(s, false, 99);
}

static double
second_request_p50(const Second *s)
{
    return second_percentile(s, true, 50);
}

static double
second_request_p99(const Second *s)
{
    return second_percentile(s, true, 99);
}

static double
second_source_kept(const Second *s)
{
    double reached = 0, kept = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        reached += s->flows[i]->reached;
        kept += s->flows[i]->reached && s->flows[i]->source_kept;
    }
    return reached > 0 ? 100 * kept / reached : NAN;
}

static double
second_extra_hops(const Second *s)
{
    double reached = 0, hops = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        reached += s->flows[i]->reached;
        hops += s->flows[i]->extra_hops;
    }
    return reached > 0 ? hops / reached : NAN;
}

static const struct {
    const char *file, *title, *y_label;
    SecondValue value;
} second_figures[] = {
    {"tried.svg", "Connections tried", "tried per second", second_tried},
    {"lost.svg", "Connections lost", "lost per second, by their start", second_lost},
    {"retransmits.svg", "Retransmissions", "retransmissions of connections begun in that second", second_retransmits},
    {"connect-p50.svg", "Time to connect, median", "ms", second_connect_p50},
    {"connect-p99.svg", "Time to connect, 99 %", "ms", second_connect_p99},
    {"request-p50.svg", "Time of a request, median", "ms", second_request_p50},
    {"request-p99.svg", "Time of a request, 99 %", "ms", second_request_p99},
    {"source-kept.svg", "Source IP kept", "% of connections that reached a server", second_source_kept},
    {"extra-nodes.svg", "Nodes passed beyond the server's own", "per connection", second_extra_hops},
};

void
plot_add_seconds(FigureList *list, const WhatifColumn *columns, size_t n)
{
    g_autofree Timeline *timelines = g_new0(Timeline, n);

    for (size_t c = 0; c < n; c++)
        if (columns[c].runs[0].measures)
            timelines[c] = timeline_of(columns[c].runs[0].measures);
    for (size_t f = 0; f < G_N_ELEMENTS(second_figures); f++) {
        GString *s = plot_script_new(second_figures[f].title, second_figures[f].y_label);
        g_autofree const char **titles = g_new0(const char *, n);
        uint32_t blocks = 0;
        double top = 0;
        for (size_t c = 0; c < n; c++) {
            if (!columns[c].runs[0].measures)
                continue;
            top = MAX(top,
                      append_seconds(s, blocks, columns[c].runs[0].measures, &timelines[c], second_figures[f].value));
            titles[blocks++] = columns[c].variant->name;
        }
        plot_append_range(s, top);
        plot_append_curves(s, titles, blocks);
        plot_add(list, g_strdup(second_figures[f].file), s);
    }
    for (size_t c = 0; c < n; c++)
        g_free(timelines[c].flows);
}
