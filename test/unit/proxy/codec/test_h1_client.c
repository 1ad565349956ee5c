#include "test/unit/proxy/codec/h1_rig.h"

static void on_head(struct stream *stream, struct head *head, bool is_end)
{
    struct rig *rig = stream->owner;
    RIG_LOG(rig, "%d", head->status);
    if (head->content_length != CONTENT_LENGTH_NONE)
        RIG_LOG(rig, " (%d)", (int)head->content_length);
    if (head->upgrade.len)
        RIG_LOG(rig, " upgrade=%.*s", SLICE_ARG(head->upgrade));
    rig_log_fields(rig, head);
    RIG_LOG(rig, "%s\n", is_end ? " end" : "");
}

static const struct stream_events stream_events = {
    .on_head = on_head,
    .on_data = rig_on_data,
    .on_trailers = rig_on_trailers,
    .on_reset = rig_on_reset,
    .on_drained = rig_on_drained,
};

static void on_room(void *owner)
{
    struct rig *rig = owner;
    assert_int_equal(codec_room(rig->codec), 1);
    RIG_LOG(rig, "room\n");
}

static const struct codec_events events = {.on_room = on_room, .on_closed = rig_on_closed};

/* ---- requests ---- */

struct request {
    const char *method, *path, *upgrade, *body;
    int64_t length; /* CONTENT_LENGTH_NONE: chunks, when there is a body */
};

/* Lives as long as the test: a request's head must live as long as its stream. */
static struct arena arena;

static struct head *make_head(const struct request *request)
{
    struct head *head = arena_take(&arena, sizeof(*head));
    head_init(head, &arena);
    head->method = slice_str(request->method);
    head->authority = SLICE_LITERAL("a:1");
    head->path = slice_str(request->path);
    head->upgrade = slice_str(request->upgrade);
    head->content_length = request->length;
    return head;
}

static void ask(struct rig *rig, const struct request *request)
{
    bool is_tunnel = request->upgrade || slice_eq_str(slice_str(request->method), "CONNECT");
    bool is_end = !request->body && !is_tunnel;
    assert_int_equal(codec_room(rig->codec), 1);
    rig->stream = codec_open(rig->codec, make_head(request), is_end, &stream_events, rig);
    assert_non_null(rig->stream);
    assert_int_equal(codec_room(rig->codec), 0);
    assert_int_equal(codec_n_streams(rig->codec), 1);
    if (request->body)
        stream_send_data(rig->stream, slice_str(request->body), true);
    rig_turn(rig);
}

static void let_go(struct rig *rig, enum stream_cut cut)
{
    if (rig->stream)
        stream_close(rig->stream, cut);
    rig->stream = NULL;
    rig_turn(rig);
}

static const struct request get = {"GET", "/", NULL, NULL, CONTENT_LENGTH_NONE};
static const struct request head_request = {"HEAD", "/", NULL, NULL, CONTENT_LENGTH_NONE};
static const struct request upgrade = {"GET", "/ws", "websocket", NULL, CONTENT_LENGTH_NONE};
static const struct request connect_request = {"CONNECT", "", NULL, NULL, CONTENT_LENGTH_NONE};

/* ---- how requests are written ---- */

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        struct request request;
        const char *expect;
    } rows[] = {
        {{"GET", "/x?y", NULL, NULL, CONTENT_LENGTH_NONE},
         "GET /x?y HTTP/1.1\r\nhost: a:1\r\n\r\n"},
        {{"POST", "/", NULL, NULL, CONTENT_LENGTH_NONE},
         "POST / HTTP/1.1\r\nhost: a:1\r\ncontent-length: 0\r\n\r\n"},
        {{"DELETE", "/", NULL, NULL, 0},
         "DELETE / HTTP/1.1\r\nhost: a:1\r\ncontent-length: 0\r\n\r\n"},
        {{"POST", "/", NULL, "hello", 5},
         "POST / HTTP/1.1\r\nhost: a:1\r\ncontent-length: 5\r\n\r\nhello"},
        {{"POST", "/", NULL, "hello", CONTENT_LENGTH_NONE},
         "POST / HTTP/1.1\r\nhost: a:1\r\ntransfer-encoding: "
         "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
        {{"GET", "/", "websocket", NULL, CONTENT_LENGTH_NONE},
         "GET / HTTP/1.1\r\nhost: a:1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"},
        {{"CONNECT", "", NULL, NULL, CONTENT_LENGTH_NONE},
         "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;
        rig_open(&rig, h1_client_new, &events);
        ask(&rig, &rows[i].request);
        rig_assert_text(&rig.wire, rows[i].expect);
        rig_assert_text(&rig.log, "");
        rig_close(&rig);
    }
}

/* ---- how responses are read ---- */

enum after { REUSED, GONE, STAYS /* the exchange is not over */ };

struct script {
    const char *name;
    const struct request *request;
    const char *sends;
    bool is_fin; /* and then FIN */
    const char *expect;
    enum after after;
};

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static const struct script scripts[] = {
    {"length", &get, OK, false, "200 (2)\ndata ok end\nroom\n", REUSED},
    {"length 0", &get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, "200 (0) end\nroom\n",
     REUSED},
    {"chunks", &get,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;a=b\r\n!\r\n0\r\n\r\n",
     false, "200\ndata ok! end\nroom\n", REUSED},
    {"trailers", &get,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", false,
     "200\ndata ok\ntrailers x-sum=1\nroom\n", REUSED},
    {"HEAD", &head_request, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", false,
     "200 (99) end\nroom\n", REUSED},
    {"204", &get, "HTTP/1.1 204 No Content\r\n\r\n", false, "204 end\nroom\n", REUSED},
    {"304", &get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"x\"\r\n\r\n", false,
     "304 (99) etag=\"x\" end\nroom\n", REUSED},
    {"1xx", &get, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK,
     false, "100\n103 link=</a>\n200 (2)\ndata ok end\nroom\n", REUSED},
    {"until close", &get, "HTTP/1.1 200 OK\r\n\r\nall there is", true,
     "200\ndata all there is end\nclosed done\n", GONE},
    {"until close, HTTP/1.0", &get, "HTTP/1.0 200 OK\r\n\r\nall", true,
     "200\ndata all end\nclosed done\n", GONE},
    {"close asked for", &get, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
     false, "200 (2)\ndata ok end\nclosed done\n", GONE},
    {"HTTP/1.0 with length", &get, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false,
     "200 (2)\ndata ok end\nclosed done\n", GONE},
    {"fields of the connection", &get,
     "HTTP/1.1 200 OK\r\nConnection: x-a\r\nX-A: 1\r\nX-B: 2\r\nKeep-Alive: "
     "timeout=5\r\nContent-Length: 0\r\n\r\n",
     false, "200 (0) x-b=2 end\nroom\n", REUSED},
    {"short", &get, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", true,
     "200 (5)\ndata ok\nreset truncated\nclosed done\n", GONE},
    {"no last chunk", &get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
     true, "200\ndata ok\nreset truncated\nclosed done\n", GONE},
    {"half a trailer section", &get,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: ", true,
     "200\ndata ok\nreset truncated\nclosed done\n", GONE},
    {"half a head", &get, "HTTP/1.1 200 OK\r\nCont", true, "reset truncated\nclosed done\n", GONE},
    {"nothing", &get, "", true, "reset connection_lost\nclosed done\n", GONE},
    {"nothing after 1xx", &get, "HTTP/1.1 100 Continue\r\n\r\n", true,
     "100\nreset connection_lost\nclosed done\n", GONE},
    {"beyond the end", &get, OK "HTTP/1.1 200 OK\r\n", false,
     "200 (2)\ndata ok end\nclosed done: bytes beyond the response\n", GONE},
    {"two framings", &get,
     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", false,
     "reset protocol_error\nclosed malformed: both Content-Length and Transfer-Encoding\n", GONE},
    {"a bad chunk", &get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokX", false,
     "200\ndata ok\nreset protocol_error\nclosed malformed: malformed chunk\n", GONE},
    {"not HTTP", &get, "220 mail ready\r\n\r\n", false,
     "reset protocol_error\nclosed malformed: malformed request or status line\n", GONE},
    {"101 unasked", &get,
     "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", false,
     "reset protocol_error\nclosed malformed: malformed status\n", GONE},
    {"upgrade", &upgrade,
     "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw",
     false, "101 upgrade=websocket\ndata raw\n", STAYS},
    {"upgrade, half-closed", &upgrade,
     "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw",
     true, "101 upgrade=websocket\ndata raw end\n", STAYS},
    {"upgrade refused", &upgrade, OK, false, "200 (2)\ndata ok end\nroom\n", REUSED},
    {"CONNECT", &connect_request, "HTTP/1.1 200 Go\r\n\r\nraw", false, "200\ndata raw\n", STAYS},
    {"CONNECT refused", &connect_request, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", false,
     "403 (0) end\nroom\n", REUSED},
};

static void run_script(const struct script *script, size_t step)
{
    struct rig rig;
    rig_open(&rig, h1_client_new, &events);
    ask(&rig, script->request);
    rig_send_by(&rig, slice_str(script->sends), step);
    if (script->is_fin) {
        shutdown(rig.fd, SHUT_WR);
        rig_turn(&rig);
    }
    if (script->after != STAYS)
        let_go(&rig, STREAM_CUT_NONE);
    rig_flush_data(&rig, "");
    rig_assert_text(&rig.log, script->expect);
    assert_int_equal(codec_room(rig.codec), script->after == REUSED);
    assert_int_equal(rig.is_eof || rig.is_reset, script->after == GONE);
    if (script->after == REUSED) {
        ask(&rig, &get);
        rig_send(&rig, SLICE_LITERAL(OK));
        let_go(&rig, STREAM_CUT_NONE);
        rig_assert_text(&rig.log, "200 (2)\ndata ok end\nroom\n");
    }
    rig_close(&rig);
}

static void test_scripts(void **state)
{
    (void)state;
    static const size_t steps[] = {0, 1, 2, 7};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        for (size_t j = 0; j < sizeof(steps) / sizeof(steps[0]); j++)
            run_script(&scripts[i], steps[j]);
}

/* ---- the keep-alive race ---- */

static void test_race(void **state)
{
    (void)state;
    static const struct {
        const char *sends, *expect;
    } rows[] = {
        {"", "reset connection_lost unprocessed\nclosed done\n"},
        {"H", "reset truncated\nclosed done\n"},
        {"HTTP/1.1 100 Continue\r\n\r\n", "100\nreset connection_lost\nclosed done\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;
        rig_open(&rig, h1_client_new, &events);
        ask(&rig, &get);
        rig_send(&rig, SLICE_LITERAL(OK));
        let_go(&rig, STREAM_CUT_NONE);
        rig_assert_text(&rig.log, "200 (2)\ndata ok end\nroom\n");
        ask(&rig, &get);
        rig_send(&rig, slice_str(rows[i].sends));
        close(rig.fd);
        rig.fd = -1;
        rig_turn(&rig);
        rig_assert_text(&rig.log, rows[i].expect);
        rig_close(&rig);
    }
}

/* The server had gone already when we wrote: the first write fails, and the read says why. */
static void test_race_before_write(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_client_new, &events);
    ask(&rig, &get);
    rig_send(&rig, SLICE_LITERAL(OK));
    let_go(&rig, STREAM_CUT_NONE);
    rig_assert_text(&rig.log, "200 (2)\ndata ok end\nroom\n");
    close(rig.fd);
    rig.fd = -1;
    rig.stream = codec_open(rig.codec, make_head(&get), true, &stream_events, &rig);
    codec_shared_flush(&rig.shared);
    rig_assert_text(&rig.log, "");
    rig_turn(&rig);
    rig_assert_text(&rig.log, "reset connection_lost unprocessed\nclosed server_reset\n");
    rig_close(&rig);
}

static void test_idle_ends(void **state)
{
    (void)state;
    static const struct {
        const char *sends, *expect;
    } rows[] = {
        {NULL, "closed done\n"},
        {"HTTP/1.1 408 Request Timeout\r\n\r\n", "closed done: bytes beyond the response\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;
        rig_open(&rig, h1_client_new, &events);
        if (rows[i].sends) {
            rig_send(&rig, slice_str(rows[i].sends));
        } else {
            shutdown(rig.fd, SHUT_WR);
            rig_turn(&rig);
        }
        rig_assert_text(&rig.log, rows[i].expect);
        rig_close(&rig);
    }
}

/* ---- letting go early ---- */

static void test_cancelled(void **state)
{
    (void)state;
    static const char *const sent[] = {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"};
    for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        struct rig rig;
        rig_open(&rig, h1_client_new, &events);
        ask(&rig, &get);
        rig_send(&rig, slice_str(sent[i]));
        rig_flush_data(&rig, "");
        buf_fini(&rig.log);
        let_go(&rig, STREAM_CUT_CANCELLED);
        rig_assert_text(&rig.log, "closed done\n");
        assert_true(rig.is_eof || rig.is_reset);
        rig_close(&rig);
    }
}

/* Answered before all of the request was sent: the rest is not sent, the connection not reused. */
static void test_answered_early(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_client_new, &events);
    struct request post = {"POST", "/", NULL, NULL, 10};
    rig.stream = codec_open(rig.codec, make_head(&post), false, &stream_events, &rig);
    stream_send_data(rig.stream, SLICE_LITERAL("12345"), false);
    rig_turn(&rig);
    rig_send(&rig, SLICE_LITERAL(OK));
    let_go(&rig, STREAM_CUT_NONE);
    rig_assert_text(&rig.log, "200 (2)\ndata ok end\nclosed done\n");
    rig_close(&rig);
}

static void test_drain(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_client_new, &events);
    ask(&rig, &get);
    codec_drain(rig.codec);
    rig_send(&rig, SLICE_LITERAL(OK));
    let_go(&rig, STREAM_CUT_NONE);
    rig_assert_text(&rig.log, "200 (2)\ndata ok end\nclosed done\n");
    rig_close(&rig);

    rig_open(&rig, h1_client_new, &events);
    codec_drain(rig.codec);
    assert_int_equal(codec_room(rig.codec), 0);
    rig_turn(&rig);
    rig_assert_text(&rig.log, "closed done\n");
    rig_close(&rig);
}

/* ---- tunnels ---- */

#define SWITCH                                                                                     \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"

static void test_tunnel(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_client_new, &events);
    ask(&rig, &upgrade);
    buf_fini(&rig.wire);
    assert_false(stream_send_data(rig.stream, SLICE_LITERAL("too early"), false));
    rig_turn(&rig);
    rig_assert_text(&rig.wire, ""); /* not before the 101 */
    rig_send(&rig, SLICE_LITERAL(SWITCH "welcome"));
    rig_flush_data(&rig, "");
    rig_assert_text(&rig.log, "101 upgrade=websocket\ndata welcome\ndrained\n");
    rig_assert_text(&rig.wire, "too early");
    stream_send_data(rig.stream, SLICE_LITERAL("bye"), true);
    rig_turn(&rig);
    rig_assert_text(&rig.wire, "bye");
    assert_true(rig.is_eof);
    rig_send(&rig, SLICE_LITERAL("still here")); /* the other direction is open */
    shutdown(rig.fd, SHUT_WR);
    rig_turn(&rig);
    rig_assert_text(&rig.log, "data still here end\n");
    let_go(&rig, STREAM_CUT_NONE);
    rig_assert_text(&rig.log, "closed done\n");
    rig_close(&rig);
}

/* ---- time ---- */

static void test_silent_server(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_client_new, &events);
    rig.limits.stream_idle_timeout_ms = 1;
    ask(&rig, &get);
    rig_turn_until_closed(&rig);
    rig_assert_text(&rig.log, "reset timeout\nclosed idle_timeout\n");
    rig_close(&rig);
}

/* ---- back-pressure ---- */

/* What a paused stream holds is one read's worth; the sender is stopped; nothing is lost. */
static void test_pause(void **state)
{
    (void)state;
    static char body[4 * 1024 * 1024];
    struct rig rig;
    rig_open(&rig, h1_client_new, &events);
    ask(&rig, &get);
    rig_send(&rig, SLICE_LITERAL("HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n"));
    stream_pause(rig.stream);
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
    assert_int_equal(buf_len(&rig.data), 0); /* not from inside the operation */
    rig_turn(&rig);
    rig_send(&rig, slice_of(body + sent, sizeof(body) - sent));
    let_go(&rig, STREAM_CUT_NONE);
    rig_assert_text(&rig.log, "200 (4194304)\ndata (4194304 bytes) end\nroom\n");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),       cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_race),           cmocka_unit_test(test_race_before_write),
        cmocka_unit_test(test_idle_ends),      cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_answered_early), cmocka_unit_test(test_drain),
        cmocka_unit_test(test_tunnel),         cmocka_unit_test(test_silent_server),
        cmocka_unit_test(test_pause),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_fini(&arena);
    return failed;
}
