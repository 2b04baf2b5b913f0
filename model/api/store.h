#ifndef MODEL_API_STORE_H
#define MODEL_API_STORE_H

/* The object store: what an API server keeps, and watches on it
 *
 * Objects by (kind, namespace, name) in a stable order (namespace, name).  Every change gets a version; a watcher is
 * told synchronously, in order of registration, and applies its own lag. */

#include "model/api/implied_pods.h"
#include "sim/engine/simtime.h"

typedef struct Store Store;

Store *store_new(void);
void store_free(Store *store);
Strings *store_strings(Store *store);
uint64_t store_version(const Store *store);

/* Adds or replaces; takes the reference. */
void store_put(Store *store, ApiObject *object);
bool store_remove(Store *store, ApiKind kind, const char *ns, const char *name);
const ApiObject *store_get(const Store *store, ApiKind kind, const char *ns, const char *name); /* Borrowed. */

/* All of a kind, sorted by namespace, then name; valid until the next change of that kind. */
const ApiObject *const *store_list(Store *store, ApiKind kind, size_t *ret_n);
/* The same without pods that nobody has asked for yet (store_imply()). */
const ApiObject *const *store_list_made(Store *store, ApiKind kind, size_t *ret_n);

/* Pods that follow from slices, taken.  They are there as all others; their objects are made, and no watcher is told,
 * when they are asked for: each by store_get() and what changes it, all by store_list(). */
void store_imply(Store *store, ImpliedPods *pods);
ImpliedPods *store_implied(Store *store); /* Borrowed; NULL: there are none. */
/* All pods by namespace and name without making objects.  A zeroed cursor is before the first; NULL: no more.  What is
 * returned is valid until the next call, and pods must not change meanwhile nor objects be made. */
typedef struct {
    size_t n_objects, n_implied; /* Seen. */
    bool ahead;                  /* 'waiting' is the next of those that wait. */
    PodOutline waiting, made;
} PodCursor;
const PodOutline *store_next_pod(Store *store, PodCursor *cursor);

/* Slices of a Service, sorted by name. */
const EndpointSlice *const *store_slices_of(Store *store, const char *ns, const char *service, size_t *ret_n);

typedef enum { STORE_ADDED, STORE_MODIFIED, STORE_DELETED } StoreEvent;
typedef void (*StoreWatch)(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_);
uint32_t store_watch(Store *store, StoreWatch watch, void *user);
void store_unwatch(Store *store, uint32_t id);

/* A mirror shows 'of', which outlives it, as it was: a change is seen, and watchers of the mirror are told, when it is
 * let through.  Texts and objects are those of 'of' (their versions too), and what a mirror answers lives until the
 * next change of either.  It cannot be changed itself.  Of kinds that are not in the set 'kinds' it has nothing. */
#define STORE_KIND(kind) (UINT32_C(1) << (kind))
Store *store_new_mirror(Store *of, uint32_t kinds);
/* What a watcher of 'of' must pass on as it is told: a change, let through when all before it are, not before 'due'.
 * False: of a kind that the mirror does not have. */
bool store_hold(Store *mirror, SimTime due, const ApiObject *old, const ApiObject *new_);
/* When the first of the changes that wait is due; SIMTIME_NEVER: none waits. */
SimTime store_next_due(const Store *mirror);
/* Lets changes through that are due.  Returns their number. */
size_t store_catch_up(Store *mirror, SimTime now);

#endif
