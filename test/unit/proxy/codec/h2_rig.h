/*
 * A codec on one end of a socketpair, with what a worker has around it, and on the other end either
 * a second codec or raw frames. What the owner is told, and the frames that came, are written down
 * as text.
 */
#ifndef OUTRIGGER_TEST_UNIT_PROXY_CODEC_H2_RIG_H
#define OUTRIGGER_TEST_UNIT_PROXY_CODEC_H2_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/codec/codec.h"

struct text {
    char bytes[16384];
    size_t len;
};

static void __attribute__((format(printf, 2, 3))) say(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, format, args);
    va_end(args);
    if (n > 0 && text->len + (size_t)n < sizeof(text->bytes))
        text->len += (size_t)n;
}

/* What was said since the last time. */
static inline const char *heard(struct text *text)
{
    static char copy[sizeof(text->bytes)];
    memcpy(copy, text->bytes, text->len);
    copy[text->len] = '\0';
    text->len = 0;
    text->bytes[0] = '\0';
    return copy;
}

struct rig {
    struct event_base *base;
    struct conn_shared conns;
    struct graveyard graveyard;
    struct timer_wheel timers;
    struct telemetry_shard *telemetry;
    struct codec_limits limits;
    struct codec_shared shared;
    int fds[2];
    struct codec *codec;
    struct stream *streams[64]; /* as they came */
    size_t n_streams;
    struct text told; /* to the owner */
    bool is_closed;
    enum reason reason;
    struct buf from_peer; /* frames to be sent by the peer */
    struct buf to_peer;   /* bytes that came, not yet understood */
    nghttp2_hd_inflater *inflater;
};

/* ---- turns ---------------------------------------------------------------------------------- */

static inline void rig_once(struct rig *rig, int flags)
{
    event_base_loop(rig->base, flags);
    codec_shared_flush(&rig->shared);
    graveyard_bury(&rig->graveyard);
}

/* Until nothing moves any more: both ends of a socketpair are ready at once. */
static inline void rig_turn(struct rig *rig)
{
    for (int i = 0; i < 8; i++)
        rig_once(rig, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static inline void rig_init(struct rig *rig)
{
    *rig = (struct rig){.limits = codec_default_limits};
    rig->base = event_base_new();
    assert_non_null(rig->base);
    assert_true(conn_shared_init(&rig->conns, rig->base));
    graveyard_init(&rig->graveyard);
    timer_wheel_init(&rig->timers, rig->base);
    rig->telemetry = telemetry_shard_new(10);
    assert_true(codec_shared_init(&rig->shared, &rig->conns, &rig->graveyard, &rig->timers,
                                  rig->telemetry, &rig->limits));
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, rig->fds),
                       0);
    buf_init(&rig->from_peer, 1 << 24);
    buf_init(&rig->to_peer, 1 << 24);
    assert_int_equal(nghttp2_hd_inflate_new(&rig->inflater), 0);
}

static inline void rig_fini(struct rig *rig)
{
    graveyard_bury(&rig->graveyard);
    codec_shared_flush(&rig->shared);
    if (rig->fds[1] >= 0)
        close(rig->fds[1]);
    buf_fini(&rig->from_peer);
    buf_fini(&rig->to_peer);
    nghttp2_hd_inflate_del(rig->inflater);
    codec_shared_fini(&rig->shared);
    telemetry_shard_free(rig->telemetry);
    timer_wheel_fini(&rig->timers);
    conn_shared_fini(&rig->conns);
    event_base_free(rig->base);
}

/* ---- the owner ------------------------------------------------------------------------------ */

static inline void say_head(struct text *text, const struct head *head)
{
    if (head->method.len)
        say(text, "%.*s %.*s://%.*s%.*s", SLICE_ARG(head->method), SLICE_ARG(head->scheme),
            SLICE_ARG(head->authority), SLICE_ARG(head->path));
    else if (head->status)
        say(text, "%d", head->status);
    else
        say(text, "trailers");
    if (head->upgrade.len)
        say(text, " upgrade=%.*s", SLICE_ARG(head->upgrade));
    if (head->content_length != CONTENT_LENGTH_NONE)
        say(text, " length=%lld", (long long)head->content_length);
    for (size_t i = 0; i < head->n_fields; i++)
        say(text, " %.*s=%.*s", SLICE_ARG(head->fields[i].name), SLICE_ARG(head->fields[i].value));
}

static inline void on_head(struct stream *stream, struct head *head, bool is_end)
{
    struct rig *rig = stream->owner;
    say(&rig->told, "%d:", (int)stream->id);
    say_head(&rig->told, head);
    say(&rig->told, is_end ? " end\n" : "\n");
}

static inline void on_data(struct stream *stream, struct slice data, bool is_end)
{
    struct rig *rig = stream->owner;
    say(&rig->told, "%d:data %zu%s\n", (int)stream->id, data.len, is_end ? " end" : "");
}

static inline void on_trailers(struct stream *stream, struct head *trailers)
{
    on_head(stream, trailers, true);
}

static inline void on_reset(struct stream *stream, enum stream_cut cut, bool is_unprocessed)
{
    struct rig *rig = stream->owner;
    say(&rig->told, "%d:reset %s%s\n", (int)stream->id, stream_cut_word(cut),
        is_unprocessed ? " unprocessed" : "");
}

static inline void on_drained(struct stream *stream)
{
    struct rig *rig = stream->owner;
    say(&rig->told, "%d:drained\n", (int)stream->id);
}

static const struct stream_events recorder = {on_head, on_data, on_trailers, on_reset, on_drained};

static inline void on_request(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    struct rig *rig = owner;
    stream->events = &recorder;
    stream->owner = rig;
    if (rig->n_streams < 64)
        rig->streams[rig->n_streams] = stream;
    rig->n_streams++;
    on_head(stream, head, is_end);
}

static inline void on_closed(void *owner, enum reason reason, const char *detail)
{
    struct rig *rig = owner;
    (void)detail;
    rig->is_closed = true;
    rig->reason = reason;
    codec_free(rig->codec);
    rig->codec = NULL;
}

static inline void on_room(void *owner)
{
    (void)owner;
}

static const struct codec_events rig_events = {on_request, on_room, on_closed};

static inline void rig_start(struct rig *rig, bool is_server)
{
    struct conn conn;
    conn_init(&conn, &rig->conns, NULL);
    conn_open(&conn, rig->fds[0]);
    rig->codec = is_server ? h2_server_new(&rig->shared, &conn, &rig_events, rig)
                           : h2_client_new(&rig->shared, &conn, &rig_events, rig);
    assert_non_null(rig->codec);
}

/* ---- frames from the peer ------------------------------------------------------------------- */

static inline void put(struct rig *rig, const void *bytes, size_t len)
{
    assert_true(buf_append(&rig->from_peer, bytes, len));
}

static inline void put_frame(struct rig *rig, uint8_t type, uint8_t flags, uint32_t id,
                             const void *payload, size_t len)
{
    uint8_t header[9] = {
        (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,       type,       flags,
        (uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    put(rig, header, sizeof(header));
    put(rig, payload, len);
}

static inline void put_number(struct rig *rig, uint8_t type, uint32_t id, uint32_t number)
{
    uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                        (uint8_t)number};
    put_frame(rig, type, 0, id, bytes, 4);
}

static inline void put_preface(struct rig *rig)
{
    put(rig, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    put_frame(rig, NGHTTP2_SETTINGS, 0, 0, "", 0);
}

static inline void put_setting(struct rig *rig, uint16_t id, uint32_t value)
{
    uint8_t bytes[6] = {(uint8_t)(id >> 8),     (uint8_t)id,           (uint8_t)(value >> 24),
                        (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    put_frame(rig, NGHTTP2_SETTINGS, 0, 0, bytes, 6);
}

static inline uint8_t *hpack_text(uint8_t *at, const char *text, size_t len)
{
    if (len < 127) {
        *at++ = (uint8_t)len;
    } else {
        size_t rest = len - 127;
        *at++ = 127;
        for (; rest >= 128; rest /= 128)
            *at++ = (uint8_t)(rest % 128 + 128);
        *at++ = (uint8_t)rest;
    }
    memcpy(at, text, len);
    return at + len;
}

/* "name=value" for each line of `fields`: literals, never indexed, whatever they are. */
static inline size_t hpack_block(uint8_t *block, const char *fields)
{
    uint8_t *at = block;
    while (*fields) {
        size_t len = strcspn(fields, "\n");
        size_t name = strcspn(fields + 1, "=") + 1;
        *at++ = 0;
        at = hpack_text(at, fields, name);
        at = hpack_text(at, fields + name + 1, len - name - 1);
        fields += len + (fields[len] == '\n');
    }
    return (size_t)(at - block);
}

static inline void put_headers(struct rig *rig, uint32_t id, bool is_end, const char *fields)
{
    uint8_t *block = malloc(2 * strlen(fields) + 16);
    size_t len = hpack_block(block, fields);
    put_frame(rig, NGHTTP2_HEADERS,
              NGHTTP2_FLAG_END_HEADERS | (is_end ? NGHTTP2_FLAG_END_STREAM : 0), id, block, len);
    free(block);
}

#define GET  ":method=GET\n:scheme=http\n:authority=a\n:path=/"
#define POST ":method=POST\n:scheme=http\n:authority=a\n:path=/"

static inline void put_data(struct rig *rig, uint32_t id, size_t len, bool is_end)
{
    char *bytes = calloc(1, len + 1);
    put_frame(rig, NGHTTP2_DATA, is_end ? NGHTTP2_FLAG_END_STREAM : 0, id, bytes, len);
    free(bytes);
}

/* Sends what was put, as far as the socket takes it, and lets everything be understood. */
static inline void rig_send(struct rig *rig)
{
    while (buf_len(&rig->from_peer)) {
        struct slice rest = buf_slice(&rig->from_peer);
        ssize_t n = send(rig->fds[1], rest.ptr, rest.len, MSG_NOSIGNAL);
        if (n <= 0 && rig->is_closed)
            break;
        if (n > 0)
            buf_consume(&rig->from_peer, (size_t)n);
        rig_turn(rig);
    }
    buf_consume(&rig->from_peer, buf_len(&rig->from_peer));
    rig_turn(rig);
}

/* ---- frames to the peer --------------------------------------------------------------------- */

static inline uint32_t number_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void say_fields(struct rig *rig, struct text *text, const uint8_t *block, size_t len)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(rig->inflater, &nv, &flags, block, len, 1);
        assert_true(n >= 0);
        block += n;
        len -= (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            say(text, " %.*s=%.*s", (int)nv.namelen, nv.name, (int)nv.valuelen, nv.value);
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            nghttp2_hd_inflate_end_headers(rig->inflater);
            return;
        }
    }
}

static inline void say_frame(struct rig *rig, struct text *text, const uint8_t *frame, size_t len)
{
    uint32_t id = number_at(frame + 5);
    const char *end = frame[4] & NGHTTP2_FLAG_END_STREAM ? " end" : "";
    switch (frame[3]) {
    case NGHTTP2_DATA:
        say(text, "DATA %u %zu%s\n", id, len, end);
        break;
    case NGHTTP2_HEADERS:
        say(text, "HEADERS %u", id);
        say_fields(rig, text, frame + 9, len);
        say(text, "%s\n", end);
        break;
    case NGHTTP2_RST_STREAM:
        say(text, "RST %u %u\n", id, number_at(frame + 9));
        break;
    case NGHTTP2_GOAWAY:
        say(text, "GOAWAY %u %u\n", number_at(frame + 9), number_at(frame + 13));
        break;
    case NGHTTP2_PING:
        say(text, frame[4] ? "PONG\n" : "PING\n");
        if (!frame[4])
            put_frame(rig, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, frame + 9, 8);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        say(text, "WINDOW %u %u\n", id, number_at(frame + 9));
        break;
    case NGHTTP2_SETTINGS: /* not news */
        break;
    default:
        say(text, "FRAME %u\n", frame[3]);
    }
}

/* Every frame that came since the last time, one a line; PINGs are answered with the next send. */
static inline const char *rig_frames(struct rig *rig)
{
    static struct text text;
    char bytes[65536];
    ssize_t n;
    rig_turn(rig);
    while ((n = recv(rig->fds[1], bytes, sizeof(bytes), 0)) > 0) {
        assert_true(buf_append(&rig->to_peer, bytes, (size_t)n));
        rig_turn(rig);
    }
    for (;;) {
        struct slice all = buf_slice(&rig->to_peer);
        const uint8_t *at = (const uint8_t *)all.ptr;
        size_t len = all.len < 9 ? 0 : (size_t)(at[0] << 16 | at[1] << 8 | at[2]);
        /* A client's begins with the magic. */
        if (slice_starts_with(all, SLICE_LITERAL(NGHTTP2_CLIENT_MAGIC))) {
            buf_consume(&rig->to_peer, NGHTTP2_CLIENT_MAGIC_LEN);
            continue;
        }
        if (all.len < 9 || all.len < 9 + len)
            break;
        say_frame(rig, &text, at, len);
        buf_consume(&rig->to_peer, 9 + len);
    }
    return heard(&text);
}

/* A server whose peer has sent its preface and knows our settings. */
static inline void rig_open_server(struct rig *rig)
{
    rig_init(rig);
    rig_start(rig, true);
    put_preface(rig);
    put_frame(rig, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
    rig_send(rig);
    rig_frames(rig);
}

/* The peer has read our last words. */
static inline void rig_leave(struct rig *rig)
{
    shutdown(rig->fds[1], SHUT_WR);
    rig_turn(rig);
    assert_true(rig->is_closed);
}

/* The end, and everything of the codec. */
static inline void rig_end(struct rig *rig)
{
    if (rig->codec)
        codec_close(rig->codec, REASON_DONE);
    assert_true(rig->is_closed);
    rig_fini(rig);
}

#endif
