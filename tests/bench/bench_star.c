/* Packet-hops per second of CPU in a star: clients - router - nodes - pods, UDP echo through kube-proxy's rules
 *
 * Every client sends to a Service's clusterIP (the router routes Service addresses to a node), which translates to one
 * of its pods; the pod echoes.  A hop is one crossing of a link; each node has conntrack, counters and the rules.  The
 * shape is that of the ns-3 driver, which forwards only. Usage: bench_star [nodes pods-per-node clients
 * packets-per-client]                                                   */

#include "model/control/control.h"
#include "model/network/cluster.h"
#include "sim/transport/socket.h"
#include "tests/bench/bench.h"

typedef struct {
    Socket *socket;
    IpAddr to;
    uint32_t left;
    SimEntity entity;
    Timer timer;
    uint64_t answers;
} Client;

#define INTERVAL (100 * SIMTIME_USEC)
#define PAYLOAD  100

static void
on_answer(Socket *s, const Payload *payload, IpAddr from, uint16_t port, void *user)
{
    Client *client = user;

    (void)s;
    (void)payload;
    (void)from;
    (void)port;
    client->answers++;
}

static void
on_timer(Sim *sim, void *owner)
{
    Client *client = owner;

    udp_send(client->socket, client->to, 81, NULL, 0, PAYLOAD);
    if (--client->left > 0)
        timer_arm(sim, client->timer, sim->now + INTERVAL);
}

static const SocketCallbacks callbacks = {.received = on_answer};

static uint64_t
count_hops(Cluster *cluster)
{
    size_t n, n_devs;
    Host *const *hosts = cluster_hosts(cluster, &n);
    uint64_t hops = 0;

    for (size_t i = 0; i < n; i++) {
        NetDev *const *devs = host_devs(hosts[i], &n_devs);
        for (size_t j = 0; j < n_devs; j++)
            if (devs[j] && netdev_peer(devs[j]))
                hops += netdev_stats(devs[j])->tx_packets;
    }
    return hops;
}

int
main(int argc, char **argv)
{
    BenchCluster shape = {
        .nodes = 10, .services = 10, .endpoints = 10, .clients = 50, .network = "routed", .mode = "iptables"};
    uint32_t packets = 4000;
    g_autoptr(GString) yaml = NULL;
    Input *input;
    Cluster *cluster;
    Sim *sim;
    size_t n_clients, n_nodes;
    ClusterClient *const *clients;
    ClusterNode *const *nodes;
    Client *senders;
    uint64_t answers = 0, hops, events;
    double begin, cpu;

    if (argc > 4) {
        shape.nodes = (uint32_t)atoi(argv[1]);
        shape.services = shape.nodes;
        shape.endpoints = (uint32_t)atoi(argv[2]);
        shape.clients = (uint32_t)atoi(argv[3]);
        packets = (uint32_t)atoi(argv[4]);
    }
    yaml = bench_cluster_yaml(&shape);
    begin = bench_cpu();
    input = input_load_text("bench", yaml->str);
    diags_print(input->diags, stderr, DIAG_ERROR);
    control_fill(input);
    cluster = cluster_new(input, &(ClusterOptions){.seed = 1});
    sim = cluster_sim(cluster);
    printf("set-up: %.3f s CPU for %u nodes, %u Services, %u pods\n", bench_cpu() - begin, shape.nodes, shape.services,
           shape.services * shape.endpoints);

    clients = cluster_clients(cluster, &n_clients);
    nodes = cluster_nodes(cluster, &n_nodes);
    senders = g_new0(Client, n_clients);
    for (size_t i = 0; i < n_clients; i++) {
        Client *c = &senders[i];
        SocketError error;
        uint32_t s = (uint32_t)i % shape.services;
        g_autofree char *name = g_strdup_printf("sender/%zu", i);
        c->to = ipaddr_v4(10, (uint8_t)(128 + s / 62500), (uint8_t)(s / 250 % 250), (uint8_t)(2 + s % 250));
        cluster_route_outside(cluster, c->to, nodes[s % n_nodes]);
        c->socket = udp_open(clients[i]->host, &(SocketOptions){.flow = i + 1}, &callbacks, c, &error);
        c->left = packets;
        c->entity = sim_entity(sim, name);
        c->timer = timer_new(sim, "bench.send", &c->entity, on_timer, c);
        timer_arm(sim, c->timer, (SimTime)i * SIMTIME_USEC);
    }
    sim_run_until(sim, 10 * SIMTIME_MSEC); /* Warm: connections, rings, pools. */
    hops = count_hops(cluster);
    events = sim->n_events;
    begin = bench_cpu();
    sim_run_until(sim, (SimTime)packets * INTERVAL + SIMTIME_SEC / 100);
    cpu = bench_cpu() - begin;
    hops = count_hops(cluster) - hops;
    events = sim->n_events - events;
    for (size_t i = 0; i < n_clients; i++)
        answers += senders[i].answers;
    printf("%" G_GUINT64_FORMAT " hops, %" G_GUINT64_FORMAT " events, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
           " answered, %.3f s CPU: %.2f M hops/s, %.0f ns a hop, %.2f M events/s\n",
           hops, events, answers, (uint64_t)n_clients * packets, cpu, (double)hops / cpu / 1e6,
           cpu / (double)hops * 1e9, (double)events / cpu / 1e6);
    return answers == (uint64_t)n_clients * packets ? 0 : 1;
}
