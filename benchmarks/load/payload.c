/* Requests and the expected responses, generated from the seed. */
#include "payload.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "options.h"

#define MAX_PAYLOADS 16
static struct payload payloads[MAX_PAYLOADS];
static unsigned count;

static uint64_t next_random(void)
{
    static uint64_t state;
    if (!state)
        state = options.seed * 0x9E3779B97F4A7C15u | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void fill_binary(char *record, size_t size)
{
    for (size_t i = 0; i < size; i++)
        record[i] = (char)(next_random() >> 32);
}

static void fill_line(char *record, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++)
        record[i] = (char)(' ' + (next_random() >> 32) % 95);
    record[size - 1] = '\n';
}

static void generate(struct payload *payload)
{
    size_t header = strcmp(options.mode, "frames") ? 0 : 4, record_size = header + options.size;
    payload->request_size = payload->response_size = record_size * (size_t)options.batch;
    char *record = payload->request = payload->response = malloc(payload->request_size);
    if (!record)
        fail("no memory for the payload");
    for (int i = 0; i < options.batch; i++, record += record_size) {
        for (size_t b = 0; b < header; b++)
            record[b] = (char)(options.size >> (8 * (header - 1 - b)));
        if (!strcmp(options.mode, "lines") || !strcmp(options.mode, "connect"))
            fill_line(record, options.size);
        else
            fill_binary(record + header, options.size);
    }
    if (!strcmp(options.mode, "blocks")) { /* the server returns the last byte only */
        payload->response = payload->request + payload->request_size - 1;
        payload->response_size = 1;
    }
}

void payloads_init(void)
{
    size_t request_size = options.size * (size_t)options.batch;
    count = MAX_PAYLOADS;
    while (count > 2 && count * request_size > 1 << 20) /* all payloads together fit into the CPU cache */
        count /= 2;
    for (unsigned i = 0; i < count; i++)
        generate(&payloads[i]);
}

const struct payload *payload_at(unsigned index)
{
    return &payloads[index % count];
}

char *source_pattern(size_t extra)
{
    char *pattern = malloc(SOURCE_PERIOD + extra);
    if (!pattern)
        fail("no memory for the pattern");
    for (size_t i = 0; i < SOURCE_PERIOD + extra; i++) {
        size_t offset = i % SOURCE_PERIOD;
        pattern[i] = (char)(offset * 31 + (offset >> 8));
    }
    return pattern;
}
