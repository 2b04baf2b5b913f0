/* Applications: what they have in common; see app_private.h */

#include "sim/transport/app.h"

#include "sim/engine/dlist.h"
#include "sim/transport/app_private.h"

static void unlink_app(App *app);

void
app_free(App *app)
{
    if (!app)
        return;
    unlink_app(app);
    app->ops->clear(app, false);
    g_free(app);
}

void
app_drain(App *app)
{
    app->ops->drain(app);
}

uint32_t
app_active(const App *app)
{
    return app->active;
}

void
app_register(App *app, SocketTable *table, const AppOps *ops)
{
    app->ops = ops;
    app->table = table;
    dlist_push(table->apps, app);
}

void
app_trace(const App *app, const char *name, const char *text, uint64_t flow)
{
    Sim *sim = app->table->sim;

    if (trace_wants(sim, TRACE_APP)) {
        TraceRecord record = {.kind = TRACE_APP, .host = app->table->host};
        record.app.app = name;
        record.app.text = text;
        record.app.flow = flow;
        trace_emit(sim, &record);
    }
}

void
app_table_free(SocketTable *table)
{
    while (table->apps) {
        App *app = table->apps;
        unlink_app(app);
        app->ops->clear(app, true);
        g_free(app);
    }
}

static void
unlink_app(App *app)
{
    dlist_remove(app->table->apps, app);
}
