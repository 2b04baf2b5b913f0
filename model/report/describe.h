#ifndef MODEL_REPORT_DESCRIBE_H
#define MODEL_REPORT_DESCRIBE_H

/* Objects as `kubectl describe` shows them (kubectl 1.30 to 1.32, pkg/describe)
 *
 * Fields that the simulator does not model (images' ids, volumes, events) are left out, or said to be none
 * where kubectl always shows them.  A Service also gets what kube-proxy made of it on each node.                     */

#include "model/network/cluster.h"

typedef struct {
    Input *input;
    const Cluster *cluster; /* NULL: no world was built; then nothing of kube-proxy. */
} Describe;

void describe_object(GString *out, const Describe *d, ApiKind kind, const ApiObject *object);

#endif
