#ifndef MODEL_REPORT_EXACT_SHARES_H
#define MODEL_REPORT_EXACT_SHARES_H

/* Exact shares of connections per pod: every random branch of one connection, followed in a world at rest */

#include "model/report/measures.h"
#include "model/scenario/spec.h"

/* Fills m->pods[].expected: of the scenario's first load (else of its first connect), before anything happens.
 * 'cluster' is fresh: nothing ran in it, and nothing may run in it afterwards but this.  Pods that got nothing although
 * they were expected to are added. */
void exact_shares_fill(Cluster *cluster, const ScenarioSpec *spec, Measures *m);

#endif
