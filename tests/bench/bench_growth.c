/* How cost grows: one point, a cluster of NODES with SERVICES of ENDPOINTS each; growth.sh draws many
 *
 * Prints nodes, services, pods, CPU seconds until ready, heap bytes, ns of CPU a packet-hop of 50 clients' UDP echoes
 * (each to another Service, once all its entries exist).  Usage: bench_growth [NODES SERVICES ENDPOINTS]            */

#include "tests/bench/star.h"

#define PACKETS 400

int
main(int argc, char **argv)
{
    BenchCluster shape = {
        .nodes = 10, .services = 10, .endpoints = 10, .clients = 50, .network = "routed", .mode = "iptables"};
    double begin, ready, heap = bench_heap(), cpu[5];
    uint64_t hops = 0, before;
    Star star;

    if (argc > 3) {
        shape.nodes = (uint32_t)atoi(argv[1]);
        shape.services = (uint32_t)atoi(argv[2]);
        shape.endpoints = (uint32_t)atoi(argv[3]);
    }
    begin = bench_cpu();
    star = star_new(&shape, 6 * PACKETS);
    ready = bench_cpu() - begin;
    heap = bench_heap() - heap;
    sim_run_until(star.sim, PACKETS * STAR_INTERVAL);
    for (int r = 0; r < 5; r++) {
        before = star_hops(star.cluster);
        begin = bench_cpu();
        sim_run_until(star.sim, (SimTime)(r + 2) * PACKETS * STAR_INTERVAL);
        cpu[r] = bench_cpu() - begin;
        hops = star_hops(star.cluster) - before;
        cpu[r] *= 1e9 / (double)hops;
    }
    printf("%u %u %u %.3f %.0f %.0f\n", shape.nodes, shape.services, shape.services * shape.endpoints, ready, heap,
           bench_median(cpu, 5));
    cluster_free(star.cluster);
    input_free(star.input);
    g_free(star.senders);
    return hops > 0 ? 0 : 1;
}
