#include "common/grpc/session.h"

#include <assert.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/grpc/session_h2.h"

#define SESSION_READ_BYTES  32768
#define SESSION_READ_ROUNDS 4     /* reads in one go, then others have their turn */
#define SESSION_RUN_ROUNDS  8     /* likewise for delivering and writing */
#define SESSION_BATCH_BYTES 65536 /* frames made before a write */

/* Every change of state, so that an illegal one shows itself here. */
static void session_set_state(struct grpc_session *session, enum grpc_session_state state)
{
    assert(state > session->state);
    session->state = state;
}

static bool session_is_alive(const struct grpc_session *session)
{
    return session->state <= GRPC_SESSION_UP;
}

void grpc_session_fail(struct grpc_session *session, const struct err *err)
{
    if (!session_is_alive(session))
        return;
    session->err = *err;
    session_set_state(session, GRPC_SESSION_FAILED);
    grpc_session_run_soon(session);
}

void grpc_session_run_soon(struct grpc_session *session)
{
    if (!session->is_running && session->state != GRPC_SESSION_CLOSED)
        event_active(session->work, EV_TIMEOUT, 0);
}

/* ---- pipes ---------------------------------------------------------------------------------- */

static void timer_arm(struct grpc_session *session, uint64_t ms)
{
    struct timeval wait = clock_timeval_ms(ms);
    event_add(session->timer, &wait);
}

static void ask_for_life(struct grpc_session *session)
{
    nghttp2_submit_ping(session->h2, NGHTTP2_FLAG_NONE, NULL);
    session->ping_ns = clock_now_ns();
    timer_arm(session, session->settings.keepalive_timeout_ms);
}

void grpc_session_attach(struct grpc_session *session, struct grpc_pipe *pipe, int32_t stream_id)
{
    uint64_t silent_ms = (clock_now_ns() - session->read_ns) / NS_PER_MS;
    pipe->session = session;
    pipe->id = stream_id;
    list_append(&session->pipes, &pipe->node);
    /* An idle client sends no PING, so the first call after a while finds out who is there. */
    if (!session->settings.is_server && session->ping_ns == 0 &&
        silent_ms >= session->settings.keepalive_ms)
        ask_for_life(session);
    grpc_session_run_soon(session);
}

void grpc_session_detach(struct grpc_pipe *pipe, uint32_t h2_error)
{
    struct grpc_session *session = pipe->session;
    list_remove(&pipe->node);
    list_remove(&pipe->ready);
    pipe->session = NULL;
    if (!session)
        return;
    if (session->h2 && !pipe->is_closed && pipe->id) {
        nghttp2_session_set_stream_user_data(session->h2, pipe->id, NULL);
        nghttp2_submit_rst_stream(session->h2, NGHTTP2_FLAG_NONE, pipe->id, h2_error);
    }
    grpc_session_run_soon(session);
}

void grpc_session_has_output(struct grpc_pipe *pipe)
{
    struct grpc_session *session = pipe->session;
    if (!session || pipe->is_closed || !session_is_alive(session))
        return;
    if (pipe->is_deferred) {
        pipe->is_deferred = false;
        nghttp2_session_resume_data(session->h2, pipe->id);
    }
    grpc_session_run_soon(session);
}

void grpc_session_mark_ready(struct grpc_pipe *pipe)
{
    if (!pipe->session)
        return;
    list_remove(&pipe->ready);
    list_append(&pipe->session->ready, &pipe->ready);
    grpc_session_run_soon(pipe->session);
}

void grpc_session_credit(struct grpc_pipe *pipe, size_t bytes)
{
    if (!pipe->session || pipe->is_closed || !session_is_alive(pipe->session))
        return;
    nghttp2_session_consume_stream(pipe->session->h2, pipe->id, bytes);
    grpc_session_run_soon(pipe->session);
}

/* ---- reading and writing -------------------------------------------------------------------- */

static void session_shake(struct grpc_session *session)
{
    struct err err;
    switch (grpc_transport_handshake(&session->transport, &err)) {
    case GRPC_TRANSPORT_AGAIN:
        return;
    case GRPC_TRANSPORT_OK:
        if (!grpc_session_h2_start(session, &err))
            break;
        session_set_state(session, GRPC_SESSION_OPENING);
        return;
    case GRPC_TRANSPORT_CLOSED:
    case GRPC_TRANSPORT_FAILED:
        break;
    }
    grpc_session_fail(session, &err);
}

static void session_understand(struct grpc_session *session, const uint8_t *bytes, size_t len)
{
    session->read_ns = clock_now_ns();
    session->err.text[0] = '\0'; /* nghttp2 may put its reason there */
    ssize_t n = nghttp2_session_mem_recv(session->h2, bytes, len);
    if (n >= 0)
        return;
    struct err err = session->err;
    if (err.text[0] == '\0')
        err_set(&err, "HTTP/2: %s", nghttp2_strerror((int)n));
    grpc_session_fail(session, &err);
}

static void session_read(struct grpc_session *session)
{
    uint8_t bytes[SESSION_READ_BYTES];
    struct err err;
    size_t n;
    for (unsigned round = 0; round < SESSION_READ_ROUNDS; round++) {
        switch (grpc_transport_read(&session->transport, bytes, sizeof(bytes), &n, &err)) {
        case GRPC_TRANSPORT_AGAIN:
            return;
        case GRPC_TRANSPORT_OK:
            session_understand(session, bytes, n);
            if (!session_is_alive(session))
                return;
            if (!session->transport.ssl && n < sizeof(bytes))
                return; /* the next read would only say EAGAIN */
            break;
        case GRPC_TRANSPORT_CLOSED:
            err_set(&err, "%s",
                    session->is_goaway_seen ? session->goaway_err.text
                                            : "the peer closed the connection");
            /* fall through */
        case GRPC_TRANSPORT_FAILED:
            grpc_session_fail(session, &err);
            return;
        }
    }
    if (grpc_transport_has_more(&session->transport))
        event_active(session->transport.readable, EV_READ, 0);
}

/* Fills session->out from nghttp2. */
static void session_make_frames(struct grpc_session *session)
{
    const uint8_t *bytes;
    while (buf_len(&session->out) < SESSION_BATCH_BYTES) {
        ssize_t n = nghttp2_session_mem_send(session->h2, &bytes);
        if (n == 0)
            return;
        if (n < 0 || !buf_append(&session->out, bytes, (size_t)n)) {
            struct err err;
            err_set(&err, "HTTP/2: %s", n < 0 ? nghttp2_strerror((int)n) : "out of memory");
            grpc_session_fail(session, &err);
            return;
        }
    }
}

static bool session_is_finished(struct grpc_session *session)
{
    if (session->is_draining && !session->is_drained && !session->is_goaway_seen)
        return false;
    return !nghttp2_session_want_read(session->h2) && !nghttp2_session_want_write(session->h2);
}

static void session_write(struct grpc_session *session)
{
    struct err err;
    size_t n;
    if (!session->h2)
        return;
    for (;;) {
        session_make_frames(session);
        struct slice bytes = buf_slice(&session->out);
        if (bytes.len == 0)
            break;
        switch (grpc_transport_write(&session->transport, bytes.ptr, bytes.len, &n, &err)) {
        case GRPC_TRANSPORT_OK:
            buf_consume(&session->out, n);
            continue;
        case GRPC_TRANSPORT_AGAIN:
            return;
        case GRPC_TRANSPORT_CLOSED:
            err_set(&err, "write: the peer closed the connection");
            break;
        case GRPC_TRANSPORT_FAILED:
            break;
        }
        grpc_session_fail(session, &err);
        return;
    }
    if (session_is_alive(session) && session_is_finished(session)) {
        err_set(&err, "%s",
                session->breach_err.text[0] ? session->breach_err.text
                : session->is_goaway_seen   ? session->goaway_err.text
                                            : "the connection was ended");
        grpc_session_fail(session, &err);
    }
}

/* ---- running -------------------------------------------------------------------------------- */

static void deliver_news(struct grpc_session *session)
{
    if (session->is_up_due && session->state == GRPC_SESSION_OPENING) {
        session->is_up_due = false;
        session_set_state(session, GRPC_SESSION_UP);
        timer_arm(session, session->settings.keepalive_ms);
        session->ops->on_up(session->owner);
    }
    if (session->is_goaway_due && session->state != GRPC_SESSION_CLOSED) {
        session->is_goaway_due = false;
        if (session->ops->on_goaway)
            session->ops->on_goaway(session->owner, &session->goaway_err);
    }
}

static void deliver_pipes(struct grpc_session *session)
{
    struct list now; /* what becomes ready meanwhile waits for the next round */
    list_init(&now);
    list_take_all(&now, &session->ready);
    while (!list_is_empty(&now)) {
        struct grpc_pipe *pipe = LIST_ENTRY(now.next, struct grpc_pipe, ready);
        list_remove(&pipe->ready);
        if (session->state != GRPC_SESSION_CLOSED)
            session->ops->on_ready(session->owner, pipe);
    }
}

static void session_end_if_due(struct grpc_session *session)
{
    if (!session->is_ending || session->is_terminating || !session->h2 ||
        !list_is_empty(&session->pipes))
        return;
    session->is_terminating = true;
    nghttp2_session_terminate_session(session->h2, NGHTTP2_NO_ERROR);
}

void grpc_session_run(struct grpc_session *session)
{
    bool has_more = true;
    if (session->is_running)
        return;
    session->is_running = true;
    for (unsigned round = 0; round < SESSION_RUN_ROUNDS && has_more; round++) {
        deliver_news(session);
        deliver_pipes(session);
        if (session->state == GRPC_SESSION_CLOSED)
            break;
        session_end_if_due(session);
        session_write(session);
        has_more = !list_is_empty(&session->ready);
    }
    session->is_running = false;
    if (session->state == GRPC_SESSION_FAILED && !has_more) {
        struct err err = session->err;
        session->ops->on_lost(session->owner, &err);
    } else if (has_more) {
        grpc_session_run_soon(session);
    }
}

static void on_transport(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_session *session = arg;
    struct grpc_turn *turn = session->turn;
    grpc_turn_enter(turn);
    if (session->state == GRPC_SESSION_HANDSHAKE)
        session_shake(session);
    if (session->state == GRPC_SESSION_OPENING || session->state == GRPC_SESSION_UP)
        session_read(session);
    grpc_session_run(session);
    grpc_turn_leave(turn);
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_session *session = arg;
    struct grpc_turn *turn = session->turn;
    grpc_turn_enter(turn);
    if (session->state == GRPC_SESSION_HANDSHAKE)
        session_shake(session);
    grpc_session_run(session);
    grpc_turn_leave(turn);
}

/* ---- keepalive ------------------------------------------------------------------------------ */

static void keepalive(struct grpc_session *session)
{
    const struct grpc_session_settings *settings = &session->settings;
    uint64_t now = clock_now_ns();
    if (session->ping_ns && session->read_ns >= session->ping_ns)
        session->ping_ns = 0; /* anything that is read is a sign of life */
    if (session->ping_ns) {
        uint64_t waited_ms = (now - session->ping_ns) / NS_PER_MS;
        if (waited_ms < settings->keepalive_timeout_ms) {
            timer_arm(session, settings->keepalive_timeout_ms - waited_ms);
            return;
        }
        struct err err;
        err_set(&err, "keepalive: the peer did not answer a PING within %llu ms",
                (unsigned long long)settings->keepalive_timeout_ms);
        grpc_session_fail(session, &err);
        return;
    }
    uint64_t silent_ms = (now - session->read_ns) / NS_PER_MS;
    if (silent_ms < settings->keepalive_ms)
        timer_arm(session, settings->keepalive_ms - silent_ms);
    else if (settings->is_server || !list_is_empty(&session->pipes))
        ask_for_life(session);
    else /* servers of others count PINGs without calls as abuse */
        timer_arm(session, settings->keepalive_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_session *session = arg;
    struct grpc_turn *turn = session->turn;
    struct err err;
    grpc_turn_enter(turn);
    if (session->state == GRPC_SESSION_UP) {
        keepalive(session);
    } else {
        err_set(&err, "the peer did not %s within %llu ms",
                session->state == GRPC_SESSION_HANDSHAKE ? "complete the TLS handshake"
                                                         : "begin to speak HTTP/2",
                (unsigned long long)session->settings.setup_timeout_ms);
        grpc_session_fail(session, &err);
    }
    grpc_session_run(session);
    grpc_turn_leave(turn);
}

/* ---- life ----------------------------------------------------------------------------------- */

bool grpc_session_open(struct grpc_session *session, struct grpc_turn *turn,
                       struct event_base *base, int fd, struct svid_tls *tls, struct slice expected,
                       const struct grpc_session_settings *settings,
                       const struct grpc_session_ops *ops, void *owner, struct err *err)
{
    *session = (struct grpc_session){
        .turn = turn,
        .ops = ops,
        .owner = owner,
        .settings = *settings,
        .transport = {.fd = -1},
        .read_ns = clock_now_ns(),
    };
    list_init(&session->pipes);
    list_init(&session->ready);
    /* A batch, and the frame that passes its mark. */
    buf_init(&session->out, 2 * SESSION_BATCH_BYTES);
    session->work = event_new(base, -1, 0, on_work, session);
    session->timer = evtimer_new(base, on_timer, session);
    if (!session->work || !session->timer) {
        close(fd);
        return err_set(err, "out of memory for a connection");
    }
    if (!grpc_transport_open(&session->transport, base, fd, tls, expected, on_transport, session,
                             err))
        return false;
    timer_arm(session, settings->setup_timeout_ms);
    grpc_session_run_soon(session); /* begins the handshake */
    return true;
}

void grpc_session_end(struct grpc_session *session)
{
    session->is_ending = true;
    grpc_session_run_soon(session);
}

void grpc_session_close(struct grpc_session *session)
{
    if (session->state == GRPC_SESSION_CLOSED)
        return;
    bool is_up = session->state == GRPC_SESSION_UP;
    session->is_running = true; /* nothing is to be scheduled any more */
    if (is_up) {
        nghttp2_session_terminate_session(session->h2, NGHTTP2_NO_ERROR);
        session_write(session);
    } else if (session->h2) {
        session_write(session); /* a GOAWAY that says why */
    }
    session_set_state(session, GRPC_SESSION_CLOSED);
    if (session->work)
        event_del(session->work);
    if (session->timer)
        event_del(session->timer);
    grpc_transport_close(&session->transport);
}

void grpc_session_fini(struct grpc_session *session)
{
    grpc_transport_close(&session->transport);
    if (session->work)
        event_free(session->work);
    if (session->timer)
        event_free(session->timer);
    nghttp2_session_del(session->h2);
    buf_fini(&session->out);
}
