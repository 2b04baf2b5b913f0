#ifndef MODEL_CONTROL_HINTS_H
#define MODEL_CONTROL_HINTS_H

/* Topology hints of a Service: which zone's, or node's, clients an endpoint is meant for
 *
 * Annotation service.kubernetes.io/topology-mode: Auto: every zone gets endpoints in proportion to the CPU of its ready
 * nodes, moved between zones by hint only.  No zone may be overloaded by more than 20 %: it needs at least its share
 * divided by 1.2, rounded up; if the zones' minima exceed the endpoints there are no hints at all.  Source: k8s
 * staging/src/k8s.io/endpointslice/topologycache (topologycache.go, utils.go).  Always computed anew: hints of a slice
 * that did not change are not kept as the real cache may; equal zones are served by name, where Go's maps have no
 * order. spec.trafficDistribution: the endpoint's own zone, and node (endpointslice/trafficdist); Auto wins over it. */

#include "model/api/store.h"

#define HINT_ZONES_MAX 64u

typedef struct {
    const char *name;
    int64_t cpu_milli;
    double desired;   /* Share of the endpoints, not below 'minimum'. */
    uint32_t minimum; /* Fewer would overload an endpoint of this zone. */
    uint32_t here;    /* Ready endpoints in the zone. */
    uint32_t give, receive;
} HintZone;

typedef struct {
    HintZone zones[HINT_ZONES_MAX]; /* By name. */
    uint32_t n_zones, n_endpoints;  /* Ready ones. */
    int64_t cpu_milli;
    uint32_t minimum;    /* Sum of the zones' minima. */
    const char *refusal; /* Why there are no hints; NULL: there are. */
} HintPlan;

bool hints_auto(const Service *service);
/* The arithmetic for these slices (of one address family). */
void hints_plan(Store *store, const EndpointSlice *const *slices, size_t n, HintPlan *ret_plan);
/* The hints that the Service's slices have leave a zone less than its minimum, or speak of no zone that is left: after
 * a change of nodes only such Services are looked at again (GetOverloadedServices). */
bool hints_overloaded(Store *store, const Service *service);
/* Hints for all ready endpoints of new slices, as the Service asks for. */
void hints_add(Store *store, const Service *service, EndpointSlice *const *slices, size_t n);
/* The arithmetic in words, one line. */
void hints_tell(const HintPlan *plan, GString *out);
/* The same for the present slices of a Service's first family. */
void hints_describe(Store *store, const Service *service, GString *out);

#endif
