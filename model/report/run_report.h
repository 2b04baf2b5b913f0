#ifndef MODEL_REPORT_RUN_REPORT_H
#define MODEL_REPORT_RUN_REPORT_H

/* What a run says at its end: JSON, or the story, a table of flows, loads and expectations */

#include "model/report/json_out.h"
#include "model/scenario/run.h"

typedef struct {
    bool interrupted;    /* Stopped before its end: partial results, marked as such. */
    const char *out_dir; /* Where captures were left, or NULL. */
} RunReportOptions;

void run_report_json(GString *out, ScenarioRun *run, const ScenarioSpec *spec, uint64_t seed,
                     const RunReportOptions *options);
void run_report_text(GString *out, ScenarioRun *run, const ScenarioSpec *spec, uint64_t seed,
                     const RunReportOptions *options);
/* Expectations that failed. */
uint32_t run_report_failures(ScenarioRun *run);
/* Only {"flows":[...]}: flows.json. */
void run_report_flows_json(GString *out, ScenarioRun *run);

#endif
