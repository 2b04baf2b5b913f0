#ifndef MODEL_CONTROL_LABEL_INDEX_H
#define MODEL_CONTROL_LABEL_INDEX_H

/* Which pods does a selector choose: pods by (namespace, label), the rarest label of the selector is looked through */

#include "model/api/object.h"

typedef struct LabelIndex LabelIndex;

LabelIndex *label_index_new(void);
void label_index_free(LabelIndex *index);
/* The pod is borrowed. */
void label_index_add(LabelIndex *index, const Pod *pod);
/* Appends the pods that match to 'ret_pods', in the order they were added.  An empty selector matches none. */
void label_index_find(const LabelIndex *index, const char *ns, const Labels *selector, GPtrArray *ret_pods);

#endif
