/* Connect, one line, its answer, the end of input (the server closes), and again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum stage { CONNECTING, SHAKING_HANDS, LISTENING, LEAVING };

struct visit {
    struct wire wire;
    enum stage stage;
    size_t received;
    const struct payload *payload;
    uint64_t began;
};

static unsigned visits;

static void begin(int epoll, struct visit *visit)
{
    visit->began = now();
    wire_open(&visit->wire, begin_connect(visits));
    visit->stage = CONNECTING;
    visit->received = 0;
    visit->payload = payload_of(visits++);
    watch(epoll, visit->wire.fd, EPOLLIN | EPOLLOUT | EPOLLET, visit);
}

static void greet(struct visit *visit)
{
    if (visit->stage == CONNECTING)
        end_connect(visit->wire.fd);
    visit->stage = SHAKING_HANDS;
    if (!wire_handshake(&visit->wire))
        return;
    visit->stage = LISTENING;
    ssize_t n = wire_send(&visit->wire, visit->payload->request, visit->payload->request_size);
    if (n != (ssize_t)visit->payload->request_size)
        fail("a line could not be sent whole: %s", strerror(errno));
}

/* The answer, and then the end of input, as far as they have come. */
static void receive(struct visit *visit)
{
    char got[4096];
    for (;;) {
        ssize_t n = wire_receive(&visit->wire, got, sizeof got);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            fail("recv: %s", strerror(errno));
        if (n == 0)
            break;
        if (visit->received + (size_t)n > visit->payload->answer_size ||
            memcmp(got, visit->payload->answer + visit->received, (size_t)n))
            fail("a line came back altered");
        visit->received += (size_t)n;
    }
    if (visit->received != visit->payload->answer_size)
        fail("the server closed after %zu of %zu bytes", visit->received, visit->payload->answer_size);
    visit->stage = LEAVING;
}

static void leave(int epoll, struct visit *visit)
{
    wire_close(&visit->wire);
    window_latency(now() - visit->began);
    window_count(1, visit->payload->request_size);
    begin(epoll, visit);
}

void run_churn(int epoll)
{
    struct visit *all = calloc((size_t)options.connections, sizeof *all);
    struct epoll_event events[EVENTS];
    if (!all)
        fail("no memory for the connections");
    if (options.tls == TLS_RESUMED)
        secure_have_ticket();
    window_begin();
    for (int i = 0; i < options.connections; i++)
        begin(epoll, &all[i]);
    while (!window_tick(now())) {
        int ready = epoll_wait(epoll, events, EVENTS, 1000);
        for (int i = 0; i < ready; i++) {
            struct visit *visit = events[i].data.ptr;
            if (visit->stage == CONNECTING || visit->stage == SHAKING_HANDS)
                greet(visit);
            if (visit->stage == LISTENING && events[i].events & ~(unsigned)EPOLLOUT)
                receive(visit);
            if (visit->stage == LEAVING && wire_ended(&visit->wire))
                leave(epoll, visit);
        }
    }
    free(all);
}
