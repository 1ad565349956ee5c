#include "proxy/codec/h2_sender.h"

#include <assert.h>

#include "common/clock.h"
#include "proxy/codec/h2_head.h"
#include "proxy/codec/h2_session.h"

static struct slabs *slabs_of(const struct h2_stream *stream)
{
    return stream->session->codec.shared->slabs;
}

static bool can_send(const struct h2_stream *stream)
{
    return !stream->is_dead && stream->out == H2_OUT_BODY && h2_session_is_alive(stream->session);
}

static void has_output(struct h2_stream *stream)
{
    if (stream->is_deferred) {
        stream->is_deferred = false;
        nghttp2_session_resume_data(stream->session->h2, (int32_t)stream->stream.id);
    }
    h2_session_mark(stream->session);
}

bool h2_sender_data(struct stream *base, struct slice data, bool is_end)
{
    struct h2_stream *stream = (struct h2_stream *)base;
    if (!can_send(stream))
        return true; /* on_reset is due */
    if (stream->pending.len == 0)
        stream->moved_ns = clock_coarse_ns();
    if (!queue_append(&stream->pending, slabs_of(stream), data)) {
        h2_stream_fault(stream, STREAM_CUT_INTERNAL);
        return true;
    }
    if (is_end) {
        stream->out = H2_OUT_ENDING;
        base->is_sent = true;
    }
    has_output(stream);
    if (stream->pending.len > stream->session->codec.shared->limits->output_high_bytes)
        stream->is_high = true;
    return !stream->is_high;
}

/* The owner's bytes may be gone before nghttp2 comes to them. */
static bool copy_bytes(struct arena *arena, uint8_t **bytes, size_t len)
{
    uint8_t *copy = len ? arena_take(arena, len) : *bytes;
    if (copy && len)
        memcpy(copy, *bytes, len);
    *bytes = copy;
    return copy != NULL;
}

static bool keep_trailers(struct h2_stream *stream, const struct head *head)
{
    struct arena *arena = &stream->stream.arena;
    nghttp2_nv *nva = arena_take_array(arena, H2_NVA_ROOM(head), sizeof(*nva));
    size_t n = nva ? h2_head_write_trailers(head, nva) : 0;
    for (size_t i = 0; i < n; i++) {
        if (!(nva[i].flags & NGHTTP2_NV_FLAG_NO_COPY_NAME) &&
            !copy_bytes(arena, &nva[i].name, nva[i].namelen))
            return false;
        if (!copy_bytes(arena, &nva[i].value, nva[i].valuelen))
            return false;
        nva[i].flags |= NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    }
    stream->trailers = nva;
    stream->n_trailers = n;
    return nva != NULL;
}

bool h2_sender_trailers(struct stream *base, const struct head *trailers)
{
    struct h2_stream *stream = (struct h2_stream *)base;
    if (!can_send(stream))
        return true;
    if (!keep_trailers(stream, trailers))
        return false;
    stream->out = H2_OUT_ENDING;
    base->is_sent = true;
    has_output(stream);
    return true;
}

static ssize_t read_source(nghttp2_session *h2, int32_t id, uint8_t *bytes, size_t room,
                           uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)bytes;
    (void)context;
    struct h2_stream *stream = source->ptr;
    size_t len = stream->pending.len;
    if (len == 0 && stream->out != H2_OUT_ENDING) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (len > room)
        return (ssize_t)room;
    if (stream->out == H2_OUT_ENDING) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->n_trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (nghttp2_submit_trailer(h2, id, stream->trailers, stream->n_trailers) != 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)len;
}

nghttp2_data_provider h2_sender_source(struct h2_stream *stream)
{
    return (nghttp2_data_provider){.source = {.ptr = stream}, .read_callback = read_source};
}

#define FRAME_HEADER_BYTES 9

int h2_sender_frame(struct h2_stream *stream, const uint8_t *header, size_t len)
{
    struct h2_session *session = stream->session;
    struct output *output = &session->output;
    assert(len <= stream->pending.len);
    /* nghttp2 would go on with all that all streams have: it asks again when the socket takes more.
     */
    if (output->state == CONN_BLOCKED)
        return NGHTTP2_ERR_WOULDBLOCK;
    if (!output_add(output, slice_of(header, FRAME_HEADER_BYTES)))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    h2_glitch_earn(&session->glitch, len);
    stream->moved_ns = session->now_ns;
    while (len) {
        struct slice data = slice_sub(queue_first(&stream->pending), 0, len);
        if (!output_add(output, data))
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        queue_drop(&stream->pending, slabs_of(stream), data.len);
        len -= data.len;
    }
    if (stream->is_high && stream->is_owned &&
        stream->pending.len <= session->codec.shared->limits->output_high_bytes / 4) {
        stream->is_drained_due = true;
        h2_stream_make_due(stream);
    }
    return 0;
}
