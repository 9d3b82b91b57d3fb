/* What the C servers share: listen on a port of the kernel's choice, print it, and serve with one epoll descriptor.
 * Each server says how much memory a connection has, which events are wanted, and what is done when it is ready. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int fd;
    size_t have; /* bytes in the buffer, or sent or received in all */
    char buffer[];
};

/* Nothing here answers faster than the other side reads, but for the source, which waits for room by itself. */
static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            poll(&room, 1, -1);
        } else if (n < 0) {
            return -1;
        } else {
            data += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

/* `serve_one` returns -1 when the connection is to be closed. */
static void serve(size_t buffer_size, uint32_t interest, int (*serve_one)(struct connection *))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_size = sizeof address;
    struct epoll_event events[256], event = {.events = EPOLLIN};
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0), yes = 1;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, SOMAXCONN) ||
        getsockname(listener, (struct sockaddr *)&address, &address_size) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
        exit(1);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection) {
                if (serve_one(connection) < 0) {
                    close(connection->fd);
                    free(connection);
                }
                continue;
            }
            for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                if (!(connection = malloc(sizeof *connection + buffer_size)))
                    exit(1);
                connection->fd = fd;
                connection->have = 0;
                struct epoll_event wanted = {.events = interest, .data.ptr = connection};
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted);
            }
        }
    }
}
