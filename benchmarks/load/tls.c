/* A TLS 1.3 client by OpenSSL on a non-blocking socket.
 *
 * The cipher suite and the key exchange group are fixed, so that every server does the same work:
 * TLS_AES_128_GCM_SHA256 and X25519. The server's certificate is compared with the expected one. The chain is not
 * verified, which would take longer than the rest of the handshake. */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "failure.h"
#include "options.h"

/* Bulk transfers move many TLS records in one recv or one write, so that the load generator is not the bottleneck. */
#define BULK_BUFFER_SIZE (1 << 18)
#define MAX_CERTIFICATE_SIZE 4096

static SSL_CTX *context;
static int buffers_writes;
static unsigned char expected_certificate[MAX_CERTIFICATE_SIZE]; /* in DER */
static int expected_size;
static SSL_SESSION *session; /* of the newest ticket; NULL unless sessions are resumed */

static _Noreturn void fail_tls(const char *operation)
{
    char reason[200] = "the server cut the connection";
    unsigned long error = ERR_get_error();
    if (error)
        ERR_error_string_n(error, reason, sizeof reason);
    fail("TLS: %s: %s", operation, reason);
}

static void load_expected_certificate(void)
{
    FILE *file = fopen(options.certificate, "r");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    unsigned char *end = expected_certificate;
    if (!certificate || i2d_X509(certificate, NULL) > MAX_CERTIFICATE_SIZE)
        fail("%s is not a certificate, or is too large", options.certificate);
    expected_size = i2d_X509(certificate, &end);
    X509_free(certificate);
    fclose(file);
}

static int verify_certificate(X509_STORE_CTX *store, void *unused)
{
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    unsigned char der[MAX_CERTIFICATE_SIZE], *end = der;
    (void)unused;
    if (i2d_X509(certificate, NULL) != expected_size || i2d_X509(certificate, &end) != expected_size ||
        memcmp(der, expected_certificate, (size_t)expected_size)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
        return 0;
    }
    return 1;
}

static int store_session(SSL *ssl, SSL_SESSION *new_session)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = new_session;
    return 1;
}

void tls_init(void)
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL calls write(), which has no MSG_NOSIGNAL */
    context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(context, "X25519"))
        fail_tls("preparing");
    load_expected_certificate();
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify_certificate, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    buffers_writes = !strcmp(options.mode, "blocks");
    if (!strcmp(options.mode, "source"))
        SSL_CTX_set_default_read_buffer_len(context, BULK_BUFFER_SIZE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (options.tls == TLS_RESUMED) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, store_session);
    }
}

int tls_has_session(void)
{
    return session != NULL;
}

/* OpenSSL resumes a session object once only, and concurrent connections share one ticket: each takes a copy. */
static int set_session(SSL *ssl)
{
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    int done = copy && SSL_set_session(ssl, copy);
    SSL_SESSION_free(copy);
    return done;
}

static void add_write_buffer(SSL *ssl)
{
    BIO *buffer = BIO_new(BIO_f_buffer()), *socket = SSL_get_wbio(ssl);
    if (!buffer || !BIO_set_write_buffer_size(buffer, BULK_BUFFER_SIZE) || !BIO_up_ref(socket))
        fail_tls("a connection");
    SSL_set0_wbio(ssl, BIO_push(buffer, socket));
}

SSL *tls_client(int fd)
{
    SSL *ssl = SSL_new(context);
    if (!ssl || !SSL_set_fd(ssl, fd) || !SSL_set_tlsext_host_name(ssl, "localhost") || (session && !set_session(ssl)))
        fail_tls("a connection");
    if (buffers_writes)
        add_write_buffer(ssl);
    SSL_set_connect_state(ssl);
    return ssl;
}

/* Translate the result of an OpenSSL call into the result and errno of send() and recv(). */
static ssize_t translate_result(const SSL *ssl, int result, const char *operation)
{
    if (result > 0)
        return result;
    switch (SSL_get_error(ssl, result)) {
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
    fail_tls(operation);
}

int tls_handshake(SSL *ssl)
{
    if (translate_result(ssl, SSL_do_handshake(ssl), "handshake") > 0)
        return 1;
    if (errno != EAGAIN)
        fail("TLS: handshake: %s", strerror(errno));
    return 0;
}

int tls_session_reused(SSL *ssl)
{
    return SSL_session_reused(ssl);
}

short tls_wanted_events(SSL *ssl)
{
    return SSL_want_write(ssl) ? POLLOUT : POLLIN;
}

ssize_t tls_send(SSL *ssl, const void *data, size_t size)
{
    errno = 0;
    return translate_result(ssl, SSL_write(ssl, data, (int)size), "send");
}

void tls_flush(SSL *ssl)
{
    if (!buffers_writes)
        return;
    BIO *buffer = SSL_get_wbio(ssl);
    if (BIO_flush(buffer) <= 0 && !BIO_should_retry(buffer))
        fail("send: %s", strerror(errno));
}

ssize_t tls_receive(SSL *ssl, void *data, size_t size)
{
    errno = 0;
    return translate_result(ssl, SSL_read(ssl, data, (int)size), "recv");
}

int tls_has_pending(const SSL *ssl)
{
    return SSL_has_pending(ssl);
}

int tls_shutdown(SSL *ssl, int fd)
{
    char extra;
    /* A server that has closed its socket would answer close_notify with a reset. Other servers wait for it. */
    ssize_t n = recv(fd, &extra, 1, 0);
    if (n > 0)
        fail("TLS: the server sent more after close_notify");
    if (n == 0 || errno == ECONNRESET)
        return 1;
    if (errno != EAGAIN)
        fail("recv: %s", strerror(errno));
    if (!(SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN))
        SSL_shutdown(ssl);
    ERR_clear_error(); /* SSL_shutdown() fails if the server has just closed; the next recv() reports the close */
    return 0;
}

void tls_free(SSL *ssl)
{
    /* OpenSSL invalidates the session of a connection that was not shut down. */
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
}
