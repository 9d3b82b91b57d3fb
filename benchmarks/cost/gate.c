/* A library for LD_PRELOAD in the measured server: it stops the server before it sleeps, and controls its clock.

   After cost_open_gate(), every epoll_wait that would block first writes one byte to the gate's socket and then reads
   commands from it: 'm' starts the measurement, 'e' ends it, 'g' continues the server. End of file ends the process.
   Instructions and system calls between the stop and 'g' are not counted. */
#define _GNU_SOURCE
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#define TICK_NANOSECONDS 1000000L

static int gate = -1;
static int measuring = 0;
static struct timespec now;

void cost_open_gate(int descriptor) {
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    gate = descriptor;
}

/* With the real clock, batches and timers would depend on the speed of valgrind. */
static void tick(void) {
    now.tv_nsec += TICK_NANOSECONDS;
    if (now.tv_nsec >= 1000000000L) {
        now.tv_nsec -= 1000000000L;
        now.tv_sec++;
    }
}

int clock_gettime(clockid_t clock, struct timespec *result) {
    switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
        if (gate >= 0) {
            *result = now;
            return 0;
        }
        break;
    default:
        break;
    }
    return (int)syscall(SYS_clock_gettime, clock, result);
}

static void stop_counting(void) {
    if (measuring) {
        CALLGRIND_TOGGLE_COLLECT;
        VALGRIND_PRINTF("cost: closed\n");
    }
}

static void resume_counting(void) {
    if (measuring) {
        VALGRIND_PRINTF("cost: opened\n");
        CALLGRIND_TOGGLE_COLLECT;
    }
}

static void wait_at_gate(void) {
    char command = 0;
    if (write(gate, "", 1) != 1) _exit(3);
    while (command != 'g') {
        if (read(gate, &command, 1) != 1) _exit(0);
        if (command == 'm') {
            CALLGRIND_START_INSTRUMENTATION;
            measuring = 1;
        } else if (command == 'e') {
            CALLGRIND_STOP_INSTRUMENTATION;
            measuring = 0;
        }
    }
    tick();
}

int epoll_wait(int descriptor, struct epoll_event *events, int size, int timeout) {
    if (gate >= 0 && timeout != 0) {
        struct pollfd ready = {.fd = descriptor, .events = POLLIN};
        stop_counting();
        if (poll(&ready, 1, 0) == 0) wait_at_gate();
        resume_counting();
    }
#ifdef SYS_epoll_wait
    return (int)syscall(SYS_epoll_wait, descriptor, events, size, timeout);
#else
    return (int)syscall(SYS_epoll_pwait, descriptor, events, size, timeout, NULL, (size_t)8);
#endif
}
