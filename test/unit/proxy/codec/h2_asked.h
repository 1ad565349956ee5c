/*
 * The HTTP/2 client with a request to ask, against a server of raw frames.
 */
#ifndef OUTRIGGER_TEST_PROXY_CODEC_H2_ASKED_H
#define OUTRIGGER_TEST_PROXY_CODEC_H2_ASKED_H

#include "h2_rig.h"

struct asked {
    struct rig rig;
    struct arena arena;
    struct head head;
};

static inline void asked_init(struct asked *asked)
{
    *asked = (struct asked){0};
    rig_init(&asked->rig);
    head_init(&asked->head, &asked->arena);
    asked->head.method = SLICE_LITERAL("GET");
    asked->head.authority = SLICE_LITERAL("a");
    asked->head.path = SLICE_LITERAL("/");
}

static inline void open_client(struct asked *asked)
{
    asked_init(asked);
    rig_start(&asked->rig, false);
    put_frame(&asked->rig, NGHTTP2_SETTINGS, 0, 0, "", 0);
    put_frame(&asked->rig, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
    rig_send(&asked->rig);
    rig_frames(&asked->rig);
    heard(&asked->rig.told);
}

static inline void close_client(struct asked *asked)
{
    rig_end(&asked->rig);
    arena_fini(&asked->arena);
}

static inline struct stream *ask(struct asked *asked, bool is_end)
{
    struct stream *stream =
        codec_open(asked->rig.codec, &asked->head, is_end, &recorder, &asked->rig);
    assert_non_null(stream);
    return stream;
}

#endif
