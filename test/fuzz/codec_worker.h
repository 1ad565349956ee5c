/*
 * What a worker has around its codecs, and owners of streams that check what they are told. For the
 * targets that are whole connections.
 */
#ifndef OUTRIGGER_TEST_FUZZ_CODEC_WORKER_H
#define OUTRIGGER_TEST_FUZZ_CODEC_WORKER_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http/h1_write.h"
#include "proxy/codec/codec.h"

#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what))                                                                               \
            abort();                                                                               \
    } while (0)

enum habit {
    HABIT_EARLY = 1,    /* answers the head, not the end */
    HABIT_TRAILERS = 2, /* sends some */
    HABIT_PAUSE = 4,    /* takes a piece a turn */
    HABIT_CUT = 8,      /* gives up in the middle */
    HABIT_ECHO = 16,    /* sends back what comes */
    HABIT_NEVER = 32,
    HABIT_DRAIN = 64,
    HABIT_CLOSE = 128, /* closes the connection when it is told an end */
};

#define N_STREAMS 512

struct watched {
    struct stream *stream; /* NULL: not open */
    bool has_head, has_final, is_paused, is_ended;
};

static struct {
    struct event_base *base;
    struct conn_shared conns;
    struct graveyard graveyard;
    struct timer_wheel timers;
    struct telemetry_shard *telemetry;
    struct codec_limits limits;
    struct codec_shared shared;
} worker;

static struct {
    struct codec *codec;
    struct watched streams[N_STREAMS];
    size_t n_open;
    unsigned habits;
    bool is_closed;
} now;

static inline void worker_start(void)
{
    if (worker.base)
        return;
    worker.base = event_base_new();
    worker.telemetry = telemetry_shard_new(10);
    MUST(worker.base && worker.telemetry && conn_shared_init(&worker.conns, worker.base));
    graveyard_init(&worker.graveyard);
    timer_wheel_init(&worker.timers, worker.base);
    worker.limits = codec_default_limits;
    /* Small, so that a fuzzer reaches them. */
    worker.limits.h1 = (struct h1_limits){256, 1024, 16};
    worker.limits.max_streams = 10;
    worker.limits.max_work = 15;
    worker.limits.stream_window_bytes = 70000;
    worker.limits.connection_window_bytes = 70000;
    worker.limits.output_high_bytes = 1000;
    MUST(codec_shared_init(&worker.shared, &worker.conns, &worker.graveyard, &worker.timers,
                           worker.telemetry, &worker.limits));
}

static inline struct watched *watch(struct stream *stream)
{
    for (size_t i = 0; i < N_STREAMS; i++) {
        if (now.streams[i].stream)
            continue;
        now.streams[i] = (struct watched){.stream = stream};
        now.n_open++;
        return &now.streams[i];
    }
    abort();
}

static inline void let_go(struct watched *watched, enum stream_cut cut)
{
    struct stream *stream = watched->stream;
    watched->stream = NULL;
    now.n_open--;
    stream_close(stream, cut);
}

static inline void must_be_clean(const struct head *head)
{
    MUST(head->n_fields <= worker.limits.h1.n_fields + 1); /* the joined cookie */
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct field *field = &head->fields[i];
        MUST(http_is_lower_token(field->name) && http_is_field_value(field->value));
        MUST(field->id == field_name_of(field->name));
        MUST(field->id != FIELD_HOST && field->id != FIELD_CONTENT_LENGTH);
        if (field->id == FIELD_TE)
            MUST(slice_eq_str(field->value, "trailers"));
        else
            MUST(!field_name_is_hop_by_hop(field->id));
    }
}

/* One turn of the worker's loop, thrice; what was paused goes on. */
static inline void worker_turn(int fd)
{
    static char bytes[65536];
    for (int i = 0; i < 3; i++) {
        event_base_loop(worker.base, EVLOOP_NONBLOCK);
        codec_shared_flush(&worker.shared);
        graveyard_bury(&worker.graveyard);
        while (fd >= 0 && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
            ;
        for (size_t k = 0; k < N_STREAMS; k++) {
            struct watched *watched = &now.streams[k];
            if (watched->stream && watched->is_paused) {
                watched->is_paused = false;
                stream_resume(watched->stream);
            }
        }
    }
}

/* Gives the input in pieces of `step`, then ends the connection and looks for what is left. */
static inline void worker_run(int fd, const uint8_t *data, size_t size, size_t step)
{
    if (step < size / 200)
        step = size / 200; /* large inputs in large pieces: turns cost time */
    for (size_t at = 0; at < size; at += step) {
        size_t len = size - at < step ? size - at : step;
        if (send(fd, data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
        worker_turn(fd);
    }
    shutdown(fd, SHUT_WR);
    worker_turn(fd);
    /* An HTTP/1.1 client does not look at its server while the owner keeps a whole exchange. */
    MUST(now.is_closed || now.n_open);
    for (size_t i = 0; i < N_STREAMS; i++)
        if (now.streams[i].stream)
            let_go(&now.streams[i], STREAM_CUT_NONE);
    worker_turn(fd);
    MUST(now.is_closed);
    codec_free(now.codec);
    codec_shared_flush(&worker.shared);
    graveyard_bury(&worker.graveyard);
    MUST(now.n_open == 0 && worker.timers.count == 0 && worker.conns.waiting_bytes == 0);
    MUST(list_is_empty(&worker.shared.dirty));
    close(fd);
}

/* The rest of what a stream's owner is told; `at_end` is the target's. */
static void at_end(struct watched *watched);

static inline void on_data(struct stream *stream, struct slice data, bool is_end)
{
    struct watched *watched = stream->owner;
    MUST(stream == watched->stream && watched->has_final && !watched->is_ended);
    MUST(!watched->is_paused && (is_end || data.len) && stream->is_received == is_end);
    watched->is_ended = is_end;
    if ((now.habits & HABIT_ECHO) && !stream->is_sent)
        stream_send_data(stream, data, false);
    if (is_end) {
        at_end(watched);
    } else if (now.habits & HABIT_PAUSE) {
        watched->is_paused = true;
        stream_pause(stream);
    }
}

static inline void on_trailers(struct stream *stream, struct head *trailers)
{
    struct watched *watched = stream->owner;
    MUST(stream == watched->stream && watched->has_final && !watched->is_ended);
    MUST(!watched->is_paused && trailers->n_fields && stream->is_received);
    must_be_clean(trailers);
    watched->is_ended = true;
    at_end(watched);
}

static inline void on_reset(struct stream *stream, enum stream_cut cut, bool is_unprocessed)
{
    struct watched *watched = stream->owner;
    MUST(stream == watched->stream && !(is_unprocessed && watched->has_head));
    MUST(cut != STREAM_CUT_NONE || watched->is_ended);
    let_go(watched, cut);
}

static inline void on_drained(struct stream *stream)
{
    struct watched *watched = stream->owner;
    MUST(stream == watched->stream);
}

static inline void on_closed(void *owner, enum reason reason, const char *detail)
{
    (void)owner;
    (void)reason;
    MUST(detail && !now.is_closed);
    now.is_closed = true;
}

#endif
