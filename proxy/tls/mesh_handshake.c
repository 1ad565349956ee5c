#include "proxy/tls/mesh_handshake.h"

#include <stdio.h>

/* In the wire format of ALPN (RFC 7301, 3.1): a byte of length before each name. */
static const struct slice offers[] = {
    [MESH_ALPN_NONE] = {"", 0},
    [MESH_ALPN_H2] = {"\x0coutrigger-h2", 13},
    [MESH_ALPN_HTTP_1_1] = {"\x12outrigger-http/1.1", 19},
    [MESH_ALPN_TCP] = {"\x0doutrigger-tcp", 14},
};

const char *mesh_alpn_name(enum mesh_alpn alpn)
{
    return alpn == MESH_ALPN_NONE ? "none" : offers[alpn].ptr + 1;
}

struct slice mesh_alpn_accepted(void)
{
    return SLICE_LITERAL("\x0coutrigger-h2"
                         "\x12outrigger-http/1.1"
                         "\x0doutrigger-tcp");
}

struct slice mesh_alpn_offer(enum mesh_alpn alpn)
{
    return offers[alpn];
}

bool mesh_handshake_offer(struct tls_layer *layer, enum mesh_alpn alpn)
{
    struct slice offer = mesh_alpn_offer(alpn);
    /* This one function returns zero on success. */
    return SSL_set_alpn_protos(layer->ssl, (const uint8_t *)offer.ptr, (unsigned)offer.len) == 0;
}

enum mesh_alpn mesh_handshake_alpn(const struct tls_layer *layer)
{
    struct slice agreed = tls_layer_alpn(layer);
    for (enum mesh_alpn alpn = MESH_ALPN_H2; alpn <= MESH_ALPN_TCP; alpn++)
        if (slice_eq_str(agreed, mesh_alpn_name(alpn)))
            return alpn;
    return MESH_ALPN_NONE;
}

void mesh_handshake_done(struct telemetry_shard *telemetry)
{
    telemetry_add(telemetry, COUNTER_TLS_HANDSHAKES, 1);
}

enum reason mesh_handshake_failed(struct telemetry_shard *telemetry, const struct tls_layer *layer,
                                  char *text, size_t size)
{
    bool is_rejected = tls_layer_peer_rejected(layer);
    tls_layer_failure(layer, text, size);
    telemetry_add(telemetry, COUNTER_TLS_FAILURES, 1);
    if (is_rejected)
        telemetry_add(telemetry, COUNTER_PEERS_REJECTED, 1);
    return is_rejected ? REASON_PEER_REJECTED : REASON_TLS_FAILED;
}

enum reason mesh_handshake_mismatch(struct telemetry_shard *telemetry, enum mesh_alpn wanted,
                                    char *text, size_t size)
{
    snprintf(text, size, "the endpoint does not speak %s", mesh_alpn_name(wanted));
    telemetry_add(telemetry, COUNTER_TLS_FAILURES, 1);
    return REASON_TLS_FAILED;
}
