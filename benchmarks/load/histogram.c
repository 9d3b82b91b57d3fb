/* A histogram of latencies. A bucket is at most 1/64 wider than its lower bound, so quantiles are within 1.6 %. */
#include "histogram.h"

#include <string.h>

#define SUB_BUCKETS 64
static uint64_t buckets[64 * SUB_BUCKETS], total;

void histogram_clear(void)
{
    memset(buckets, 0, sizeof buckets);
    total = 0;
}

static unsigned shift_for(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return bits > 7 ? bits - 7 : 0; /* the shifted value is below 128 */
}

void histogram_add(uint64_t nanoseconds)
{
    unsigned shift = shift_for(nanoseconds);
    buckets[shift * SUB_BUCKETS + (nanoseconds >> shift)]++;
    total++;
}

double histogram_quantile(double q)
{
    uint64_t rank = (uint64_t)(q * (double)total), seen = 0;
    for (unsigned i = 0; i < 64 * SUB_BUCKETS; i++) {
        seen += buckets[i];
        if (buckets[i] && seen > rank) {
            unsigned shift = i < 2 * SUB_BUCKETS ? 0 : i / SUB_BUCKETS - 1;
            double low = (double)((uint64_t)(i - shift * SUB_BUCKETS) << shift);
            double width = (double)((uint64_t)1 << shift);
            return (low + width / 2) / 1000;
        }
    }
    return 0;
}
