/*
 * The discovery stream (delta aggregated discovery of xDS): kept open for as long as there is a
 * certificate, opened again with back-off when it ends, answered with ACK or NACK. What arrives
 * goes into the resources; what holds is never forgotten because the controller is not there.
 */
#ifndef OUTRIGGER_PROXY_CONTROL_DISCOVERY_H
#define OUTRIGGER_PROXY_CONTROL_DISCOVERY_H

#include <event2/event.h>

#include "common/err.h"
#include "common/svid.h"
#include "proxy/control/resources.h"
#include "proxy/telemetry/telemetry.h"

struct discovery;

/* Strings must outlive the discovery. */
struct discovery_settings {
    const char *controller;          /* host:port */
    const char *controller_identity; /* SPIFFE ID that the controller must have */
    uint32_t socket_mark;            /* on the connections to it; 0: none */
    uint64_t backoff_min_ms, backoff_max_ms;
    uint64_t silence_ms; /* without an answer for so long the stream is given up; 10 s */
    struct resources *resources;
    struct telemetry_shard *telemetry;
    void (*on_change)(void *context); /* the resources may have become dirty */
    void *context;
};

struct discovery *discovery_new(struct event_base *base, const struct discovery_settings *settings,
                                struct err *err);
void discovery_free(struct discovery *discovery);

/*
 * The certificate to connect with, held; the first call opens the stream, each later one moves it
 * to a connection that uses the new certificate. NULL: expired; the stream goes on, but a new one
 * has to wait for a certificate.
 */
void discovery_use_tls(struct discovery *discovery, struct svid_tls *tls);

/* Sends what the resources have noted since. Once a turn is enough. */
void discovery_flush(struct discovery *discovery);

struct discovery_status {
    bool is_open;
    int64_t since;          /* wall-clock seconds of the last change of is_open */
    const char *last_error; /* why the stream is not open; "" while it is */
    const char *last_nack;  /* "" when none */
    uint64_t nacks;
};
struct discovery_status discovery_status(const struct discovery *discovery);

#endif
