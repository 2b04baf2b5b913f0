#ifndef MODEL_REPORT_FLOW_JSON_H
#define MODEL_REPORT_FLOW_JSON_H

/* A flow as JSON: the one shape that `run`, `trace`, `whatif` and flows.json share */

#include "model/report/flows.h"
#include "model/report/json_out.h"

/* Members of a flow's object, without its braces: callers may add their own. */
void flow_json_members(JsonOut *json, const Flow *flow);

#endif
