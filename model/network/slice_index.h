#ifndef MODEL_NETWORK_SLICE_INDEX_H
#define MODEL_NETWORK_SLICE_INDEX_H

/* Which EndpointSlices hold an address
 *
 * Made of the store when it is asked, and again after the store has changed.  Slices are borrowed from the store: an
 * answer lives until the next change. */

#include "model/api/store.h"

typedef struct SliceIndex SliceIndex;

SliceIndex *slice_index_new(Store *store);
void slice_index_free(SliceIndex *index);
void slice_index_forget(SliceIndex *index); /* Gives its memory back until somebody asks again. */
/* Slices with an endpoint of address 'addr', in the store's order, each once: calls 'each' with each. */
void slice_index_each(SliceIndex *index, IpAddr addr, void (*each)(const EndpointSlice *slice, void *user), void *user);

#endif
