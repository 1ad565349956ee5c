/*
 * Reads a DeltaDiscoveryRequest and checks what the protocol leaves open, before anything acts on
 * it. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_DELTA_REQUEST_H
#define OUTRIGGER_CONTROLLER_DELTA_REQUEST_H

#include "common/err.h"
#include "common/slice.h"
#include "proto/discovery.pb-c.h"

typedef Envoy__Service__Discovery__V3__DeltaDiscoveryRequest DeltaDiscoveryRequest;

/*
 * The request, for delta_request_free(); NULL with `err` when the bytes are no request, the type is
 * missing, or a name is empty, over RESOURCE_NAME_MAX bytes, or holds something else than visible
 * ASCII (names go into logs, pages and messages to others).
 */
DeltaDiscoveryRequest *delta_request_read(struct slice bytes, struct err *err) MUST_USE;
void delta_request_free(DeltaDiscoveryRequest *request);

#endif
