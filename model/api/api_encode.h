#ifndef MODEL_API_API_ENCODE_H
#define MODEL_API_API_ENCODE_H

/* The kinds' encoders: the `spec` mapping, and `status` where there is one */

#include "model/api/api_read.h"

DocNode *service_encode(DocArena *arena, const Service *service, DocNode **ret_status);
DocNode *node_encode(DocArena *arena, const KubeNode *node, DocNode **ret_status);
DocNode *pod_encode(DocArena *arena, const Pod *pod, DocNode **ret_status);
DocNode *budget_encode(DocArena *arena, const Budget *budget);
DocNode *workload_encode(DocArena *arena, const Workload *workload);
void endpointslice_encode(DocOut *out, const EndpointSlice *slice);

#endif
