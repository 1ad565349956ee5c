/*
 * Process settings that the data path reads, and what main hands to the workers. Immutable but for
 * `worker_shared`; they outlive the workers.
 */
#ifndef OUTRIGGER_PROXY_SETTINGS_H
#define OUTRIGGER_PROXY_SETTINGS_H

#include <stdint.h>

#include "common/cidr.h"
#include "common/svid.h"
#include "proxy/codec/limits.h"

/* What all workers of the process count together. */
struct worker_shared {
    _Atomic uint32_t connections; /* open, both directions */
    _Atomic uint32_t inbound;
};

/* Whom sampled requests are told to. */
struct trace_export;
struct tracing {
    uint64_t ratio; /* of TRACE_ALL: how many of the traces that begin here are sampled */
    struct trace_export *export;
};

struct access_log;
struct tap_hub;

struct worker_settings {
    uint16_t inbound_port, outbound_port; /* 15006, 15001; listened on [::] and 0.0.0.0 */
    uint16_t admin_port;           /* a loop as well when it is an outbound destination of itself */
    uint32_t socket_mark;          /* SO_MARK on upstream sockets; 0: none */
    uint64_t handshake_timeout_ms; /* accept to end of TLS handshake; default 10 s */
    uint64_t detect_timeout_ms;    /* silence after which a connection is opaque; 50 ms */
    uint64_t connect_timeout_ms;   /* default 5 s, unless the configuration says */
    uint64_t idle_timeout_ms;      /* default 1 h */
    uint64_t discovery_timeout_ms; /* default 1 s */
    uint32_t max_connections;      /* of the process, both directions; 0: none */
    unsigned connect_attempts;     /* endpoints tried for one connection; default 3 */
    bool access_log;               /* one line a connection and request at its end */
    const struct access_log *lines; /* how requests are told of; NULL: as events, all of them */
    struct tap_hub *taps;           /* who looks at live requests; NULL: nobody can */
    size_t max_flows;               /* sets of metric labels a worker; 0: 1000 */

    uint64_t pool_idle_timeout_ms; /* HTTP upstream; 0: 1 min */
    uint64_t pool_max_age_ms;      /* 0: none */
    uint32_t pool_max_connections; /* of one pool; 0: no cap */
    uint32_t pool_max_pending;     /* requests that wait for one pool; 0: 1024 */
    struct codec_limits limits;    /* of HTTP; max_streams 0: all of codec_default_limits */

    const struct tracing *tracing; /* NULL: no spans are recorded */

    struct worker_shared *shared; /* NULL: each worker counts for itself */
    /* Where a redirected connection was going; NULL: the kernel is asked. For tests and benchmarks.
     */
    bool (*original_dst)(int fd, struct sockaddr_any *destination);
};

/* TLS contexts of one generation of the proxy's certificate; each held by whoever keeps it. */
struct worker_tls {
    struct svid_tls
        *client; /* NULL: no certificate yet (or expired): mTLS is refused, not skipped */
    struct svid_tls *server;
};

#endif
