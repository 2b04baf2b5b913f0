#ifndef MODEL_REPORT_WHATIF_PLOT_H
#define MODEL_REPORT_WHATIF_PLOT_H

/* Figures over time as SVG, drawn by gnuplot: what is told to it, not how it draws
 *
 * Every variant a curve: tried, lost, retransmits, connect-p50, connect-p99, request-p50, request-p99, source-kept,
 * extra-nodes (by the second in which connections began), conntrack and, if any, zone-bytes.  Of each variant: reasons
 * of losses, connections (pods) and requests of each pod, and what load balancers held of their targets.  Data are
 * within the script. */

#include "model/report/whatif.h"

typedef struct {
    char *file;   /* "lost.svg" */
    char *script; /* For gnuplot, without "set output". */
} PlotFigure;

PlotFigure *whatif_plot_figures(const WhatifColumn *columns, size_t n, size_t *ret_n);
void whatif_plot_free(PlotFigure *figures, size_t n);
/* Runs gnuplot; false with a message in *ret_error. */
bool whatif_plot_draw(const PlotFigure *figure, const char *dir, char **ret_error);

#endif
