/* Demultiplexing against a plain list, ports, life of sockets */

#include "tests/unit/sim/tcp_pair.h"

/* The naive twin: scans for the best socket. */
static Socket *
find_naive(Socket **sockets, size_t n, IpAddr local, uint16_t port)
{
    Socket *best = NULL;
    for (size_t i = 0; i < n; i++) {
        uint16_t own_port;
        IpAddr own = socket_local(sockets[i], &own_port);
        if (own_port != port)
            continue;
        if (ipaddr_eq(own, local))
            return sockets[i];
        if (ipaddr_is_any(&own))
            best = sockets[i];
    }
    return best;
}

static void
test_bound_twin(void)
{
    static const char *addrs[] = {"0.0.0.0", "::", "10.0.0.1", "10.0.0.2", "fd00::1"};
    TransportWorld *w = transport_world_new(1);
    SocketTable *table = socket_table(w->client);
    Socket *sockets[64];
    size_t n = 0;
    Rng rng = rng_stream(7, "test", "bound");

    for (uint32_t step = 0; step < 4000; step++) {
        if (n && (n == 64 || rng_below(&rng, 2))) {
            size_t i = rng_below(&rng, (uint32_t)n);
            socket_close(sockets[i]);
            sockets[i] = sockets[--n];
        } else {
            SocketOptions options = {.local = ip(addrs[rng_below(&rng, 5)]),
                                     .local_port = (uint16_t)(1 + rng_below(&rng, 12))};
            bool clash = false;
            for (size_t i = 0; i < n; i++) {
                uint16_t port;
                IpAddr own = socket_local(sockets[i], &port);
                clash |= port == options.local_port &&
                         (ipaddr_is_any(&own) || ipaddr_is_any(&options.local) || ipaddr_eq(own, options.local));
            }
            Socket *s = udp_open(w->client, &options, NULL, NULL, NULL);
            T_TRUE(!s == clash);
            if (s)
                sockets[n++] = s;
        }
        IpAddr local = ip(addrs[2 + rng_below(&rng, 3)]);
        uint16_t port = (uint16_t)(1 + rng_below(&rng, 12));
        T_TRUE(socket_find_bound(table, IPPROTO_UDP_, local, port) == find_naive(sockets, n, local, port));
        T_EQ_U64(sockets_len(w->client), n);
    }
    transport_world_free(w);
}

static void
note_order(const Socket *s, void *user)
{
    uint16_t port;
    socket_local(s, &port);
    g_string_append_printf(user, "%s %u ", socket_state_name(s), socket_proto(s) == IPPROTO_TCP_ ? port : 0u);
}

static void
test_order(void)
{
    TransportWorld *w = transport_world_new(1);
    g_autoptr(GString) text = g_string_new(NULL);
    uint16_t ports[] = {90, 22, 80};
    for (uint32_t i = 0; i < 3; i++) {
        SocketOptions options = {.local_port = ports[i]};
        tcp_listen(w->client, &options, 0, NULL, NULL, NULL);
    }
    for (uint32_t i = 0; i < 2; i++) {
        SocketOptions options = {.local_port = (uint16_t)(5000 - i)};
        tcp_connect(w->client, ip("10.0.1.2"), 80, &options, NULL, NULL, NULL);
    }
    sockets_each(w->client, note_order, text);
    T_EQ_STR(text->str, "LISTEN 22 LISTEN 80 LISTEN 90 SYN_SENT 5000 SYN_SENT 4999 ");
    transport_world_free(w);
}

/* One destination can take each port of the range once; another destination the same ports again. */
static void
test_port_exhaustion(void)
{
    TransportWorld *w = transport_world_new(1);
    SocketError error = SOCK_OK;
    bool used[100] = {false};
    host_sysctls(w->client)->port_range_min = 40000;
    host_sysctls(w->client)->port_range_max = 40099;
    for (uint32_t i = 0; i < 100; i++) {
        uint16_t port;
        Socket *s = tcp_connect(w->client, ip("10.0.1.2"), 80, NULL, NULL, NULL, &error);
        if (!T_TRUE(s != NULL))
            break;
        socket_local(s, &port);
        T_TRUE(port >= 40000 && port <= 40099 && !used[port - 40000]);
        used[port - 40000] = true;
    }
    T_TRUE(!tcp_connect(w->client, ip("10.0.1.2"), 80, NULL, NULL, NULL, &error));
    T_EQ_U64(error, SOCK_NO_PORTS);
    T_TRUE(tcp_connect(w->client, ip("10.0.1.2"), 81, NULL, NULL, NULL, &error) != NULL);
    transport_world_free(w);
}

static uint16_t
port_of_next(TransportWorld *w, const char *to, uint16_t to_port)
{
    Socket *s = tcp_connect(w->client, ip(to), to_port, NULL, NULL, NULL, NULL);
    uint16_t port = 0;
    if (T_TRUE(s != NULL)) {
        socket_local(s, &port);
        tcp_abort(s);
    }
    return port;
}

/* No port comes again before 10,000 others have had their turn, though each is free at once; where they begin is the
 * pair's own. */
static void
test_port_steps(void)
{
    TransportWorld *w = transport_world_new(1);
    g_autofree bool *used = g_new0(bool, 65536);
    uint16_t first = port_of_next(w, "10.0.1.2", 80), last = first;
    uint32_t n_double = 0;
    used[first] = true;
    for (uint32_t i = 1; i < 10000; i++) {
        uint16_t port = port_of_next(w, "10.0.1.2", 80);
        uint32_t step = (uint32_t)(port - last + 28232) % 28232;
        if (!T_TRUE(!used[port] && port % 2 == 0 && (step == 2 || step == 4)))
            break;
        n_double += step == 4;
        used[port] = true;
        last = port;
    }
    T_TRUE(n_double > 10000 / 16 - 200 && n_double < 10000 / 16 + 200);
    T_TRUE(port_of_next(w, "10.0.1.2", 81) != port_of_next(w, "10.0.1.2", 82));
    transport_world_free(w);
}

static void
test_host_freed_alive(void)
{
    TcpPair p;
    pair_open(&p, 1);
    end_write(&p.client, 50000);
    transport_world_run(p.w, SIMTIME_MSEC);
    pair_free(&p); /* Connections, slices and timers go with the host; ASan tells otherwise. */
    T_EQ_U64(p.client.n_closed, 0);
}

const TestSuite suite_sockets = {"sim/sockets",
                                 {{"bound sockets are found as a scan finds them", test_bound_twin},
                                  {"sockets are listed in a stable order", test_order},
                                  {"ephemeral ports run out per destination", test_port_exhaustion},
                                  {"the next connection to a destination takes the next port", test_port_steps},
                                  {"a host takes its living sockets along", test_host_freed_alive}}};
