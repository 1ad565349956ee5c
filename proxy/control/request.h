/*
 * The requests of a delta discovery stream, serialized. Pure.
 */
#ifndef OUTRIGGER_PROXY_CONTROL_REQUEST_H
#define OUTRIGGER_PROXY_CONTROL_REQUEST_H

#include "common/buf.h"
#include "proxy/control/resources.h"

/*
 * The answer to a response: ACK, or NACK when `refusal` is not NULL. Appended to `out`; false when
 * its ceiling or memory is reached.
 */
bool request_reply(struct buf *out, const char *type_url, const char *nonce,
                   const struct err *refusal) MUST_USE;

/*
 * The first request for a type on a stream: everything that is followed, with the versions that are
 * held. `cluster` is the trust domain; NULL leaves the node out, which only the very first needs.
 */
bool request_first(struct buf *out, const struct resources *resources, enum resource_type type,
                   const char *cluster) MUST_USE;

/* What has changed since; the notes of this type are then empty. Needs request_is_due(). */
bool request_changes(struct buf *out, struct resources *resources,
                     enum resource_type type) MUST_USE;
bool request_is_due(const struct resources *resources, enum resource_type type);

#endif
