/* `sink`: reads of 64 KiB, and at the end of input the number of bytes as a line.
 * `source`: writes of 64 KiB of the pattern, for as long as there is room. */
#include "server.h"

#define BLOCK 65536
static char block[BLOCK];

static int sink(struct connection *c)
{
    ssize_t n = recv(c->fd, block, BLOCK, 0);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    if (n == 0) {
        char count[32];
        write_all(c->fd, count, (size_t)snprintf(count, sizeof count, "%zu\n", c->have));
        return -1;
    }
    c->have += (size_t)n;
    return 0;
}

static int source(struct connection *c)
{
    for (;;) {
        size_t from = c->have % BLOCK;
        ssize_t n = send(c->fd, block + from, BLOCK - from, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        c->have += (size_t)n;
    }
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = (char)(i * 31 + (i >> 8));
    if (argc > 1 && !strcmp(argv[1], "source"))
        serve(0, EPOLLOUT, source);
    else
        serve(0, EPOLLIN, sink);
}
