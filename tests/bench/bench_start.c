/* The article's scenario from process start to files written: CPU time of the whole process, and wall time beside it
 *
 * Usage: bench_start [PROGRAM [SCENARIO]]                                                                          */

#include "tests/bench/bench_spawn.h"

#define N_RUNS 11

int
main(int argc, char **argv)
{
    const char *program = argc > 1 ? argv[1] : "build/svcsim";
    const char *scenario = argc > 2 ? argv[2] : "scenarios/article/article.yaml";
    g_autofree char *dir = g_dir_make_tmp("svcsim-start-XXXXXX", NULL);
    g_autofree char *command = g_strdup_printf("rm -r '%s'", dir);
    double cpu[N_RUNS], wall[N_RUNS];

    for (int r = 0; r < N_RUNS; r++) {
        gint64 begin = g_get_monotonic_time();
        g_autofree char *out = g_strdup_printf("%s/%d", dir, r); /* Overwriting may wait for the disk. */
        double peak;
        const char *arguments[] = {program, "run", scenario, "--out", out, NULL};

        if (!bench_spawn(arguments, &cpu[r], &peak))
            return 1;
        wall[r] = (double)(g_get_monotonic_time() - begin) / 1e3;
        cpu[r] *= 1e3;
    }
    printf("start to files written: %.1f ms of CPU, %.1f ms by the clock\n", bench_median(cpu, N_RUNS),
           bench_median(wall, N_RUNS));
    return system(command) == 0 ? 0 : 1;
}
