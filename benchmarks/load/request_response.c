/* Requests and responses: each connection sends a request, receives the whole response, and sends the next request. */
#include "request_response.h"

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

struct client {
    struct connection *connection;
    int number;
    unsigned requests;
    const struct payload *payload;
    size_t sent, received;
    uint64_t started;
};

static char buffer[1 << 18];

static void send_request(struct client *client)
{
    while (client->sent < client->payload->request_size) {
        ssize_t n = connection_send(client->connection, client->payload->request + client->sent,
                                    client->payload->request_size - client->sent);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            fail("connection %d: send: %s", client->number, strerror(errno));
        client->sent += (size_t)n;
    }
    connection_flush(client->connection);
}

static void start_request(struct client *client, uint64_t time)
{
    client->payload = payload_at((unsigned)client->number + client->requests++);
    client->sent = client->received = 0;
    client->started = time;
    send_request(client);
}

static void check(const struct client *client, const char *data, size_t size)
{
    const struct payload *payload = client->payload;
    if (size > payload->response_size - client->received)
        fail("connection %d, message %u: %zu bytes more than were to come back", client->number, client->requests - 1,
             size - (payload->response_size - client->received));
    const char *expected = payload->response + client->received;
    if (!memcmp(data, expected, size))
        return;
    size_t i = 0;
    while (data[i] == expected[i])
        i++;
    fail("connection %d, message %u: byte %zu is 0x%02x and should be 0x%02x", client->number, client->requests - 1,
         client->received + i, (unsigned char)data[i], (unsigned char)expected[i]);
}

static void complete(struct client *client)
{
    uint64_t time = now();
    if (client->sent != client->payload->request_size)
        fail("connection %d, message %u: answered before it was sent", client->number, client->requests - 1);
    measurement_add_latency(time - client->started);
    measurement_add((uint64_t)options.batch, client->payload->request_size);
    start_request(client, time);
}

static void receive_response(struct client *client)
{
    for (;;) {
        ssize_t n = connection_receive(client->connection, buffer, sizeof buffer);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            fail("connection %d, message %u: the server %s", client->number, client->requests - 1,
                 n ? strerror(errno) : "closed");
        check(client, buffer, (size_t)n);
        client->received += (size_t)n;
        if (client->received == client->payload->response_size) {
            complete(client);
            return;
        }
        if ((size_t)n < sizeof buffer && !client->connection->ssl)
            return; /* the socket is empty; new data triggers an event */
    }
}

void run_request_response(int poller, struct connection *connections)
{
    struct client *clients = calloc((size_t)options.connections, sizeof *clients);
    struct epoll_event events[MAX_EVENTS];
    if (!clients)
        fail("no memory for the connections");
    measurement_start();
    for (int i = 0; i < options.connections; i++) {
        clients[i].connection = &connections[i];
        clients[i].number = i;
        poller_add(poller, connections[i].fd, EPOLLIN | EPOLLOUT | EPOLLET, &clients[i]);
        start_request(&clients[i], now());
    }
    while (!measurement_update(now())) {
        int count = poller_wait(poller, events);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                send_request(client);
            if (events[i].events & ~(unsigned)EPOLLOUT)
                receive_response(client);
        }
    }
    free(clients);
}
