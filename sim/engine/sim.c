/* Sim: the loop, the entities, and the ownership of queue, timers and packets. */

#include "sim/engine/sim.h"

#include <assert.h>
#include <glib.h>

#include "sim/engine/htable.h"
#include "sim/engine/timer.h"
#include "sim/packet/packet.h"

#define ENTITY_BITS 30
#define ENTITY_MASK ((UINT32_C(1) << ENTITY_BITS) - 1)

typedef struct SimEntities {
    HTable ids; /* uint32_t id -> uint64_t hash of the name. */
} SimEntities;

Sim *
sim_new(uint64_t seed)
{
    Sim *sim = g_new0(Sim, 1);

    sim->seed = seed;
    sim->queue = event_queue_new();
    chance_keyed_init(&sim->keyed, seed);
    sim->chance = &sim->keyed.base;
    sim->packets = packet_pool_new();
    sim->timers = timer_pool_new();
    sim->entities = g_new0(SimEntities, 1);
    htable_init(&sim->entities->ids, sizeof(uint32_t), sizeof(uint64_t));
    return sim;
}

void
sim_free(Sim *sim)
{
    if (!sim)
        return;
    event_queue_free(sim->queue);
    timer_pool_free(sim->timers);
    packet_pool_free(sim->packets);
    htable_clear(&sim->entities->ids);
    g_free(sim->entities);
    g_free(sim);
}

SimEntity
sim_entity(Sim *sim, const char *name)
{
    uint64_t hash = rng_hash_str(0, name);
    uint32_t id = (uint32_t)(hash >> 32) & ENTITY_MASK;
    bool is_new;
    uint64_t *owner = htable_insert(&sim->entities->ids, &id, &is_new);

    /* Among 100,000 names a handful collide; only those depend on who came first. */
    while (!is_new) {
        if (*owner == hash)
            g_error("entity name used twice: %s", name);
        id = (id + 1) & ENTITY_MASK;
        owner = htable_insert(&sim->entities->ids, &id, &is_new);
    }
    *owner = hash;
    return (SimEntity){.id = id};
}

void
sim_entity_free(Sim *sim, SimEntity entity)
{
    bool removed = htable_remove(&sim->entities->ids, &entity.id);

    assert(removed);
    (void)removed;
}

void
sim_schedule(Sim *sim, SimTime at, SimEntity *entity, const EventType *type, uint64_t arg)
{
    sim_schedule_reserved(sim, at, sim_reserve_order(entity, type->phase), type, arg);
}

void
sim_schedule_reserved(Sim *sim, SimTime at, uint64_t order, const EventType *type, uint64_t arg)
{
    assert(at >= sim->now);
    event_queue_push(sim->queue, &(Event){at, order, type, arg});
}

bool
sim_run_until(Sim *sim, SimTime until)
{
    while (sim_step(sim, until))
        ;
    if (sim->stopped)
        return false;
    if (sim->now < until)
        sim->now = until;
    return true;
}

/* Worlds with fewer entities stay in the caches by themselves. */
#define LARGE_WORLD 4096u

/* Where few owners take turns, what they touch stays in the caches: it is worth while where, of the last events, this
 * part (of 65536) had an owner that was not noted, by its hash, from the last time it fired. */
#define COLD_PART_MIN 12288

static void
prepare_next(Sim *sim, uint64_t owner)
{
    uint64_t hash = owner * UINT64_C(0x9e3779b97f4a7c15);
    uint16_t *noted = &sim->busy[hash >> (64 - SIM_BUSY_BITS)], mark = (uint16_t)(hash >> 24);

    sim->cold_part += ((*noted == mark ? 0 : 65536) - sim->cold_part) / 64;
    *noted = mark;
    if (sim->cold_part < COLD_PART_MIN)
        return;
    for (uint32_t ahead = 0; ahead < SIM_PREPARE_STEPS; ahead++) {
        const Event *event = event_queue_ahead(sim->queue, ahead);
        if (!event)
            return;
        if (event->type->prepare)
            event->type->prepare(event->arg, ahead);
    }
}

bool
sim_step(Sim *sim, SimTime until)
{
    Event event;

    if (sim->stopped)
        return false;
    if (sim->event_limit && sim->n_events >= sim->event_limit) {
        const Event *first = event_queue_peek(sim->queue);
        sim->stopped = first && first->at <= until;
        return false;
    }
    if (!event_queue_pop_due(sim->queue, until, &event))
        return false;
    assert(event.at >= sim->now);
    sim->now = event.at;
    sim->n_events++;
    if (sim->entities->ids.len >= LARGE_WORLD)
        prepare_next(sim, event.arg);
    event.type->fire(sim, event.arg);
    return true;
}

void
sim_stop(Sim *sim)
{
    sim->stopped = true;
}
