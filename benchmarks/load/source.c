/* One way from the server: a pattern that it repeats for ever, each byte checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"

struct flow {
    int fd, number;
    uint64_t received;
};

static char scratch[1 << 18];
static char *pattern;

static void pull(struct flow *flow)
{
    ssize_t n = recv(flow->fd, scratch, sizeof scratch, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        fail("connection %d: the server %s", flow->number, n ? strerror(errno) : "closed");
    if (memcmp(scratch, pattern + flow->received % SOURCE_BLOCK, (size_t)n))
        fail("connection %d: a byte after %llu is wrong", flow->number, (unsigned long long)flow->received);
    flow->received += (uint64_t)n;
    window_count(0, (uint64_t)n);
}

void run_source(int epoll, const int *fds)
{
    struct flow *flows = calloc((size_t)options.connections, sizeof *flows);
    struct epoll_event events[EVENTS];
    if (!flows)
        fail("no memory for the connections");
    pattern = source_pattern(sizeof scratch);
    window_begin();
    for (int i = 0; i < options.connections; i++) {
        flows[i].fd = fds[i];
        flows[i].number = i;
        watch(epoll, fds[i], EPOLLIN, &flows[i]);
    }
    while (!window_tick(now())) {
        int ready = epoll_wait(epoll, events, EVENTS, 1000);
        for (int i = 0; i < ready; i++)
            pull(events[i].data.ptr);
    }
    free(flows);
}
