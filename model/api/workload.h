#ifndef MODEL_API_WORKLOAD_H
#define MODEL_API_WORKLOAD_H

/* The hash of a pod template's tree: equal contents, whatever the order of keys, have equal hashes.  It decides whether
 * a change of a Deployment is a rollout. */

#include "model/input/doc.h"

uint64_t workload_template_hash(const DocNode *template);

#endif
