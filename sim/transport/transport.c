/* The transport layer as the host sees it: its table of sockets, and what comes up from IP, by protocol
 *
 * What comes while a socket of the table is sending waits in the backlog for an event of the same instant, so that no
 * socket is entered twice. */

#include "sim/engine/prefetch.h"
#include "sim/transport/socket.h"
#include "sim/transport/socket_table.h"

static void transport_input(Host *host, Packet *pkt);
static void transport_error(Host *host, const Packet *pkt);
static void transport_host_down(Host *host);
static void transport_destroy(Host *host);
static void transport_prepare(const Host *host, const Packet *pkt, uint32_t step);
static void input_now(SocketTable *table, Packet *pkt);
static void error_now(SocketTable *table, const Packet *pkt);
static void backlog_push(SocketTable *table, Packet *pkt);
static void backlog_run(Sim *sim, uint64_t arg);

static const TransportOps transport_ops = {
    .input = transport_input,
    .error = transport_error,
    .host_down = transport_host_down,
    .destroy = transport_destroy,
    .prepare = transport_prepare,
};

static const EventType backlog_event = {.name = "socket.backlog", .phase = PHASE_DELIVER, .fire = backlog_run};

SocketTable *
socket_table(Host *host)
{
    SocketTable *table = host_transport(host);

    if (table)
        return table;
    table = g_new0(SocketTable, 1);
    table->host = host;
    table->sim = host_sim(host);
    htable_init(&table->by_key, sizeof(SocketKey), sizeof(Socket *));
    htable_init(&table->by_port, sizeof(uint32_t), sizeof(Socket *));
    table->secret = rng_mix(rng_hash_str(table->sim->seed, host_name(host)), rng_hash_str(0, "tcp-secret"));
    host_set_transport(host, &transport_ops, table);
    return table;
}

static void
transport_input(Host *host, Packet *pkt)
{
    SocketTable *table = host_transport(host);

    if (table->sending)
        backlog_push(table, pkt);
    else
        input_now(table, pkt);
}

static void
transport_error(Host *host, const Packet *pkt)
{
    SocketTable *table = host_transport(host);

    if (table->sending)
        backlog_push(table, packet_copy(table->sim, pkt));
    else
        error_now(table, pkt);
}

static void
transport_host_down(Host *host)
{
    SocketTable *table = host_transport(host);

    tcp_time_wait_clear(table);
    while (table->first) {
        Socket *s = table->first;
        if (s->kind == SOCKET_TCP)
            tcp_host_gone(s);
        else
            socket_end(s, SOCK_HOST_DOWN, "host-down");
    }
    while (table->bound.len)
        socket_end(table->bound.data[table->bound.len - 1], SOCK_HOST_DOWN, "host-down");
}

static void
transport_destroy(Host *host)
{
    SocketTable *table = host_transport(host);
    Sim *sim = table->sim;

    app_table_free(table);
    while (table->first) {
        table->first->callbacks = NULL;
        socket_doom(table->first);
    }
    while (table->bound.len) {
        Socket *s = table->bound.data[table->bound.len - 1];
        s->callbacks = NULL;
        socket_doom(s);
    }
    tcp_time_wait_clear(table);
    timer_free(sim, &table->tw_timer);
    for (size_t i = 0; i < table->backlog.len; i++)
        packet_free(sim, table->backlog.data[i]);
    vec_clear(&table->backlog);
    vec_clear(&table->bound);
    vec_clear(&table->tw_due);
    htable_clear(&table->by_key);
    htable_clear(&table->by_port);
    if (table->tcp_conns.object_size) {
        htable_clear(&table->time_wait);
        pool_clear(&table->tcp_conns);
        pool_clear(&table->tx_slices);
        pool_clear(&table->rx_slices);
    }
    table->host = NULL;
    if (table->backlog_scheduled)
        return; /* The event in the queue still names the table and frees it. */
    g_free(table);
}

static void
input_now(SocketTable *table, Packet *pkt)
{
    switch (pkt->proto) {
    case IPPROTO_TCP_:
        tcp_input(table, pkt);
        return;
    case IPPROTO_UDP_:
        udp_input(table, pkt);
        return;
    case IPPROTO_SCTP_:
        sctp_input(table, pkt);
        return;
    default:
        socket_refuse(table, pkt);
    }
}

static void
error_now(SocketTable *table, const Packet *pkt)
{
    const QuotedPacket *quote = &pkt->icmp.quote;
    SocketKey key = {.local = quote->src,
                     .remote = quote->dst,
                     .local_port = quote->sport,
                     .remote_port = quote->dport,
                     .proto = quote->proto};
    Socket *s;

    if (!pkt->icmp.has_quote)
        return;
    s = socket_find(table, &key);
    switch (quote->proto) {
    case IPPROTO_TCP_:
        if (s)
            tcp_icmp_error(s, pkt);
        return;
    case IPPROTO_UDP_:
        if (!s)
            s = socket_find_bound(table, IPPROTO_UDP_, quote->src, quote->sport);
        if (s)
            udp_icmp_error(s, pkt);
        return;
    case IPPROTO_SCTP_:
        if (s)
            sctp_icmp_error(s, pkt);
        return;
    default:
        return;
    }
}

static void
transport_prepare(const Host *host, const Packet *pkt, uint32_t step)
{
    const SocketTable *table = host_transport(host);
    SocketKey key = {.local = pkt->dst,
                     .remote = pkt->src,
                     .local_port = pkt->dport,
                     .remote_port = pkt->sport,
                     .proto = pkt->proto};
    const Socket *s;

    switch (step) {
    case 2:
        cache_prefetch(table, sizeof *table);
        break;
    case 1:
        htable_prefetch(&table->by_key, &key);
        port_prefetch(table, pkt->proto, pkt->dport);
        break;
    default:
        s = socket_find((SocketTable *)table, &key);
        if (!s)
            s = socket_find_bound((SocketTable *)table, pkt->proto, pkt->dst, pkt->dport);
        if (s)
            cache_prefetch(s, sizeof *s);
        break;
    }
}

static void
backlog_push(SocketTable *table, Packet *pkt)
{
    vec_push(&table->backlog, pkt);
    if (table->backlog_scheduled)
        return;
    table->backlog_scheduled = true;
    sim_schedule(table->sim, table->sim->now, host_entity(table->host), &backlog_event, (uint64_t)(uintptr_t)table);
}

/* Handles what was there when it began; what comes meanwhile waits for the next event. */
static void
backlog_run(Sim *sim, uint64_t arg)
{
    SocketTable *table = (SocketTable *)(uintptr_t)arg;
    size_t n = table->backlog.len;

    table->backlog_scheduled = false;
    if (!table->host) {
        g_free(table);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        Packet *pkt = table->backlog.data[i];
        if (packet_is_icmp_error(pkt)) {
            error_now(table, pkt);
            packet_free(sim, pkt);
        } else if (host_down(table->host)) {
            host_drop(table->host, pkt, DROP_HOST_DOWN);
        } else {
            input_now(table, pkt);
        }
    }
    table->backlog.len -= n;
    memmove(table->backlog.data, table->backlog.data + n, table->backlog.len * sizeof(Packet *));
}
