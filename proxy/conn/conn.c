#include "proxy/conn/conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define OUT_MAX_BYTES (2 * CONN_READ_MAX_BYTES)
/*
 * What one read brought is decrypted into the place where it lies, less memory to go through:
 * `plain` begins so far before `in` that the plaintext, with that of a record of which BoringSSL
 * had a part already, never catches up with the ciphertext that is still to be read.
 */
#define HEADROOM_BYTES (2 * TLS_RECORD_MAX_BYTES)
#define PLAIN_BYTES    (HEADROOM_BYTES + CONN_READ_MAX_BYTES)

bool conn_shared_init(struct conn_shared *shared, struct event_base *base)
{
    size_t output_size = tls_output_size(PLAIN_BYTES);
    *shared = (struct conn_shared){
        .base = base,
        .plain = malloc(PLAIN_BYTES),
        .output = {.data = malloc(output_size), .size = output_size},
        .bio_methods = tls_layer_methods(),
    };
    if (shared->plain && shared->output.data && shared->bio_methods) {
        shared->in = shared->plain + HEADROOM_BYTES;
        return true;
    }
    conn_shared_fini(shared);
    return false;
}

void conn_shared_fini(struct conn_shared *shared)
{
    free(shared->plain);
    free(shared->output.data);
    if (shared->bio_methods)
        BIO_meth_free(shared->bio_methods);
    *shared = (struct conn_shared){0};
}

const char *conn_state_name(enum conn_state state)
{
    static const char *const names[] = {
#define X(name, text) [name] = text,
        CONN_STATES(X)
#undef X
    };
    return names[state];
}

/* What may follow a state. CONN_CLOSED may follow any, and conn_init() begins anew. */
static void conn_set_state(struct conn *conn, enum conn_state to)
{
#define BIT(state) (1u << (state))
    static const unsigned next[] = {
        [CONN_NEW] = BIT(CONN_CONNECTING) | BIT(CONN_OPEN),
        [CONN_CONNECTING] = BIT(CONN_OPEN),
        [CONN_OPEN] = BIT(CONN_HANDSHAKE) | BIT(CONN_READ_ENDED) | BIT(CONN_WRITE_ENDED),
        [CONN_HANDSHAKE] = BIT(CONN_OPEN),
        [CONN_READ_ENDED] = BIT(CONN_ENDED),
        [CONN_WRITE_ENDED] = BIT(CONN_ENDED),
        [CONN_ENDED] = 0,
        [CONN_CLOSED] = 0,
    };
    assert(to == CONN_CLOSED || (next[conn->state] & BIT(to)));
    conn->state = to;
#undef BIT
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct conn *conn = arg;
    conn->on_event(conn, EV_READ);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct conn *conn = arg;
    conn->on_event(conn, EV_WRITE);
}

void conn_init(struct conn *conn, struct conn_shared *shared,
               void (*on_event)(struct conn *conn, short what))
{
    conn->shared = shared;
    conn->fd = -1;
    conn->state = CONN_NEW;
    conn->read_bytes = CONN_READ_MIN_BYTES;
    conn->is_broken = false;
    conn->broken_by = 0;
    conn->tls = NULL;
    buf_init(&conn->early, CONN_EARLY_MAX_BYTES);
    buf_init(&conn->out, OUT_MAX_BYTES);
    conn->on_event = on_event;
}

static void conn_take_fd(struct conn *conn, int fd)
{
    conn->fd = fd;
    event_assign(&conn->readable, conn->shared->base, fd, EV_READ | EV_PERSIST, on_readable, conn);
    event_assign(&conn->writable, conn->shared->base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
}

void conn_open(struct conn *conn, int fd)
{
    conn_take_fd(conn, fd);
    conn_set_state(conn, CONN_OPEN);
}

void conn_move(struct conn *from, struct conn *to)
{
    assert(to->state == CONN_NEW && to->shared == from->shared);
    assert(from->state != CONN_CONNECTING && from->state != CONN_HANDSHAKE);
    bool is_writing = event_pending(&from->writable, EV_WRITE, NULL);
    event_del(&from->readable);
    event_del(&from->writable);
    conn_take_fd(to, from->fd);
    to->state = from->state;
    to->read_bytes = from->read_bytes;
    to->is_broken = from->is_broken;
    to->broken_by = from->broken_by;
    to->tls = from->tls;
    to->early = from->early;
    to->out = from->out;
    if (is_writing)
        event_add(&to->writable, NULL);
    conn_init(from, from->shared, from->on_event);
}

void conn_connecting(struct conn *conn, int fd)
{
    conn_take_fd(conn, fd);
    conn_set_state(conn, CONN_CONNECTING);
    event_add(&conn->writable, NULL);
}

bool conn_connected(struct conn *conn, int *error)
{
    socklen_t len = sizeof(*error);
    event_del(&conn->writable);
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, error, &len) < 0)
        *error = errno;
    if (*error)
        return false;
    conn_set_state(conn, CONN_OPEN);
    return true;
}

void conn_resume(struct conn *conn)
{
    if (conn->fd >= 0 && !conn_read_ended(conn) && !event_pending(&conn->readable, EV_READ, NULL))
        event_add(&conn->readable, NULL);
}

void conn_pause(struct conn *conn)
{
    if (conn->fd >= 0)
        event_del(&conn->readable);
}

bool conn_is_reset(const struct conn *conn)
{
    struct pollfd state = {.fd = conn->fd};
    return poll(&state, 1, 0) == 1 && (state.revents & POLLERR);
}

static void conn_end_reading(struct conn *conn)
{
    event_del(&conn->readable);
    conn_set_state(conn, conn->state == CONN_WRITE_ENDED ? CONN_ENDED : CONN_READ_ENDED);
}

/* One recv(). The bytes read, 0 with *end set or for nothing there. */
static size_t conn_receive(struct conn *conn, char *to, size_t room, enum conn_end *end)
{
    *end = CONN_GOES_ON;
    ssize_t n = recv(conn->fd, to, room, 0);
    if (n > 0)
        return (size_t)n;
    if (n == 0)
        *end = conn->is_broken ? CONN_RESET : CONN_EOF;
    else if (errno != EAGAIN && errno != EINTR)
        *end = CONN_RESET;
    return 0;
}

/* A write has failed; errno says how. */
static void conn_break(struct conn *conn)
{
    conn->is_broken = true;
    conn->broken_by = errno;
}

/* One sendmsg(). The bytes taken; false: the peer is gone. */
static bool conn_transmit(struct conn *conn, const struct slice *pieces, size_t n, size_t *sent)
{
    struct iovec parts[CONN_PIECES_MAX];
    for (size_t i = 0; i < n; i++)
        parts[i] = (struct iovec){(void *)(uintptr_t)pieces[i].ptr, pieces[i].len};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = n};
    ssize_t result = n == 1 ? send(conn->fd, pieces[0].ptr, pieces[0].len, MSG_NOSIGNAL)
                            : sendmsg(conn->fd, &message, MSG_NOSIGNAL);
    *sent = result > 0 ? (size_t)result : 0;
    return result >= 0 || errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM;
}

/* What the socket did not take, without the first `sent` bytes, waits. */
static enum conn_output conn_wait(struct conn *conn, const struct slice *pieces, size_t n,
                                  size_t sent)
{
    for (size_t i = 0; i < n; i++) {
        struct slice rest = slice_sub(pieces[i], sent, pieces[i].len);
        sent -= pieces[i].len - rest.len;
        if (!buf_append(&conn->out, rest.ptr, rest.len))
            return CONN_SHED;
        conn->shared->waiting_bytes += rest.len;
    }
    if (!event_pending(&conn->writable, EV_WRITE, NULL))
        event_add(&conn->writable, NULL);
    return CONN_BLOCKED;
}

/* Sends as it goes; what is not taken waits. */
static enum conn_output conn_send(struct conn *conn, const struct slice *pieces, size_t n)
{
    size_t len = 0;
    size_t sent = 0;
    for (size_t i = 0; i < n; i++)
        len += pieces[i].len;
    if (len == 0)
        return buf_len(&conn->out) ? CONN_BLOCKED : CONN_SENT;
    if (conn->is_broken)
        return CONN_BROKEN;
    if (buf_len(&conn->out) == 0) {
        if (!conn_transmit(conn, pieces, n, &sent)) {
            conn_break(conn);
            return CONN_BROKEN;
        }
        if (sent == len)
            return CONN_SENT;
    }
    return conn_wait(conn, pieces, n, sent);
}

static enum conn_output conn_send_tls(struct conn *conn)
{
    struct tls_output *output = &conn->shared->output;
    struct slice data = slice_of(output->data, output->len);
    output->len = 0;
    return conn_send(conn, &data, 1);
}

static struct conn_input conn_decrypt(struct conn *conn, struct slice raw, enum conn_end end)
{
    struct conn_input input = {.end = end};
    size_t len = 0;
    enum tls_result result = tls_layer_read(conn->tls, raw, conn->shared->plain, PLAIN_BYTES, &len);
    input.data = slice_of(conn->shared->plain, len);
    if (result == TLS_FINISHED)
        input.end = CONN_EOF;
    else if (result == TLS_FAILED)
        input.end = CONN_TLS_FAILED;
    else if (end == CONN_EOF)
        input.end = CONN_TRUNCATED;
    /* An answer to KeyUpdate or an alert; that it cannot be sent shows in the next read. */
    if (conn_send_tls(conn) == CONN_SHED)
        input.end = CONN_NO_MEMORY;
    return input;
}

/* What was read before the relay began comes first. */
static size_t conn_take_early(struct conn *conn)
{
    size_t len = buf_len(&conn->early);
    if (len)
        memcpy(conn->shared->in, buf_slice(&conn->early).ptr, len);
    buf_fini(&conn->early);
    return len;
}

struct conn_input conn_read(struct conn *conn)
{
    struct conn_input input = {.end = CONN_GOES_ON};
    char *in = conn->shared->in;
    size_t len = conn_take_early(conn);
    if (len == 0) {
        if (conn->shared->waiting_bytes > CONN_WAITING_MAX_BYTES)
            conn->read_bytes = CONN_READ_MIN_BYTES;
        len = conn_receive(conn, in, conn->read_bytes, &input.end);
        if (len == conn->read_bytes && len < CONN_READ_MAX_BYTES)
            conn->read_bytes *= 2;
    }
    input.data = slice_of(in, len);
    if (conn->tls && input.end != CONN_RESET && (len || input.end))
        input = conn_decrypt(conn, input.data, input.end);
    if (input.end == CONN_EOF)
        conn_end_reading(conn);
    return input;
}

enum conn_end conn_read_early(struct conn *conn)
{
    enum conn_end end;
    size_t room = CONN_EARLY_MAX_BYTES - buf_len(&conn->early);
    size_t len = conn_receive(conn, conn->shared->in, room, &end);
    if (room == 0 || !buf_append(&conn->early, conn->shared->in, len))
        return CONN_NO_MEMORY;
    return end;
}

enum conn_output conn_write(struct conn *conn, struct slice data)
{
    return conn_writev(conn, &data, 1);
}

enum conn_output conn_writev(struct conn *conn, const struct slice *pieces, size_t n)
{
    assert(n <= CONN_PIECES_MAX);
    if (!conn->tls)
        return conn_send(conn, pieces, n);
    for (size_t i = 0; i < n; i++) {
        if (!tls_layer_write(conn->tls, pieces[i])) {
            conn->shared->output.len = 0;
            return CONN_BROKEN;
        }
    }
    return conn_send_tls(conn);
}

enum conn_output conn_flush(struct conn *conn)
{
    struct slice rest = buf_slice(&conn->out);
    ssize_t n = rest.len ? send(conn->fd, rest.ptr, rest.len, MSG_NOSIGNAL) : 0;
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM)
            return CONN_BLOCKED;
        conn_break(conn);
        event_del(&conn->writable);
        return CONN_BROKEN;
    }
    buf_consume(&conn->out, (size_t)n);
    conn->shared->waiting_bytes -= (size_t)n;
    if (buf_len(&conn->out))
        return CONN_BLOCKED;
    event_del(&conn->writable);
    return CONN_SENT;
}

enum conn_output conn_finish(struct conn *conn)
{
    assert(buf_len(&conn->out) == 0 && !conn_write_ended(conn));
    if (conn->tls) {
        tls_layer_finish(conn->tls);
        enum conn_output result = conn_send_tls(conn);
        if (result != CONN_SENT)
            return result; /* blocked: called again when close_notify has gone */
    }
    shutdown(conn->fd, SHUT_WR);
    conn_set_state(conn, conn->state == CONN_READ_ENDED ? CONN_ENDED : CONN_WRITE_ENDED);
    return CONN_SENT;
}

void conn_start_tls(struct conn *conn, struct tls_layer *layer)
{
    conn->tls = layer;
    conn_set_state(conn, CONN_HANDSHAKE);
}

enum conn_handshake conn_handshake(struct conn *conn, bool is_readable)
{
    enum conn_end end = CONN_GOES_ON;
    size_t len = conn_take_early(conn);
    if (len == 0 && is_readable)
        len = conn_receive(conn, conn->shared->in, CONN_EARLY_MAX_BYTES, &end);
    if (end != CONN_GOES_ON)
        return CONN_FAILED;
    struct slice input = slice_of(conn->shared->in, len);
    enum tls_result result = tls_layer_handshake(conn->tls, &input);
    enum conn_output sent = conn_send_tls(conn);
    if (result == TLS_FAILED || sent == CONN_BROKEN || sent == CONN_SHED)
        return CONN_FAILED;
    if (result == TLS_MORE)
        return conn->is_broken ? CONN_FAILED : CONN_WAITS;
    if (!buf_append(&conn->early, input.ptr, input.len))
        return CONN_FAILED;
    conn_set_state(conn, CONN_OPEN);
    return CONN_SECURED;
}

void conn_close(struct conn *conn, bool abort)
{
    if (conn->fd >= 0) {
        event_del(&conn->readable);
        event_del(&conn->writable);
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        if (abort)
            setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        close(conn->fd);
        conn->fd = -1;
    }
    tls_layer_free(conn->tls);
    conn->tls = NULL;
    conn->shared->waiting_bytes -= buf_len(&conn->out);
    buf_fini(&conn->early);
    buf_fini(&conn->out);
    conn_set_state(conn, CONN_CLOSED);
}

size_t conn_buffered(const struct conn *conn)
{
    return conn->early.size + conn->out.size;
}
