/* What a packet costs, in figures that noise cannot move: run by guard.sh
 *
 * A fixed star, warm; then it counts allocations while more packets run (there must be none), and callgrind counts the
 * instructions of measured(). */

#include "tests/bench/star.h"

#define PACKETS 300

static uint64_t n_allocations;

#ifndef __SANITIZE_ADDRESS__
/* In front of the C library's own, under the names that it gives them for this. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);

void *
malloc(size_t size)
{
    n_allocations++;
    return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    n_allocations++;
    return __libc_calloc(n, size);
}

void *
realloc(void *block, size_t size)
{
    n_allocations++;
    return __libc_realloc(block, size);
}
#endif

void measured(Star *star);

__attribute__((noinline)) void
measured(Star *star)
{
    sim_run_until(star->sim, star_end(star));
}

int
main(void)
{
    const BenchCluster shape = {
        .nodes = 10, .services = 10, .endpoints = 10, .clients = 50, .network = "routed", .mode = "iptables"};
    Star star = star_new(&shape, PACKETS);
    uint64_t before, made, hops;

    sim_run_until(star.sim, 10 * SIMTIME_MSEC);
    hops = star_hops(star.cluster);
    before = n_allocations;
    measured(&star);
    made = n_allocations - before;
    printf("%" G_GUINT64_FORMAT " allocations in %" G_GUINT64_FORMAT " packet-hops\n", made,
           star_hops(star.cluster) - hops);
    return made == 0 && star_answers(&star) == (uint64_t)PACKETS * star.n_clients ? 0 : 1;
}
