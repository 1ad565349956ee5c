#include "proxy/codec/h2_stream.h"

#include <assert.h>
#include <stdalign.h>

#include "common/clock.h"
#include "proxy/codec/h2_head.h"
#include "proxy/codec/h2_session.h"

/* The stream and, in what is left, the first bytes of its arena: enough for most exchanges. */
#define STREAM_BLOCK_BYTES 4096
/* Windows are given back in pieces of this, so that nghttp2 looks a stream up less often. */
#define CONSUME_BYTES (32 * 1024)
/* What paused streams may hold of a connection: more than all of them with their first windows. */
#define HELD_WINDOWS 8

static struct slabs *slabs_of(const struct h2_stream *stream)
{
    return stream->session->codec.shared->slabs;
}

static struct h2_stream *stream_of(struct stream *stream)
{
    return (struct h2_stream *)stream;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct h2_stream *h2_stream_take(struct h2_session *session, int32_t id)
{
    const size_t align = alignof(max_align_t);
    const size_t used = (sizeof(struct h2_stream) + align - 1) / align * align;
    struct h2_stream *stream = slabs_take(session->codec.shared->slabs, STREAM_BLOCK_BYTES);
    if (!stream)
        return NULL;
    *stream = (struct h2_stream){
        .stream = {.id = (uint64_t)id}, .session = session, .content_length = CONTENT_LENGTH_NONE};
    arena_init_with(&stream->stream.arena, (char *)stream + used, STREAM_BLOCK_BYTES - used);
    list_init(&stream->due);
    list_append(&session->streams, &stream->node);
    session->n_live++;
    return stream;
}

void h2_stream_own(struct h2_stream *stream, const struct stream_events *events, void *owner)
{
    stream->stream.events = events;
    stream->stream.owner = owner;
    stream->is_owned = true;
    stream->session->n_open++;
}

static void drop_held(struct h2_stream *stream)
{
    h2_session_released(stream->session, stream->held.len);
    queue_clear(&stream->held, slabs_of(stream));
}

void h2_stream_free(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    drop_held(stream);
    queue_clear(&stream->pending, slabs_of(stream));
    list_remove(&stream->due);
    list_remove(&stream->node);
    if (session->told == stream)
        session->told = NULL;
    if (session->header == stream)
        session->header = NULL;
    if (session->body == stream)
        session->body = NULL;
    arena_fini(&stream->stream.arena);
    slabs_give(slabs_of(stream), stream);
}

void h2_stream_make_due(struct h2_stream *stream)
{
    if (list_is_empty(&stream->due))
        list_append(&stream->session->due, &stream->due);
    h2_session_mark(stream->session);
}

static void mark_dead(struct h2_stream *stream)
{
    stream->is_dead = true;
    queue_clear(&stream->pending, slabs_of(stream));
    stream->session->n_live--;
    stream->session->is_room_due = true;
}

static bool is_complete(const struct h2_stream *stream)
{
    return stream->in == H2_IN_ENDED && stream->out == H2_OUT_ENDED;
}

void h2_stream_died(struct h2_stream *stream, uint32_t error)
{
    if (stream->is_dead)
        return;
    mark_dead(stream);
    stream->error = error;
    h2_session_mark(stream->session);
    if (!stream->is_owned) {
        h2_stream_free(stream);
    } else if (!is_complete(stream)) {
        stream->is_reset_due = true;
        h2_stream_make_due(stream);
    }
}

void h2_stream_fault(struct h2_stream *stream, enum stream_cut cut)
{
    if (stream->is_dead)
        return;
    if (stream->cut == STREAM_CUT_NONE)
        stream->cut = cut;
    nghttp2_submit_rst_stream(stream->session->h2, NGHTTP2_FLAG_NONE, (int32_t)stream->stream.id,
                              stream_cut_h2_code(cut));
    h2_session_mark(stream->session);
}

/* ---- what comes ----------------------------------------------------------------------------- */

static void open_window(struct h2_stream *stream, size_t at_least)
{
    struct h2_session *session = stream->session;
    if (stream->unconsumed < at_least || stream->unconsumed == 0 || stream->is_dead ||
        stream->in == H2_IN_ENDED || !h2_session_is_alive(session))
        return;
    if (!stream->is_window_grown && at_least == CONSUME_BYTES && !h2_session_is_burdened(session)) {
        stream->is_window_grown = true;
        (void)!nghttp2_session_set_local_window_size(
            session->h2, NGHTTP2_FLAG_NONE, (int32_t)stream->stream.id,
            (int32_t)session->codec.shared->limits->stream_window_bytes);
    }
    nghttp2_session_consume_stream(session->h2, (int32_t)stream->stream.id, stream->unconsumed);
    stream->unconsumed = 0;
    h2_session_mark(session);
}

static void hold(struct h2_stream *stream, struct slice data)
{
    struct h2_session *session = stream->session;
    if (!queue_append(&stream->held, slabs_of(stream), data)) {
        h2_stream_fault(stream, STREAM_CUT_INTERNAL);
        return;
    }
    session->held += data.len;
    /* Others on the connection go on, up to what we are willing to hold for those who do not. */
    if (session->held > HELD_WINDOWS * session->codec.shared->limits->connection_window_bytes) {
        size_t withheld = data.len < session->credit ? data.len : session->credit;
        session->credit -= withheld;
        session->owed += withheld;
    }
}

void h2_stream_receive(struct h2_stream *stream, struct slice data, bool is_end)
{
    if (is_end)
        stream->in = H2_IN_ENDED;
    if (!stream->is_owned)
        return;
    stream->unconsumed += data.len;
    if (stream->is_paused || stream->held.len || stream->is_reset_due) {
        if (data.len)
            hold(stream, data);
        return;
    }
    struct h2_session *session = stream->session;
    stream->stream.is_received = is_end;
    stream->stream.events->on_data(&stream->stream, data, is_end);
    if (h2_session_is_alive(session) && stream->is_owned && !stream->is_paused)
        open_window(stream, CONSUME_BYTES);
}

void h2_stream_receive_trailers(struct h2_stream *stream, struct head *trailers)
{
    stream->in = H2_IN_ENDED;
    if (!stream->is_owned)
        return;
    if (stream->is_paused || stream->held.len || stream->is_reset_due) {
        stream->trailers_due = trailers;
        return;
    }
    stream->stream.is_received = true;
    stream->stream.events->on_trailers(&stream->stream, trailers);
}

/* ---- what is due ---------------------------------------------------------------------------- */

/* Is `stream` still there, with an owner? Only right after an event of the stream being told. */
static bool is_listening(const struct h2_session *session, const struct h2_stream *stream)
{
    return session->told == stream && stream->is_owned;
}

/*
 * What was refused has no end: the other side would take it for whole before the reset comes. What
 * had come whole when the connection was lost has one.
 */
static bool has_end(const struct h2_stream *stream)
{
    return stream->in == H2_IN_ENDED &&
           (stream->cut == STREAM_CUT_NONE || stream->cut == STREAM_CUT_CONNECTION);
}

/* Held bytes, as long as the owner takes them. False: it is not listening any more. */
static bool tell_held(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    struct slabs *slabs = slabs_of(stream);
    struct queue taken = stream->held; /* the bytes outlive a close by their owner */
    stream->held = (struct queue){0};
    bool listens = true;
    while (listens && taken.len && !stream->is_paused) {
        struct slice data = queue_first(&taken);
        bool is_end = data.len == taken.len && has_end(stream) && !stream->trailers_due;
        stream->stream.is_received = is_end;
        stream->stream.events->on_data(&stream->stream, data, is_end);
        h2_session_released(session, data.len);
        queue_drop(&taken, slabs, data.len);
        listens = is_listening(session, stream);
    }
    if (listens) {
        stream->held = taken;
        return true;
    }
    h2_session_released(session, taken.len);
    queue_clear(&taken, slabs);
    return false;
}

static bool tell_end(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    if (stream->is_paused || stream->held.len || !has_end(stream) || stream->stream.is_received)
        return true;
    stream->stream.is_received = true;
    if (stream->trailers_due)
        stream->stream.events->on_trailers(&stream->stream, stream->trailers_due);
    else
        stream->stream.events->on_data(&stream->stream, slice_of("", 0), true);
    return is_listening(session, stream);
}

static enum stream_cut cut_of(const struct h2_stream *stream)
{
    if (stream->cut != STREAM_CUT_NONE)
        return stream->cut;
    switch (stream->error) {
    case NGHTTP2_NO_ERROR: /* a complete answer before the end of its request; else it is cut */
        return stream->in == H2_IN_ENDED ? STREAM_CUT_NONE : STREAM_CUT_CANCELLED;
    case NGHTTP2_CANCEL:
        return STREAM_CUT_CANCELLED;
    case NGHTTP2_REFUSED_STREAM:
        return STREAM_CUT_REFUSED;
    case NGHTTP2_INTERNAL_ERROR:
        return STREAM_CUT_INTERNAL;
    case NGHTTP2_HTTP_1_1_REQUIRED:
        return STREAM_CUT_HTTP_1_1_REQUIRED;
    default:
        return STREAM_CUT_PROTOCOL;
    }
}

/* A request of ours that never left, or that the peer says it has not looked at. */
static bool is_unprocessed(const struct h2_stream *stream)
{
    return !stream->session->codec.ops->is_server && stream->in == H2_IN_HEAD &&
           (!stream->is_head_framed ||
            (stream->is_dead && stream->error == NGHTTP2_REFUSED_STREAM));
}

static void tell_reset(struct h2_stream *stream)
{
    stream->is_reset_due = false;
    drop_held(stream);
    stream->stream.is_received = stream->stream.is_sent = true;
    stream->stream.events->on_reset(&stream->stream, cut_of(stream), is_unprocessed(stream));
}

void h2_stream_tell(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    if (!stream->is_owned)
        return;
    session->told = stream;
    if (stream->is_reset_due) {
        tell_reset(stream);
    } else if (tell_held(stream) && tell_end(stream)) {
        if (!stream->is_paused)
            open_window(stream, 1);
        if (stream->is_drained_due) {
            stream->is_drained_due = stream->is_high = false;
            stream->stream.events->on_drained(&stream->stream);
        }
    }
    session->told = NULL;
}

void h2_stream_lose(struct h2_stream *stream)
{
    if (!stream->is_dead) {
        mark_dead(stream);
        stream->error = NGHTTP2_INTERNAL_ERROR;
        if (stream->cut == STREAM_CUT_NONE)
            stream->cut = STREAM_CUT_CONNECTION;
        /* What has come whole is still told. */
        stream->is_reset_due = !is_complete(stream);
    }
    if (!stream->is_owned)
        h2_stream_free(stream);
    else if (stream->is_reset_due)
        tell_reset(stream);
}

/* ---- the owner's other operations ----------------------------------------------------------- */

void h2_stream_pause(struct stream *base)
{
    stream_of(base)->is_paused = true;
}

void h2_stream_resume(struct stream *base)
{
    struct h2_stream *stream = stream_of(base);
    if (!stream->is_paused)
        return;
    stream->is_paused = false;
    h2_stream_make_due(stream); /* held bytes, the end, and the window */
}

/* RFC 9113 8.1: the answer is complete, whatever still comes of the request is of no use. */
static void stop_request(struct h2_stream *stream)
{
    stream->is_cut_by_owner = true;
    nghttp2_submit_rst_stream(stream->session->h2, NGHTTP2_FLAG_NONE, (int32_t)stream->stream.id,
                              NGHTTP2_NO_ERROR);
    h2_session_mark(stream->session);
}

void h2_stream_end_framed(struct h2_stream *stream)
{
    stream->out = H2_OUT_ENDED;
    if (stream->is_early && stream->in != H2_IN_ENDED)
        stop_request(stream);
}

/* What the owner leaves undone, and how the peer is told. */
static void cut_by_owner(struct h2_stream *stream, enum stream_cut cut)
{
    bool is_server = stream->session->codec.ops->is_server;
    bool is_sent = stream->out >= H2_OUT_ENDING;
    if (cut == STREAM_CUT_NONE && is_sent && stream->in == H2_IN_ENDED)
        return;
    if (cut == STREAM_CUT_NONE && is_sent && is_server) {
        stream->is_early = true;
        if (stream->out == H2_OUT_ENDED)
            stop_request(stream);
        return;
    }
    stream->is_cut_by_owner = true;
    h2_stream_fault(stream, cut == STREAM_CUT_NONE ? STREAM_CUT_CANCELLED : cut);
}

void h2_stream_close(struct stream *base, enum stream_cut cut)
{
    struct h2_stream *stream = stream_of(base);
    struct h2_session *session = stream->session;
    assert(stream->is_owned);
    stream->is_owned = false;
    base->events = NULL;
    drop_held(stream);
    if (--session->n_open == 0) {
        session->idle_ns = clock_coarse_ns();
        session->is_room_due = true;
    }
    if (stream->is_dead || session->state == H2_CLOSED)
        h2_stream_free(stream);
    else
        cut_by_owner(stream, cut);
    h2_session_mark(session);
    if (session->n_open == 0 && session->is_freed)
        h2_session_park(session);
}
