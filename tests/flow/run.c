/* make flow [T=substring]: recorded flows of a real kernel, held against the simulator.
 *
 * One line and a difference per flow that differs; at the end "N passed, N failed, N skipped". */

#include <stdio.h>
#include <string.h>

#include "tests/flow/flow.h"

int
main(int argc, char **argv)
{
    FlowRun run = {.root = "tests/conformance", .filter = argc > 1 ? argv[1] : ""};

    setvbuf(stdout, NULL, _IOLBF, 0);
    flow_recorded(&run);
    facts_conntrack(&run);
    facts_affinity(&run);
    facts_reject(&run);
    facts_health(&run);
    facts_updates(&run);
    printf("%u passed, %u failed, %u skipped\n", run.passed, run.failed, run.skipped);
    return run.failed ? 1 : 0;
}
