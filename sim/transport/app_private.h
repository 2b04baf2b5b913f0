#ifndef SIM_TRANSPORT_APP_PRIVATE_H
#define SIM_TRANSPORT_APP_PRIVATE_H

/* Private to sim/transport: what all applications have in common
 *
 * An App belongs to the socket table of its host.  Its memory stays until it is freed and nobody is inside a callback
 * of it. */

#include "sim/transport/app.h"
#include "sim/transport/socket_table.h"

typedef struct {
    void (*drain)(App *app);
    /* Closes all sockets ('abort': at once) and frees the kind's own memory, but not the App. */
    void (*clear)(App *app, bool abort);
} AppOps;

/* The first member of each kind. */
struct App {
    const AppOps *ops;
    SocketTable *table;
    uint32_t active;
};

void app_register(App *app, SocketTable *table, const AppOps *ops);
void app_trace(SocketTable *table, const char *name, const char *text, uint64_t flow);

#endif
