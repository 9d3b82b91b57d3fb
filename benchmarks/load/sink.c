/* Bulk data to the server. At the end of input the server returns, as a line, how many bytes it has received. */
#include "sink.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clocks.h"
#include "failure.h"
#include "measurement.h"
#include "options.h"
#include "payload.h"
#include "poller.h"

struct stream {
    int fd;
    unsigned long long sent;
};

/* One send per event, so that data arrives on all connections and not on one after the other. */
static void send_data(struct stream *stream)
{
    const struct payload *payload = payload_at(0);
    ssize_t n = send(stream->fd, payload->request, payload->request_size, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        fail("send: %s", strerror(errno));
    stream->sent += (unsigned long long)n;
    measurement_add(0, (uint64_t)n);
}

static void check_count(const struct stream *stream, int number)
{
    char received[32], expected[32];
    size_t size = 0;
    shutdown(stream->fd, SHUT_WR);
    while (size < sizeof received - 1) {
        if (!poll_one(stream->fd, POLLIN))
            fail("connection %d: no count came within 10 seconds", number);
        ssize_t n = recv(stream->fd, received + size, sizeof received - 1 - size, 0);
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    received[size] = 0;
    snprintf(expected, sizeof expected, "%llu\n", stream->sent);
    if (strcmp(received, expected))
        fail("connection %d: %llu bytes were sent and the server counted %s", number, stream->sent, received);
}

void run_sink(int poller, struct connection *connections)
{
    struct stream *streams = calloc((size_t)options.connections, sizeof *streams);
    struct epoll_event events[MAX_EVENTS];
    if (!streams)
        fail("no memory for the connections");
    measurement_start();
    for (int i = 0; i < options.connections; i++) {
        streams[i].fd = connections[i].fd;
        poller_add(poller, connections[i].fd, EPOLLOUT, &streams[i]);
    }
    while (!measurement_update(now())) {
        int count = poller_wait(poller, events);
        for (int i = 0; i < count; i++)
            send_data(events[i].data.ptr);
    }
    for (int i = 0; i < options.connections; i++)
        check_count(&streams[i], i);
    free(streams);
}
