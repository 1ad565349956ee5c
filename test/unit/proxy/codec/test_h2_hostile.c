/*
 * What hostile HTTP/2 peers do, and what it gets them.
 */
#include "h2_rig.h"

/* ---- frames that do nothing ----------------------------------------------------------------- */

enum nothing { EMPTY_DATA, PINGS, SETTINGS, PRIORITIES, WINDOWS, STREAM_WINDOWS };

static void put_nothing(struct rig *rig, enum nothing what)
{
    switch (what) {
    case EMPTY_DATA:
        put_data(rig, 1, 0, false);
        break;
    case PINGS:
        put_frame(rig, NGHTTP2_PING, 0, 0, "12345678", 8);
        break;
    case SETTINGS:
        put_frame(rig, NGHTTP2_SETTINGS, 0, 0, "", 0);
        break;
    case PRIORITIES:
        put_frame(rig, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\5", 5);
        break;
    case WINDOWS:
        put_number(rig, NGHTTP2_WINDOW_UPDATE, 0, 1);
        break;
    case STREAM_WINDOWS:
        put_number(rig, NGHTTP2_WINDOW_UPDATE, 1, 1);
        break;
    }
}

static void test_frames_without_progress(void **state)
{
    (void)state;
    for (enum nothing what = EMPTY_DATA; what <= STREAM_WINDOWS; what++) {
        struct rig rig;
        rig_open_server(&rig);
        put_headers(&rig, 1, false, POST);
        for (int i = 0; i < 150; i++)
            put_nothing(&rig, what);
        rig_send(&rig);
        heard(&rig.told);
        rig_frames(&rig);
        if (rig.is_closed)
            fail_msg("%d: closed too early", what);
        for (int i = 0; i < 100; i++)
            put_nothing(&rig, what);
        rig_send(&rig);
        const char *frames = rig_frames(&rig);
        if (!strstr(frames, "GOAWAY 1 11\n"))
            fail_msg("%d: %s", what, frames);
        assert_string_equal(heard(&rig.told), "1:reset connection_lost\n");
        rig_leave(&rig);
        assert_int_equal(rig.reason, REASON_GLITCHES);
        stream_close(rig.streams[0], STREAM_CUT_NONE);
        rig_end(&rig);
    }
}

/* A receiver that returns its windows in small pieces, for as long as data moves, is honest. */
static void test_small_window_updates_of_an_honest_peer(void **state)
{
    (void)state;
    struct rig rig;
    char bytes[16000] = {0};
    rig_open_server(&rig);
    put_headers(&rig, 1, true, GET);
    rig_send(&rig);
    struct head head;
    head_init(&head, &rig.streams[0]->arena);
    head.status = 200;
    assert_true(stream_send_head(rig.streams[0], &head, false));
    for (int i = 0; i < 300; i++) {
        stream_send_data(rig.streams[0], slice_of(bytes, sizeof(bytes)), false);
        rig_frames(&rig);
        for (int piece = 0; piece < 8; piece++)
            put_number(&rig, NGHTTP2_WINDOW_UPDATE, piece % 2, 4000);
        rig_send(&rig);
    }
    assert_false(rig.is_closed);
    assert_string_equal(rig_frames(&rig), "");
    stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
    rig_end(&rig);
}

/* ---- resets --------------------------------------------------------------------------------- */

/* Streams are reset as soon as they are asked for, and upstream goes on with each of them. */
static void test_rapid_reset_is_bounded(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    rig.limits.max_work = 20;
    for (uint32_t i = 0; i < 40; i++) {
        put_headers(&rig, 2 * i + 1, true, GET);
        put_number(&rig, NGHTTP2_RST_STREAM, 2 * i + 1, NGHTTP2_CANCEL);
    }
    rig_send(&rig);
    assert_int_equal(rig.n_streams, 20);
    assert_int_equal(codec_n_streams(rig.codec), 20);
    const char *frames = rig_frames(&rig);
    assert_non_null(strstr(frames, "RST 41 7\nRST 43 7\n"));
    assert_null(strstr(frames, "GOAWAY"));
    put_headers(&rig, 201, true, GET);
    rig_send(&rig);
    assert_string_equal(rig_frames(&rig), "RST 201 7\n");
    assert_int_equal(rig.n_streams, 20);
    /* Work that has ended makes room. */
    stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
    put_headers(&rig, 203, true, GET);
    rig_send(&rig);
    assert_int_equal(rig.n_streams, 21);
    /* Who goes on is sent away. */
    for (uint32_t i = 0; i < 200 && !rig.is_closed; i++) {
        put_headers(&rig, 2 * i + 301, true, GET);
        put_number(&rig, NGHTTP2_RST_STREAM, 2 * i + 301, NGHTTP2_CANCEL);
    }
    rig_send(&rig);
    assert_non_null(strstr(rig_frames(&rig), " 11\n"));
    rig_leave(&rig);
    assert_int_equal(rig.reason, REASON_GLITCHES);
    for (int i = 1; i < 21; i++)
        stream_close(rig.streams[i], STREAM_CUT_NONE);
    rig_end(&rig);
}

/* A peer whose requests are answered may cancel many of them. */
static void test_cancelling_among_answers_is_honest(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t id = 2 * i + 1;
        rig.n_streams = 0;
        put_headers(&rig, id, true, GET);
        if (i % 2)
            put_number(&rig, NGHTTP2_RST_STREAM, id, NGHTTP2_CANCEL);
        rig_send(&rig);
        struct stream *stream = rig.streams[0];
        struct head head;
        head_init(&head, &stream->arena);
        head.status = 200;
        assert_true(stream_send_head(stream, &head, true));
        stream_close(stream, STREAM_CUT_NONE);
        rig_frames(&rig);
        heard(&rig.told);
    }
    assert_false(rig.is_closed);
    assert_int_equal(codec_n_streams(rig.codec), 0);
    rig_end(&rig);
}

/* We reset what the peer has made wrong, and somebody upstream works for it all the same. */
static void test_made_you_reset(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    rig.limits.max_work = 1000;
    rig.limits.max_streams = 1000;
    uint32_t n = 0;
    while (!rig.is_closed && n < 200) {
        uint32_t id = 2 * n++ + 1;
        put_headers(&rig, id, false, POST);
        if (n % 2)
            put_number(&rig, NGHTTP2_WINDOW_UPDATE, id, 0x7fffffff);
        else
            put_headers(&rig, id, false, "x=y"); /* trailers that do not end */
        rig_send(&rig);
        if (rig.n_streams)
            stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
        rig.n_streams = 0;
        if (strstr(rig_frames(&rig), "GOAWAY"))
            break;
    }
    assert_in_range(n, 20, 60);
    rig_leave(&rig);
    assert_int_equal(rig.reason, REASON_GLITCHES);
    rig_end(&rig);
}

/* ---- slowness ------------------------------------------------------------------------------- */

static void test_window_that_stays_shut(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.limits.stream_idle_timeout_ms = 80;
    rig_start(&rig, true);
    put_preface(&rig);
    put_setting(&rig, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    put_headers(&rig, 1, true, GET);
    put_headers(&rig, 3, true, GET);
    rig_send(&rig);
    heard(&rig.told);
    struct head head;
    head_init(&head, &rig.streams[0]->arena);
    head.status = 200;
    for (int i = 0; i < 2; i++)
        assert_true(stream_send_head(rig.streams[i], &head, false));
    stream_send_data(rig.streams[0], SLICE_LITERAL("hello"), true);
    while (rig.told.len == 0)
        rig_once(&rig, EVLOOP_ONCE);
    /* The other has nothing to send: it waits for its upstream and may. */
    assert_string_equal(heard(&rig.told), "1:reset timeout\n");
    assert_non_null(strstr(rig_frames(&rig), "RST 1 8\n"));
    for (int i = 0; i < 2; i++)
        stream_close(rig.streams[i], STREAM_CUT_CANCELLED);
    rig_end(&rig);
}

static void test_a_peer_that_does_not_read(void **state)
{
    (void)state;
    struct rig rig;
    char bytes[60000] = {0};
    int small = 1;
    rig_init(&rig);
    rig.limits.stream_idle_timeout_ms = 80;
    setsockopt(rig.fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    rig_start(&rig, true);
    put_preface(&rig);
    put_setting(&rig, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20);
    put_number(&rig, NGHTTP2_WINDOW_UPDATE, 0, 1 << 20);
    put_headers(&rig, 1, true, GET);
    rig_send(&rig);
    struct head head;
    head_init(&head, &rig.streams[0]->arena);
    head.status = 200;
    assert_true(stream_send_head(rig.streams[0], &head, false));
    while (stream_send_data(rig.streams[0], slice_of(bytes, sizeof(bytes)), false))
        rig_turn(&rig);
    assert_in_range(conn_buffered(&rig.codec->conn), 0, 128 * 1024);
    while (!rig.is_closed)
        rig_once(&rig, EVLOOP_ONCE);
    assert_int_equal(rig.reason, REASON_IDLE_TIMEOUT);
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    rig_end(&rig);
}

static void test_what_is_not_waited_for(void **state)
{
    (void)state;
    enum { NO_PREFACE, HALF_A_PREFACE, HALF_A_HEAD, HALF_A_FRAME };
    for (int what = NO_PREFACE; what <= HALF_A_FRAME; what++) {
        struct rig rig;
        uint8_t block[256];
        rig_init(&rig);
        rig.limits.head_timeout_ms = 50;
        rig_start(&rig, true);
        if (what == HALF_A_PREFACE)
            put(&rig, NGHTTP2_CLIENT_MAGIC, 10);
        if (what >= HALF_A_HEAD)
            put_preface(&rig);
        if (what == HALF_A_HEAD)
            put_frame(&rig, NGHTTP2_HEADERS, 0, 1, block, hpack_block(block, GET));
        if (what == HALF_A_FRAME)
            put(&rig, "\0\0\x20\1\5\0\0\0\1abc", 12);
        rig_send(&rig);
        const char *frames = "";
        for (int i = 0; !strstr(frames, "GOAWAY") && i < 1000; i++) {
            rig_once(&rig, EVLOOP_ONCE);
            frames = rig_frames(&rig);
        }
        assert_non_null(strstr(frames, "GOAWAY"));
        rig_leave(&rig);
        assert_int_equal(rig.reason, REASON_MALFORMED);
        assert_int_equal(rig.n_streams, 0);
        rig_end(&rig);
    }
}

static void test_idle_connection_is_drained(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.limits.keepalive_timeout_ms = 50;
    rig_start(&rig, true);
    put_preface(&rig);
    rig_send(&rig);
    const char *frames = rig_frames(&rig);
    while (!strstr(frames, "GOAWAY 2147483647 0\nPING\n")) {
        rig_once(&rig, EVLOOP_ONCE);
        frames = rig_frames(&rig);
    }
    rig_send(&rig); /* answers the PING */
    assert_string_equal(rig_frames(&rig), "GOAWAY 0 0\n");
    close(rig.fds[1]);
    rig.fds[1] = -1;
    rig_turn(&rig);
    assert_int_equal(rig.reason, REASON_DONE);
    rig_end(&rig);
}

/* ---- breaches ------------------------------------------------------------------------------- */

static void test_breaches_end_the_connection(void **state)
{
    (void)state;
    static const struct {
        uint8_t type, flags;
        uint32_t id;
        const char *payload;
        size_t len;
        const char *frame;
    } breaches[] = {
        {NGHTTP2_DATA, 0, 0, "x", 1, "GOAWAY 1 1\n"},
        {NGHTTP2_DATA, 0, 5, "x", 1, "GOAWAY 1 1\n"},
        {NGHTTP2_HEADERS, 4, 2, "\x82", 1, "GOAWAY 1 1\n"},
        {NGHTTP2_HEADERS, 4, 3, "\xff\xff\xff", 3, "GOAWAY 3 9\n"},
        {NGHTTP2_CONTINUATION, 4, 1, "\x82", 1, "GOAWAY 1 1\n"},
        {NGHTTP2_SETTINGS, 0, 1, "", 0, "GOAWAY 1 1\n"},
        {NGHTTP2_SETTINGS, 0, 0, "abc", 3, "GOAWAY 1 6\n"},
        {NGHTTP2_SETTINGS, 0, 0, "\0\4\xff\xff\xff\xff", 6, "GOAWAY 1 3\n"},
        {NGHTTP2_PING, 0, 0, "abc", 3, "GOAWAY 1 6\n"},
        {NGHTTP2_PUSH_PROMISE, 4, 1, "\0\0\0\2\x82", 5, "GOAWAY 1 1\n"},
        {NGHTTP2_RST_STREAM, 0, 9, "\0\0\0\0", 4, "GOAWAY 1 1\n"},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff", 4, "GOAWAY 1 3\n"},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\0", 4, "GOAWAY 1 1\n"},
    };
    for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
        struct rig rig;
        rig_open_server(&rig);
        put_headers(&rig, 1, false, POST);
        put_frame(&rig, breaches[i].type, breaches[i].flags, breaches[i].id, breaches[i].payload,
                  breaches[i].len);
        rig_send(&rig);
        const char *frames = rig_frames(&rig);
        if (strcmp(frames, breaches[i].frame) != 0)
            fail_msg("%zu: %s", i, frames);
        assert_string_equal(heard(&rig.told), "1:POST http://a/\n1:reset connection_lost\n");
        rig_leave(&rig);
        assert_int_equal(rig.reason, REASON_MALFORMED);
        stream_close(rig.streams[0], STREAM_CUT_NONE);
        rig_end(&rig);
    }
}

static void test_not_http2_at_all(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig, true);
    put(&rig, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    rig_send(&rig);
    rig_frames(&rig);
    rig_leave(&rig);
    assert_int_equal(rig.reason, REASON_MALFORMED);
    rig_end(&rig);
}

static void test_more_streams_than_were_offered(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.limits.max_streams = 2;
    rig_start(&rig, true);
    put_preface(&rig);
    rig_send(&rig);
    rig_frames(&rig);
    for (uint32_t id = 1; id <= 5; id += 2)
        put_headers(&rig, id, true, GET);
    rig_send(&rig);
    assert_int_equal(rig.n_streams, 2);
    assert_string_equal(rig_frames(&rig), "RST 5 7\n"); /* it may not know yet */
    put_frame(&rig, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
    put_headers(&rig, 7, true, GET);
    rig_send(&rig);
    assert_string_equal(rig_frames(&rig), "GOAWAY 3 1\n");
    for (int i = 0; i < 2; i++)
        stream_close(rig.streams[i], STREAM_CUT_NONE);
    rig_leave(&rig);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_without_progress),
        cmocka_unit_test(test_small_window_updates_of_an_honest_peer),
        cmocka_unit_test(test_rapid_reset_is_bounded),
        cmocka_unit_test(test_cancelling_among_answers_is_honest),
        cmocka_unit_test(test_made_you_reset),
        cmocka_unit_test(test_window_that_stays_shut),
        cmocka_unit_test(test_a_peer_that_does_not_read),
        cmocka_unit_test(test_what_is_not_waited_for),
        cmocka_unit_test(test_idle_connection_is_drained),
        cmocka_unit_test(test_breaches_end_the_connection),
        cmocka_unit_test(test_not_http2_at_all),
        cmocka_unit_test(test_more_streams_than_were_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
