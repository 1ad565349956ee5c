/*
 * The webhook's HTTPS server: POST /inject and POST /validate for the API server, GET /healthz for
 * whoever asks whether it is there.
 */
#ifndef OUTRIGGER_CONTROLLER_WEBHOOK_H
#define OUTRIGGER_CONTROLLER_WEBHOOK_H

#include <event2/event.h>

#include "common/cidr.h"
#include "controller/inject/settings.h"
#include "controller/objects/store.h"
#include "controller/webhook_tls.h"

struct webhook_counts {
    uint64_t n_patched, n_unpatched; /* pods */
    uint64_t n_accepted, n_refused;  /* objects that were validated */
    uint64_t n_malformed;            /* answered with 400 */
    uint64_t n_warnings;
};

struct webhook;

/* Everything must outlive it; `store` is asked for namespaces. NULL with `err` filled. */
struct webhook *webhook_start(struct event_base *base, const struct sockaddr_any *listen,
                              const struct inject_settings *settings, const struct store *store,
                              struct webhook_tls *tls, struct err *err);
void webhook_stop(struct webhook *webhook); /* NULL is allowed */

uint16_t webhook_port(const struct webhook *webhook);
const struct webhook_counts *webhook_counts(const struct webhook *webhook);

#endif
