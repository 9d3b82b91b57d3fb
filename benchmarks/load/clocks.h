#ifndef CLOCKS_H
#define CLOCKS_H

#include <stdint.h>

/* All in nanoseconds. */
uint64_t now(void);             /* CLOCK_MONOTONIC */
uint64_t server_cpu_time(void); /* user and system, all threads; 0 without --pid */
uint64_t own_cpu_time(void);    /* the same of this process */
uint64_t run_queue_time(void);  /* how long the first threads of both processes were runnable and did not run */

#endif
