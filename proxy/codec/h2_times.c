#include "proxy/codec/h2_times.h"

#include "common/clock.h"

static uint64_t after_ms(const struct h2_session *session, uint64_t ms)
{
    return session->now_ns + ms * NS_PER_MS;
}

/* The timer looks around more often than anything has to happen; see on_timer(). */
void h2_times_arm(struct h2_session *session)
{
    const struct codec_limits *limits = session->codec.shared->limits;
    uint64_t wait_ms = limits->stream_idle_timeout_ms / 4;
    if (limits->keepalive_timeout_ms < wait_ms)
        wait_ms = limits->keepalive_timeout_ms;
    if (session->head_ns && h2_session_is_alive(session) && limits->head_timeout_ms < wait_ms)
        wait_ms = limits->head_timeout_ms;
    if (session->deadline_ns) {
        uint64_t left_ms = session->deadline_ns > session->now_ns
                               ? (session->deadline_ns - session->now_ns) / NS_PER_MS + 1
                               : 1;
        wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
    }
    timer_set(session->codec.shared->timers, &session->timer, session->now_ns,
              wait_ms ? wait_ms : 1);
}

void h2_times_set_deadline(struct h2_session *session, uint64_t ms)
{
    session->deadline_ns = after_ms(session, ms);
    h2_times_arm(session);
}

static bool has_passed(const struct h2_session *session, uint64_t since_ns, uint64_t ms)
{
    return session->now_ns >= since_ns && session->now_ns - since_ns >= ms * NS_PER_MS;
}

/* A peer whose window stays shut holds our memory. */
static void cut_stalled(struct h2_session *session)
{
    uint64_t limit_ms = session->codec.shared->limits->stream_idle_timeout_ms;
    LIST_EACH(node, &session->streams) {
        struct h2_stream *stream = LIST_ENTRY(node, struct h2_stream, node);
        if (!stream->is_dead && stream->pending.len &&
            has_passed(session, stream->moved_ns, limit_ms))
            h2_stream_fault(stream, STREAM_CUT_TIMEOUT);
    }
}

/* Nor does one help that does not read at all: not even RST_STREAM would get through. */
static bool is_stuck(struct h2_session *session, uint64_t limit_ms)
{
    size_t waiting = output_waiting(&session->output);
    uint64_t gone = session->codec.bytes_written - waiting;
    if (waiting == 0 || gone != session->gone) {
        session->gone = gone;
        session->gone_ns = session->now_ns;
        return false;
    }
    return has_passed(session, session->gone_ns, limit_ms);
}

static void look_around(struct h2_session *session)
{
    const struct codec_limits *limits = session->codec.shared->limits;
    bool is_due = session->deadline_ns && session->now_ns >= session->deadline_ns;
    if (session->state == H2_OPENING && is_due)
        h2_session_fail(session, REASON_MALFORMED, NGHTTP2_SETTINGS_TIMEOUT,
                        "no HTTP/2 SETTINGS came in time");
    else if (session->head_ns && has_passed(session, session->head_ns, limits->head_timeout_ms))
        h2_session_fail(session, REASON_MALFORMED, NGHTTP2_ENHANCE_YOUR_CALM,
                        "a header block was not completed in time");
    else if (session->drain == H2_DRAIN_ANNOUNCED && is_due)
        h2_session_drain_seen(session);
    else if (session->codec.ops->is_server && session->n_open == 0 && session->n_live == 0 &&
             has_passed(session, session->idle_ns, limits->keepalive_timeout_ms))
        h2_session_drain(&session->codec);
    cut_stalled(session);
}

static void on_timer(struct timer *timer)
{
    struct h2_session *session = LIST_ENTRY(timer, struct h2_session, timer);
    session->now_ns = clock_now_ns();
    const struct codec_limits *limits = session->codec.shared->limits;
    switch (session->state) {
    case H2_OPENING:
    case H2_UP:
        if (is_stuck(session, limits->stream_idle_timeout_ms)) {
            h2_session_close(&session->codec, REASON_IDLE_TIMEOUT);
            return;
        }
        look_around(session);
        break;
    case H2_ENDING: /* as long as it takes something */
        if (is_stuck(session, H2_LINGER_MS)) {
            h2_session_end_at_once(session);
            return;
        }
        session->deadline_ns = after_ms(session, H2_LINGER_MS);
        break;
    case H2_LINGERING:
        if (session->now_ns >= session->deadline_ns) {
            h2_session_end_at_once(session);
            return;
        }
        break;
    case H2_CLOSED:
        return;
    }
    h2_times_arm(session);
}

void h2_times_init(struct h2_session *session)
{
    timer_init(&session->timer, on_timer);
}
