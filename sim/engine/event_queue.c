/* Event queue: a 4-ary min-heap with the events inline.
 *
 * Each entry has a serial number of its push, which makes the order total; 40 bytes an entry. */

#include "sim/engine/event_queue.h"

#include <glib.h>
#include <stdlib.h>

#define ARITY 4

typedef struct {
    Event event;
    uint64_t serial;
} Entry;

struct EventQueue {
    Entry *heap;
    size_t len, cap;
    uint64_t next_serial;
};

static int compare_entries(const void *a, const void *b);

static inline bool
before(const Entry *a, const Entry *b)
{
    if (a->event.at != b->event.at)
        return a->event.at < b->event.at;
    if (a->event.order != b->event.order)
        return a->event.order < b->event.order;
    return a->serial < b->serial;
}

EventQueue *
event_queue_new(void)
{
    return g_new0(EventQueue, 1);
}

void
event_queue_free(EventQueue *queue)
{
    if (!queue)
        return;
    g_free(queue->heap);
    g_free(queue);
}

void
event_queue_push(EventQueue *queue, const Event *event)
{
    Entry entry = {*event, queue->next_serial++};
    size_t i = queue->len++;

    if (queue->len > queue->cap) {
        queue->cap = MAX(64, queue->cap * 2);
        queue->heap = g_renew(Entry, queue->heap, queue->cap);
    }
    while (i > 0) {
        size_t parent = (i - 1) / ARITY;
        if (before(&queue->heap[parent], &entry))
            break;
        queue->heap[i] = queue->heap[parent];
        i = parent;
    }
    queue->heap[i] = entry;
}

const Event *
event_queue_peek(EventQueue *queue)
{
    return queue->len > 0 ? &queue->heap[0].event : NULL;
}

bool
event_queue_pop(EventQueue *queue, Event *ret_event)
{
    Entry *heap = queue->heap;
    Entry last;
    size_t hole = 0;

    if (queue->len == 0)
        return false;
    *ret_event = heap[0].event;
    last = heap[--queue->len];
    for (;;) {
        size_t first = hole * ARITY + 1, least = first, end = MIN(first + ARITY, queue->len);
        if (first >= queue->len)
            break;
        for (size_t child = first + 1; child < end; child++) {
            if (before(&heap[child], &heap[least]))
                least = child;
        }
        if (!before(&heap[least], &last))
            break;
        heap[hole] = heap[least];
        hole = least;
    }
    heap[hole] = last;
    return true;
}

size_t
event_queue_len(const EventQueue *queue)
{
    return queue->len;
}

void
event_queue_filter(EventQueue *queue, bool (*keep)(const Event *event, void *user), void *user)
{
    size_t n = 0;

    if (queue->len == 0)
        return;
    /* Sorted, so that keep() sees the events in order; and a sorted array is a heap. */
    qsort(queue->heap, queue->len, sizeof *queue->heap, compare_entries);
    for (size_t i = 0; i < queue->len; i++) {
        if (keep(&queue->heap[i].event, user))
            queue->heap[n++] = queue->heap[i];
    }
    queue->len = n;
}

static int
compare_entries(const void *a, const void *b)
{
    /* No two are equal: serials differ. */
    return before(a, b) ? -1 : 1;
}
