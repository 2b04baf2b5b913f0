/* A million TCP connections through a large cluster, as `make large` writes it and `svcsim run` replays it: each opens,
 * asks by HTTP, is answered and closed, and is a flow of the report
 *
 * Usage: bench_connections [PROGRAM GENERATOR [nodes services endpoints-per-service connections]] */

#include "tests/bench/bench_spawn.h"

int
main(int argc, char **argv)
{
    const char *program = argc > 1 ? argv[1] : "build/svcsim";
    const char *generator = argc > 2 ? argv[2] : "build/tests/bench/large";
    const char *nodes = argc > 6 ? argv[3] : "5000", *services = argc > 6 ? argv[4] : "10000";
    const char *endpoints = argc > 6 ? argv[5] : "10", *connections = argc > 6 ? argv[6] : "1000000";
    g_autofree char *dir = g_dir_make_tmp("svcsim-large-XXXXXX", NULL);
    g_autofree char *objects = g_strconcat(dir, "/objects.json", NULL);
    g_autofree char *scenario = g_strconcat(dir, "/scenario.yaml", NULL);
    const char *generate[] = {generator, dir, nodes, services, endpoints, connections, "json", NULL};
    const char *run[] = {program, "run", objects, scenario, NULL};
    double cpu, peak;
    bool ok = bench_spawn(generate, &cpu, &peak) && bench_spawn(run, &cpu, &peak);

    if (ok)
        printf("%s connections, %s nodes, %s Services of %s pods: %.1f s of CPU, peak %.2f GB\n", connections, nodes,
               services, endpoints, cpu, peak / 1e9);
    unlink(objects);
    unlink(scenario);
    rmdir(dir);
    return ok ? 0 : 1;
}
