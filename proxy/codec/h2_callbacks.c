#include "proxy/codec/h2_callbacks.h"

#include <stdio.h>

#include "common/clock.h"
#include "proxy/codec/h2_client.h"
#include "proxy/codec/h2_memory.h"
#include "proxy/codec/h2_server.h"
#include "proxy/codec/h2_sender.h"

const uint8_t h2_drain_ping[8] = {'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'};

/* Upstreams that send 1xx without end would fill the arena of the stream. */
#define INFORMATIONAL_MAX 32
/* The budget of h2_glitch.h judges resets, by what was achieved between them. */
#define RESETS_BURST      10000
#define RESETS_PER_SECOND 1000
#define SENT_HEAD_MAX     (256 * 1024)

/* What a callback returns when the session was closed by what it has told. */
static int go_on(const struct h2_session *session)
{
    return h2_session_is_alive(session) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int spend(struct h2_session *session, uint32_t cost)
{
    return h2_session_spend(session, cost) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static struct h2_stream *stream_by_id(struct h2_session *session, int32_t id)
{
    return id ? nghttp2_session_get_stream_user_data(session->h2, id) : NULL;
}

/* ---- receiving ------------------------------------------------------------------------------ */

/*
 * Who resets streams there speaks for itself. A proxy of the mesh passes on what its clients did,
 * and a server what became of requests: to end their connection is to punish others. Of those only
 * the rate is bounded, by nghttp2, and what goes on at once, by `max_work`.
 */
static bool is_edge(const struct h2_session *session)
{
    return session->codec.ops->is_server && !session->codec.conn.tls;
}

/* A head on a stream that has gone: decoded all the same, because the table of fields needs it. */
static bool is_late(struct h2_session *session, int32_t id)
{
    bool is_opening = session->codec.ops->is_server && (uint32_t)id > session->past.newest;
    return !is_opening && !stream_by_id(session, id);
}

static int on_begin_frame(nghttp2_session *h2, const nghttp2_frame_hd *frame, void *context)
{
    (void)h2;
    struct h2_session *session = context;
    bool is_last = frame->flags & NGHTTP2_FLAG_END_STREAM;
    session->received_type = frame->type;
    if (!h2_session_is_alive(session))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->type == NGHTTP2_HEADERS && !h2_session_judge(session, (uint32_t)frame->stream_id))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->type != NGHTTP2_CONTINUATION)
        session->is_in_head = frame->type == NGHTTP2_HEADERS;
    switch (frame->type) {
    case NGHTTP2_HEADERS:
        return is_late(session, frame->stream_id) ? spend(session, H2_GLITCH_FRAME) : 0;
    case NGHTTP2_CONTINUATION: /* nghttp2 counts those */
        return 0;
    case NGHTTP2_DATA:
        session->body_id = 0;
        session->body_left = frame->length;
        session->body_is_last = is_last;
        session->body_is_padded = frame->flags & NGHTTP2_FLAG_PADDED;
        if (frame->length == 0 && !is_last)
            return spend(session, H2_GLITCH_FRAME);
        if (!session->body_is_padded)
            h2_glitch_earn(&session->glitch, frame->length);
        return 0;
    case NGHTTP2_RST_STREAM:
        return is_edge(session) ? spend(session, H2_GLITCH_FRAME) : 0;
    default:
        return spend(session, H2_GLITCH_FRAME);
    }
}

static void begin_head(struct h2_session *session, struct h2_stream *stream)
{
    bool is_trailers = stream->in != H2_IN_HEAD;
    enum h2_head_kind kind = is_trailers                     ? H2_TRAILERS
                             : session->codec.ops->is_server ? H2_REQUEST
                                                             : H2_RESPONSE;
    struct head *head = arena_take(&stream->stream.arena, sizeof(*head));
    if (!head) {
        h2_stream_fault(stream, STREAM_CUT_INTERNAL);
        return;
    }
    head_init(head, &stream->stream.arena);
    h2_head_begin(&session->reader, kind, head, &session->codec.shared->limits->h1);
    session->header = stream;
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    struct h2_session *session = context;
    int32_t id = frame->hd.stream_id;
    session->header = NULL;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct h2_stream *stream = NULL;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        h2_past_open(&session->past, (uint32_t)id);
        stream = h2_server_begin(session, id);
        if (stream)
            nghttp2_session_set_stream_user_data(h2, id, stream);
    } else {
        stream = stream_by_id(session, id);
    }
    if (stream && stream->cut == STREAM_CUT_NONE)
        begin_head(session, stream);
    return go_on(session);
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *context)
{
    (void)h2;
    (void)frame;
    struct h2_session *session = context;
    if (session->header)
        h2_head_field(&session->reader, slice_of(name, name_len), slice_of(value, value_len),
                      flags & NGHTTP2_NV_FLAG_NO_INDEX);
    return 0;
}

/* nghttp2 would only leave it out. */
static int on_invalid_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                             void *context)
{
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    struct h2_session *session = context;
    session->header = NULL;
    nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR);
    return 0;
}

/* A request beyond the limits is answered, so that who asked can tell; the rest is reset. */
static bool is_accepted(struct h2_stream *stream, enum h2_head_fault fault)
{
    struct h2_session *session = stream->session;
    switch (fault) {
    case H2_HEAD_OK:
        return true;
    case H2_HEAD_MALFORMED:
        h2_stream_fault(stream, STREAM_CUT_PROTOCOL);
        return false;
    case H2_HEAD_TOO_LARGE:
        if (session->reader.kind == H2_REQUEST)
            h2_server_refuse_head(stream);
        else
            h2_stream_fault(stream, STREAM_CUT_TOO_LARGE);
        return false;
    case H2_HEAD_NO_MEMORY:
        break;
    }
    h2_stream_fault(stream, STREAM_CUT_INTERNAL);
    return false;
}

static int on_head(struct h2_session *session, bool is_end)
{
    struct h2_stream *stream = session->header;
    session->header = NULL;
    if (!stream)
        return 0;
    struct head *head = session->reader.head;
    enum h2_head_kind kind = session->reader.kind;
    if (is_end && kind != H2_RESPONSE)
        stream->in = H2_IN_ENDED; /* also where it is refused: nothing is left to be stopped */
    enum h2_head_fault fault = h2_head_end(&session->reader, &stream->is_extended_connect);
    if (kind == H2_RESPONSE && fault == H2_HEAD_OK && head->status < 200 && head->status != 101 &&
        (++stream->n_informational > INFORMATIONAL_MAX || is_end))
        fault = H2_HEAD_MALFORMED;
    if (!is_accepted(stream, fault))
        return go_on(session);
    if (kind == H2_TRAILERS && head->n_fields == 0)
        h2_stream_receive(stream, slice_of("", 0), true);
    else if (kind == H2_TRAILERS)
        h2_stream_receive_trailers(stream, head);
    else if (kind == H2_REQUEST)
        h2_server_head(stream, head, is_end);
    else
        h2_client_head(stream, head, is_end);
    return go_on(session);
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len,
                   void *context)
{
    (void)h2;
    (void)flags;
    struct h2_session *session = context;
    /* One reader who pauses must not stop the others: of him only the stream's window is kept. */
    session->credit += len;
    session->body_left -= len;
    if (session->body_id != id) {
        session->body = stream_by_id(session, id);
        session->body_id = id;
    }
    struct h2_stream *stream = session->body;
    if (!stream)
        return 0;
    stream->received_bytes += len;
    /* The end is told with the last bytes where that is certain; else on_frame_recv() tells it. */
    bool is_end = session->body_is_last && !session->body_is_padded && session->body_left == 0 &&
                  (stream->content_length == CONTENT_LENGTH_NONE ||
                   stream->received_bytes == (uint64_t)stream->content_length);
    h2_stream_receive(stream, slice_of(bytes, len), is_end);
    return go_on(session);
}

static int on_settings(struct h2_session *session)
{
    if (session->state == H2_OPENING) {
        session->state = H2_UP;
        session->deadline_ns = 0;
    }
    session->is_room_due = true;
    return 0;
}

static int on_goaway(struct h2_session *session, const nghttp2_goaway *goaway)
{
    session->is_goaway_seen = session->is_room_due = session->codec.is_leaving = true;
    if (goaway->error_code != NGHTTP2_NO_ERROR)
        snprintf(session->detail, sizeof(session->detail), "the peer sent GOAWAY with %s",
                 nghttp2_http2_strerror(goaway->error_code));
    return 0;
}

/* Padding is no progress; how much of it there was is known at the end. */
static int judge_padded(struct h2_session *session, const nghttp2_frame *frame)
{
    size_t len = frame->hd.length - frame->data.padlen;
    if (len == 0 && !session->body_is_last)
        return spend(session, H2_GLITCH_FRAME);
    h2_glitch_earn(&session->glitch, len);
    return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    (void)h2;
    struct h2_session *session = context;
    bool is_ack = frame->hd.flags & NGHTTP2_FLAG_ACK;
    bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_stream *stream;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        session->is_in_head = false;
        return on_head(session, is_end);
    case NGHTTP2_DATA:
        stream = is_end ? stream_by_id(session, frame->hd.stream_id) : NULL;
        if (stream && stream->in != H2_IN_ENDED)
            h2_stream_receive(stream, slice_of("", 0), true);
        if (session->body_is_padded && judge_padded(session, frame) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        return go_on(session);
    case NGHTTP2_SETTINGS:
        return is_ack ? 0 : on_settings(session);
    case NGHTTP2_GOAWAY:
        return on_goaway(session, &frame->goaway);
    case NGHTTP2_PING:
        if (is_ack && memcmp(frame->ping.opaque_data, h2_drain_ping, 8) == 0)
            h2_session_drain_seen(session);
        return 0;
    default:
        return 0;
    }
}

static int on_invalid_frame(nghttp2_session *h2, const nghttp2_frame *frame, int error,
                            void *context)
{
    (void)h2;
    (void)error;
    struct h2_session *session = context;
    /* nghttp2 refuses a stream by itself; what is on its way for it is no mistake. */
    if (frame->hd.type == NGHTTP2_HEADERS && session->codec.ops->is_server)
        h2_past_open(&session->past, (uint32_t)frame->hd.stream_id);
    session->header = NULL;
    session->is_in_head = false;
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t error, void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    if (session->reset_id != id)
        h2_past_end(&session->past, (uint32_t)id);
    if (stream && h2_session_is_alive(session))
        h2_stream_died(stream, error);
    return 0;
}

/* ---- sending -------------------------------------------------------------------------------- */

static bool is_peers_fault(uint32_t error)
{
    return error != NGHTTP2_NO_ERROR && error != NGHTTP2_CANCEL && error != NGHTTP2_REFUSED_STREAM;
}

/* A peer that makes us reset its streams makes us work for nothing (CVE-2025-8671). */
static int on_reset_sent(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = stream_by_id(session, frame->hd.stream_id);
    session->reset_id = frame->hd.stream_id;
    if ((stream && stream->is_cut_by_owner) || !is_peers_fault(frame->rst_stream.error_code))
        return 0;
    (void)!h2_session_spend(session, H2_GLITCH_PROVOKED);
    return 0;
}

/* nghttp2 answers a peer that breaks the rules by itself. */
static int on_goaway_sent(struct h2_session *session, const nghttp2_goaway *goaway)
{
    char detail[128];
    if (goaway->error_code == NGHTTP2_NO_ERROR) {
        /* Not before: nghttp2 sends PING in front of everything else that waits. */
        if (session->drain == H2_DRAIN_ANNOUNCED)
            nghttp2_submit_ping(session->h2, NGHTTP2_FLAG_NONE, h2_drain_ping);
        return 0;
    }
    snprintf(detail, sizeof(detail), "%s%s%.*s", nghttp2_http2_strerror(goaway->error_code),
             goaway->opaque_data_len ? ": " : "",
             (int)(goaway->opaque_data_len < 80 ? goaway->opaque_data_len : 80),
             goaway->opaque_data_len ? (const char *)goaway->opaque_data : "");
    /* Beyond its own limit of resets nghttp2 says INTERNAL_ERROR. */
    bool is_flood = goaway->error_code == NGHTTP2_ENHANCE_YOUR_CALM ||
                    (goaway->error_code == NGHTTP2_INTERNAL_ERROR &&
                     session->received_type == NGHTTP2_RST_STREAM);
    h2_session_fail(session, is_flood ? REASON_GLITCHES : REASON_MALFORMED, goaway->error_code,
                    detail);
    return 0;
}

static int on_frame_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    (void)h2;
    struct h2_session *session = context;
    struct h2_stream *stream;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        stream = stream_by_id(session, frame->hd.stream_id);
        if (!stream)
            return 0;
        stream->is_head_framed = true;
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
            h2_glitch_earn(&session->glitch, 0);
            h2_stream_end_framed(stream);
        }
        return 0;
    case NGHTTP2_RST_STREAM:
        return on_reset_sent(session, frame);
    case NGHTTP2_GOAWAY:
        return on_goaway_sent(session, &frame->goaway);
    default:
        return 0;
    }
}

static struct h2_stream *find_stream(struct h2_session *session, int32_t id)
{
    LIST_EACH(node, &session->streams) {
        struct h2_stream *stream = LIST_ENTRY(node, struct h2_stream, node);
        if (stream->stream.id == (uint64_t)id)
            return stream;
    }
    return NULL;
}

/* Heads that cannot be sent: too large; or requests that a GOAWAY came before. */
static int on_frame_not_sent(nghttp2_session *h2, const nghttp2_frame *frame, int error,
                             void *context)
{
    struct h2_session *session = context;
    if (frame->hd.type != NGHTTP2_HEADERS || error == NGHTTP2_ERR_STREAM_CLOSING)
        return 0;
    struct h2_stream *stream = find_stream(session, frame->hd.stream_id);
    if (!stream || stream->is_dead)
        return 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        h2_stream_fault(stream, STREAM_CUT_INTERNAL);
        return 0;
    }
    /* It depends on why whether nghttp2 will say that the stream is closed. */
    bool is_refused =
        error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED || error == NGHTTP2_ERR_SESSION_CLOSING;
    stream->cut = is_refused ? STREAM_CUT_REFUSED : STREAM_CUT_INTERNAL;
    nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, NULL);
    h2_stream_died(stream, is_refused ? NGHTTP2_REFUSED_STREAM : NGHTTP2_INTERNAL_ERROR);
    return 0;
}

static int on_send_data(nghttp2_session *h2, nghttp2_frame *frame, const uint8_t *header,
                        size_t len, nghttp2_data_source *source, void *context)
{
    (void)h2;
    (void)frame;
    (void)context;
    return h2_sender_frame(source->ptr, header, len);
}

/* ---- start ---------------------------------------------------------------------------------- */

static bool make_callbacks(nghttp2_session_callbacks **made)
{
    if (nghttp2_session_callbacks_new(made) != 0)
        return false;
    nghttp2_session_callbacks *callbacks = *made;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    return true;
}

static bool make_session(struct h2_session *session)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_mem memory = h2_memory_of(session->codec.shared->slabs);
    bool is_made = false;
    if (!make_callbacks(&callbacks) || nghttp2_option_new(&option) != 0)
        goto out;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, 100);
    nghttp2_option_set_max_send_header_block_length(option, SENT_HEAD_MAX);
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_BURST, RESETS_PER_SECOND);
    is_made =
        (session->codec.ops->is_server
             ? nghttp2_session_server_new3(&session->h2, callbacks, session, option, &memory)
             : nghttp2_session_client_new3(&session->h2, callbacks, session, option, &memory)) == 0;
out:
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return is_made;
}

/* Grows to the whole when the owner has taken some of it: who takes nothing holds little. */
static uint32_t first_window(const struct codec_limits *limits)
{
    return limits->stream_window_bytes < NGHTTP2_INITIAL_WINDOW_SIZE
               ? (uint32_t)limits->stream_window_bytes
               : NGHTTP2_INITIAL_WINDOW_SIZE;
}

bool h2_callbacks_start(struct h2_session *session)
{
    const struct codec_limits *limits = session->codec.shared->limits;
    bool is_server = session->codec.ops->is_server;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, first_window(limits)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->h1.head_bytes},
        {is_server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
         is_server ? limits->max_streams : 0},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}, /* RFC 8441; a server's */
    };
    return make_session(session) &&
           nghttp2_submit_settings(session->h2, NGHTTP2_FLAG_NONE, entries, is_server ? 4 : 3) ==
               0 &&
           nghttp2_session_set_local_window_size(session->h2, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)limits->connection_window_bytes) == 0;
}
