#include "proxy/control/mesh_tls.h"

#include "proxy/tls/mesh_handshake.h"

#define GRPC_ALPN SLICE_LITERAL("\x02h2")

bool mesh_tls_init(struct mesh_tls *tls, struct svid *svid, struct err *err)
{
    struct slice domain = svid_id(svid)->trust_domain;
    *tls = (struct mesh_tls){0};
    /* Each connection says anew what it offers; a context that offered nothing would be taken for
     * the application's TLS. */
    tls->workers.client =
        svid_tls_new(SVID_CLIENT, svid, NULL, domain, mesh_alpn_offer(MESH_ALPN_TCP), err);
    if (tls->workers.client)
        tls->workers.server =
            svid_tls_new(SVID_SERVER, svid, NULL, domain, mesh_alpn_accepted(), err);
    if (tls->workers.server)
        tls->controller = svid_tls_new(SVID_CLIENT, svid, NULL, domain, GRPC_ALPN, err);
    if (tls->controller)
        return true;
    mesh_tls_fini(tls);
    return false;
}

void mesh_tls_fini(struct mesh_tls *tls)
{
    svid_tls_drop(tls->workers.client);
    svid_tls_drop(tls->workers.server);
    svid_tls_drop(tls->controller);
    *tls = (struct mesh_tls){0};
}
