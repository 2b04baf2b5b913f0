#include "model/report/ct_events.h"

#include <string.h>

struct CtEvents {
    TraceSink sink;
    Host *host;
    CtEventFilter filter;
    void *user;
    GString *out;
    uint32_t n;
    /* The event that waits until its packet is through with it; referenced. */
    Conn *pending;
    SimTime pending_at;
    uint64_t dead; /* conn_id() of the connection that died last. */
};

static Conntrack *
table_of(const CtEvents *e)
{
    return nf_stack_conntrack(host_netfilter_peek(e->host));
}

/* The line of a listing without "mark=0 use=2", which events do not carry. */
static void
write_event(CtEvents *e, SimTime at, const char *kind, const Conn *conn)
{
    g_autofree char *line = conn_format(table_of(e), conn);
    char *mark = strstr(line, " mark=");
    bool marked = mark && !g_str_has_prefix(mark, " mark=0 ");
    char *use = strstr(line, " use=");

    if (use)
        *use = '\0';
    if (mark && !marked)
        *mark = '\0';
    g_string_append_printf(e->out, "[%" G_GINT64_FORMAT ".%06d]\t%9s %s\n", at / SIMTIME_SEC,
                           (int)(at % SIMTIME_SEC / SIMTIME_USEC), kind, line);
    e->n++;
}

static void
drop_pending(CtEvents *e)
{
    if (e->pending)
        conn_unref(table_of(e), e->pending);
    e->pending = NULL;
}

static void
flush_pending(CtEvents *e)
{
    if (e->pending)
        write_event(e, e->pending_at, "[UPDATE]", e->pending);
    drop_pending(e);
}

static void
on_ct(CtEvents *e, const TraceRecord *r)
{
    Conn *conn = r->ct.conn;

    if (e->pending != conn)
        flush_pending(e);
    if (!e->filter(e->user, conn) || (conn_id(conn) == e->dead && r->ct.event != TRACE_CT_DESTROY))
        return;
    switch ((TraceCtEvent)r->ct.event) {
    case TRACE_CT_NEW:
        break; /* Not in the table yet. */
    case TRACE_CT_CONFIRM:
        drop_pending(e);
        write_event(e, r->at, "[NEW]", conn);
        break;
    case TRACE_CT_STATE:
    case TRACE_CT_REPLY:
    case TRACE_CT_ASSURED:
        if (e->pending)
            break;
        conn_ref(conn);
        e->pending = conn;
        e->pending_at = r->at;
        break;
    case TRACE_CT_DESTROY:
        drop_pending(e);
        write_event(e, r->at, "[DESTROY]", conn);
        e->dead = conn_id(conn);
        break;
    }
}

static void
on_record(TraceSink *sink, const TraceRecord *r)
{
    CtEvents *e = (CtEvents *)sink;

    if (r->host != e->host)
        return;
    if (r->kind == TRACE_CT)
        on_ct(e, r);
    else
        flush_pending(e); /* The hook's conntrack entry is through. */
}

CtEvents *
ct_events_new(Host *host, CtEventFilter filter, void *user, GString *out)
{
    CtEvents *e = g_new0(CtEvents, 1);

    *e = (CtEvents){.sink = {.mask = TRACE_BIT(TRACE_CT) | TRACE_BIT(TRACE_HOOK), .record = on_record},
                    .host = host,
                    .filter = filter,
                    .user = user,
                    .out = out,
                    .dead = UINT64_MAX};
    trace_add_sink(host_sim(host), &e->sink);
    return e;
}

uint32_t
ct_events_close(CtEvents *e)
{
    uint32_t n;

    flush_pending(e);
    trace_remove_sink(host_sim(e->host), &e->sink);
    n = e->n;
    g_free(e);
    return n;
}
