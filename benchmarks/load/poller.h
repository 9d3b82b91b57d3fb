#ifndef POLLER_H
#define POLLER_H

#include <stdint.h>
#include <sys/epoll.h>

#define MAX_EVENTS 512

int poller_create(void); /* an epoll descriptor */
void poller_add(int poller, int fd, uint32_t events, void *data);
/* Block until there are events, or for 1 second; return how many of `events`, which has MAX_EVENTS items, are set. */
int poller_wait(int poller, struct epoll_event *events);

/* Block until one of `events` (POLLIN, POLLOUT) occurs on `fd`; false after 10 seconds. */
int poll_one(int fd, short events);

#endif
