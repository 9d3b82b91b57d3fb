/* Time, and the CPU time of the server and of this process, from the kernel's own clocks of them. */
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
