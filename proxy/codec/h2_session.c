#include "proxy/codec/h2_session.h"

#include <assert.h>
#include <stdio.h>

#include "common/clock.h"
#include "proxy/codec/h2_callbacks.h"
#include "proxy/codec/h2_times.h"
#include "proxy/codec/slabs.h"

#define LINGER_BYTES (1024 * 1024)
/* A peer that does not answer the PING of a drain is not waited for longer. */
#define DRAIN_ANSWER_MS 1000
/* Frames that wait in nghttp2 because the peer makes us answer and does not read. */
#define QUEUED_FRAMES_MAX 2000

/* Every change of state; nothing goes back. */
static void set_state(struct h2_session *session, enum h2_state state)
{
    assert(state > session->state);
    session->state = state;
}

/* ---- the end -------------------------------------------------------------------------------- */

static void set_reason(struct h2_session *session, enum reason reason, const char *detail)
{
    if (session->reason != REASON_COUNT)
        return;
    session->reason = reason;
    snprintf(session->detail, sizeof(session->detail), "%s", detail);
}

void h2_session_fail(struct h2_session *session, enum reason reason, uint32_t h2_error,
                     const char *detail)
{
    if (!h2_session_is_alive(session) || session->reason != REASON_COUNT)
        return;
    set_reason(session, reason, detail);
    nghttp2_session_terminate_session(session->h2, h2_error);
    h2_session_mark(session);
}

bool h2_session_spend(struct h2_session *session, uint32_t cost)
{
    if (h2_glitch_spend(&session->glitch, cost, session->now_ns))
        return true;
    h2_session_fail(session, REASON_GLITCHES, NGHTTP2_ENHANCE_YOUR_CALM,
                    "too many frames that make no progress");
    return false;
}

/* A client that writes on a stream which it has ended has lost count (RFC 9113 5.1). */
bool h2_session_judge(struct h2_session *session, uint32_t id)
{
    switch (h2_past_state(&session->past, id)) {
    case H2_PAST_UNKNOWN:
        return true;
    case H2_PAST_SKIPPED:
        h2_session_fail(session, REASON_MALFORMED, NGHTTP2_PROTOCOL_ERROR,
                        "a stream below one that was used");
        return false;
    case H2_PAST_ENDED:
        h2_session_fail(session, REASON_MALFORMED, NGHTTP2_STREAM_CLOSED,
                        "a frame on a stream that has ended");
        return false;
    }
    return true;
}

/* From here on nghttp2 is not asked any more: what it would send may be gone with the owners. */
static void lose_streams(struct h2_session *session)
{
    struct list lost; /* an owner may close several at once */
    list_init(&lost);
    list_take_all(&lost, &session->streams);
    while (!list_is_empty(&lost)) {
        struct h2_stream *stream = LIST_ENTRY(lost.next, struct h2_stream, node);
        list_remove(&stream->node);
        list_append(&session->streams, &stream->node);
        h2_stream_lose(stream);
    }
}

/* The socket has ended, or nobody waits for what it could still carry. */
void h2_session_end_at_once(struct h2_session *session)
{
    if (session->state == H2_CLOSED)
        return;
    set_reason(session, REASON_DONE, "");
    set_state(session, H2_CLOSED);
    timer_cancel(session->codec.shared->timers, &session->timer);
    conn_close(&session->codec.conn, false);
    lose_streams(session);
    const struct codec_events *events = session->codec.events;
    session->codec.events = NULL;
    if (events)
        events->on_closed(session->codec.owner, session->reason, session->detail);
}

/* Everything that nghttp2 had to say is in the output. */
static void begin_end(struct h2_session *session)
{
    set_reason(session, REASON_DONE, "");
    set_state(session, H2_ENDING);
    lose_streams(session);
    if (session->state == H2_CLOSED)
        return;
    session->gone_ns = session->now_ns;
    h2_times_set_deadline(session, H2_LINGER_MS);
    output_tell_sent(&session->output);
}

static void on_sent(struct output *output)
{
    struct h2_session *session = LIST_ENTRY(output, struct h2_session, output);
    if (session->state != H2_ENDING)
        return;
    enum conn_output result = CONN_SENT;
    if (!conn_write_ended(&session->codec.conn))
        result = conn_finish(&session->codec.conn);
    if (result == CONN_BLOCKED) {
        output_tell_sent(output);
        return;
    }
    set_state(session, H2_LINGERING);
    h2_times_set_deadline(session, H2_LINGER_MS);
    if (result != CONN_SENT || conn_read_ended(&session->codec.conn))
        h2_session_end_at_once(session);
}

static void on_broken(struct output *output, enum conn_output result)
{
    struct h2_session *session = LIST_ENTRY(output, struct h2_session, output);
    if (result == CONN_SHED)
        set_reason(session, REASON_NO_MEMORY, "memory is short");
    else
        set_reason(session,
                   session->codec.ops->is_server ? REASON_CLIENT_RESET : REASON_SERVER_RESET, "");
    h2_session_end_at_once(session);
}

/* ---- turns ---------------------------------------------------------------------------------- */

/* Frames into the output, until the socket has enough. */
/*
 * Named when it is framed, not when the PING is read: the streams that came with the answer have
 * been begun, and a client that is told they were not asks for them again.
 */
static void name_last_stream(struct h2_session *session)
{
    if (!session->is_last_stream_due)
        return;
    session->is_last_stream_due = false;
    nghttp2_submit_goaway(session->h2, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session->h2), NGHTTP2_NO_ERROR,
                          NULL, 0);
}

static void make_frames(struct h2_session *session)
{
    name_last_stream(session);
    session->depth++;
    while (session->state <= H2_UP && session->output.state == CONN_SENT) {
        const uint8_t *bytes;
        ssize_t n = nghttp2_session_mem_send(session->h2, &bytes);
        if (n == 0)
            break;
        if (n < 0) {
            set_reason(session, REASON_NO_MEMORY, nghttp2_strerror((int)n));
            break;
        }
        if (!output_add(&session->output, slice_of(bytes, (size_t)n)))
            break;
    }
    session->depth--;
}

static void tell_due(struct h2_session *session)
{
    /* What becomes due meanwhile waits for the next turn. */
    list_append(&session->due, &session->fence);
    while (session->due.next != &session->fence) {
        struct h2_stream *stream = LIST_ENTRY(session->due.next, struct h2_stream, due);
        list_remove(&stream->due);
        h2_stream_tell(stream);
    }
    list_remove(&session->fence);
}

static void tell_room(struct h2_session *session)
{
    if (!session->is_room_due)
        return;
    session->is_room_due = false;
    if (session->codec.events && session->codec.events->on_room)
        session->codec.events->on_room(session->codec.owner);
}

static bool is_finished(struct h2_session *session)
{
    if (session->drain == H2_DRAIN_ANNOUNCED && !session->is_goaway_seen)
        return false;
    return session->n_open == 0 && !nghttp2_session_want_read(session->h2) &&
           !nghttp2_session_want_write(session->h2);
}

static void give_credit(struct h2_session *session)
{
    if (session->credit && h2_session_is_alive(session)) {
        nghttp2_session_consume_connection(session->h2, session->credit);
        session->credit = 0;
    }
}

static void on_turn(struct output *output)
{
    struct h2_session *session = LIST_ENTRY(output, struct h2_session, output);
    session->now_ns = clock_now_ns();
    if (h2_session_is_alive(session)) {
        give_credit(session);
        make_frames(session);
    }
    tell_due(session);
    if (session->state != H2_CLOSED)
        tell_room(session);
    if (h2_session_is_alive(session) && (session->reason != REASON_COUNT || is_finished(session)))
        begin_end(session);
}

static void on_drained(struct output *output)
{
    output_mark(output);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void end_of_input(struct h2_session *session, enum conn_end end)
{
    bool is_server = session->codec.ops->is_server;
    switch (end) {
    case CONN_GOES_ON:
        return;
    case CONN_EOF:
        set_reason(session,
                   session->n_open == 0 ? REASON_DONE
                   : is_server          ? REASON_CLIENT_RESET
                                        : REASON_SERVER_RESET,
                   session->n_open ? "closed with streams open" : "");
        break;
    case CONN_RESET:
        set_reason(session, is_server ? REASON_CLIENT_RESET : REASON_SERVER_RESET, "");
        break;
    case CONN_TRUNCATED:
        set_reason(session, session->n_open ? REASON_TLS_TRUNCATED : REASON_DONE, "");
        break;
    case CONN_TLS_FAILED:
        set_reason(session, REASON_TLS_FAILED, "");
        break;
    case CONN_NO_MEMORY:
        set_reason(session, REASON_NO_MEMORY, "memory is short");
        break;
    }
    h2_session_end_at_once(session);
}

/* Beyond nghttp2, which forgets streams. Less than 0: it has failed. */
static ssize_t feed(struct h2_session *session, struct slice data)
{
    while (data.len) {
        uint32_t id = 0;
        enum h2_frames_stop stop;
        size_t len = h2_frames_next(&session->frames, data, &stop, &id);
        ssize_t n = nghttp2_session_mem_recv(session->h2, (const uint8_t *)data.ptr, len);
        if (n < 0)
            return n;
        if (stop == H2_FRAMES_DATA && !h2_session_judge(session, id))
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        if (stop == H2_FRAMES_UNKNOWN && !h2_session_spend(session, H2_GLITCH_FRAME))
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        data = slice_sub(data, len, data.len);
    }
    return 0;
}

static void understand(struct h2_session *session, struct slice data)
{
    session->depth++;
    ssize_t n = feed(session, data);
    session->depth--;
    if (!h2_session_is_alive(session))
        return;
    if (n == NGHTTP2_ERR_FLOODED || n == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        h2_session_fail(session, REASON_GLITCHES, NGHTTP2_ENHANCE_YOUR_CALM, "flooded");
    else if (n == NGHTTP2_ERR_NOMEM)
        h2_session_fail(session, REASON_NO_MEMORY, NGHTTP2_INTERNAL_ERROR, "memory is short");
    else if (n < 0)
        h2_session_fail(session, REASON_MALFORMED, NGHTTP2_PROTOCOL_ERROR,
                        nghttp2_strerror((int)n));
    if (nghttp2_session_get_outbound_queue_size(session->h2) > QUEUED_FRAMES_MAX)
        h2_session_fail(session, REASON_GLITCHES, NGHTTP2_ENHANCE_YOUR_CALM,
                        "too many frames to answer");
    if (!session->is_in_head) {
        session->head_ns = 0;
    } else if (session->head_ns == 0) {
        session->head_ns = session->now_ns;
        h2_times_arm(session);
    }
}

static void linger(struct h2_session *session, const struct conn_input *input)
{
    session->lingered_bytes += input->data.len;
    if (session->state == H2_LINGERING &&
        (input->end != CONN_GOES_ON || session->lingered_bytes > LINGER_BYTES))
        h2_session_end_at_once(session);
}

static void read_some(struct h2_session *session)
{
    struct conn_input input = conn_read(&session->codec.conn);
    session->now_ns = session->codec.active_ns = clock_now_ns();
    session->codec.bytes_read += input.data.len;
    if (session->state >= H2_ENDING) {
        linger(session, &input);
        return;
    }
    if (input.data.len)
        understand(session, input.data);
    if (!h2_session_is_alive(session))
        return;
    tell_due(session);
    if (session->state == H2_CLOSED)
        return;
    h2_session_mark(session);
    if (input.end != CONN_GOES_ON)
        end_of_input(session, input.end);
}

static void on_event(struct conn *conn, short what)
{
    struct h2_session *session = LIST_ENTRY(conn, struct h2_session, codec.conn);
    if (what & EV_WRITE) {
        output_writable(&session->output);
        if (session->state != H2_CLOSED)
            h2_session_mark(session); /* frames that were held back */
    } else {
        read_some(session);
    }
}

/* ---- operations ----------------------------------------------------------------------------- */

void h2_session_released(struct h2_session *session, size_t bytes)
{
    bool was_burdened = h2_session_is_burdened(session);
    session->held -= bytes;
    if (was_burdened && !h2_session_is_burdened(session)) {
        session->is_room_due = true;
        h2_session_mark(session);
    }
    size_t back = bytes < session->owed ? bytes : session->owed;
    session->owed -= back;
    session->credit += back;
    if (back)
        h2_session_mark(session);
}

size_t h2_session_n_streams(const struct codec *codec)
{
    return ((const struct h2_session *)codec)->n_open;
}

void h2_session_drain_seen(struct h2_session *session)
{
    if (session->drain != H2_DRAIN_ANNOUNCED)
        return;
    session->drain = H2_DRAIN_LAST;
    session->deadline_ns = 0;
    session->is_last_stream_due = true;
    h2_session_mark(session);
}

void h2_session_drain(struct codec *codec)
{
    struct h2_session *session = h2_session_of(codec);
    if (session->drain != H2_DRAIN_NONE || !h2_session_is_alive(session))
        return;
    session->now_ns = clock_now_ns();
    session->drain = H2_DRAIN_ANNOUNCED;
    session->is_room_due = true;
    h2_session_mark(session);
    if (!codec->ops->is_server || session->state == H2_OPENING) {
        /* Nobody opens streams towards us: one step is enough. */
        h2_session_drain_seen(session);
        return;
    }
    nghttp2_submit_shutdown_notice(session->h2); /* PING follows when it has been framed */
    h2_times_set_deadline(session, DRAIN_ANSWER_MS);
}

void h2_session_close(struct codec *codec, enum reason reason)
{
    struct h2_session *session = h2_session_of(codec);
    if (session->state == H2_CLOSED)
        return;
    set_reason(session, reason, "");
    if (h2_session_is_alive(session) && session->depth == 0) {
        nghttp2_session_terminate_session(session->h2, NGHTTP2_NO_ERROR);
        make_frames(session);
        output_push_now(&session->output);
    }
    h2_session_end_at_once(session);
}

static void bury(struct grave *grave)
{
    struct h2_session *session = LIST_ENTRY(grave, struct h2_session, grave);
    struct slabs *slabs = session->codec.shared->slabs;
    LIST_EACH(node, &session->streams)
        h2_stream_free(LIST_ENTRY(node, struct h2_stream, node));
    nghttp2_session_del(session->h2);
    output_fini(&session->output);
    slabs_give(slabs, session);
}

void h2_session_park(struct h2_session *session)
{
    graveyard_park(session->codec.shared->graveyard, &session->grave, bury);
}

void h2_session_free(struct codec *codec)
{
    struct h2_session *session = h2_session_of(codec);
    assert(!session->is_freed);
    session->is_freed = true;
    codec->events = NULL;
    if (session->state != H2_CLOSED) {
        set_state(session, H2_CLOSED);
        timer_cancel(codec->shared->timers, &session->timer);
        conn_close(&codec->conn, false);
    }
    if (session->n_open == 0)
        h2_session_park(session);
}

/* ---- the beginning -------------------------------------------------------------------------- */

static const struct output_events output_events = {
    .on_turn = on_turn, .on_drained = on_drained, .on_sent = on_sent, .on_broken = on_broken};

struct h2_session *h2_session_new(struct codec_shared *shared, struct conn *from,
                                  const struct codec_ops *ops, const struct codec_events *events,
                                  void *owner)
{
    struct h2_session *session = slabs_take(shared->slabs, sizeof(*session));
    if (!session)
        return NULL;
    uint64_t now_ns = clock_now_ns();
    *session = (struct h2_session){
        .codec = {.ops = ops, .events = events, .owner = owner, .shared = shared},
        .reason = REASON_COUNT,
        .now_ns = now_ns,
        .idle_ns = now_ns,
        .gone_ns = now_ns,
    };
    session->codec.active_ns = now_ns;
    list_init(&session->streams);
    list_init(&session->due);
    list_init(&session->fence);
    h2_times_init(session);
    conn_init(&session->codec.conn, shared->conns, on_event);
    output_init(&session->output, &session->codec, &output_events);
    h2_frames_init(&session->frames, ops->is_server);
    h2_glitch_init(&session->glitch, shared->limits->max_glitches, now_ns);
    if (!h2_callbacks_start(session)) {
        nghttp2_session_del(session->h2);
        slabs_give(shared->slabs, session);
        return NULL;
    }
    conn_move(from, &session->codec.conn);
    conn_resume(&session->codec.conn);
    if (buf_len(&session->codec.conn.early))
        event_active(&session->codec.conn.readable, EV_READ, 0);
    h2_times_set_deadline(session, shared->limits->head_timeout_ms);
    h2_session_mark(session);
    return session;
}
