#include "proxy/codec/h2_server.h"

#include "proxy/codec/h2_sender.h"

#define NVA_FEW 64

struct h2_stream *h2_server_begin(struct h2_session *session, int32_t id)
{
    struct h2_stream *stream = NULL;
    /*
     * Streams that the peer has reset count as long as somebody upstream works for them: else it
     * could have any amount of work done (rapid reset).
     */
    bool has_room = session->n_open < session->codec.shared->limits->max_work;
    if (has_room)
        stream = h2_stream_take(session, id);
    if (stream)
        return stream;
    nghttp2_submit_rst_stream(session->h2, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    if (!has_room)
        (void)!h2_session_spend(session, H2_GLITCH_REFUSED);
    return NULL;
}

static bool send_head(struct stream *base, const struct head *head, bool is_end)
{
    struct h2_stream *stream = (struct h2_stream *)base;
    struct h2_session *session = stream->session;
    nghttp2_nv few[NVA_FEW];
    nghttp2_nv *nva = few;
    char digits[2 * H2_HEAD_MAX_DIGITS]; /* nghttp2 copies */
    if (stream->is_dead || !h2_session_is_alive(session))
        return true; /* on_reset is due */
    if (stream->out != H2_OUT_HEAD)
        return false;
    if (H2_NVA_ROOM(head) > NVA_FEW)
        nva = arena_take_array(&base->arena, H2_NVA_ROOM(head), sizeof(*nva));
    size_t n = nva ? h2_head_write_response(head, stream->is_extended_connect, digits, nva) : 0;
    if (n == 0)
        return false;
    int32_t id = (int32_t)base->id;
    nghttp2_data_provider source = h2_sender_source(stream);
    bool is_final = head->status >= 200 || head->status == 101;
    int result =
        is_final ? nghttp2_submit_response(session->h2, id, nva, n, is_end ? NULL : &source)
                 : nghttp2_submit_headers(session->h2, NGHTTP2_FLAG_NONE, id, NULL, nva, n, NULL);
    if (result != 0)
        return false;
    if (is_final) {
        stream->out = is_end ? H2_OUT_ENDING : H2_OUT_BODY;
        base->is_sent = is_end;
    }
    h2_session_mark(session);
    return true;
}

static const struct stream_ops server_stream_ops = {
    .send_head = send_head,
    .send_data = h2_sender_data,
    .send_trailers = h2_sender_trailers,
    .pause = h2_stream_pause,
    .resume = h2_stream_resume,
    .close = h2_stream_close,
};

void h2_server_head(struct h2_stream *stream, struct head *head, bool is_end)
{
    struct h2_session *session = stream->session;
    stream->stream.ops = &server_stream_ops;
    stream->in = is_end ? H2_IN_ENDED : H2_IN_BODY;
    stream->content_length = head->content_length;
    stream->stream.is_received = is_end;
    session->codec.n_requests++;
    h2_stream_own(stream, NULL, NULL);
    session->codec.events->on_request(session->codec.owner, &stream->stream, head, is_end);
}

void h2_server_refuse_head(struct h2_stream *stream)
{
    struct head head;
    head_init(&head, &stream->stream.arena);
    head.status = 431;
    head.content_length = 0;
    stream->is_early = true;
    if (!send_head(&stream->stream, &head, true))
        h2_stream_fault(stream, STREAM_CUT_TOO_LARGE);
}

static unsigned no_room(const struct codec *codec)
{
    (void)codec;
    return 0;
}

static const struct codec_ops h2_server_ops = {
    .protocol = "h2",
    .is_server = true,
    .room = no_room,
    .n_streams = h2_session_n_streams,
    .drain = h2_session_drain,
    .close = h2_session_close,
    .free = h2_session_free,
};

struct codec *h2_server_new(struct codec_shared *shared, struct conn *from,
                            const struct codec_events *events, void *owner)
{
    struct h2_session *session = h2_session_new(shared, from, &h2_server_ops, events, owner);
    return session ? &session->codec : NULL;
}
