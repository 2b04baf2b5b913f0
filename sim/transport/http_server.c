/* HTTP server: connections, keep-alive, draining
 *
 * An exchange is the owner's from request() until http_respond(); it outlives its connection if that breaks, and is
 * freed with the App at the latest: an owner that frees the App must not respond afterwards. */

#include "sim/engine/dlist.h"
#include "sim/engine/text_out.h"
#include "sim/transport/app_private.h"
#include "sim/transport/http_parse.h"

typedef struct HttpServer HttpServer;
typedef struct HttpConn HttpConn;

struct HttpExchange {
    HttpServer *server;
    HttpConn *conn; /* NULL: broken meanwhile. */
    HttpExchange *prev, *next;
    bool keep_alive, head;
};

struct HttpConn {
    HttpServer *server;
    Socket *socket; /* NULL once closed. */
    HttpExchange *exchange;
    HttpConn *prev, *next;
    HttpParser parser;
    Timer idle;
    bool proxy_done, processing, eof, closing;
    char *proxy_src; /* Owned; NULL: not told. */
};

struct HttpServer {
    App app;
    Socket *listener;
    HttpServerOptions options;
    void *user;
    HttpConn *conns;
    HttpExchange *exchanges;
    bool draining;
};

static void on_accepted(Socket *listener, Socket *socket, void *user);
static void on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_eof(Socket *s, void *user);
static void on_closed(Socket *s, SocketError error, void *user);
static void on_listener_closed(Socket *s, SocketError error, void *user);
static void on_idle(Sim *sim, void *owner);
static void process(HttpConn *conn);
static bool read_proxy_header(HttpConn *conn);
static void begin_exchange(HttpConn *conn);
static void send_response(HttpConn *conn, const HttpExchange *exchange, int status, const char *content_type,
                          const char *headers, const char *body, size_t body_size);
static void conn_finish(HttpConn *conn);
static void conn_free(HttpConn *conn);
static void rearm_idle(HttpConn *conn);
static void server_drain(App *app);
static void server_clear(App *app, bool host_gone);
static const char *exchange_header(const HttpExchange *exchange, const char *name);

static const SocketCallbacks listener_callbacks = {.accepted = on_accepted, .closed = on_listener_closed};
static const SocketCallbacks conn_callbacks = {.received = on_received, .eof = on_eof, .closed = on_closed};
static const AppOps server_ops = {.drain = server_drain, .clear = server_clear};

App *
http_server_new(Host *host, IpAddr addr, uint16_t port, const HttpServerOptions *options, void *user,
                SocketError *ret_error)
{
    HttpServer *server = g_new0(HttpServer, 1);
    SocketOptions socket_options = {.local = addr, .local_port = port};

    server->options = *options;
    server->user = user;
    server->listener = tcp_listen(host, &socket_options, options->backlog, &listener_callbacks, server, ret_error);
    if (!server->listener) {
        g_free(server);
        return NULL;
    }
    app_register(&server->app, socket_table(host), &server_ops);
    return &server->app;
}

Socket *
http_server_listener(App *app)
{
    return ((HttpServer *)app)->listener;
}

void
http_respond(HttpExchange *exchange, int status, const char *content_type, const char *headers, const char *body,
             size_t body_size)
{
    HttpServer *server = exchange->server;
    HttpConn *conn = exchange->conn;

    if (conn) {
        conn->exchange = NULL;
        send_response(conn, exchange, status, content_type, headers, body, body_size);
        http_parser_next(&conn->parser);
        if (!exchange->keep_alive)
            conn_finish(conn);
    }
    dlist_remove(server->exchanges, exchange);
    g_free(exchange);
    if (conn && !conn->processing)
        process(conn);
}

static void
on_accepted(Socket *listener, Socket *socket, void *user)
{
    HttpServer *server = user;
    HttpConn *conn = g_new0(HttpConn, 1);

    (void)listener;
    conn->server = server;
    conn->socket = socket;
    dlist_push(server->conns, conn);
    server->app.active++;
    socket_set_user(socket, &conn_callbacks, conn);
    rearm_idle(conn);
    if (server->options.connection)
        server->options.connection(&server->app, socket, true, server->user);
}

static void
on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    HttpConn *conn = user;

    (void)s;
    (void)from;
    (void)from_port;
    if (conn->closing)
        return;
    http_parser_feed(&conn->parser, payload);
    rearm_idle(conn);
    process(conn);
}

static void
on_eof(Socket *s, void *user)
{
    HttpConn *conn = user;

    (void)s;
    conn->eof = true;
    process(conn);
}

static void
on_closed(Socket *s, SocketError error, void *user)
{
    HttpConn *conn = user;
    HttpServer *server = conn->server;

    (void)error;
    if (server->options.connection)
        server->options.connection(&server->app, s, false, server->user);
    conn_free(conn);
}

static void
on_listener_closed(Socket *s, SocketError error, void *user)
{
    (void)s;
    (void)error;
    ((HttpServer *)user)->listener = NULL; /* The host went down. */
}

static void
on_idle(Sim *sim, void *owner)
{
    HttpConn *conn = owner;

    (void)sim;
    if (!conn->exchange)
        conn_finish(conn);
}

/* Begins exchanges as complete requests are there, one at a time. */
static void
process(HttpConn *conn)
{
    conn->processing = true;
    while (!conn->exchange && !conn->closing) {
        if (conn->server->options.accept_proxy && !conn->proxy_done && !read_proxy_header(conn))
            break;
        HttpParse state = http_parser_parse(&conn->parser, conn->eof);
        if (state == HTTP_BAD) {
            send_response(conn, NULL, 400, "text/plain", NULL, "bad request\n", 12);
            conn_finish(conn);
        } else if (state == HTTP_DONE) {
            begin_exchange(conn);
        } else {
            if (conn->eof)
                conn_finish(conn);
            break;
        }
    }
    conn->processing = false;
}

/* False if more must come, or if the connection was given up. */
static bool
read_proxy_header(HttpConn *conn)
{
    size_t size = 0;
    char src[IPPORT_STR_SIZE];
    HttpParse state =
        conn->parser.len ? proxy_header_parse(conn->parser.data, conn->parser.len, &size, src) : HTTP_MORE;

    if (state == HTTP_DONE) {
        conn->proxy_src = src[0] ? g_strdup(src) : NULL;
        http_parser_skip(&conn->parser, size);
        conn->proxy_done = true;
        return true;
    }
    if (state == HTTP_BAD || conn->eof)
        conn_finish(conn); /* Servers that demand the header close without a word. */
    return false;
}

static void
begin_exchange(HttpConn *conn)
{
    HttpServer *server = conn->server;
    HttpExchange *exchange = g_new0(HttpExchange, 1);
    const char *method = conn->parser.data + conn->parser.method;
    HttpRequest request = {.method = method,
                           .path = conn->parser.data + conn->parser.path,
                           .host = http_parser_header(&conn->parser, "Host"),
                           .proxy_src = conn->proxy_src,
                           .flow = socket_flow(conn->socket),
                           .header = exchange_header};

    request.peer = socket_remote(conn->socket, &request.peer_port);
    exchange->server = server;
    exchange->conn = conn;
    exchange->keep_alive = conn->parser.keep_alive && !conn->eof;
    exchange->head = strcmp(method, "HEAD") == 0;
    dlist_push(server->exchanges, exchange);
    conn->exchange = exchange;
    server->options.request(&server->app, exchange, &request, server->user);
}

static void
send_response(HttpConn *conn, const HttpExchange *exchange, int status, const char *content_type, const char *headers,
              const char *body, size_t body_size)
{
    bool keep_alive = exchange && exchange->keep_alive && !conn->server->draining;
    bool no_body = (exchange && exchange->head) || status == 204 || status == 304;
    Sim *sim = conn->server->app.table->sim;
    char date[HTTP_DATE_SIZE];
    GString *text = g_string_sized_new(256 + body_size);
    PayloadBuf *buf;

    if (exchange)
        ((HttpExchange *)exchange)->keep_alive = keep_alive;
    TEXT_LIT(text, "HTTP/1.1 ");
    text_u64(text, (uint64_t)status);
    TEXT_LIT(text, " ");
    text_str(text, http_reason(status));
    TEXT_LIT(text, "\r\nDate: ");
    text_str(text, http_date_format(sim->now, date));
    TEXT_LIT(text, "\r\nServer: svcsim\r\n");
    if (content_type) {
        TEXT_LIT(text, "Content-Type: ");
        text_str(text, content_type);
        TEXT_LIT(text, "\r\n");
    }
    if (status != 204 && status != 304) {
        TEXT_LIT(text, "Content-Length: ");
        text_u64(text, body_size);
        TEXT_LIT(text, "\r\n");
    }
    text_str(text, keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
    text_str(text, headers ? headers : "");
    TEXT_LIT(text, "\r\n");
    if (!no_body)
        g_string_append_len(text, body, (gssize)body_size);
    buf = payload_buf_new(text->str, text->len);
    tcp_send(conn->socket, buf, 0, buf->size);
    payload_buf_unref(buf);
    g_string_free(text, TRUE);
    rearm_idle(conn);
}

/* FIN; the connection stays until the peer has closed too. */
static void
conn_finish(HttpConn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    tcp_shutdown(conn->socket);
}

static void
conn_free(HttpConn *conn)
{
    HttpServer *server = conn->server;

    if (conn->exchange)
        conn->exchange->conn = NULL;
    dlist_remove(server->conns, conn);
    server->app.active--;
    timer_free(server->app.table->sim, &conn->idle);
    http_parser_clear(&conn->parser);
    g_free(conn->proxy_src);
    g_free(conn);
}

static void
rearm_idle(HttpConn *conn)
{
    HttpServer *server = conn->server;
    SocketTable *table = server->app.table;

    if (!server->options.idle_timeout)
        return;
    if (!conn->idle.gen)
        conn->idle = timer_new(table->sim, "http.idle", host_entity(table->host), on_idle, conn);
    timer_arm(table->sim, conn->idle, table->sim->now + server->options.idle_timeout);
}

static void
server_drain(App *app)
{
    HttpServer *server = (HttpServer *)app;
    HttpConn *next;

    server->draining = true;
    if (server->listener)
        socket_close(server->listener);
    server->listener = NULL;
    for (HttpConn *conn = server->conns; conn; conn = next) {
        next = conn->next;
        if (!conn->exchange && conn->parser.len == 0)
            conn_finish(conn);
    }
}

/* As the kernel closes a dead process's sockets: all that came was read, so each sends FIN. */
static void
server_clear(App *app, bool host_gone)
{
    HttpServer *server = (HttpServer *)app;

    if (server->listener && !host_gone)
        socket_close(server->listener);
    while (server->conns) {
        if (!host_gone)
            socket_close(server->conns->socket);
        conn_free(server->conns);
    }
    while (server->exchanges) {
        HttpExchange *exchange = server->exchanges;
        server->exchanges = exchange->next;
        g_free(exchange);
    }
}

static const char *
exchange_header(const HttpExchange *exchange, const char *name)
{
    return exchange->conn ? http_parser_header(&exchange->conn->parser, name) : NULL;
}
