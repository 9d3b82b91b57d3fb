/* Connect, one line, its answer, the end of input (the server closes), and again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

struct visit {
    int fd, is_connected;
    size_t received;
    const struct payload *payload;
    uint64_t began;
};

static unsigned visits;

static void begin(int epoll, struct visit *visit)
{
    visit->began = now();
    visit->fd = begin_connect(visits);
    visit->is_connected = 0;
    visit->received = 0;
    visit->payload = payload_of(visits++);
    watch(epoll, visit->fd, EPOLLIN | EPOLLOUT | EPOLLET, visit);
}

static void greet(struct visit *visit)
{
    end_connect(visit->fd);
    visit->is_connected = 1;
    ssize_t n = send(visit->fd, visit->payload->request, visit->payload->request_size, MSG_NOSIGNAL);
    if (n != (ssize_t)visit->payload->request_size)
        fail("a line could not be sent whole: %s", strerror(errno));
}

static void receive(int epoll, struct visit *visit)
{
    char got[4096];
    for (;;) {
        ssize_t n = recv(visit->fd, got, sizeof got, 0);
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
    close(visit->fd);
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
    window_begin();
    for (int i = 0; i < options.connections; i++)
        begin(epoll, &all[i]);
    while (!window_tick(now())) {
        int ready = epoll_wait(epoll, events, EVENTS, 1000);
        for (int i = 0; i < ready; i++) {
            struct visit *visit = events[i].data.ptr;
            if (!visit->is_connected)
                greet(visit);
            if (events[i].events & ~(unsigned)EPOLLOUT)
                receive(epoll, visit);
        }
    }
    free(all);
}
