#ifndef MODEL_REPORT_WHATIF_PRIVATE_H
#define MODEL_REPORT_WHATIF_PRIVATE_H

/* What the text and the JSON of whatif share */

#include "model/report/whatif.h"

typedef enum { FIGURE_U32, FIGURE_U64, FIGURE_DOUBLE, FIGURE_MS, FIGURE_DERIVED } FigureKind;

typedef struct {
    const char *label, *key, *format;     /* In the table, in JSON, of the number. */
    FigureKind kind;                      /* Type of the member; a time is told in milliseconds. */
    size_t offset;                        /* Of the member of Measures. */
    double (*derived)(const Measures *m); /* FIGURE_DERIVED: from several members. */
} Figure;

extern const Figure whatif_figures[];
extern const size_t whatif_n_figures;

/* Mean over runs and the half width of its 95 % confidence interval (Student's t; 0 for one run). */
typedef struct {
    double mean, half_width;
} Estimate;
Estimate whatif_estimate(const WhatifColumn *column, const Figure *figure);

/* How a flow ended, in words, with the pod that served it or without.  Caller frees. */
char *whatif_digest_text(const FlowDigest *digest, bool server);

typedef void (*EachChange)(const FlowDigest *before, const FlowDigest *after, void *user);
/* Flows of both whose outcome or source changed, in order of their start; returns how many there are. */
size_t whatif_each_change(const Measures *base, const Measures *other, EachChange each, void *user);

#endif
