#ifndef MODEL_REPORT_STORY_FLOW_H
#define MODEL_REPORT_STORY_FLOW_H

/* A flow in words: who called whom, which rule rewrote what on which node, what the server saw, how it ended
 *
 * Two to five sentences from a finished Flow, and nothing that the Flow does not say. */

#include "model/report/flows.h"

void story_flow(GString *out, const Cluster *cluster, const Flow *flow);
/* Several flows that are alike, such as those of a load: the first in full, then who got how many. */
void story_flows(GString *out, const Cluster *cluster, const Flow *const *flows, size_t n);

#endif
