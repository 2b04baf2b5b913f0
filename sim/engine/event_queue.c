/* Event queue: a sorted front, and behind it a radix ladder of unsorted slots.
 *
 * An event's key is its time and order as one number of 128 bits.  'edge' splits the future: events up to it stand in
 * the front, a sorted array; all later ones lie in slots.  A slot is named by the highest digit, of 8 bits, in which a
 * key differs from the edge: that digit's place is the level, its value the slot of the level.  When the front is
 * empty, the earliest slot is opened: a small one goes to the front whole and the edge moves to the end of what the
 * slot covers; a large one is dealt out to the levels below.  So an event moves at most once a level, and it moves in
 * streams of chunks, which caches and prefetchers like, where a heap walks cold lines.
 *
 * Invariants: the front is sorted and no key in it is beyond the edge; a key in a slot has the edge's digits above the
 * slot's level and a greater one there, so the lowest level in use has the earliest events, in its lowest slot.  Equal
 * keys lie in one place, in the order of insertion. */

#include "sim/engine/event_queue.h"

#include <glib.h>
#include <string.h>

#include "sim/engine/pool.h"

#define DIGIT_BITS   8
#define N_LEVELS     16
#define N_SLOTS      (1u << DIGIT_BITS)
#define CHUNK_EVENTS 15
#define SLAB_CHUNKS  32
/* Slots of up to so many events are sorted at once: between 8 and 48 the cost is flat. */
#define SMALL_SLOT 24
/* Slots up to this level, of 256 ns of time, are opened to look ahead; a later one would take the edge far ahead. */
#define AHEAD_LEVEL (N_LEVELS / 2 + 1)
/* A longer front gives its later part back to the slots: bounds what an insertion shifts. */
#define FRONT_MAX 96

typedef unsigned __int128 Key;

typedef struct Chunk Chunk;
struct Chunk {
    Chunk *next; /* Of a slot's chunks: a circle, the last one's is the first. */
    uint32_t len;
    Event events[CHUNK_EVENTS];
};
_Static_assert(sizeof(Chunk) <= 512, "a chunk is eight cache lines");

typedef struct {
    Chunk *last; /* NULL: empty. */
    uint32_t len;
} Slot;

typedef struct {
    uint64_t used[N_SLOTS / 64]; /* A bit for each slot with events. */
    Slot slots[N_SLOTS];
} Level;

struct EventQueue {
    Event *front; /* The elements from 'head' to before 'tail'. */
    size_t head, tail, cap;
    Key edge;
    size_t len;
    uint32_t used; /* A bit for each level with events. */
    Pool chunks;
    Level levels[N_LEVELS];
};

static Slot slot_take(EventQueue *queue, uint32_t level, uint32_t slot);
static void open_first_slot(EventQueue *queue);
static void front_insert(EventQueue *queue, const Event *event, Key key);
static void front_append(EventQueue *queue, const Slot *slot);
static void front_reserve(EventQueue *queue, size_t n);
static void front_split(EventQueue *queue);

static inline Key
event_key(const Event *event)
{
    return (Key)(uint64_t)event->at << 64 | event->order;
}

static inline uint32_t
key_digit(Key key, uint32_t level)
{
    return (uint32_t)(key >> (level * DIGIT_BITS)) & (N_SLOTS - 1);
}

/* The place of the highest digit in which two different keys differ. */
static inline uint32_t
key_level(Key a, Key b)
{
    uint64_t high = (uint64_t)((a ^ b) >> 64), low = (uint64_t)(a ^ b);

    return high ? N_LEVELS / 2 + (63 - (uint32_t)__builtin_clzll(high)) / DIGIT_BITS
                : (63 - (uint32_t)__builtin_clzll(low)) / DIGIT_BITS;
}

static inline Slot *
slot_use(EventQueue *queue, uint32_t level, uint32_t slot)
{
    queue->used |= UINT32_C(1) << level;
    queue->levels[level].used[slot / 64] |= UINT64_C(1) << slot % 64;
    return &queue->levels[level].slots[slot];
}

static inline void
slot_push(EventQueue *queue, const Event *event, Key key)
{
    uint32_t level = key_level(key, queue->edge);
    Slot *slot = slot_use(queue, level, key_digit(key, level));
    Chunk *last = slot->last;

    if (!last || last->len == CHUNK_EVENTS) {
        Chunk *chunk = pool_alloc(&queue->chunks);
        chunk->len = 0;
        chunk->next = last ? last->next : chunk;
        if (last)
            last->next = chunk;
        slot->last = last = chunk;
    }
    last->events[last->len++] = *event;
    slot->len++;
}

EventQueue *
event_queue_new(void)
{
    EventQueue *queue = g_new0(EventQueue, 1);

    pool_init(&queue->chunks, sizeof(Chunk), SLAB_CHUNKS);
    return queue;
}

void
event_queue_free(EventQueue *queue)
{
    if (!queue)
        return;
    pool_clear(&queue->chunks);
    g_free(queue->front);
    g_free(queue);
}

void
event_queue_push(EventQueue *queue, const Event *event)
{
    Key key = event_key(event);

    queue->len++;
    if (key > queue->edge)
        slot_push(queue, event, key);
    else
        front_insert(queue, event, key);
}

const Event *
event_queue_peek(EventQueue *queue)
{
    if (queue->len == 0)
        return NULL;
    while (queue->head == queue->tail)
        open_first_slot(queue);
    return &queue->front[queue->head];
}

bool
event_queue_pop(EventQueue *queue, Event *ret_event)
{
    return event_queue_pop_due(queue, SIMTIME_NEVER, ret_event);
}

bool
event_queue_pop_due(EventQueue *queue, SimTime until, Event *ret_event)
{
    const Event *first;

    if (queue->len == 0)
        return false;
    while (queue->head == queue->tail)
        open_first_slot(queue);
    first = &queue->front[queue->head];
    if (first->at > until)
        return false;
    *ret_event = *first;
    queue->head++;
    queue->len--;
    return true;
}

const Event *
event_queue_ahead(EventQueue *queue, size_t n)
{
    while (queue->head + n >= queue->tail) {
        if (queue->used == 0 || __builtin_ctz(queue->used) > AHEAD_LEVEL)
            return NULL;
        open_first_slot(queue);
    }
    return &queue->front[queue->head + n];
}

size_t
event_queue_len(const EventQueue *queue)
{
    return queue->len;
}

void
event_queue_filter(EventQueue *queue, bool (*keep)(const Event *event, void *user), void *user)
{
    Event *events = g_new(Event, queue->len + 1);
    size_t n = 0;

    while (event_queue_pop(queue, &events[n]))
        n += keep(&events[n], user);
    /* Back in order, from the start. */
    queue->edge = 0;
    for (size_t i = 0; i < n; i++)
        event_queue_push(queue, &events[i]);
    g_free(events);
}

/* --- Slots ------------------------------------------------------------------------------------------------------- */

/* Empties a slot; the caller has its chunks. */
static Slot
slot_take(EventQueue *queue, uint32_t level, uint32_t slot)
{
    Level *of = &queue->levels[level];
    Slot taken = of->slots[slot];

    of->slots[slot] = (Slot){0};
    of->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    if (!(of->used[0] | of->used[1] | of->used[2] | of->used[3]))
        queue->used &= ~(UINT32_C(1) << level);
    return taken;
}

static void
slot_free(EventQueue *queue, Slot taken)
{
    Chunk *chunk = taken.last->next;

    taken.last->next = NULL;
    while (chunk) {
        Chunk *next = chunk->next;
        pool_release(&queue->chunks, chunk);
        chunk = next;
    }
}

/* Moves all of 'from', which is not empty, to the end of another slot. */
static void
slot_join(EventQueue *queue, uint32_t level, uint32_t slot, Slot from)
{
    Slot *to = slot_use(queue, level, slot);

    if (to->last) {
        Chunk *first = to->last->next;
        to->last->next = from.last->next;
        from.last->next = first;
    }
    to->last = from.last;
    to->len += from.len;
}

static void
open_first_slot(EventQueue *queue)
{
    uint32_t level = (uint32_t)__builtin_ctz(queue->used), word = 0, index;
    const Chunk *chunk;
    Key below;
    Slot slot;

    while (queue->levels[level].used[word] == 0)
        word++;
    index = word * 64 + (uint32_t)__builtin_ctzll(queue->levels[level].used[word]);
    slot = slot_take(queue, level, index);
    below = ((Key)1 << (level * DIGIT_BITS)) - 1;
    queue->edge &= ~(below | ((Key)(N_SLOTS - 1) << (level * DIGIT_BITS)));
    queue->edge |= (Key)index << (level * DIGIT_BITS);
    if (slot.len <= SMALL_SLOT || level == 0) {
        queue->edge |= below;
        front_append(queue, &slot);
    } else {
        chunk = slot.last;
        do {
            chunk = chunk->next;
            for (uint32_t i = 0; i < chunk->len; i++) {
                Key key = event_key(&chunk->events[i]);
                if (key > queue->edge)
                    slot_push(queue, &chunk->events[i], key);
                else
                    front_insert(queue, &chunk->events[i], key);
            }
        } while (chunk != slot.last);
    }
    slot_free(queue, slot);
}

/* --- The front --------------------------------------------------------------------------------------------------- */

static void
front_insert(EventQueue *queue, const Event *event, Key key)
{
    size_t low, high;

    front_reserve(queue, 1);
    low = queue->head;
    high = queue->tail;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (event_key(&queue->front[middle]) <= key)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(&queue->front[low + 1], &queue->front[low], (queue->tail - low) * sizeof *queue->front);
    queue->front[low] = *event;
    if (++queue->tail - queue->head > FRONT_MAX)
        front_split(queue);
}

/* Appends a slot's events, all of which are later than the front's, and sorts them. */
static void
front_append(EventQueue *queue, const Slot *slot)
{
    const Chunk *chunk = slot->last;

    front_reserve(queue, slot->len);
    do {
        chunk = chunk->next;
        for (uint32_t i = 0; i < chunk->len; i++) {
            Key key = event_key(&chunk->events[i]);
            size_t at = queue->tail++;
            for (; at > queue->head && event_key(&queue->front[at - 1]) > key; at--)
                queue->front[at] = queue->front[at - 1];
            queue->front[at] = chunk->events[i];
        }
    } while (chunk != slot->last);
}

/* Makes room for 'n' more behind the tail. */
static void
front_reserve(EventQueue *queue, size_t n)
{
    size_t len = queue->tail - queue->head;

    if (queue->tail + n <= queue->cap)
        return;
    if (len + n > queue->cap / 2) {
        queue->cap = MAX(2 * FRONT_MAX, 2 * (len + n));
        queue->front = g_renew(Event, queue->front, queue->cap);
    }
    memmove(queue->front, &queue->front[queue->head], len * sizeof *queue->front);
    queue->head = 0;
    queue->tail = len;
}

/* Takes the edge back to the key of an early event and gives those behind it to the slots.  Levels below the highest
 * digit that this changes in the edge join the slot, at that digit's level, that they were dealt out from. */
static void
front_split(EventQueue *queue)
{
    Key edge = event_key(&queue->front[queue->head + SMALL_SLOT]);
    size_t first = queue->head + SMALL_SLOT + 1, end = queue->tail;
    uint32_t level, below;

    while (first < end && event_key(&queue->front[first]) == edge)
        first++;
    if (first == end || edge == queue->edge)
        return;
    level = key_level(edge, queue->edge);
    while ((below = queue->used & ((UINT32_C(1) << level) - 1)) != 0) {
        uint32_t l = (uint32_t)__builtin_ctz(below);
        for (uint32_t s = 0; s < N_SLOTS; s++)
            if (queue->levels[l].slots[s].last)
                slot_join(queue, level, key_digit(queue->edge, level), slot_take(queue, l, s));
    }
    queue->edge = edge;
    queue->tail = first;
    for (size_t i = first; i < end; i++)
        slot_push(queue, &queue->front[i], event_key(&queue->front[i]));
}
