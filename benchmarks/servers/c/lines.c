/* Lines, each answered by a write of its own. With the argument `connect` the connection closes after the first. */
#include "server.h"

#define BUFFER 65536
static int once;

static int serve_one(struct connection *c)
{
    ssize_t n = recv(c->fd, c->buffer + c->have, BUFFER - c->have, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    char *line = c->buffer, *searched = c->buffer + c->have, *end = searched + n, *newline;
    while ((newline = memchr(searched, '\n', (size_t)(end - searched)))) {
        if (write_all(c->fd, line, (size_t)(newline + 1 - line)) || once)
            return -1;
        line = searched = newline + 1;
    }
    c->have = (size_t)(end - line);
    if (c->have == BUFFER)
        return -1; /* a line too long */
    memmove(c->buffer, line, c->have);
    return 0;
}

int main(int argc, char **argv)
{
    once = argc > 1 && !strcmp(argv[1], "connect");
    serve(BUFFER, EPOLLIN, serve_one);
}
