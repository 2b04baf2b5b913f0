/* HTTP client: one connection, one request at a time
 *
 * Failures of any kind reach done() from the event loop; a connection that breaks between two requests is reported with
 * the next one. */

#include "sim/engine/text_out.h"
#include "sim/transport/app_private.h"
#include "sim/transport/http_parse.h"

struct HttpClient {
    App app; /* Internally an App of the host, so that it dies with it. */
    Socket *socket;
    HttpParser parser;
    Timer timer; /* The exchange's time limit, or a failure to be told. */
    HttpDone done;
    void *user;
    char *method, *path, *host, *headers;
    uint32_t request_bytes;
    SimTime timeout;
    PayloadBuf *prologue; /* PROXY header, until sent. */
    SimTime started, connected_at;
    SocketError error; /* Why the connection is gone. */
    IpAddr local, remote;
    uint16_t local_port, remote_port;
    uint32_t retransmits_before;
    bool keep_alive, connected, busy, in_done, free_after;
};

static void on_connected(Socket *s, void *user);
static void on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_eof(Socket *s, void *user);
static void on_closed(Socket *s, SocketError error, void *user);
static void on_timer(Sim *sim, void *owner);
static void send_request(HttpClient *client);
static void check_response(HttpClient *client, bool eof);
static void finish(HttpClient *client, SocketError error);
static void leave_to_peer(HttpClient *client);
static void drop_socket(HttpClient *client);
static void on_peer_closed(Socket *s, void *user);
static void client_clear(App *app, bool host_gone);
static const char *response_header(const void *response, const char *name);

static const SocketCallbacks callbacks = {
    .connected = on_connected, .received = on_received, .eof = on_eof, .closed = on_closed};
static const SocketCallbacks leaving_callbacks = {.eof = on_peer_closed};
static const AppOps client_ops = {.clear = client_clear};

HttpClient *
http_client_get(Host *host, IpAddr to, uint16_t port, const HttpClientOptions *options, HttpDone done, void *user)
{
    SocketTable *table = socket_table(host);
    HttpClient *client = g_new0(HttpClient, 1);
    char address[IPPORT_STR_SIZE];

    app_register(&client->app, table, &client_ops);
    client->timer = timer_new(table->sim, "http.client", host_entity(host), on_timer, client);
    client->parser.response = true;
    client->parser.keep_body = true;
    client->done = done;
    client->user = user;
    client->remote = to;
    client->remote_port = port;
    client->method = g_strdup(options->method ? options->method : "GET");
    client->path = g_strdup(options->path ? options->path : "/");
    client->host = g_strdup(options->host ? options->host : ipport_format(to, port, address));
    client->headers = g_strdup(options->headers);
    client->request_bytes = options->request_bytes;
    client->keep_alive = options->keep_alive;
    client->timeout = options->timeout;
    client->started = table->sim->now;
    client->busy = true;
    if (options->proxy_header)
        client->prologue = payload_buf_new(options->proxy_header, options->proxy_header_size);
    client->socket = tcp_connect(host, to, port, &options->socket, &callbacks, client, &client->error);
    if (!client->socket)
        timer_arm(table->sim, client->timer, table->sim->now);
    else if (client->timeout)
        timer_arm(table->sim, client->timer, table->sim->now + client->timeout);
    return client;
}

void
http_client_request(HttpClient *client, const char *path, HttpDone done, void *user)
{
    Sim *sim = client->app.table->sim;

    g_assert(!client->busy && client->keep_alive);
    client->busy = true;
    client->done = done;
    client->user = user;
    client->started = sim->now;
    if (path) {
        g_free(client->path);
        client->path = g_strdup(path);
    }
    if (!client->socket) {
        timer_arm(sim, client->timer, sim->now);
        return;
    }
    client->retransmits_before = socket_retransmits(client->socket);
    if (client->timeout)
        timer_arm(sim, client->timer, sim->now + client->timeout);
    send_request(client);
}

void
http_client_free(HttpClient *client)
{
    if (!client)
        return;
    if (client->in_done)
        client->free_after = true;
    else
        app_free(&client->app);
}

Socket *
http_client_socket(const HttpClient *client)
{
    return client->socket;
}

bool
http_client_ended(const HttpClient *client)
{
    return !client->busy && !client->socket && client->connected && client->error == SOCK_EOF;
}

static void
on_connected(Socket *s, void *user)
{
    HttpClient *client = user;

    client->connected = true;
    client->connected_at = client->app.table->sim->now;
    client->local = socket_local(s, &client->local_port);
    if (client->prologue)
        tcp_send(s, client->prologue, 0, client->prologue->size);
    send_request(client);
}

static void
on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    HttpClient *client = user;

    (void)s;
    (void)from;
    (void)from_port;
    if (!client->busy)
        return; /* Nobody asked. */
    http_parser_feed(&client->parser, payload);
    check_response(client, false);
}

static void
on_eof(Socket *s, void *user)
{
    HttpClient *client = user;

    (void)s;
    client->error = SOCK_EOF;
    if (client->busy)
        check_response(client, true);
    else
        drop_socket(client);
}

static void
on_closed(Socket *s, SocketError error, void *user)
{
    HttpClient *client = user;

    client->error = error == SOCK_OK ? SOCK_EOF : error;
    client->local = socket_local(s, &client->local_port);
    if (client->busy)
        finish(client, client->error);
    else
        client->socket = NULL;
}

static void
on_timer(Sim *sim, void *owner)
{
    HttpClient *client = owner;

    (void)sim;
    if (client->busy)
        finish(client, client->socket ? SOCK_TIMEOUT : client->error);
}

static void
send_request(HttpClient *client)
{
    GString *text = g_string_sized_new(256);
    PayloadBuf *buf;

    client->parser.head_answer = strcmp(client->method, "HEAD") == 0;
    text_str(text, client->method);
    TEXT_LIT(text, " ");
    text_str(text, client->path);
    TEXT_LIT(text, " HTTP/1.1\r\nHost: ");
    text_str(text, client->host);
    TEXT_LIT(text, "\r\nUser-Agent: svcsim/1.0\r\nAccept: */*\r\n");
    if (client->request_bytes) {
        TEXT_LIT(text, "Content-Type: application/octet-stream\r\nContent-Length: ");
        text_u64(text, client->request_bytes);
        TEXT_LIT(text, "\r\n");
    }
    text_str(text, client->keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
    text_str(text, client->headers ? client->headers : "");
    TEXT_LIT(text, "\r\n");
    buf = payload_buf_new(text->str, text->len);
    tcp_send(client->socket, buf, 0, buf->size);
    if (client->request_bytes)
        tcp_send(client->socket, NULL, 0, client->request_bytes);
    payload_buf_unref(buf);
    g_string_free(text, TRUE);
}

static void
check_response(HttpClient *client, bool eof)
{
    switch (http_parser_parse(&client->parser, eof)) {
    case HTTP_MORE:
        if (eof)
            finish(client, SOCK_EOF);
        return;
    case HTTP_BAD:
        finish(client, SOCK_EOF);
        return;
    case HTTP_DONE:
        if (client->parser.status == 100) { /* An interim answer. */
            http_parser_next(&client->parser);
            check_response(client, eof);
            return;
        }
        finish(client, SOCK_OK);
        return;
    }
}

/* Tells the owner; the client may be gone afterwards. */
static void
finish(HttpClient *client, SocketError error)
{
    SocketTable *table = client->app.table;
    HttpResult result = {.ok = error == SOCK_OK,
                         .error = error,
                         .connected = client->connected,
                         .started = client->started,
                         .connected_at = client->connected_at,
                         .ended = table->sim->now,
                         .local = client->local,
                         .local_port = client->local_port,
                         .remote = client->remote,
                         .remote_port = client->remote_port,
                         .header = response_header,
                         .response = client};

    if (client->socket) {
        result.local = socket_local(client->socket, &result.local_port);
        result.retransmits = socket_retransmits(client->socket) - client->retransmits_before;
    }
    timer_disarm(table->sim, client->timer);
    client->busy = false;
    if (result.ok) {
        result.status = client->parser.status;
        result.body = http_parser_body(&client->parser, &result.body_size);
    }
    if (!result.ok || !client->keep_alive || !client->parser.keep_alive) {
        if (result.ok)
            client->error = SOCK_EOF;
        else
            client->error = error;
        if (result.ok && !client->parser.keep_alive && client->socket)
            leave_to_peer(client);
        else
            drop_socket(client);
    }
    client->in_done = true;
    client->done(client, &result, client->user);
    client->in_done = false;
    if (client->free_after || !client->keep_alive) {
        app_free(&client->app);
        return;
    }
    if (result.ok)
        http_parser_next(&client->parser);
    else
        http_parser_reset(&client->parser);
}

/* The server said that it closes; its FIN is on the way.  A process needs some microseconds to wake up and close, so
 * the FIN comes first in reality, and the server's end is the one in TIME_WAIT. */
static void
leave_to_peer(HttpClient *client)
{
    socket_set_user(client->socket, &leaving_callbacks, NULL);
    client->socket = NULL;
}

static void
on_peer_closed(Socket *s, void *user)
{
    (void)user;
    socket_close(s);
}

static void
drop_socket(HttpClient *client)
{
    if (client->socket)
        socket_close(client->socket);
    client->socket = NULL;
}

static void
client_clear(App *app, bool host_gone)
{
    HttpClient *client = (HttpClient *)app;

    if (!host_gone)
        drop_socket(client);
    timer_free(app->table->sim, &client->timer);
    http_parser_clear(&client->parser);
    payload_buf_unref(client->prologue);
    g_free(client->method);
    g_free(client->path);
    g_free(client->host);
    g_free(client->headers);
}

static const char *
response_header(const void *response, const char *name)
{
    const HttpClient *client = response;

    return client->parser.head_size ? http_parser_header(&client->parser, name) : NULL;
}
