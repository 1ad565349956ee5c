/*
 * Ports on which the server was found to speak first, so that nobody waits there for a client's
 * first bytes again. What counts is that the server spoke, not that a client was silent: a client
 * that only waits teaches nothing, or one of them could make all others opaque. A server that says
 * "HTTP/" first (a 408 to a client that was idle) teaches nothing either.
 *
 * The memory is a part of the configuration that the port belongs to, a Service or the Workload,
 * and is forgotten with it when that changes. Any thread may read and write it.
 */
#ifndef OUTRIGGER_PROXY_DETECT_PORT_MEMORY_H
#define OUTRIGGER_PROXY_DETECT_PORT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

/* Of one Workload; more are not remembered, and cost their clients detect_timeout each time. */
#define PORT_MEMORY_MAX 16
#define PORT_MEMORY_WHY "the server spoke first"

/* All zero: nothing is remembered. */
struct port_memory {
    _Atomic uint64_t entries[PORT_MEMORY_MAX]; /* seconds since the epoch << 16 | port; 0: free */
};

/* `spoken`: the server's first bytes. `port` is not 0. */
void port_memory_note(struct port_memory *memory, uint16_t port, struct slice spoken,
                      int64_t now_sec);
bool port_memory_has(const struct port_memory *memory, uint16_t port);
/* Copies what is remembered: ports, and since when in seconds since the epoch. Returns how many. */
size_t port_memory_list(const struct port_memory *memory, uint16_t ports[PORT_MEMORY_MAX],
                        int64_t since_sec[PORT_MEMORY_MAX]);

#endif
