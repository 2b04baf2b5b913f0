#ifndef TESTS_UNIT_SIM_TRANSPORT_WORLD_H
#define TESTS_UNIT_SIM_TRANSPORT_WORLD_H

/* Client and server with a router between them, 1 ms each way, and a log of what leaves the two ends:
 * "0.000000 client SYN seq 0 ack 0 len 0", sequence numbers relative to each side's first. */

#include "sim/transport/app.h"
#include "sim/transport/socket_table.h"
#include "tests/unit/sim/net_world.h"

typedef struct {
    TraceSink sink;
    NetWorld *net;
    Sim *sim;
    Host *client, *router, *server;
    GString *log;    /* TCP segments. */
    GString *events; /* "2.0 client connected\n" of TRACE_SOCKET. */
    uint32_t first[2];
    bool seen[2];
    TcpHeader syns[2]; /* Of client and server. */
    uint32_t n_segments;
} TransportWorld;

static inline void
transport_world_record(TraceSink *sink, const TraceRecord *record)
{
    TransportWorld *w = (TransportWorld *)sink;
    const Packet *pkt = record->pkt;
    int side = record->host == w->server;
    double at = (double)record->at / 1e9;

    if (record->kind == TRACE_SOCKET) {
        g_string_append_printf(w->events, "%s %s%s%s\n", host_name(record->host), record->socket.event,
                               record->socket.reason ? " " : "", record->socket.reason ? record->socket.reason : "");
        return;
    }
    if (record->host == w->router || pkt->proto != IPPROTO_TCP_)
        return;
    w->n_segments++;
    if (!w->seen[side] && (pkt->tcp.flags & TCP_SYN)) {
        w->seen[side] = true;
        w->first[side] = pkt->tcp.seq;
        w->syns[side] = pkt->tcp;
    }
    g_string_append_printf(w->log, "%.3f %s %s%s%s%s%s seq %u ack %u len %u\n", at, host_name(record->host),
                           pkt->tcp.flags & TCP_SYN ? "S" : "", pkt->tcp.flags & TCP_FIN ? "F" : "",
                           pkt->tcp.flags & TCP_RST ? "R" : "", pkt->tcp.flags & TCP_PSH ? "P" : "",
                           pkt->tcp.flags & TCP_ACK ? "." : "", pkt->tcp.seq - w->first[side],
                           pkt->tcp.flags & TCP_ACK ? pkt->tcp.ack - w->first[!side] : 0, pkt->payload.len);
}

static inline TransportWorld *
transport_world_new(uint64_t seed)
{
    TransportWorld *w = g_new0(TransportWorld, 1);
    LinkParams params = {.latency = 500 * SIMTIME_USEC};

    w->net = net_world_new();
    w->sim = w->net->sim;
    w->sim->seed = seed;
    w->client = net_world_host(w->net, "client", false);
    w->router = net_world_host(w->net, "router", true);
    w->server = net_world_host(w->net, "server", false);
    netdev_connect(netdev_new(w->client, "eth0", DEV_ETHER), netdev_new(w->router, "c", DEV_ETHER), &params);
    netdev_connect(netdev_new(w->server, "eth0", DEV_ETHER), netdev_new(w->router, "s", DEV_ETHER), &params);
    net_world_addr(w->client, "eth0", "10.0.0.1/24", "fd00::1/64");
    net_world_addr(w->router, "c", "10.0.0.254/24", "fd00::fe/64");
    net_world_addr(w->server, "eth0", "10.0.1.2/24", "fd01::2/64");
    net_world_addr(w->router, "s", "10.0.1.254/24", "fd01::fe/64");
    net_world_route(w->client, "0.0.0.0/0", "10.0.0.254", "eth0");
    net_world_route(w->client, "::/0", "fd00::fe", "eth0");
    net_world_route(w->server, "0.0.0.0/0", "10.0.1.254", "eth0");
    net_world_route(w->server, "::/0", "fd01::fe", "eth0");
    w->log = g_string_new(NULL);
    w->events = g_string_new(NULL);
    w->sink.mask = TRACE_BIT(TRACE_SEND) | TRACE_BIT(TRACE_SOCKET);
    w->sink.record = transport_world_record;
    trace_add_sink(w->sim, &w->sink);
    return w;
}

/* Fails the test that leaked a connection or a slice. */
static inline void
transport_world_free(TransportWorld *w)
{
    Host *hosts[] = {w->client, w->server};

    for (uint32_t i = 0; i < 2; i++) {
        SocketTable *table = host_transport(hosts[i]);
        size_t n_conns = 0;
        if (!table)
            continue;
        for (const Socket *s = table->first; s; s = s->next)
            n_conns += s->kind == SOCKET_TCP;
        T_EQ_U64(table->tcp_conns.in_use, n_conns);
        if (n_conns == 0) {
            T_EQ_U64(table->tx_slices.in_use, 0);
            T_EQ_U64(table->rx_slices.in_use, 0);
        }
    }
    trace_remove_sink(w->sim, &w->sink);
    net_world_free(w->net);
    g_string_free(w->log, TRUE);
    g_string_free(w->events, TRUE);
    g_free(w);
}

static inline void
transport_world_run(TransportWorld *w, SimTime duration)
{
    net_world_run(w->net, duration);
}

/* Loses everything that 'host' sends, or nothing. */
static inline void
transport_world_mute(Host *host, bool mute)
{
    netdev_link(host_dev(host, "eth0"))->loss_ppm = mute ? 1000000 : 0;
}

#endif
