#ifndef MODEL_REPORT_WHATIF_PLOT_H
#define MODEL_REPORT_WHATIF_PLOT_H

/* Figures over time as SVG, drawn by gnuplot: what is told to it, not how it draws
 *
 * lost.svg, connections lost a second of every variant; zone-bytes.svg, bytes across zones a second, if any;
 * pods-NAME.svg, connections a second to each pod; targets-NAME.svg, which targets of load balancers were healthy. Data
 * are within the script. */

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
