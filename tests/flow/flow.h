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

/* rules/CASE/flows.json */
void flow_recorded(FlowRun *run);

#endif
