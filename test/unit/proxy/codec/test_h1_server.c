#include "test/unit/proxy/codec/h1_rig.h"

/* ---- the application: what it does is said by the path ---- */

static struct head *answer_head(struct stream *stream, uint16_t status, int64_t length)
{
    struct head *head = arena_take(&stream->arena, sizeof(*head));
    head_init(head, &stream->arena);
    head->status = status;
    head->content_length = length;
    return head;
}

static void send_head(struct stream *stream, uint16_t status, int64_t length, bool is_end)
{
    assert_true(stream_send_head(stream, answer_head(stream, status, length), is_end));
}

static void send_text(struct stream *stream, const char *text, bool is_end)
{
    stream_send_data(stream, slice_str(text), is_end);
}

static void answer_plain(struct stream *stream)
{
    send_head(stream, 200, 2, false);
    send_text(stream, "ok", true);
}

static void answer_chunked(struct stream *stream)
{
    send_head(stream, 200, CONTENT_LENGTH_NONE, false);
    send_text(stream, "first", false);
    send_text(stream, "second!", true);
}

static void answer_trailers(struct stream *stream)
{
    struct head *trailers = answer_head(stream, 0, CONTENT_LENGTH_NONE);
    assert_true(head_add(trailers, SLICE_LITERAL("grpc-status"), SLICE_LITERAL("0")));
    send_head(stream, 200, CONTENT_LENGTH_NONE, false);
    send_text(stream, "body", false);
    stream_send_trailers(stream, trailers);
}

static void answer_empty(struct stream *stream)
{
    send_head(stream, 200, CONTENT_LENGTH_NONE, true);
}

static void answer_head_only(struct stream *stream)
{
    send_head(stream, 200, 1234, false);
    send_text(stream, "", true);
}

static void answer_204(struct stream *stream)
{
    send_head(stream, 204, CONTENT_LENGTH_NONE, true);
}

static void answer_304(struct stream *stream)
{
    send_head(stream, 304, 77, true);
}

static void answer_100(struct stream *stream)
{
    send_head(stream, 100, CONTENT_LENGTH_NONE, false);
}

static void answer_103(struct stream *stream)
{
    struct head *hints = answer_head(stream, 103, CONTENT_LENGTH_NONE);
    assert_true(head_add(hints, SLICE_LITERAL("link"), SLICE_LITERAL("</s.css>")));
    assert_true(stream_send_head(stream, hints, false));
    answer_plain(stream);
}

static void answer_101(struct stream *stream)
{
    struct head *head = answer_head(stream, 101, CONTENT_LENGTH_NONE);
    head->upgrade = SLICE_LITERAL("websocket");
    assert_true(stream_send_head(stream, head, false));
    send_text(stream, "<hello>", false);
}

static void answer_connect(struct stream *stream)
{
    send_head(stream, 200, CONTENT_LENGTH_NONE, false);
}

static void answer_413(struct stream *stream)
{
    send_head(stream, 413, 0, true);
}

static void answer_half(struct stream *stream)
{
    send_head(stream, 200, 10, false);
    send_text(stream, "12345", false);
}

static void answer_short(struct stream *stream)
{
    send_head(stream, 200, 10, false);
    send_text(stream, "12345", true);
}

static void answer_long(struct stream *stream)
{
    send_head(stream, 200, 3, false);
    send_text(stream, "12345", true);
}

static void answer_stream_half(struct stream *stream)
{
    send_head(stream, 200, CONTENT_LENGTH_NONE, false);
    send_text(stream, "12345", false);
}

static void pause_it(struct stream *stream)
{
    stream_pause(stream);
}

struct plan {
    const char *path;
    void (*at_head)(struct stream *stream);
    void (*at_end)(struct stream *stream);
    bool closes; /* the exchange, after its answer */
    enum stream_cut cut;
};
static const struct plan plans[] = {
    {"/", NULL, answer_plain, true, 0},
    {"/chunked", NULL, answer_chunked, true, 0},
    {"/trailers", NULL, answer_trailers, true, 0},
    {"/empty", NULL, answer_empty, true, 0},
    {"/length", NULL, answer_head_only, true, 0},
    {"/204", NULL, answer_204, true, 0},
    {"/304", NULL, answer_304, true, 0},
    {"/continue", answer_100, answer_plain, true, 0},
    {"/hints", NULL, answer_103, true, 0},
    {"/ws", answer_101, NULL, false, 0},
    {"/no-ws", answer_plain, NULL, false, 0},
    {"target:443", answer_connect, NULL, false, 0},
    {"/early", answer_413, NULL, true, 0},
    {"/never", NULL, NULL, false, 0},
    {"/half", NULL, answer_half, true, STREAM_CUT_CANCELLED},
    {"/half-stream", NULL, answer_stream_half, true, STREAM_CUT_CANCELLED},
    {"/short", NULL, answer_short, false, 0},
    {"/long", NULL, answer_long, false, 0},
    {"/cut", NULL, NULL, true, STREAM_CUT_INTERNAL},
    {"/paused", pause_it, answer_plain, true, 0},
};

static const struct plan *the_plan;

static void follow(struct rig *rig, struct stream *stream, bool is_end)
{
    if (is_end && the_plan->at_end)
        the_plan->at_end(stream);
    if (the_plan->closes && (is_end || (the_plan->at_head && !the_plan->at_end))) {
        rig->stream = NULL;
        stream_close(stream, the_plan->cut);
    }
}

static void on_data(struct stream *stream, struct slice data, bool is_end)
{
    struct rig *rig = stream->owner;
    rig_on_data(stream, data, is_end);
    if (is_end)
        follow(rig, stream, true);
}

static void on_trailers(struct stream *stream, struct head *trailers)
{
    rig_on_trailers(stream, trailers);
    follow(stream->owner, stream, true);
}

static const struct stream_events stream_events = {
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = rig_on_reset,
    .on_drained = rig_on_drained,
};

static void on_request(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    struct rig *rig = owner;
    stream->events = &stream_events;
    stream->owner = rig;
    rig->stream = stream;
    struct slice target = head->path.len ? head->path : head->authority;
    RIG_LOG(rig, "%.*s %.*s %.*s", SLICE_ARG(head->method), SLICE_ARG(head->authority),
            SLICE_ARG(head->path));
    if (head->upgrade.len)
        RIG_LOG(rig, " upgrade=%.*s", SLICE_ARG(head->upgrade));
    rig_log_fields(rig, head);
    RIG_LOG(rig, "%s\n", is_end ? " end" : "");
    the_plan = NULL;
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
        if (slice_eq_str(target, plans[i].path))
            the_plan = &plans[i];
    assert_non_null(the_plan);
    if (the_plan->at_head)
        the_plan->at_head(stream);
    follow(rig, stream, is_end);
}

static const struct codec_events events = {.on_request = on_request, .on_closed = rig_on_closed};

/* ---- tables ---- */

struct script {
    const char *name;
    const char *sends;
    const char *expect; /* events */
    const char *gets;
    enum { OPEN, ENDED } after; /* has the codec sent FIN? */
};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
#define OK_CLOSE  "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
#define REFUSED(status)                                                                            \
    "HTTP/1.1 " status "\r\nserver: outrigger\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

static const struct script scripts[] = {
    {"keep-alive", GET("/") GET("/empty") GET("/"), "GET a / end\nGET a /empty end\nGET a / end\n",
     OK "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" OK, OPEN},
    {"fields", "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nConnection: x-two\r\nX-Two: 2\r\n\r\n",
     "GET a / x-one=1 end\n", OK, OPEN},
    {"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET("/"),
     "POST a /\ndata hello end\nGET a / end\n", OK OK, OPEN},
    {"length 0", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" GET("/"),
     "POST a / end\nGET a / end\n", OK OK, OPEN},
    {"chunks",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n "
     "there\r\n0\r\n\r\n" GET("/"),
     "POST a /\ndata hello there end\nGET a / end\n", OK OK, OPEN},
    {"no chunk",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET("/"),
     "POST a /\nend\nGET a / end\n", OK OK, OPEN},
    {"trailers",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: "
     "7\r\n\r\n" GET("/"),
     "POST a /\ndata hello\ntrailers x-sum=7\nGET a / end\n", OK OK, OPEN},
    {"answered in chunks", GET("/chunked") GET("/"), "GET a /chunked end\nGET a / end\n",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: "
     "chunked\r\n\r\n5\r\nfirst\r\n7\r\nsecond!\r\n0\r\n\r\n" OK,
     OPEN},
    {"answered with trailers", GET("/trailers") GET("/"), "GET a /trailers end\nGET a / end\n",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\ngrpc-status: "
     "0\r\n\r\n" OK,
     OPEN},
    {"HEAD", "HEAD /length HTTP/1.1\r\nHost: a\r\n\r\n" GET("/"),
     "HEAD a /length end\nGET a / end\n", "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n" OK,
     OPEN},
    {"HEAD in chunks", "HEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n" GET("/"),
     "HEAD a /chunked end\nGET a / end\n", "HTTP/1.1 200 OK\r\n\r\n" OK, OPEN},
    {"204", GET("/204") GET("/"), "GET a /204 end\nGET a / end\n",
     "HTTP/1.1 204 No Content\r\n\r\n" OK, OPEN},
    {"304", GET("/304") GET("/"), "GET a /304 end\nGET a / end\n",
     "HTTP/1.1 304 Not Modified\r\ncontent-length: 77\r\n\r\n" OK, OPEN},
    {"close asked for", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/"),
     "GET a / end\n", OK_CLOSE, ENDED},
    {"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET a / end\n", OK_CLOSE, ENDED},
    {"HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" GET("/"),
     "GET a / end\nGET a / end\n",
     "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok" OK, OPEN},
    {"HTTP/1.0 knows no chunks",
     "GET /chunked HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "GET a /chunked end\n",
     "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nfirstsecond!", ENDED},
    {"HTTP/1.0 knows no 1xx", "GET /hints HTTP/1.0\r\nHost: a\r\n\r\n", "GET a /hints end\n",
     OK_CLOSE, ENDED},
    {"1xx", GET("/hints"), "GET a /hints end\n",
     "HTTP/1.1 103 Early Hints\r\nlink: </s.css>\r\n\r\n" OK, OPEN},
    {"expect",
     "POST /continue HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
     "POST a /continue expect=100-continue\ndata hello end\n", "HTTP/1.1 100 Continue\r\n\r\n" OK,
     OPEN},
    {"expect, refused",
     "POST /early HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
     "POST a /early expect=100-continue\n",
     "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", ENDED},
    {"early answer", "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET("/"),
     "POST a /early\nGET a / end\n",
     "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n" OK, OPEN},
    {"early answer to chunks",
     "POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: "
     "b\r\n\r\n" GET("/"),
     "POST a /early\nGET a / end\n",
     "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n" OK, OPEN},
    {"upgrade",
     "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET / raw",
     "GET a /ws upgrade=websocket\ndata GET / raw\n",
     "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n<hello>",
     OPEN},
    {"upgrade refused",
     "GET /no-ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
     "GET a /no-ws upgrade=websocket\nend\n", OK, OPEN},
    {"CONNECT", "CONNECT target:443 HTTP/1.1\r\nHost: target:443\r\n\r\nraw",
     "CONNECT target:443 \ndata raw\n", "HTTP/1.1 200 OK\r\n\r\n", OPEN},
    {"cut before the answer", GET("/cut"), "GET a /cut end\nclosed done\n", "", ENDED},
    {"cut in the answer", GET("/half"), "GET a /half end\nclosed done\n",
     "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", ENDED},
    {"cut in chunks", GET("/half-stream"), "GET a /half-stream end\nclosed done\n",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n", ENDED},
    {"shorter than announced", GET("/short"),
     "GET a /short end\nreset internal_error\nclosed done: a message other than announced\n", NULL,
     ENDED},
    {"longer than announced", GET("/long"),
     "GET a /long end\nreset internal_error\nclosed done: a message other than announced\n", NULL,
     ENDED},
    {"malformed", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "", REFUSED("400 Bad Request"), ENDED},
    {"malformed after a good one", GET("/") "NONSENSE\r\n\r\n" GET("/"), "GET a / end\n",
     OK REFUSED("400 Bad Request"), ENDED},
    {"not HTTP", "\x16\x03\x01\x02\x00\x01\r\n\r\n", "", REFUSED("400 Bad Request"), ENDED},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", "", REFUSED("400 Bad Request"), ENDED},
    {"unknown version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", "",
     REFUSED("505 HTTP Version Not Supported"), ENDED},
    {"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "",
     REFUSED("501 Not Implemented"), ENDED},
    {"two framings",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n" GET("/"),
     "", REFUSED("400 Bad Request"), ENDED},
    {"a bad chunk",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX" GET("/"),
     "POST a /\ndata hello\nreset protocol_error\n", REFUSED("400 Bad Request"), ENDED},
    {"a bad trailer",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n",
     "POST a /\nreset protocol_error\n", REFUSED("400 Bad Request"), ENDED},
};

static void run_script(const struct script *script, size_t step)
{
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send_by(&rig, slice_str(script->sends), step);
    rig_flush_data(&rig, "");
    rig_assert_text(&rig.log, script->expect);
    if (script->gets)
        rig_assert_text(&rig.wire, script->gets);
    assert_int_equal(rig.is_eof || rig.is_reset, script->after == ENDED);
    rig_close(&rig);
}

static void test_scripts(void **state)
{
    (void)state;
    static const size_t steps[] = {0, 1, 2, 7};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        for (size_t j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
            run_script(&scripts[i], steps[j]);
        }
    }
}

/* ---- time ---- */

static void test_slow_head(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig.limits.head_timeout_ms = 1;
    rig_send(&rig, SLICE_LITERAL("GET / HTTP/1.1\r\nHo"));
    while (!rig.is_eof) {
        event_base_loop(rig.base, EVLOOP_ONCE);
        rig_turn(&rig);
    }
    rig_assert_text(&rig.wire, REFUSED("408 Request Timeout"));
    close(rig.fd);
    rig.fd = -1;
    rig_turn(&rig);
    rig_assert_text(&rig.log, "closed idle_timeout: half a request\n");
    assert_int_equal(stat_get(&rig.telemetry->counters[COUNTER_HTTP_HEAD_TIMEOUTS]), 1);
    rig_close(&rig);
}

static void test_slow_body(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig.limits.stream_idle_timeout_ms = 1;
    rig_send(&rig, SLICE_LITERAL("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"));
    while (!rig.is_eof) {
        event_base_loop(rig.base, EVLOOP_ONCE);
        rig_turn(&rig);
    }
    rig_assert_text(&rig.wire, REFUSED("408 Request Timeout"));
    rig_assert_text(&rig.log, "POST a /\ndata he\nreset timeout\n");
    rig_close(&rig);
}

/* A client that keeps sending is listened to for a while, and no longer. */
static void test_linger_is_bounded(void **state)
{
    (void)state;
    static char rest[64 * 1024];
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send(&rig, SLICE_LITERAL("NONSENSE\r\n\r\n"));
    rig_assert_text(&rig.wire, REFUSED("400 Bad Request"));
    assert_true(rig.is_eof);
    for (int i = 0; i < 64 && !rig.is_closed; i++)
        rig_send(&rig, slice_of(rest, sizeof(rest)));
    rig_assert_text(&rig.log, "closed malformed: the method is no token\n");
    rig_close(&rig);
}

static void test_idle_connection(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig.limits.keepalive_timeout_ms = 1;
    rig_send(&rig, SLICE_LITERAL(GET("/")));
    while (!rig.is_eof) {
        event_base_loop(rig.base, EVLOOP_ONCE);
        rig_turn(&rig);
    }
    shutdown(rig.fd, SHUT_WR);
    rig_turn(&rig);
    rig_assert_text(&rig.log, "GET a / end\nclosed idle_timeout\n");
    rig_close(&rig);
}

/* ---- ends ---- */

static void test_client_goes(void **state)
{
    (void)state;
    static const struct {
        const char *sends, *expect;
    } rows[] = {
        {"", "closed done\n"},
        {"GET / HT", "closed done\n"},
        {GET("/"), "GET a / end\nclosed done\n"},
        {GET("/never"), "GET a /never end\n"}, /* it may have only finished sending */
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe",
         "POST a /\ndata he\nreset truncated\nclosed client_reset: in a request\n"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n",
         "POST a /\ndata he\nreset truncated\nclosed client_reset: in a request\n"},
        {"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi",
         "GET a /ws upgrade=websocket\ndata hi end\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;
        rig_open(&rig, h1_server_new, &events);
        rig_send(&rig, slice_str(rows[i].sends));
        shutdown(rig.fd, SHUT_WR);
        rig_turn(&rig);
        rig_assert_text(&rig.log, rows[i].expect);
        rig_close(&rig);
    }
}

/* FIN behind the request: the answer is still sent, and then it is over. */
static void test_half_closed_client(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send(&rig, SLICE_LITERAL(GET("/never")));
    shutdown(rig.fd, SHUT_WR);
    rig_turn(&rig);
    answer_plain(rig.stream);
    stream_close(rig.stream, STREAM_CUT_NONE);
    rig.stream = NULL;
    rig_turn(&rig);
    rig_assert_text(&rig.wire, OK_CLOSE);
    rig_assert_text(&rig.log, "GET a /never end\nclosed done\n");
    rig_close(&rig);
}

static void test_tunnel_half_closes(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send(&rig, SLICE_LITERAL("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: "
                                 "websocket\r\n\r\n"));
    buf_fini(&rig.wire);
    stream_send_data(rig.stream, SLICE_LITERAL("last words"), true);
    rig_turn(&rig);
    assert_true(rig.is_eof);
    rig_assert_text(&rig.wire, "last words");
    rig_send(&rig, SLICE_LITERAL("and mine"));
    shutdown(rig.fd, SHUT_WR);
    rig_turn(&rig);
    stream_close(rig.stream, STREAM_CUT_NONE);
    rig.stream = NULL;
    rig_turn(&rig);
    rig_assert_text(&rig.log, "GET a /ws upgrade=websocket\ndata and mine end\nclosed done\n");
    rig_close(&rig);
}

/* A response that ends by close can be told from one that was cut: by RST. */
static void test_cut_until_close(void **state)
{
    (void)state;
    struct rig rig;
    int fds[2];
    rig_init(&rig);
    rig_tcp_pair(fds);
    rig_make_codec(&rig, h1_server_new, &events, fds);
    rig_send(&rig, SLICE_LITERAL("GET /half-stream HTTP/1.0\r\nHost: a\r\n\r\n"));
    assert_true(rig.is_reset);
    rig_assert_text(&rig.log, "GET a /half-stream end\nclosed done\n");
    rig_close(&rig);
}

static void test_client_resets(void **state)
{
    (void)state;
    struct linger now = {.l_onoff = 1};
    struct rig rig;
    int fds[2];
    rig_init(&rig);
    rig_tcp_pair(fds);
    rig_make_codec(&rig, h1_server_new, &events, fds);
    rig_send(&rig, SLICE_LITERAL(GET("/never")));
    setsockopt(rig.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(rig.fd);
    rig.fd = -1;
    rig_turn_until_closed(&rig);
    rig_assert_text(&rig.log, "GET a /never end\nreset connection_lost\nclosed client_reset\n");
    rig_close(&rig);
}

static void test_close_and_drain(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send(&rig, SLICE_LITERAL(GET("/never")));
    codec_close(rig.codec, REASON_DRAINED);
    rig_assert_text(&rig.log, "GET a /never end\nreset connection_lost\nclosed drained\n");
    rig_close(&rig);

    rig_open(&rig, h1_server_new, &events); /* idle */
    rig_send(&rig, SLICE_LITERAL(GET("/")));
    buf_fini(&rig.wire);
    codec_drain(rig.codec);
    codec_drain(rig.codec);
    rig_turn(&rig);
    assert_true(rig.is_eof);
    shutdown(rig.fd, SHUT_WR);
    rig_turn(&rig);
    rig_assert_text(&rig.log, "GET a / end\nclosed done\n");
    rig_close(&rig);

    rig_open(&rig, h1_server_new, &events); /* busy */
    rig_send(&rig, SLICE_LITERAL(GET("/never")));
    codec_drain(rig.codec);
    rig_turn(&rig);
    assert_false(rig.is_eof);
    answer_plain(rig.stream);
    stream_close(rig.stream, STREAM_CUT_NONE);
    rig.stream = NULL;
    rig_turn(&rig);
    rig_assert_text(&rig.wire, OK_CLOSE);
    assert_true(rig.is_eof);
    rig_close(&rig);
}

/* A request that was on its way when draining began is answered, and told that it is the last. */
static void test_drain_race(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    assert_int_equal(send(rig.fd, GET("/"), strlen(GET("/")), 0), strlen(GET("/")));
    codec_drain(rig.codec);
    codec_shared_flush(&rig.shared);
    rig_turn(&rig);
    rig_assert_text(&rig.wire, OK_CLOSE);
    rig_close(&rig);
}

/* ---- back-pressure ---- */

static void test_pause(void **state)
{
    (void)state;
    static char body[4 * 1024 * 1024];
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send(&rig,
             SLICE_LITERAL("POST /paused HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n"));
    size_t sent = 0;
    for (int idle = 0; idle < 8;) {
        ssize_t n = send(rig.fd, body + sent, sizeof(body) - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        rig_turn(&rig);
    }
    assert_true(sent < sizeof(body));
    assert_int_equal(buf_len(&rig.data), 0);
    assert_true(rig.codec->bytes_read < 256 * 1024);
    stream_resume(rig.stream);
    rig_turn(&rig);
    rig_send(&rig, slice_of(body + sent, sizeof(body) - sent));
    rig_assert_text(&rig.log, "POST a /paused\ndata (4194304 bytes) end\n");
    rig_assert_text(&rig.wire, OK);
    rig_close(&rig);
}

/* A slow reader: giving stops at the high mark and goes on when it has drained. */
static void test_slow_reader(void **state)
{
    (void)state;
    static char piece[16 * 1024];
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send(&rig, SLICE_LITERAL(GET("/never")));
    send_head(rig.stream, 200, 4 * 1024 * 1024, false);
    size_t given = 0;
    bool goes_on = true;
    while (goes_on && given < 4 * 1024 * 1024) {
        goes_on = stream_send_data(rig.stream, slice_of(piece, sizeof(piece)), false);
        given += sizeof(piece);
    }
    assert_false(goes_on);
    for (int i = 0; i < 4; i++)
        rig_turn_once(&rig);
    assert_true(buf_len(&rig.codec->conn.out) <= 2 * rig.limits.output_high_bytes);
    rig_assert_text(&rig.log, "GET a /never end\n");
    rig_turn(&rig);
    rig_assert_text(&rig.log, "drained\n");
    while (given < 4 * 1024 * 1024) {
        given += sizeof(piece);
        stream_send_data(rig.stream, slice_of(piece, sizeof(piece)), given == 4 * 1024 * 1024);
        rig_turn(&rig);
    }
    stream_close(rig.stream, STREAM_CUT_NONE);
    rig.stream = NULL;
    rig_turn(&rig);
    assert_int_equal(buf_len(&rig.wire),
                     strlen("HTTP/1.1 200 OK\r\ncontent-length: 4194304\r\n\r\n") + given);
    rig_send(&rig, SLICE_LITERAL(GET("/")));
    assert_false(rig.is_eof);
    rig_close(&rig);
}

/* The rest of a body that nobody reads is dropped up to a bound, then the connection ends. */
static void test_early_answer_to_large_body(void **state)
{
    (void)state;
    static char body[256 * 1024];
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send(&rig,
             SLICE_LITERAL("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 262144\r\n\r\n"));
    rig_assert_text(&rig.wire, "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n");
    assert_false(rig.is_eof);
    rig_send(&rig, slice_of(body, sizeof(body)));
    assert_true(rig.is_eof);
    rig_close(&rig);
}

/* What a request that is not answered yet is followed by is held, and not more than a little. */
static void test_pipelining_is_bounded(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send(&rig, SLICE_LITERAL(GET("/never")));
    size_t sent = 0;
    for (int idle = 0; idle < 8;) {
        ssize_t n = send(rig.fd, GET("/"), strlen(GET("/")), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0;
        idle = n > 0 ? 0 : idle + 1;
        rig_turn_once(&rig);
    }
    assert_true(rig.codec->bytes_read < 256 * 1024);
    rig_assert_text(&rig.log, "GET a /never end\n");
    answer_plain(rig.stream);
    stream_close(rig.stream, STREAM_CUT_NONE);
    rig.stream = NULL;
    rig_turn(&rig);
    assert_int_equal(buf_len(&rig.wire) / strlen(OK), sent + 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_linger_is_bounded),
        cmocka_unit_test(test_idle_connection),
        cmocka_unit_test(test_client_goes),
        cmocka_unit_test(test_half_closed_client),
        cmocka_unit_test(test_tunnel_half_closes),
        cmocka_unit_test(test_cut_until_close),
        cmocka_unit_test(test_client_resets),
        cmocka_unit_test(test_close_and_drain),
        cmocka_unit_test(test_drain_race),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_early_answer_to_large_body),
        cmocka_unit_test(test_pipelining_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
