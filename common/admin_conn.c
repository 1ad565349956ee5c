#include "common/admin_conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

#define READ_BYTES          4096
#define LINGER_MS           1000
#define SLOW_MS             5000 /* an answer that takes longer may have to make room */
#define LINGER_MAX_BYTES    (256u << 10)
#define OUT_MAX_BYTES       (80u << 20)
#define HEAD_LINE_MAX_BYTES 8192
#define HEAD_MAX_FIELDS     128

static bool state_is_waiting(enum admin_state state)
{
    static const bool is_waiting[] = {
#define X(suffix, waiting, is_read) waiting,
        ADMIN_STATES(X)
#undef X
    };
    return is_waiting[state];
}

static bool state_is_read(enum admin_state state)
{
    static const bool is_read[] = {
#define X(suffix, is_waiting, read) read,
        ADMIN_STATES(X)
#undef X
    };
    return is_read[state];
}

/* How long it may last. An answer's time is that without progress: admin_conn_write.c. */
static uint64_t state_ms(enum admin_state state, const struct admin_limits *limits)
{
    switch (state) {
    case ADMIN_IDLE:
        return limits->idle_ms;
    case ADMIN_HEAD:
        return limits->head_ms;
    case ADMIN_BODY:
        return limits->body_ms;
    case ADMIN_WRITING:
        return limits->stall_ms;
    case ADMIN_LINGERING:
        return LINGER_MS;
    default:
        return 0;
    }
}

void admin_conn_set_timer(struct admin_conn *conn, uint64_t ms)
{
    const struct timeval after = clock_timeval_ms(ms);
    if (ms == 0)
        event_del(&conn->timer);
    else if (event_add(&conn->timer, &after) < 0)
        admin_conn_close(conn);
}

void admin_conn_set_state(struct admin_conn *conn, enum admin_state state)
{
    const bool was_waiting = state_is_waiting(conn->state), is_waiting = state_is_waiting(state);
    assert(conn->state != ADMIN_CLOSED);
    conn->state = state;
    if (state == ADMIN_WRITING)
        conn->writing_since_ns = clock_now_ns();
    if (was_waiting != is_waiting) {
        list_remove(&conn->node);
        list_append(is_waiting ? &conn->conns->waiting : &conn->conns->busy, &conn->node);
    }
    if (state != ADMIN_TRAILERS) /* their time is the body's */
        admin_conn_set_timer(conn, state_ms(state, conn->conns->limits));
    if (!state_is_read(state))
        event_del(&conn->readable);
    else if (conn->state != ADMIN_CLOSED && event_add(&conn->readable, NULL) < 0)
        admin_conn_close(conn);
    else if (conn->state != ADMIN_CLOSED)
        admin_conn_wake(conn);
}

void admin_request_free(struct admin_request *request)
{
    buf_fini(&request->body);
    arena_fini(&request->arena);
    free(request);
}

void admin_conn_close(struct admin_conn *conn)
{
    struct admin_conns *conns = conn->conns;
    const struct timeval now = {0};
    if (conn->state == ADMIN_CLOSED)
        return;
    /* Who streams is told when it is freed: not from inside of a call of his own. */
    if (conn->request && conn->state == ADMIN_PAGE) {
        conn->request->conn = NULL;
        conn->request = NULL;
    } else if (conn->request && conn->state != ADMIN_STREAMING) {
        admin_request_free(conn->request);
        conn->request = NULL;
    }
    if (conn->state == ADMIN_STREAMING)
        conns->n_streams--;
    conn->state = ADMIN_CLOSED;
    event_del(&conn->readable);
    event_del(&conn->writable);
    event_del(&conn->timer);
    admin_conn_io_close(conn);
    buf_fini(&conn->in);
    buf_fini(&conn->out);
    list_remove(&conn->node);
    list_append(&conns->dead, &conn->node);
    conns->counts.n_open--;
    conns->on_closed(conns);
    /* Without memory for a timer they stay until the next one is closed. */
    (void)event_add(&conns->bury, &now);
}

static void conn_free(struct admin_conn *conn)
{
    struct admin_request *request = conn->request;
    list_remove(&conn->node);
    free(conn);
    if (!request)
        return;
    void (*on_gone)(void *) = request->on_gone;
    void *context = request->on_gone_context;
    admin_request_free(request);
    if (on_gone)
        on_gone(context);
}

static void on_bury(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct admin_conns *conns = arg;
    while (!list_is_empty(&conns->dead))
        conn_free(LIST_ENTRY(conns->dead.next, struct admin_conn, node));
}

void admin_conns_init(struct admin_conns *conns, struct event_base *base,
                      const struct admin_limits *limits)
{
    *conns = (struct admin_conns){.base = base, .limits = limits};
    list_init(&conns->waiting);
    list_init(&conns->busy);
    list_init(&conns->dead);
    evtimer_assign(&conns->bury, base, on_bury, conns);
    admin_trim_init(&conns->trim, base);
}

void admin_conns_fini(struct admin_conns *conns)
{
    while (!list_is_empty(&conns->waiting))
        admin_conn_close(LIST_ENTRY(conns->waiting.next, struct admin_conn, node));
    while (!list_is_empty(&conns->busy))
        admin_conn_close(LIST_ENTRY(conns->busy.next, struct admin_conn, node));
    on_bury(-1, 0, conns);
    event_del(&conns->bury);
    admin_trim_fini(&conns->trim);
}

/* Who takes an answer so slowly that it would be nobody's loss. */
static struct admin_conn *slowest_writer(struct admin_conns *conns)
{
    uint64_t now_ns = clock_now_ns();
    LIST_EACH(node, &conns->busy) {
        struct admin_conn *conn = LIST_ENTRY(node, struct admin_conn, node);
        if (conn->state == ADMIN_WRITING && now_ns - conn->writing_since_ns > SLOW_MS * NS_PER_MS)
            return conn;
    }
    return NULL;
}

bool admin_conns_make_room(struct admin_conns *conns)
{
    struct admin_conn *conn = list_is_empty(&conns->waiting)
                                  ? slowest_writer(conns)
                                  : LIST_ENTRY(conns->waiting.next, struct admin_conn, node);
    if (!conn)
        return false;
    conns->counts.n_evicted++;
    admin_conn_close(conn);
    return true;
}

/* ---- reading ---- */

static void refuse_fault(struct admin_conn *conn, enum h1_fault fault)
{
    conn->conns->counts.n_malformed++;
    admin_conn_refuse(conn, h1_fault_status(fault), h1_fault_text(fault));
}

static struct h1_limits head_limits(const struct admin_conn *conn)
{
    return (struct h1_limits){HEAD_LINE_MAX_BYTES, conn->conns->limits->head_bytes,
                              HEAD_MAX_FIELDS};
}

/* Parses the head in the `len` first bytes; the request's memory is its own. */
static enum h1_fault begin_request(struct admin_conn *conn, size_t len)
{
    const struct h1_limits limits = head_limits(conn);
    struct admin_request *request = calloc(1, sizeof(*request));
    if (!request)
        return H1_FAULT_NO_MEMORY;
    request->conn = conn;
    buf_init(&request->body, conn->conns->limits->body_bytes);
    head_init(&request->head, &request->arena);
    conn->request = request;
    char *text = arena_text(&request->arena, slice_sub(buf_slice(&conn->in), 0, len));
    if (!text)
        return H1_FAULT_NO_MEMORY;
    buf_consume(&conn->in, len);
    conn->seen = 0;
    return h1_parse_request(text, len, &limits, &request->head, &request->message);
}

static bool body_is_too_large(const struct admin_conn *conn)
{
    const struct admin_request *request = conn->request;
    return request->message.framing == H1_LENGTH &&
           (uint64_t)request->head.content_length > conn->conns->limits->body_bytes;
}

/* Each step: true when there may be another. */
static bool read_head(struct admin_conn *conn)
{
    const struct h1_limits limits = head_limits(conn);
    enum h1_fault fault;
    size_t len = h1_head_end(buf_slice(&conn->in), &conn->seen, &limits, &fault);
    if (len == 0 && fault == H1_FAULT_NONE)
        return false;
    if (len > 0)
        fault = begin_request(conn, len);
    if (fault != H1_FAULT_NONE) {
        refuse_fault(conn, fault);
        return false;
    }
    conn->is_last = !conn->request->message.is_persistent;
    h1_body_init(&conn->body, &conn->request->message, &conn->request->head);
    if (body_is_too_large(conn)) {
        conn->conns->counts.n_malformed++;
        admin_conn_refuse(conn, 413, "the body is too large");
        return false;
    }
    admin_conn_set_state(conn, ADMIN_BODY);
    if (conn->state == ADMIN_BODY && conn->request->message.expects_continue &&
        buf_len(&conn->in) == 0)
        admin_conn_continue(conn);
    return true;
}

static bool give_request(struct admin_conn *conn)
{
    conn->conns->counts.n_requests++;
    admin_conn_set_state(conn, ADMIN_PAGE);
    conn->conns->on_request(conn->conns, conn->request);
    return true;
}

static bool read_body(struct admin_conn *conn)
{
    for (;;) {
        struct slice input = buf_slice(&conn->in), data;
        const size_t before = input.len;
        enum h1_body_result result = h1_body_next(&conn->body, &input, &data);
        bool fits = buf_append(&conn->request->body, data.ptr, data.len);
        if (before > input.len)
            buf_consume(&conn->in, before - input.len);
        if (!fits || result == H1_BODY_BAD) {
            conn->conns->counts.n_malformed++;
            admin_conn_refuse(conn, fits ? 400 : 413,
                              fits ? h1_fault_text(H1_FAULT_CHUNK) : "the body is too large");
            return false;
        }
        if (result == H1_BODY_MORE)
            return false;
        if (result == H1_BODY_END)
            return give_request(conn);
        if (result == H1_BODY_TRAILERS) {
            admin_conn_set_state(conn, ADMIN_TRAILERS);
            return true;
        }
    }
}

/* No page wants them; they have to be well-formed all the same. */
static bool read_trailers(struct admin_conn *conn)
{
    const struct h1_limits limits = head_limits(conn);
    enum h1_fault fault;
    size_t len = h1_trailers_end(buf_slice(&conn->in), &conn->seen, &limits, &fault);
    if (len == 0 && fault == H1_FAULT_NONE)
        return false;
    if (len > 0) {
        struct head trailers;
        head_init(&trailers, &conn->request->arena);
        char *text = arena_text(&conn->request->arena, slice_sub(buf_slice(&conn->in), 0, len));
        fault = text ? h1_parse_trailers(text, len, &limits, &trailers) : H1_FAULT_NO_MEMORY;
        buf_consume(&conn->in, len);
        conn->seen = 0;
    }
    if (fault != H1_FAULT_NONE) {
        refuse_fault(conn, fault);
        return false;
    }
    return give_request(conn);
}

static bool step(struct admin_conn *conn)
{
    switch (conn->state) {
    case ADMIN_IDLE:
        if (buf_len(&conn->in) == 0)
            return false;
        admin_conn_set_state(conn, ADMIN_HEAD);
        return true;
    case ADMIN_HEAD:
        return read_head(conn);
    case ADMIN_BODY:
        return read_body(conn);
    case ADMIN_TRAILERS:
        return read_trailers(conn);
    default:
        return false;
    }
}

/* An answer that is written at once leads to the next request; `is_advancing` makes that this loop
 * and no recursion. */
void admin_conn_advance(struct admin_conn *conn)
{
    if (conn->is_advancing)
        return;
    conn->is_advancing = true;
    while (step(conn))
        ;
    conn->is_advancing = false;
}

/* What comes after all was said, or while an answer streams, is nobody's. */
static void drop_input(struct admin_conn *conn)
{
    char bytes[READ_BYTES];
    ssize_t n = recv(conn->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    conn->n_dropped += n > 0 ? (size_t)n : 0;
    if (n <= 0 || conn->n_dropped > LINGER_MAX_BYTES)
        admin_conn_close(conn);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct admin_conn *conn = arg;
    if (conn->state == ADMIN_LINGERING || conn->state == ADMIN_STREAMING) {
        drop_input(conn);
        return;
    }
    char *room = buf_room(&conn->in, READ_BYTES);
    ssize_t n = room ? admin_conn_recv(conn, room, READ_BYTES) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        buf_consume(&conn->in, 0); /* gives back what only the room took */
        return;
    }
    if (n <= 0) {
        admin_conn_close(conn);
        return;
    }
    buf_added(&conn->in, (size_t)n);
    admin_conn_advance(conn);
    if (state_is_read(conn->state))
        admin_conn_wake(conn);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct admin_conn *conn = arg;
    switch (conn->state) {
    case ADMIN_WRITING:
    case ADMIN_STREAMING:
        conn->conns->counts.n_stalled++;
        admin_conn_close(conn);
        return;
    case ADMIN_HEAD:
    case ADMIN_BODY:
    case ADMIN_TRAILERS:
        conn->conns->counts.n_timed_out++;
        if (conn->request || buf_len(&conn->in) > 0)
            admin_conn_refuse(conn, 408, "the request took too long");
        else
            admin_conn_close(conn);
        return;
    default:
        admin_conn_close(conn);
    }
}

void admin_conn_open(struct admin_conns *conns, int fd, const struct sockaddr_any *peer)
{
    int one = 1;
    admin_trim_came(&conns->trim);
    bool has_room =
        conns->counts.n_open < conns->limits->connections || admin_conns_make_room(conns);
    struct admin_conn *conn = has_room ? calloc(1, sizeof(*conn)) : NULL;
    if (!conn) {
        conns->counts.n_refused++;
        close(fd);
        return;
    }
    conns->counts.n_accepted++;
    conns->counts.n_open++;
    *conn = (struct admin_conn){.conns = conns, .fd = fd, .peer = *peer, .state = ADMIN_HEAD};
    buf_init(&conn->in, conns->limits->head_bytes + READ_BYTES);
    buf_init(&conn->out, OUT_MAX_BYTES);
    event_assign(&conn->readable, conns->base, fd, EV_READ | EV_PERSIST, on_readable, conn);
    event_assign(&conn->writable, conns->base, fd, EV_WRITE, admin_conn_on_writable, conn);
    evtimer_assign(&conn->timer, conns->base, on_timer, conn);
    list_append(&conns->waiting, &conn->node);
    if (!admin_conn_io_open(conn)) {
        conns->counts.n_refused++;
        admin_conn_close(conn);
        return;
    }
    /* A streamed piece is not to wait for the acknowledgement of the one before. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    admin_conn_set_state(conn, ADMIN_HEAD);
    /* Mostly the request is there already; read now, it cannot lose its place to who comes next. */
    if (conn->state == ADMIN_HEAD)
        on_readable(fd, EV_READ, conn);
}
