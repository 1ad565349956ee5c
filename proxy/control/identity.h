/*
 * The proxy's certificate, always in time: asks the controller for the first one, renews at two
 * thirds of the lifetime with jitter, tries again with back-off when that fails, warns before the
 * end and says when it has come. Keys are made here, live in memory only, and are wiped with the
 * last certificate that uses them.
 */
#ifndef OUTRIGGER_PROXY_CONTROL_IDENTITY_H
#define OUTRIGGER_PROXY_CONTROL_IDENTITY_H

#include <event2/event.h>

#include "common/err.h"
#include "common/svid.h"
#include "proxy/telemetry/telemetry.h"

struct identity;

/* Strings must outlive the identity. */
struct identity_settings {
    const char *controller;          /* host:port */
    const char *controller_identity; /* SPIFFE ID that the controller must have */
    uint32_t socket_mark;            /* on the connections to it; 0: none */
    const char *trust_domain;
    const char *token_file;   /* read again at each attempt */
    const char *anchors_file; /* PEM, likewise: what the controller is trusted by */
    uint64_t backoff_min_ms, backoff_max_ms;
    struct telemetry_shard *telemetry;
    /*
     * A new certificate, or NULL: the last one has expired. Not held for the callee. Never called
     * from within a function of this header.
     */
    void (*on_certificate)(void *context, struct svid *svid);
    void *context;
};

/* The first attempt is made in the loop's next turn. */
struct identity *identity_start(struct event_base *base, const struct identity_settings *settings,
                                struct err *err);
void identity_stop(struct identity *identity);

struct svid *identity_svid(const struct identity *identity); /* not held; NULL when none is valid */
const char *identity_error(const struct identity *identity); /* of the last attempt; "" if good */
int64_t identity_next_attempt(const struct identity *identity); /* wall-clock seconds */

/*
 * When to renew a certificate, in wall-clock milliseconds: at two thirds of the lifetime that it
 * had when it came, give or take 5 % of that by `jitter` (0-1000), so that pods that started
 * together do not renew together for ever.
 */
int64_t identity_renewal_ms(int64_t received_ms, int64_t not_after_sec, unsigned jitter);

#endif
