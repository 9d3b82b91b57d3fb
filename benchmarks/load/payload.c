/* What is sent and what must come back, made from the seed. */
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define MOST 16
static struct payload payloads[MOST];
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

static void fill(char *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (char)(next_random() >> 32);
}

static void fill_line(char *at, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++)
        at[i] = (char)(' ' + (next_random() >> 32) % 95);
    at[size - 1] = '\n';
}

static void make(struct payload *payload)
{
    size_t head = strcmp(options.mode, "frames") ? 0 : 4, each = head + options.size;
    payload->request_size = payload->answer_size = each * (size_t)options.batch;
    char *at = payload->request = payload->answer = malloc(payload->request_size);
    if (!at)
        fail("no memory for the payload");
    for (int i = 0; i < options.batch; i++, at += each) {
        for (size_t b = 0; b < head; b++)
            at[b] = (char)(options.size >> (8 * (head - 1 - b)));
        if (!strcmp(options.mode, "lines") || !strcmp(options.mode, "connect"))
            fill_line(at, options.size);
        else
            fill(at + head, options.size);
    }
    if (!strcmp(options.mode, "blocks")) { /* answered by its last byte */
        payload->answer = payload->request + payload->request_size - 1;
        payload->answer_size = 1;
    }
}

void make_payloads(void)
{
    size_t one = options.size * (size_t)options.batch;
    count = MOST;
    while (count > 2 && count * one > 1 << 20) /* they should stay in the cache */
        count /= 2;
    for (unsigned i = 0; i < count; i++)
        make(&payloads[i]);
}

const struct payload *payload_of(unsigned turn)
{
    return &payloads[turn % count];
}

char *source_pattern(size_t extra)
{
    char *pattern = malloc(SOURCE_BLOCK + extra);
    if (!pattern)
        fail("no memory for the pattern");
    for (size_t i = 0; i < SOURCE_BLOCK + extra; i++) {
        size_t at = i % SOURCE_BLOCK;
        pattern[i] = (char)(at * 31 + (at >> 8));
    }
    return pattern;
}
