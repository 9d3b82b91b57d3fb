/* The warm-up, the measurement window, and the result. */
#include "measurement.h"

#include <stdio.h>

#include "clocks.h"
#include "failure.h"
#include "histogram.h"
#include "options.h"

#define MANY_CONNECTIONS 200    /* from here on, the warm-up also waits for responses */
#define WARMUP_RESPONSES 4u     /* how many per connection, on average */
#define PROGRESS_TIMEOUT 15u    /* the run fails after so many seconds without progress */

static uint64_t earliest_start, planned_end, started, ended, current, last_progress;
static uint64_t responses, messages, bytes, server_cpu, own_cpu, waited;
static int is_open;

void measurement_start(void)
{
    current = last_progress = now();
    earliest_start = last_progress + (uint64_t)(options.warmup * 1e9);
}

int measurement_update(uint64_t time)
{
    current = time;
    if (time > last_progress + PROGRESS_TIMEOUT * UINT64_C(1000000000))
        fail("nothing came for %u seconds", PROGRESS_TIMEOUT);
    /* The first responses on thousands of connections can take longer than the warm-up. */
    int is_warm =
        options.connections < MANY_CONNECTIONS || responses >= WARMUP_RESPONSES * (uint64_t)options.connections;
    if (!started && time >= earliest_start && is_warm) {
        histogram_clear();
        server_cpu = server_cpu_time();
        own_cpu = own_cpu_time();
        waited = run_queue_time();
        started = now();
        planned_end = started + (uint64_t)(options.seconds * 1e9);
        is_open = 1;
    } else if (is_open && time >= planned_end) {
        ended = now();
        server_cpu = server_cpu_time() - server_cpu;
        own_cpu = own_cpu_time() - own_cpu;
        waited = run_queue_time() - waited;
        is_open = 0;
    }
    return ended != 0;
}

void measurement_add(uint64_t more_messages, uint64_t more_bytes)
{
    last_progress = current;
    responses += more_messages;
    if (is_open) {
        messages += more_messages;
        bytes += more_bytes;
    }
}

void measurement_add_latency(uint64_t nanoseconds)
{
    if (is_open)
        histogram_add(nanoseconds);
}

void measurement_print(void)
{
    if (!messages && !bytes)
        fail("nothing was completed within the window");
    printf("{\"messages\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, "
           "\"load_cpu_seconds\": %.6f, \"waited_seconds\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f}\n",
           (unsigned long long)messages, (unsigned long long)bytes, (double)(ended - started) / 1e9,
           (double)server_cpu / 1e9, (double)own_cpu / 1e9, (double)waited / 1e9,
           histogram_quantile(0.5), histogram_quantile(0.99));
}
