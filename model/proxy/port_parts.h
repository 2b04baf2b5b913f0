#ifndef MODEL_PROXY_PORT_PARTS_H
#define MODEL_PROXY_PORT_PARTS_H

/* The parts of one service port: sets, and chains that are made on demand
 *
 * They follow from the state of the port, the decision for it and the local detector.  Nodes (and bases) that decide
 * alike share one object.  What lies in memory is the decision, as indices of endpoints, nothing if all are picked; a
 * rule set holds the object in the place of each chain until a packet or a reader comes to it.  The object lives as
 * long as the names of that state of the port are used, and as long as a rule set or a chain needs it. */

#include "model/proxy/compiler.h"
#include "model/proxy/parts.h"
#include "model/proxy/port_names.h"

typedef struct PortParts PortParts;

/* Borrowed from 'row->names'. */
const PortParts *port_parts(const ProxyView *view, const PortRow *row, const EndpointChoice *choice);
void port_parts_put(NfRuleset *ruleset, const PortParts *parts);
void port_parts_remove(NfRuleset *ruleset, const PortParts *parts);
/* Puts what 'own' has otherwise than 'of_base', and takes away what it has not; both are of one state of the port. */
void port_parts_overlay(NfRuleset *overlay, const PortParts *own, const PortParts *of_base);

const PortParts *port_parts_ref(const PortParts *parts);
void port_parts_unref(const PortParts *parts);
/* What it was made of: a view without what is the node's own. */
ProxyView port_parts_view(const PortParts *parts);
PortRow port_parts_row(const PortParts *parts);

/* The names hold no parts any more: those last that rule sets or chains need. */
void port_parts_drop(PortNames *names);

#endif
