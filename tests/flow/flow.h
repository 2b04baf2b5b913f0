#ifndef TESTS_FLOW_FLOW_H
#define TESTS_FLOW_FLOW_H

/* The runner's books. */

#include <glib.h>
#include <stdbool.h>
#include <string.h>

typedef struct {
    const char *root;   /* tests/conformance */
    const char *filter; /* Substring of names, or "". */
    unsigned passed, failed, skipped;
} FlowRun;

static inline bool
flow_wants(const FlowRun *run, const char *name)
{
    return strstr(name, run->filter) != NULL;
}

/* One check: counts it, and tells of a failure. */
void flow_check(FlowRun *run, const char *name, bool ok, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* rules/CASE/flows.json */
void flow_recorded(FlowRun *run);
/* facts/NAME.json: 'each' gets every object of "facts" with its number ("facts/NAME/0"). */
typedef struct DocNode DocNode;
void flow_facts(FlowRun *run, const char *name, void (*each)(FlowRun *run, const char *label, const DocNode *fact));
char *flow_case_dir(const FlowRun *run, const char *name);
/* A string of 'map', or "". */
const char *flow_text(const DocNode *map, const char *key);

void facts_conntrack(FlowRun *run);
void facts_affinity(FlowRun *run);
void facts_reject(FlowRun *run);
void facts_health(FlowRun *run);
void facts_updates(FlowRun *run);

#endif
