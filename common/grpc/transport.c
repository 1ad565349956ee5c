#include "common/grpc/transport.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/socket_bio.h"

static bool tls_begin(struct grpc_transport *transport, struct svid_tls *tls)
{
    BIO *bio = socket_bio_new(&transport->fd);
    transport->ssl = bio ? svid_tls_start(tls, &transport->peer) : NULL;
    if (!transport->ssl) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(transport->ssl, bio, bio); /* takes it over */
    return true;
}

bool grpc_transport_open(struct grpc_transport *transport, struct event_base *base, int fd,
                         struct svid_tls *tls, struct slice expected, event_callback_fn on_ready,
                         void *context, struct err *err)
{
    int one = 1;
    *transport = (struct grpc_transport){.fd = fd, .peer = {.expected = expected}};
    /* Fails for a socket that is no TCP socket, which tests use. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    transport->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_ready, context);
    transport->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_ready, context);
    if (!transport->readable || !transport->writable || event_add(transport->readable, NULL) < 0 ||
        (tls && !tls_begin(transport, tls))) {
        grpc_transport_close(transport);
        return err_set(err, "out of memory for a connection");
    }
    return true;
}

void grpc_transport_close(struct grpc_transport *transport)
{
    if (transport->ssl) {
        if (SSL_in_init(transport->ssl) == 0)
            (void)SSL_shutdown(transport->ssl);
        ERR_clear_error();
        SSL_free(transport->ssl);
        transport->ssl = NULL;
    }
    if (transport->readable)
        event_free(transport->readable);
    if (transport->writable)
        event_free(transport->writable);
    transport->readable = transport->writable = NULL;
    if (transport->fd >= 0)
        close(transport->fd);
    transport->fd = -1;
    svid_peer_fini(&transport->peer);
}

static void await_write(struct grpc_transport *transport, bool is_awaited)
{
    if (transport->is_write_awaited == is_awaited)
        return;
    transport->is_write_awaited = is_awaited;
    if (is_awaited)
        event_add(transport->writable, NULL);
    else
        event_del(transport->writable);
}

/* What a call of the TLS library that did not succeed means. */
static enum grpc_transport_result tls_result(struct grpc_transport *transport, int result,
                                             const char *what, struct err *err)
{
    int saved_errno = errno;
    int error = SSL_get_error(transport->ssl, result);
    uint32_t reason = ERR_peek_error();
    ERR_clear_error();
    switch (error) {
    case SSL_ERROR_WANT_WRITE:
        await_write(transport, true);
        return GRPC_TRANSPORT_AGAIN;
    case SSL_ERROR_WANT_READ:
        return GRPC_TRANSPORT_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return GRPC_TRANSPORT_CLOSED;
    case SSL_ERROR_SYSCALL:
        if (saved_errno && result != 0)
            err_set_errno(err, saved_errno, "%s", what);
        else
            err_set(err, "%s: the peer closed the connection", what);
        return GRPC_TRANSPORT_FAILED;
    default:
        err_set(err, "%s: %s", what, reason ? ERR_reason_error_string(reason) : "TLS failed");
        return GRPC_TRANSPORT_FAILED;
    }
}

static bool alpn_is_ours(const SSL *ssl, struct err *err)
{
    const uint8_t *name;
    unsigned len;
    SSL_get0_alpn_selected(ssl, &name, &len);
    if (len == 0 || slice_eq_str(slice_of(name, len), "h2"))
        return true;
    return err_set(err, "TLS: the peers agreed on %.*s and not on h2", (int)len,
                   (const char *)name);
}

enum grpc_transport_result grpc_transport_handshake(struct grpc_transport *transport,
                                                    struct err *err)
{
    if (!transport->ssl)
        return GRPC_TRANSPORT_OK;
    await_write(transport, false);
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(transport->ssl);
    if (result == 1)
        return alpn_is_ours(transport->ssl, err) ? GRPC_TRANSPORT_OK : GRPC_TRANSPORT_FAILED;
    enum grpc_transport_result meaning = tls_result(transport, result, "TLS handshake", err);
    if (meaning == GRPC_TRANSPORT_CLOSED)
        err_set(err, "TLS handshake: the peer closed the connection");
    if (meaning == GRPC_TRANSPORT_AGAIN)
        return meaning;
    if (transport->peer.verdict != SVID_OK && transport->peer.verdict != SVID_NO_CERTIFICATE)
        err_set(err, "TLS handshake: the peer is not accepted: %s", transport->peer.err.text);
    return GRPC_TRANSPORT_FAILED;
}

enum grpc_transport_result grpc_transport_read(struct grpc_transport *transport, void *bytes,
                                               size_t size, size_t *n, struct err *err)
{
    *n = 0;
    if (transport->ssl) {
        await_write(transport, false); /* asked for again if it still has to write first */
        ERR_clear_error();
        errno = 0;
        int got = SSL_read(transport->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size);
        if (got <= 0)
            return tls_result(transport, got, "read", err);
        *n = (size_t)got;
        return GRPC_TRANSPORT_OK;
    }
    ssize_t got = recv(transport->fd, bytes, size, 0);
    if (got > 0) {
        *n = (size_t)got;
        return GRPC_TRANSPORT_OK;
    }
    if (got == 0)
        return GRPC_TRANSPORT_CLOSED;
    if (errno == EAGAIN || errno == EINTR)
        return GRPC_TRANSPORT_AGAIN;
    err_set_errno(err, errno, "read");
    return GRPC_TRANSPORT_FAILED;
}

enum grpc_transport_result grpc_transport_write(struct grpc_transport *transport, const void *bytes,
                                                size_t size, size_t *n, struct err *err)
{
    *n = 0;
    await_write(transport, false);
    if (transport->ssl) {
        ERR_clear_error();
        errno = 0;
        int wrote = SSL_write(transport->ssl, bytes, size > INT_MAX ? INT_MAX : (int)size);
        if (wrote <= 0)
            return tls_result(transport, wrote, "write", err);
        *n = (size_t)wrote;
        return GRPC_TRANSPORT_OK;
    }
    ssize_t wrote = send(transport->fd, bytes, size, MSG_NOSIGNAL);
    if (wrote >= 0) {
        *n = (size_t)wrote;
        return GRPC_TRANSPORT_OK;
    }
    if (errno == EAGAIN || errno == EINTR) {
        await_write(transport, true);
        return GRPC_TRANSPORT_AGAIN;
    }
    err_set_errno(err, errno, "write");
    return GRPC_TRANSPORT_FAILED;
}

bool grpc_transport_has_more(const struct grpc_transport *transport)
{
    return transport->ssl && SSL_pending(transport->ssl) > 0;
}
