#ifndef MODEL_PROXY_PORT_NAMES_H
#define MODEL_PROXY_PORT_NAMES_H

/* States of service ports by names: which ids their chains have
 *
 * A chain's id stands for its name for as long as the names live, through all states of the port and its absence.  The
 * chains of a port that is seen for the first time get ids in a row, whose names are made when somebody asks; from its
 * second state on they are interned, and so are those of a port that goes. */

#include "model/proxy/compiler.h"

/* The names of this state of the port, with another user; made if need be. */
PortNames *port_names_use(struct ProxyCompiler *c, const ProxyServicePort *port);
/* A user leaves: without any, the state is not found any more, and lasts as long as rules are made of it. */
void port_names_leave(PortNames *names);
void port_names_unref(PortNames *names);

#endif
