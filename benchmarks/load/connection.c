/* A connection to the server, with TLS or without. */
#include "connection.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failure.h"
#include "options.h"
#include "poller.h"
#include "tcp.h"
#include "tls.h"

#define MAX_CONNECTING 32 /* below the listen backlog of every server, so that no SYN is dropped and sent again */

void connection_start(struct connection *connection, unsigned number)
{
    connection->fd = tcp_connect(number);
    connection->is_ready = options.tls == TLS_NONE;
    connection->is_resuming = tls_has_session();
    connection->ssl = connection->is_ready ? NULL : tls_client(connection->fd);
}

int connection_handshake(struct connection *connection)
{
    if (connection->is_ready)
        return 1;
    if (!tls_handshake(connection->ssl))
        return 0;
    if (tls_session_reused(connection->ssl) != connection->is_resuming)
        fail("TLS: the server did not resume a session");
    connection->is_ready = 1;
    return 1;
}

static void complete_handshake(struct connection *connection, int number)
{
    while (!connection_handshake(connection))
        if (!poll_one(connection->fd, tls_wanted_events(connection->ssl)))
            fail("connection %d: no handshake within 10 seconds", number);
}

void connection_start_all(struct connection *connections)
{
    for (int first = 0; first < options.connections; first += MAX_CONNECTING) {
        int last = first + MAX_CONNECTING < options.connections ? first + MAX_CONNECTING : options.connections;
        for (int i = first; i < last; i++)
            connection_start(&connections[i], (unsigned)i);
        for (int i = first; i < last; i++) {
            if (!poll_one(connections[i].fd, POLLOUT))
                fail("connection %d was not made within 10 seconds", i);
            tcp_check_connected(connections[i].fd);
            complete_handshake(&connections[i], i);
        }
    }
}

void connection_fetch_ticket(void)
{
    struct connection connection;
    char unused;
    connection_start(&connection, 0);
    complete_handshake(&connection, 0);
    while (!tls_has_session()) {
        ssize_t n = connection_receive(&connection, &unused, 1);
        if (n >= 0 || errno != EAGAIN || (!tls_has_session() && !poll_one(connection.fd, POLLIN)))
            fail("TLS: the server gave no ticket");
    }
    connection_close(&connection);
}

ssize_t connection_send(struct connection *connection, const void *data, size_t size)
{
    if (connection->ssl)
        return tls_send(connection->ssl, data, size);
    return send(connection->fd, data, size, MSG_NOSIGNAL);
}

void connection_flush(struct connection *connection)
{
    if (connection->ssl)
        tls_flush(connection->ssl);
}

ssize_t connection_receive(struct connection *connection, void *data, size_t size)
{
    if (connection->ssl)
        return tls_receive(connection->ssl, data, size);
    return recv(connection->fd, data, size, 0);
}

int connection_has_pending(const struct connection *connection)
{
    return connection->ssl && tls_has_pending(connection->ssl);
}

int connection_shutdown(struct connection *connection)
{
    return !connection->ssl || tls_shutdown(connection->ssl, connection->fd);
}

void connection_close(struct connection *connection)
{
    if (connection->ssl)
        tls_free(connection->ssl);
    close(connection->fd);
}
