#include "tests/flow/flow.h"
void
facts_affinity(FlowRun *run)
{
    (void)run;
}
