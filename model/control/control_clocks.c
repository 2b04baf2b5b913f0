#include "model/control/control.h"

#include <string.h>

bool
control_clocks_decode(Diags *diags, const DocNode *clocks, const KubeVersion *version, ControlClocks *ret_clocks)
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
    /* kube-controller-manager's default was 40 s before 1.32 (nodelifecycle/config/v1alpha1/defaults.go). */
    if (version->minor < 32 && !node_get(clocks, "nodeMonitorGracePeriod"))
        ret_clocks->node_grace = 40 * SIMTIME_SEC;
    if (clocks)
        node_report_unused(diags, clocks, DIAG_ERROR, known);
    return diags_errors(diags) == before;
}
