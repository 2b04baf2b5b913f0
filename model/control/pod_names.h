#ifndef MODEL_CONTROL_POD_NAMES_H
#define MODEL_CONTROL_POD_NAMES_H

/* Names that controllers make, in the shape of the real ones, and always the same for the same input
 *
 * Source of the alphabet and of the template hash's look: apimachinery pkg/util/rand (SafeEncodeString: the decimal
 * digits of a 32-bit hash, each mapped into the alphabet). */

#include "model/api/object.h"

/* pod-template-hash: up to 10 characters. */
const char *name_template_hash(Strings *strings, uint64_t template_hash);
/* "base-x7k2p": 5 characters from the seed, the namespace, the base and 'serial'. */
const char *name_generated(Strings *strings, uint64_t seed, const char *ns, const char *base, uint64_t serial);

#endif
