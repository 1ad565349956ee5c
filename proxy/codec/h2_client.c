#include "proxy/codec/h2_client.h"

#include "proxy/codec/h2_sender.h"

#define NVA_FEW 64

static const struct stream_ops client_stream_ops = {
    .send_data = h2_sender_data,
    .send_trailers = h2_sender_trailers,
    .pause = h2_stream_pause,
    .resume = h2_stream_resume,
    .close = h2_stream_close,
};

/*
 * Nor when those who do not take their answers hold so much of it that the connection's window is
 * about to stay shut: others would wait for them.
 */
static unsigned room(const struct codec *codec)
{
    const struct h2_session *session = (const struct h2_session *)codec;
    if (h2_session_is_burdened(session))
        return 0;
    if (!h2_session_is_alive(session) || session->drain != H2_DRAIN_NONE ||
        session->is_goaway_seen || session->reason != REASON_COUNT ||
        !nghttp2_session_check_request_allowed(session->h2))
        return 0;
    uint32_t most =
        nghttp2_session_get_remote_settings(session->h2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (most > codec->shared->limits->max_streams)
        most = codec->shared->limits->max_streams;
    return session->n_live < most ? most - (uint32_t)session->n_live : 0;
}

/* RFC 8441 3: only towards who has said that it understands. */
static bool can_upgrade(struct h2_session *session)
{
    return nghttp2_session_get_remote_settings(session->h2,
                                               NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

static int32_t submit(struct h2_session *session, struct h2_stream *stream, const struct head *head,
                      bool is_end)
{
    nghttp2_nv few[NVA_FEW];
    nghttp2_nv *nva = few;
    struct arena *arena = &stream->stream.arena;
    char *digits = arena_take(arena, 2 * H2_HEAD_MAX_DIGITS);
    if (H2_NVA_ROOM(head) > NVA_FEW)
        nva = arena_take_array(arena, H2_NVA_ROOM(head), sizeof(*nva));
    /*
     * Nothing is copied: the head lives until the stream is closed, and a request whose stream is
     * closed before it was sent is never sent.
     */
    size_t n =
        nva && digits ? h2_head_write_request(head, session->codec.conn.tls, true, digits, nva) : 0;
    if (n == 0)
        return -1;
    nghttp2_data_provider source = h2_sender_source(stream);
    return nghttp2_submit_request(session->h2, NULL, nva, n, is_end ? NULL : &source, stream);
}

static struct stream *open_stream(struct codec *codec, const struct head *head, bool is_end,
                                  const struct stream_events *events, void *owner)
{
    struct h2_session *session = h2_session_of(codec);
    if (room(codec) == 0 || (head->upgrade.len && !can_upgrade(session)))
        return NULL;
    struct h2_stream *stream = h2_stream_take(session, 0);
    if (!stream)
        return NULL;
    int32_t id = submit(session, stream, head, is_end);
    if (id < 0) {
        session->n_live--;
        h2_stream_free(stream);
        if (id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE)
            h2_session_drain(codec);
        return NULL;
    }
    stream->stream.id = (uint64_t)id;
    stream->stream.ops = &client_stream_ops;
    stream->stream.is_sent = is_end;
    stream->out = is_end ? H2_OUT_ENDING : H2_OUT_BODY;
    stream->is_extended_connect = head->upgrade.len;
    stream->upgrade = head->upgrade;
    codec->n_requests++;
    h2_stream_own(stream, events, owner);
    h2_session_mark(session);
    return &stream->stream;
}

void h2_client_head(struct h2_stream *stream, struct head *head, bool is_end)
{
    bool is_final = head->status >= 200 || head->status == 101;
    if (is_final) {
        stream->in = is_end ? H2_IN_ENDED : H2_IN_BODY;
        stream->content_length = head->content_length;
        stream->stream.is_received = is_end;
    }
    if (stream->is_extended_connect && head->status == 101)
        head->upgrade = stream->upgrade;
    if (stream->is_owned)
        stream->stream.events->on_head(&stream->stream, head, is_end);
}

static const struct codec_ops h2_client_ops = {
    .protocol = "h2",
    .is_server = false,
    .open = open_stream,
    .room = room,
    .n_streams = h2_session_n_streams,
    .drain = h2_session_drain,
    .close = h2_session_close,
    .free = h2_session_free,
};

struct codec *h2_client_new(struct codec_shared *shared, struct conn *from,
                            const struct codec_events *events, void *owner)
{
    struct h2_session *session = h2_session_new(shared, from, &h2_client_ops, events, owner);
    return session ? &session->codec : NULL;
}
