#ifndef MODEL_PROXY_PARTS_H
#define MODEL_PROXY_PARTS_H

/* Parts of rule sets, and the variants of one service port's parts that nodes share
 *
 * The parts of a service port follow from its state, the decision for it and the local detector.  Nodes (and bases)
 * that decide alike get the same objects.  Variants live as long as the names of that state of the port. */

#include "model/proxy/compiler.h"

void parts_clear(Parts *parts);
void parts_free(void *parts); /* For containers. */
void parts_put(NfRuleset *ruleset, const Parts *parts);
void parts_remove(NfRuleset *ruleset, const Parts *parts);

/* Borrowed from 'names'. */
const Parts *port_parts(const ProxyModeOps *ops, const ProxyView *view, PortNames *names, const PortRow *row,
                        const EndpointChoice *choice);
void port_names_unref(PortNames *names);

#endif
