#include "proxy/control/mesh_tls.h"

/*
 * What the mesh speaks between proxies, best first, in the wire format of ALPN (RFC 7301, 3.1).
 * "\x0coutrigger-h2" and "\x12outrigger-http/1.1" come before it once there are codecs for them.
 */
#define MESH_ALPN SLICE_LITERAL("\x0doutrigger-tcp")
#define GRPC_ALPN SLICE_LITERAL("\x02h2")

bool mesh_tls_init(struct mesh_tls *tls, struct svid *svid, struct err *err)
{
    struct slice domain = svid_id(svid)->trust_domain;
    *tls = (struct mesh_tls){0};
    tls->workers.client = svid_tls_new(SVID_CLIENT, svid, NULL, domain, MESH_ALPN, err);
    if (tls->workers.client)
        tls->workers.server = svid_tls_new(SVID_SERVER, svid, NULL, domain, MESH_ALPN, err);
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
