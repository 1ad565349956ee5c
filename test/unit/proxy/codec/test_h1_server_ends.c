/* How a connection with a client ends, and what it withstands until then. */
#include "test/unit/proxy/codec/h1_application.h"

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
    rig_assert_text(&rig.log, "GET a /half-stream end\nclosed server_reset: the answer was cut\n");
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

static void turn_until_eof(struct rig *rig)
{
    while (!rig->is_eof) {
        event_base_loop(rig->base, EVLOOP_ONCE);
        rig_turn(rig);
    }
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

    rig_open(&rig, h1_server_new, &events); /* idle: closed when it stays silent */
    rig_send(&rig, SLICE_LITERAL(GET("/")));
    buf_fini(&rig.wire);
    codec_drain(rig.codec);
    codec_drain(rig.codec);
    rig_turn(&rig);
    assert_false(rig.is_eof);
    rig.limits.drain_silence_ms = 1;
    codec_drain(rig.codec);
    turn_until_eof(&rig);
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

/* An answer whose head promised to go on: so it does, and the next one takes the promise back. */
static void test_drain_in_an_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig_send(&rig, SLICE_LITERAL(GET("/never")));
    struct head head;
    head_init(&head, &rig.stream->arena);
    head.status = 200;
    head.content_length = 2;
    assert_true(stream_send_head(rig.stream, &head, false));
    rig_turn(&rig);
    codec_drain(rig.codec);
    stream_send_data(rig.stream, SLICE_LITERAL("hi"), true);
    stream_close(rig.stream, STREAM_CUT_NONE);
    rig.stream = NULL;
    rig_turn(&rig);
    assert_false(rig.is_eof);
    buf_fini(&rig.wire);
    rig_send(&rig, SLICE_LITERAL(GET("/")));
    rig_assert_text(&rig.wire, OK_CLOSE);
    turn_until_eof(&rig);
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

/* Many requests, and nobody reads the answers: no more is taken than the high mark has room for. */
static void test_pipelining_without_reading(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, h1_server_new, &events);
    rig.limits.output_high_bytes = 2048;
    size_t sent = 0;
    for (int idle = 0; idle < 8;) {
        ssize_t n = send(rig.fd, GET("/"), strlen(GET("/")), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0;
        idle = n > 0 ? 0 : idle + 1;
        rig_turn_once(&rig);
    }
    assert_true(buf_len(&rig.codec->conn.out) > 0);
    assert_true(buf_len(&rig.codec->conn.out) < 16 * 1024);
    assert_false(rig.is_closed);
    while (buf_len(&rig.wire) < sent * strlen(OK))
        rig_turn(&rig);
    assert_int_equal(buf_len(&rig.wire), sent * strlen(OK));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(test_drain_in_an_answer),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_early_answer_to_large_body),
        cmocka_unit_test(test_pipelining_is_bounded),
        cmocka_unit_test(test_pipelining_without_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
