/* Trace: the list of sinks and the hand-out of records. */

#include "sim/trace/trace.h"

#include <assert.h>

static void update_mask(Sim *sim);

void
trace_add_sink(Sim *sim, TraceSink *sink)
{
    TraceSink **end = &sim->sinks;

    for (; *end; end = &(*end)->next)
        assert(*end != sink);
    *end = sink;
    sink->next = NULL;
    update_mask(sim);
}

void
trace_remove_sink(Sim *sim, TraceSink *sink)
{
    TraceSink **link = &sim->sinks;

    while (*link != sink) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = sink->next;
    sink->next = NULL;
    update_mask(sim);
}

void
trace_emit(Sim *sim, TraceRecord *record)
{
    trace_emit_part(sim, record, TRACE_BIT(record->kind));
}

void
trace_emit_part(Sim *sim, TraceRecord *record, uint32_t bits)
{
    record->at = sim->now;
    for (TraceSink *sink = sim->sinks, *next; sink; sink = next) {
        next = sink->next; /* A sink may remove itself. */
        if (sink->mask & bits)
            sink->record(sink, record);
    }
}

static void
update_mask(Sim *sim)
{
    sim->trace_mask = 0;
    for (const TraceSink *sink = sim->sinks; sink; sink = sink->next)
        sim->trace_mask |= sink->mask;
}
