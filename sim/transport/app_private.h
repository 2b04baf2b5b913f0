#ifndef SIM_TRANSPORT_APP_PRIVATE_H
#define SIM_TRANSPORT_APP_PRIVATE_H

/* Private to sim/transport: what all applications have in common
 *
 * An App belongs to the socket table of its host and is freed with it.  Clients and look-ups are Apps too (internally),
 * so that nothing outlives its host. */

#include "sim/transport/app.h"
#include "sim/transport/socket_table.h"

typedef struct {
    /* NULL for clients. */
    void (*drain)(App *app);
    /* Frees what the kind owns, but not the App.  'host_gone': its sockets die with the host, no packet is sent. */
    void (*clear)(App *app, bool host_gone);
} AppOps;

/* The first member of each kind. */
struct App {
    const AppOps *ops;
    SocketTable *table;
    App *prev, *next;
    uint32_t active;
};

void app_register(App *app, SocketTable *table, const AppOps *ops);
void app_trace(const App *app, const char *name, const char *text, uint64_t flow);

#endif
