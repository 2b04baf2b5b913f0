/* Event queue: nanoseconds of CPU for a hold (pop the first, push it back later) at 1e4, 1e5 and 1e6 pending, beside a
 * plain binary heap and a GTree.  Two mixes: exponential delays, and a network's (90 % link delays of 0.5 to 50 us, 8 %
 * retransmission timers of 0.2 s, 2 % timeouts from 30 s on).  Usage: bench_queue [holds] */

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sim/engine/event_queue.h"
#include "sim/engine/rng.h"
#include "sim/engine/vec.h"

#define N_DELAYS 65536

typedef struct {
    const char *name;
    void *(*new)(void);
    void (*push)(void *queue, const Event *event);
    void (*pop)(void *queue, Event *ret_event);
    void (*free)(void *queue);
} Candidate;

typedef VEC(Event) Heap;

static double
cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int
compare_events(const Event *a, const Event *b)
{
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void *
ours_new(void)
{
    return event_queue_new();
}

static void
ours_push(void *queue, const Event *event)
{
    event_queue_push(queue, event);
}

static void
ours_pop(void *queue, Event *ret_event)
{
    event_queue_pop(queue, ret_event);
}

static void
ours_free(void *queue)
{
    event_queue_free(queue);
}

static void *
binary_new(void)
{
    return g_new0(Heap, 1);
}

static void
binary_push(void *queue, const Event *event)
{
    Heap *heap = queue;
    size_t i = heap->len;

    vec_push(heap, *event);
    for (; i > 0 && compare_events(event, &heap->data[(i - 1) / 2]) < 0; i = (i - 1) / 2)
        heap->data[i] = heap->data[(i - 1) / 2];
    heap->data[i] = *event;
}

static void
binary_pop(void *queue, Event *ret_event)
{
    Heap *heap = queue;
    Event last = heap->data[--heap->len];
    size_t i = 0;

    *ret_event = heap->data[0];
    for (size_t child; (child = 2 * i + 1) < heap->len; i = child) {
        if (child + 1 < heap->len && compare_events(&heap->data[child + 1], &heap->data[child]) < 0)
            child++;
        if (compare_events(&last, &heap->data[child]) <= 0)
            break;
        heap->data[i] = heap->data[child];
    }
    heap->data[i] = last;
}

static void
binary_free(void *queue)
{
    Heap *heap = queue;

    vec_clear(heap);
    g_free(heap);
}

static int
compare_keys(gconstpointer a, gconstpointer b, gpointer user)
{
    (void)user;
    return compare_events(a, b);
}

static void *
tree_new(void)
{
    return g_tree_new_full(compare_keys, NULL, g_free, NULL);
}

static void
tree_push(void *queue, const Event *event)
{
    g_tree_insert(queue, g_memdup2(event, sizeof *event), NULL);
}

static void
tree_pop(void *queue, Event *ret_event)
{
    GTreeNode *first = g_tree_node_first(queue);

    *ret_event = *(const Event *)g_tree_node_key(first);
    g_tree_remove(queue, ret_event);
}

static void
tree_free(void *queue)
{
    g_tree_destroy(queue);
}

static void
make_delays(SimTime *delays, bool network)
{
    Rng rng = rng_stream(1, "bench", network ? "network" : "exponential");

    for (size_t i = 0; i < N_DELAYS; i++) {
        uint32_t kind = rng_below(&rng, 100);
        if (!network)
            delays[i] = rng_exponential(&rng, SIMTIME_MSEC);
        else if (kind < 90)
            delays[i] = 500 + rng_below(&rng, 49500);
        else if (kind < 98)
            delays[i] = 200 * SIMTIME_MSEC + rng_below(&rng, 1000000);
        else
            delays[i] = 30 * SIMTIME_SEC + (SimTime)rng_below(&rng, 1000) * SIMTIME_SEC;
    }
}

static double
hold(const Candidate *candidate, const SimTime *delays, size_t pending, size_t holds)
{
    void *queue = candidate->new ();
    uint64_t order = 0;
    double start;
    Event event;

    for (size_t i = 0; i < pending; i++)
        candidate->push(queue, &(Event){.at = delays[i % N_DELAYS], .order = order++});
    start = cpu_ns();
    for (size_t i = 0; i < holds; i++) {
        candidate->pop(queue, &event);
        event.at += delays[order % N_DELAYS];
        event.order = order++;
        candidate->push(queue, &event);
    }
    start = cpu_ns() - start;
    candidate->free(queue);
    return start / (double)holds;
}

int
main(int argc, char **argv)
{
    static const Candidate candidates[] = {
        {"event_queue", ours_new, ours_push, ours_pop, ours_free},
        {"binary heap", binary_new, binary_push, binary_pop, binary_free},
        {"GTree", tree_new, tree_push, tree_pop, tree_free},
    };
    static const size_t sizes[] = {10000, 100000, 1000000};
    size_t holds = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    SimTime *delays = g_new(SimTime, N_DELAYS);

    for (int network = 0; network < 2; network++) {
        make_delays(delays, network);
        for (size_t c = 0; c < G_N_ELEMENTS(candidates); c++) {
            printf("%-12s %-12s", network ? "network" : "exponential", candidates[c].name);
            for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++)
                printf(" %8.1f", hold(&candidates[c], delays, sizes[s], holds));
            printf("  ns/hold at 1e4, 1e5, 1e6\n");
        }
    }
    g_free(delays);
    return 0;
}
