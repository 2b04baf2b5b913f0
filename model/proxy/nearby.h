#ifndef MODEL_PROXY_NEARBY_H
#define MODEL_PROXY_NEARBY_H

/* Which Services a node may see otherwise than its class does
 *
 * A class of nodes decides as a node would that has no endpoints, is named by no hint and lies within no source range
 * (base.h).  So a node need only decide anew for Services with an endpoint on it or a hint for it, and for those with
 * source ranges: what a node costs follows from its pods, not from the number of Services. */

#include "model/proxy/service_port.h"
#include "sim/engine/vec.h"

typedef VEC(uint32_t) Places;

typedef struct {
    GHashTable *by_node; /* Name -> Places *, ascending; NULL: nothing is known yet. */
    Places everywhere;   /* With source ranges. */
} Nearby;

void nearby_begin(Nearby *nearby);
void nearby_clear(Nearby *nearby);
/* The Service in that place, if any node may see it otherwise. */
void nearby_add(Nearby *nearby, uint32_t place, const ServiceEntry *entry);
void nearby_remove(Nearby *nearby, uint32_t place, const ServiceEntry *entry);
/* Ascending, each once; the caller's to clear. */
Places nearby_find(const Nearby *nearby, const char *node);

#endif
