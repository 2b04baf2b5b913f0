#ifndef SIM_ENGINE_SIM_H
#define SIM_ENGINE_SIM_H

/* Sim: one simulated world's clock, events, randomness and observers
 *
 * There is no global state: two worlds can run side by side.  Everything in the world holds a plain back pointer to
 * its Sim.  Ties between events of one instant are broken by phase, then by entity (a stable id made from a name),
 * then by that entity's own sequence: adding an entity never reorders the others.                                  */

#include "sim/engine/chance.h"
#include "sim/engine/event_queue.h"
#include "sim/engine/rng.h"
#include "sim/engine/simtime.h"

typedef struct Sim Sim;
typedef struct TraceSink TraceSink;   /* sim/trace/trace.h */
typedef struct PacketPool PacketPool; /* sim/packet/packet.h */

typedef enum {
    PHASE_DELIVER, /* Packets arrive. */
    PHASE_TIMER,   /* Timers of hosts and applications. */
    PHASE_CONTROL, /* Control plane, scenario steps. */
    PHASE_SAMPLE,  /* Observers: see all that happened at this instant. */
} EventPhase;

struct EventType {
    const char *name; /* "link.arrive": for profiles, digests and messages. */
    EventPhase phase;
    void (*fire)(Sim *sim, uint64_t arg);
    /* May be NULL.  In a large world, asks the caches for what firing will touch: called with SIM_PREPARE_STEPS - 1
     * when so many events come before this one, and then with every lower number down to 0, so that each step may read
     * what the step before has asked for.  A hint: it changes nothing, and steps may be missed or repeated. */
    void (*prepare)(uint64_t arg, uint32_t ahead);
};
#define SIM_PREPARE_STEPS 8u
#define SIM_BUSY_BITS     13

/* An entity's place among events of the same instant.  Embedded in hosts, links, controllers. */
typedef struct {
    uint32_t id;  /* 30 bits from the name; equal for no two entities of one Sim. */
    uint32_t seq; /* Events scheduled so far. */
} SimEntity;

struct Sim {
    SimTime now;
    uint64_t seed;
    EventQueue *queue;
    uint64_t n_events;    /* Fired so far. */
    uint64_t event_limit; /* 0: none.  sim_run_until() stops there and sets 'stopped'. */
    bool stopped;         /* Set by sim_stop(), the event limit or a signal; sim_run_until() returns. */
    ChanceSource *chance; /* Borrowed or &keyed; never NULL. */
    ChanceKeyed keyed;
    TraceSink *sinks;    /* Linked list, in the order of registration. */
    uint32_t trace_mask; /* OR of the sinks' masks: test this before making a record. */
    PacketPool *packets;
    uint64_t next_packet_id;
    struct TimerPool *timers;          /* sim/engine/timer.h */
    struct SimEntities *entities;      /* Ids in use. */
    int32_t cold_part;                 /* Of the late events, those whose owners had long been idle; of 65536. */
    uint16_t busy[1 << SIM_BUSY_BITS]; /* Marks of late events' arguments, by their hash: who was busy lately. */
};

Sim *sim_new(uint64_t seed);
void sim_free(Sim *sim);

/* Makes an entity of 'name' ("link/minikube/eth0").  The same name twice is an error of the caller. */
SimEntity sim_entity(Sim *sim, const char *name);
void sim_entity_free(Sim *sim, SimEntity entity);

/* Takes the next order value of 'entity' for an event of 'phase': lanes and timers reserve it when the packet is sent
 * or the timer armed, and use it when they enter the queue later. */
static inline uint64_t
sim_reserve_order(SimEntity *entity, EventPhase phase)
{
    return (uint64_t)phase << 62 | (uint64_t)entity->id << 32 | entity->seq++;
}

void sim_schedule(Sim *sim, SimTime at, SimEntity *entity, const EventType *type, uint64_t arg);
void sim_schedule_reserved(Sim *sim, SimTime at, uint64_t order, const EventType *type, uint64_t arg);

/* Fires events up to and including 'until'; the clock then stands at 'until' (unless stopped).
 * Returns false if it was stopped before. */
bool sim_run_until(Sim *sim, SimTime until);
/* Fires the next event, if any is due at or before 'until'. */
bool sim_step(Sim *sim, SimTime until);
void sim_stop(Sim *sim);

#endif
