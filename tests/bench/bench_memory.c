/* Bytes of heap per thing: differences between two clusters that differ in the number of that thing only
 *
 * Measured after the build (mallinfo2), the allocator's own bytes included.  Read from a file: what comes from a pipe
 * keeps its text for messages.  Nobody has called the pods;
 * Services have two ports.  A connection is an open one with both of its ends, its conntrack entry at one node
 * counted apart.  Usage: bench_memory                                                                              */

#include <unistd.h>

#include "sim/engine/event_queue.h"
#include "sim/packet/packet.h"
#include "tests/bench/star.h"

static double
cluster_bytes(uint32_t nodes, uint32_t services, uint32_t endpoints, const ClusterOptions *options, double *ret_input)
{
    const BenchCluster shape = {.nodes = nodes,
                                .services = services,
                                .endpoints = endpoints,
                                .clients = 1,
                                .network = "routed",
                                .mode = "iptables"};
    g_autoptr(GString) yaml = bench_cluster_yaml(&shape);
    g_autofree char *name = g_strdup_printf("bench-memory-%d.yaml", (int)getpid());
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), name, NULL);
    double heap, filled;
    Input *input;
    Cluster *cluster;

    if (!g_file_set_contents(path, yaml->str, (gssize)yaml->len, NULL))
        exit(1);
    heap = bench_heap();
    input = input_load((const char *[]){path}, 1);
    unlink(path);
    control_fill(input);
    filled = bench_heap();
    *ret_input = filled - heap;
    cluster = cluster_new(input, options);
    heap = bench_heap() - filled;
    cluster_free(cluster);
    input_free(input);
    return heap;
}

/* Of one more thing: 'two' has 'n' more of it than 'one' (nodes, Services, endpoints). */
static void
print_difference(const char *name, const uint32_t one[3], const uint32_t two[3], const ClusterOptions *options,
                 uint32_t n)
{
    double in_one, in_two, a, b;

    a = cluster_bytes(one[0], one[1], one[2], options, &in_one);
    b = cluster_bytes(two[0], two[1], two[2], options, &in_two);
    printf("%-12s %8.0f bytes at work, %6.0f as object\n", name, (b - a) / n, (in_two - in_one) / n);
}

static uint32_t n_connected;

static void
on_connected(Socket *s, void *user)
{
    (void)s;
    (void)user;
    n_connected++;
}

/* Open connections from one client to one Service, which are left open. */
static void
print_connections(uint32_t n)
{
    static const SocketCallbacks callbacks = {.connected = on_connected};
    const BenchCluster shape = {
        .nodes = 10, .services = 10, .endpoints = 10, .clients = 50, .network = "routed", .mode = "iptables"};
    Star star = star_new(&shape, 1);
    ClusterClient *const *clients = cluster_clients(star.cluster, &star.n_clients);
    double heap;
    SocketError error;
    size_t entries = 0, n_nodes;
    ClusterNode *const *nodes = cluster_nodes(star.cluster, &n_nodes);

    sim_run_until(star.sim, SIMTIME_SEC);
    heap = bench_heap();
    for (uint32_t i = 0; i < n; i++) {
        tcp_connect(clients[i % star.n_clients]->host, star.senders[i % star.n_clients].to, 80,
                    &(SocketOptions){.flow = 1000 + i}, &callbacks, NULL, &error);
        if (i % 50 == 49)
            sim_run_until(star.sim, star.sim->now + SIMTIME_MSEC);
    }
    sim_run_until(star.sim, star.sim->now + SIMTIME_SEC);
    heap = bench_heap() - heap;
    for (size_t i = 0; i < n_nodes; i++)
        entries += conntrack_len(nf_stack_conntrack(host_netfilter(nodes[i]->host)));
    printf("%-12s %8.0f bytes, both ends, an HTTP server's state, conntrack (%u open, %zu entries)\n", "connection",
           heap / n, n_connected, entries);
    cluster_free(star.cluster);
    input_free(star.input);
    g_free(star.senders);
}

int
main(void)
{
    const ClusterOptions hosts = {.seed = 1}, rules = {.seed = 1, .no_pods = true};

    printf("%-12s %8zu bytes\n", "event", sizeof(Event));
    printf("%-12s %8zu bytes\n", "packet", sizeof(Packet));
    print_difference("node", (uint32_t[]){500, 10, 10}, (uint32_t[]){2500, 10, 10}, &rules, 2000);
    print_difference("Service", (uint32_t[]){100, 500, 0}, (uint32_t[]){100, 2500, 0}, &rules, 2000);
    print_difference("endpoint", (uint32_t[]){500, 1000, 2}, (uint32_t[]){500, 1000, 22}, &rules, 20000);
    print_difference("pod", (uint32_t[]){500, 1000, 2}, (uint32_t[]){500, 1000, 22}, &hosts, 20000);
    print_connections(20000);
    return n_connected == 20000 ? 0 : 1;
}
