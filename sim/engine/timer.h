#ifndef SIM_ENGINE_TIMER_H
#define SIM_ENGINE_TIMER_H

/* Soft timers
 *
 * A timer keeps its deadline; re-arming it later only moves the deadline, and the event in the queue, when it fires
 * early, queues itself again.  So an endpoint that re-arms per packet costs no queue operation per packet.  A timer
 * that dies with an event in the queue is safe: events name timers by slot and generation.
 * Invariant: at most one live event per timer, never later than the deadline.                                    */

#include "sim/engine/sim.h"

typedef struct {
    uint32_t slot, gen; /* 0, 0: no timer. */
} Timer;

/* All timers of one Sim; made and freed by it. */
typedef struct TimerPool TimerPool;
TimerPool *timer_pool_new(void);
void timer_pool_free(TimerPool *pool);
uint32_t timer_pool_in_use(const TimerPool *pool);

typedef void (*TimerFunc)(Sim *sim, void *owner);

/* 'entity' (borrowed, outlives the timer) breaks ties; 'name' is a literal for profiles. */
Timer timer_new(Sim *sim, const char *name, SimEntity *entity, TimerFunc fire, void *owner);
void timer_free(Sim *sim, Timer *timer); /* Accepts a zero timer; sets it to zero. */
void timer_arm(Sim *sim, Timer timer, SimTime at);
void timer_disarm(Sim *sim, Timer timer);
bool timer_armed(const Sim *sim, Timer timer);
/* SIMTIME_NEVER when not armed. */
SimTime timer_deadline(const Sim *sim, Timer timer);

#endif
