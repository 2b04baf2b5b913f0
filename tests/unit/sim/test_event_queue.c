#include "sim/engine/event_queue.h"

#include "sim/engine/rng.h"
#include "sim/engine/vec.h"
#include "tests/unit/test.h"

typedef struct {
    Event event;
    uint64_t serial;
} Row;

typedef VEC(Row) Rows;

/* The twin: an array, searched in full. */
static size_t
twin_first(const Rows *rows)
{
    size_t best = 0;

    for (size_t i = 1; i < rows->len; i++) {
        const Row *a = &rows->data[i], *b = &rows->data[best];
        bool less = a->event.at != b->event.at         ? a->event.at < b->event.at
                    : a->event.order != b->event.order ? a->event.order < b->event.order
                                                       : a->serial < b->serial;
        if (less)
            best = i;
    }
    return best;
}

static bool
keep_odd(const Event *event, void *user)
{
    SimTime *last = user;

    T_TRUE(event->at >= *last);
    *last = event->at;
    return event->arg & 1;
}

static SimTime
random_delay(Rng *rng)
{
    switch (rng_below(rng, 5)) {
    case 0:
        return rng_below(rng, 3);
    case 1:
        return rng_below(rng, 1000);
    case 2:
        return rng_below(rng, 2000000000);
    case 3:
        return (SimTime)(rng_u64(rng) >> 10); /* Days to months. */
    default:
        return (SimTime)1 << rng_below(rng, 55);
    }
}

static void
test_twin(void)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        Rng rng = rng_stream(seed, "test", "queue");
        EventQueue *queue = event_queue_new();
        Rows rows = {0};
        SimTime now = 0;
        uint64_t serial = 0, fill = 4 + rng_below(&rng, seed % 3 ? 300 : 2000);
        bool crowded = seed % 2; /* Many events of the same few instants, told apart by any digit of their order. */

        for (int step = 0; step < 4000; step++) {
            const Event *peek = event_queue_peek(queue);
            T_EQ_U64(event_queue_len(queue), rows.len);
            T_TRUE((peek == NULL) == (rows.len == 0));
            if (rows.len == 0 || rng_below(&rng, (uint32_t)(2 * fill)) > rows.len) {
                Event event = {.at = now + random_delay(&rng), .order = rng_below(&rng, 4), .arg = serial};
                if (crowded && rng_below(&rng, 4) > 0) {
                    event.at = now + rng_below(&rng, 3);
                    event.order = rng_u64(&rng) >> rng_below(&rng, 64);
                }
                event_queue_push(queue, &event);
                vec_push(&rows, (Row){event, serial});
                serial++;
            } else {
                size_t first = twin_first(&rows);
                Event got;
                T_TRUE(peek->arg == rows.data[first].event.arg);
                T_TRUE(event_queue_pop(queue, &got));
                if (got.arg != rows.data[first].event.arg || got.at != rows.data[first].event.at)
                    test_check(false, __LINE__, __FILE__, __func__, "seed %" PRIu64 " step %d", seed, step);
                now = got.at;
                vec_remove(&rows, first);
            }
            if (rng_below(&rng, 1000) == 0) {
                SimTime last = 0;
                event_queue_filter(queue, keep_odd, &last);
                for (size_t i = rows.len; i-- > 0;) {
                    if (!(rows.data[i].event.arg & 1))
                        vec_remove(&rows, i);
                }
            }
        }
        event_queue_free(queue);
        vec_clear(&rows);
    }
}

static void
test_ties(void)
{
    EventQueue *queue = event_queue_new();
    Event got;

    /* Same instant: by order, and equal orders in the sequence of pushes; also when pushed in between. */
    for (uint64_t i = 0; i < 300; i++)
        event_queue_push(queue, &(Event){.at = 5, .order = i % 3, .arg = i});
    for (uint64_t i = 0; i < 300; i++) {
        T_TRUE(event_queue_pop(queue, &got));
        T_EQ_U64(got.order, i / 100);
        T_EQ_U64(got.arg, i % 100 * 3 + i / 100);
    }
    T_TRUE(!event_queue_pop(queue, &got));
    event_queue_push(queue, &(Event){.at = 9, .order = 7, .arg = 1});
    event_queue_push(queue, &(Event){.at = 9, .order = 2, .arg = 2});
    T_TRUE(event_queue_pop(queue, &got) && got.arg == 2);
    event_queue_push(queue, &(Event){.at = 9, .order = 1, .arg = 3});
    T_TRUE(event_queue_pop(queue, &got) && got.arg == 3);
    T_TRUE(event_queue_pop(queue, &got) && got.arg == 1);
    event_queue_free(queue);
}

static void
test_earlier_and_earlier(void)
{
    /* Each look at the first event commits the queue to a range of times; all that follows comes before it. */
    for (uint32_t shift = 0; shift < 40; shift += 3) {
        EventQueue *queue = event_queue_new();
        Rng rng = rng_stream(shift, "test", "earlier");
        SimTime at = (SimTime)1 << 60;
        Event got, last = {0};

        event_queue_push(queue, &(Event){.at = at});
        for (uint64_t i = 1; i < 3000; i++) {
            T_EQ_U64(event_queue_peek(queue)->arg, i - 1);
            at -= (SimTime)(1 + rng_below(&rng, 300)) << shift;
            event_queue_push(queue, &(Event){.at = at, .arg = i});
            if (i % 7 == 0)
                event_queue_push(queue, &(Event){.at = at + rng_below(&rng, 100000), .order = 1});
        }
        while (event_queue_pop(queue, &got)) {
            T_TRUE(got.at > last.at || (got.at == last.at && got.order >= last.order));
            last = got;
        }
        event_queue_free(queue);
    }
}

const TestSuite suite_event_queue = {"sim/event_queue",
                                     {{"random operations agree with an array", test_twin},
                                      {"equal times come by order, then insertion", test_ties},
                                      {"ever earlier events come out in order", test_earlier_and_earlier}}};
