/*
 * Hostile servers: what the HTTP/2 client does about answers that are malformed or have no end.
 */
#include "h2_asked.h"

static void test_malformed_answers(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "x=y",
        ":status=",
        ":status=20",
        ":status=2000",
        ":status=99",
        ":status=600",
        ":status=101",
        ":status=+20",
        ":status=200\n:status=200",
        ":status=200\n:path=/",
        "x=y\n:status=200",
        ":status=200\nconnection=close",
        ":status=200\ntransfer-encoding=chunked",
        ":status=200\nte=trailers",
        ":status=200\nX=y",
        ":status=200\nx=\x01",
        ":status=200\ncontent-length=-1",
        ":status=200\ncontent-length=1\ncontent-length=2",
        ":status=200\ncontent-length=5",
        ":status=103", /* and END_STREAM */
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct asked asked;
        struct rig *rig = &asked.rig;
        open_client(&asked);
        struct stream *stream = ask(&asked, true);
        rig_frames(rig);
        put_headers(rig, 1, true, answers[i]);
        rig_send(rig);
        const char *told = heard(&rig->told);
        if (strcmp(told, "1:reset protocol_error\n") != 0)
            fail_msg("%s -> %s", answers[i], told);
        assert_string_equal(rig_frames(rig), "RST 1 1\n");
        stream_close(stream, STREAM_CUT_NONE);
        close_client(&asked);
    }
}

static void test_answers_without_end(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    rig->limits.h1.head_bytes = 200;
    struct stream *large = ask(&asked, true), *informed = ask(&asked, true);
    rig_frames(rig);
    put_headers(rig, 1, false, ":status=200\na=b\nc=d\ne=f\ng=h\ni=j");
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "1:reset too_large\n");
    assert_string_equal(rig_frames(rig), "RST 1 11\n");
    for (int i = 0; i < 40; i++)
        put_headers(rig, 3, false, ":status=103");
    rig_send(rig);
    assert_non_null(strstr(heard(&rig->told), "3:103\n3:reset protocol_error\n"));
    stream_close(large, STREAM_CUT_NONE);
    stream_close(informed, STREAM_CUT_NONE);
    close_client(&asked);
}

static void test_body_that_disagrees_with_its_length(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    struct stream *stream = ask(&asked, true);
    rig_frames(rig);
    put_headers(rig, 1, false, ":status=200\ncontent-length=5");
    put_data(rig, 1, 4, true);
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "1:200 length=5\n1:data 4\n1:reset protocol_error\n");
    stream_close(stream, STREAM_CUT_NONE);
    close_client(&asked);
}

static void test_breaches_and_floods(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    for (int what = 0; what < 3; what++) {
        open_client(&asked);
        struct stream *stream = ask(&asked, true);
        rig_frames(rig);
        if (what == 0)
            put_frame(rig, NGHTTP2_PUSH_PROMISE, 4, 1, "\0\0\0\2\x82", 5);
        for (int i = 0; what == 1 && i < 250; i++)
            put_frame(rig, NGHTTP2_PING, 0, 0, "12345678", 8);
        for (int i = 0; what == 2 && i < 250; i++)
            put_number(rig, NGHTTP2_WINDOW_UPDATE, 1, 1);
        rig_send(rig);
        assert_string_equal(heard(&rig->told), "1:reset connection_lost\n");
        assert_non_null(strstr(rig_frames(rig), what ? "GOAWAY 0 11\n" : "GOAWAY 0 1\n"));
        rig_leave(rig);
        assert_int_equal(rig->reason, what ? REASON_GLITCHES : REASON_MALFORMED);
        stream_close(stream, STREAM_CUT_NONE);
        close_client(&asked);
    }
}

static void test_a_server_that_says_nothing(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    asked_init(&asked);
    rig->limits.head_timeout_ms = 30;
    rig_start(rig, false);
    struct stream *stream = ask(&asked, true);
    rig_turn(rig);
    while (rig->told.len == 0)
        rig_once(rig, EVLOOP_ONCE);
    assert_string_equal(heard(&rig->told), "1:reset connection_lost\n");
    stream_close(stream, STREAM_CUT_NONE);
    rig_leave(rig);
    assert_int_equal(rig->reason, REASON_MALFORMED);
    close_client(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_answers),
        cmocka_unit_test(test_answers_without_end),
        cmocka_unit_test(test_body_that_disagrees_with_its_length),
        cmocka_unit_test(test_breaches_and_floods),
        cmocka_unit_test(test_a_server_that_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
