#include "proxy/codec/h1_conn.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "proxy/codec/h1_stream.h"

/* What one read may bring: heads and small bodies are far below, and held input is bounded by it.
 */
#define READ_MAX_BYTES (64 * 1024)
/* Beside the head that is being gathered. */
#define HELD_SLACK_BYTES (4 * READ_MAX_BYTES)

const char *h1_state_name(enum h1_state state)
{
    static const char *const names[] = {
#define X(name, text) [name] = text,
        H1_STATES(X)
#undef X
    };
    return names[state];
}

/* What may follow a state. H1_STATE_LINGER and H1_STATE_CLOSED may follow any but H1_STATE_CLOSED.
 */
void h1_set_state(struct h1 *h1, enum h1_state to)
{
#define BIT(state) (1u << (state))
    static const unsigned next[] = {
        [H1_STATE_IDLE] = BIT(H1_STATE_HEAD),
        [H1_STATE_HEAD] = BIT(H1_STATE_BODY) | BIT(H1_STATE_RECEIVED) | BIT(H1_STATE_PENDING) |
                          BIT(H1_STATE_TUNNEL),
        [H1_STATE_BODY] = BIT(H1_STATE_TRAILERS) | BIT(H1_STATE_RECEIVED),
        [H1_STATE_TRAILERS] = BIT(H1_STATE_RECEIVED),
        [H1_STATE_RECEIVED] = BIT(H1_STATE_IDLE),
        [H1_STATE_PENDING] = BIT(H1_STATE_TUNNEL) | BIT(H1_STATE_RECEIVED),
        [H1_STATE_TUNNEL] = BIT(H1_STATE_RECEIVED),
        [H1_STATE_LINGER] = 0,
        [H1_STATE_CLOSED] = 0,
    };
    assert(h1->state != H1_STATE_CLOSED);
    assert(to == H1_STATE_LINGER || to == H1_STATE_CLOSED || (next[h1->state] & BIT(to)));
    h1->state = to;
#undef BIT
}

bool h1_wants_input(const struct h1 *h1)
{
    switch (h1->state) {
    case H1_STATE_IDLE: /* who does not take the answers is not asked for more */
        return !h1->codec.ops->is_server || !h1->output.is_high;
    case H1_STATE_HEAD:
    case H1_STATE_LINGER:
        return true;
    case H1_STATE_BODY:
    case H1_STATE_TRAILERS:
    case H1_STATE_TUNNEL:
        return !h1->stream || !h1->stream->is_paused;
    case H1_STATE_RECEIVED:
    case H1_STATE_PENDING:
    case H1_STATE_CLOSED:
        return false;
    }
    return false;
}

/*
 * A client has finished sending, and waits for an answer that has not begun for H1_LISTEN_MS. Who
 * would send another request on the connection would not have: it is gone, whatever its kernel
 * says. Who announced that it is the last request is believed to wait.
 */
static bool h1_is_left_alone(const struct h1 *h1)
{
    return h1->codec.ops->is_server && h1->end == CONN_EOF && h1->state == H1_STATE_RECEIVED &&
           h1->stream && !h1->stream->is_head_sent && h1->message.is_persistent;
}

/* ---- time ---- */

uint64_t h1_linger_deadline_ns(const struct h1 *h1)
{
    if (h1->is_cut || conn_write_ended(&h1->codec.conn))
        return h1->since_ns + H1_LINGER_MS * NS_PER_MS;
    return h1->codec.active_ns + h1->codec.shared->limits->stream_idle_timeout_ms * NS_PER_MS;
}

void h1_arm(struct h1 *h1)
{
    if (h1->state == H1_STATE_CLOSED)
        return;
    uint64_t due_ns = h1->role->deadline_ns(h1);
    if (h1->is_deaf && h1->listen_ns < due_ns)
        due_ns = h1->listen_ns;
    if (due_ns == UINT64_MAX || (timer_is_set(&h1->timer) && h1->timer.due_ns <= due_ns))
        return; /* when it fires early, it is set anew */
    uint64_t now_ns = h1->codec.active_ns;
    uint64_t delay_ms = due_ns > now_ns ? (due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    timer_set(h1->codec.shared->timers, &h1->timer, now_ns, delay_ms);
}

static void on_timer(struct timer *timer)
{
    struct h1 *h1 = LIST_ENTRY(timer, struct h1, timer);
    uint64_t now_ns = clock_now_ns();
    if (h1->is_deaf && now_ns >= h1->listen_ns) {
        if (conn_is_reset(&h1->codec.conn) || h1_is_left_alone(h1)) {
            h1_fail(h1, STREAM_CUT_CONNECTION, false,
                    h1->codec.ops->is_server ? REASON_CLIENT_RESET : REASON_SERVER_RESET, "");
            return;
        }
        h1->listen_ns = now_ns + H1_LISTEN_MS * NS_PER_MS;
    }
    if (h1->has_moved) {
        h1->has_moved = false;
        h1->codec.active_ns = now_ns;
    }
    if (now_ns >= h1->role->deadline_ns(h1))
        h1->role->on_timeout(h1);
    h1_arm(h1);
}

/* ---- input ---- */

/* Not read until it is wanted: a level-triggered event would come again and again. */
static void h1_go_deaf(struct h1 *h1)
{
    conn_pause(&h1->codec.conn);
    h1->is_deaf = true;
    h1->listen_ns = h1->codec.active_ns + H1_LISTEN_MS * NS_PER_MS;
}

static void h1_hear(struct h1 *h1)
{
    if (!h1->is_deaf || h1->end != CONN_GOES_ON)
        return;
    h1->is_deaf = false;
    conn_resume(&h1->codec.conn);
}

/* `fresh` follows what is held. */
static void h1_feed(struct h1 *h1, struct slice fresh)
{
    if (buf_len(&h1->held) == 0) {
        h1_understand(h1, &fresh);
        if (fresh.len == 0 || h1->state == H1_STATE_CLOSED)
            return;
        if (!buf_append(&h1->held, fresh.ptr, fresh.len))
            h1_fail(h1, STREAM_CUT_INTERNAL, false, REASON_NO_MEMORY, "");
        return;
    }
    if (!buf_append(&h1->held, fresh.ptr, fresh.len)) {
        h1_fail(h1, STREAM_CUT_INTERNAL, false, REASON_NO_MEMORY, "");
        return;
    }
    struct slice all = buf_slice(&h1->held);
    size_t len = all.len;
    h1_understand(h1, &all);
    if (h1->state != H1_STATE_CLOSED)
        buf_consume(&h1->held, len - all.len);
}

/* A client that is gone is told at once; of a server, what it sent before is still delivered. */
static void h1_tell_end(struct h1 *h1)
{
    if (h1->state == H1_STATE_CLOSED || h1->end == CONN_GOES_ON)
        return;
    if (h1_wants_input(h1) || (h1->codec.ops->is_server && h1->end != CONN_EOF))
        h1->role->on_end(h1, h1->end);
}

void h1_read(struct h1 *h1)
{
    struct conn_input input = conn_read(&h1->codec.conn);
    h1->codec.active_ns = clock_coarse_ns();
    h1->codec.bytes_read += input.data.len;
    if (h1->codec.conn.read_bytes > READ_MAX_BYTES)
        h1->codec.conn.read_bytes = READ_MAX_BYTES;
    if (input.end != CONN_GOES_ON) {
        h1->end = input.end;
        h1_go_deaf(h1);
    }
    h1_feed(h1, input.data);
    h1_tell_end(h1);
    h1_arm(h1);
}

static void on_event(struct conn *conn, short what)
{
    struct h1 *h1 = LIST_ENTRY(LIST_ENTRY(conn, struct codec, conn), struct h1, codec);
    if (what == EV_WRITE) {
        h1->codec.active_ns = clock_coarse_ns();
        output_writable(&h1->output);
        h1_arm(h1);
    } else if (!h1_wants_input(h1) && buf_len(&h1->held)) {
        h1->codec.conn.read_bytes = CONN_READ_MIN_BYTES;
        h1_go_deaf(h1);
        h1_arm(h1);
    } else {
        h1_read(h1);
    }
}

/* ---- output's events ---- */

static void on_turn(struct output *output)
{
    struct h1 *h1 = LIST_ENTRY(output, struct h1, output);
    if (!h1->is_started) {
        h1->is_started = true;
        conn_resume(&h1->codec.conn);
        if (buf_len(&h1->codec.conn.early))
            h1_read(h1);
    }
    if (h1->state != H1_STATE_CLOSED && h1->is_spoiled)
        h1_fail(h1, STREAM_CUT_INTERNAL, false, REASON_DONE, "a message other than announced");
    if (h1->state != H1_STATE_CLOSED)
        h1->role->on_turn(h1);
    if (buf_len(&h1->held) && h1_wants_input(h1))
        h1_feed(h1, slice_of(NULL, 0));
    if (h1_wants_input(h1))
        h1_hear(h1);
    h1_tell_end(h1);
    h1_arm(h1);
}

static void on_drained(struct output *output)
{
    struct h1 *h1 = LIST_ENTRY(output, struct h1, output);
    struct h1_stream *stream = h1->stream;
    output_mark(output); /* pipelined requests may have waited for it */
    if (stream && stream->stream.events && !stream->stream.is_sent)
        stream->stream.events->on_drained(&stream->stream);
}

/* The tunnel's outgoing direction, or all of the connection. */
static void h1_finish(struct h1 *h1)
{
    struct conn *conn = &h1->codec.conn;
    if (conn_write_ended(conn))
        return;
    switch (conn_finish(conn)) {
    case CONN_SENT:
        h1->since_ns = h1->codec.active_ns;
        h1_arm(h1);
        return;
    case CONN_BLOCKED:
        output_tell_sent(&h1->output); /* again when close_notify has gone */
        return;
    case CONN_BROKEN:
    case CONN_SHED:
        h1->role->on_broken(h1);
        return;
    }
}

static void on_sent(struct output *output)
{
    struct h1 *h1 = LIST_ENTRY(output, struct h1, output);
    if (h1->state == H1_STATE_LINGER && h1->is_cut) {
        h1_fail(h1, STREAM_CUT_CONNECTION, false, h1->reason, h1->detail);
        return;
    }
    h1_finish(h1);
    if (h1->state == H1_STATE_LINGER && h1->end != CONN_GOES_ON)
        h1_fail(h1, STREAM_CUT_CONNECTION, false, h1->reason, h1->detail);
}

static void on_broken(struct output *output, enum conn_output result)
{
    struct h1 *h1 = LIST_ENTRY(output, struct h1, output);
    if (h1->state == H1_STATE_LINGER)
        h1_fail(h1, STREAM_CUT_CONNECTION, false, h1->reason, h1->detail);
    else if (result == CONN_SHED)
        h1_fail(h1, STREAM_CUT_INTERNAL, false, REASON_NO_MEMORY, "");
    else
        h1->role->on_broken(h1);
}

static const struct output_events output_events = {on_turn, on_drained, on_sent, on_broken};

/* ---- life ---- */

struct h1 *h1_new(struct codec_shared *shared, struct conn *from, const struct codec_ops *ops,
                  const struct h1_role *role, const struct codec_events *events, void *owner)
{
    struct h1 *h1 = calloc(1, sizeof(*h1));
    if (!h1)
        return NULL;
    h1->codec = (struct codec){.ops = ops,
                               .events = events,
                               .owner = owner,
                               .shared = shared,
                               .active_ns = clock_now_ns()};
    h1->role = role;
    h1->detail = "";
    conn_init(&h1->codec.conn, shared->conns, on_event);
    conn_move(from, &h1->codec.conn);
    output_init(&h1->output, &h1->codec, &output_events);
    timer_init(&h1->timer, on_timer);
    buf_init(&h1->held, shared->limits->h1.head_bytes + HELD_SLACK_BYTES);
    output_mark(&h1->output);
    return h1;
}

/* The connection's part of the end; the stream outlives it until its owner lets go. */
static struct h1_stream *h1_end(struct h1 *h1)
{
    struct h1_stream *stream = h1->stream;
    if (h1->state != H1_STATE_CLOSED) {
        h1_set_state(h1, H1_STATE_CLOSED);
        conn_close(&h1->codec.conn, h1->is_aborted);
        output_fini(&h1->output);
        timer_cancel(h1->codec.shared->timers, &h1->timer);
    }
    if (stream)
        stream->h1 = NULL;
    h1->stream = NULL;
    return stream;
}

void h1_fail(struct h1 *h1, enum stream_cut cut, bool is_unprocessed, enum reason reason,
             const char *detail)
{
    struct h1_stream *stream = h1_end(h1);
    if (stream && stream->stream.events)
        stream->stream.events->on_reset(&stream->stream, cut, is_unprocessed);
    const struct codec_events *events = h1->codec.events;
    h1->codec.events = NULL;
    if (events)
        events->on_closed(h1->codec.owner, reason, detail);
}

void h1_linger(struct h1 *h1, enum reason reason, const char *detail)
{
    if (h1->state == H1_STATE_LINGER || h1->state == H1_STATE_CLOSED)
        return;
    h1_set_state(h1, H1_STATE_LINGER);
    h1->reason = reason;
    h1->detail = detail;
    h1->since_ns = clock_now_ns();
    h1->codec.active_ns = h1->since_ns;
    h1->dropped_bytes = 0;
    output_tell_sent(&h1->output);
    h1_arm(h1);
}

void h1_close(struct codec *codec, enum reason reason)
{
    h1_fail(h1_of(codec), STREAM_CUT_CONNECTION, false, reason, "");
}

static void h1_bury(struct grave *grave)
{
    struct h1 *h1 = LIST_ENTRY(grave, struct h1, grave);
    buf_fini(&h1->held);
    free(h1);
}

void h1_free(struct codec *codec)
{
    struct h1 *h1 = h1_of(codec);
    codec->events = NULL;
    h1_end(h1);
    graveyard_park(codec->shared->graveyard, &h1->grave, h1_bury);
}

size_t h1_n_streams(const struct codec *codec)
{
    return LIST_ENTRY(codec, const struct h1, codec)->stream != NULL;
}
