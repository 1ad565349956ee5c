/*
 * The application behind a server codec in the tests: what it does is said by the path. Made once a
 * test program, as the rig is.
 */
#ifndef OUTRIGGER_TEST_PROXY_CODEC_H1_APPLICATION_H
#define OUTRIGGER_TEST_PROXY_CODEC_H1_APPLICATION_H

#include "test/unit/proxy/codec/h1_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
#define OK_CLOSE  "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
#define REFUSED(status)                                                                            \
    "HTTP/1.1 " status "\r\nserver: outrigger\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

static struct head *answer_head(struct stream *stream, uint16_t status, int64_t length)
{
    struct head *head = arena_take(&stream->arena, sizeof(*head));
    head_init(head, &stream->arena);
    head->status = status;
    head->content_length = length;
    return head;
}

static void send_head(struct stream *stream, uint16_t status, int64_t length, bool is_end)
{
    assert_true(stream_send_head(stream, answer_head(stream, status, length), is_end));
}

static void send_text(struct stream *stream, const char *text, bool is_end)
{
    stream_send_data(stream, slice_str(text), is_end);
}

static void answer_plain(struct stream *stream)
{
    send_head(stream, 200, 2, false);
    send_text(stream, "ok", true);
}

static void answer_chunked(struct stream *stream)
{
    send_head(stream, 200, CONTENT_LENGTH_NONE, false);
    send_text(stream, "first", false);
    send_text(stream, "second!", true);
}

static void answer_trailers(struct stream *stream)
{
    struct head *trailers = answer_head(stream, 0, CONTENT_LENGTH_NONE);
    assert_true(head_add(trailers, SLICE_LITERAL("grpc-status"), SLICE_LITERAL("0")));
    send_head(stream, 200, CONTENT_LENGTH_NONE, false);
    send_text(stream, "body", false);
    stream_send_trailers(stream, trailers);
}

static void answer_empty(struct stream *stream)
{
    send_head(stream, 200, CONTENT_LENGTH_NONE, true);
}

static void answer_head_only(struct stream *stream)
{
    send_head(stream, 200, 1234, false);
    send_text(stream, "", true);
}

static void answer_204(struct stream *stream)
{
    send_head(stream, 204, CONTENT_LENGTH_NONE, true);
}

static void answer_304(struct stream *stream)
{
    send_head(stream, 304, 77, true);
}

static void answer_100(struct stream *stream)
{
    send_head(stream, 100, CONTENT_LENGTH_NONE, false);
}

static void answer_103(struct stream *stream)
{
    struct head *hints = answer_head(stream, 103, CONTENT_LENGTH_NONE);
    assert_true(head_add(hints, SLICE_LITERAL("link"), SLICE_LITERAL("</s.css>")));
    assert_true(stream_send_head(stream, hints, false));
    answer_plain(stream);
}

static void answer_101(struct stream *stream)
{
    struct head *head = answer_head(stream, 101, CONTENT_LENGTH_NONE);
    head->upgrade = SLICE_LITERAL("websocket");
    assert_true(stream_send_head(stream, head, false));
    send_text(stream, "<hello>", false);
}

static void answer_connect(struct stream *stream)
{
    send_head(stream, 200, CONTENT_LENGTH_NONE, false);
}

static void answer_413(struct stream *stream)
{
    send_head(stream, 413, 0, true);
}

static void answer_half(struct stream *stream)
{
    send_head(stream, 200, 10, false);
    send_text(stream, "12345", false);
}

static void answer_short(struct stream *stream)
{
    send_head(stream, 200, 10, false);
    send_text(stream, "12345", true);
}

static void answer_long(struct stream *stream)
{
    send_head(stream, 200, 3, false);
    send_text(stream, "12345", true);
}

static void answer_stream_half(struct stream *stream)
{
    send_head(stream, 200, CONTENT_LENGTH_NONE, false);
    send_text(stream, "12345", false);
}

static void pause_it(struct stream *stream)
{
    stream_pause(stream);
}

struct plan {
    const char *path;
    void (*at_head)(struct stream *stream);
    void (*at_end)(struct stream *stream);
    bool closes; /* the exchange, after its answer */
    enum stream_cut cut;
};
static const struct plan plans[] = {
    {"/", NULL, answer_plain, true, 0},
    {"/chunked", NULL, answer_chunked, true, 0},
    {"/trailers", NULL, answer_trailers, true, 0},
    {"/empty", NULL, answer_empty, true, 0},
    {"/length", NULL, answer_head_only, true, 0},
    {"/204", NULL, answer_204, true, 0},
    {"/304", NULL, answer_304, true, 0},
    {"/continue", answer_100, answer_plain, true, 0},
    {"/hints", NULL, answer_103, true, 0},
    {"/ws", answer_101, NULL, false, 0},
    {"/no-ws", answer_plain, NULL, false, 0},
    {"target:443", answer_connect, NULL, false, 0},
    {"/early", answer_413, NULL, true, 0},
    {"/never", NULL, NULL, false, 0},
    {"/half", NULL, answer_half, true, STREAM_CUT_CANCELLED},
    {"/half-stream", NULL, answer_stream_half, true, STREAM_CUT_CANCELLED},
    {"/short", NULL, answer_short, false, 0},
    {"/long", NULL, answer_long, false, 0},
    {"/cut", NULL, NULL, true, STREAM_CUT_INTERNAL},
    {"/paused", pause_it, answer_plain, true, 0},
};

static const struct plan *the_plan;

static void follow(struct rig *rig, struct stream *stream, bool is_end)
{
    if (is_end && the_plan->at_end)
        the_plan->at_end(stream);
    if (the_plan->closes && (is_end || (the_plan->at_head && !the_plan->at_end))) {
        rig->stream = NULL;
        stream_close(stream, the_plan->cut);
    }
}

static void on_data(struct stream *stream, struct slice data, bool is_end)
{
    struct rig *rig = stream->owner;
    rig_on_data(stream, data, is_end);
    if (is_end)
        follow(rig, stream, true);
}

static void on_trailers(struct stream *stream, struct head *trailers)
{
    rig_on_trailers(stream, trailers);
    follow(stream->owner, stream, true);
}

static const struct stream_events stream_events = {
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = rig_on_reset,
    .on_drained = rig_on_drained,
};

static void on_request(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    struct rig *rig = owner;
    stream->events = &stream_events;
    stream->owner = rig;
    rig->stream = stream;
    struct slice target = head->path.len ? head->path : head->authority;
    RIG_LOG(rig, "%.*s %.*s %.*s", SLICE_ARG(head->method), SLICE_ARG(head->authority),
            SLICE_ARG(head->path));
    if (head->upgrade.len)
        RIG_LOG(rig, " upgrade=%.*s", SLICE_ARG(head->upgrade));
    rig_log_fields(rig, head);
    RIG_LOG(rig, "%s\n", is_end ? " end" : "");
    the_plan = NULL;
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
        if (slice_eq_str(target, plans[i].path))
            the_plan = &plans[i];
    assert_non_null(the_plan);
    if (the_plan->at_head)
        the_plan->at_head(stream);
    follow(rig, stream, is_end);
}

static const struct codec_events events = {.on_request = on_request, .on_closed = rig_on_closed};

#endif
