#include "model/report/whatif_plot.h"

#include "sim/engine/vec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef VEC(PlotFigure) FigureList;

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

static GString *
script_new(const char *title, const char *y_label)
{
    GString *s = g_string_new("set terminal svg size 900,420 noenhanced font \"sans,11\" background \"white\"\n"
                              "set key outside right top\nset grid ytics\nset xlabel \"seconds\"\nset yrange [0:*]\n");

    g_string_append(s, "set title ");
    append_quoted(s, title);
    g_string_append(s, "\nset ylabel ");
    append_quoted(s, y_label);
    g_string_append_c(s, '\n');
    return s;
}

static uint32_t
last_second(const Measures *m)
{
    SimTime last = 0;

    for (uint32_t i = 0; i < m->n_flows; i++)
        last = MAX(last, m->flows[i].start);
    for (uint32_t i = 0; i < m->n_health; i++)
        last = MAX(last, m->health[i].at);
    return (uint32_t)(last / SIMTIME_SEC) + 2;
}

/* Connections a second that 'pod' got; NULL: that were lost. */
static void
append_counts(GString *s, uint32_t block, const Measures *m, const char *pod)
{
    uint32_t n = last_second(m);
    g_autofree uint32_t *counts = g_new0(uint32_t, n);

    for (uint32_t i = 0; i < m->n_flows; i++) {
        const FlowDigest *d = &m->flows[i];
        bool lost = d->outcome != FLOW_CONNECTED && d->outcome != FLOW_PENDING;
        if (pod ? g_strcmp0(d->server, pod) == 0 && !lost : lost)
            counts[d->start / SIMTIME_SEC]++;
    }
    g_string_append_printf(s, "$d%u << EOD\n", block);
    for (uint32_t t = 0; t < n; t++)
        g_string_append_printf(s, "%u %u\n", t, counts[t]);
    g_string_append(s, "EOD\n");
}

static void
append_plot(GString *s, const char *const *titles, uint32_t n)
{
    g_string_append(s, "plot ");
    for (uint32_t i = 0; i < n; i++) {
        g_string_append_printf(s, "%s$d%u using 1:2 with steps lw 2 title ", i ? ", " : "", i);
        append_quoted(s, titles[i]);
    }
    g_string_append_c(s, '\n');
}

static void
add_figure(FigureList *list, char *file, GString *script)
{
    vec_push(list, (PlotFigure){file, g_string_free(script, FALSE)});
}

static void
add_lost(FigureList *list, const WhatifColumn *columns, size_t n)
{
    GString *s = script_new("Connections lost", "lost per second, by their start");
    g_autofree const char **titles = g_new0(const char *, n);
    uint32_t blocks = 0;

    for (size_t c = 0; c < n; c++)
        if (columns[c].runs[0].measures) {
            append_counts(s, blocks, columns[c].runs[0].measures, NULL);
            titles[blocks++] = columns[c].variant->name;
        }
    append_plot(s, titles, blocks);
    add_figure(list, g_strdup("lost.svg"), s);
}

static void
add_zone_bytes(FigureList *list, const WhatifColumn *columns, size_t n)
{
    GString *s = script_new("Bytes across zones", "bytes per second");
    g_autofree const char **titles = g_new0(const char *, n);
    uint32_t blocks = 0;
    bool any = false;

    for (size_t c = 0; c < n; c++) {
        const Measures *m = columns[c].runs[0].measures;
        if (!m)
            continue;
        any |= m->cross_zone_bytes > 0;
        g_string_append_printf(s, "$d%u << EOD\n", blocks);
        for (uint32_t t = 0; t < MAX(last_second(m), m->n_second_bytes + 1); t++)
            g_string_append_printf(s, "%u %" PRIu64 "\n", t, t < m->n_second_bytes ? m->second_bytes[t] : 0);
        g_string_append(s, "EOD\n");
        titles[blocks++] = columns[c].variant->name;
    }
    if (!any) {
        g_string_free(s, TRUE);
        return;
    }
    append_plot(s, titles, blocks);
    add_figure(list, g_strdup("zone-bytes.svg"), s);
}

static void
add_pods(FigureList *list, const WhatifColumn *column)
{
    const Measures *m = column->runs[0].measures;
    g_autofree char *title = g_strdup_printf("Connections per pod: %s", column->variant->name);
    g_autofree const char **titles = g_new0(const char *, m->n_pods + 1);
    GString *s;

    if (m->n_pods == 0)
        return;
    s = script_new(title, "connections per second");
    for (uint32_t i = 0; i < m->n_pods; i++) {
        append_counts(s, i, m, m->pods[i].pod);
        titles[i] = m->pods[i].pod;
    }
    append_plot(s, titles, m->n_pods);
    add_figure(list, file_name("pods", column->variant->name), s);
}

/* A line per target, on a level of its own: up by 0.6 while it is healthy. */
static void
add_targets(FigureList *list, const WhatifColumn *column)
{
    const Measures *m = column->runs[0].measures;
    g_autofree char *title = g_strdup_printf("Healthy targets of load balancers: %s", column->variant->name);
    g_autofree const char **titles = g_new0(const char *, m->n_health + 1);
    uint32_t n = 0;
    GString *s;

    if (m->n_health == 0)
        return;
    s = script_new(title, "healthy (up) or not, each target on its level");
    g_string_append(s, "unset ytics\n");
    for (uint32_t i = 0; i < m->n_health; i++) {
        double level = n;
        bool seen = false;
        for (uint32_t k = 0; k < n && !seen; k++)
            seen = strcmp(titles[k], m->health[i].target) == 0;
        if (seen)
            continue;
        g_string_append_printf(s, "$d%u << EOD\n", n);
        for (uint32_t k = i; k < m->n_health; k++)
            if (strcmp(m->health[k].target, m->health[i].target) == 0) {
                level = n + (m->health[k].state == LB_TARGET_HEALTHY ? 0.6 : 0);
                g_string_append_printf(s, "%.3f %.1f\n", (double)m->health[k].at / SIMTIME_SEC, level);
            }
        g_string_append_printf(s, "%u %.1f\nEOD\n", last_second(m), level);
        titles[n++] = m->health[i].target;
    }
    append_plot(s, titles, n);
    add_figure(list, file_name("targets", column->variant->name), s);
}

PlotFigure *
whatif_plot_figures(const WhatifColumn *columns, size_t n, size_t *ret_n)
{
    FigureList list = {0};

    add_lost(&list, columns, n);
    add_zone_bytes(&list, columns, n);
    for (size_t c = 0; c < n; c++)
        if (columns[c].runs[0].measures) {
            add_pods(&list, &columns[c]);
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
