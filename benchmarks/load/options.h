#ifndef OPTIONS_H
#define OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum tls_mode { TLS_NONE, TLS_FULL, TLS_RESUMED };

struct options {
    const char *mode;        /* lines, records, frames, blocks, sink, source or connect */
    int port;                /* of the server, on 127.0.0.1 */
    int pid;                 /* of the server, for its CPU time; 0: do not measure it */
    int cpu;                 /* the core to run on; -1: any */
    int connections;
    int batch;               /* records in one request, each of which the server answers */
    size_t size;             /* of a record, in bytes */
    double warmup, seconds;  /* before the measurement; of the measurement */
    uint64_t seed;
    enum tls_mode tls;       /* no TLS, full handshakes, or resumed sessions */
    const char *certificate; /* path of the server's certificate, in PEM */
};
extern struct options options;

/* Set `options` from the command line. Fails on an option or a value that is not valid. */
void options_parse(int argc, char **argv);

#endif
