/*
 * Opening a TCP connection upstream: one attempt, and the attempts that have been made for one
 * downstream connection on several endpoints of a service.
 */
#ifndef OUTRIGGER_PROXY_UPSTREAM_CONNECT_H
#define OUTRIGGER_PROXY_UPSTREAM_CONNECT_H

#include "proxy/balance/balancer.h"
#include "proxy/telemetry/telemetry.h"

/*
 * Begins to connect; never blocks. *fd is the socket (TCP_NODELAY, SO_MARK `mark` unless 0) and the
 * result 0 when it is connected or EINPROGRESS when it will be; else an errno and *fd is -1.
 */
int connect_begin(const struct sockaddr_any *to, uint32_t mark, int *fd) MUST_USE;

/*
 * What an errno of connecting means: NO_DESCRIPTORS and NO_MEMORY (counted as shed; another address
 * would not help), CONNECT_TIMEOUT, CONNECT_FAILED. `text` is filled with one line.
 */
enum reason connect_failed(struct telemetry_shard *telemetry, int error, char *text, size_t size);

#define CONNECT_ATTEMPTS_MAX 8

/*
 * Endpoints that were tried, in order; the last one is the current one. They stay taken until
 * attempts_end(), so that the balancer does not offer them again.
 */
struct attempts {
    struct balanced *tried[CONNECT_ATTEMPTS_MAX];
    unsigned n;
    uint64_t started_ns; /* of the current one */
};

/* The next endpoint, or NULL: none is left, or `max` (at most CONNECT_ATTEMPTS_MAX) were tried. */
const struct endpoint *attempts_next(struct attempts *attempts, struct balancer *balancer,
                                     unsigned max, uint64_t now_ns) MUST_USE;
/* Tells the balancer how the current one went. Nothing without a current one. */
void attempts_failed(struct attempts *attempts, uint64_t penalty_ns, uint64_t now_ns);
/* Gives back the others at once; the current one stays, counted as open. */
void attempts_connected(struct attempts *attempts, uint64_t now_ns);
/* balanced_result() of the current one; 0 without one. */
unsigned attempts_result(struct attempts *attempts, const struct outlier_rules *rules,
                         enum outcome outcome, uint64_t now_ns);
/* The connection is over: gives back all. May be called twice. */
void attempts_end(struct attempts *attempts);

#endif
