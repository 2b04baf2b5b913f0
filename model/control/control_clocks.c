#include "model/control/control.h"

#include <string.h>

bool
control_clocks_decode(Diags *diags, const DocNode *clocks, ControlClocks *ret_clocks)
{
    static const char *const known[] = {
#define CLOCK_NAME(field, name, value) name,
        CONTROL_CLOCKS(CLOCK_NAME)
#undef CLOCK_NAME
            NULL};
    uint32_t before = diags_errors(diags);

#define CLOCK_READ(field, name, value) ret_clocks->field = node_duration(diags, clocks, name, value);
    CONTROL_CLOCKS(CLOCK_READ)
#undef CLOCK_READ
    if (clocks)
        node_report_unused(diags, clocks, DIAG_ERROR, known);
    return diags_errors(diags) == before;
}
