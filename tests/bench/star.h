#ifndef TESTS_BENCH_STAR_H
#define TESTS_BENCH_STAR_H

/* A star: clients - router - nodes - pods, UDP echo through kube-proxy's rules
 *
 * Every client sends to a Service's clusterIP every 100 us (the router routes Service addresses to a node), which
 * translates to one of its pods; the pod echoes.  A hop is one crossing of a link; each node has conntrack, counters
 * and the rules. */

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
} StarClient;

#define STAR_INTERVAL (100 * SIMTIME_USEC)
#define STAR_PAYLOAD  100

static inline void
star_on_answer(Socket *s, const Payload *payload, IpAddr from, uint16_t port, void *user)
{
    StarClient *client = user;

    (void)s;
    (void)payload;
    (void)from;
    (void)port;
    client->answers++;
}

static inline void
star_on_timer(Sim *sim, void *owner)
{
    StarClient *client = owner;

    udp_send(client->socket, client->to, 81, NULL, 0, STAR_PAYLOAD);
    if (--client->left > 0)
        timer_arm(sim, client->timer, sim->now + STAR_INTERVAL);
}

static const SocketCallbacks star_callbacks = {.received = star_on_answer};

static inline uint64_t
star_hops(Cluster *cluster)
{
    size_t n, n_devs;
    Host *const *hosts = cluster_hosts_made(cluster, &n);
    uint64_t hops = 0;

    for (size_t i = 0; i < n; i++) {
        NetDev *const *devs = host_devs(hosts[i], &n_devs);
        for (size_t j = 0; j < n_devs; j++)
            if (devs[j] && netdev_peer(devs[j]))
                hops += netdev_stats(devs[j])->tx_packets;
    }
    return hops;
}

typedef struct {
    Input *input;
    Cluster *cluster;
    Sim *sim;
    StarClient *senders;
    size_t n_clients;
    uint32_t packets; /* Of each client. */
} Star;

static inline Star
star_new(const BenchCluster *shape, uint32_t packets)
{
    Star star = {.packets = packets};
    g_autoptr(GString) yaml = bench_cluster_yaml(shape);
    ClusterClient *const *clients;
    ClusterNode *const *nodes;
    size_t n_nodes;

    star.input = input_load_text("star", yaml->str);
    diags_print(star.input->diags, stderr, DIAG_ERROR);
    control_fill(star.input);
    star.cluster = cluster_new(star.input, &(ClusterOptions){.seed = 1, .no_apps = shape->no_apps});
    star.sim = cluster_sim(star.cluster);
    clients = cluster_clients(star.cluster, &star.n_clients);
    nodes = cluster_nodes(star.cluster, &n_nodes);
    star.senders = g_new0(StarClient, star.n_clients);
    for (size_t i = 0; i < star.n_clients; i++) {
        StarClient *c = &star.senders[i];
        SocketError error;
        uint32_t s = (uint32_t)i % shape->services;
        g_autofree char *name = g_strdup_printf("sender/%zu", i);
        c->to = ipaddr_v4(10, (uint8_t)(128 + s / 62500), (uint8_t)(s / 250 % 250), (uint8_t)(2 + s % 250));
        cluster_route_outside(star.cluster, c->to, nodes[s % n_nodes]);
        c->socket = udp_open(clients[i]->host, &(SocketOptions){.flow = i + 1}, &star_callbacks, c, &error);
        c->left = packets;
        c->entity = sim_entity(star.sim, name);
        c->timer = timer_new(star.sim, "bench.send", &c->entity, star_on_timer, c);
        timer_arm(star.sim, c->timer, (SimTime)i * SIMTIME_USEC);
    }
    return star;
}

/* To the time when all was answered. */
static inline SimTime
star_end(const Star *star)
{
    return (SimTime)star->packets * STAR_INTERVAL + SIMTIME_SEC / 100;
}

static inline uint64_t
star_answers(const Star *star)
{
    uint64_t answers = 0;

    for (size_t i = 0; i < star->n_clients; i++)
        answers += star->senders[i].answers;
    return answers;
}

#endif
