/* A connection as the modes see it, with TLS 1.3 or without: the same calls, and the errors of send and recv.
 *
 * What both sides agree on is fixed here, so that every server does the same work: TLS_AES_128_GCM_SHA256 and X25519.
 * The server must have the key of the one certificate that is expected: who signed that is not asked, which would take
 * longer than the rest of a handshake. Whatever TLS finds wrong ends the run. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

/* So that it is not the load that is slow: many of TLS's records by one recv or one write, where much goes one way. */
#define AT_ONCE (1 << 18)
#define MOST 4096

static SSL_CTX *context;
static int gathers; /* writes */
static unsigned char expected[MOST]; /* the server's certificate */
static int expected_size;
static SSL_SESSION *latest; /* the session of the newest ticket, where sessions are resumed */

static _Noreturn void fail_tls(const char *doing)
{
    char reason[200] = "the server cut the connection";
    unsigned long error = ERR_get_error();
    if (error)
        ERR_error_string_n(error, reason, sizeof reason);
    fail("TLS: %s: %s", doing, reason);
}

static void read_expected(void)
{
    FILE *file = fopen(options.certificate, "r");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    unsigned char *end = expected;
    if (!certificate || i2d_X509(certificate, NULL) > MOST)
        fail("%s is no certificate, or a large one", options.certificate);
    expected_size = i2d_X509(certificate, &end);
    X509_free(certificate);
    fclose(file);
}

static int is_expected(X509_STORE_CTX *store, void *unused)
{
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    unsigned char shown[MOST], *end = shown;
    (void)unused;
    if (i2d_X509(certificate, NULL) != expected_size || i2d_X509(certificate, &end) != expected_size ||
        memcmp(shown, expected, (size_t)expected_size)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
        return 0;
    }
    return 1;
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
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(context, "X25519"))
        fail_tls("preparing");
    read_expected();
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, is_expected, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    gathers = !strcmp(options.mode, "blocks");
    if (!strcmp(options.mode, "source"))
        SSL_CTX_set_default_read_buffer_len(context, AT_ONCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (options.tls == TLS_RESUMED) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep);
    }
}

/* OpenSSL lets no session be resumed twice, and many connections that begin at once have the same: each has a copy. */
static int resume(SSL *tls)
{
    SSL_SESSION *copy = SSL_SESSION_dup(latest);
    int done = copy && SSL_set_session(tls, copy);
    SSL_SESSION_free(copy);
    return done;
}

static void gather_writes(SSL *tls)
{
    BIO *gathering = BIO_new(BIO_f_buffer()), *socket = SSL_get_wbio(tls);
    if (!gathering || !BIO_set_write_buffer_size(gathering, AT_ONCE) || !BIO_up_ref(socket))
        fail_tls("a connection");
    SSL_set0_wbio(tls, BIO_push(gathering, socket));
}

void wire_open(struct wire *wire, int fd)
{
    wire->fd = fd;
    wire->tls = NULL;
    wire->is_ready = options.tls == TLS_NONE;
    if (wire->is_ready)
        return;
    wire->tls = SSL_new(context);
    if (!wire->tls || !SSL_set_fd(wire->tls, fd) || !SSL_set_tlsext_host_name(wire->tls, "localhost") ||
        (latest && !resume(wire->tls)))
        fail_tls("a connection");
    if (gathers)
        gather_writes(wire->tls);
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

void wire_flush(struct wire *wire)
{
    if (!gathers)
        return;
    BIO *writing = SSL_get_wbio(wire->tls);
    if (BIO_flush(writing) <= 0 && !BIO_should_retry(writing))
        fail("send: %s", strerror(errno));
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
