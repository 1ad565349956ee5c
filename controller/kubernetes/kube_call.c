#include "controller/kubernetes/kube_call.h"

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
#define OUT_MAX_BYTES   (192u << 10) /* two tokens, and what is said about them */
#define RETRY_AFTER_MAX 600          /* seconds */

enum state { RESOLVING, CONNECTING, HANDSHAKE, WRITING, HEAD, BODY, ENDED };

struct kube_call {
    struct event_base *base;
    const struct kube_access *access;
    const struct kube_call_events *events;
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

void kube_call_free(struct kube_call *call)
{
    if (!call)
        return;
    grpc_resolve_cancel(call->resolve);
    if (call->readable)
        event_free(call->readable);
    if (call->writable)
        event_free(call->writable);
    if (call->timer)
        event_free(call->timer);
    SSL_free(call->ssl);
    if (call->fd >= 0)
        close(call->fd);
    buf_fini(&call->in);
    buf_fini(&call->out);
    free(call);
}

/* The owner is told, and may begin the next one. */
static void end(struct kube_call *call, const char *why)
{
    if (call->state == ENDED)
        return;
    call->state = ENDED;
    call->events->on_end(call->owner, why);
    kube_call_free(call);
}

static void fail_errno(struct kube_call *call, const char *what, int error)
{
    snprintf(call->why, sizeof(call->why), "%s: %s: %s", call->access->target, what,
             strerror(error));
    end(call, call->why);
}

static void fail(struct kube_call *call, const char *what)
{
    snprintf(call->why, sizeof(call->why), "%s: %s", call->access->target, what);
    end(call, call->why);
}

static void fail_tls(struct kube_call *call)
{
    long verdict = SSL_get_verify_result(call->ssl);
    uint32_t reason = ERR_peek_last_error();
    if (verdict != X509_V_OK)
        fail(call, X509_verify_cert_error_string(verdict));
    else
        fail(call, reason ? ERR_reason_error_string(reason) : "the TLS connection broke");
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
static bool read_head(struct kube_call *call)
{
    static const struct h1_limits limits = {8 * 1024, 64 * 1024, 128};
    struct slice bytes = buf_slice(&call->in);
    enum h1_fault fault = H1_FAULT_NONE;
    size_t len = h1_head_end(bytes, &call->seen, &limits, &fault);
    struct arena arena = {0};
    struct head head;
    struct h1_message message;
    if (len == 0) {
        if (fault != H1_FAULT_NONE)
            fail(call, "the answer is no HTTP");
        return false;
    }
    head_init(&head, &arena);
    fault = h1_parse_response(call->in.data + call->in.start, len, &limits, SLICE_LITERAL("GET"),
                              &head, &message);
    bool is_final = fault == H1_FAULT_NONE && head.status >= 200;
    if (is_final) {
        h1_body_init(&call->body, &message, &head);
        call->events->on_head(call->owner, head.status, retry_after_ms(&head));
        call->state = BODY;
    }
    arena_fini(&arena);
    buf_consume(&call->in, len);
    call->seen = 0;
    if (fault != H1_FAULT_NONE)
        fail(call, "the answer is no HTTP");
    return fault == H1_FAULT_NONE;
}

/* False: it has ended. */
static bool read_body(struct kube_call *call)
{
    for (;;) {
        struct slice input = buf_slice(&call->in), data;
        size_t before = input.len;
        enum h1_body_result result = h1_body_next(&call->body, &input, &data);
        bool goes_on = result != H1_BODY_DATA || call->events->on_data(call->owner, data);
        buf_consume(&call->in, before - input.len);
        if (!goes_on) {
            end(call, "given up");
            return false;
        }
        if (result == H1_BODY_MORE)
            return true;
        if (result == H1_BODY_BAD) {
            fail(call, "the answer's chunks are malformed");
            return false;
        }
        if (result == H1_BODY_END || result == H1_BODY_TRAILERS) {
            end(call, "");
            return false;
        }
    }
}

static bool understand(struct kube_call *call)
{
    while (call->state == HEAD && buf_len(&call->in) > 0)
        if (!read_head(call))
            return call->state != ENDED;
    return call->state != BODY || read_body(call);
}

static void at_eof(struct kube_call *call)
{
    if (call->state == BODY && call->body.framing == H1_UNTIL_CLOSE)
        end(call, "");
    else
        fail(call, "the connection ended in the middle of an answer");
}

/* More than 0: bytes. 0: the end. -1: later. -2: it has ended. */
static ssize_t receive(struct kube_call *call, char *bytes, size_t size)
{
    ERR_clear_error();
    ssize_t n = call->ssl ? SSL_read(call->ssl, bytes, (int)size) : recv(call->fd, bytes, size, 0);
    if (n > 0)
        return n;
    if (!call->ssl) {
        if (n == 0)
            return 0;
        if (errno == EAGAIN || errno == EINTR)
            return -1;
        fail_errno(call, "read", errno);
        return -2;
    }
    switch (SSL_get_error(call->ssl, (int)n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        fail_tls(call);
        return -2;
    }
}

static void go_reading(struct kube_call *call)
{
    for (;;) {
        char bytes[READ_BYTES];
        ssize_t n = receive(call, bytes, sizeof(bytes));
        if (n == -2)
            return;
        if (n == -1) {
            event_add(call->readable, NULL);
            return;
        }
        event_add(call->timer, &call->idle);
        if (n == 0) {
            at_eof(call);
            return;
        }
        if (!buf_append(&call->in, bytes, (size_t)n)) {
            fail(call, "the head of the answer is too large");
            return;
        }
        if (!understand(call))
            return;
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

static void go_writing(struct kube_call *call)
{
    while (buf_len(&call->out) > 0) {
        struct slice left = buf_slice(&call->out);
        ERR_clear_error();
        ssize_t n = call->ssl ? SSL_write(call->ssl, left.ptr, (int)left.len)
                              : send(call->fd, left.ptr, left.len, MSG_NOSIGNAL);
        bool is_later = call->ssl ? SSL_get_error(call->ssl, (int)n) == SSL_ERROR_WANT_WRITE
                                  : n < 0 && (errno == EAGAIN || errno == EINTR);
        if (n <= 0 && is_later) {
            event_add(call->writable, NULL);
            return;
        }
        if (n <= 0) {
            fail(call, "the connection broke while it was asked");
            return;
        }
        buf_consume(&call->out, (size_t)n);
    }
    call->state = HEAD;
    go_reading(call);
}

static bool start_tls(struct kube_call *call)
{
    const char *name = call->access->server_name;
    struct ip ip;
    BIO *bio = socket_bio_new(&call->fd);
    call->ssl = bio ? SSL_new(call->access->tls) : NULL;
    if (!call->ssl) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(call->ssl, bio, bio); /* takes it over */
    SSL_set_connect_state(call->ssl);
    SSL_set_mode(call->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    X509_VERIFY_PARAM *param = SSL_get0_param(call->ssl);
    if (ip_parse(slice_str(name), &ip))
        return X509_VERIFY_PARAM_set1_ip(param, ip.bytes, ip.family == AF_INET ? 4 : 16) == 1;
    return X509_VERIFY_PARAM_set1_host(param, name, strlen(name)) == 1 &&
           SSL_set_tlsext_host_name(call->ssl, name) == 1;
}

static void go_handshake(struct kube_call *call)
{
    ERR_clear_error();
    int n = SSL_do_handshake(call->ssl);
    if (n == 1) {
        call->state = WRITING;
        go_writing(call);
        return;
    }
    int error = SSL_get_error(call->ssl, n);
    if (error == SSL_ERROR_WANT_READ)
        event_add(call->readable, NULL);
    else if (error == SSL_ERROR_WANT_WRITE)
        event_add(call->writable, NULL);
    else
        fail_tls(call);
}

static void go_connected(struct kube_call *call)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(call->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error) {
        fail_errno(call, "connect", error);
    } else if (!call->access->tls) {
        call->state = WRITING;
        go_writing(call);
    } else if (start_tls(call)) {
        call->state = HANDSHAKE;
        go_handshake(call);
    } else {
        fail(call, "out of memory");
    }
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
    struct kube_call *call = context;
    (void)fd;
    (void)what;
    switch (call->state) {
    case CONNECTING:
        go_connected(call);
        break;
    case HANDSHAKE:
        go_handshake(call);
        break;
    case WRITING:
        go_writing(call);
        break;
    case HEAD:
    case BODY:
        go_reading(call);
        break;
    case RESOLVING:
    case ENDED:
        break;
    }
}

/* ---- the beginning --------------------------------------------------------------------------- */

static bool open_socket(struct kube_call *call, const struct sockaddr_any *address)
{
    call->fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (call->fd < 0 ||
        (connect(call->fd, &address->sa, address->len) < 0 && errno != EINPROGRESS)) {
        fail_errno(call, "connect", errno);
        return false;
    }
    call->readable = event_new(call->base, call->fd, EV_READ, on_ready, call);
    call->writable = event_new(call->base, call->fd, EV_WRITE, on_ready, call);
    if (call->readable && call->writable && event_add(call->writable, NULL) == 0)
        return true;
    fail(call, "out of memory");
    return false;
}

static void on_resolved(void *context, const struct sockaddr_any *addresses, size_t n,
                        const struct err *err)
{
    struct kube_call *call = context;
    call->resolve = NULL;
    if (n == 0) {
        fail(call, err->text);
        return;
    }
    call->state = CONNECTING;
    (void)open_socket(call, &addresses[0]);
}

/* What cannot be said now is told from the event loop. */
static bool write_request(struct kube_call *call, const struct kube_question *question,
                          struct err *err)
{
    bool is_post = question->json.len > 0;
    const char *method = question->is_apply ? "PATCH" : is_post ? "POST" : "GET";
    const char *type = question->is_apply ? "application/apply-patch+yaml" : "application/json";
    bool is_written = buf_printf(&call->out,
                                 "%s %s%s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n"
                                 "User-Agent: outrigger-controller/%s\r\nConnection: close\r\n",
                                 method, call->access->prefix, question->path, call->access->target,
                                 OUTRIGGER_VERSION) &&
                      kube_access_authorize(call->access, &call->out, err);
    if (is_written && is_post)
        is_written = buf_printf(&call->out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type,
                                question->json.len);
    return is_written && buf_printf(&call->out, "\r\n") &&
           (!is_post || buf_append(&call->out, question->json.ptr, question->json.len));
}

static void on_failed_at_once(evutil_socket_t fd, short what, void *context)
{
    struct kube_call *call = context;
    (void)fd;
    (void)what;
    end(call, call->why);
}

struct kube_call *kube_call_start(struct event_base *base, const struct kube_access *access,
                                  const struct kube_question *question,
                                  const struct kube_call_events *events, void *owner)
{
    struct kube_call *call = calloc(1, sizeof(*call));
    struct err err = {.text = "out of memory"};
    const struct timeval now = {0};
    if (!call)
        return NULL;
    *call = (struct kube_call){.base = base, .access = access, .events = events, .owner = owner};
    call->fd = -1;
    call->idle = clock_timeval_ms(question->idle_ms);
    buf_init(&call->in, IN_MAX_BYTES);
    buf_init(&call->out, OUT_MAX_BYTES);
    bool is_written = write_request(call, question, &err);
    call->timer = evtimer_new(base, is_written ? on_silence : on_failed_at_once, call);
    snprintf(call->why, sizeof(call->why), "%s", err.text);
    if (is_written)
        call->resolve = grpc_resolve_start(base, access->target, on_resolved, call);
    if (call->timer && event_add(call->timer, is_written ? &call->idle : &now) == 0 &&
        (call->resolve || !is_written))
        return call;
    kube_call_free(call);
    return NULL;
}
