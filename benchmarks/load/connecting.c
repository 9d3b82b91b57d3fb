/* Connecting to the server. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#define AT_ONCE 32 /* fewer than any server's backlog, so that no SYN has to be sent again */

int begin_connect(unsigned number)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0)
        fail("socket: %s", strerror(errno));
    /* Each source address has ports of its own, so ports that are in TIME_WAIT do not run out. */
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001 + number % 200)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&from, sizeof from))
        fail("bind: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    return fd;
}

void end_connect(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        fail("connect: %s", strerror(error));
}

void connect_all(struct wire *wires)
{
    for (int first = 0; first < options.connections; first += AT_ONCE) {
        int last = first + AT_ONCE < options.connections ? first + AT_ONCE : options.connections;
        for (int i = first; i < last; i++)
            wire_open(&wires[i], begin_connect((unsigned)i));
        for (int i = first; i < last; i++) {
            struct pollfd one = {.fd = wires[i].fd, .events = POLLOUT};
            if (poll(&one, 1, 10000) != 1)
                fail("connection %d was not made within 10 seconds", i);
            end_connect(wires[i].fd);
            wire_handshake_now(&wires[i], i);
        }
    }
}
