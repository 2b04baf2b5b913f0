#ifndef MODEL_PROXY_PARTS_H
#define MODEL_PROXY_PARTS_H

/* Chains and sets that are put into rule sets together */

#include "model/proxy/compiler.h"

void parts_clear(Parts *parts);
void parts_free(void *parts); /* For containers. */
void parts_put(NfRuleset *ruleset, const Parts *parts);

#endif
