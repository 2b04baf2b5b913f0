#ifndef MODEL_INPUT_OVERRIDE_H
#define MODEL_INPUT_OVERRIDE_H

/* Overrides: OBJECT.FIELD=VALUE, as `run --set` and the variants of `whatif` write them
 *
 *   service/[NS/]NAME.spec.externalTrafficPolicy=Local     any kind that kubectl names, any field that a patch can set
 *   service/web.externalTrafficPolicy=Local                "spec." may be left out
 * The value is read as YAML.  Applied to the Input before the controllers fill its gaps. */

#include "model/input/loader.h"

/* False with a message (caller frees) if the object is not there or the field cannot be set; the Input is then as it
 * was. */
bool input_override(Input *input, const char *assignment, char **ret_error);

#endif
