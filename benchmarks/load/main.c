/* The load generator: drives a server on 127.0.0.1, checks every byte, and prints one line of JSON. See README.md. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "connection.h"
#include "failure.h"
#include "measurement.h"
#include "options.h"
#include "payload.h"
#include "poller.h"
#include "request_response.h"
#include "short_lived.h"
#include "sink.h"
#include "source.h"
#include "tls.h"

static void raise_descriptor_limit(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static void pin_to_core(int cpu)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET((size_t)cpu, &cores);
    if (sched_setaffinity(0, sizeof cores, &cores))
        fail("core %d cannot be had: %s", cpu, strerror(errno));
}

static void run_long_lived(int poller)
{
    struct connection *connections = calloc((size_t)options.connections, sizeof *connections);
    if (!connections)
        fail("no memory for the connections");
    connection_start_all(connections);
    if (!strcmp(options.mode, "sink"))
        run_sink(poller, connections);
    else if (!strcmp(options.mode, "source"))
        run_source(poller, connections);
    else
        run_request_response(poller, connections);
    free(connections);
}

int main(int argc, char **argv)
{
    options_parse(argc, argv);
    raise_descriptor_limit();
    if (options.cpu >= 0)
        pin_to_core(options.cpu);
    payloads_init();
    if (options.tls != TLS_NONE)
        tls_init();
    int poller = poller_create();
    if (!strcmp(options.mode, "connect"))
        run_short_lived(poller);
    else
        run_long_lived(poller);
    measurement_print();
    return 0;
}
