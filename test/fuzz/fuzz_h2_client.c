/*
 * A whole HTTP/2 client connection with requests on it: the input is what a server sends. The first
 * byte says in pieces of what size it comes and whether SETTINGS are put before it, the second what
 * the application does.
 */
// fuzz: proxy
#include "test/fuzz/codec_worker.h"

#define BEGINNING "\0\0\6\4\0\0\0\0\0\0\x8\0\0\0\1" /* and extended CONNECT is understood */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_head(struct stream *stream, struct head *head, bool is_end)
{
    struct watched *watched = stream->owner;
    MUST(stream == watched->stream && !watched->has_final && head->status >= 100);
    MUST(head->status <= 599 && head->method.len == 0);
    must_be_clean(head);
    watched->has_head = true;
    watched->has_final = head->status >= 200 || head->status == 101;
    watched->is_ended = is_end;
    MUST(stream->is_received == is_end);
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

static void ask(unsigned most)
{
    static const char body[2000];
#define HEAD(name)                                                                                 \
    .method = {name, sizeof(name) - 1}, .authority = {"a", 1}, .path = {"/", 1},                   \
    .content_length = CONTENT_LENGTH_NONE
    static const struct head heads[] = {
        {HEAD("GET")}, {HEAD("POST")}, {HEAD("HEAD")}, {HEAD("GET"), .upgrade = {"websocket", 9}}};
    for (unsigned i = 0; i < most && !now.is_closed && codec_room(now.codec); i++) {
        bool is_end = i % 2 == 0;
        struct watched *watched = watch(NULL);
        watched->stream = codec_open(now.codec, &heads[i % 4], is_end, &stream_events, watched);
        if (!watched->stream)
            now.n_open--;
        else if (!is_end && i != 3)
            stream_send_data(watched->stream, slice_of(body, sizeof(body)), i % 4 == 1);
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
    if (now.habits & HABIT_EARLY)
        ask(1);
    if (now.habits & HABIT_DRAIN)
        codec_drain(now.codec);
}

static void on_room(void *owner)
{
    (void)owner;
    if (now.n_open < 4)
        ask(2);
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
    now.codec = h2_client_new(&worker.shared, &conn, &events, NULL);
    MUST(now.codec);
    if (data[0] & 1)
        MUST(send(fds[1], BEGINNING, sizeof(BEGINNING) - 1, 0) == sizeof(BEGINNING) - 1);
    ask(4);
    worker_run(fds[1], data + 2, size - 2, data[0] >> 1 ? (size_t)(data[0] >> 1) * 8 : size);
    return 0;
}
