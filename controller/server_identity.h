/*
 * The controller's own SVID, spiffe://DOMAIN/ns/outrigger-system/sa/outrigger-controller, signed by
 * its own CA and made anew at two thirds of its life; the key never leaves memory.
 */
#ifndef OUTRIGGER_CONTROLLER_SERVER_IDENTITY_H
#define OUTRIGGER_CONTROLLER_SERVER_IDENTITY_H

#include <event2/event.h>

#include "common/err.h"
#include "common/svid.h"
#include "controller/ca.h"

#define SERVER_IDENTITY_NAMESPACE "outrigger-system"
#define SERVER_IDENTITY_ACCOUNT   "outrigger-controller"

struct server_identity;

/* The first certificate is there when this returns. `ca` must outlive it. NULL with `err` filled.
 */
struct server_identity *server_identity_new(struct event_base *base, struct ca *ca,
                                            struct err *err);
void server_identity_free(struct server_identity *identity); /* NULL is allowed */

/*
 * The context for the next connection (SVID_SERVER_OPTIONAL, ALPN h2), held for the caller. Of the
 * type that grpc_server_options.tls wants; `context` is the struct server_identity.
 */
struct svid_tls *server_identity_tls(void *context);

/* The current one, for the admin pages; not held for the caller. */
const struct svid *server_identity_svid(const struct server_identity *identity);

#endif
