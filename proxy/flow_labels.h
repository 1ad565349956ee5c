/*
 * Who talks to whom, as counters tell it (struct flow_labels), from what is known of a connection
 * or request. Pure.
 */
#ifndef OUTRIGGER_PROXY_FLOW_LABELS_H
#define OUTRIGGER_PROXY_FLOW_LABELS_H

#include "proxy/config/endpoints.h"
#include "proxy/config/service.h"
#include "proxy/config/workload.h"
#include "proxy/telemetry/telemetry.h"

struct flow_known {
    enum direction direction;
    const char *own_identity;        /* the pod's; "" before it is known */
    const struct workload *workload; /* the pod's; NULL before it is known */
    const char *source_identity;     /* verified; "" */
    const struct endpoint *endpoint; /* outbound; NULL: none was chosen */
    const struct service *service;   /* outbound; NULL, or not known: none */
    const char *tls, *policy;
    const char *route; /* of a request; NULL: none */
};

/* Inbound the pod's own identity; outbound the endpoint's, "" without one. */
static inline const char *flow_destination_identity(enum direction direction,
                                                    const char *own_identity,
                                                    const struct endpoint *endpoint)
{
    if (direction == DIRECTION_INBOUND)
        return own_identity;
    return endpoint ? endpoint->identity : "";
}

/* All but the two namespaces, which are "": they have to be read out of the identities. */
struct flow_labels flow_labels_of(const struct flow_known *known);

/* The namespaces' texts. */
struct flow_namespaces {
    char source[256], destination[256];
};
/* Fills in the namespaces; `labels` is flow_labels_of(known), and needs `texts` from here on. */
void flow_labels_add_namespaces(struct flow_labels *labels, const struct flow_known *known,
                                struct flow_namespaces *texts);

#endif
