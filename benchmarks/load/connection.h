#ifndef CONNECTION_H
#define CONNECTION_H

#include <stddef.h>
#include <sys/types.h>

struct ssl_st;

/* A non-blocking connection, with TLS or without. Errors are returned as send() and recv() return them. */
struct connection {
    int fd, is_ready, is_resuming; /* is_ready: the handshake is complete, or there is none */
    struct ssl_st *ssl;            /* NULL without TLS */
};

/* Start to connect. `number` selects the source address. */
void connection_start(struct connection *connection, unsigned number);
/* Start all options.connections, a few at a time, and block until their handshakes are complete. */
void connection_start_all(struct connection *connections);
/* Receive a session ticket over a connection of its own. All later connections resume that session. */
void connection_fetch_ticket(void);

int connection_handshake(struct connection *connection); /* true once it is complete, and always without TLS */
ssize_t connection_send(struct connection *connection, const void *data, size_t size);
void connection_flush(struct connection *connection); /* write what is buffered; call it again at EPOLLOUT */
ssize_t connection_receive(struct connection *connection, void *data, size_t size); /* 0: end of input */
/* Whether data is buffered that epoll does not report. */
int connection_has_pending(const struct connection *connection);

/* After the end of input: send close_notify where it is needed. True once the server has closed; otherwise an event
 * follows. */
int connection_shutdown(struct connection *connection);
void connection_close(struct connection *connection);

#endif
