/* TCP between two hosts: segments as Linux sends them, data through loss, the ways a connection ends */

#include "tests/unit/sim/tcp_pair.h"

static void
test_handshake_and_close(void)
{
    TcpPair p;
    pair_init(&p, 1);
    p.server.close_on_eof = true;
    pair_dial(&p, "10.0.1.2", 80, NULL);
    transport_world_run(p.w, 100 * SIMTIME_MSEC);
    end_write(&p.client, 100);
    transport_world_run(p.w, 100 * SIMTIME_MSEC);
    tcp_shutdown(p.client.socket);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_STR(p.w->log->str, "0.000 client S seq 0 ack 0 len 0\n"
                            "0.001 server S. seq 0 ack 1 len 0\n"
                            "0.002 client . seq 1 ack 1 len 0\n"
                            "0.100 client P. seq 1 ack 1 len 100\n"
                            "0.101 server . seq 1 ack 101 len 0\n"
                            "0.200 client F. seq 101 ack 1 len 0\n"
                            "0.201 server F. seq 1 ack 102 len 0\n"
                            "0.202 client . seq 102 ack 2 len 0\n");
    T_EQ_U64(p.client.n_closed, 1);
    T_EQ_U64(p.server.n_closed, 1);
    T_EQ_U64(p.client.error, SOCK_OK);
    pair_free(&p);
}

static void
test_syn_options(void)
{
    static const struct {
        const char *to;
        uint16_t mss, window, window_reply;
    } rows[] = {{"10.0.1.2", 1460, 64240, 65160}, {"fd01::2", 1440, 64800, 64260}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        TcpPair p;
        pair_init(&p, 1);
        pair_dial(&p, rows[i].to, 80, NULL);
        transport_world_run(p.w, SIMTIME_SEC);
        for (uint32_t side = 0; side < 2; side++) {
            const TcpHeader *syn = &p.w->syns[side];
            T_EQ_U64(syn->mss, rows[i].mss);
            T_EQ_U64(syn->window, side ? rows[i].window_reply : rows[i].window);
            T_EQ_U64(syn->wscale, 8);
            T_TRUE(syn->sack_permitted && syn->has_ts);
        }
        T_EQ_U64(p.w->syns[1].ts_ecr, p.w->syns[0].ts_val);
        T_EQ_U64(p.server.socket ? socket_flow(p.server.socket) : 0, socket_flow(p.client.socket));
        pair_free(&p);
    }
}

/* Every byte once and in order, both ways, whatever the links lose. */
static void
test_loss(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        TcpPair p;
        uint32_t loss = (uint32_t)(seed % 6) * 40000, n = 1 + (uint32_t)(seed * 7919 % 80000);
        pair_init(&p, seed);
        p.server.close_on_eof = true;
        pair_dial(&p, seed & 1 ? "10.0.1.2" : "fd01::2", 80, NULL);
        netdev_link(host_dev(p.w->client, "eth0"))->loss_ppm = loss;
        netdev_link(host_dev(p.w->server, "eth0"))->loss_ppm = loss;
        for (uint32_t s = 0; s < 100 && (!p.client.n_connected || !p.server.socket); s++)
            transport_world_run(p.w, SIMTIME_SEC);
        if (!T_TRUE(p.client.n_connected && p.server.socket)) {
            printf("seed %" PRIu64 "\n", seed);
            pair_free(&p);
            continue;
        }
        end_write(&p.client, n);
        end_write(&p.server, n / 2 + 1);
        tcp_shutdown(p.client.socket);
        transport_world_run(p.w, 900 * SIMTIME_SEC);
        if (p.server.got != n || p.client.got != n / 2 + 1 || !p.client.n_closed || !p.server.n_closed)
            printf("seed %" PRIu64 " loss %u\n", seed, loss);
        T_EQ_U64(p.server.got, n);
        T_EQ_U64(p.client.got, n / 2 + 1);
        T_EQ_U64(p.server.n_bad + p.client.n_bad, 0);
        T_EQ_U64(p.server.n_eof, 1);
        T_EQ_U64(p.client.n_closed + p.server.n_closed, 2);
        T_EQ_U64(p.client.error, SOCK_OK);
        pair_free(&p);
    }
}

/* The whole seconds at which the client sent, as text. */
static char *
send_seconds(const TransportWorld *w, const char *host)
{
    GString *text = g_string_new(NULL);
    g_auto(GStrv) lines = g_strsplit(w->log->str, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 3);
        if (words[0] && words[1] && strcmp(words[1], host) == 0)
            g_string_append_printf(text, "%.0f ", g_ascii_strtod(words[0], NULL));
    }
    return g_string_free(text, FALSE);
}

/* Recorded with tcpdump on a 6.18 kernel: a SYN that is dropped, v4 and v6 alike. */
static void
test_syn_ladder(void)
{
    TcpPair p;
    pair_init(&p, 1);
    transport_world_mute(p.w->client, true);
    pair_dial(&p, "10.0.1.2", 80, NULL);
    transport_world_run(p.w, 200 * SIMTIME_SEC);
    g_autofree char *times = send_seconds(p.w, "client");
    T_EQ_STR(times, "0 1 2 3 4 5 7 11 19 35 67 ");
    T_EQ_U64(p.client.error, SOCK_TIMEOUT);
    T_EQ_I64(p.client.closed_at, 131 * SIMTIME_SEC);
    pair_free(&p);
}

/* Few retries end when as many doublings would have ended, whatever linear time-outs are left. */
static void
test_syn_ladder_of_few(void)
{
    TcpPair p;
    pair_init(&p, 1);
    transport_world_mute(p.w->client, true);
    host_sysctls(p.w->client)->tcp_syn_retries = 1;
    host_sysctls(p.w->client)->tcp_syn_linear_timeouts = 2;
    pair_dial(&p, "10.0.1.2", 80, NULL);
    transport_world_run(p.w, 20 * SIMTIME_SEC);
    g_autofree char *times = send_seconds(p.w, "client");
    T_EQ_STR(times, "0 1 2 ");
    T_EQ_I64(p.client.closed_at, 3 * SIMTIME_SEC);
    pair_free(&p);
}

static void
test_synack_ladder(void)
{
    TcpPair p;
    pair_init(&p, 1);
    transport_world_mute(p.w->server, true);
    host_sysctls(p.w->client)->tcp_syn_retries = host_sysctls(p.w->client)->tcp_syn_linear_timeouts = 0;
    pair_dial(&p, "10.0.1.2", 80, NULL);
    transport_world_run(p.w, 200 * SIMTIME_SEC);
    g_autofree char *times = send_seconds(p.w, "server");
    T_EQ_STR(times, "0 1 3 7 15 31 ");
    T_EQ_U64(sockets_len(p.w->server), 1);
    pair_free(&p);
}

static void
test_data_ladder(void)
{
    TcpPair p;
    pair_open(&p, 1);
    transport_world_mute(p.w->server, true);
    SimTime sent_at = p.w->sim->now;
    end_write(&p.client, 10);
    transport_world_run(p.w, 2000 * SIMTIME_SEC);
    T_EQ_U64(p.client.error, SOCK_TIMEOUT);
    /* tcp_retries2 15: the first time-out after 924.6 s of retransmission. */
    double seconds = (double)(p.client.closed_at - sent_at) / 1e9;
    T_TRUE(seconds > 924.6 && seconds < 924.6 + 120.5);
    /* A loss probe, then the time-out anew and doubled. */
    static const char *const times[] = {"\n0.100 client P.", "\n0.302 client P.", "\n0.504 client P.",
                                        "\n0.908 client P.", "\n1.716 client P."};
    for (size_t i = 0; i < G_N_ELEMENTS(times); i++)
        T_TRUE(strstr(p.w->log->str, times[i]) != NULL);
    pair_free(&p);
}

static void
test_refusals(void)
{
    static const struct {
        const char *to;
        uint16_t port;
        uint8_t ttl;
        SocketError error;
    } rows[] = {{"10.0.1.2", 81, 64, SOCK_RST},          {"fd01::2", 81, 64, SOCK_RST},
                {"10.9.9.9", 80, 64, SOCK_NET_UNREACH},  {"fd09::9", 80, 64, SOCK_NET_UNREACH},
                {"10.0.1.2", 80, 1, SOCK_TTL_EXCEEDED},  {"fd01::2", 80, 1, SOCK_TTL_EXCEEDED},
                {"10.0.1.77", 80, 64, SOCK_HOST_UNREACH}};
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        TcpPair p;
        pair_init(&p, 1);
        host_sysctls(p.w->client)->default_ttl = rows[i].ttl;
        pair_dial(&p, rows[i].to, rows[i].port, NULL);
        transport_world_run(p.w, 10 * SIMTIME_SEC);
        T_EQ_U64(p.client.n_closed, 1);
        T_EQ_STR(socket_error_code(p.client.error), socket_error_code(rows[i].error));
        T_EQ_U64(sockets_len(p.w->client), 0);
        pair_free(&p);
    }
}

static void
test_path_mtu(void)
{
    TcpPair p;
    pair_open(&p, 1);
    netdev_set_mtu(host_dev(p.w->router, "s"), 1400);
    end_write(&p.client, 20000);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.server.got, 20000);
    T_EQ_U64(p.server.n_bad, 0);
    T_TRUE(strstr(p.w->log->str, "len 1348\n") != NULL);
    pair_free(&p);
}

static void
test_half_close_and_simultaneous_close(void)
{
    TcpPair p;
    pair_open(&p, 1);
    tcp_shutdown(p.client.socket);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.server.n_eof, 1);
    T_EQ_STR(socket_state_name(p.client.socket), "FIN_WAIT2");
    T_EQ_STR(socket_state_name(p.server.socket), "CLOSE_WAIT");
    end_write(&p.server, 5000);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.client.got, 5000);
    tcp_shutdown(p.server.socket);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.client.n_closed + p.server.n_closed, 2);
    pair_free(&p);

    pair_open(&p, 2);
    tcp_shutdown(p.client.socket);
    tcp_shutdown(p.server.socket);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.client.n_closed + p.server.n_closed, 2);
    T_EQ_U64(sockets_len(p.w->client), 1); /* Both ends wait. */
    T_EQ_U64(sockets_len(p.w->server), 2);
    pair_free(&p);
}

static void
test_resets(void)
{
    TcpPair p;
    pair_open(&p, 1); /* Data for an owner that closed. */
    socket_close(p.client.socket);
    transport_world_run(p.w, 10 * SIMTIME_MSEC);
    end_write(&p.server, 10);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.server.error, SOCK_RST);
    T_EQ_U64(sockets_len(p.w->client), 0);
    pair_free(&p);

    pair_open(&p, 2);
    tcp_abort(p.client.socket);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.client.n_closed, 0);
    T_EQ_U64(p.server.error, SOCK_RST);
    pair_free(&p);

    pair_open(&p, 3); /* The client's host restarts: its answer to old data is a RST. */
    host_set_down(p.w->client, true);
    T_EQ_U64(p.client.error, SOCK_HOST_DOWN);
    host_set_down(p.w->client, false);
    end_write(&p.server, 10);
    transport_world_run(p.w, 5 * SIMTIME_SEC);
    T_EQ_U64(p.server.error, SOCK_RST);
    pair_free(&p);
}

/* RFC 5961: a RST inside the window but not at its edge is challenged, not obeyed. */
static void
test_blind_reset(void)
{
    TcpPair p;
    pair_open(&p, 1);
    uint16_t port;
    socket_local(p.client.socket, &port);
    Packet *rst = net_world_packet(p.w->net, IPPROTO_TCP_, "10.0.0.1", port, "10.0.1.2", 80);
    rst->tcp.flags = TCP_RST;
    rst->tcp.seq = p.w->first[0] + 1 + 500;
    ip_send(p.w->client, rst);
    g_string_truncate(p.w->log, 0);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.server.n_closed, 0);
    T_TRUE(strstr(p.w->log->str, "server . seq 1 ack 1 len 0\n") != NULL);
    pair_free(&p);
}

static void
test_time_wait(void)
{
    SocketOptions options = {.local_port = 40000};
    SocketError error = SOCK_OK;
    TcpPair p;
    pair_init(&p, 1);
    p.server.close_on_eof = true;
    pair_dial(&p, "10.0.1.2", 80, &options);
    transport_world_run(p.w, SIMTIME_SEC);
    tcp_shutdown(p.client.socket);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(sockets_len(p.w->client), 1);
    T_TRUE(!tcp_connect(p.w->client, ip("10.0.1.2"), 80, &options, &end_callbacks, &p.client, &error));
    T_EQ_U64(error, SOCK_ADDR_IN_USE);
    transport_world_run(p.w, 58 * SIMTIME_SEC);
    T_EQ_U64(sockets_len(p.w->client), 1);
    transport_world_run(p.w, 2 * SIMTIME_SEC);
    T_EQ_U64(sockets_len(p.w->client), 0);
    pair_free(&p);

    pair_init(&p, 2); /* The server holds the record: a newer SYN of the same tuple passes. */
    pair_dial(&p, "10.0.1.2", 80, &options);
    transport_world_run(p.w, SIMTIME_SEC);
    p.client.close_on_eof = true;
    tcp_shutdown(p.server.socket);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(sockets_len(p.w->server), 2);
    pair_dial(&p, "10.0.1.2", 80, &options);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.client.n_connected, 1);
    pair_free(&p);
}

static void
test_accept_queue(void)
{
    SocketOptions options = {.local_port = 81};
    TcpPair p;
    TcpEnd ends[4] = {0};
    pair_init(&p, 1);
    Socket *l = tcp_listen(p.w->server, &options, 1, &pair_listener_callbacks, &p, NULL);
    tcp_listener_pause(l, true);
    for (uint32_t i = 0; i < 4; i++) {
        tcp_connect(p.w->client, ip("10.0.1.2"), 81, NULL, &end_callbacks, &ends[i], NULL);
        transport_world_run(p.w, 100 * SIMTIME_MSEC);
    }
    /* The backlog and one more; the rest retries. */
    T_EQ_U64(ends[0].n_connected + ends[1].n_connected + ends[2].n_connected + ends[3].n_connected, 2);
    T_TRUE(strstr(p.w->net->drops->str, "server listen-overflow\n") != NULL);
    T_TRUE(p.server.socket == NULL);
    tcp_listener_pause(l, false);
    T_TRUE(p.server.socket != NULL);
    transport_world_run(p.w, 3 * SIMTIME_SEC);
    T_EQ_U64(ends[2].n_connected + ends[3].n_connected, 2);
    pair_free(&p);
}

static void
test_keepalive(void)
{
    SocketOptions options = {.keepalive = true};
    TcpPair p;
    pair_init(&p, 1);
    pair_dial(&p, "10.0.1.2", 80, &options);
    transport_world_run(p.w, SIMTIME_SEC);
    transport_world_run(p.w, 7300 * SIMTIME_SEC);
    T_EQ_U64(p.client.n_closed, 0);
    transport_world_mute(p.w->server, true);
    SimTime muted = p.w->sim->now;
    transport_world_run(p.w, 9000 * SIMTIME_SEC);
    T_EQ_U64(p.client.error, SOCK_TIMEOUT);
    T_TRUE(p.client.closed_at - muted > 9 * 75 * SIMTIME_SEC);
    pair_free(&p);
}

static void
test_self_and_loopback(void)
{
    SocketOptions options = {.local_port = 80};
    TcpPair p;
    pair_init(&p, 1);
    tcp_listen(p.w->client, &options, 0, &pair_listener_callbacks, &p, NULL);
    pair_dial(&p, "127.0.0.1", 80, NULL);
    T_EQ_U64(p.client.n_connected, 0); /* Never from within the call. */
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.client.n_connected, 1);
    end_write(&p.client, 100000);
    transport_world_run(p.w, SIMTIME_SEC);
    T_EQ_U64(p.server.got, 100000);
    pair_free(&p);
}

const TestSuite suite_tcp = {"sim/tcp",
                             {{"handshake, data and close are the segments Linux sends", test_handshake_and_close},
                              {"SYN and SYN-ACK carry Linux's options and windows", test_syn_options},
                              {"all bytes arrive once and in order through loss", test_loss},
                              {"the SYN ladder is the recorded one", test_syn_ladder},
                              {"few SYN retries end early", test_syn_ladder_of_few},
                              {"SYN-ACKs are retried five times", test_synack_ladder},
                              {"unanswered data gives up after tcp_retries2", test_data_ladder},
                              {"RST and ICMP errors end an attempt with their reason", test_refusals},
                              {"a smaller path MTU is learned and data passes", test_path_mtu},
                              {"half close and simultaneous close", test_half_close_and_simultaneous_close},
                              {"closed owners, aborts and restarts answer with RST", test_resets},
                              {"a blind RST is challenged", test_blind_reset},
                              {"TIME_WAIT holds the tuple for 60 s and yields to a newer SYN", test_time_wait},
                              {"a full accept queue drops SYNs", test_accept_queue},
                              {"keep-alive finds a dead peer", test_keepalive},
                              {"loopback connections never call back from within", test_self_and_loopback}}};
