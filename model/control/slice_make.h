#ifndef MODEL_CONTROL_SLICE_MAKE_H
#define MODEL_CONTROL_SLICE_MAKE_H

/* EndpointSlices of a Service from the pods that its selector chooses
 *
 * Source: k8s staging/src/k8s.io/endpointslice (reconciler.go, utils.go): one slice per address family, per set of
 * resolved ports, per 100 endpoints; a Service without endpoints keeps an empty slice. */

#include "model/api/store.h"

#define SLICE_MAX_ENDPOINTS 100u

/* This Service's slices follow from its selector: it has one, and no slice of another hand is there. */
bool slices_are_ours(Store *store, const Service *service);
/* Made by the controller (of the mirroring one, if the Service has a selector now). */
bool slice_is_ours(const EndpointSlice *slice);

/* New, unstored slices for 'pods' (of the selector, in order), owned by the caller.  They take the names of the
 * Service's present slices as far as these go. 'fallback': family of a Service that names none. */
void slices_make(Store *store, uint64_t seed, const Service *service, const Pod *const *pods, size_t n_pods,
                 IpFamily fallback, GPtrArray *ret_slices);
bool slice_equal(const EndpointSlice *a, const EndpointSlice *b);

#endif
