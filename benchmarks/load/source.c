/* One way from the server: a pattern that it repeats for ever, each byte checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

struct flow {
    struct wire *wire;
    int number;
    uint64_t received;
};

#define MOST 64 /* pulls at once; a source sends more in any case, and so tells of what is left */

static char scratch[1 << 18];
static char *pattern;

static int pull(struct flow *flow)
{
    ssize_t n = wire_receive(flow->wire, scratch, sizeof scratch);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        fail("connection %d: the server %s", flow->number, n ? strerror(errno) : "closed");
    if (memcmp(scratch, pattern + flow->received % SOURCE_BLOCK, (size_t)n))
        fail("connection %d: a byte after %llu is wrong", flow->number, (unsigned long long)flow->received);
    flow->received += (uint64_t)n;
    window_count(0, (uint64_t)n);
    return wire_holds(flow->wire);
}

void run_source(int epoll, struct wire *wires)
{
    struct flow *flows = calloc((size_t)options.connections, sizeof *flows);
    struct epoll_event events[EVENTS];
    if (!flows)
        fail("no memory for the connections");
    pattern = source_pattern(sizeof scratch);
    window_begin();
    for (int i = 0; i < options.connections; i++) {
        flows[i].wire = &wires[i];
        flows[i].number = i;
        watch(epoll, wires[i].fd, EPOLLIN, &flows[i]);
    }
    while (!window_tick(now())) {
        int ready = epoll_wait(epoll, events, EVENTS, 1000);
        for (int i = 0; i < ready; i++)
            for (int turns = MOST; turns && pull(events[i].data.ptr); turns--)
                ;
    }
    free(flows);
}
