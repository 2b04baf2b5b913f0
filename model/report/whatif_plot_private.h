#ifndef MODEL_REPORT_WHATIF_PLOT_PRIVATE_H
#define MODEL_REPORT_WHATIF_PLOT_PRIVATE_H

/* What the files that write figures share */

#include "model/report/whatif_plot.h"
#include "sim/engine/vec.h"

typedef VEC(PlotFigure) FigureList;

/* A script with its frame; data ($d0, $d1, ...) follow, then plot_append_curves(). */
GString *plot_script_new(const char *title, const char *y_label);
/* gnuplot complains of curves that lie on the axis. */
void plot_append_range(GString *s, double top);
void plot_append_curves(GString *s, const char *const *titles, uint32_t n);
void plot_add(FigureList *list, char *file, GString *script); /* Takes both. */
/* Seconds that a figure of this run spans. */
uint32_t plot_last_second(const Measures *m);

/* whatif_plot_seconds.c */
void plot_add_seconds(FigureList *list, const WhatifColumn *columns, size_t n);

#endif
