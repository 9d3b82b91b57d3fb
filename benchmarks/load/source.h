#ifndef SOURCE_H
#define SOURCE_H

#include "connection.h"

/* Receive data from the server and check it until the measurement ends. */
void run_source(int poller, struct connection *connections);

#endif
