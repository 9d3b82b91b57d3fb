/* Bulk data from the server, which repeats a pattern. Each byte is checked. */
#include "source.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clocks.h"
#include "failure.h"
#include "measurement.h"
#include "options.h"
#include "payload.h"
#include "poller.h"

struct stream {
    struct connection *connection;
    int number;
    uint64_t received;
};

/* Reads per event. Data that TLS still holds after them is read at the next event: the server sends without a pause. */
#define MAX_READS 64

static char buffer[1 << 18];
static char *pattern;

/* True if more data can be read without an event. */
static int receive_data(struct stream *stream)
{
    ssize_t n = connection_receive(stream->connection, buffer, sizeof buffer);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        fail("connection %d: the server %s", stream->number, n ? strerror(errno) : "closed");
    if (memcmp(buffer, pattern + stream->received % SOURCE_PERIOD, (size_t)n))
        fail("connection %d: a byte after %llu is wrong", stream->number, (unsigned long long)stream->received);
    stream->received += (uint64_t)n;
    measurement_add(0, (uint64_t)n);
    return connection_has_pending(stream->connection);
}

void run_source(int poller, struct connection *connections)
{
    struct stream *streams = calloc((size_t)options.connections, sizeof *streams);
    struct epoll_event events[MAX_EVENTS];
    if (!streams)
        fail("no memory for the connections");
    pattern = source_pattern(sizeof buffer);
    measurement_start();
    for (int i = 0; i < options.connections; i++) {
        streams[i].connection = &connections[i];
        streams[i].number = i;
        poller_add(poller, connections[i].fd, EPOLLIN, &streams[i]);
    }
    while (!measurement_update(now())) {
        int count = poller_wait(poller, events);
        for (int i = 0; i < count; i++)
            for (int reads = MAX_READS; reads && receive_data(events[i].data.ptr); reads--)
                ;
    }
    free(streams);
}
