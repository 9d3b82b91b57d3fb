#ifndef FAILURE_H
#define FAILURE_H

/* Print {"error": reason} as one line of JSON, and exit with status 1. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
