/* A connection as the modes see it, with TLS 1.3 or without: the same calls, and the errors of send and recv.
 *
 * What the two sides agree on is fixed here, so that every server does the same work: TLS_AES_128_GCM_SHA256 and X25519.
 * The server's certificate is checked against the one authority. Whatever TLS itself finds wrong ends the run. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define NAME "localhost"
#define READ_AHEAD (1 << 18) /* many records by one recv: the load is never to be what is slow */

static SSL_CTX *context;
static SSL_SESSION *latest; /* the session of the newest ticket, where sessions are resumed */

static _Noreturn void fail_tls(const char *doing)
{
    char reason[200] = "the server cut the connection";
    unsigned long error = ERR_get_error();
    if (error)
        ERR_error_string_n(error, reason, sizeof reason);
    fail("TLS: %s: %s", doing, reason);
}

static int keep(SSL *tls, SSL_SESSION *session)
{
    (void)tls;
    SSL_SESSION_free(latest);
    latest = session;
    return 1;
}

void secure_prepare(void)
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes by write() */
    context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(context, "X25519") ||
        !SSL_CTX_load_verify_locations(context, options.authority, NULL))
        fail_tls(options.authority);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (options.tls == TLS_RESUMED) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep);
    }
}

void wire_open(struct wire *wire, int fd)
{
    wire->fd = fd;
    wire->tls = NULL;
    wire->is_ready = options.tls == TLS_NONE;
    if (wire->is_ready)
        return;
    wire->tls = SSL_new(context);
    if (!wire->tls || !SSL_set_fd(wire->tls, fd) || !SSL_set_tlsext_host_name(wire->tls, NAME) ||
        !SSL_set1_host(wire->tls, NAME) || (latest && !SSL_set_session(wire->tls, latest)))
        fail_tls("a connection");
    wire->is_resuming = latest != NULL;
    SSL_set_connect_state(wire->tls);
}

/* What a call of OpenSSL that returned `result` means in the words of send and recv. */
static ssize_t outcome(const struct wire *wire, int result, const char *doing)
{
    if (result > 0)
        return result;
    switch (SSL_get_error(wire->tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        if (errno)
            return -1;
    }
    fail_tls(doing);
}

int wire_handshake(struct wire *wire)
{
    if (wire->is_ready)
        return 1;
    if (outcome(wire, SSL_do_handshake(wire->tls), "handshake") <= 0) {
        if (errno != EAGAIN)
            fail("TLS: handshake: %s", strerror(errno));
        return 0;
    }
    if (SSL_session_reused(wire->tls) != wire->is_resuming)
        fail("TLS: the server did not resume a session");
    wire->is_ready = 1;
    return 1;
}

void wire_handshake_now(struct wire *wire, int number)
{
    while (!wire_handshake(wire)) {
        short wanted = SSL_want_write(wire->tls) ? POLLOUT : POLLIN;
        struct pollfd one = {.fd = wire->fd, .events = wanted};
        if (poll(&one, 1, 10000) != 1)
            fail("connection %d: no handshake within 10 seconds", number);
    }
}

void secure_have_ticket(void)
{
    struct wire wire;
    char nothing;
    wire_open(&wire, begin_connect(0));
    wire_handshake_now(&wire, 0);
    while (!latest) {
        struct pollfd one = {.fd = wire.fd, .events = POLLIN};
        ssize_t n = wire_receive(&wire, &nothing, 1);
        if (n >= 0 || errno != EAGAIN || (!latest && poll(&one, 1, 10000) != 1))
            fail("TLS: the server gave no ticket");
    }
    wire_close(&wire);
}

ssize_t wire_send(struct wire *wire, const void *data, size_t size)
{
    if (!wire->tls)
        return send(wire->fd, data, size, MSG_NOSIGNAL);
    errno = 0;
    return outcome(wire, SSL_write(wire->tls, data, (int)size), "send");
}

ssize_t wire_receive(struct wire *wire, void *data, size_t size)
{
    if (!wire->tls)
        return recv(wire->fd, data, size, 0);
    errno = 0;
    return outcome(wire, SSL_read(wire->tls, data, (int)size), "recv");
}

int wire_holds(const struct wire *wire)
{
    return wire->tls && SSL_has_pending(wire->tls);
}

int wire_ended(struct wire *wire)
{
    char rest;
    if (!wire->tls)
        return 1;
    /* Some have closed their socket by now, and would answer with a reset; the others wait for our close_notify. */
    ssize_t n = recv(wire->fd, &rest, 1, 0);
    if (n > 0)
        fail("TLS: the server sent more after close_notify");
    if (n == 0 || errno == ECONNRESET)
        return 1;
    if (errno != EAGAIN)
        fail("recv: %s", strerror(errno));
    if (!(SSL_get_shutdown(wire->tls) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(wire->tls);
    ERR_clear_error(); /* it fails where the server closed just now, and the end of input tells of that */
    return 0;
}

void wire_close(struct wire *wire)
{
    if (wire->tls) {
        /* Without it OpenSSL would take the session for broken. */
        SSL_set_shutdown(wire->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(wire->tls);
    }
    close(wire->fd);
}
