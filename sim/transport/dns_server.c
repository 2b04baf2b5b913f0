/* DNS server over UDP and TCP: answers from its owner's zone look-up */

#include "sim/engine/dlist.h"
#include "sim/transport/app_private.h"
#include "sim/transport/dns_wire.h"

typedef struct DnsConn {
    struct DnsServer *server;
    Socket *socket;
    struct DnsConn *prev, *next;
    GByteArray *data;
} DnsConn;

typedef struct DnsServer {
    App app;
    Socket *udp, *tcp;
    DnsConn *conns;
    DnsLookup lookup;
    void *user;
} DnsServer;

static void on_datagram(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_udp_closed(Socket *s, SocketError error, void *user);
static void on_tcp_closed(Socket *s, SocketError error, void *user);
static void on_accepted(Socket *listener, Socket *socket, void *user);
static void on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_eof(Socket *s, void *user);
static void on_conn_closed(Socket *s, SocketError error, void *user);
static size_t answer_query(DnsServer *server, const uint8_t *data, size_t size, uint8_t *buf, size_t max_size,
                           uint64_t flow);
static void conn_free(DnsConn *conn);
static void dns_drain(App *app);
static void dns_clear(App *app, bool host_gone);

static const SocketCallbacks udp_callbacks = {.received = on_datagram, .closed = on_udp_closed};
static const SocketCallbacks listener_callbacks = {.accepted = on_accepted, .closed = on_tcp_closed};
static const SocketCallbacks conn_callbacks = {.received = on_received, .eof = on_eof, .closed = on_conn_closed};
static const AppOps dns_ops = {.drain = dns_drain, .clear = dns_clear};

App *
dns_server_new(Host *host, IpAddr addr, uint16_t port, DnsLookup lookup, void *user, SocketError *ret_error)
{
    DnsServer *server = g_new0(DnsServer, 1);
    SocketOptions options = {.local = addr, .local_port = port};

    server->lookup = lookup;
    server->user = user;
    server->udp = udp_open(host, &options, &udp_callbacks, server, ret_error);
    if (server->udp)
        server->tcp = tcp_listen(host, &options, 0, &listener_callbacks, server, ret_error);
    if (!server->tcp) {
        if (server->udp)
            socket_close(server->udp);
        g_free(server);
        return NULL;
    }
    app_register(&server->app, socket_table(host), &dns_ops);
    return &server->app;
}

static void
on_datagram(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    uint8_t buf[DNS_UDP_MAX];
    PayloadBuf *answer;
    size_t size;

    if (!payload->buf)
        return;
    size =
        answer_query(user, payload->buf->data + payload->offset, payload->len, buf, sizeof buf, udp_received_flow(s));
    if (!size)
        return;
    answer = payload_buf_new(buf, size);
    udp_send(s, from, from_port, answer, 0, answer->size);
    payload_buf_unref(answer);
}

static void
on_udp_closed(Socket *s, SocketError error, void *user)
{
    (void)s;
    (void)error;
    ((DnsServer *)user)->udp = NULL;
}

static void
on_tcp_closed(Socket *s, SocketError error, void *user)
{
    (void)s;
    (void)error;
    ((DnsServer *)user)->tcp = NULL;
}

static void
on_accepted(Socket *listener, Socket *socket, void *user)
{
    DnsServer *server = user;
    DnsConn *conn = g_new0(DnsConn, 1);

    (void)listener;
    conn->server = server;
    conn->socket = socket;
    conn->data = g_byte_array_new();
    dlist_push(server->conns, conn);
    server->app.active++;
    socket_set_user(socket, &conn_callbacks, conn);
}

/* Messages with their length in front (RFC 1035, 4.2.2). */
static void
on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    DnsConn *conn = user;
    uint8_t buf[2 + DNS_MESSAGE_SIZE];

    (void)from;
    (void)from_port;
    if (!payload->buf)
        return;
    g_byte_array_append(conn->data, payload->buf->data + payload->offset, payload->len);
    while (conn->data->len >= 2) {
        uint32_t size = (uint32_t)(conn->data->data[0] << 8 | conn->data->data[1]);
        size_t answer_size;
        if (conn->data->len < 2 + size)
            return;
        answer_size = answer_query(conn->server, conn->data->data + 2, size, buf + 2, DNS_MESSAGE_SIZE, socket_flow(s));
        g_byte_array_remove_range(conn->data, 0, 2 + size);
        if (!answer_size)
            continue;
        buf[0] = (uint8_t)(answer_size >> 8);
        buf[1] = (uint8_t)answer_size;
        PayloadBuf *answer = payload_buf_new(buf, answer_size + 2);
        tcp_send(s, answer, 0, answer->size);
        payload_buf_unref(answer);
    }
}

static void
on_eof(Socket *s, void *user)
{
    (void)user;
    tcp_shutdown(s);
}

static void
on_conn_closed(Socket *s, SocketError error, void *user)
{
    (void)s;
    (void)error;
    conn_free(user);
}

static size_t
answer_query(DnsServer *server, const uint8_t *data, size_t size, uint8_t *buf, size_t max_size, uint64_t flow)
{
    DnsQuestion question;
    DnsAnswer answer = {0};

    if (!dns_read(data, size, &question, NULL) || question.response)
        return 0;
    server->lookup(server->user, question.name, question.type, &answer);
    app_trace(&server->app, "dns", question.name, flow);
    return dns_write_answer(buf, max_size, &question, &answer);
}

static void
conn_free(DnsConn *conn)
{
    dlist_remove(conn->server->conns, conn);
    conn->server->app.active--;
    g_byte_array_free(conn->data, TRUE);
    g_free(conn);
}

static void
dns_drain(App *app)
{
    DnsServer *server = (DnsServer *)app;

    if (server->udp)
        socket_close(server->udp);
    if (server->tcp)
        socket_close(server->tcp);
    server->udp = server->tcp = NULL;
}

static void
dns_clear(App *app, bool host_gone)
{
    DnsServer *server = (DnsServer *)app;

    if (!host_gone)
        dns_drain(app);
    while (server->conns) {
        if (!host_gone)
            socket_close(server->conns->socket);
        conn_free(server->conns);
    }
}
