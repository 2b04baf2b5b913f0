/* TCP connections per second of CPU: SYN to FIN, a request of 1 KB, an answer of 4 KB, over three links
 *
 * Each client of the star opens a connection every millisecond to a Service's clusterIP; the server closes.  The last
 * column shows that the rate does not fall while TIME_WAIT and conntrack entries pile up: connections come in rounds,
 * within one minute of virtual time; all of it several times, for the median.
 * Usage: bench_tcp [connections-per-client-and-round] */

#include "tests/bench/star.h"

#define REQUEST  1024
#define ANSWER   4096
#define N_ROUNDS 5
#define N_RUNS   5

typedef struct {
    Host *host;
    IpAddr to;
    uint32_t left;
    SimEntity entity;
    Timer timer;
    uint64_t opened, done, bytes;
} Caller;

static void
on_request(Socket *s, const Payload *payload, IpAddr from, uint16_t port, void *user)
{
    (void)payload;
    (void)from;
    (void)port;
    (void)user;
    tcp_send(s, NULL, 0, ANSWER);
    socket_close(s);
}

static const SocketCallbacks conn_callbacks = {.received = on_request};

static void
on_accepted(Socket *listener, Socket *conn, void *user)
{
    (void)listener;
    socket_set_user(conn, &conn_callbacks, user);
}

static const SocketCallbacks listen_callbacks = {.accepted = on_accepted};

static void
on_connected(Socket *s, void *user)
{
    (void)user;
    tcp_send(s, NULL, 0, REQUEST);
}

static void
on_answer(Socket *s, const Payload *payload, IpAddr from, uint16_t port, void *user)
{
    Caller *caller = user;

    (void)s;
    (void)from;
    (void)port;
    caller->bytes += payload->len;
}

static void
on_eof(Socket *s, void *user)
{
    Caller *caller = user;

    caller->done++;
    socket_close(s);
}

static const SocketCallbacks call_callbacks = {.connected = on_connected, .received = on_answer, .eof = on_eof};

static void
on_tick(Sim *sim, void *owner)
{
    Caller *caller = owner;
    SocketError error;

    if (tcp_connect(caller->host, caller->to, 80, &(SocketOptions){.flow = 0}, &call_callbacks, caller, &error))
        caller->opened++;
    if (--caller->left > 0)
        timer_arm(sim, caller->timer, sim->now + SIMTIME_MSEC);
}

static bool
run_rounds(uint32_t per_round)
{
    BenchCluster shape = {
        .nodes = 10, .services = 10, .endpoints = 10, .clients = 50, .network = "routed", .mode = "iptables"};
    Star star;
    Caller *callers;
    size_t n_pods;
    ClusterClient *const *clients;
    ClusterPod *const *pods;
    double rates[N_ROUNDS], heap;
    uint64_t done = 0, bytes = 0, hops;

    shape.no_apps = true;
    star = star_new(&shape, 1);
    clients = cluster_clients(star.cluster, &star.n_clients);
    pods = cluster_pods(star.cluster, &n_pods);
    for (size_t i = 0; i < n_pods; i++) {
        SocketError error;
        if (!tcp_listen(cluster_pod_host(pods[i]), &(SocketOptions){.local = IPADDR_ANY6, .local_port = 8080}, 4096,
                        &listen_callbacks, NULL, &error))
            return false;
    }
    callers = g_new0(Caller, star.n_clients);
    for (size_t i = 0; i < star.n_clients; i++) {
        g_autofree char *name = g_strdup_printf("caller/%zu", i);
        callers[i].host = clients[i]->host;
        callers[i].to = star.senders[i].to;
        callers[i].entity = sim_entity(star.sim, name);
        callers[i].timer = timer_new(star.sim, "bench.call", &callers[i].entity, on_tick, &callers[i]);
    }
    sim_run_until(star.sim, SIMTIME_SEC);
    heap = bench_heap();
    printf("%8s %14s %16s\n", "round", "connections/s", "packet-hops/s");
    for (int r = 0; r < N_ROUNDS; r++) {
        uint64_t before = done;
        double begin, cpu;
        for (size_t i = 0; i < star.n_clients; i++) {
            callers[i].left = per_round;
            timer_arm(star.sim, callers[i].timer, star.sim->now + (SimTime)(i + 1) * SIMTIME_USEC);
        }
        hops = star_hops(star.cluster);
        begin = bench_cpu();
        sim_run_until(star.sim, star.sim->now + ((SimTime)per_round + 100) * SIMTIME_MSEC);
        cpu = bench_cpu() - begin;
        done = bytes = 0;
        for (size_t i = 0; i < star.n_clients; i++) {
            done += callers[i].done;
            bytes += callers[i].bytes;
        }
        rates[r] = (double)(done - before) / cpu;
        printf("%8d %12.1f k %14.2f M\n", r + 1, rates[r] / 1e3, (double)(star_hops(star.cluster) - hops) / cpu / 1e6);
    }
    printf("last round over first %.2f; %.0f B of heap a connection that is over (TIME_WAIT, conntrack)\n",
           rates[N_ROUNDS - 1] / rates[0], (bench_heap() - heap) / (double)done);
    for (size_t i = 0; i < star.n_clients; i++) {
        timer_free(star.sim, &callers[i].timer);
        sim_entity_free(star.sim, callers[i].entity);
    }
    g_free(callers);
    per_round *= (uint32_t)star.n_clients;
    cluster_free(star.cluster);
    input_free(star.input);
    g_free(star.senders);
    return done == (uint64_t)N_ROUNDS * per_round && bytes == done * ANSWER;
}

int
main(int argc, char **argv)
{
    bool ok = true;

    for (int r = 0; r < N_RUNS && ok; r++)
        ok = run_rounds(argc > 1 ? (uint32_t)atoi(argv[1]) : 200);
    return ok ? 0 : 1;
}
