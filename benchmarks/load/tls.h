#ifndef TLS_H
#define TLS_H

#include <stddef.h>
#include <sys/types.h>

struct ssl_st; /* OpenSSL's SSL */

void tls_init(void);        /* call it once, before everything else here */
int tls_has_session(void);  /* whether new connections resume a session; only with TLS_RESUMED */

/* Protocol errors fail the run. Other errors are returned as send() and recv() return them, with errno. */
struct ssl_st *tls_client(int fd);
int tls_handshake(struct ssl_st *ssl);              /* true once it is complete; false where it has to wait */
int tls_session_reused(struct ssl_st *ssl);         /* after the handshake */
short tls_wanted_events(struct ssl_st *ssl);        /* POLLIN or POLLOUT, what the last call has to wait for */
ssize_t tls_send(struct ssl_st *ssl, const void *data, size_t size);
void tls_flush(struct ssl_st *ssl);                 /* write what tls_send() has buffered, as far as there is room */
ssize_t tls_receive(struct ssl_st *ssl, void *data, size_t size); /* 0: close_notify was received */
int tls_has_pending(const struct ssl_st *ssl);      /* whether data is buffered that epoll does not report */

/* After tls_receive() has returned 0: send close_notify, unless the server has closed its socket already. True once
 * the server has closed; otherwise an event follows. */
int tls_shutdown(struct ssl_st *ssl, int fd);
void tls_free(struct ssl_st *ssl);

#endif
