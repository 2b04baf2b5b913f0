#include "model/report/percentile.h"

#include <stdlib.h>

static int
compare_times(const void *a, const void *b)
{
    SimTime x = *(const SimTime *)a, y = *(const SimTime *)b;

    return (x > y) - (x < y);
}

void
times_sort(SimTime *times, size_t n)
{
    if (n > 1)
        qsort(times, n, sizeof *times, compare_times);
}

SimTime
percentile(const SimTime *sorted, size_t n, double p)
{
    size_t rank;

    if (n == 0)
        return 0;
    rank = (size_t)(p / 100 * (double)n + 0.5);
    return sorted[rank == 0 ? 0 : MIN(rank, n) - 1];
}
