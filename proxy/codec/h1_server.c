/* The server's end: requests in, responses out, and how a connection with a client ends. */
#include "proxy/codec/h1_stream.h"

#include "common/clock.h"

static const struct stream_ops server_stream_ops;

/* ---- answers of our own ---- */

/* `server: outrigger` and nothing else: who gets it has sent nonsense, or nothing. */
static void server_answer(struct h1 *h1, int status)
{
    char memory[1024] __attribute__((aligned(16)));
    struct arena arena;
    struct head head;
    arena_init_with(&arena, memory, sizeof(memory));
    head_init(&head, &arena);
    head.status = (uint16_t)status;
    head.content_length = 0;
    const struct h1_write how = {.framing = H1_LENGTH, .close = true};
    if (!head_add_id(&head, FIELD_SERVER, SLICE_LITERAL("outrigger")) ||
        !h1_send_head(h1, false, &head, &how))
        h1->is_cut = true;
    arena_fini(&arena);
}

/* The request cannot be gone on with. Answered if nothing was sent yet; else the peer sees a cut.
 */
static void server_refuse(struct h1 *h1, enum stream_cut cut, int status, enum reason reason,
                          const char *detail)
{
    struct h1_stream *stream = h1->stream;
    if (stream) {
        h1->is_cut = stream->is_head_sent;
        h1->is_aborted = stream->is_head_sent && stream->sending == H1_UNTIL_CLOSE;
        stream->h1 = NULL;
        h1->stream = NULL;
    }
    if (!h1->is_cut)
        server_answer(h1, status);
    h1_linger(h1, reason, detail);
    if (stream)
        stream->stream.events->on_reset(&stream->stream, cut, false);
}

static void server_on_fault(struct h1 *h1, enum h1_fault fault)
{
    int status = h1_fault_status(fault);
    bool is_memory = fault == H1_FAULT_NO_MEMORY;
    telemetry_add(h1->codec.shared->telemetry,
                  is_memory ? COUNTER_SHED_MEMORY : COUNTER_HTTP_MALFORMED, 1);
    server_refuse(h1,
                  is_memory       ? STREAM_CUT_INTERNAL
                  : status == 431 ? STREAM_CUT_TOO_LARGE
                                  : STREAM_CUT_PROTOCOL,
                  status, is_memory ? REASON_NO_MEMORY : REASON_MALFORMED, h1_fault_text(fault));
}

/* ---- requests ---- */

static void server_begin_head(struct h1 *h1)
{
    h1_set_state(h1, H1_STATE_HEAD);
    h1->since_ns = h1->codec.active_ns;
    h1->seen = 0;
}

/* The head is there as a whole: gives it to whoever made the connection. */
static enum h1_fault server_take_request(struct h1 *h1, struct slice text)
{
    struct h1_stream *stream = h1_stream_new(h1, &server_stream_ops);
    if (!stream)
        return H1_FAULT_NO_MEMORY;
    struct arena *arena = &stream->stream.arena;
    struct head *head = arena_take(arena, sizeof(*head));
    char *copy = arena_take(arena, text.len);
    enum h1_fault fault = H1_FAULT_NO_MEMORY;
    if (head && copy) {
        memcpy(copy, text.ptr, text.len);
        head_init(head, arena);
        fault = h1_parse_request(copy, text.len, &h1->codec.shared->limits->h1, head, &h1->message);
    }
    if (fault != H1_FAULT_NONE) {
        h1_stream_park(stream);
        return fault;
    }
    stream->request = head;
    h1->is_last = !h1->message.is_persistent;
    bool is_end = false;
    if (h1->message.is_upgrade || slice_eq_str(head->method, "CONNECT"))
        h1_set_state(h1, H1_STATE_PENDING);
    else
        is_end = h1_begin_body(h1, head);
    if (h1->codec.events)
        h1->codec.events->on_request(h1->codec.owner, &stream->stream, head, is_end);
    return H1_FAULT_NONE;
}

static bool server_read_head(struct h1 *h1, struct slice *input)
{
    enum h1_fault fault = H1_FAULT_NONE;
    if (h1->state == H1_STATE_IDLE)
        server_begin_head(h1);
    size_t len = h1_head_end(*input, &h1->seen, &h1->codec.shared->limits->h1, &fault);
    if (len == 0 && fault == H1_FAULT_NONE)
        return false;
    if (fault == H1_FAULT_NONE) {
        struct slice text = slice_sub(*input, 0, len);
        *input = slice_sub(*input, len, input->len);
        fault = server_take_request(h1, text);
    }
    if (fault != H1_FAULT_NONE)
        server_on_fault(h1, fault);
    return fault == H1_FAULT_NONE;
}

/* ---- responses ---- */

static bool is_informational(const struct head *head)
{
    return head->status / 100 == 1 && head->status != 101;
}

/* RFC 9110 15.2: to a client that knows 1xx. */
static bool server_send_informational(struct h1_stream *stream, const struct head *head)
{
    const struct h1_write how = {.framing = H1_NO_BODY};
    stream->is_continued = true;
    return stream->request->version == HTTP_1_0 || h1_send_head(stream->h1, false, head, &how);
}

static bool server_is_tunnel(const struct h1_stream *stream, const struct head *head)
{
    if (stream->h1->state != H1_STATE_PENDING)
        return false;
    return slice_eq_str(stream->request->method, "CONNECT") ? head->status / 100 == 2
                                                            : head->status == 101;
}

/* RFC 9112 6.3, seen from the sender. `head` may be given a length of 0. */
static enum h1_framing server_framing(const struct h1_stream *stream, struct head *head,
                                      bool is_end)
{
    if (server_is_tunnel(stream, head))
        return H1_TUNNEL;
    if (head->status == 204 || head->status == 304 || slice_eq_str(stream->request->method, "HEAD"))
        return H1_NO_BODY;
    if (is_end && head->content_length == CONTENT_LENGTH_NONE)
        head->content_length = 0;
    if (head->content_length != CONTENT_LENGTH_NONE)
        return H1_LENGTH;
    return stream->request->version == HTTP_1_0 ? H1_UNTIL_CLOSE : H1_CHUNKED;
}

/* A client that waited for 100 and is given the answer may send the body, or the next request. */
static bool server_is_last(const struct h1_stream *stream)
{
    const struct h1 *h1 = stream->h1;
    return h1->is_last || h1->is_draining || h1->end != CONN_GOES_ON ||
           (h1->message.expects_continue && !stream->is_continued && !stream->stream.is_received);
}

/* The request's direction of what became no tunnel. */
static void server_settle_tunnel(struct h1_stream *stream)
{
    struct h1 *h1 = stream->h1;
    if (h1->state != H1_STATE_PENDING)
        return;
    if (stream->sending == H1_TUNNEL) {
        h1_set_state(h1, H1_STATE_TUNNEL);
    } else {
        h1_set_state(h1, H1_STATE_RECEIVED);
        stream->stream.is_received = true;
        h1->owes_end = true;
    }
    output_mark(&h1->output);
}

static bool server_send_head(struct stream *base, const struct head *given, bool is_end)
{
    struct h1_stream *stream = h1_stream_of(base);
    struct h1 *h1 = stream->h1;
    if (!h1 || stream->is_head_sent)
        return false;
    h1->has_moved = true;
    if (is_informational(given))
        return server_send_informational(stream, given);
    struct head head = *given;
    struct h1_write how = {.framing = server_framing(stream, &head, is_end)};
    if (how.framing == H1_LENGTH && is_end && head.content_length > 0)
        return false;
    bool is_last = server_is_last(stream) || how.framing == H1_UNTIL_CLOSE;
    how.close = is_last && how.framing != H1_TUNNEL;
    how.keep_alive = !how.close && stream->request->version == HTTP_1_0;
    if (!h1_send_head(h1, false, &head, &how))
        return false;
    h1->is_last = is_last;
    stream->is_head_sent = true;
    stream->sending = how.framing;
    stream->left_bytes = how.framing == H1_LENGTH ? (uint64_t)head.content_length : 0;
    server_settle_tunnel(stream);
    if (is_end && how.framing == H1_TUNNEL)
        h1_stream_send_data(base, slice_of(NULL, 0), true);
    stream->stream.is_sent = is_end;
    (void)output_is_high(&h1->output);
    return true;
}

/* ---- the end of an exchange ---- */

static enum reason server_reason_of(enum stream_cut cut)
{
    return cut == STREAM_CUT_TIMEOUT    ? REASON_IDLE_TIMEOUT
           : cut == STREAM_CUT_INTERNAL ? REASON_NO_MEMORY
                                        : REASON_SERVER_RESET;
}

/* The peer is to see that it has not ended well: without FIN in good order. */
static void server_cut(struct h1 *h1, enum stream_cut cut, bool is_abort)
{
    h1->is_cut = true;
    h1->is_aborted = is_abort;
    h1_linger(h1, server_reason_of(cut), "the answer was cut");
}

static void server_stream_close(struct stream *base, enum stream_cut cut)
{
    struct h1_stream *stream = h1_stream_of(base);
    struct h1 *h1 = stream->h1;
    enum h1_framing sending = stream->sending;
    bool is_whole = base->is_sent && (cut == STREAM_CUT_NONE || base->is_received);
    bool is_half_tunnel = sending == H1_TUNNEL && !(base->is_sent && base->is_received);
    bool is_head_sent = stream->is_head_sent;
    h1_stream_park(stream); /* nothing is read from it any more */
    if (!h1)
        return;
    h1->dropped_bytes = 0;
    h1->is_last |= sending == H1_TUNNEL; /* it is ended in order, but it is no HTTP any more */
    if (is_half_tunnel)
        server_cut(h1, cut, true);
    else if (!is_whole)
        server_cut(h1, cut, is_head_sent && sending == H1_UNTIL_CLOSE);
}

/*
 * One exchange is over and nothing of it is left to read. A client that was not told that it was
 * the last may have written the next already, draining or not.
 */
static void server_settle(struct h1 *h1)
{
    if (h1->is_last) {
        h1_linger(h1, REASON_DONE, "");
        return;
    }
    h1_set_state(h1, H1_STATE_IDLE);
}

static void server_on_turn(struct h1 *h1)
{
    if (h1->owes_end && h1->stream) {
        h1->owes_end = false;
        h1->stream->stream.events->on_data(&h1->stream->stream, slice_of(NULL, 0), true);
    }
    bool is_left = !h1->stream;
    if (h1->state == H1_STATE_RECEIVED && is_left)
        server_settle(h1);
    else if ((h1->state == H1_STATE_BODY || h1->state == H1_STATE_TRAILERS) && is_left &&
             h1->is_last)
        h1_linger(h1, REASON_DONE, "");
}

/* ---- how it ends otherwise ---- */

static void server_on_end(struct h1 *h1, enum conn_end end)
{
    if (end == CONN_NO_MEMORY) {
        h1_fail(h1, STREAM_CUT_INTERNAL, false, REASON_NO_MEMORY, "");
        return;
    }
    switch (h1->state) {
    case H1_STATE_IDLE:
    case H1_STATE_HEAD:
        h1_fail(h1, STREAM_CUT_NONE, false, REASON_DONE, "");
        return;
    case H1_STATE_TUNNEL:
        if (end == CONN_EOF) {
            h1_tell_data(h1, slice_of(NULL, 0), true);
            return;
        }
        h1->is_aborted = true;
        break;
    case H1_STATE_LINGER: /* what is still to be sent goes first */
        if (end == CONN_EOF && !conn_write_ended(&h1->codec.conn))
            return;
        h1_fail(h1, STREAM_CUT_NONE, false, h1->reason, h1->detail);
        return;
    case H1_STATE_BODY:
    case H1_STATE_TRAILERS:
        if (end == CONN_EOF) {
            h1_fail(h1, STREAM_CUT_TRUNCATED, false, REASON_CLIENT_RESET, "in a request");
            return;
        }
        break;
    case H1_STATE_RECEIVED:
    case H1_STATE_PENDING:
    case H1_STATE_CLOSED:
        break;
    }
    h1_fail(h1, STREAM_CUT_CONNECTION, false,
            end == CONN_RESET ? REASON_CLIENT_RESET : REASON_TLS_TRUNCATED, "");
}

static void server_on_broken(struct h1 *h1)
{
    h1_fail(h1, STREAM_CUT_CONNECTION, false, REASON_CLIENT_RESET, "");
}

static bool server_is_blocked(const struct h1 *h1)
{
    return buf_len(&h1->codec.conn.out) > 0;
}

/* How long a client may be silent between two requests. */
static uint64_t server_silence_ms(const struct h1 *h1)
{
    const struct codec_limits *limits = h1->codec.shared->limits;
    bool is_short = h1->is_draining && limits->drain_silence_ms < limits->keepalive_timeout_ms;
    return is_short ? limits->drain_silence_ms : limits->keepalive_timeout_ms;
}

/* Only what the client owes has a limit here; what its owner owes is the owner's to judge. */
static uint64_t server_deadline_ns(const struct h1 *h1)
{
    const struct codec_limits *limits = h1->codec.shared->limits;
    uint64_t idle_ns = h1->codec.active_ns + limits->stream_idle_timeout_ms * NS_PER_MS;
    switch (h1->state) {
    case H1_STATE_IDLE:
        if (server_is_blocked(h1))
            return idle_ns;
        return h1->codec.active_ns + server_silence_ms(h1) * NS_PER_MS;
    case H1_STATE_HEAD:
        return h1->since_ns + limits->head_timeout_ms * NS_PER_MS;
    case H1_STATE_BODY:
    case H1_STATE_TRAILERS:
        return h1_wants_input(h1) || server_is_blocked(h1) ? idle_ns : UINT64_MAX;
    case H1_STATE_RECEIVED:
    case H1_STATE_PENDING:
        return server_is_blocked(h1) ? idle_ns : UINT64_MAX;
    case H1_STATE_LINGER:
        return h1_linger_deadline_ns(h1);
    case H1_STATE_TUNNEL: /* its idle time is the owner's */
    case H1_STATE_CLOSED:
        return UINT64_MAX;
    }
    return UINT64_MAX;
}

/* A request may have come in this very moment: one more look before the door is shut. */
static void server_close_idle(struct h1 *h1)
{
    if (h1->end == CONN_GOES_ON && !server_is_blocked(h1))
        h1_read(h1);
    if (h1->state == H1_STATE_IDLE)
        h1_linger(h1, h1->is_draining ? REASON_DONE : REASON_IDLE_TIMEOUT, "");
}

static void server_on_timeout(struct h1 *h1)
{
    switch (h1->state) {
    case H1_STATE_IDLE:
        server_close_idle(h1);
        return;
    case H1_STATE_HEAD:
        telemetry_add(h1->codec.shared->telemetry, COUNTER_HTTP_HEAD_TIMEOUTS, 1);
        server_refuse(h1, STREAM_CUT_TIMEOUT, 408, REASON_IDLE_TIMEOUT, "half a request");
        return;
    case H1_STATE_BODY:
    case H1_STATE_TRAILERS:
        if (!server_is_blocked(h1)) {
            server_refuse(h1, STREAM_CUT_TIMEOUT, 408, REASON_IDLE_TIMEOUT, "half a body");
            return;
        }
        break;
    case H1_STATE_LINGER:
        h1_fail(h1, STREAM_CUT_NONE, false, h1->reason, h1->detail);
        return;
    case H1_STATE_RECEIVED:
    case H1_STATE_PENDING:
    case H1_STATE_TUNNEL:
    case H1_STATE_CLOSED:
        break;
    }
    h1->is_aborted = true;
    h1_fail(h1, STREAM_CUT_TIMEOUT, false, REASON_IDLE_TIMEOUT, "");
}

/* ---- the codec ---- */

static void server_drain(struct codec *codec)
{
    struct h1 *h1 = h1_of(codec);
    h1->is_draining = true;
    if (h1->state != H1_STATE_CLOSED)
        output_mark(&h1->output);
}

static const struct stream_ops server_stream_ops = {
    .send_head = server_send_head,
    .send_data = h1_stream_send_data,
    .send_trailers = h1_stream_send_trailers,
    .pause = h1_stream_pause,
    .resume = h1_stream_resume,
    .close = server_stream_close,
};

static const struct h1_role server_role = {
    .read_head = server_read_head,
    .on_fault = server_on_fault,
    .on_end = server_on_end,
    .on_timeout = server_on_timeout,
    .on_broken = server_on_broken,
    .on_turn = server_on_turn,
    .deadline_ns = server_deadline_ns,
};

static const struct codec_ops server_ops = {
    .protocol = "http/1.1",
    .is_server = true,
    .n_streams = h1_n_streams,
    .drain = server_drain,
    .close = h1_close,
    .free = h1_free,
};

struct codec *h1_server_new(struct codec_shared *shared, struct conn *from,
                            const struct codec_events *events, void *owner)
{
    struct h1 *h1 = h1_new(shared, from, &server_ops, &server_role, events, owner);
    return h1 ? &h1->codec : NULL;
}
