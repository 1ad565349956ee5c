/*
 * What the programs of the benchmarks share. Any failure ends the program with one line: a
 * benchmark of failures is worth nothing.
 */
#ifndef OUTRIGGER_TEST_BENCH_TOOL_H
#define OUTRIGGER_TEST_BENCH_TOOL_H

#include <stddef.h>
#include <stdint.h>

#include "common/cidr.h"

void tool_die(const char *what) __attribute__((noreturn)); /* with errno; exit code 1 */
uint64_t tool_number(const char *text);
struct sockaddr_any tool_target(const char *host, const char *port);
void tool_raise_limits(void); /* as many descriptors as the machine allows */

int tool_listen(const char *port); /* [::] and 0.0.0.0, non-blocking */
void tool_set_nodelay(int fd);
/* Blocking connect: connections under load are opened one after the other, as applications do. */
int tool_dial(const struct sockaddr_any *addr);
void tool_write(int fd, const char *bytes, size_t len);
void tool_read(int fd, char *into, size_t len);

/* One JSON object with percentiles of `n` latencies (nanoseconds), which are sorted. */
void tool_report(uint64_t *latencies, uint64_t n, double seconds);

#endif
