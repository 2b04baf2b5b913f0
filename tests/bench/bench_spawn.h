#ifndef TESTS_BENCH_BENCH_SPAWN_H
#define TESTS_BENCH_BENCH_SPAWN_H

/* Runs a program to its end and tells what it cost */

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static inline double
bench_seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* User and system time in seconds, peak memory in bytes; its output goes nowhere.  False unless its status is 0. */
static inline bool
bench_spawn(const char *const *argv, double *ret_cpu, double *ret_peak)
{
    struct rusage usage;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        execv(argv[0], (char *const *)argv); /* Which it only reads. */
        _exit(127);
    }
    if (wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return false;
    *ret_cpu = bench_seconds(usage.ru_utime) + bench_seconds(usage.ru_stime);
    *ret_peak = (double)usage.ru_maxrss * 1024;
    return true;
}

#endif
