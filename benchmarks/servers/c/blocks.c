/* Records of SIZE bytes, collected whole and answered by their last byte. */
#include "server.h"

static size_t size;

static int serve_one(struct connection *c)
{
    ssize_t n = recv(c->fd, c->buffer + c->have, size - c->have, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    c->have += (size_t)n;
    if (c->have < size)
        return 0;
    c->have = 0;
    return write_all(c->fd, c->buffer + size - 1, 1);
}

int main(int argc, char **argv)
{
    size = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    if (size)
        serve(size, EPOLLIN, serve_one);
    return 1;
}
