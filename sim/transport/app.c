/* Applications: what they have in common; see app_private.h */

#include "sim/transport/app.h"

#include "sim/transport/app_private.h"

void
app_free(App *app)
{
    SocketTable *table;

    if (!app)
        return;
    table = app->table;
    for (size_t i = 0; i < table->apps.len; i++) {
        if (table->apps.data[i] == app) {
            vec_remove(&table->apps, i);
            break;
        }
    }
    app->ops->clear(app, true);
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
    vec_push(&table->apps, app);
}

void
app_trace(SocketTable *table, const char *name, const char *text, uint64_t flow)
{
    if (trace_wants(table->sim, TRACE_APP)) {
        TraceRecord record = {.kind = TRACE_APP, .host = table->host};
        record.app.app = name;
        record.app.text = text;
        record.app.flow = flow;
        trace_emit(table->sim, &record);
    }
}

void
app_table_free(SocketTable *table)
{
    while (table->apps.len) {
        App *app = table->apps.data[--table->apps.len];
        app->ops->clear(app, false);
        g_free(app);
    }
    vec_clear(&table->apps);
}
