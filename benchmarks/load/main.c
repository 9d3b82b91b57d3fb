/* The load generator: drives a server on 127.0.0.1, checks every byte, and prints one JSON line. See README.md. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

void watch(int epoll, int fd, uint32_t interest, void *what)
{
    struct epoll_event event = {.events = interest, .data.ptr = what};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    struct rlimit files;
    cpu_set_t cores;
    read_options(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (options.cpu >= 0) {
        CPU_ZERO(&cores);
        CPU_SET((size_t)options.cpu, &cores);
        if (sched_setaffinity(0, sizeof cores, &cores))
            fail("core %d cannot be had: %s", options.cpu, strerror(errno));
    }
    make_payloads();
    if (options.tls != TLS_NONE)
        secure_prepare();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        fail("epoll_create1: %s", strerror(errno));

    if (!strcmp(options.mode, "connect")) {
        run_churn(epoll);
    } else {
        struct wire *wires = calloc((size_t)options.connections, sizeof *wires);
        if (!wires)
            fail("no memory for the connections");
        connect_all(wires);
        if (!strcmp(options.mode, "sink"))
            run_sink(epoll, wires);
        else if (!strcmp(options.mode, "source"))
            run_source(epoll, wires);
        else
            run_exchange(epoll, wires);
        free(wires);
    }
    window_report();
    return 0;
}
