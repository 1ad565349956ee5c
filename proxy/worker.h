/*
 * One worker thread: its event base, SO_REUSEPORT listeners, connections, balancers and counters.
 * Nothing is shared with another worker but immutable configuration and single atomics. Everything
 * here is called from the main thread; the worker is told by letters.
 */
#ifndef OUTRIGGER_PROXY_WORKER_H
#define OUTRIGGER_PROXY_WORKER_H

#include <stdint.h>

#include "common/err.h"
#include "common/mailbox.h"
#include "proxy/settings.h"
#include "proxy/snapshot.h"
#include "proxy/telemetry/telemetry.h"

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
/* Waits for the thread, frees. In or after `stopped`, or when main_box delivers nothing any more.
 */
void worker_join(struct worker *worker);

/* Counters; may be read at any time until worker_join(). */
const struct telemetry_shard *worker_telemetry(const struct worker *worker);

/* TRIMMED_MEMORY is MEMORY after the worker has given back what is free of its heap. */
enum worker_view {
    WORKER_CONNECTIONS,
    WORKER_POOLS,
    WORKER_BALANCERS,
    WORKER_MEMORY,
    WORKER_TRIMMED_MEMORY,
};
struct json_t;
/*
 * Asks the worker for one of these as JSON (for the admin pages). `done` is called once, on the
 * main thread, with a new reference (NULL when memory was short or it has stopped).
 */
void worker_inspect(struct worker *worker, enum worker_view view,
                    void (*done)(void *context, struct json_t *json), void *context);

#endif
