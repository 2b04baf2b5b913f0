#ifndef MODEL_REPORT_CT_EVENTS_H
#define MODEL_REPORT_CT_EVENTS_H

/* Conntrack events as `conntrack -E -o timestamp` prints them
 *
 * A trace sink that follows one host.  As in the kernel, what one packet does to a connection is one event, reported
 * when the packet has done it all; a connection that dies of a packet is only reported dead. */

#include "sim/net/host.h"

typedef struct CtEvents CtEvents;

typedef bool (*CtEventFilter)(void *user, const Conn *conn);

/* Registers with the Sim; 'out' is borrowed. */
CtEvents *ct_events_new(Host *host, CtEventFilter filter, void *user, GString *out);
/* Writes what is pending, unregisters; returns the number of events. */
uint32_t ct_events_close(CtEvents *events);

#endif
