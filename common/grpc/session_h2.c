#include "common/grpc/session_h2.h"

#include "common/clock.h"

/* Opaque data of the PING whose answer tells that the peer has seen our first GOAWAY. */
static const uint8_t drain_ping[8] = {'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'};

/*
 * Frames of data earn more than one, because receivers may return their windows in small pieces
 * (two WINDOW_UPDATE a DATA frame) and measure the delay with PING.
 */
#define EARN_SENT     4
#define EARN_RECEIVED 2
#define EARN_HEADERS  1
#define COST_FRAME    1
#define COST_RESET    2  /* more than what its HEADERS earned */
#define COST_FAULT    10 /* a stream that we reset because of what the peer sent */

#define SETTINGS_FRAME_BYTES 16384

/* ---- small helpers -------------------------------------------------------------------------- */

static struct grpc_pipe *pipe_of(struct grpc_session *session, int32_t stream_id)
{
    return stream_id ? nghttp2_session_get_stream_user_data(session->h2, stream_id) : NULL;
}

void grpc_session_h2_calm(struct grpc_session *session, const char *reason)
{
    struct err err;
    nghttp2_submit_goaway(session->h2, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session->h2),
                          NGHTTP2_ENHANCE_YOUR_CALM, (const uint8_t *)reason, strlen(reason));
    err_set(&err, "the peer %s", reason);
    grpc_session_fail(session, &err);
}

/* 0, or what makes nghttp2 stop. */
static int spend(struct grpc_session *session, uint64_t cost)
{
    if (grpc_glitch_spend(&session->glitch, cost, clock_now_ns()))
        return 0;
    grpc_session_h2_calm(session, "sends too many frames that make no progress");
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- receiving ------------------------------------------------------------------------------ */

static int on_begin_frame(nghttp2_session *h2, const nghttp2_frame_hd *head, void *context)
{
    (void)h2;
    struct grpc_session *session = context;
    bool is_end = head->flags & NGHTTP2_FLAG_END_STREAM;
    switch (head->type) {
    case NGHTTP2_HEADERS:
        grpc_glitch_earn(&session->glitch, EARN_HEADERS);
        return 0;
    case NGHTTP2_DATA:
        if (head->length == 0 && !is_end)
            return spend(session, COST_FRAME);
        grpc_glitch_earn(&session->glitch, EARN_RECEIVED);
        return 0;
    case NGHTTP2_RST_STREAM:
        return spend(session, COST_RESET);
    default:
        return spend(session, COST_FRAME);
    }
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    struct grpc_session *session = context;
    struct grpc_pipe *pipe = pipe_of(session, frame->hd.stream_id);
    if (pipe) {
        pipe->head_bytes = 0;
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    pipe = session->ops->on_begin(session->owner, frame->hd.stream_id);
    if (!pipe)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    grpc_session_attach(session, pipe, frame->hd.stream_id);
    nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, pipe);
    return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *context)
{
    (void)h2;
    (void)flags;
    struct grpc_session *session = context;
    struct grpc_pipe *pipe = pipe_of(session, frame->hd.stream_id);
    if (!pipe)
        return 0;
    /* nghttp2 announces SETTINGS_MAX_HEADER_LIST_SIZE but does not enforce it. */
    pipe->head_bytes += name_len + value_len + 32;
    if (pipe->head_bytes > session->settings.max_head_bytes ||
        !session->ops->on_header(session->owner, pipe, slice_of(name, name_len),
                                 slice_of(value, value_len)))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream_id, const uint8_t *bytes,
                   size_t len, void *context)
{
    (void)flags;
    struct grpc_session *session = context;
    struct grpc_pipe *pipe = pipe_of(session, stream_id);
    /* One reader that is paused must not stop the others: only the stream's window is withheld. */
    nghttp2_session_consume_connection(h2, len);
    if (!pipe)
        return 0;
    if (!grpc_pipe_receive(pipe, slice_of(bytes, len)))
        nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_INTERNAL_ERROR);
    grpc_session_mark_ready(pipe);
    return 0;
}

static void note_goaway(struct grpc_session *session, const nghttp2_goaway *goaway)
{
    if (session->is_goaway_seen)
        return;
    session->is_goaway_seen = session->is_goaway_due = true;
    err_set(&session->goaway_err, "the peer sent GOAWAY with %s%s%.*s",
            nghttp2_http2_strerror(goaway->error_code), goaway->opaque_data_len ? ": " : "",
            goaway->opaque_data_len < 256 ? (int)goaway->opaque_data_len : 256,
            goaway->opaque_data_len ? (const char *)goaway->opaque_data : "");
}

static void note_ping_answer(struct grpc_session *session, const uint8_t *opaque)
{
    if (!session->is_draining || session->is_drained || memcmp(opaque, drain_ping, 8) != 0)
        return;
    session->is_drained = true;
    nghttp2_submit_goaway(session->h2, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session->h2), NGHTTP2_NO_ERROR,
                          NULL, 0);
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    (void)h2;
    struct grpc_session *session = context;
    struct grpc_pipe *pipe = pipe_of(session, frame->hd.stream_id);
    bool is_ack = frame->hd.flags & NGHTTP2_FLAG_ACK;
    bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if (!is_ack && session->state == GRPC_SESSION_OPENING)
            session->is_up_due = true;
        break;
    case NGHTTP2_GOAWAY:
        note_goaway(session, &frame->goaway);
        break;
    case NGHTTP2_PING:
        if (is_ack)
            note_ping_answer(session, frame->ping.opaque_data);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if (pipe && is_end)
            pipe->is_in_done = true;
        if (pipe && frame->hd.type == NGHTTP2_HEADERS)
            session->ops->on_head(session->owner, pipe, is_end);
        if (pipe)
            grpc_session_mark_ready(pipe);
        break;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t stream_id, uint32_t error, void *context)
{
    (void)h2;
    struct grpc_pipe *pipe = pipe_of(context, stream_id);
    if (!pipe)
        return 0;
    pipe->is_closed = true;
    pipe->is_refused = error == NGHTTP2_REFUSED_STREAM;
    pipe->h2_error = error;
    grpc_session_mark_ready(pipe);
    return 0;
}

static int on_h2_error(nghttp2_session *h2, int code, const char *message, size_t len,
                       void *context)
{
    (void)h2;
    (void)code;
    struct grpc_session *session = context;
    /* Only kept: not everything that nghttp2 remarks on ends the connection. */
    if (session->state <= GRPC_SESSION_UP)
        err_set(&session->err, "HTTP/2: %.*s", (int)len, message);
    return 0;
}

/* ---- sending -------------------------------------------------------------------------------- */

static bool is_fault(uint32_t h2_error)
{
    return h2_error != NGHTTP2_NO_ERROR && h2_error != NGHTTP2_CANCEL &&
           h2_error != NGHTTP2_REFUSED_STREAM;
}

/* nghttp2 answers a peer that breaks the rules by itself, and says how it did in the GOAWAY. */
static void note_breach(struct grpc_session *session, const nghttp2_goaway *goaway)
{
    if (goaway->error_code != NGHTTP2_NO_ERROR)
        err_set(&session->breach_err, "HTTP/2: %s%s%.*s",
                nghttp2_http2_strerror(goaway->error_code), goaway->opaque_data_len ? ": " : "",
                goaway->opaque_data_len < 256 ? (int)goaway->opaque_data_len : 256,
                goaway->opaque_data_len ? (const char *)goaway->opaque_data : "");
}

static int on_frame_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *context)
{
    struct grpc_session *session = context;
    int32_t id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        note_breach(session, &frame->goaway);
    if (frame->hd.type == NGHTTP2_RST_STREAM && is_fault(frame->rst_stream.error_code))
        return spend(session, COST_FAULT);
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (frame->hd.type == NGHTTP2_DATA)
        grpc_glitch_earn(&session->glitch, EARN_SENT);
    /* The answer is complete: whatever the client still sends is of no use (RFC 9113 8.1). */
    if (session->settings.is_server && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
        nghttp2_session_get_stream_remote_close(h2, id) == 0)
        nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    return 0;
}

/* A request that never left, because of a GOAWAY: nghttp2 knows no stream of it. */
static int on_frame_not_sent(nghttp2_session *h2, const nghttp2_frame *frame, int error,
                             void *context)
{
    (void)h2;
    (void)error;
    struct grpc_session *session = context;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    LIST_EACH(node, &session->pipes) {
        struct grpc_pipe *pipe = LIST_ENTRY(node, struct grpc_pipe, node);
        if (pipe->id != frame->hd.stream_id || pipe->is_closed)
            continue;
        pipe->is_closed = pipe->is_refused = true;
        pipe->h2_error = NGHTTP2_REFUSED_STREAM;
        grpc_session_mark_ready(pipe);
    }
    return 0;
}

static ssize_t read_source(nghttp2_session *h2, int32_t stream_id, uint8_t *bytes, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)source; /* which may be gone; the stream's user data is not */
    struct grpc_session *session = context;
    struct grpc_pipe *pipe = nghttp2_session_get_stream_user_data(h2, stream_id);
    bool is_end;
    if (!pipe)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = grpc_pipe_take(pipe, bytes, size, &is_end);
    if (n == 0 && !is_end) {
        pipe->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (is_end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (session->settings.is_server) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            session->ops->on_sent(session->owner, pipe);
        }
    }
    return (ssize_t)n;
}

nghttp2_data_provider grpc_session_source(void)
{
    return (nghttp2_data_provider){.read_callback = read_source};
}

/* ---- start ---------------------------------------------------------------------------------- */

static bool callbacks_make(nghttp2_session_callbacks **made)
{
    if (nghttp2_session_callbacks_new(made) != 0)
        return false;
    nghttp2_session_callbacks *callbacks = *made;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_h2_error);
    return true;
}

static bool session_make(struct grpc_session *session)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    bool is_made = false;
    if (!callbacks_make(&callbacks) || nghttp2_option_new(&option) != 0)
        goto out;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, 100);
    nghttp2_option_set_max_send_header_block_length(option, 262144);
    is_made = (session->settings.is_server
                   ? nghttp2_session_server_new2(&session->h2, callbacks, session, option)
                   : nghttp2_session_client_new2(&session->h2, callbacks, session, option)) == 0;
out:
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return is_made;
}

bool grpc_session_h2_start(struct grpc_session *session, struct err *err)
{
    const struct grpc_session_settings *settings = &session->settings;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_SESSION_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings->max_head_bytes},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, SETTINGS_FRAME_BYTES},
        {settings->is_server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
                             : NGHTTP2_SETTINGS_ENABLE_PUSH,
         settings->is_server ? settings->max_streams : 0},
    };
    grpc_glitch_init(&session->glitch, clock_now_ns());
    if (!session_make(session) ||
        nghttp2_submit_settings(session->h2, NGHTTP2_FLAG_NONE, entries,
                                sizeof(entries) / sizeof(entries[0])) != 0 ||
        nghttp2_session_set_local_window_size(session->h2, NGHTTP2_FLAG_NONE, 0,
                                              GRPC_SESSION_CONNECTION_WINDOW) != 0)
        return err_set(err, "out of memory for an HTTP/2 session");
    return true;
}

void grpc_session_drain(struct grpc_session *session)
{
    if (session->is_draining || session->state > GRPC_SESSION_UP)
        return;
    session->is_draining = true;
    if (session->state == GRPC_SESSION_UP) {
        nghttp2_submit_shutdown_notice(session->h2);
        nghttp2_submit_ping(session->h2, NGHTTP2_FLAG_NONE, drain_ping);
    } else {
        struct err err;
        err_set(&err, "draining before the connection was set up");
        grpc_session_fail(session, &err);
    }
    grpc_session_run_soon(session);
}
