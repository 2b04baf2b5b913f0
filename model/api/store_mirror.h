#ifndef MODEL_API_STORE_MIRROR_H
#define MODEL_API_STORE_MIRROR_H

/* What a mirror has of its own: the changes that wait, and what it shows until they are let through
 *
 * It takes memory for what differs only.  For a key with changes that wait it holds the object that it shows, or that
 * there is none; for a Service with such slices, its list of them.  Everything else its origin answers.  Read and
 * changed through the store (store.h, store_new_mirror()). */

#include "model/api/store.h"

typedef struct StoreMirror StoreMirror;

StoreMirror *store_mirror_new(Store *origin, uint32_t kinds);
void store_mirror_free(StoreMirror *mirror);

const ApiObject *store_mirror_get(const StoreMirror *mirror, ApiKind kind, const char *ns, const char *name);
const ApiObject *const *store_mirror_list(StoreMirror *mirror, ApiKind kind, size_t *ret_n);
const EndpointSlice *const *store_mirror_slices_of(const StoreMirror *mirror, const char *ns, const char *service,
                                                   size_t *ret_n);

bool store_mirror_hold(StoreMirror *mirror, SimTime due, const ApiObject *old, const ApiObject *new_);
SimTime store_mirror_next_due(const StoreMirror *mirror);
/* Lets the first change through if it is due.  '*ret_old' and '*ret_new' are what is shown before and now (NULL: no
 * object), references for the caller. */
bool store_mirror_step(StoreMirror *mirror, SimTime now, const ApiObject **ret_old, const ApiObject **ret_new);

#endif
