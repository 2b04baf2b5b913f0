/* UDP and SCTP between two hosts */

#include "tests/unit/sim/transport_world.h"

typedef struct {
    uint32_t n_received, n_errors, n_connected, n_closed;
    char text[64];
    SocketError error;
} Peer;

static void
on_received(Socket *s, const Payload *payload, IpAddr from, uint16_t port, void *user)
{
    Peer *peer = user;
    (void)s;
    (void)from;
    (void)port;
    peer->n_received++;
    g_strlcpy(peer->text, "", sizeof peer->text);
    if (payload->buf)
        memcpy(peer->text, payload->buf->data + payload->offset, MIN(payload->len, sizeof peer->text - 1));
}

static void
on_error(Socket *s, SocketError error, void *user)
{
    (void)s;
    ((Peer *)user)->n_errors++;
    ((Peer *)user)->error = error;
}

static void
on_connected(Socket *s, void *user)
{
    PayloadBuf *buf = payload_buf_new("hello", 5);
    ((Peer *)user)->n_connected++;
    sctp_send(s, buf, 0, 5);
    payload_buf_unref(buf);
}

static void
on_closed(Socket *s, SocketError error, void *user)
{
    (void)s;
    ((Peer *)user)->n_closed++;
    ((Peer *)user)->error = error;
}

static const SocketCallbacks callbacks = {
    .connected = on_connected, .received = on_received, .error = on_error, .closed = on_closed};

static void
test_echo(void)
{
    static const char *const targets[] = {"10.0.1.2", "fd01::2"};
    for (uint32_t i = 0; i < 2; i++) {
        TransportWorld *w = transport_world_new(1);
        Peer peer = {0};
        echo_server_new(w->server, IPPROTO_UDP_, IPADDR_ANY4, 7, "pod-1 ", NULL, NULL, NULL);
        Socket *s = udp_open(w->client, NULL, &callbacks, &peer, NULL);
        PayloadBuf *buf = payload_buf_new("ping", 4);
        T_EQ_U64(udp_send(s, ip(targets[i]), 7, buf, 0, 4), SOCK_OK);
        payload_buf_unref(buf);
        transport_world_run(w, SIMTIME_SEC);
        T_EQ_U64(peer.n_received, 1);
        T_EQ_STR(peer.text, "pod-1 ping");
        T_EQ_U64(udp_received_flow(s), socket_flow(s));
        transport_world_free(w);
    }
}

/* Only a connected socket hears of errors, and not of net unreachable (icmp_err_convert[]: not fatal). */
static void
test_errors(void)
{
    static const struct {
        const char *to;
        bool connect;
        uint32_t n_errors;
    } rows[] = {{"10.0.1.2", true, 1}, {"fd01::2", true, 1}, {"10.0.1.2", false, 0}, {"10.9.9.9", true, 0}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        TransportWorld *w = transport_world_new(1);
        Peer peer = {0};
        Socket *s = udp_open(w->client, NULL, &callbacks, &peer, NULL);
        if (rows[i].connect)
            udp_connect(s, ip(rows[i].to), 9);
        udp_send(s, ip(rows[i].to), 9, NULL, 0, 10);
        transport_world_run(w, 5 * SIMTIME_SEC);
        T_EQ_U64(peer.n_errors, rows[i].n_errors);
        if (rows[i].n_errors)
            T_EQ_STR(socket_error_code(peer.error), "icmp-port-unreachable");
        transport_world_free(w);
    }
}

static void
test_connected_filters(void)
{
    TransportWorld *w = transport_world_new(1);
    SocketOptions options = {.local_port = 9};
    Peer peer = {0};
    Socket *server = udp_open(w->server, &options, &callbacks, &peer, NULL);
    Socket *a = udp_open(w->client, NULL, NULL, NULL, NULL), *b = udp_open(w->client, NULL, NULL, NULL, NULL);
    uint16_t port;
    socket_local(a, &port);
    udp_connect(server, ip("10.0.0.1"), port);
    udp_send(a, ip("10.0.1.2"), 9, NULL, 0, 1);
    udp_send(b, ip("10.0.1.2"), 9, NULL, 0, 1);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(peer.n_received, 1);
    transport_world_free(w);
}

static void
test_no_route(void)
{
    NetWorld *net = net_world_new();
    Host *host = net_world_host(net, "alone", false);
    Socket *s = udp_open(host, NULL, NULL, NULL, NULL);
    T_EQ_U64(udp_send(s, ip("10.0.1.2"), 9, NULL, 0, 1), SOCK_ENETUNREACH);
    net_world_free(net);
}

static void
test_sctp(void)
{
    TransportWorld *w = transport_world_new(1);
    Peer peer = {0}, refused = {0}, lost = {0}, mute = {0}, mute6 = {0};
    /* Nobody there speaks SCTP yet. */
    sctp_connect(w->client, ip("10.0.1.2"), 7, NULL, &callbacks, &mute, NULL);
    sctp_connect(w->client, ip("fd01::2"), 7, NULL, &callbacks, &mute6, NULL);
    transport_world_run(w, SIMTIME_SEC);
    echo_server_new(w->server, IPPROTO_SCTP_, IPADDR_ANY4, 7, NULL, NULL, NULL, NULL);
    Socket *s = sctp_connect(w->client, ip("10.0.1.2"), 7, NULL, &callbacks, &peer, NULL);
    sctp_connect(w->client, ip("10.0.1.2"), 8, NULL, &callbacks, &refused, NULL);
    sctp_connect(w->client, ip("10.9.9.9"), 8, NULL, &callbacks, &lost, NULL);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(peer.n_connected, 1);
    T_EQ_STR(peer.text, "hello");
    T_EQ_U64(refused.error, SOCK_RST);
    T_EQ_U64(lost.error, SOCK_NET_UNREACH);
    T_EQ_U64(mute.error, SOCK_PROTO_UNREACH);
    T_EQ_U64(mute6.error, SOCK_PROTO_UNREACH);
    T_EQ_U64(sockets_len(w->server), 2);
    socket_close(s);
    transport_world_run(w, SIMTIME_SEC);
    T_EQ_U64(sockets_len(w->server), 1);
    transport_world_free(w);
}

const TestSuite suite_udp = {"sim/udp",
                             {{"a datagram is echoed and keeps its flow", test_echo},
                              {"errors reach connected sockets only", test_errors},
                              {"a connected socket takes its peer's datagrams only", test_connected_filters},
                              {"a send without route fails at once", test_no_route},
                              {"SCTP: handshake, echo, refusal, shutdown", test_sctp}}};
