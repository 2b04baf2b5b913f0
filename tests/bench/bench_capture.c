/* What it costs to capture every hop: the star without and with a sink that writes each crossing of a link
 *
 * Records go through the writer of trace.pcapng to /dev/null, or to a file if one is named.  Runs with and without take
 * turns.  Usage: bench_capture [FILE]                                                                              */

#include "sim/packet/capture.h"
#include "sim/trace/trace.h"
#include "tests/bench/star.h"

#define N_RUNS  5
#define PACKETS 3000

typedef struct {
    TraceSink sink;
    PcapngWriter *writer;
    uint32_t interface;
    uint64_t n;
} Recorder;

static void
record(TraceSink *sink, const TraceRecord *r)
{
    Recorder *recorder = (Recorder *)sink;

    pcapng_writer_packet(recorder->writer, recorder->interface, r->at, r->pkt, true, NULL);
    recorder->n++;
}

/* Nanoseconds of CPU a hop. */
static double
run(const char *path, uint64_t *ret_hops, uint64_t *ret_records)
{
    const BenchCluster shape = {
        .nodes = 10, .services = 10, .endpoints = 10, .clients = 50, .network = "routed", .mode = "iptables"};
    Star star = star_new(&shape, PACKETS);
    Recorder recorder = {.sink = {.mask = TRACE_BIT(TRACE_DEV_OUT), .record = record}};
    double begin, cpu;
    bool written = true;

    if (path) {
        recorder.writer = pcapng_writer_open(path, 262144, NULL);
        if (!recorder.writer)
            return 0;
        recorder.interface = pcapng_writer_interface(recorder.writer, "all", NULL);
        trace_add_sink(star.sim, &recorder.sink);
    }
    sim_run_until(star.sim, 10 * SIMTIME_MSEC);
    *ret_hops = star_hops(star.cluster);
    begin = bench_cpu();
    sim_run_until(star.sim, star_end(&star));
    cpu = bench_cpu() - begin;
    *ret_hops = star_hops(star.cluster) - *ret_hops;
    *ret_records = recorder.n;
    if (path) {
        trace_remove_sink(star.sim, &recorder.sink);
        written = pcapng_writer_close(recorder.writer, NULL);
    }
    cluster_free(star.cluster);
    input_free(star.input);
    g_free(star.senders);
    return written ? cpu * 1e9 / (double)*ret_hops : 0;
}

int
main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/dev/null";
    double without[N_RUNS], with[N_RUNS], a, b;
    uint64_t hops, records = 0;

    for (int r = 0; r < N_RUNS; r++) {
        without[r] = run(NULL, &hops, &records);
        with[r] = run(path, &hops, &records);
        if (with[r] <= 0 || records < hops)
            return 1;
    }
    a = bench_median(without, N_RUNS);
    b = bench_median(with, N_RUNS);
    printf("a hop %.1f ns, with its record in %s %.1f ns: +%.1f ns, +%.0f %%\n", a, path, b, b - a, (b / a - 1) * 100);
    return 0;
}
