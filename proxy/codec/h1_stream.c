#include "proxy/codec/h1_stream.h"

#include <assert.h>
#include <stdalign.h>

#include "proxy/codec/slabs.h"

/* The stream and the first part of its arena together. */
#define STREAM_BYTES 4096
#define ARENA_OFFSET                                                                               \
    ((sizeof(struct h1_stream) + alignof(max_align_t) - 1) / alignof(max_align_t) *                \
     alignof(max_align_t))
/* Kept for a tunnel that is not agreed to yet: whoever gives more has not listened. */
#define EARLY_MAX_BYTES (1024 * 1024)
/* The largest head that may be written: far above what any limit lets in. */
#define WRITTEN_HEAD_MAX_BYTES (256 * 1024)

struct h1_stream *h1_stream_new(struct h1 *h1, const struct stream_ops *ops)
{
    assert(!h1->stream);
    struct h1_stream *stream = slabs_take(h1->codec.shared->slabs, STREAM_BYTES);
    if (!stream)
        return NULL;
    *stream = (struct h1_stream){.h1 = h1, .shared = h1->codec.shared};
    buf_init(&stream->early, EARLY_MAX_BYTES);
    stream->stream.ops = ops;
    stream->stream.id = ++h1->codec.n_requests;
    arena_init_with(&stream->stream.arena, (char *)stream + ARENA_OFFSET,
                    STREAM_BYTES - ARENA_OFFSET);
    h1->stream = stream;
    h1->owes_end = false;
    return stream;
}

static void h1_stream_bury(struct grave *grave)
{
    struct h1_stream *stream = LIST_ENTRY(grave, struct h1_stream, grave);
    arena_fini(&stream->stream.arena);
    buf_fini(&stream->early);
    slabs_give(stream->shared->slabs, stream);
}

void h1_stream_park(struct h1_stream *stream)
{
    stream->stream.events = NULL;
    if (stream->h1) {
        assert(stream->h1->stream == stream);
        stream->h1->stream = NULL;
        output_mark(&stream->h1->output);
    }
    stream->h1 = NULL;
    graveyard_park(stream->shared->graveyard, &stream->grave, h1_stream_bury);
}

/* ---- heads ---- */

static bool h1_compose(struct buf *out, bool is_request, const struct head *head,
                       const struct h1_write *how)
{
    return is_request ? h1_write_request(out, head, how) : h1_write_response(out, head, how);
}

bool h1_send_head(struct h1 *h1, bool is_request, const struct head *head,
                  const struct h1_write *how)
{
    struct buf *room = output_room(&h1->output, 1);
    if (!room)
        return false;
    if (h1_compose(room, is_request, head, how))
        return true;
    room = output_room(&h1->output, OUTPUT_GATHERED_BYTES - 1); /* alone in the buffer */
    if (!room)
        return false;
    if (h1_compose(room, is_request, head, how))
        return true;
    struct buf large;
    buf_init(&large, WRITTEN_HEAD_MAX_BYTES);
    bool is_good =
        h1_compose(&large, is_request, head, how) && output_add(&h1->output, buf_slice(&large));
    buf_fini(&large);
    return is_good;
}

/* ---- data ---- */

/* What was announced and what came differ: the peer must not take it for whole. */
static void h1_spoil(struct h1 *h1)
{
    h1->is_spoiled = true;
    output_mark(&h1->output);
}

#define CHUNK_LINE_MAX_BYTES 32
#define LAST_CHUNK_BYTES     1024 /* what the writer asks for, and small trailers */

static bool h1_send_chunk(struct h1 *h1, struct slice data)
{
    struct buf *room = output_room(&h1->output, CHUNK_LINE_MAX_BYTES);
    if (!room || !h1_write_chunk_start(room, data.len) || !output_add(&h1->output, data))
        return false;
    room = output_room(&h1->output, CHUNK_LINE_MAX_BYTES);
    return room && h1_write_chunk_end(room);
}

static bool h1_send_last_chunk(struct h1 *h1, const struct head *trailers)
{
    struct buf *room = output_room(&h1->output, LAST_CHUNK_BYTES);
    if (room && h1_write_last_chunk(room, trailers))
        return true;
    struct buf large;
    buf_init(&large, WRITTEN_HEAD_MAX_BYTES);
    bool is_good =
        room && h1_write_last_chunk(&large, trailers) && output_add(&h1->output, buf_slice(&large));
    buf_fini(&large);
    return is_good;
}

static void h1_end_sending(struct h1_stream *stream, const struct head *trailers)
{
    struct h1 *h1 = stream->h1;
    stream->stream.is_sent = true;
    if (stream->sending == H1_CHUNKED && !h1_send_last_chunk(h1, trailers))
        h1_spoil(h1);
    else if (stream->sending == H1_LENGTH && stream->left_bytes)
        h1_spoil(h1);
    else if (stream->sending == H1_TUNNEL)
        output_tell_sent(&h1->output); /* then FIN */
}

/* That it cannot be sent is told by on_broken. */
static void h1_send_piece(struct h1_stream *stream, struct slice data)
{
    struct h1 *h1 = stream->h1;
    switch (stream->sending) {
    case H1_NO_BODY: /* an answer to HEAD, 304 */
        return;
    case H1_LENGTH:
        if (data.len > stream->left_bytes) {
            h1_spoil(h1);
            return;
        }
        stream->left_bytes -= data.len;
        output_add(&h1->output, data);
        return;
    case H1_CHUNKED:
        if (!h1_send_chunk(h1, data))
            h1_spoil(h1);
        return;
    case H1_UNTIL_CLOSE:
    case H1_TUNNEL:
        output_add(&h1->output, data);
        return;
    }
}

/* What is meant for a tunnel waits until there is one. */
static bool h1_keep_for_tunnel(struct h1_stream *stream, struct slice data, bool is_end)
{
    stream->is_early_end = is_end;
    if (!buf_append(&stream->early, data.ptr, data.len))
        h1_spoil(stream->h1);
    stream->h1->output.is_high = true; /* on_drained when it has gone */
    return false;
}

void h1_stream_open_tunnel(struct h1_stream *stream)
{
    stream->sending = H1_TUNNEL;
    stream->wants_tunnel = false;
    output_add(&stream->h1->output, buf_slice(&stream->early));
    buf_fini(&stream->early);
    output_mark(&stream->h1->output);
    if (stream->is_early_end)
        h1_end_sending(stream, NULL);
}

bool h1_stream_send_data(struct stream *base, struct slice data, bool is_end)
{
    struct h1_stream *stream = h1_stream_of(base);
    struct h1 *h1 = stream->h1;
    if (!h1 || base->is_sent)
        return true; /* it has been told, or will be */
    if (stream->wants_tunnel)
        return h1_keep_for_tunnel(stream, data, is_end);
    h1->has_moved = true;
    if (data.len)
        h1_send_piece(stream, data);
    if (is_end)
        h1_end_sending(stream, NULL);
    bool is_high = output_is_high(&h1->output);
    h1_arm(h1);
    return !is_high;
}

bool h1_stream_send_trailers(struct stream *base, const struct head *trailers)
{
    struct h1_stream *stream = h1_stream_of(base);
    if (!stream->h1 || base->is_sent)
        return true;
    h1_end_sending(stream, trailers);
    return true;
}

/* ---- back-pressure ---- */

void h1_stream_pause(struct stream *base)
{
    h1_stream_of(base)->is_paused = true;
}

void h1_stream_resume(struct stream *base)
{
    struct h1_stream *stream = h1_stream_of(base);
    stream->is_paused = false;
    if (stream->h1)
        output_mark(&stream->h1->output);
}
