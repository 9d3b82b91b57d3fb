#ifndef SINK_H
#define SINK_H

#include "connection.h"

/* Send data until the measurement ends, then compare the numbers of bytes that the server has counted. */
void run_sink(int poller, struct connection *connections);

#endif
