#include "model/report/whatif_plot_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A title between double quotes; gnuplot's enhanced text is off. */
static void
append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_c(out, '\\');
        if ((unsigned char)*c >= ' ')
            g_string_append_c(out, *c);
    }
    g_string_append_c(out, '"');
}

static char *
file_name(const char *what, const char *variant)
{
    char *name = g_strdup_printf("%s-%s.svg", what, variant);

    for (char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && *c != '-' && *c != '.')
            *c = '-';
    return name;
}

GString *
plot_script_new(const char *title, const char *y_label)
{
    GString *s = g_string_new("set terminal svg size 900,420 noenhanced font \"sans,11\" background \"white\"\n"
                              "set key outside right top\nset grid ytics\nset xlabel \"seconds\"\nset yrange [0:*]\n"
                              "set offsets 0, 0, graph 0.06, 0\n");

    g_string_append(s, "set title ");
    append_quoted(s, title);
    g_string_append(s, "\nset ylabel ");
    append_quoted(s, y_label);
    g_string_append_c(s, '\n');
    return s;
}

uint32_t
plot_last_second(const Measures *m)
{
    SimTime last = 0;

    for (uint32_t i = 0; i < m->n_flows; i++)
        last = MAX(last, m->flows[i].start);
    for (uint32_t i = 0; i < m->n_health; i++)
        last = MAX(last, m->health[i].at);
    return (uint32_t)(last / SIMTIME_SEC) + 2;
}

/* Connections a second that 'pod' got, or requests over those that began then.  Returns the most. */
static uint32_t
append_counts(GString *s, uint32_t block, const Measures *m, const char *pod, bool requests)
{
    uint32_t n = plot_last_second(m);
    g_autofree uint32_t *counts = g_new0(uint32_t, n);
    uint32_t most = 0;

    for (uint32_t i = 0; i < m->n_flows; i++) {
        const FlowDigest *d = &m->flows[i];
        bool lost = d->outcome != FLOW_CONNECTED && d->outcome != FLOW_PENDING;
        if (g_strcmp0(d->server, pod) == 0 && !lost)
            counts[d->start / SIMTIME_SEC] += requests ? d->requests : 1;
    }
    g_string_append_printf(s, "$d%u << EOD\n", block);
    for (uint32_t t = 0; t < n; t++) {
        g_string_append_printf(s, "%u %u\n", t, counts[t]);
        most = MAX(most, counts[t]);
    }
    g_string_append(s, "EOD\n");
    return most;
}

void
plot_append_range(GString *s, double top)
{
    if (top <= 0)
        g_string_append(s, "set yrange [0:1]\n");
}

void
plot_append_curves(GString *s, const char *const *titles, uint32_t n)
{
    g_string_append(s, "plot ");
    for (uint32_t i = 0; i < n; i++) {
        g_string_append_printf(s, "%s$d%u using 1:2 with steps lw 2 title ", i ? ", " : "", i);
        append_quoted(s, titles[i]);
    }
    g_string_append_c(s, '\n');
}

void
plot_add(FigureList *list, char *file, GString *script)
{
    vec_push(list, (PlotFigure){file, g_string_free(script, FALSE)});
}

static void
add_conntrack(FigureList *list, const WhatifColumn *columns, size_t n)
{
    GString *s = plot_script_new("Conntrack entries on the fullest node", "entries");
    g_autofree const char **titles = g_new0(const char *, n);
    uint32_t blocks = 0;
    double top = 0;

    for (size_t c = 0; c < n; c++) {
        const Measures *m = columns[c].runs[0].measures;
        if (!m)
            continue;
        top = MAX(top, (double)m->conntrack_peak);
        g_string_append_printf(s, "$d%u << EOD\n0 0\n", blocks);
        for (uint32_t i = 0; i < m->n_second_conntrack; i++)
            g_string_append_printf(s, "%u %" PRIu64 "\n", i + 1, m->second_conntrack[i]);
        g_string_append(s, "EOD\n");
        titles[blocks++] = columns[c].variant->name;
    }
    plot_append_range(s, top);
    plot_append_curves(s, titles, blocks);
    plot_add(list, g_strdup("conntrack.svg"), s);
}

/* Lost by reason, each reason a curve. */
static void
add_reasons(FigureList *list, const WhatifColumn *column)
{
    const Measures *m = column->runs[0].measures;
    g_autofree char *title = g_strdup_printf("Connections lost, by reason: %s", column->variant->name);
    g_autofree const char **titles = g_new0(const char *, m->n_reasons + 1);
    uint32_t n = plot_last_second(m);
    GString *s;

    if (m->n_reasons == 0)
        return;
    s = plot_script_new(title, "lost per second, by their start");
    for (uint32_t r = 0; r < m->n_reasons; r++) {
        g_autofree uint32_t *counts = g_new0(uint32_t, n);
        for (uint32_t i = 0; i < m->n_flows; i++)
            counts[m->flows[i].start / SIMTIME_SEC] += g_strcmp0(m->flows[i].loss, m->reasons[r].reason) == 0;
        g_string_append_printf(s, "$d%u << EOD\n", r);
        for (uint32_t t = 0; t < n; t++)
            g_string_append_printf(s, "%u %u\n", t, counts[t]);
        g_string_append(s, "EOD\n");
        titles[r] = m->reasons[r].reason;
    }
    plot_append_curves(s, titles, m->n_reasons);
    plot_add(list, file_name("reasons", column->variant->name), s);
}

static void
add_zone_bytes(FigureList *list, const WhatifColumn *columns, size_t n)
{
    GString *s = plot_script_new("Bytes across zones", "bytes per second");
    g_autofree const char **titles = g_new0(const char *, n);
    uint32_t blocks = 0;
    bool any = false;

    for (size_t c = 0; c < n; c++) {
        const Measures *m = columns[c].runs[0].measures;
        if (!m)
            continue;
        any |= m->cross_zone_bytes > 0;
        g_string_append_printf(s, "$d%u << EOD\n", blocks);
        for (uint32_t t = 0; t < MAX(plot_last_second(m), m->n_second_bytes + 1); t++)
            g_string_append_printf(s, "%u %" PRIu64 "\n", t, t < m->n_second_bytes ? m->second_bytes[t] : 0);
        g_string_append(s, "EOD\n");
        titles[blocks++] = columns[c].variant->name;
    }
    if (!any) {
        g_string_free(s, TRUE);
        return;
    }
    plot_append_curves(s, titles, blocks);
    plot_add(list, g_strdup("zone-bytes.svg"), s);
}

static void
add_pods(FigureList *list, const WhatifColumn *column, bool requests)
{
    const Measures *m = column->runs[0].measures;
    const char *what = requests ? "Requests" : "Connections";
    g_autofree char *title = g_strdup_printf("%s per pod: %s", what, column->variant->name);
    g_autofree const char **titles = g_new0(const char *, m->n_pods + 1);
    uint32_t most = 0;
    GString *s;

    if (m->n_pods == 0)
        return;
    s = plot_script_new(title, requests ? "requests of connections begun in that second" : "connections per second");
    for (uint32_t i = 0; i < m->n_pods; i++) {
        most = MAX(most, append_counts(s, i, m, m->pods[i].pod, requests));
        titles[i] = m->pods[i].pod;
    }
    plot_append_range(s, most);
    plot_append_curves(s, titles, m->n_pods);
    plot_add(list, file_name(requests ? "requests" : "pods", column->variant->name), s);
}

/* States that are drawn, in this order. */
static const struct {
    LbTargetState state;
    const char *colour;
} drawn_states[] = {
    {LB_TARGET_HEALTHY, "#2a9d3a"},
    {LB_TARGET_INITIAL, "#a0a0a0"},
    {LB_TARGET_UNHEALTHY, "#d62728"},
    {LB_TARGET_DRAINING, "#ff9f1c"},
};

static bool
same_target(const HealthChange *a, const HealthChange *b)
{
    return strcmp(a->lb, b->lb) == 0 && strcmp(a->target, b->target) == 0;
}

static uint32_t
row_of(GPtrArray *rows, const HealthChange *change)
{
    for (guint i = 0; i < rows->len; i++)
        if (same_target(rows->pdata[i], change))
            return i;
    g_ptr_array_add(rows, (gpointer)change);
    return rows->len - 1;
}

/* The names of the rows, with their load balancer's if there are several. */
static void
append_row_names(GString *s, const GPtrArray *rows)
{
    bool several = false;

    for (guint i = 1; i < rows->len; i++)
        several |= strcmp(((const HealthChange *)rows->pdata[i])->lb, ((const HealthChange *)rows->pdata[0])->lb) != 0;
    g_string_append(s, "set ytics (");
    for (guint i = 0; i < rows->len; i++) {
        const HealthChange *row = rows->pdata[i];
        g_autofree char *name = several ? g_strdup_printf("%s, %s", row->target, row->lb) : g_strdup(row->target);
        g_string_append(s, i ? ", " : "");
        append_quoted(s, name);
        g_string_append_printf(s, " %u", i);
    }
    g_string_append_printf(s, ")\nset yrange [%.1f:-0.6]\n", rows->len - 0.4);
}

/* Its bars, as "x y dx 0"; false: no target was ever in that state. */
static bool
append_bars(GString *s, const Measures *m, GPtrArray *rows, LbTargetState state)
{
    bool any = false;

    for (uint32_t i = 0; i < m->n_health; i++) {
        const HealthChange *from = &m->health[i];
        double end = plot_last_second(m), start = (double)from->at / SIMTIME_SEC;
        if (from->state != state)
            continue;
        for (uint32_t k = m->n_health; --k > i;)
            if (same_target(from, &m->health[k]))
                end = (double)m->health[k].at / SIMTIME_SEC;
        g_string_append_printf(s, "%s%.3f %u %.3f 0\n", any ? "" : "$BARS << EOD\n", start, row_of(rows, from),
                               end - start);
        any = true;
    }
    if (any)
        g_string_append(s, "EOD\n");
    return any;
}

/* A row per target: what the load balancer held of it. */
static void
add_targets(FigureList *list, const WhatifColumn *column)
{
    const Measures *m = column->runs[0].measures;
    g_autofree char *title = g_strdup_printf("Targets of load balancers: %s", column->variant->name);
    g_autoptr(GPtrArray) rows = g_ptr_array_new();
    g_autoptr(GString) plot = g_string_new("plot ");
    GString *s;

    if (m->n_health == 0)
        return;
    s = plot_script_new(title, "");
    for (uint32_t i = 0; i < m->n_health; i++)
        row_of(rows, &m->health[i]);
    append_row_names(s, rows);
    for (size_t i = 0; i < G_N_ELEMENTS(drawn_states); i++) {
        g_autoptr(GString) bars = g_string_new(NULL);
        g_autofree char *name = g_strdup_printf("$d%zu", i);
        if (!append_bars(bars, m, rows, drawn_states[i].state))
            continue;
        g_string_replace(bars, "$BARS", name, 1);
        g_string_append(s, bars->str);
        g_string_append_printf(plot, "%s%s using 1:2:3:4 with vectors nohead lw 9 lc rgb \"%s\" title \"%s\"",
                               plot->len > 5 ? ", " : "", name, drawn_states[i].colour,
                               lb_target_state_name(drawn_states[i].state));
    }
    g_string_append_printf(s, "%s\n", plot->str);
    plot_add(list, file_name("targets", column->variant->name), s);
}

PlotFigure *
whatif_plot_figures(const WhatifColumn *columns, size_t n, size_t *ret_n)
{
    FigureList list = {0};

    plot_add_seconds(&list, columns, n);
    add_conntrack(&list, columns, n);
    add_zone_bytes(&list, columns, n);
    for (size_t c = 0; c < n; c++)
        if (columns[c].runs[0].measures) {
            add_reasons(&list, &columns[c]);
            add_pods(&list, &columns[c], false);
            add_pods(&list, &columns[c], true);
            add_targets(&list, &columns[c]);
        }
    *ret_n = list.len;
    return list.data;
}

void
whatif_plot_free(PlotFigure *figures, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_free(figures[i].file);
        g_free(figures[i].script);
    }
    g_free(figures);
}

bool
whatif_plot_draw(const PlotFigure *figure, const char *dir, char **ret_error)
{
    g_autofree char *path = g_build_filename(dir, figure->file, NULL);
    g_autofree char *program = g_find_program_in_path("gnuplot");
    g_autoptr(GString) script = g_string_new("set output ");
    FILE *pipe;
    int status;

    if (!program) {
        *ret_error = g_strdup("figures are drawn by gnuplot, which is not installed (Debian package gnuplot-nox)");
        return false;
    }
    append_quoted(script, path);
    g_string_append_printf(script, "\n%s", figure->script);
    pipe = popen("gnuplot", "w"); /* The name, as found on PATH above. */
    if (!pipe) {
        *ret_error = g_strdup("cannot start gnuplot");
        return false;
    }
    fwrite(script->str, 1, script->len, pipe);
    status = pclose(pipe);
    if (status != 0)
        *ret_error = g_strdup_printf("gnuplot could not write %s", path);
    return status == 0;
}
