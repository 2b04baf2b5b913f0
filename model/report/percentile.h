#ifndef MODEL_REPORT_PERCENTILE_H
#define MODEL_REPORT_PERCENTILE_H

/* Percentiles of measured times, by the nearest rank */

#include "sim/engine/simtime.h"
#include "sim/engine/vec.h"

typedef VEC(SimTime) Times;

void times_sort(SimTime *times, size_t n);
/* Percentile (0..100) of sorted times; 0 of none. */
SimTime percentile(const SimTime *sorted, size_t n, double p);

#endif
