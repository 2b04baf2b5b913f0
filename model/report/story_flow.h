#ifndef MODEL_REPORT_STORY_FLOW_H
#define MODEL_REPORT_STORY_FLOW_H

/* A flow in words: who called whom, which rule rewrote what on which node, what the server saw, how it ended
 *
 * Two to five sentences from a finished Flow, and nothing that the Flow does not say. */

#include "model/report/flows.h"

void story_flow(GString *out, const Cluster *cluster, const Flow *flow);
/* The same for all flows of a load (flows whose group is 'name'): one paragraph. */
void story_load(GString *out, const Cluster *cluster, const char *name, Flow *const *flows, size_t n);

#endif
