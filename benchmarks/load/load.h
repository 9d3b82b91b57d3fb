/* The load generator's parts, each in the file of its name. One process, one thread, one epoll descriptor. */
#ifndef LOAD_H
#define LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/* ---- options.c ---- */
enum tls { TLS_NONE, TLS_FULL, TLS_RESUMED };

struct options {
    const char *mode;      /* lines, records, frames, blocks, sink, source or connect */
    int port;              /* of the server, on 127.0.0.1 */
    int pid;               /* of the server, whose CPU time is read; 0: none is */
    int cpu;               /* to run on; -1: any */
    int connections;
    int batch;             /* records that are sent at once, each to be answered */
    size_t size;           /* of a record, in bytes */
    double warmup, seconds;
    uint64_t seed;
    enum tls tls;          /* none, or what kind of handshakes */
    const char *certificate; /* the file of the one that the server has */
};
extern struct options options;
void read_options(int argc, char **argv);

/* ---- failure.c ---- */
/* Ends the run: one JSON line with the reason, exit status 1. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- clocks.c ---- */
uint64_t now(void);                 /* monotonic, nanoseconds */
uint64_t cpu_of_server(void);       /* nanoseconds, user and system, of all its threads */
uint64_t cpu_of_load(void);
uint64_t waited(void);               /* nanoseconds for which the server and the load waited for a core */

/* ---- histogram.c ---- */
void histogram_clear(void);
void histogram_add(uint64_t nanoseconds);
double histogram_quantile(double q); /* in microseconds */

/* ---- payload.c ---- */
struct payload {
    char *request, *answer;          /* what is sent, what must return */
    size_t request_size, answer_size;
};
void make_payloads(void);
const struct payload *payload_of(unsigned turn); /* they take turns, so that a stale answer is seen as one */
char *source_pattern(size_t extra);  /* what a source repeats, SOURCE_BLOCK bytes, followed by `extra` more of it */
#define SOURCE_BLOCK 65536

/* ---- window.c ---- */
/* Warm-up, then the measured window. window_tick is called often, with the time; it is true once the window is over. */
void window_begin(void);
int window_tick(uint64_t time);
void window_count(uint64_t messages, uint64_t bytes); /* counts towards the window, if it is open */
void window_latency(uint64_t nanoseconds);
void window_report(void);            /* the one JSON line */

/* ---- secure.c ---- */

struct wire {
    int fd, is_ready, is_resuming;
    struct ssl_st *tls;               /* NULL without TLS */
};

void secure_prepare(void);            /* once, where there is TLS */
void wire_open(struct wire *wire, int fd);
int wire_handshake(struct wire *wire); /* as far as it goes; true once it is done, or where there is none */
void wire_handshake_now(struct wire *wire, int number);
void secure_have_ticket(void);        /* one connection, so that all that follow resume its session */
ssize_t wire_send(struct wire *wire, const void *data, size_t size);
void wire_flush(struct wire *wire);   /* what wire_send has kept back, as far as there is room; again at EPOLLOUT */
ssize_t wire_receive(struct wire *wire, void *data, size_t size); /* 0: the end, which TLS has signed */
int wire_holds(const struct wire *wire); /* whether it has bytes that epoll will not tell of */
int wire_ended(struct wire *wire);    /* after that end: whether the server has closed; if not, an event will tell */
void wire_close(struct wire *wire);

/* ---- connecting.c ---- */
int begin_connect(unsigned number);  /* a non-blocking socket, on its way; `number` chooses its source address */
void end_connect(int fd);            /* fails the run unless it is connected */
void connect_all(struct wire *wires); /* all options.connections, a few at a time, and their handshakes */

/* ---- the modes: exchange.c, sink.c, source.c, churn.c ---- */
void run_exchange(int epoll, struct wire *wires);
void run_sink(int epoll, struct wire *wires);
void run_source(int epoll, struct wire *wires);
void run_churn(int epoll);

/* ---- main.c ---- */
void watch(int epoll, int fd, uint32_t interest, void *what);
#define EVENTS 512

#endif
