#include "sim/net/link.h"

#include "sim/engine/prefetch.h"
#include "sim/net/host_private.h"

#define LOSS_SCALE 1000000u

static void lane_arrive(Sim *sim, uint64_t arg);

static void lane_prepare(uint64_t arg, uint32_t ahead);

static const EventType link_arrive = {"link.arrive", PHASE_DELIVER, lane_arrive, lane_prepare};

static LinkSlot *lane_slot(const LinkLane *lane, uint32_t i);
static void lane_grow(LinkLane *lane);
static bool lane_loses(NetDev *dev);
static bool lane_has_room(const LinkLane *lane, SimTime now, uint32_t bytes);

void
link_send(NetDev *dev, Packet *pkt, uint32_t bytes)
{
    LinkLane *lane = &dev->lane;
    Sim *sim = dev->host->sim;

    if (!lane_has_room(lane, sim->now, bytes)) {
        netdev_drop(dev, pkt, DROP_LINK_QUEUE);
        return;
    }
    SimTime start = MAX(sim->now, lane->busy_until);
    lane->busy_until = start + link_serialization_time(lane->params.rate_bps, bytes);
    if (lane_loses(dev)) {
        netdev_drop(dev, pkt, DROP_LINK_LOSS);
        return;
    }
    if (dev->kind != DEV_LOOPBACK)
        packet_leave_host(sim, pkt);
    /* A latency that was lowered in flight must not let this packet overtake. */
    lane->last_at = MAX(lane->last_at, lane->busy_until + lane->params.latency);

    if (lane->len == lane->cap)
        lane_grow(lane);
    LinkSlot *slot = lane_slot(lane, lane->len++);
    slot->pkt = pkt;
    slot->at = lane->last_at;
    slot->order = sim_reserve_order(netdev_entity(dev), PHASE_DELIVER);
    if (lane->len == 1)
        sim_schedule_reserved(sim, slot->at, slot->order, &link_arrive, (uint64_t)(uintptr_t)dev);
}

static bool
event_is_of_others(const Event *event, void *user)
{
    return event->type != &link_arrive || event->arg != (uint64_t)(uintptr_t)user;
}

void
link_clear(NetDev *dev)
{
    LinkLane *lane = &dev->lane;
    Sim *sim = dev->host->sim;

    if (lane->len > 0)
        event_queue_filter(sim->queue, event_is_of_others, dev);
    for (uint32_t i = 0; i < lane->len; i++)
        packet_free(sim, lane_slot(lane, i)->pkt);
    if (lane->ring != &lane->only)
        g_free(lane->ring);
    g_free(lane->loss);
    lane->ring = NULL;
    lane->loss = NULL;
    lane->head = lane->len = lane->cap = 0;
}

SimTime
link_serialization_time(uint64_t rate_bps, uint32_t bytes)
{
    if (rate_bps == 0)
        return 0;
    /* bits * 1e9 fits: frames are below 2^17 bytes. */
    return (SimTime)((uint64_t)bytes * 8 * (uint64_t)SIMTIME_SEC / rate_bps);
}

void
link_check(const LinkLane *lane)
{
    g_assert(lane->cap == 0 || (lane->cap & (lane->cap - 1)) == 0);
    g_assert(lane->len <= lane->cap);
    for (uint32_t i = 1; i < lane->len; i++)
        g_assert(lane_slot(lane, i - 1)->at <= lane_slot(lane, i)->at);
}

/* The packet at the head arrives. */
static void
lane_arrive(Sim *sim, uint64_t arg)
{
    NetDev *dev = (NetDev *)(uintptr_t)arg;
    LinkLane *lane = &dev->lane;
    Packet *pkt = lane_slot(lane, 0)->pkt;

    lane->head = (lane->head + 1) & (lane->cap - 1);
    if (--lane->len > 0) {
        const LinkSlot *next = lane_slot(lane, 0);
        sim_schedule_reserved(sim, next->at, next->order, &link_arrive, arg);
    }
    /* Last: what the receiver does may send on this very lane, or free it. */
    netdev_arrive(dev, pkt);
}

/* An arriving packet on a host that was not busy lately finds nothing in the caches; see EventType. */
static void
lane_prepare(uint64_t arg, uint32_t ahead)
{
    const NetDev *dev = (const NetDev *)(uintptr_t)arg;

    if (ahead == SIM_PREPARE_STEPS - 1) {
        cache_prefetch(dev, offsetof(NetDev, stats));
    } else if (ahead == SIM_PREPARE_STEPS - 2) {
        cache_prefetch(lane_slot(&dev->lane, 0), sizeof(LinkSlot));
        cache_prefetch(dev->peer, sizeof(NetDev));
    } else {
        host_prepare(dev->peer, lane_slot(&dev->lane, 0)->pkt, ahead);
    }
}

static bool
lane_has_room(const LinkLane *lane, SimTime now, uint32_t bytes)
{
    if (lane->params.queue_bytes == 0 || lane->params.rate_bps == 0 || lane->busy_until <= now)
        return true;
    /* What waits is what the lane still has to put on the wire: no account per packet. */
    uint64_t wait_ns = (uint64_t)(lane->busy_until - now);
    uint64_t backlog = (uint64_t)((unsigned __int128)wait_ns * lane->params.rate_bps / (8 * (uint64_t)SIMTIME_SEC));
    return backlog + bytes <= lane->params.queue_bytes;
}

static bool
lane_loses(NetDev *dev)
{
    LinkLane *lane = &dev->lane;

    if (lane->params.loss_ppm == 0)
        return false;
    if (!lane->loss) {
        lane->loss = g_new(Rng, 1);
        *lane->loss = rng_stream(dev->host->sim->seed, dev->label, "loss");
    }
    return rng_below(lane->loss, LOSS_SCALE) < lane->params.loss_ppm;
}

static LinkSlot *
lane_slot(const LinkLane *lane, uint32_t i)
{
    return &lane->ring[(lane->head + i) & (lane->cap - 1)];
}

static void
lane_grow(LinkLane *lane)
{
    uint32_t cap = lane->cap ? lane->cap * 2 : 1;
    LinkSlot *ring = cap == 1 ? &lane->only : g_new(LinkSlot, cap);

    for (uint32_t i = 0; i < lane->len; i++)
        ring[i] = *lane_slot(lane, i);
    if (lane->ring != &lane->only)
        g_free(lane->ring);
    lane->ring = ring;
    lane->head = 0;
    lane->cap = cap;
}
