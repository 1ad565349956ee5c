/*
 * One worker thread: its event base, SO_REUSEPORT listeners, connections, balancers and counters.
 * Nothing is shared with another worker but immutable configuration and single atomics. Everything
 * here is called from the main thread; the worker is told by letters.
 */
#ifndef OUTRIGGER_PROXY_WORKER_H
#define OUTRIGGER_PROXY_WORKER_H

#include <stdint.h>

#include "common/cidr.h"
#include "common/err.h"
#include "common/mailbox.h"
#include "common/svid.h"
#include "proxy/snapshot.h"
#include "proxy/telemetry/telemetry.h"

/* Process settings that the data path reads; immutable, outlive the workers. */
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
    bool access_log;               /* one line a connection at its end */
};

/* TLS contexts of one generation of the proxy's certificate; each held by whoever keeps it. */
struct worker_tls {
    struct svid_tls
        *client; /* NULL: no certificate yet (or expired): mTLS is refused, not skipped */
    struct svid_tls *server;
};

struct worker;

/*
 * What a worker asks of the main thread. Both are called on the MAIN thread (through its mailbox).
 * `want_service`: a destination nobody has asked for yet ("10.96.0.10:80"); asked again only after
 * the snapshot has answered or `forget`. The answer is a snapshot that has it, known or unknown.
 */
struct worker_callbacks {
    void (*want_service)(void *context, struct slice resource);
    void (*stopped)(void *context,
                    struct worker *worker); /* after worker_drain/stop: thread done */
    void *context;
};

/* Starts the thread; listeners are open when it returns. `main_box` is the main thread's mailbox.
 */
struct worker *worker_start(unsigned index, const struct worker_settings *settings,
                            const struct worker_callbacks *callbacks, struct mailbox *main_box,
                            struct err *err);

/* Each takes a reference of its own. Cheap; the last one published wins. */
void worker_publish(struct worker *worker, struct snapshot *snapshot);
void worker_publish_tls(struct worker *worker, const struct worker_tls *tls);

/*
 * Graceful end: inbound and outbound connections are still accepted while others are open; the
 * worker stops when none is left, or at the deadline, when the rest is reset (REASON_DRAINED).
 */
void worker_drain(struct worker *worker, uint64_t timeout_ms);
void worker_stop(struct worker *worker); /* now */
void worker_join(struct worker *worker); /* waits for the thread, frees */

/* Counters; may be read at any time until worker_join(). */
const struct telemetry_shard *worker_telemetry(const struct worker *worker);

/*
 * Asks the worker for its connections or balancers as JSON (for the admin pages). `done` is called
 * once, on the main thread, with a new reference (NULL when memory was short or it has stopped).
 */
enum worker_view { WORKER_CONNECTIONS, WORKER_BALANCERS, WORKER_MEMORY };
struct json_t;
void worker_inspect(struct worker *worker, enum worker_view view,
                    void (*done)(void *context, struct json_t *json), void *context);

#endif
