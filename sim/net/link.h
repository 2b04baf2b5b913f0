#ifndef SIM_NET_LINK_H
#define SIM_NET_LINK_H

/* Link lanes: one direction of a cable, veth pair or the loopback
 *
 * A lane serialises packets at its rate, holds them for its latency and hands them to the far interface.  Packets of
 * one lane never overtake each other, so it keeps them in a ring and owns at most one pending event; the place of each
 * packet among the events of its instant is reserved when it is sent, so that results equal those of an event per
 * packet.
 *
 * Invariant: the ring is sorted by arrival; an event is pending if and only if the ring is not empty. */

#include "sim/net/netdev.h"

typedef struct {
    Packet *pkt;
    SimTime at;
    uint64_t order;
} LinkSlot;

typedef struct {
    LinkParams params;
    SimEntity entity;   /* id 0: none yet. */
    SimTime busy_until; /* The last bit queued so far leaves the sender then. */
    SimTime last_at;    /* Arrival of the last packet: none may arrive before it. */
    LinkSlot *ring;     /* Capacity is a power of two; 'only' until two packets are in flight. */
    uint32_t head, len, cap;
    LinkSlot only;
    Rng *loss; /* Made at the first draw. */
} LinkLane;

/* Sends 'pkt', of so many bytes, from 'dev' over its lane, taking it; drops it when the queue is full or the draw says
 * lost. */
void link_send(NetDev *dev, Packet *pkt, uint32_t bytes);
/* Ends all packets in flight (the cable is pulled) without a record; frees the ring. */
void link_clear(NetDev *dev);
/* The time that 'bytes' occupy a lane. */
SimTime link_serialization_time(uint64_t rate_bps, uint32_t bytes);
void link_check(const LinkLane *lane);

#endif
