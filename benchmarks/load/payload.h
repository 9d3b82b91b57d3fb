#ifndef PAYLOAD_H
#define PAYLOAD_H

#include <stddef.h>

#define SOURCE_PERIOD 65536

struct payload {
    char *request, *response; /* the bytes to send, the bytes that must come back */
    size_t request_size, response_size;
};

/* Generate the payloads from options.seed. Consecutive payloads differ, so a stale response is detected. */
void payloads_init(void);
const struct payload *payload_at(unsigned index); /* any index; the payloads repeat */

/* The data of a source, which repeats after SOURCE_PERIOD bytes: one period and `extra` bytes of the next. */
char *source_pattern(size_t extra);

#endif
