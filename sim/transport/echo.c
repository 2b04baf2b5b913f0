/* Echo servers: TCP, UDP, SCTP */

#include "sim/transport/app_private.h"

typedef struct {
    App app;
    Socket *socket;
    Socket **conns; /* In 'active' places. */
    size_t n_cap;
    char *prefix;
    PayloadBuf *blank; /* The last answer to a request of zeros without bytes of its own; may be NULL. */
    void (*seen)(void *user, IpAddr from, uint16_t port, uint64_t flow);
    void *user;
} EchoServer;

static void on_accepted(Socket *listener, Socket *conn, void *user);
static void on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_eof(Socket *s, void *user);
static void on_conn_closed(Socket *s, SocketError error, void *user);
static void on_closed(Socket *s, SocketError error, void *user);
static void echo_drain(App *app);
static void echo_clear(App *app, bool host_gone);

static const SocketCallbacks callbacks = {.accepted = on_accepted, .received = on_received, .closed = on_closed};
static const SocketCallbacks conn_callbacks = {.received = on_received, .eof = on_eof, .closed = on_conn_closed};
static const AppOps echo_ops = {.drain = echo_drain, .clear = echo_clear};

App *
echo_server_new(Host *host, uint8_t proto, IpAddr addr, uint16_t port, const char *prefix,
                void (*seen)(void *user, IpAddr from, uint16_t port, uint64_t flow), void *user, SocketError *ret_error)
{
    EchoServer *echo = g_new0(EchoServer, 1);
    SocketOptions options = {.local = addr, .local_port = port};

    if (proto == IPPROTO_TCP_)
        echo->socket = tcp_listen(host, &options, 0, &callbacks, echo, ret_error);
    else if (proto == IPPROTO_UDP_)
        echo->socket = udp_open(host, &options, &callbacks, echo, ret_error);
    else
        echo->socket = sctp_listen(host, &options, &callbacks, echo, ret_error);
    if (!echo->socket) {
        g_free(echo);
        return NULL;
    }
    echo->prefix = g_strdup(prefix);
    echo->seen = seen;
    echo->user = user;
    app_register(&echo->app, socket_table(host), &echo_ops);
    return &echo->app;
}

static void
on_accepted(Socket *listener, Socket *conn, void *user)
{
    EchoServer *echo = user;

    (void)listener;
    if (echo->app.active == echo->n_cap) {
        echo->n_cap = MAX(echo->n_cap * 2, 8);
        echo->conns = g_renew(Socket *, echo->conns, echo->n_cap);
    }
    echo->conns[echo->app.active++] = conn;
    socket_set_user(conn, &conn_callbacks, echo);
}

/* The prefix, then what came.  A stream of equal requests without bytes costs one buffer. */
static PayloadBuf *
prefixed_answer(EchoServer *echo, const Payload *payload)
{
    size_t prefix_len = strlen(echo->prefix), size = prefix_len + payload->len;
    g_autofree char *text = NULL;
    PayloadBuf *buf;

    if (!payload->buf && echo->blank && echo->blank->size == size)
        return payload_buf_ref(echo->blank);
    text = g_malloc0(size + 1);
    memcpy(text, echo->prefix, prefix_len);
    if (payload->buf)
        memcpy(text + prefix_len, payload->buf->data + payload->offset, payload->len);
    buf = payload_buf_new(text, size);
    if (!payload->buf) {
        payload_buf_unref(echo->blank);
        echo->blank = payload_buf_ref(buf);
    }
    return buf;
}

static void
on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    EchoServer *echo = user;
    uint8_t proto = socket_proto(s);
    PayloadBuf *buf = NULL;
    uint32_t offset = payload->offset, len = payload->len;

    if (echo->seen)
        echo->seen(echo->user, from, from_port, proto == IPPROTO_UDP_ ? udp_received_flow(s) : socket_flow(s));
    if (echo->prefix) {
        buf = prefixed_answer(echo, payload);
        offset = 0;
        len = buf->size;
    } else if (payload->buf) {
        buf = payload_buf_ref(payload->buf);
    }
    if (proto == IPPROTO_TCP_)
        tcp_send(s, buf, offset, len);
    else if (proto == IPPROTO_UDP_)
        udp_send(s, from, from_port, buf, offset, len);
    else
        sctp_send(s, buf, offset, len);
    payload_buf_unref(buf);
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
    EchoServer *echo = user;

    (void)error;
    for (uint32_t i = 0; i < echo->app.active; i++) {
        if (echo->conns[i] == s) {
            echo->conns[i] = echo->conns[--echo->app.active];
            return;
        }
    }
}

static void
on_closed(Socket *s, SocketError error, void *user)
{
    (void)s;
    (void)error;
    ((EchoServer *)user)->socket = NULL; /* The host went down. */
}

static void
echo_drain(App *app)
{
    EchoServer *echo = (EchoServer *)app;

    if (echo->socket)
        socket_close(echo->socket);
    echo->socket = NULL;
    for (uint32_t i = 0; i < app->active; i++) {
        if (socket_proto(echo->conns[i]) == IPPROTO_TCP_)
            tcp_shutdown(echo->conns[i]);
    }
}

static void
echo_clear(App *app, bool host_gone)
{
    EchoServer *echo = (EchoServer *)app;

    if (!host_gone) {
        if (echo->socket)
            socket_close(echo->socket);
        for (uint32_t i = 0; i < app->active; i++)
            socket_close(echo->conns[i]);
    }
    g_free(echo->conns);
    g_free(echo->prefix);
    payload_buf_unref(echo->blank);
}
