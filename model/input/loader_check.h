#ifndef MODEL_INPUT_LOADER_CHECK_H
#define MODEL_INPUT_LOADER_CHECK_H

/* References between what was read: names that nobody bears, selectors that match nothing */

#include "model/input/loader.h"

void input_check_references(Input *input);
/* Warns of addresses and node ports that two objects have. */
void input_check_addresses(Input *input);
/* Warns of probes of ports on which nobody listens. */
void input_check_probes(Input *input);

#endif
