#ifndef TESTS_UNIT_SIM_TCP_PAIR_H
#define TESTS_UNIT_SIM_TCP_PAIR_H

/* Two owners of one connection that count what they get and check each byte: byte i of a stream is i * 7. */

#include "tests/unit/sim/transport_world.h"

typedef struct {
    Socket *socket;
    uint64_t got;
    uint32_t n_connected, n_eof, n_closed, n_drained, n_bad;
    SocketError error;
    SimTime closed_at;
    bool close_on_eof;
} TcpEnd;

typedef struct {
    TransportWorld *w;
    Socket *listener;
    TcpEnd client, server;
} TcpPair;

static inline void
end_connected(Socket *s, void *user)
{
    (void)s;
    ((TcpEnd *)user)->n_connected++;
}

static inline void
end_received(Socket *s, const Payload *payload, IpAddr from, uint16_t port, void *user)
{
    TcpEnd *end = user;
    (void)s;
    (void)from;
    (void)port;
    for (uint32_t i = 0; payload->buf && i < payload->len; i++)
        end->n_bad += payload->buf->data[payload->offset + i] != (uint8_t)((end->got + i) * 7);
    end->got += payload->len;
}

static inline void
end_eof(Socket *s, void *user)
{
    TcpEnd *end = user;
    end->n_eof++;
    if (end->close_on_eof)
        tcp_shutdown(s);
}

static inline void
end_drained(Socket *s, void *user)
{
    (void)s;
    ((TcpEnd *)user)->n_drained++;
}

static inline void
end_closed(Socket *s, SocketError error, void *user)
{
    TcpEnd *end = user;
    end->n_closed++;
    end->error = error;
    end->closed_at = host_sim(socket_host(s))->now;
    end->socket = NULL;
}

static const SocketCallbacks end_callbacks = {
    .connected = end_connected, .received = end_received, .eof = end_eof, .drained = end_drained, .closed = end_closed};

static inline void
pair_accepted(Socket *listener, Socket *conn, void *user)
{
    TcpPair *pair = user;
    (void)listener;
    pair->server.socket = conn;
    socket_set_user(conn, &end_callbacks, &pair->server);
}

static const SocketCallbacks pair_listener_callbacks = {.accepted = pair_accepted};

static inline void
pair_dial(TcpPair *pair, const char *to, uint16_t port, const SocketOptions *options)
{
    memset(&pair->client, 0, sizeof pair->client);
    pair->client.socket = tcp_connect(pair->w->client, ip(to), port, options, &end_callbacks, &pair->client, NULL);
}

/* A listener on port 80; no connection yet. */
static inline void
pair_init(TcpPair *pair, uint64_t seed)
{
    SocketOptions options = {.local_port = 80};
    memset(pair, 0, sizeof *pair);
    pair->w = transport_world_new(seed);
    pair->listener = tcp_listen(pair->w->server, &options, 0, &pair_listener_callbacks, pair, NULL);
}

static inline void
pair_open(TcpPair *pair, uint64_t seed)
{
    pair_init(pair, seed);
    pair_dial(pair, "10.0.1.2", 80, NULL);
    transport_world_run(pair->w, 100 * SIMTIME_MSEC);
}

static inline void
pair_free(TcpPair *pair)
{
    transport_world_free(pair->w);
}

static inline void
end_write(TcpEnd *end, uint32_t len)
{
    g_autofree uint8_t *bytes = g_malloc(len);
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7);
    PayloadBuf *buf = payload_buf_new(bytes, len);
    tcp_send(end->socket, buf, 0, len);
    payload_buf_unref(buf);
}

#endif
