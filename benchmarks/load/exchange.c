/* Request and answer: each connection sends, awaits the whole answer, and sends again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

struct peer {
    struct wire *wire;
    int number;
    unsigned turn;
    const struct payload *payload;
    size_t sent, received;
    uint64_t began;
};

static char scratch[1 << 18];

static void send_more(struct peer *peer)
{
    while (peer->sent < peer->payload->request_size) {
        ssize_t n = wire_send(peer->wire, peer->payload->request + peer->sent,
                              peer->payload->request_size - peer->sent);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            fail("connection %d: send: %s", peer->number, strerror(errno));
        peer->sent += (size_t)n;
    }
    wire_flush(peer->wire);
}

static void begin(struct peer *peer, uint64_t time)
{
    peer->payload = payload_of((unsigned)peer->number + peer->turn++);
    peer->sent = peer->received = 0;
    peer->began = time;
    send_more(peer);
}

static void check(const struct peer *peer, const char *got, size_t size)
{
    const struct payload *payload = peer->payload;
    if (size > payload->answer_size - peer->received)
        fail("connection %d, message %u: %zu bytes more than were to come back", peer->number, peer->turn - 1,
             size - (payload->answer_size - peer->received));
    const char *expected = payload->answer + peer->received;
    if (!memcmp(got, expected, size))
        return;
    size_t at = 0;
    while (got[at] == expected[at])
        at++;
    fail("connection %d, message %u: byte %zu is 0x%02x and should be 0x%02x", peer->number, peer->turn - 1,
         peer->received + at, (unsigned char)got[at], (unsigned char)expected[at]);
}

static void receive(struct peer *peer)
{
    for (;;) {
        ssize_t n = wire_receive(peer->wire, scratch, sizeof scratch);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            fail("connection %d, message %u: the server %s", peer->number, peer->turn - 1,
                 n ? strerror(errno) : "closed");
        check(peer, scratch, (size_t)n);
        peer->received += (size_t)n;
        if (peer->received == peer->payload->answer_size) {
            uint64_t time = now();
            if (peer->sent != peer->payload->request_size)
                fail("connection %d, message %u: answered before it was sent", peer->number, peer->turn - 1);
            window_latency(time - peer->began);
            window_count((uint64_t)options.batch, peer->payload->request_size);
            begin(peer, time);
            return;
        }
        if ((size_t)n < sizeof scratch && !peer->wire->tls)
            return; /* the next edge tells of the rest */
    }
}

void run_exchange(int epoll, struct wire *wires)
{
    struct peer *peers = calloc((size_t)options.connections, sizeof *peers);
    struct epoll_event events[EVENTS];
    if (!peers)
        fail("no memory for the connections");
    window_begin();
    for (int i = 0; i < options.connections; i++) {
        peers[i].wire = &wires[i];
        peers[i].number = i;
        watch(epoll, wires[i].fd, EPOLLIN | EPOLLOUT | EPOLLET, &peers[i]);
        begin(&peers[i], now());
    }
    while (!window_tick(now())) {
        int ready = epoll_wait(epoll, events, EVENTS, 1000);
        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                send_more(peer);
            if (events[i].events & ~(unsigned)EPOLLOUT)
                receive(peer);
        }
    }
    free(peers);
}
