/*
 * TLS over buffers of our own: ciphertext in and plaintext out, and the other way round. The layer
 * knows no socket. One call decrypts every record that one read() brought, and everything that one
 * call encrypts is gathered for one write(): BoringSSL on a socket would read twice for each
 * record.
 *
 * Between calls nothing is buffered here but the part of a record that BoringSSL keeps itself; an
 * idle connection owns no buffer.
 */
#ifndef OUTRIGGER_PROXY_TLS_TLS_LAYER_H
#define OUTRIGGER_PROXY_TLS_TLS_LAYER_H

#include <openssl/bio.h>

#include "common/svid.h"

#define TLS_RECORD_PLAIN_BYTES 16384 /* RFC 8446 5.1 */
#define TLS_RECORD_MAX_BYTES   (TLS_RECORD_PLAIN_BYTES + 256 + 5)

/*
 * Ciphertext on its way out, shared by all layers of a worker: whoever calls a function that may
 * write takes `len` bytes out and sets it to 0 before another layer is called.
 */
struct tls_output {
    char *data;
    size_t len, size;
};
/* Room for `plain_bytes` encrypted at once, and alerts. */
size_t tls_output_size(size_t plain_bytes);

struct tls_layer {
    SSL *ssl;
    struct svid_tls *tls; /* held until the handshake is over */
    struct tls_output *output;
    struct slice input; /* during a call: what has not been read by BoringSSL */
    struct svid_peer peer;
};

/* The methods of the BIO; one a worker. NULL when memory is short. */
BIO_METHOD *tls_layer_methods(void);

/*
 * A layer in connect or accept state by the role of `tls`, of which a reference of its own is held.
 * `expected` (copied pointer: must live until the handshake is over) is the identity that the peer
 * must have; empty: any of the trust domain. NULL when memory is short.
 */
struct tls_layer *tls_layer_new(struct svid_tls *tls, struct slice expected,
                                const BIO_METHOD *methods, struct tls_output *output);
void tls_layer_free(struct tls_layer *layer);

enum tls_result {
    TLS_OK,       /* handshake done; or all input was read */
    TLS_MORE,     /* handshake: more input is needed */
    TLS_FINISHED, /* the peer's close_notify: a clean end; what follows is not read */
    TLS_FAILED,   /* an alert may be in the output */
};

/* Goes on with the handshake. `input` is moved past what was read; what is left is application
 * data. */
enum tls_result tls_layer_handshake(struct tls_layer *layer, struct slice *input) MUST_USE;

/*
 * Decrypts all of `input`; *len bytes are written to `plain`, also when the result is not TLS_OK.
 * `room` must be at least the input and one record more. The two may be in the same memory when
 * `plain` begins at least two records (TLS_RECORD_MAX_BYTES) before the input.
 */
enum tls_result tls_layer_read(struct tls_layer *layer, struct slice input, char *plain,
                               size_t room, size_t *len) MUST_USE;

/* Encrypts all of `plain` into the output. False: the connection cannot be used any more. */
bool tls_layer_write(struct tls_layer *layer, struct slice plain) MUST_USE;

/* close_notify into the output, once; reading goes on (RFC 8446 6.1). */
void tls_layer_finish(struct tls_layer *layer);

/* Set once a handshake has succeeded. */
const char *tls_layer_peer_id(const struct tls_layer *layer); /* "" without one */
struct slice tls_layer_alpn(const struct tls_layer *layer);
/* After TLS_FAILED in the handshake: was it the peer's certificate, or that it sent none? */
bool tls_layer_peer_rejected(const struct tls_layer *layer);
/* One line on why TLS_FAILED; `text` is filled and returned. */
const char *tls_layer_failure(const struct tls_layer *layer, char *text, size_t size);

#endif
