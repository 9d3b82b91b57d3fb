/* Time, and of the server and of this process the CPU time and the time for which they had to wait for their cores. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "load.h"

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t))
        fail("the CPU time of process %d cannot be read: it is gone", options.pid);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t cpu_of_server(void)
{
    clockid_t clock;
    if (!options.pid)
        return 0;
    int error = clock_getcpuclockid(options.pid, &clock);
    if (error)
        fail("the CPU time of process %d cannot be read: %s", options.pid, strerror(error));
    return read_clock(clock);
}

uint64_t cpu_of_load(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* The second figure in schedstat, of a process's first thread: nanoseconds on a run queue. 0 where there is no such. */
static uint64_t wait_of(int pid)
{
    char path[64];
    unsigned long long ran, waited = 0;
    snprintf(path, sizeof path, pid ? "/proc/%d/schedstat" : "/proc/self/schedstat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &ran, &waited) != 2)
        waited = 0;
    fclose(file);
    return waited;
}

uint64_t waited(void)
{
    return wait_of(0) + (options.pid ? wait_of(options.pid) : 0);
}
