#ifndef MODEL_PROXY_SERVICE_PARTS_H
#define MODEL_PROXY_SERVICE_PARTS_H

/* The parts of the ports of one Service: sets, and chains that are made on demand
 *
 * They follow from the state of the Service, the decisions for its ports and the local detector.  Nodes (and bases)
 * that decide alike share one object.  What lies in memory is the decisions, with indices of endpoints where neither
 * all nor none are picked; a rule set holds the object in the place of each chain until a packet or a reader comes to
 * it.  The object lives as long as the names of that state of the Service are used, and as long as a rule set, a block
 * or a chain needs it. */

#include "model/proxy/compiler.h"
#include "model/proxy/parts.h"
#include "model/proxy/service_names.h"

typedef struct ServiceParts ServiceParts;

/* What a node decides for a port. */
typedef struct {
    EndpointChoice choice;
    PortVerdict verdict;
} PortChoice;

/* 'choices' are those for each port; borrowed from 'names'. */
const ServiceParts *service_parts(const ProxyView *view, ServiceNames *names, const PortChoice *choices);
const ServiceParts *service_parts_ref(const ServiceParts *parts);
void service_parts_unref(const ServiceParts *parts);
/* What it was made of: a view without what is the node's own. */
ProxyView service_parts_view(const ServiceParts *parts);
ServiceNames *service_parts_names(const ServiceParts *parts);
PortVerdict service_parts_verdict(const ServiceParts *parts, uint32_t port);
/* All ports have internal and external endpoints. */
bool service_parts_serve(const ServiceParts *parts);

/* The ports with their decisions, one after the other:
 *     for (RowCursor at = row_cursor(parts); row_cursor_next(&at);) ... at.row, at.picks
 * The row points into the cursor. */
typedef struct {
    const ServiceParts *parts;
    PortCursor ports;
    const uint32_t *listed;
    PortRow row;
    PortPicks picks;
} RowCursor;

RowCursor row_cursor(const ServiceParts *parts);
bool row_cursor_next(RowCursor *cursor);

void service_parts_put(NfRuleset *ruleset, const ServiceParts *parts);
void service_parts_remove(NfRuleset *ruleset, const ServiceParts *parts);
/* Puts what 'own' has otherwise than 'of_base', and takes away what it has not; both are of one state of the Service.
 */
void service_parts_overlay(NfRuleset *overlay, const ServiceParts *own, const ServiceParts *of_base);

/* The names hold no parts any more: those last that rule sets or chains need. */
void service_parts_drop(ServiceNames *names);

#endif
