#ifndef MEASUREMENT_H
#define MEASUREMENT_H

#include <stdint.h>

/* A warm-up, then the measurement window. Only what happens in the window is counted. */
void measurement_start(void);
/* Open or close the window according to `time`; true once the window is closed. Call it in each turn of the loop. */
int measurement_update(uint64_t time);
void measurement_add(uint64_t messages, uint64_t bytes);
void measurement_add_latency(uint64_t nanoseconds);
void measurement_print(void); /* the result, as one line of JSON */

#endif
