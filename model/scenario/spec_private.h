#ifndef MODEL_SCENARIO_SPEC_PRIVATE_H
#define MODEL_SCENARIO_SPEC_PRIVATE_H

/* The parts of a Scenario's decoding */

#include "model/api/config_read.h"
#include "model/scenario/spec.h"

/* 'number' (from 1, per verb) names what has no name.  False: unusable, reported. */
bool spec_read_step(Diags *diags, Strings *strings, const DocNode *node, uint32_t numbers[STEP_N_VERBS],
                    Step *ret_step);
bool spec_read_expect(Diags *diags, Strings *strings, const DocNode *node, Expectation *ret_expect);

#endif
