#include "tests/flow/flow.h"
void
facts_updates(FlowRun *run)
{
    (void)run;
}
