/* The monotonic clock, and the CPU time and run-queue time of the server and of this process. */
#include "clocks.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "failure.h"
#include "options.h"

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

uint64_t server_cpu_time(void)
{
    clockid_t clock;
    if (!options.pid)
        return 0;
    int error = clock_getcpuclockid(options.pid, &clock);
    if (error)
        fail("the CPU time of process %d cannot be read: %s", options.pid, strerror(error));
    return read_clock(clock);
}

uint64_t own_cpu_time(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* The second number in schedstat, which is of the process's first thread. 0 if the kernel has no schedstat. */
static uint64_t run_queue_time_of(int pid)
{
    char path[64];
    unsigned long long run, waited = 0;
    snprintf(path, sizeof path, pid ? "/proc/%d/schedstat" : "/proc/self/schedstat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &run, &waited) != 2)
        waited = 0;
    fclose(file);
    return waited;
}

uint64_t run_queue_time(void)
{
    return run_queue_time_of(0) + (options.pid ? run_queue_time_of(options.pid) : 0);
}
