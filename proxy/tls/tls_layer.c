#include "proxy/tls/tls_layer.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

/* An alert, close_notify and answers to KeyUpdate fit in it many times over. */
#define OUTPUT_SLACK_BYTES 4096

size_t tls_output_size(size_t plain_bytes)
{
    size_t records = plain_bytes / TLS_RECORD_PLAIN_BYTES + 1;
    return plain_bytes + records * (TLS_RECORD_MAX_BYTES - TLS_RECORD_PLAIN_BYTES) +
           OUTPUT_SLACK_BYTES;
}

static int bio_read(BIO *bio, char *out, int len)
{
    struct tls_layer *layer = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (layer->input.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = layer->input.len < (size_t)len ? layer->input.len : (size_t)len;
    memcpy(out, layer->input.ptr, n);
    layer->input = slice_sub(layer->input, n, layer->input.len);
    return (int)n;
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct tls_layer *layer = BIO_get_data(bio);
    struct tls_output *output = layer->output;
    BIO_clear_retry_flags(bio);
    if ((size_t)len > output->size - output->len)
        return -1; /* not a retry: it is sized so that this cannot happen to honest peers */
    memcpy(output->data + output->len, bytes, (size_t)len);
    output->len += (size_t)len;
    return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_layer_methods(void)
{
    BIO_METHOD *methods = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "outrigger");
    if (!methods)
        return NULL;
    if (!BIO_meth_set_read(methods, bio_read) || !BIO_meth_set_write(methods, bio_write) ||
        !BIO_meth_set_ctrl(methods, bio_ctrl)) {
        BIO_meth_free(methods);
        return NULL;
    }
    return methods;
}

struct tls_layer *tls_layer_new(struct svid_tls *tls, struct slice expected,
                                const BIO_METHOD *methods, struct tls_output *output)
{
    struct tls_layer *layer = calloc(1, sizeof(*layer));
    if (!layer)
        return NULL;
    layer->tls = svid_tls_hold(tls);
    layer->output = output;
    layer->peer.expected = expected;
    layer->ssl = svid_tls_start(tls, &layer->peer);
    BIO *bio = layer->ssl ? BIO_new(methods) : NULL;
    if (!bio) {
        tls_layer_free(layer);
        return NULL;
    }
    BIO_set_data(bio, layer);
    BIO_set_init(bio, 1);
    SSL_set_bio(layer->ssl, bio, bio);
    return layer;
}

void tls_layer_free(struct tls_layer *layer)
{
    if (!layer)
        return;
    SSL_free(layer->ssl);
    svid_tls_drop(layer->tls);
    svid_peer_fini(&layer->peer);
    free(layer);
}

enum tls_result tls_layer_handshake(struct tls_layer *layer, struct slice *input)
{
    layer->input = *input;
    ERR_clear_error();
    int result = SSL_do_handshake(layer->ssl);
    int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(layer->ssl, result);
    *input = layer->input;
    layer->input = slice_of(NULL, 0);
    if (error == SSL_ERROR_WANT_READ)
        return TLS_MORE;
    if (error != SSL_ERROR_NONE)
        return TLS_FAILED;
    svid_tls_drop(layer->tls);
    layer->tls = NULL;
    return TLS_OK;
}

enum tls_result tls_layer_read(struct tls_layer *layer, struct slice input, char *plain,
                               size_t room, size_t *len)
{
    assert(room >= input.len + TLS_RECORD_PLAIN_BYTES);
    layer->input = input;
    *len = 0;
    ERR_clear_error();
    int n;
    while ((n = SSL_read(layer->ssl, plain + *len, (int)(room - *len))) > 0)
        *len += (size_t)n;
    int error = SSL_get_error(layer->ssl, n);
    layer->input = slice_of(NULL, 0);
    if (error == SSL_ERROR_WANT_READ)
        return TLS_OK;
    return error == SSL_ERROR_ZERO_RETURN ? TLS_FINISHED : TLS_FAILED;
}

bool tls_layer_write(struct tls_layer *layer, struct slice plain)
{
    ERR_clear_error();
    while (plain.len) { /* a record at a time */
        int n = SSL_write(layer->ssl, plain.ptr, (int)plain.len);
        if (n <= 0)
            return false;
        plain = slice_sub(plain, (size_t)n, plain.len);
    }
    return true;
}

void tls_layer_finish(struct tls_layer *layer)
{
    if (SSL_get_shutdown(layer->ssl) & SSL_SENT_SHUTDOWN)
        return;
    ERR_clear_error();
    SSL_shutdown(
        layer->ssl); /* 0: sent, the peer's has not come yet; its failure shows in reading */
    ERR_clear_error();
}

const char *tls_layer_peer_id(const struct tls_layer *layer)
{
    return layer->peer.id ? layer->peer.id : "";
}

struct slice tls_layer_alpn(const struct tls_layer *layer)
{
    const uint8_t *name;
    unsigned len;
    SSL_get0_alpn_selected(layer->ssl, &name, &len);
    return slice_of(name, len);
}

bool tls_layer_peer_rejected(const struct tls_layer *layer)
{
    /* The verdict is SVID_NO_CERTIFICATE as well when it never came to that. */
    if (layer->peer.verdict != SVID_NO_CERTIFICATE)
        return layer->peer.verdict != SVID_OK;
    return ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
}

const char *tls_layer_failure(const struct tls_layer *layer, char *text, size_t size)
{
    if (tls_layer_peer_rejected(layer)) {
        snprintf(text, size, "%s: %s", svid_verdict_name(layer->peer.verdict),
                 layer->peer.err.text);
        return text;
    }
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(text, size, "%s", reason ? reason : "the peer closed the connection");
    return text;
}
