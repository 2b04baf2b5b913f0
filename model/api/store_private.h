#ifndef MODEL_API_STORE_PRIVATE_H
#define MODEL_API_STORE_PRIVATE_H

/* What the store and its mirrors share. */

#include "model/api/store.h"
#include "sim/engine/vec.h"

/* Names are interned, so that pointers are the key. */
typedef struct {
    const char *ns, *name;
} NameKey;

typedef VEC(const ApiObject *) ObjectVec;

/* False: nothing is called so. */
bool name_key_find(const Strings *strings, const char *ns, const char *name, NameKey *ret_key);
/* Of pointers to objects, by namespace, then name. */
int compare_objects(const void *a, const void *b);
/* A Service's slices, sorted by name; there are few. */
void slices_add(ObjectVec *list, const ApiObject *slice);
void slices_drop(ObjectVec *list, const ApiObject *slice);

#endif
