/*
 * The TLS contexts that one certificate of the proxy's gives: towards other proxies, and towards
 * the controller.
 */
#ifndef OUTRIGGER_PROXY_CONTROL_MESH_TLS_H
#define OUTRIGGER_PROXY_CONTROL_MESH_TLS_H

#include "common/err.h"
#include "common/svid.h"
#include "proxy/worker.h"

struct mesh_tls {
    struct worker_tls workers;   /* ALPN of proxy/tls/mesh_handshake.h, both with a certificate */
    struct svid_tls *controller; /* ALPN h2 */
};

/* False with `err` filled and nothing made. */
bool mesh_tls_init(struct mesh_tls *tls, struct svid *svid, struct err *err) MUST_USE;
void mesh_tls_fini(struct mesh_tls *tls); /* also of one that is all zero */

#endif
