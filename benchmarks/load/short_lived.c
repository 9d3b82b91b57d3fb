/* Short-lived connections: connect, send one line, receive the response and the end of input, close, and repeat. */
#include "short_lived.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clocks.h"
#include "connection.h"
#include "failure.h"
#include "measurement.h"
#include "options.h"
#include "payload.h"
#include "poller.h"
#include "tcp.h"

enum state { CONNECTING, HANDSHAKE, RECEIVING, CLOSING };

struct client {
    struct connection connection;
    enum state state;
    size_t received;
    const struct payload *payload;
    uint64_t started;
};

static unsigned connections_started;

static void start(int poller, struct client *client)
{
    client->started = now();
    connection_start(&client->connection, connections_started);
    client->state = CONNECTING;
    client->received = 0;
    client->payload = payload_at(connections_started++);
    poller_add(poller, client->connection.fd, EPOLLIN | EPOLLOUT | EPOLLET, client);
}

static void establish(struct client *client)
{
    if (client->state == CONNECTING)
        tcp_check_connected(client->connection.fd);
    client->state = HANDSHAKE;
    if (!connection_handshake(&client->connection))
        return;
    client->state = RECEIVING;
    ssize_t n = connection_send(&client->connection, client->payload->request, client->payload->request_size);
    if (n != (ssize_t)client->payload->request_size)
        fail("a line could not be sent whole: %s", strerror(errno));
}

/* Receive what is available of the response and of the end of input. */
static void receive(struct client *client)
{
    char data[4096];
    for (;;) {
        ssize_t n = connection_receive(&client->connection, data, sizeof data);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            fail("recv: %s", strerror(errno));
        if (n == 0)
            break;
        if (client->received + (size_t)n > client->payload->response_size ||
            memcmp(data, client->payload->response + client->received, (size_t)n))
            fail("a line came back altered");
        client->received += (size_t)n;
    }
    if (client->received != client->payload->response_size)
        fail("the server closed after %zu of %zu bytes", client->received, client->payload->response_size);
    client->state = CLOSING;
}

static void restart(int poller, struct client *client)
{
    connection_close(&client->connection);
    measurement_add_latency(now() - client->started);
    measurement_add(1, client->payload->request_size);
    start(poller, client);
}

void run_short_lived(int poller)
{
    struct client *clients = calloc((size_t)options.connections, sizeof *clients);
    struct epoll_event events[MAX_EVENTS];
    if (!clients)
        fail("no memory for the connections");
    if (options.tls == TLS_RESUMED)
        connection_fetch_ticket();
    measurement_start();
    for (int i = 0; i < options.connections; i++)
        start(poller, &clients[i]);
    while (!measurement_update(now())) {
        int count = poller_wait(poller, events);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (client->state == CONNECTING || client->state == HANDSHAKE)
                establish(client);
            if (client->state == RECEIVING && events[i].events & ~(unsigned)EPOLLOUT)
                receive(client);
            if (client->state == CLOSING && connection_shutdown(&client->connection))
                restart(poller, client);
        }
    }
    free(clients);
}
