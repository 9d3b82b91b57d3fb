/* One way to the server: as much as it takes. At the end it must say, as a line, how many bytes it had. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"

struct flow {
    int fd;
    unsigned long long sent;
};

/* One send for each connection in turn, so that the server finds a little on all of them and not all on one. */
static void push(struct flow *flow)
{
    const struct payload *payload = payload_of(0);
    ssize_t n = send(flow->fd, payload->request, payload->request_size, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        fail("send: %s", strerror(errno));
    flow->sent += (unsigned long long)n;
    window_count(0, (uint64_t)n);
}

static void ask_for_count(const struct flow *flow, int number)
{
    char said[32], expected[32];
    size_t size = 0;
    shutdown(flow->fd, SHUT_WR);
    while (size < sizeof said - 1) {
        struct pollfd one = {.fd = flow->fd, .events = POLLIN};
        if (poll(&one, 1, 10000) != 1)
            fail("connection %d: no count came within 10 seconds", number);
        ssize_t n = recv(flow->fd, said + size, sizeof said - 1 - size, 0);
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    said[size] = 0;
    snprintf(expected, sizeof expected, "%llu\n", flow->sent);
    if (strcmp(said, expected))
        fail("connection %d: %llu bytes were sent and the server counted %s", number, flow->sent, said);
}

void run_sink(int epoll, struct wire *wires)
{
    struct flow *flows = calloc((size_t)options.connections, sizeof *flows);
    struct epoll_event events[EVENTS];
    if (!flows)
        fail("no memory for the connections");
    window_begin();
    for (int i = 0; i < options.connections; i++) {
        flows[i].fd = wires[i].fd;
        watch(epoll, wires[i].fd, EPOLLOUT, &flows[i]);
    }
    while (!window_tick(now())) {
        int ready = epoll_wait(epoll, events, EVENTS, 1000);
        for (int i = 0; i < ready; i++)
            push(events[i].data.ptr);
    }
    for (int i = 0; i < options.connections; i++)
        ask_for_count(&flows[i], i);
    free(flows);
}
