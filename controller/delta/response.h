/*
 * Writes a DeltaDiscoveryResponse piece by piece, straight into its wire format: resources that
 * many proxies share are copied once into each message and nothing else is built. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_DELTA_RESPONSE_H
#define OUTRIGGER_CONTROLLER_DELTA_RESPONSE_H

#include "common/buf.h"
#include "common/slice.h"

#define DELTA_RESPONSE_HEAD 1024 /* what delta_response_begin() appends at most */

/* All of them are false when the buffer's ceiling or memory is reached; the message is then spoilt.
 */
bool delta_response_begin(struct buf *out, const char *type_url, const char *nonce) MUST_USE;
bool delta_response_resource(struct buf *out, const char *type_url, const char *name,
                             const char *version, struct slice bytes) MUST_USE;
bool delta_response_removed(struct buf *out, const char *name) MUST_USE;

/* How many bytes delta_response_resource() appends at most. */
size_t delta_response_cost(const char *type_url, const char *name, struct slice bytes);

#endif
