/* Latencies, in buckets of which each is at most 1/64 wider than its lower end: quantiles are right to 1.6 %. */
#include <string.h>

#include "load.h"

#define SUB 64
static uint64_t buckets[64 * SUB], total;

void histogram_clear(void)
{
    memset(buckets, 0, sizeof buckets);
    total = 0;
}

static unsigned shift_of(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return bits > 7 ? bits - 7 : 0; /* what remains is below 128 */
}

void histogram_add(uint64_t value)
{
    unsigned shift = shift_of(value);
    buckets[shift * SUB + (value >> shift)]++;
    total++;
}

double histogram_quantile(double q)
{
    uint64_t wanted = (uint64_t)(q * (double)total), seen = 0;
    for (unsigned i = 0; i < 64 * SUB; i++) {
        seen += buckets[i];
        if (buckets[i] && seen > wanted) {
            unsigned shift = i < 2 * SUB ? 0 : i / SUB - 1;
            double low = (double)((uint64_t)(i - shift * SUB) << shift), width = (double)((uint64_t)1 << shift);
            return (low + width / 2) / 1000;
        }
    }
    return 0;
}
