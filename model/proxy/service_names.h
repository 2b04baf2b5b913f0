#ifndef MODEL_PROXY_SERVICE_NAMES_H
#define MODEL_PROXY_SERVICE_NAMES_H

/* States of Services by names: which ids the chains of their ports have
 *
 * A chain's id stands for its name for as long as the names live, through all states of the Service and its absence.
 * The chains of a Service that is seen for the first time get ids in a row, port after port, whose names are made when
 * somebody asks; from its second state on they are interned, and so are those of a Service that goes. */

#include "model/proxy/compiler.h"

/* The names of this state of the Service, with another user; made if need be. */
ServiceNames *service_names_use(struct ProxyCompiler *c, const ServiceEntry *entry);
/* A user leaves: without any, the state is not found any more, and lasts as long as rules are made of it. */
void service_names_leave(ServiceNames *names);
void service_names_unref(ServiceNames *names);

/* NfNamer.name(). */
void service_chain_name(void *names, uint32_t place, char ret_name[static NF_NAME_SIZE]);

/* The ports one after the other, awake:
 *     for (PortCursor at = port_cursor(names); port_cursor_next(&at);) ... at.port, at.names */
typedef struct {
    const ProxyServicePort *port;
    PortNames names;
    uint32_t index, n_ports;
} PortCursor;

PortCursor port_cursor(const ServiceNames *names);
bool port_cursor_next(PortCursor *cursor);

#endif
