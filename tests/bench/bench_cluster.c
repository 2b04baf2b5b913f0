/* A large cluster made ready to run: Nodes, Services and EndpointSlices in a file as kubectl prints them, read, filled
 * in, built
 *
 * 5,000 nodes, 10,000 Services, 100,000 pods unless told otherwise, from JSON and from YAML, each in a process of its
 * own.  CPU time by part, the heap after each part, and the peak of the process beyond what it held to write the file.
 * Usage: bench_cluster [nodes services endpoints-per-service] */

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/control/control.h"
#include "model/network/cluster.h"
#include "tests/bench/bench_list.h"

static double
peak(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024;
}

static double last_cpu, last_heap;

static void
print_part(const char *name, double n_objects, const char *what)
{
    double cpu = bench_cpu(), heap = bench_heap();

    printf("  %-28s %8.3f s  heap +%7.1f MB", name, cpu - last_cpu, (heap - last_heap) / 1e6);
    if (what)
        printf("  = %.0f B a %s", (heap - last_heap) / n_objects, what);
    printf("\n");
    last_cpu = bench_cpu();
    last_heap = heap;
}

static void
measure(bool json, uint32_t n_nodes, uint32_t n_services, uint32_t n_endpoints)
{
    GString *text = bench_list(json, n_nodes, n_services, n_endpoints);
    double n_pods = (double)n_services * n_endpoints, begin, before = peak();
    g_autofree char *name = g_strdup_printf("bench-cluster-%d.%s", (int)getpid(), json ? "json" : "yaml");
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), name, NULL);
    double n_bytes = (double)text->len;
    Cluster *cluster;
    Input *input;

    if (!g_file_set_contents(path, text->str, (gssize)text->len, NULL))
        exit(1);
    g_string_free(text, TRUE);
    last_cpu = begin = bench_cpu();
    last_heap = bench_heap();
    printf("%s, %.1f MB: %u nodes, %u Services, %.0f pods\n", json ? "JSON" : "YAML", n_bytes / 1e6, n_nodes,
           n_services, n_pods);
    input = input_load((const char *[]){path}, 1);
    unlink(path);
    diags_print(input->diags, stderr, DIAG_ERROR);
    print_part("read", n_pods, "endpoint");
    control_fill(input);
    print_part("filled in", n_pods, "pod");
    cluster = cluster_new(input, &(ClusterOptions){.seed = 1, .no_pods = true});
    print_part("nodes and rules", n_pods, "endpoint");
    cluster_free(cluster);
    last_cpu = bench_cpu();
    last_heap = bench_heap();
    cluster = cluster_new(input, &(ClusterOptions){.seed = 1});
    print_part("nodes, rules and pods", n_pods, "pod");
    printf("  %-28s %8.3f s  peak  %7.1f MB\n", "all, twice built", bench_cpu() - begin, (peak() - before) / 1e6);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    uint32_t n_nodes = argc > 3 ? (uint32_t)atoi(argv[1]) : 5000;
    uint32_t n_services = argc > 3 ? (uint32_t)atoi(argv[2]) : 10000;
    uint32_t n_endpoints = argc > 3 ? (uint32_t)atoi(argv[3]) : 10;

    for (int json = 1; json >= 0; json--) {
        pid_t pid = fork();
        int status;
        if (pid == 0) {
            measure(json, n_nodes, n_services, n_endpoints);
            _exit(0);
        }
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            return 1;
    }
    return 0;
}
