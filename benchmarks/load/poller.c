/* Waits for sockets: epoll for all connections in the loop, poll for a single socket before and after the loop. */
#include "poller.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "failure.h"

int poller_create(void)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        fail("epoll_create1: %s", strerror(errno));
    return poller;
}

void poller_add(int poller, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl: %s", strerror(errno));
}

int poller_wait(int poller, struct epoll_event *events)
{
    return epoll_wait(poller, events, MAX_EVENTS, 1000);
}

int poll_one(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    return poll(&one, 1, 10000) == 1;
}
