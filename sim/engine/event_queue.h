#ifndef SIM_ENGINE_EVENT_QUEUE_H
#define SIM_ENGINE_EVENT_QUEUE_H

/* Event queue: a pure data structure in total order
 *
 * Order of events: time, then 'order' (see sim.h for what it is made of), then insertion.  An implementation must
 * give exactly this order; tests hold it against a plain sorted array.  No callback is called from here.            */

#include "sim/engine/simtime.h"

typedef struct EventType EventType;

typedef struct {
    SimTime at;
    uint64_t order;        /* phase, entity, sequence: see sim.h. */
    const EventType *type; /* What to do. */
    uint64_t arg;          /* A pointer or an id, as the type defines. */
} Event;
_Static_assert(sizeof(Event) == 32, "an event is half a cache line");

typedef struct EventQueue EventQueue;

EventQueue *event_queue_new(void);
void event_queue_free(EventQueue *queue);
void event_queue_push(EventQueue *queue, const Event *event);
/* The first event, or NULL; valid until the next push or pop. */
const Event *event_queue_peek(EventQueue *queue);
/* Removes the first event into 'ret_event'; false when empty. */
bool event_queue_pop(EventQueue *queue, Event *ret_event);
/* The same, false too if the first event is later than 'until'. */
bool event_queue_pop_due(EventQueue *queue, SimTime until, Event *ret_event);
/* The event that comes 'n' events behind the first one as things stand, or NULL if there is none soon; valid until the
 * next call. */
const Event *event_queue_ahead(EventQueue *queue, size_t n);
size_t event_queue_len(const EventQueue *queue);
/* Removes, in order, all events for which keep() is false (used when an owner dies). */
void event_queue_filter(EventQueue *queue, bool (*keep)(const Event *event, void *user), void *user);

#endif
