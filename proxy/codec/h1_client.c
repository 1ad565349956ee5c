/* The client's end: requests out, responses in, and whether the connection is used again. */
#include "proxy/codec/h1_stream.h"

#include "common/clock.h"

/* 1xx heads in front of one response: more are no information. */
#define INFORMATIONAL_MAX 32

/* ---- requests ---- */

static unsigned client_room(const struct codec *codec)
{
    const struct h1 *h1 = LIST_ENTRY(codec, const struct h1, codec);
    return h1->state == H1_STATE_IDLE && !h1->stream && !h1->is_last && !h1->is_draining &&
           h1->end == CONN_GOES_ON;
}

/* A method that usually has content says when it has none (RFC 9110 8.6). */
static bool is_content_expected(struct slice method)
{
    return slice_eq_str(method, "POST") || slice_eq_str(method, "PUT") ||
           slice_eq_str(method, "PATCH");
}

static enum h1_framing client_framing(struct head *head, bool is_end)
{
    if (head->upgrade.len || slice_eq_str(head->method, "CONNECT"))
        return H1_NO_BODY;
    if (is_end && head->content_length == CONTENT_LENGTH_NONE && is_content_expected(head->method))
        head->content_length = 0;
    if (is_end && head->content_length <= 0)
        return H1_NO_BODY;
    return head->content_length == CONTENT_LENGTH_NONE ? H1_CHUNKED : H1_LENGTH;
}

static const struct stream_ops client_stream_ops;

static struct stream *client_open(struct codec *codec, const struct head *given, bool is_end,
                                  const struct stream_events *events, void *owner)
{
    struct h1 *h1 = h1_of(codec);
    struct head head = *given;
    const struct h1_write how = {.framing = client_framing(&head, is_end)};
    if (!client_room(codec) || (is_end && how.framing == H1_LENGTH))
        return NULL;
    h1->before_bytes = codec->bytes_written;
    if (!h1_send_head(h1, true, &head, &how))
        return NULL;
    struct h1_stream *stream = h1_stream_new(h1, &client_stream_ops);
    if (!stream) { /* half a request is out */
        h1->is_last = true;
        return NULL;
    }
    stream->stream.events = events;
    stream->stream.owner = owner;
    stream->stream.is_sent = is_end;
    stream->request = given;
    stream->sending = how.framing;
    stream->left_bytes = how.framing == H1_LENGTH ? (uint64_t)head.content_length : 0;
    stream->wants_tunnel = head.upgrade.len || slice_eq_str(head.method, "CONNECT");
    h1->codec.active_ns = clock_coarse_ns();
    h1->n_informational = 0;
    h1->seen = 0;
    h1_set_state(h1, H1_STATE_HEAD);
    h1_arm(h1);
    return &stream->stream;
}

/* ---- responses ---- */

static void client_on_fault(struct h1 *h1, enum h1_fault fault)
{
    enum stream_cut cut = h1_fault_status(fault) == 431 ? STREAM_CUT_TOO_LARGE
                          : fault == H1_FAULT_NO_MEMORY ? STREAM_CUT_INTERNAL
                                                        : STREAM_CUT_PROTOCOL;
    h1_fail(h1, cut, false, fault == H1_FAULT_NO_MEMORY ? REASON_NO_MEMORY : REASON_MALFORMED,
            h1_fault_text(fault));
}

static enum h1_fault client_parse(struct h1 *h1, struct slice text, struct head **head)
{
    struct h1_stream *stream = h1->stream;
    struct arena *arena = &stream->stream.arena;
    char *copy = arena_take(arena, text.len);
    *head = arena_take(arena, sizeof(**head));
    if (!copy || !*head)
        return H1_FAULT_NO_MEMORY;
    memcpy(copy, text.ptr, text.len);
    head_init(*head, arena);
    return h1_parse_response(copy, text.len, &h1->codec.shared->limits->h1, stream->request->method,
                             *head, &h1->message);
}

/* The final head, or 101. */
static void client_take_response(struct h1 *h1, struct head *head)
{
    struct h1_stream *stream = h1->stream;
    bool is_end = false;
    h1->is_last |= !h1->message.is_persistent;
    if (h1->message.framing == H1_TUNNEL) {
        h1_set_state(h1, H1_STATE_TUNNEL);
        h1_stream_open_tunnel(stream);
    } else {
        is_end = h1_begin_body(h1, head);
        if (stream->wants_tunnel) { /* refused: nothing more is sent */
            stream->wants_tunnel = false;
            stream->stream.is_sent = true;
        }
    }
    stream->stream.events->on_head(&stream->stream, head, is_end);
}

static enum h1_fault client_take_head(struct h1 *h1, struct slice text)
{
    struct h1_stream *stream = h1->stream;
    struct head *head = NULL;
    enum h1_fault fault = client_parse(h1, text, &head);
    if (fault != H1_FAULT_NONE)
        return fault;
    stream->is_head_received = true;
    h1->seen = 0;
    if (h1->message.framing == H1_TUNNEL && !stream->wants_tunnel)
        return H1_FAULT_STATUS; /* a 101 that nobody asked for */
    if (head->status >= 200 || head->status == 101)
        client_take_response(h1, head);
    else if (++h1->n_informational > INFORMATIONAL_MAX)
        return H1_FAULT_STATUS;
    else
        stream->stream.events->on_head(&stream->stream, head, false);
    return H1_FAULT_NONE;
}

static bool client_read_head(struct h1 *h1, struct slice *input)
{
    if (h1->state == H1_STATE_IDLE) { /* nobody asked */
        h1_fail(h1, STREAM_CUT_NONE, false, REASON_DONE, "bytes beyond the response");
        return false;
    }
    enum h1_fault fault = H1_FAULT_NONE;
    size_t len = h1_head_end(*input, &h1->seen, &h1->codec.shared->limits->h1, &fault);
    if (len == 0 && fault == H1_FAULT_NONE)
        return false;
    if (fault == H1_FAULT_NONE) {
        struct slice text = slice_sub(*input, 0, len);
        *input = slice_sub(*input, len, input->len);
        fault = client_take_head(h1, text);
    }
    if (fault != H1_FAULT_NONE)
        client_on_fault(h1, fault);
    return fault == H1_FAULT_NONE;
}

/* ---- the end of an exchange ---- */

static void client_stream_close(struct stream *base, enum stream_cut cut)
{
    struct h1_stream *stream = h1_stream_of(base);
    struct h1 *h1 = stream->h1;
    (void)cut; /* HTTP/1.1 has no word for it */
    bool is_whole = base->is_sent && base->is_received;
    bool is_tunnel = stream->sending == H1_TUNNEL;
    h1_stream_park(stream);
    if (!h1 || (is_whole && !is_tunnel))
        return;
    h1->is_aborted = is_tunnel && !is_whole;
    h1->is_cut = !is_whole;
    h1_linger(h1, REASON_DONE, "");
}

static void client_on_turn(struct h1 *h1)
{
    if (h1->state == H1_STATE_LINGER && h1->is_cut) { /* nobody waits for what is left */
        h1_fail(h1, STREAM_CUT_NONE, false, h1->reason, h1->detail);
        return;
    }
    if (h1->state == H1_STATE_RECEIVED && !h1->stream) {
        h1->owes_room = true;
        h1_set_state(h1, H1_STATE_IDLE);
    }
    if (h1->state != H1_STATE_IDLE)
        return;
    if (buf_len(&h1->held)) {
        h1_fail(h1, STREAM_CUT_NONE, false, REASON_DONE, "bytes beyond the response");
    } else if (h1->is_last || h1->is_draining || h1->end != CONN_GOES_ON) {
        h1_fail(h1, STREAM_CUT_NONE, false, REASON_DONE, "");
    } else if (h1->owes_room && h1->codec.events) {
        h1->owes_room = false;
        h1->codec.events->on_room(h1->codec.owner);
    }
}

/* ---- how it ends otherwise ---- */

/* Before any byte of an answer, on a connection that had been used: the keep-alive race. */
static bool client_is_unprocessed(const struct h1 *h1)
{
    return h1->state == H1_STATE_HEAD && h1->codec.n_requests > 1 && buf_len(&h1->held) == 0 &&
           !h1->stream->is_head_received;
}

static void client_on_end(struct h1 *h1, enum conn_end end)
{
    enum reason reason = end == CONN_EOF ? REASON_DONE : REASON_SERVER_RESET;
    enum stream_cut cut = STREAM_CUT_CONNECTION;
    bool is_unprocessed = false;
    switch (h1->state) {
    case H1_STATE_HEAD:
        is_unprocessed = client_is_unprocessed(h1);
        if (buf_len(&h1->held))
            cut = STREAM_CUT_TRUNCATED;
        else if (is_unprocessed && conn_was_too_late(&h1->codec.conn, h1->before_bytes))
            cut = STREAM_CUT_REFUSED;
        break;
    case H1_STATE_BODY:
        if (h1->message.framing == H1_UNTIL_CLOSE && end == CONN_EOF) {
            h1_tell_data(h1, slice_of(NULL, 0), true);
            return;
        }
        cut = STREAM_CUT_TRUNCATED;
        break;
    case H1_STATE_TRAILERS:
        cut = STREAM_CUT_TRUNCATED;
        break;
    case H1_STATE_TUNNEL:
        if (end == CONN_EOF) {
            h1_tell_data(h1, slice_of(NULL, 0), true);
            return;
        }
        break;
    case H1_STATE_LINGER:
        if (end == CONN_EOF && !conn_write_ended(&h1->codec.conn))
            return;
        reason = h1->reason;
        break;
    case H1_STATE_IDLE:
    case H1_STATE_RECEIVED:
    case H1_STATE_PENDING:
    case H1_STATE_CLOSED:
        break;
    }
    if (end == CONN_NO_MEMORY) {
        cut = STREAM_CUT_INTERNAL;
        reason = REASON_NO_MEMORY;
    }
    h1_fail(h1, cut, is_unprocessed, reason, "");
}

/* The server takes no more; what it has sent before is still read, and then tells the end. */
static void client_on_broken(struct h1 *h1)
{
    h1->is_last = true;
    if (conn_read_ended(&h1->codec.conn) || h1->state == H1_STATE_IDLE ||
        h1->state == H1_STATE_LINGER)
        h1_fail(h1, STREAM_CUT_CONNECTION, false, REASON_SERVER_RESET, "");
}

static uint64_t client_deadline_ns(const struct h1 *h1)
{
    const struct codec_limits *limits = h1->codec.shared->limits;
    uint64_t idle_ns = h1->codec.active_ns + limits->stream_idle_timeout_ms * NS_PER_MS;
    switch (h1->state) {
    case H1_STATE_HEAD:
    case H1_STATE_BODY:
    case H1_STATE_TRAILERS:
        return h1_wants_input(h1) || buf_len(&h1->codec.conn.out) ? idle_ns : UINT64_MAX;
    case H1_STATE_LINGER:
        return h1_linger_deadline_ns(h1);
    case H1_STATE_TUNNEL: /* the owner's */
    case H1_STATE_IDLE:   /* the pool's */
    case H1_STATE_RECEIVED:
    case H1_STATE_PENDING:
    case H1_STATE_CLOSED:
        return UINT64_MAX;
    }
    return UINT64_MAX;
}

static void client_on_timeout(struct h1 *h1)
{
    bool is_linger = h1->state == H1_STATE_LINGER;
    h1_fail(h1, STREAM_CUT_TIMEOUT, false, is_linger ? h1->reason : REASON_IDLE_TIMEOUT, "");
}

/* ---- the codec ---- */

static void client_drain(struct codec *codec)
{
    struct h1 *h1 = h1_of(codec);
    h1->is_draining = true;
    if (h1->state != H1_STATE_CLOSED)
        output_mark(&h1->output);
}

static const struct stream_ops client_stream_ops = {
    .send_data = h1_stream_send_data,
    .send_trailers = h1_stream_send_trailers,
    .pause = h1_stream_pause,
    .resume = h1_stream_resume,
    .close = client_stream_close,
};

static const struct h1_role client_role = {
    .read_head = client_read_head,
    .on_fault = client_on_fault,
    .on_end = client_on_end,
    .on_timeout = client_on_timeout,
    .on_broken = client_on_broken,
    .on_turn = client_on_turn,
    .deadline_ns = client_deadline_ns,
};

static const struct codec_ops client_ops = {
    .protocol = "http/1.1",
    .open = client_open,
    .room = client_room,
    .n_streams = h1_n_streams,
    .drain = client_drain,
    .close = h1_close,
    .free = h1_free,
};

struct codec *h1_client_new(struct codec_shared *shared, struct conn *from,
                            const struct codec_events *events, void *owner)
{
    struct h1 *h1 = h1_new(shared, from, &client_ops, &client_role, events, owner);
    return h1 ? &h1->codec : NULL;
}
