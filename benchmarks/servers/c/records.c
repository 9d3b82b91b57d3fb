/* Records of a fixed size (`records SIZE`) or with four bytes of big-endian length before them (`frames`). */
#include "server.h"

#define BUFFER 65536
static size_t fixed; /* 0: a length comes first */

/* The whole record that begins at `at`, with its head, or 0 if that is not known yet. */
static size_t size_of(const char *at, size_t available)
{
    const unsigned char *head = (const unsigned char *)at;
    if (fixed)
        return fixed;
    if (available < 4)
        return 0;
    return 4 + ((size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]);
}

static int serve_one(struct connection *c)
{
    ssize_t n = recv(c->fd, c->buffer + c->have, BUFFER - c->have, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    char *at = c->buffer, *end = c->buffer + c->have + n;
    size_t size;
    while ((size = size_of(at, (size_t)(end - at))) && (size_t)(end - at) >= size) {
        if (write_all(c->fd, at, size))
            return -1;
        at += size;
    }
    if (size > BUFFER)
        return -1; /* a record too large */
    c->have = (size_t)(end - at);
    memmove(c->buffer, at, c->have);
    return 0;
}

int main(int argc, char **argv)
{
    fixed = argc > 2 && !strcmp(argv[1], "records") ? strtoul(argv[2], NULL, 10) : 0;
    serve(BUFFER, EPOLLIN, serve_one);
}
