/*
 * A whole server connection: the input is what a client sends. The first byte says in pieces of
 * what size it comes, the second what the application does with it.
 */
// fuzz: proxy
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what))                                                                               \
            abort();                                                                               \
    } while (0)

enum habit {
    HABIT_EARLY = 1,   /* answers the head, not the end */
    HABIT_CHUNKED = 2, /* knows no length */
    HABIT_PAUSE = 4,   /* takes a piece a turn */
    HABIT_CUT = 8,     /* gives up in the middle of the answer */
    HABIT_ECHO = 16,   /* sends back what comes */
    HABIT_NEVER = 32,
    HABIT_DRAIN = 64,
};

static struct {
    struct event_base *base;
    struct conn_shared conns;
    struct graveyard graveyard;
    struct timer_wheel timers;
    struct telemetry_shard *telemetry;
    struct codec_shared shared;
} worker;

static struct {
    struct codec *codec;
    struct stream *stream;
    unsigned habits;
    bool is_paused, is_ended, is_closed, has_answered;
} now;

static void let_go(enum stream_cut cut)
{
    struct stream *stream = now.stream;
    now.stream = NULL;
    stream_close(stream, cut);
}

static void answer(struct stream *stream, const struct head *request)
{
    struct head *head = arena_take(&stream->arena, sizeof(*head));
    MUST(head);
    head_init(head, &stream->arena);
    now.has_answered = true;
    head->status = 200;
    if (request->upgrade.len) {
        head->status = 101;
        head->upgrade = request->upgrade;
    } else if (!(now.habits & (HABIT_CHUNKED | HABIT_ECHO))) {
        head->content_length = 5;
    }
    MUST(stream_send_head(stream, head, false));
    if (now.habits & HABIT_CUT)
        let_go(STREAM_CUT_INTERNAL);
    else if (!(now.habits & HABIT_ECHO))
        stream_send_data(stream, SLICE_LITERAL("hello"), true);
}

static void at_end(struct stream *stream)
{
    MUST(!now.is_ended && stream->is_received);
    now.is_ended = true;
    if (now.habits & HABIT_NEVER)
        return;
    if (!now.has_answered)
        answer(stream, arena_take(&stream->arena, sizeof(struct head)));
    if (now.stream && !stream->is_sent)
        stream_send_data(stream, slice_of(NULL, 0), true);
    if (now.stream)
        let_go(STREAM_CUT_NONE);
}

static void on_data(struct stream *stream, struct slice data, bool is_end)
{
    MUST(stream == now.stream && !now.is_paused && !now.is_ended && (is_end || data.len));
    if (now.has_answered && (now.habits & HABIT_ECHO))
        stream_send_data(stream, data, false);
    if (is_end) {
        at_end(stream);
    } else if (now.habits & HABIT_PAUSE) {
        now.is_paused = true;
        stream_pause(stream);
    }
}

static void on_trailers(struct stream *stream, struct head *trailers)
{
    MUST(stream == now.stream && !now.is_paused && trailers->n_fields);
    at_end(stream);
}

static void on_reset(struct stream *stream, enum stream_cut cut, bool is_unprocessed)
{
    MUST(stream == now.stream && cut != STREAM_CUT_NONE && !is_unprocessed);
    let_go(cut);
}

static void on_drained(struct stream *stream)
{
    MUST(stream == now.stream);
}

static const struct stream_events stream_events = {
    .on_data = on_data, .on_trailers = on_trailers, .on_reset = on_reset, .on_drained = on_drained};

static void on_request(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    (void)owner;
    MUST(!now.stream && !now.is_closed);
    stream->events = &stream_events;
    now.stream = stream;
    now.is_paused = now.is_ended = now.has_answered = false;
    if (now.habits & HABIT_DRAIN)
        codec_drain(now.codec);
    if (head->upgrade.len || (now.habits & HABIT_EARLY))
        answer(stream, head);
    if (now.stream && is_end)
        at_end(stream);
}

static void on_closed(void *owner, enum reason reason, const char *detail)
{
    (void)owner;
    (void)reason;
    MUST(detail && !now.stream && !now.is_closed);
    now.is_closed = true;
}

static const struct codec_events events = {.on_request = on_request, .on_closed = on_closed};

static void turn(int fd)
{
    static char bytes[65536];
    for (int i = 0; i < 3; i++) {
        event_base_loop(worker.base, EVLOOP_NONBLOCK);
        codec_shared_flush(&worker.shared);
        graveyard_bury(&worker.graveyard);
        while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
            ;
        if (now.is_paused && now.stream) {
            now.is_paused = false;
            stream_resume(now.stream);
        }
    }
}

static void start_worker(void)
{
    worker.base = event_base_new();
    worker.telemetry = telemetry_shard_new(10);
    MUST(worker.base && worker.telemetry && conn_shared_init(&worker.conns, worker.base));
    graveyard_init(&worker.graveyard);
    timer_wheel_init(&worker.timers, worker.base);
    MUST(codec_shared_init(&worker.shared, &worker.conns, &worker.graveyard, &worker.timers,
                           worker.telemetry, &codec_default_limits));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conn conn;
    int fds[2];
    if (size < 2)
        return 0;
    if (!worker.base)
        start_worker();
    size_t step = data[0] ? data[0] : size;
    memset(&now, 0, sizeof(now));
    now.habits = data[1];
    data += 2;
    size -= 2;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    conn_init(&conn, &worker.conns, NULL);
    conn_open(&conn, fds[0]);
    now.codec = h1_server_new(&worker.shared, &conn, &events, NULL);
    MUST(now.codec);
    for (size_t at = 0; at < size; at += step) {
        size_t len = size - at < step ? size - at : step;
        if (send(fds[1], data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
        turn(fds[1]);
    }
    shutdown(fds[1], SHUT_WR);
    turn(fds[1]);
    codec_free(now.codec);
    if (now.stream)
        let_go(STREAM_CUT_NONE);
    graveyard_bury(&worker.graveyard);
    MUST(worker.timers.count == 0 && worker.conns.waiting_bytes == 0);
    MUST(list_is_empty(&worker.shared.dirty));
    close(fds[1]);
    return 0;
}
