#ifndef TESTS_UNIT_SIM_NET_WORLD_H
#define TESTS_UNIT_SIM_NET_WORLD_H

/* A small world for tests of sim/net: hosts on wires, and a sink that writes down what an observer on every interface
 * sees, one line per crossing in the form of the recorded kernel traces. */

#include "sim/net/host.h"
#include "tests/unit/test.h"

typedef struct {
    TraceSink sink; /* First: the sink is the world. */
    Sim *sim;
    GPtrArray *hosts;
    GString *crossings; /* "minikube/v5p in TCP 10.244.0.5:1 > ... SYN ttl=64\n" */
    GString *drops;     /* "minikube rp-filter\n" */
    uint64_t n_delivered;
} NetWorld;

static inline void
net_world_record(TraceSink *sink, const TraceRecord *record)
{
    NetWorld *world = (NetWorld *)sink;
    char text[PACKET_STR_SIZE];

    if (record->kind == TRACE_DROP)
        g_string_append_printf(world->drops, "%s %s\n", host_name(record->host), drop_reason_code(record->drop.reason));
    else if (record->kind == TRACE_DELIVER)
        world->n_delivered++;
    else
        g_string_append_printf(world->crossings, "%s %s %s\n", netdev_label(record->dev),
                               record->kind == TRACE_DEV_IN ? "in" : "out", packet_format(record->pkt, text));
}

static inline NetWorld *
net_world_new(void)
{
    NetWorld *world = g_new0(NetWorld, 1);
    world->sim = sim_new(1);
    world->hosts = g_ptr_array_new();
    world->crossings = g_string_new(NULL);
    world->drops = g_string_new(NULL);
    world->sink.mask =
        TRACE_BIT(TRACE_DEV_IN) | TRACE_BIT(TRACE_DEV_OUT) | TRACE_BIT(TRACE_DROP) | TRACE_BIT(TRACE_DELIVER);
    world->sink.record = net_world_record;
    trace_add_sink(world->sim, &world->sink);
    return world;
}

static inline void
net_world_free(NetWorld *world)
{
    for (guint i = world->hosts->len; i-- > 0;)
        host_free(world->hosts->pdata[i]);
    T_EQ_U64(packet_pool_in_use(world->sim->packets), 0);
    trace_remove_sink(world->sim, &world->sink);
    sim_free(world->sim);
    g_ptr_array_unref(world->hosts);
    g_string_free(world->crossings, TRUE);
    g_string_free(world->drops, TRUE);
    g_free(world);
}

static inline void
net_world_run(NetWorld *world, SimTime duration)
{
    T_TRUE(sim_run_until(world->sim, world->sim->now + duration));
}

static inline void
net_world_clear(NetWorld *world)
{
    g_string_truncate(world->crossings, 0);
    g_string_truncate(world->drops, 0);
}

static inline IpAddr
ip(const char *text)
{
    IpAddr addr = {{0}};
    g_assert(ipaddr_parse(text, &addr));
    return addr;
}

static inline IpPrefix
net(const char *text)
{
    IpPrefix prefix = {0};
    g_assert(ipprefix_parse(text, &prefix));
    return prefix;
}

static inline Host *
net_world_host(NetWorld *world, const char *name, bool forwards)
{
    Host *host = host_new(world->sim, name);
    HostSysctls *sysctls = host_sysctls(host);

    sysctls->ip_forward = sysctls->ip6_forward = forwards;
    sysctls->icmp_ratelimit = sysctls->icmp6_ratelimit = 0; /* As the recorded flows had it. */
    g_ptr_array_add(world->hosts, host);
    return host;
}

/* Two new devices with a cable of 10 us. */
static inline void
net_world_wire(Host *a, const char *dev_a, Host *b, const char *dev_b)
{
    LinkParams params = {.latency = 10 * SIMTIME_USEC};
    netdev_connect(netdev_new(a, dev_a, DEV_VETH), netdev_new(b, dev_b, DEV_VETH), &params);
}

static inline void
net_world_addr(Host *host, const char *dev, const char *addr4, const char *addr6)
{
    netdev_add_addr(host_dev(host, dev), net(addr4));
    if (addr6)
        netdev_add_addr(host_dev(host, dev), net(addr6));
}

/* 'via' NULL: on link. */
static inline void
net_world_route(Host *host, const char *prefix, const char *via, const char *dev)
{
    host_route_add(host, net(prefix), via ? ip(via) : IPADDR_ANY4, host_dev(host, dev));
}

/* A TCP SYN or UDP datagram; 'src' NULL: chosen by the route. */
static inline Packet *
net_world_packet(NetWorld *world, uint8_t proto, const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
    Packet *pkt = packet_new(world->sim);

    pkt->proto = proto;
    pkt->dst = ip(dst);
    pkt->src = src ? ip(src) : ipaddr_is_v4(&pkt->dst) ? IPADDR_ANY4 : IPADDR_ANY6;
    pkt->sport = sport;
    pkt->dport = dport;
    if (proto == IPPROTO_TCP_)
        pkt->tcp.flags = TCP_SYN;
    return pkt;
}

#endif
