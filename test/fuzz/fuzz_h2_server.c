/*
 * A whole HTTP/2 server connection: the input is what a client sends. The first byte says in pieces
 * of what size it comes and whether preface and SETTINGS are put before it, the second what the
 * application does. What goes on to HTTP/1.1 is written, and must be read as what came.
 */
// fuzz: proxy
#include "test/fuzz/codec_worker.h"

#define BEGINNING "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(struct watched *watched)
{
    struct stream *stream = watched->stream;
    struct head *head = arena_take(&stream->arena, sizeof(*head));
    MUST(head);
    head_init(head, &stream->arena);
    head->status = 103;
    MUST(stream_send_head(stream, head, false));
    head->status = 200;
    /* Fails where an upgrade was asked for: 200 is no consent. */
    if (!stream_send_head(stream, head, false) || (now.habits & HABIT_CUT))
        let_go(watched, STREAM_CUT_INTERNAL);
    else
        stream_send_data(stream, SLICE_LITERAL("hello"), false);
}

static void at_end(struct watched *watched)
{
    struct stream *stream = watched->stream;
    if (now.habits & HABIT_CLOSE) {
        codec_close(now.codec, REASON_DRAINED);
        return;
    }
    if (now.habits & HABIT_NEVER)
        return;
    if (!(now.habits & (HABIT_EARLY | HABIT_ECHO)))
        answer(watched);
    if (!watched->stream)
        return;
    struct head trailers;
    head_init(&trailers, &stream->arena);
    MUST(head_add_id(&trailers, FIELD_GRPC_STATUS, SLICE_LITERAL("0")));
    if (now.habits & HABIT_TRAILERS)
        MUST(stream_send_trailers(stream, &trailers));
    else
        stream_send_data(stream, slice_of(NULL, 0), true);
    let_go(watched, STREAM_CUT_NONE);
}

/* Translation to HTTP/1.1: what is written, when it is read again, is what was read. */
static void must_translate(const struct head *head, bool is_end)
{
    struct buf out;
    struct head again;
    struct arena arena = {0};
    struct h1_message message;
    struct h1_limits limits = {65536, 1 << 20, 1000};
    struct h1_write how = {.framing = is_end || head->upgrade.len                   ? H1_NO_BODY
                                      : head->content_length > 0                    ? H1_LENGTH
                                      : head->content_length == CONTENT_LENGTH_NONE ? H1_CHUNKED
                                                                                    : H1_NO_BODY};
    buf_init(&out, 1 << 20);
    head_init(&again, &arena);
    if (slice_eq_str(head->method, "CONNECT"))
        how.framing = H1_NO_BODY;
    if (h1_write_request(&out, head, &how)) {
        MUST(h1_parse_request(out.data + out.start, buf_len(&out), &limits, &again, &message) ==
             H1_FAULT_NONE);
        MUST(slice_eq(head->method, again.method) && slice_eq(head->path, again.path));
        MUST(slice_eq(head->authority, again.authority) && slice_eq(head->upgrade, again.upgrade));
        MUST(message.framing == how.framing && head->n_fields == again.n_fields);
        for (size_t i = 0; i < head->n_fields; i++)
            MUST(slice_eq(head->fields[i].name, again.fields[i].name) &&
                 slice_eq(head->fields[i].value, again.fields[i].value));
    }
    buf_fini(&out);
    arena_fini(&arena);
}

static const struct stream_events stream_events = {
    .on_data = on_data, .on_trailers = on_trailers, .on_reset = on_reset, .on_drained = on_drained};

static void on_request(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    (void)owner;
    MUST(!now.is_closed && stream->is_received == is_end && now.n_open < worker.limits.max_work);
    MUST(http_is_token(head->method) && head->status == 0 && http_is_authority(head->authority));
    must_be_clean(head);
    must_translate(head, is_end);
    struct watched *watched = watch(stream);
    stream->events = &stream_events;
    stream->owner = watched;
    watched->has_head = watched->has_final = true;
    watched->is_ended = is_end;
    if (now.habits & HABIT_DRAIN)
        codec_drain(now.codec);
    if (now.habits & (HABIT_EARLY | HABIT_ECHO))
        answer(watched);
    if (watched->stream && is_end)
        at_end(watched);
}

static const struct codec_events events = {.on_request = on_request, .on_closed = on_closed};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conn conn;
    int fds[2];
    if (size < 2)
        return 0;
    worker_start();
    memset(&now, 0, sizeof(now));
    now.habits = data[1];
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    conn_init(&conn, &worker.conns, NULL);
    conn_open(&conn, fds[0]);
    now.codec = h2_server_new(&worker.shared, &conn, &events, NULL);
    MUST(now.codec);
    if (data[0] & 1)
        MUST(send(fds[1], BEGINNING, sizeof(BEGINNING), 0) == sizeof(BEGINNING));
    worker_run(fds[1], data + 2, size - 2, data[0] >> 1 ? (size_t)(data[0] >> 1) * 8 : size);
    return 0;
}
