/*
 * A whole HTTP/1.1 client connection with a request on it, and further ones as long as it can be
 * used: the input is what a server sends. The first byte says in pieces of what size it comes and
 * what is asked for first, the second what the application does.
 */
// fuzz: proxy
#include "test/fuzz/codec_worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_head(struct stream *stream, struct head *head, bool is_end)
{
    struct watched *watched = stream->owner;
    MUST(stream == watched->stream && !watched->has_final && head->status >= 100);
    MUST(head->status <= 599 && head->method.len == 0 && stream->is_received == is_end);
    must_be_clean(head);
    watched->has_head = true;
    watched->has_final = head->status >= 200 || head->status == 101;
    watched->is_ended = is_end;
    MUST(!is_end || watched->has_final);
    if (is_end)
        at_end(watched);
    else if (now.habits & HABIT_CUT)
        let_go(watched, STREAM_CUT_CANCELLED);
}

static const struct stream_events stream_events = {.on_head = on_head,
                                                   .on_data = on_data,
                                                   .on_trailers = on_trailers,
                                                   .on_reset = on_reset,
                                                   .on_drained = on_drained};

/* Fields that the owner gave, and every way to frame what it sends. */
static void ask(unsigned which)
{
    static const char body[2000];
#define HEAD(name, length)                                                                         \
    .method = {name, sizeof(name) - 1}, .authority = {"a", 1}, .path = {"/", 1},                   \
    .content_length = length
    static const struct head heads[] = {
        {HEAD("GET", CONTENT_LENGTH_NONE)},
        {HEAD("POST", CONTENT_LENGTH_NONE)},
        {HEAD("HEAD", CONTENT_LENGTH_NONE)},
        {HEAD("GET", CONTENT_LENGTH_NONE), .upgrade = {"websocket", 9}},
        {HEAD("PUT", sizeof(body))},
        {.method = {"CONNECT", 7}, .authority = {"a:1", 3}, .content_length = CONTENT_LENGTH_NONE},
    };
    const struct head *head = &heads[which % 6];
    bool is_end = head == &heads[0] || head == &heads[2],
         is_tunnel = which % 6 % 2 == 1 && which % 6 > 1;
    if (now.is_closed || !codec_room(now.codec))
        return;
    struct watched *watched = watch(NULL);
    watched->stream = codec_open(now.codec, head, is_end, &stream_events, watched);
    if (!watched->stream) {
        now.n_open--;
        return;
    }
    if (is_end || is_tunnel)
        return;
    struct stream *stream = watched->stream;
    bool has_trailers = now.habits & HABIT_TRAILERS;
    if (!(now.habits & HABIT_NEVER) || head == &heads[1])
        stream_send_data(stream, slice_of(body, sizeof(body)), !has_trailers);
    if (has_trailers && !stream->is_sent) {
        struct head *trailers = arena_take(&stream->arena, sizeof(*trailers));
        MUST(trailers);
        head_init(trailers, &stream->arena);
        MUST(head_add_id(trailers, FIELD_GRPC_STATUS, SLICE_LITERAL("0")));
        stream_send_trailers(stream, trailers);
    }
}

static void at_end(struct watched *watched)
{
    if (now.habits & HABIT_CLOSE) {
        codec_close(now.codec, REASON_DRAINED);
        return;
    }
    if (now.habits & HABIT_NEVER)
        return;
    let_go(watched, STREAM_CUT_NONE);
    if (now.habits & HABIT_DRAIN)
        codec_drain(now.codec);
}

static void on_room(void *owner)
{
    (void)owner;
    ask((unsigned)now.codec->n_requests);
}

static const struct codec_events events = {.on_room = on_room, .on_closed = on_closed};

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
    now.codec = h1_client_new(&worker.shared, &conn, &events, NULL);
    MUST(now.codec);
    ask(data[0] & 7);
    worker_run(fds[1], data + 2, size - 2, data[0] >> 3 ? (size_t)(data[0] >> 3) * 4 : size);
    return 0;
}
