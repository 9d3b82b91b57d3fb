#ifndef REQUEST_RESPONSE_H
#define REQUEST_RESPONSE_H

#include "connection.h"

/* Send a request on each connection, receive the response, and repeat until the measurement ends. */
void run_request_response(int poller, struct connection *connections);

#endif
