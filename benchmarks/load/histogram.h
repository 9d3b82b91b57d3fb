#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

void histogram_clear(void);
void histogram_add(uint64_t nanoseconds);
double histogram_quantile(double q); /* in microseconds; 0 while the histogram is empty */

#endif
