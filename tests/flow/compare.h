#ifndef TESTS_FLOW_COMPARE_H
#define TESTS_FLOW_COMPARE_H

/* Holding a simulated result against a recorded one, and simulated probabilities against recorded counts */

#include "tests/flow/record.h"

/* Appends to 'diff' what keeps 'want' from being one of 'got', nothing if it is. */
void compare_result(const RecordedFlow *flow, const FlowResult *want, const GPtrArray *got, GString *diff);

/* The least p-value of the tests that apply to the counts of 'flow' under the probabilities of 'got' (1 if none
 * applies).  Adds to the sums over many flows. */
typedef struct {
    double chi2, df;
    uint32_t n_tests;
} CountSums;
double compare_counts(const RecordedFlow *flow, const GPtrArray *got, CountSums *sums);
/* P(X >= chi2) with 'df' degrees of freedom. */
double chi2_tail(double chi2, double df);

/* They ended alike: outcome and server. */
bool same_end(const FlowResult *a, const FlowResult *b);

#endif
