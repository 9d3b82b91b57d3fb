/* Warm-up and the measured window: what is counted, and the line that says it. */
#include <stdio.h>

#include "load.h"

#define MANY 200   /* connections, each of which must have been answered */
#define TURNS 4u    /* times, on the average, before the window opens */
#define SILENCE 15u /* seconds without an answer after which a run has failed */

static uint64_t opens, closes, opened, closed, current, last_progress;
static uint64_t answered, messages, bytes, server_cpu, load_cpu, wait;
static int is_open;

void window_begin(void)
{
    current = last_progress = now();
    opens = last_progress + (uint64_t)(options.warmup * 1e9);
}

int window_tick(uint64_t time)
{
    current = time;
    if (time > last_progress + SILENCE * UINT64_C(1000000000))
        fail("nothing came for %u seconds", SILENCE);
    /* Thousands of connections may need longer than the warm-up for their first answers. */
    int is_warm = options.connections < MANY || answered >= TURNS * (uint64_t)options.connections;
    if (!opened && time >= opens && is_warm) {
        histogram_clear();
        server_cpu = cpu_of_server();
        load_cpu = cpu_of_load();
        wait = waited();
        opened = now();
        closes = opened + (uint64_t)(options.seconds * 1e9);
        is_open = 1;
    } else if (is_open && time >= closes) {
        closed = now();
        server_cpu = cpu_of_server() - server_cpu;
        load_cpu = cpu_of_load() - load_cpu;
        wait = waited() - wait;
        is_open = 0;
    }
    return closed != 0;
}

void window_count(uint64_t more_messages, uint64_t more_bytes)
{
    last_progress = current;
    answered += more_messages;
    if (is_open) {
        messages += more_messages;
        bytes += more_bytes;
    }
}

void window_latency(uint64_t nanoseconds)
{
    if (is_open)
        histogram_add(nanoseconds);
}

void window_report(void)
{
    if (!messages && !bytes)
        fail("nothing was completed within the window");
    printf("{\"messages\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"load_cpu_seconds\": %.6f, "
           "\"waited_seconds\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f}\n",
           (unsigned long long)messages, (unsigned long long)bytes, (double)(closed - opened) / 1e9,
           (double)server_cpu / 1e9, (double)load_cpu / 1e9, (double)wait / 1e9,
           histogram_quantile(0.5), histogram_quantile(0.99));
}
