/* Soft timers: see the header for the idea.
 *
 * The event in the queue carries slot and 'event_gen'.  Arming earlier than that event queues a second one and bumps
 * 'event_gen', which makes the first one stale.  The order value is taken at every arming, exactly as one event per
 * arming would, so both give the same sequence of calls. */

#include "sim/engine/timer.h"

#include <assert.h>
#include <glib.h>

#include "sim/engine/vec.h"

typedef struct {
    uint32_t gen; /* Of the handle: odd while in use. */
    uint32_t event_gen;
    bool pending; /* An event of this event_gen is queued. */
    SimTime event_at;
    uint64_t event_order;
    SimTime deadline; /* SIMTIME_NEVER: not armed. */
    uint64_t order;   /* Reserved by the last arming. */
    const char *name;
    SimEntity *entity;
    TimerFunc fire;
    void *owner;
} Slot;

struct TimerPool {
    VEC(Slot) slots; /* Slot 0 stays unused, so that a zero handle names no timer. */
    VEC(uint32_t) free_slots;
};

static Slot *slot_of(const Sim *sim, Timer timer);
static void queue_event(Sim *sim, uint32_t index);
static void on_event(Sim *sim, uint64_t arg);

static const EventType timer_event = {.name = "timer", .phase = PHASE_TIMER, .fire = on_event};

TimerPool *
timer_pool_new(void)
{
    TimerPool *pool = g_new0(TimerPool, 1);

    vec_push(&pool->slots, (Slot){0});
    return pool;
}

void
timer_pool_free(TimerPool *pool)
{
    if (!pool)
        return;
    vec_clear(&pool->slots);
    vec_clear(&pool->free_slots);
    g_free(pool);
}

uint32_t
timer_pool_in_use(const TimerPool *pool)
{
    return (uint32_t)(pool->slots.len - 1 - pool->free_slots.len);
}

Timer
timer_new(Sim *sim, const char *name, SimEntity *entity, TimerFunc fire, void *owner)
{
    TimerPool *pool = sim->timers;
    uint32_t index;
    Slot *slot;

    if (pool->free_slots.len > 0) {
        index = pool->free_slots.data[--pool->free_slots.len];
    } else {
        index = (uint32_t)pool->slots.len;
        vec_push(&pool->slots, (Slot){0});
    }
    slot = &pool->slots.data[index];
    slot->gen++;
    slot->deadline = SIMTIME_NEVER;
    slot->name = name;
    slot->entity = entity;
    slot->fire = fire;
    slot->owner = owner;
    return (Timer){index, slot->gen};
}

void
timer_free(Sim *sim, Timer *timer)
{
    if (timer->gen != 0) {
        Slot *slot = slot_of(sim, *timer);
        slot->gen++;
        slot->event_gen++;
        slot->pending = false;
        vec_push(&sim->timers->free_slots, timer->slot);
    }
    *timer = (Timer){0};
}

void
timer_arm(Sim *sim, Timer timer, SimTime at)
{
    Slot *slot = slot_of(sim, timer);

    assert(at >= sim->now);
    slot->deadline = at;
    slot->order = sim_reserve_order(slot->entity, PHASE_TIMER);
    /* Of equal times the queued event has the smaller order, so it is early enough. */
    if (!slot->pending || at < slot->event_at)
        queue_event(sim, timer.slot);
}

void
timer_disarm(Sim *sim, Timer timer)
{
    slot_of(sim, timer)->deadline = SIMTIME_NEVER;
}

bool
timer_armed(const Sim *sim, Timer timer)
{
    return timer_deadline(sim, timer) != SIMTIME_NEVER;
}

SimTime
timer_deadline(const Sim *sim, Timer timer)
{
    return timer.gen == 0 ? SIMTIME_NEVER : slot_of(sim, timer)->deadline;
}

static Slot *
slot_of(const Sim *sim, Timer timer)
{
    Slot *slot = &sim->timers->slots.data[timer.slot];

    assert(timer.gen != 0 && slot->gen == timer.gen);
    return slot;
}

static void
queue_event(Sim *sim, uint32_t index)
{
    Slot *slot = &sim->timers->slots.data[index];

    slot->pending = true;
    slot->event_gen++;
    slot->event_at = slot->deadline;
    slot->event_order = slot->order;
    sim_schedule_reserved(sim, slot->deadline, slot->order, &timer_event, (uint64_t)index << 32 | slot->event_gen);
}

static void
on_event(Sim *sim, uint64_t arg)
{
    uint32_t index = (uint32_t)(arg >> 32);
    Slot *slot = &sim->timers->slots.data[index];

    if (!slot->pending || slot->event_gen != (uint32_t)arg)
        return; /* Replaced by an earlier one, or the timer is gone. */
    slot->pending = false;
    if (slot->deadline == SIMTIME_NEVER)
        return;
    if (slot->deadline > slot->event_at || slot->order != slot->event_order) {
        queue_event(sim, index);
        return;
    }
    slot->deadline = SIMTIME_NEVER;
    slot->fire(sim, slot->owner); /* May free the timer or move the slots. */
}
