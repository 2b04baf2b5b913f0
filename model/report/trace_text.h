#ifndef MODEL_REPORT_TRACE_TEXT_H
#define MODEL_REPORT_TRACE_TEXT_H

/* A traced connection as text, in three depths, and as JSON
 *
 *   detail   per packet of interest, hop by hop: interfaces, hooks, rules with the object behind them, rewrites,
 * routes, conntrack; then what server and client saw summary  rewrites and hops only minimal  one line an outcome: who
 * received what from which source                                              */

#include "model/report/trace_run.h"

typedef enum { TRACE_FORM_AUTO, TRACE_FORM_DETAIL, TRACE_FORM_SUMMARY, TRACE_FORM_MINIMAL } TraceForm;

/* AUTO: detail for one outcome, summary for several.  The answer must have kept its trees, except for MINIMAL. */
void trace_print_text(GString *out, Cluster *cluster, const TraceQuestion *question, const TraceAnswer *answer,
                      TraceForm form);
void trace_print_json(GString *out, const TraceAnswer *answer);

#endif
