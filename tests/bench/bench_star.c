/* Packet-hops per second of CPU in a star: clients - router - nodes - pods, UDP echo through kube-proxy's rules
 *
 * The shape is that of the ns-3 driver, which forwards only.  Usage: bench_star [nodes pods-per-node clients
 * packets-per-client] */

#include "tests/bench/star.h"

#define N_RUNS 5

int
main(int argc, char **argv)
{
    BenchCluster shape = {
        .nodes = 10, .services = 10, .endpoints = 10, .clients = 50, .network = "routed", .mode = "iptables"};
    uint32_t packets = 4000;
    double rates[N_RUNS], event_rates[N_RUNS];
    uint64_t hops = 0, events = 0;

    if (argc > 4) {
        shape.nodes = (uint32_t)atoi(argv[1]);
        shape.services = shape.nodes;
        shape.endpoints = (uint32_t)atoi(argv[2]);
        shape.clients = (uint32_t)atoi(argv[3]);
        packets = (uint32_t)atoi(argv[4]);
    }
    for (int r = 0; r < N_RUNS; r++) {
        double begin = bench_cpu(), cpu;
        Star star = star_new(&shape, packets);
        if (r == 0)
            printf("set-up: %.3f s CPU for %u nodes, %u Services, %u pods\n", bench_cpu() - begin, shape.nodes,
                   shape.services, shape.services * shape.endpoints);
        sim_run_until(star.sim,
                      6 * SIMTIME_MSEC); /* Warm: connections, rings, pools; the last of 5,000 clients begins at 5. */
        hops = star_hops(star.cluster);
        events = star.sim->n_events;
        begin = bench_cpu();
        sim_run_until(star.sim, star_end(&star));
        cpu = bench_cpu() - begin;
        hops = star_hops(star.cluster) - hops;
        events = star.sim->n_events - events;
        rates[r] = (double)hops / cpu;
        event_rates[r] = (double)events / cpu;
        if (star_answers(&star) != (uint64_t)star.n_clients * packets)
            return 1;
        cluster_free(star.cluster);
        input_free(star.input);
        g_free(star.senders);
    }
    printf("%" G_GUINT64_FORMAT " hops, %" G_GUINT64_FORMAT " events: %.2f M hops/s, %.0f ns a hop, %.2f M events/s\n",
           hops, events, bench_median(rates, N_RUNS) / 1e6, 1e9 / rates[N_RUNS / 2],
           bench_median(event_rates, N_RUNS) / 1e6);
    return 0;
}
