/* Proxying load balancers, TCP: two connections, bytes carried over as they come
 *
 * With the PROXY protocol (v1, v2: haproxy.org proxy-protocol.txt) a header that names the client goes first.  HTTP
 * load balancers put X-Forwarded-For into the head of each request that begins a segment. */

#include "model/cloud/lb_private.h"
#include "sim/engine/dlist.h"

#include <string.h>

struct ProxyPair {
    Lb *lb;
    LbTarget *target;
    ProxyPair *prev, *next;
    Socket *client, *server; /* NULL when gone. */
    uint32_t port;           /* Index of the Service's port. */
    Timer idle;
    bool connected, client_eof;
};

static void on_accepted(Socket *listener, Socket *conn, void *user);
static void on_client_data(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_client_eof(Socket *s, void *user);
static void on_client_closed(Socket *s, SocketError error, void *user);
static void on_server_connected(Socket *s, void *user);
static void on_server_data(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user);
static void on_server_eof(Socket *s, void *user);
static void on_server_closed(Socket *s, SocketError error, void *user);
static void on_idle(Sim *sim, void *owner);
static void connect_target(ProxyPair *pair);
static void send_header(ProxyPair *pair);
static void give_up(ProxyPair *pair);
static void pair_free(ProxyPair *pair);

static const SocketCallbacks listener_callbacks = {.accepted = on_accepted};
static const SocketCallbacks client_callbacks = {
    .received = on_client_data, .eof = on_client_eof, .closed = on_client_closed};
static const SocketCallbacks server_callbacks = {
    .connected = on_server_connected, .received = on_server_data, .eof = on_server_eof, .closed = on_server_closed};

/* --- Listening --------------------------------------------------------------------------------------------------- */

static bool
listens_on(const Lb *lb, uint16_t port)
{
    for (size_t i = 0; i < lb->listeners.len; i++) {
        uint16_t have;
        socket_local(lb->listeners.data[i], &have);
        if (have == port)
            return true;
    }
    return false;
}

static bool
has_tcp_port(const Service *s, uint16_t port)
{
    for (uint32_t i = 0; i < s->n_ports; i++)
        if (s->ports[i].port == port && s->ports[i].proto == IPPROTO_TCP_)
            return true;
    return false;
}

void
proxy_start(Lb *lb)
{
    const Service *s = lb->service;

    for (size_t i = lb->listeners.len; i-- > 0;) {
        uint16_t port;
        socket_local(lb->listeners.data[i], &port);
        if (has_tcp_port(s, port))
            continue;
        socket_close(lb->listeners.data[i]);
        vec_remove(&lb->listeners, i);
    }
    for (uint32_t i = 0; i < s->n_ports; i++) {
        SocketOptions options = {.local = IPADDR_ANY4, .local_port = s->ports[i].port};
        Socket *listener;
        SocketError error;
        if (s->ports[i].proto != IPPROTO_TCP_ || listens_on(lb, s->ports[i].port))
            continue;
        listener = tcp_listen(lb->host, &options, 4096, &listener_callbacks, lb, &error);
        if (listener)
            vec_push(&lb->listeners, listener);
    }
    proxy_udp_start(lb);
}

void
proxy_stop(Lb *lb)
{
    while (lb->pairs) {
        ProxyPair *pair = lb->pairs;
        if (pair->client)
            tcp_abort(pair->client);
        if (pair->server)
            tcp_abort(pair->server);
        pair_free(pair);
    }
    for (size_t i = 0; i < lb->listeners.len; i++)
        socket_close(lb->listeners.data[i]);
    lb->listeners.len = 0;
    proxy_udp_stop(lb);
}

void
proxy_target_lost(LbTarget *t, LbUnhealthyFlows what)
{
    ProxyPair *next;

    proxy_udp_target_lost(t);
    if (what == LB_FLOWS_PERSIST)
        return;
    for (ProxyPair *pair = t->lb->pairs; pair; pair = next) {
        next = pair->next;
        if (pair->target == t)
            give_up(pair);
    }
}

/* --- Pairs ------------------------------------------------------------------------------------------------------- */

static void
touch(ProxyPair *pair)
{
    Sim *sim = cluster_sim(pair->lb->cloud->cluster);

    if (pair->lb->profile->idle_tcp > 0)
        timer_arm(sim, pair->idle, sim->now + pair->lb->profile->idle_tcp);
}

static void
on_accepted(Socket *listener, Socket *conn, void *user)
{
    Lb *lb = user;
    uint16_t port;
    ProxyPair *pair = g_new0(ProxyPair, 1);

    socket_local(listener, &port);
    pair->lb = lb;
    pair->client = conn;
    pair->idle = timer_new(cluster_sim(lb->cloud->cluster), "lb.idle", &lb->entity, on_idle, pair);
    for (uint32_t i = 0; i < lb->service->n_ports; i++)
        if (lb->service->ports[i].port == port && lb->service->ports[i].proto == IPPROTO_TCP_)
            pair->port = i;
    dlist_push(lb->pairs, pair);
    socket_set_user(conn, &client_callbacks, pair);
    touch(pair);
    connect_target(pair);
}

static void
connect_target(ProxyPair *pair)
{
    Lb *lb = pair->lb;
    uint16_t client_port;
    IpAddr client = socket_remote(pair->client, &client_port), addr;
    SocketOptions options = {.flow = socket_flow(pair->client)};
    SocketError error;

    pair->target = lb_choose(lb, pair->port, ipaddr_family(&client), socket_flow(pair->client), client);
    if (!pair->target || !target_addr(pair->target, ipaddr_family(&client), &addr)) {
        pair->target = NULL;
        if (!lb->told_no_target)
            cluster_story(lb->cloud->cluster, "lb %s: no target for a connection: closed, as others until it has one",
                          lb->text);
        lb->told_no_target = true;
        give_up(pair);
        return;
    }
    lb->told_no_target = false;
    pair->target->n_flows++;
    pair->target->n_active++;
    pair->server =
        tcp_connect(lb->host, addr, target_port(pair->target, pair->port), &options, &server_callbacks, pair, &error);
    if (!pair->server) {
        give_up(pair);
        return;
    }
    /* Queued until the handshake is done, as the kernel does it. */
    send_header(pair);
}

static void
pair_free(ProxyPair *pair)
{
    dlist_remove(pair->lb->pairs, pair);
    if (pair->target)
        pair->target->n_active--;
    timer_free(cluster_sim(pair->lb->cloud->cluster), &pair->idle);
    g_free(pair);
}

/* RST to both sides that are left. */
static void
give_up(ProxyPair *pair)
{
    if (pair->client)
        tcp_abort(pair->client);
    if (pair->server)
        tcp_abort(pair->server);
    pair_free(pair);
}

/* --- PROXY protocol ---------------------------------------------------------------------------------------------- */

static void
put_v1(const ProxyPair *pair, GString *out)
{
    uint16_t sport, dport;
    IpAddr src = socket_remote(pair->client, &sport), dst = socket_local(pair->client, &dport);
    char src_text[IPADDR_STR_SIZE], dst_text[IPADDR_STR_SIZE];

    g_string_append_printf(out, "PROXY %s %s %s %u %u\r\n", ipaddr_is_v4(&src) ? "TCP4" : "TCP6",
                           ipaddr_format(src, src_text), ipaddr_format(dst, dst_text), sport, dport);
}

static void
put_addr(GString *out, const IpAddr *addr)
{
    bool v4 = ipaddr_is_v4(addr);

    g_string_append_len(out, (const char *)addr->b + (v4 ? 12 : 0), v4 ? 4 : 16);
}

static void
put_u16(GString *out, uint16_t value)
{
    g_string_append_c(out, (char)(value >> 8));
    g_string_append_c(out, (char)(value & 0xff));
}

static void
put_v2(const ProxyPair *pair, GString *out)
{
    static const char signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
    uint16_t sport, dport;
    IpAddr src = socket_remote(pair->client, &sport), dst = socket_local(pair->client, &dport);
    bool v4 = ipaddr_is_v4(&src);

    g_string_append_len(out, signature, sizeof signature);
    g_string_append_c(out, 0x21);             /* Version 2, PROXY. */
    g_string_append_c(out, v4 ? 0x11 : 0x21); /* TCP over IPv4 or IPv6. */
    put_u16(out, v4 ? 12 : 36);
    put_addr(out, &src);
    put_addr(out, &dst);
    put_u16(out, sport);
    put_u16(out, dport);
}

static void
send_header(ProxyPair *pair)
{
    g_autoptr(GString) header = g_string_new(NULL);
    PayloadBuf *buf;

    switch (pair->lb->profile->proxy_protocol) {
    case LB_PROXY_PROTOCOL_NONE:
        return;
    case LB_PROXY_PROTOCOL_V1:
        put_v1(pair, header);
        break;
    case LB_PROXY_PROTOCOL_V2:
        put_v2(pair, header);
        break;
    }
    buf = payload_buf_new(header->str, header->len);
    tcp_send(pair->server, buf, 0, buf->size);
    payload_buf_unref(buf);
}

/* --- X-Forwarded-For --------------------------------------------------------------------------------------------- */

static bool
begins_request(const char *data, uint32_t len)
{
    static const char *const methods[] = {"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "PATCH ", "OPTIONS "};

    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
        if (len > strlen(methods[i]) && memcmp(data, methods[i], strlen(methods[i])) == 0)
            return true;
    return false;
}

/* The payload with the header behind the request line; NULL if it begins no request. */
static PayloadBuf *
add_forwarded_for(const ProxyPair *pair, const Payload *payload)
{
    const char *data = payload->buf ? (const char *)payload->buf->data + payload->offset : NULL;
    const char *line_end;
    char addr[IPADDR_STR_SIZE];
    g_autoptr(GString) text = NULL;
    size_t head;

    if (!data || !begins_request(data, payload->len))
        return NULL;
    line_end = memchr(data, '\n', payload->len);
    if (!line_end)
        return NULL;
    head = (size_t)(line_end + 1 - data);
    text = g_string_new_len(data, (gssize)head);
    g_string_append_printf(text, "X-Forwarded-For: %s\r\n", ipaddr_format(socket_remote(pair->client, NULL), addr));
    g_string_append_len(text, data + head, (gssize)(payload->len - head));
    return payload_buf_new(text->str, text->len);
}

/* --- Bytes ------------------------------------------------------------------------------------------------------- */

static void
pass_on(Socket *to, const Payload *payload)
{
    if (to)
        tcp_send(to, payload->buf, payload->offset, payload->len);
}

static void
on_client_data(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    ProxyPair *pair = user;
    PayloadBuf *changed = pair->lb->profile->forwarded_for ? add_forwarded_for(pair, payload) : NULL;
    Payload now = changed ? (Payload){changed, 0, changed->size} : *payload;

    (void)s;
    (void)from;
    (void)from_port;
    touch(pair);
    pass_on(pair->server, &now);
    payload_buf_unref(changed);
}

static void
on_client_eof(Socket *s, void *user)
{
    ProxyPair *pair = user;

    (void)s;
    pair->client_eof = true;
    if (pair->server && pair->connected)
        tcp_shutdown(pair->server);
}

static void
on_client_closed(Socket *s, SocketError error, void *user)
{
    ProxyPair *pair = user;

    (void)s;
    pair->client = NULL;
    if (error != SOCK_OK && pair->server) {
        tcp_abort(pair->server);
        pair->server = NULL;
    }
    if (!pair->server)
        pair_free(pair);
}

static void
on_server_connected(Socket *s, void *user)
{
    ProxyPair *pair = user;

    pair->connected = true;
    if (pair->client_eof)
        tcp_shutdown(s);
}

static void
on_server_data(Socket *s, const Payload *payload, IpAddr from, uint16_t from_port, void *user)
{
    ProxyPair *pair = user;

    (void)s;
    (void)from;
    (void)from_port;
    touch(pair);
    pass_on(pair->client, payload);
}

static void
on_server_eof(Socket *s, void *user)
{
    ProxyPair *pair = user;

    (void)s;
    if (pair->client)
        tcp_shutdown(pair->client);
}

/* A target that refuses or does not answer: the client is reset. */
static void
on_server_closed(Socket *s, SocketError error, void *user)
{
    ProxyPair *pair = user;

    (void)s;
    pair->server = NULL;
    if (error != SOCK_OK && pair->client) {
        tcp_abort(pair->client);
        pair->client = NULL;
    }
    if (!pair->client)
        pair_free(pair);
}

static void
on_idle(Sim *sim, void *owner)
{
    ProxyPair *pair = owner;

    (void)sim;
    if (pair->lb->profile->idle_rst) {
        give_up(pair);
        return;
    }
    if (pair->client)
        tcp_shutdown(pair->client);
    if (pair->server)
        tcp_shutdown(pair->server);
}
