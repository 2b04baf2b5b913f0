#ifndef MODEL_API_STORE_H
#define MODEL_API_STORE_H

/* The object store: what an API server keeps, and watches on it
 *
 * Objects by (kind, namespace, name) in a stable order (namespace, name).  Every change gets a version; a watcher is
 * told synchronously, in order of registration, and applies its own lag. */

#include "model/api/object.h"

typedef struct Store Store;

Store *store_new(void);
/* For objects of 'of', which outlives it: shares its texts and leaves the objects as they are (their version too). */
Store *store_new_mirror(Store *of);
void store_free(Store *store);
Strings *store_strings(Store *store);
uint64_t store_version(const Store *store);

/* Adds or replaces; takes the reference. */
void store_put(Store *store, ApiObject *object);
bool store_remove(Store *store, ApiKind kind, const char *ns, const char *name);
const ApiObject *store_get(const Store *store, ApiKind kind, const char *ns, const char *name); /* Borrowed. */

/* All of a kind, sorted by namespace, then name; valid until the next change of that kind. */
const ApiObject *const *store_list(Store *store, ApiKind kind, size_t *ret_n);
/* Slices of a Service, sorted by name. */
const EndpointSlice *const *store_slices_of(Store *store, const char *ns, const char *service, size_t *ret_n);

typedef enum { STORE_ADDED, STORE_MODIFIED, STORE_DELETED } StoreEvent;
typedef void (*StoreWatch)(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_);
uint32_t store_watch(Store *store, StoreWatch watch, void *user);
void store_unwatch(Store *store, uint32_t id);

#endif
