/*
 * A codec on one end of a socket pair, the test on the other, and a loop that is turned by hand
 * until nothing moves. What happens is written as text, one line an event, so that a test is a
 * table of bytes and lines. Data is joined: how the bytes were cut is not seen in it.
 */
#ifndef OUTRIGGER_TEST_PROXY_CODEC_H1_RIG_H
#define OUTRIGGER_TEST_PROXY_CODEC_H1_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "proxy/codec/codec.h"
#include "proxy/codec/slabs.h"

#define RIG_MAX_BYTES (8 * 1024 * 1024)

struct rig {
    struct event_base *base;
    struct conn_shared conns;
    struct graveyard graveyard;
    struct timer_wheel timers;
    struct telemetry_shard *telemetry;
    struct codec_limits limits;
    struct codec_shared shared;
    struct codec *codec;
    bool is_closed;
    int fd;          /* the test's end; -1 when it has closed it */
    bool is_eof;     /* the codec's end has sent FIN */
    bool is_reset;   /* or RST */
    struct buf log;  /* events */
    struct buf wire; /* what the codec sent */
    struct stream *stream;
    struct buf data; /* joined, until something else happens */
};

static inline void rig_flush_data(struct rig *rig, const char *end)
{
    struct slice data = buf_slice(&rig->data);
    if (data.len > 200)
        buf_printf(&rig->log, "data (%zu bytes)%s\n", data.len, end);
    else if (data.len)
        buf_printf(&rig->log, "data %.*s%s\n", SLICE_ARG(data), end);
    else if (end[0])
        buf_printf(&rig->log, "%s\n", end + 1);
    buf_fini(&rig->data);
}

#define RIG_LOG(rig, ...)                                                                          \
    do {                                                                                           \
        rig_flush_data(rig, "");                                                                   \
        buf_printf(&(rig)->log, __VA_ARGS__);                                                      \
    } while (0)

static inline void rig_log_fields(struct rig *rig, const struct head *head)
{
    for (size_t i = 0; i < head->n_fields; i++)
        buf_printf(&rig->log, " %.*s=%.*s", SLICE_ARG(head->fields[i].name),
                   SLICE_ARG(head->fields[i].value));
}

static inline void rig_on_data(struct stream *stream, struct slice data, bool is_end)
{
    struct rig *rig = stream->owner;
    assert_true(is_end || data.len);
    assert_true(buf_append(&rig->data, data.ptr, data.len));
    if (is_end)
        rig_flush_data(rig, " end");
}

static inline void rig_on_trailers(struct stream *stream, struct head *trailers)
{
    struct rig *rig = stream->owner;
    RIG_LOG(rig, "trailers");
    rig_log_fields(rig, trailers);
    RIG_LOG(rig, "\n");
}

static inline void rig_on_reset(struct stream *stream, enum stream_cut cut, bool is_unprocessed)
{
    struct rig *rig = stream->owner;
    RIG_LOG(rig, "reset %s%s\n", stream_cut_word(cut), is_unprocessed ? " unprocessed" : "");
    rig->stream = NULL;
    stream_close(stream, STREAM_CUT_NONE);
}

static inline void rig_on_drained(struct stream *stream)
{
    struct rig *rig = stream->owner;
    RIG_LOG(rig, "drained\n");
}

static inline void rig_on_closed(void *owner, enum reason reason, const char *detail)
{
    struct rig *rig = owner;
    RIG_LOG(rig, "closed %s%s%s\n", reason_word(reason), detail[0] ? ": " : "", detail);
    rig->is_closed = true;
}

/* ---- the loop ---- */

static inline void rig_receive(struct rig *rig)
{
    static char bytes[65536];
    ssize_t n;
    while (rig->fd >= 0 && !rig->is_eof && !rig->is_reset &&
           (n = recv(rig->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) != -1) {
        if (n == 0)
            rig->is_eof = true;
        assert_true(buf_append(&rig->wire, bytes, (size_t)n));
    }
    if (rig->fd >= 0 && !rig->is_eof && errno == ECONNRESET)
        rig->is_reset = true;
}

/* One turn as the worker makes it. */
static inline void rig_turn_once(struct rig *rig)
{
    event_base_loop(rig->base, EVLOOP_NONBLOCK);
    codec_shared_flush(&rig->shared);
    graveyard_bury(&rig->graveyard);
}

static inline void rig_turn(struct rig *rig)
{
    for (int i = 0; i < 8; i++) {
        size_t before = buf_len(&rig->wire) + buf_len(&rig->log);
        rig_turn_once(rig);
        rig_receive(rig);
        if (before != buf_len(&rig->wire) + buf_len(&rig->log))
            i = 0;
    }
}

/* Turns with what time brings, until the codec has ended. The limits were set low before. */
static inline void rig_turn_until_closed(struct rig *rig)
{
    while (!rig->is_closed) {
        event_base_loop(rig->base, EVLOOP_ONCE);
        rig_turn(rig);
    }
}

static inline void rig_send(struct rig *rig, struct slice bytes)
{
    while (bytes.len) {
        ssize_t n = send(rig->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return; /* it was closed: seen in what it says */
        bytes = slice_sub(bytes, n > 0 ? (size_t)n : 0, bytes.len);
        rig_turn_once(rig);
        rig_receive(rig);
    }
    rig_turn(rig);
}

/* In steps of `step` bytes; 0: at once. */
static inline void rig_send_by(struct rig *rig, struct slice bytes, size_t step)
{
    while (bytes.len) {
        struct slice piece = slice_sub(bytes, 0, step ? step : bytes.len);
        rig_send(rig, piece);
        bytes = slice_sub(bytes, piece.len, bytes.len);
    }
}

static inline void rig_assert_text(struct buf *got, const char *expected)
{
    assert_true(buf_append(got, "", 1));
    assert_string_equal(got->data + got->start, expected);
    buf_fini(got);
}

/* ---- life ---- */

typedef struct codec *rig_make(struct codec_shared *shared, struct conn *from,
                               const struct codec_events *events, void *owner);

/* The sockets may be other than a socketpair: what RST means needs TCP. */
static inline void rig_make_codec(struct rig *rig, rig_make *make,
                                  const struct codec_events *events, int fds[2])
{
    struct conn conn;
    rig->is_closed = rig->is_eof = rig->is_reset = false;
    for (int i = 0; i < 2; i++)
        assert_int_equal(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
    conn_init(&conn, &rig->conns, NULL);
    conn_open(&conn, fds[0]);
    rig->fd = fds[1];
    rig->codec = make(&rig->shared, &conn, events, rig);
    assert_non_null(rig->codec);
    assert_int_equal(conn.fd, -1);
    rig_turn(rig);
}

static inline void rig_init(struct rig *rig)
{
    *rig = (struct rig){.limits = codec_default_limits, .fd = -1};
    buf_init(&rig->log, RIG_MAX_BYTES);
    buf_init(&rig->wire, RIG_MAX_BYTES);
    buf_init(&rig->data, RIG_MAX_BYTES);
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    rig->base = event_base_new_with_config(config);
    event_config_free(config);
    rig->telemetry = telemetry_shard_new(10);
    assert_true(conn_shared_init(&rig->conns, rig->base));
    graveyard_init(&rig->graveyard);
    timer_wheel_init(&rig->timers, rig->base);
    assert_true(codec_shared_init(&rig->shared, &rig->conns, &rig->graveyard, &rig->timers,
                                  rig->telemetry, &rig->limits));
}

/* Connected over loopback: a socketpair knows no RST. */
static inline void rig_tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&address, len), 0);
    fds[0] = accept(listener, NULL, NULL);
    assert_true(fds[0] >= 0);
    close(listener);
}

static inline void rig_open(struct rig *rig, rig_make *make, const struct codec_events *events)
{
    int fds[2];
    rig_init(rig);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    rig_make_codec(rig, make, events, fds);
}

static inline void rig_end_codec(struct rig *rig)
{
    if (rig->fd >= 0)
        close(rig->fd);
    rig->fd = -1;
    codec_free(rig->codec);
    if (rig->stream)
        stream_close(rig->stream, STREAM_CUT_NONE);
    rig->stream = NULL;
    graveyard_bury(&rig->graveyard);
}

/* After everything was let go: nothing is left. */
static inline void rig_fini(struct rig *rig)
{
    assert_true(list_is_empty(&rig->shared.dirty));
    assert_int_equal(rig->conns.waiting_bytes, 0);
    assert_int_equal(rig->timers.count, 0);
    codec_shared_fini(&rig->shared);
    timer_wheel_fini(&rig->timers);
    conn_shared_fini(&rig->conns);
    telemetry_shard_free(rig->telemetry);
    event_base_free(rig->base);
    buf_fini(&rig->log);
    buf_fini(&rig->wire);
    buf_fini(&rig->data);
}

static inline void rig_close(struct rig *rig)
{
    rig_end_codec(rig);
    rig_fini(rig);
}

#endif
