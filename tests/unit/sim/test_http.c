/* HTTP server and client, PROXY protocol */

#include "sim/transport/http_parse.h"
#include "tests/unit/sim/transport_world.h"

typedef struct {
    App *app;
    GString *seen;
    HttpExchange *held;
    bool hold;
    uint32_t n_done, n_ok;
    int status;
    SocketError error;
    size_t body_size;
    HttpClient *client;
} Web;

static void
on_request(App *app, HttpExchange *exchange, const HttpRequest *request, void *user)
{
    Web *web = user;
    (void)app;
    g_string_append_printf(web->seen, "%s %s %s %s %s\n", request->method, request->path, request->host,
                           request->header(exchange, "user-agent"), request->proxy_src ? request->proxy_src : "-");
    if (web->hold)
        web->held = exchange;
    else
        http_respond(exchange, strcmp(request->path, "/missing") ? 200 : 404, "text/plain", "X-Pod: web-1\r\n",
                     "hello\n", 6);
}

static void
on_done(HttpClient *client, const HttpResult *result, void *user)
{
    Web *web = user;
    web->n_done++;
    web->n_ok += result->ok;
    web->status = result->status;
    web->error = result->error;
    web->body_size = result->body_size;
    web->client = client;
    if (result->ok && result->status != 400)
        T_EQ_STR(result->header(result->response, "x-pod"), "web-1");
}

static TransportWorld *
web_open(Web *web, HttpServerOptions options)
{
    TransportWorld *w = transport_world_new(1);
    memset(web, 0, sizeof *web);
    web->seen = g_string_new(NULL);
    options.request = on_request;
    web->app = http_server_new(w->server, IPADDR_ANY4, 80, &options, web, NULL);
    return w;
}

static void
web_close(Web *web, TransportWorld *w)
{
    transport_world_free(w);
    g_string_free(web->seen, TRUE);
}

static void
test_exchange(void)
{
    Web web;
    TransportWorld *w = web_open(&web, (HttpServerOptions){0});
    HttpClientOptions options = {.path = "/a", .host = "shop.example"},
                      missing = {.path = "/missing", .method = "HEAD"};
    http_client_get(w->client, ip("fd01::2"), 80, &options, on_done, &web);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(web.n_ok, 1);
    T_EQ_I64(web.status, 200);
    T_EQ_U64(web.body_size, 6);
    http_client_get(w->client, ip("10.0.1.2"), 80, &missing, on_done, &web);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(web.n_ok, 2);
    T_EQ_I64(web.status, 404);
    T_EQ_STR(web.seen->str, "GET /a shop.example svcsim/1.0 -\nHEAD /missing 10.0.1.2:80 svcsim/1.0 -\n");
    T_EQ_U64(app_active(web.app), 0);
    web_close(&web, w);
}

static void
test_keep_alive_and_drain(void)
{
    Web web;
    TransportWorld *w = web_open(&web, (HttpServerOptions){0});
    HttpClientOptions options = {.keep_alive = true, .request_bytes = 9000};
    http_client_get(w->client, ip("10.0.1.2"), 80, &options, on_done, &web);
    transport_world_run(w, SIMTIME_SEC);
    for (uint32_t i = 0; i < 3; i++) {
        http_client_request(web.client, "/next", on_done, &web);
        transport_world_run(w, SIMTIME_SEC);
    }
    T_EQ_U64(web.n_ok, 4);
    T_EQ_U64(app_active(web.app), 1);
    web.hold = true;
    http_client_request(web.client, "/slow", on_done, &web);
    transport_world_run(w, SIMTIME_SEC);
    app_drain(web.app);
    T_EQ_U64(web.n_done, 4);
    http_respond(web.held, 200, "text/plain", "X-Pod: web-1\r\n", "", 0);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(web.n_ok, 5);
    T_EQ_U64(app_active(web.app), 0);
    http_client_request(web.client, "/late", on_done, &web); /* The connection is gone. */
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(web.n_done, 6);
    T_EQ_U64(web.error, SOCK_EOF);
    http_client_free(web.client);
    web_close(&web, w);
}

static void
test_failures(void)
{
    Web web;
    TransportWorld *w = web_open(&web, (HttpServerOptions){.idle_timeout = SIMTIME_SEC});
    HttpClientOptions options = {.timeout = 2 * SIMTIME_SEC};
    http_client_get(w->client, ip("10.0.1.2"), 81, &options, on_done, &web);
    T_EQ_U64(web.n_done, 0);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(web.error, SOCK_RST);
    web.hold = true;
    http_client_get(w->client, ip("10.0.1.2"), 80, &options, on_done, &web);
    transport_world_run(w, 3 * SIMTIME_SEC);
    T_EQ_U64(web.error, SOCK_TIMEOUT);
    http_respond(web.held, 200, NULL, NULL, "", 0); /* Nobody listens any more: allowed. */
    options.keep_alive = true;
    web.hold = false;
    http_client_get(w->client, ip("10.0.1.2"), 80, &options, on_done, &web);
    transport_world_run(w, 5 * SIMTIME_SEC);
    T_EQ_U64(web.n_ok, 1);
    T_TRUE(http_client_socket(web.client) == NULL); /* The server's idle time-out closed it. */
    http_client_free(web.client);
    app_free(web.app);
    http_client_get(w->client, ip("10.0.1.2"), 80, &options, on_done, &web);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(web.error, SOCK_RST);
    http_client_free(web.client);
    web_close(&web, w);
}

static void
test_proxy_protocol(void)
{
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\x01\x02\x9c\x40\0\x50";
    static const struct {
        const char *header;
        size_t size;
        bool accept, ok;
        const char *seen;
    } rows[] = {{"PROXY TCP4 203.0.113.7 10.0.1.2 40000 80\r\n", 42, true, true, "203.0.113.7:40000\n"},
                {v2, 28, true, true, "203.0.113.7:40000\n"},
                {"PROXY UNKNOWN\r\n", 15, true, true, "svcsim/1.0 -\n"},
                {NULL, 0, true, false, ""}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Web web;
        TransportWorld *w = web_open(&web, (HttpServerOptions){.accept_proxy = rows[i].accept});
        HttpClientOptions options = {.proxy_header = rows[i].header, .proxy_header_size = rows[i].size};
        http_client_get(w->client, ip("10.0.1.2"), 80, &options, on_done, &web);
        transport_world_run(w, SIMTIME_SEC);
        T_EQ_U64(web.n_ok, rows[i].ok);
        T_TRUE(g_str_has_suffix(web.seen->str, rows[i].seen));
        web_close(&web, w);
    }
    Web web; /* A server that does not expect the header takes it for a bad request. */
    TransportWorld *w = web_open(&web, (HttpServerOptions){0});
    HttpClientOptions options = {.proxy_header = rows[0].header, .proxy_header_size = rows[0].size};
    http_client_get(w->client, ip("10.0.1.2"), 80, &options, on_done, &web);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_I64(web.status, 400);
    T_EQ_STR(web.seen->str, "");
    web_close(&web, w);
}

/* Any cut of the bytes gives the same message; broken heads are refused. */
static void
test_parser(void)
{
    static const char text[] = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length:  5 \r\n\r\nhelloGET / HTTP/1.0\r\n\r\n";
    static const char *const bad[] = {"GET\r\n\r\n",
                                      "GET /\r\n\r\n",
                                      "GET / HTTP/2\r\n\r\n",
                                      "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                                      "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                                      "\r\n\r\n"};
    PayloadBuf *buf = payload_buf_new(text, sizeof text - 1);
    for (uint32_t cut = 1; cut < sizeof text - 1; cut++) {
        HttpParser parser = {.keep_body = cut & 1};
        uint32_t n_messages = 0;
        for (uint32_t at = 0; at < buf->size; at += cut) {
            http_parser_feed(&parser, &(Payload){buf, at, MIN(cut, buf->size - at)});
            while (http_parser_parse(&parser, false) == HTTP_DONE) {
                T_EQ_STR(parser.data + parser.method, n_messages ? "GET" : "POST");
                T_EQ_U64(parser.body_size, n_messages ? 0 : 5);
                T_TRUE(parser.keep_alive == !n_messages);
                n_messages++;
                http_parser_next(&parser);
            }
        }
        T_EQ_U64(n_messages, 2);
        http_parser_clear(&parser);
    }
    payload_buf_unref(buf);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        HttpParser parser = {0};
        buf = payload_buf_new(bad[i], strlen(bad[i]));
        http_parser_feed(&parser, &(Payload){buf, 0, buf->size});
        T_EQ_U64(http_parser_parse(&parser, false), HTTP_BAD);
        http_parser_clear(&parser);
        payload_buf_unref(buf);
    }
}

static void
test_date(void)
{
    char buf[HTTP_DATE_SIZE];
    T_EQ_STR(http_date_format(0, buf), "Sat, 01 Jan 2000 00:00:00 GMT");
    T_EQ_STR(http_date_format(59 * 86400 * SIMTIME_SEC + 61 * SIMTIME_SEC, buf), "Tue, 29 Feb 2000 00:01:01 GMT");
}

const TestSuite suite_http = {"sim/http",
                              {{"a request is answered over IPv4 and IPv6", test_exchange},
                               {"keep-alive serves several requests; draining ends it", test_keep_alive_and_drain},
                               {"refusals, time-outs and idle closes are told", test_failures},
                               {"PROXY protocol gives the client's address", test_proxy_protocol},
                               {"messages are read however they are cut", test_parser},
                               {"dates are those of simulated time", test_date}}};
