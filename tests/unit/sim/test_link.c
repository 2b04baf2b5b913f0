#include "tests/unit/sim/net_world.h"

typedef struct {
    TraceSink sink;
    SimTime at[4096];
    uint16_t sport[4096];
    uint32_t n;
} Arrivals;

static void
arrivals_record(TraceSink *sink, const TraceRecord *record)
{
    Arrivals *arrivals = (Arrivals *)sink;
    g_assert(arrivals->n < G_N_ELEMENTS(arrivals->at));
    arrivals->at[arrivals->n] = record->at;
    arrivals->sport[arrivals->n++] = record->pkt->sport;
}

typedef struct {
    NetWorld *world;
    NetDev *from, *to;
    Arrivals arrivals;
} Wire;

static void
wire_init(Wire *wire, LinkParams params)
{
    memset(wire, 0, sizeof *wire);
    wire->world = net_world_new();
    Host *a = net_world_host(wire->world, "a", false), *b = net_world_host(wire->world, "b", false);
    wire->from = netdev_new(a, "eth0", DEV_ETHER);
    wire->to = netdev_new(b, "eth0", DEV_ETHER);
    netdev_connect(wire->from, wire->to, &params);
    wire->arrivals.sink = (TraceSink){.mask = TRACE_BIT(TRACE_DEV_IN), .record = arrivals_record};
    trace_add_sink(wire->world->sim, &wire->arrivals.sink);
}

static void
wire_clear(Wire *wire)
{
    trace_remove_sink(wire->world->sim, &wire->arrivals.sink);
    net_world_free(wire->world);
}

/* A UDP datagram whose frame has 'bytes' bytes; for another MAC, so that the far host drops it. */
static void
wire_send(Wire *wire, uint16_t id, uint32_t bytes)
{
    Packet *pkt = net_world_packet(wire->world, IPPROTO_UDP_, "10.0.0.1", id, "10.0.0.2", 9);
    packet_set_payload(pkt, NULL, 0, bytes - 14 - 20 - 8);
    T_EQ_U64(packet_eth_size(pkt), bytes);
    netdev_transmit(wire->from, pkt);
}

static void
test_serialization(void)
{
    Wire wire;
    wire_init(&wire, (LinkParams){.rate_bps = 8000000, .latency = 3 * SIMTIME_MSEC});
    wire_send(&wire, 1, 1000); /* 1 ms each. */
    wire_send(&wire, 2, 500);
    net_world_run(wire.world, 10 * SIMTIME_MSEC);
    wire_send(&wire, 3, 1000);
    net_world_run(wire.world, 10 * SIMTIME_MSEC);
    T_EQ_U64(wire.arrivals.n, 3);
    T_EQ_I64(wire.arrivals.at[0], 4 * SIMTIME_MSEC);
    T_EQ_I64(wire.arrivals.at[1], 4500 * SIMTIME_USEC);
    T_EQ_I64(wire.arrivals.at[2], 14 * SIMTIME_MSEC);
    wire_clear(&wire);
}

static void
test_queue(void)
{
    Wire wire;
    wire_init(&wire, (LinkParams){.rate_bps = 8000000, .latency = SIMTIME_MSEC, .queue_bytes = 3000});
    for (uint16_t i = 1; i <= 5; i++)
        wire_send(&wire, i, 1000);
    T_EQ_STR(wire.world->drops->str, "a link-queue\na link-queue\n");
    net_world_run(wire.world, 1500 * SIMTIME_USEC); /* One and a half are out: room for one more. */
    wire_send(&wire, 6, 1000);
    wire_send(&wire, 7, 1000);
    net_world_run(wire.world, SIMTIME_SEC);
    T_EQ_U64(wire.arrivals.n, 4);
    T_EQ_U64(wire.arrivals.sport[3], 6);
    T_EQ_U64(netdev_stats(wire.from)->dropped, 3);
    wire_clear(&wire);
}

static void
test_no_overtaking(void)
{
    Wire wire;
    wire_init(&wire, (LinkParams){.latency = 5 * SIMTIME_MSEC});
    wire_send(&wire, 1, 100);
    netdev_link(wire.from)->latency = SIMTIME_MSEC;
    wire_send(&wire, 2, 100);
    net_world_run(wire.world, SIMTIME_SEC);
    T_EQ_U64(wire.arrivals.n, 2);
    T_EQ_U64(wire.arrivals.sport[0], 1);
    T_EQ_I64(wire.arrivals.at[1], 5 * SIMTIME_MSEC);
    wire_clear(&wire);
}

static void
test_many_in_flight(void)
{
    Wire wire;
    wire_init(&wire, (LinkParams){.latency = 100 * SIMTIME_MSEC});
    for (uint16_t i = 0; i < 2000; i++) {
        wire_send(&wire, i, 100);
        net_world_run(wire.world, 30 * SIMTIME_USEC);
        T_TRUE(event_queue_len(wire.world->sim->queue) == 1); /* One event for the whole lane. */
    }
    net_world_run(wire.world, SIMTIME_SEC);
    T_EQ_U64(wire.arrivals.n, 2000);
    for (uint16_t i = 0; i < 2000; i++) {
        T_EQ_U64(wire.arrivals.sport[i], i);
        T_EQ_I64(wire.arrivals.at[i], i * 30 * SIMTIME_USEC + 100 * SIMTIME_MSEC);
    }
    wire_clear(&wire);
}

static void
test_loss(void)
{
    Wire wire;
    wire_init(&wire, (LinkParams){.loss_ppm = 100000});
    for (uint16_t i = 0; i < 3000; i++)
        wire_send(&wire, i, 100);
    net_world_run(wire.world, SIMTIME_SEC);
    T_TRUE(wire.arrivals.n > 2600 && wire.arrivals.n < 2800); /* 2700 +- 6 sigma. */
    wire_clear(&wire);
}

static void
test_cable_pulled(void)
{
    Wire wire;
    wire_init(&wire, (LinkParams){.latency = SIMTIME_SEC});
    wire_send(&wire, 1, 100);
    netdev_disconnect(wire.from);
    wire_send(&wire, 2, 100);
    net_world_run(wire.world, 2 * SIMTIME_SEC);
    T_EQ_U64(wire.arrivals.n, 0);
    T_EQ_STR(wire.world->drops->str, "a link-down\n");
    wire_clear(&wire);
}

static void
test_down(void)
{
    Wire wire;
    wire_init(&wire, (LinkParams){.latency = SIMTIME_MSEC});
    wire_send(&wire, 1, 100);
    host_set_down(netdev_host(wire.to), true);
    net_world_run(wire.world, SIMTIME_SEC);
    host_set_down(netdev_host(wire.to), false);
    netdev_set_up(wire.from, false);
    wire_send(&wire, 2, 100);
    T_EQ_STR(wire.world->drops->str, "b host-down\na link-down\n");
    wire_clear(&wire);
}

static void
test_deleted_in_flight(void)
{
    /* Enough links that the engine looks ahead at them; what they name goes away under its eyes. */
    enum { N_PAIRS = 4500 };
    NetWorld *world = net_world_new();
    const LinkParams params = {.latency = SIMTIME_MSEC};
    g_autofree NetDev **from = g_new(NetDev *, N_PAIRS);
    Host *senders = net_world_host(world, "senders", false), *bridged = net_world_host(world, "bridged", false);
    NetDev *bridge = netdev_new(bridged, "br0", DEV_BRIDGE);
    uint64_t rx = 0;

    for (uint32_t i = 0; i < N_PAIRS; i++) {
        g_autofree char *name = g_strdup_printf("eth%u", i);
        NetDev *to = netdev_new(bridged, name, DEV_VETH);
        from[i] = netdev_new(senders, name, DEV_VETH);
        netdev_connect(from[i], to, &params);
        if (i % 3 == 0)
            bridge_add_port(bridge, to, false);
    }
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < N_PAIRS; i++) {
            if (!from[i])
                continue;
            net_world_run(world, 100);
            netdev_transmit(from[i], net_world_packet(world, IPPROTO_UDP_, "10.0.0.1", (uint16_t)i, "10.0.0.2", 9));
        }
        net_world_run(world, SIMTIME_MSEC - N_PAIRS * 50);
        for (uint32_t i = round; i < N_PAIRS; i += 5) {
            if (from[i])
                netdev_delete(from[i]);
            from[i] = NULL;
        }
    }
    net_world_run(world, 10 * SIMTIME_MSEC);
    for (uint32_t i = 0; i < N_PAIRS; i++)
        if (from[i])
            rx += netdev_stats(netdev_peer(from[i]))->rx_packets;
    T_EQ_U64(rx, N_PAIRS / 5 * 4); /* A fifth was never deleted: all its packets came. */
    net_world_free(world);
}

const TestSuite suite_link = {"sim/link",
                              {{"a lane serialises and delays", test_serialization},
                               {"a full queue drops the tail", test_queue},
                               {"a lowered latency lets nothing overtake", test_no_overtaking},
                               {"any number in flight is one event", test_many_in_flight},
                               {"loss is near its rate", test_loss},
                               {"a pulled cable ends what is on it", test_cable_pulled},
                               {"down hosts and devices take nothing", test_down},
                               {"devices that go away with much in flight", test_deleted_in_flight}}};
