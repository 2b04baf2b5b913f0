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
    uint32_t bit = TRACE_BIT(record->kind);

    record->at = sim->now;
    for (TraceSink *sink = sim->sinks, *next; sink; sink = next) {
        next = sink->next; /* A sink may remove itself. */
        if (sink->mask & bit)
            sink->record(sink, record);
    }
}

static void
update_mask(Sim *sim)
{
    sim->trace_mask = sim->trace_nat_mask = 0;
    for (const TraceSink *sink = sim->sinks; sink; sink = sink->next) {
        sim->trace_mask |= sink->only_nat_rules ? sink->mask & ~TRACE_BIT(TRACE_RULE) : sink->mask;
        sim->trace_nat_mask |= sink->mask;
    }
}
