#include "controller/kubernetes/kube_get.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cidr.h"
#include "common/clock.h"
#include "common/grpc/resolve.h"
#include "common/http/h1_body.h"
#include "common/http/h1_parse.h"
#include "common/options.h"
#include "common/socket_bio.h"
#include "common/version.h"

#define READ_BYTES      (16u << 10)
#define IN_MAX_BYTES    (128u << 10) /* a head, or what of a body was not understood yet */
#define OUT_MAX_BYTES   (80u << 10)
#define RETRY_AFTER_MAX 600 /* seconds */

enum state { RESOLVING, CONNECTING, HANDSHAKE, WRITING, HEAD, BODY, ENDED };

struct kube_get {
    struct event_base *base;
    const struct kube_access *access;
    const struct kube_get_events *events;
    void *owner;
    enum state state;
    struct grpc_resolve *resolve;
    int fd;
    SSL *ssl;
    struct event *readable, *writable, *timer;
    struct timeval idle;
    struct buf in, out;
    size_t seen;
    struct h1_body body;
    char why[768];
};

static void on_ready(evutil_socket_t fd, short what, void *context);

/* ---- the end --------------------------------------------------------------------------------- */

void kube_get_free(struct kube_get *get)
{
    if (!get)
        return;
    grpc_resolve_cancel(get->resolve);
    if (get->readable)
        event_free(get->readable);
    if (get->writable)
        event_free(get->writable);
    if (get->timer)
        event_free(get->timer);
    SSL_free(get->ssl);
    if (get->fd >= 0)
        close(get->fd);
    buf_fini(&get->in);
    buf_fini(&get->out);
    free(get);
}

/* The owner is told, and may begin the next one. */
static void end(struct kube_get *get, const char *why)
{
    if (get->state == ENDED)
        return;
    get->state = ENDED;
    get->events->on_end(get->owner, why);
    kube_get_free(get);
}

static void fail_errno(struct kube_get *get, const char *what, int error)
{
    snprintf(get->why, sizeof(get->why), "%s: %s: %s", get->access->target, what, strerror(error));
    end(get, get->why);
}

static void fail(struct kube_get *get, const char *what)
{
    snprintf(get->why, sizeof(get->why), "%s: %s", get->access->target, what);
    end(get, get->why);
}

static void fail_tls(struct kube_get *get)
{
    long verdict = SSL_get_verify_result(get->ssl);
    uint32_t reason = ERR_peek_last_error();
    if (verdict != X509_V_OK)
        fail(get, X509_verify_cert_error_string(verdict));
    else
        fail(get, reason ? ERR_reason_error_string(reason) : "the TLS connection broke");
    ERR_clear_error();
}

static void on_silence(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    fail(context, "no answer in time");
}

/* ---- reading --------------------------------------------------------------------------------- */

static uint64_t retry_after_ms(const struct head *head)
{
    uint64_t seconds;
    struct err ignored;
    const struct field *field = head_find(head, FIELD_RETRY_AFTER);
    return field && option_parse_uint(field->value, 0, RETRY_AFTER_MAX, &seconds, &ignored)
               ? seconds * 1000
               : 0;
}

/* False: more has to come, or it has ended. */
static bool read_head(struct kube_get *get)
{
    static const struct h1_limits limits = {8 * 1024, 64 * 1024, 128};
    struct slice bytes = buf_slice(&get->in);
    enum h1_fault fault = H1_FAULT_NONE;
    size_t len = h1_head_end(bytes, &get->seen, &limits, &fault);
    struct arena arena = {0};
    struct head head;
    struct h1_message message;
    if (len == 0) {
        if (fault != H1_FAULT_NONE)
            fail(get, "the answer is no HTTP");
        return false;
    }
    head_init(&head, &arena);
    fault = h1_parse_response(get->in.data + get->in.start, len, &limits, SLICE_LITERAL("GET"),
                              &head, &message);
    bool is_final = fault == H1_FAULT_NONE && head.status >= 200;
    if (is_final) {
        h1_body_init(&get->body, &message, &head);
        get->events->on_head(get->owner, head.status, retry_after_ms(&head));
        get->state = BODY;
    }
    arena_fini(&arena);
    buf_consume(&get->in, len);
    get->seen = 0;
    if (fault != H1_FAULT_NONE)
        fail(get, "the answer is no HTTP");
    return fault == H1_FAULT_NONE;
}

/* False: it has ended. */
static bool read_body(struct kube_get *get)
{
    for (;;) {
        struct slice input = buf_slice(&get->in), data;
        size_t before = input.len;
        enum h1_body_result result = h1_body_next(&get->body, &input, &data);
        bool goes_on = result != H1_BODY_DATA || get->events->on_data(get->owner, data);
        buf_consume(&get->in, before - input.len);
        if (!goes_on) {
            end(get, "given up");
            return false;
        }
        if (result == H1_BODY_MORE)
            return true;
        if (result == H1_BODY_BAD) {
            fail(get, "the answer's chunks are malformed");
            return false;
        }
        if (result == H1_BODY_END || result == H1_BODY_TRAILERS) {
            end(get, "");
            return false;
        }
    }
}

static bool understand(struct kube_get *get)
{
    while (get->state == HEAD && buf_len(&get->in) > 0)
        if (!read_head(get))
            return get->state != ENDED;
    return get->state != BODY || read_body(get);
}

static void at_eof(struct kube_get *get)
{
    if (get->state == BODY && get->body.framing == H1_UNTIL_CLOSE)
        end(get, "");
    else
        fail(get, "the connection ended in the middle of an answer");
}

/* More than 0: bytes. 0: the end. -1: later. -2: it has ended. */
static ssize_t receive(struct kube_get *get, char *bytes, size_t size)
{
    ERR_clear_error();
    ssize_t n = get->ssl ? SSL_read(get->ssl, bytes, (int)size) : recv(get->fd, bytes, size, 0);
    if (n > 0)
        return n;
    if (!get->ssl) {
        if (n == 0)
            return 0;
        if (errno == EAGAIN || errno == EINTR)
            return -1;
        fail_errno(get, "read", errno);
        return -2;
    }
    switch (SSL_get_error(get->ssl, (int)n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        fail_tls(get);
        return -2;
    }
}

static void go_reading(struct kube_get *get)
{
    for (;;) {
        char bytes[READ_BYTES];
        ssize_t n = receive(get, bytes, sizeof(bytes));
        if (n == -2)
            return;
        if (n == -1) {
            event_add(get->readable, NULL);
            return;
        }
        event_add(get->timer, &get->idle);
        if (n == 0) {
            at_eof(get);
            return;
        }
        if (!buf_append(&get->in, bytes, (size_t)n)) {
            fail(get, "the head of the answer is too large");
            return;
        }
        if (!understand(get))
            return;
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

static void go_writing(struct kube_get *get)
{
    while (buf_len(&get->out) > 0) {
        struct slice left = buf_slice(&get->out);
        ERR_clear_error();
        ssize_t n = get->ssl ? SSL_write(get->ssl, left.ptr, (int)left.len)
                             : send(get->fd, left.ptr, left.len, MSG_NOSIGNAL);
        bool is_later = get->ssl ? SSL_get_error(get->ssl, (int)n) == SSL_ERROR_WANT_WRITE
                                 : n < 0 && (errno == EAGAIN || errno == EINTR);
        if (n <= 0 && is_later) {
            event_add(get->writable, NULL);
            return;
        }
        if (n <= 0) {
            fail(get, "the connection broke while it was asked");
            return;
        }
        buf_consume(&get->out, (size_t)n);
    }
    get->state = HEAD;
    go_reading(get);
}

static bool start_tls(struct kube_get *get)
{
    const char *name = get->access->server_name;
    struct ip ip;
    BIO *bio = socket_bio_new(&get->fd);
    get->ssl = bio ? SSL_new(get->access->tls) : NULL;
    if (!get->ssl) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(get->ssl, bio, bio); /* takes it over */
    SSL_set_connect_state(get->ssl);
    SSL_set_mode(get->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    X509_VERIFY_PARAM *param = SSL_get0_param(get->ssl);
    if (ip_parse(slice_str(name), &ip))
        return X509_VERIFY_PARAM_set1_ip(param, ip.bytes, ip.family == AF_INET ? 4 : 16) == 1;
    return X509_VERIFY_PARAM_set1_host(param, name, strlen(name)) == 1 &&
           SSL_set_tlsext_host_name(get->ssl, name) == 1;
}

static void go_handshake(struct kube_get *get)
{
    ERR_clear_error();
    int n = SSL_do_handshake(get->ssl);
    if (n == 1) {
        get->state = WRITING;
        go_writing(get);
        return;
    }
    int error = SSL_get_error(get->ssl, n);
    if (error == SSL_ERROR_WANT_READ)
        event_add(get->readable, NULL);
    else if (error == SSL_ERROR_WANT_WRITE)
        event_add(get->writable, NULL);
    else
        fail_tls(get);
}

static void go_connected(struct kube_get *get)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(get->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error) {
        fail_errno(get, "connect", error);
    } else if (!get->access->tls) {
        get->state = WRITING;
        go_writing(get);
    } else if (start_tls(get)) {
        get->state = HANDSHAKE;
        go_handshake(get);
    } else {
        fail(get, "out of memory");
    }
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
    struct kube_get *get = context;
    (void)fd;
    (void)what;
    switch (get->state) {
    case CONNECTING:
        go_connected(get);
        break;
    case HANDSHAKE:
        go_handshake(get);
        break;
    case WRITING:
        go_writing(get);
        break;
    case HEAD:
    case BODY:
        go_reading(get);
        break;
    case RESOLVING:
    case ENDED:
        break;
    }
}

/* ---- the beginning --------------------------------------------------------------------------- */

static bool open_socket(struct kube_get *get, const struct sockaddr_any *address)
{
    get->fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (get->fd < 0 || (connect(get->fd, &address->sa, address->len) < 0 && errno != EINPROGRESS)) {
        fail_errno(get, "connect", errno);
        return false;
    }
    get->readable = event_new(get->base, get->fd, EV_READ, on_ready, get);
    get->writable = event_new(get->base, get->fd, EV_WRITE, on_ready, get);
    if (get->readable && get->writable && event_add(get->writable, NULL) == 0)
        return true;
    fail(get, "out of memory");
    return false;
}

static void on_resolved(void *context, const struct sockaddr_any *addresses, size_t n,
                        const struct err *err)
{
    struct kube_get *get = context;
    get->resolve = NULL;
    if (n == 0) {
        fail(get, err->text);
        return;
    }
    get->state = CONNECTING;
    (void)open_socket(get, &addresses[0]);
}

/* What cannot be said now is told from the event loop. */
static bool write_request(struct kube_get *get, const char *path, struct err *err)
{
    return buf_printf(&get->out,
                      "GET %s%s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n"
                      "User-Agent: outrigger-controller/%s\r\nConnection: close\r\n",
                      get->access->prefix, path, get->access->target, OUTRIGGER_VERSION) &&
           kube_access_authorize(get->access, &get->out, err) && buf_printf(&get->out, "\r\n");
}

static void on_failed_at_once(evutil_socket_t fd, short what, void *context)
{
    struct kube_get *get = context;
    (void)fd;
    (void)what;
    end(get, get->why);
}

struct kube_get *kube_get_start(struct event_base *base, const struct kube_access *access,
                                const char *path, uint64_t idle_ms,
                                const struct kube_get_events *events, void *owner)
{
    struct kube_get *get = calloc(1, sizeof(*get));
    struct err err = {.text = "out of memory"};
    const struct timeval now = {0};
    if (!get)
        return NULL;
    *get = (struct kube_get){.base = base, .access = access, .events = events, .owner = owner};
    get->fd = -1;
    get->idle = clock_timeval_ms(idle_ms);
    buf_init(&get->in, IN_MAX_BYTES);
    buf_init(&get->out, OUT_MAX_BYTES);
    bool is_written = write_request(get, path, &err);
    get->timer = evtimer_new(base, is_written ? on_silence : on_failed_at_once, get);
    snprintf(get->why, sizeof(get->why), "%s", err.text);
    if (is_written)
        get->resolve = grpc_resolve_start(base, access->target, on_resolved, get);
    if (get->timer && event_add(get->timer, is_written ? &get->idle : &now) == 0 &&
        (get->resolve || !is_written))
        return get;
    kube_get_free(get);
    return NULL;
}
