/*
 * The HTTP/2 server against a peer of raw frames: exchanges and flow control.
 */
#include "h2_rig.h"

static struct head head_of(struct stream *stream, uint16_t status)
{
    struct head head;
    head_init(&head, &stream->arena);
    head.status = status;
    return head;
}

static void answer(struct stream *stream, uint16_t status, bool is_end)
{
    struct head head = head_of(stream, status);
    assert_true(stream_send_head(stream, &head, is_end));
}

/* ---- exchanges ------------------------------------------------------------------------------ */

static void test_request_and_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, true, GET "x?y=1\nuser-agent=me\ncookie=a=1\nx-own=v\ncookie=b=2");
    rig_send(&rig);
    assert_string_equal(heard(&rig.told),
                        "1:GET http://a/x?y=1 user-agent=me cookie=a=1; b=2 x-own=v end\n");
    struct stream *stream = rig.streams[0];
    assert_true(stream->is_received);
    struct head head = head_of(stream, 200);
    head.content_length = 5;
    assert_true(head_add(&head, SLICE_LITERAL("x-back"), SLICE_LITERAL("1")));
    assert_true(stream_send_head(stream, &head, false));
    assert_true(stream_send_data(stream, SLICE_LITERAL("hello"), true));
    assert_true(stream->is_sent);
    stream_close(stream, STREAM_CUT_NONE);
    assert_int_equal(codec_n_streams(rig.codec), 0);
    assert_string_equal(rig_frames(&rig),
                        "HEADERS 1 :status=200 content-length=5 x-back=1\nDATA 1 5 end\n");
    rig_end(&rig);
}

static void test_the_end_comes_with_the_last_bytes(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST "\ncontent-length=30");
    put_data(&rig, 1, 10, false);
    put_data(&rig, 1, 20, true);
    put_headers(&rig, 3, false, POST);
    put_data(&rig, 3, 0, true);
    put_headers(&rig, 5, false, POST);
    put_frame(&rig, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_END_STREAM, 5, "\3abcdPPP", 8);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "1:POST http://a/ length=30\n"
                                          "1:data 10\n1:data 20 end\n"
                                          "3:POST http://a/\n3:data 0 end\n"
                                          "5:POST http://a/\n5:data 4\n5:data 0 end\n");
    for (int i = 0; i < 3; i++) {
        answer(rig.streams[i], 204, true);
        stream_close(rig.streams[i], STREAM_CUT_NONE);
    }
    assert_string_equal(rig_frames(&rig), "HEADERS 1 :status=204 end\nHEADERS 3 :status=204 end\n"
                                          "HEADERS 5 :status=204 end\n");
    rig_end(&rig);
}

static void test_trailers(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST "\nte=trailers");
    put_data(&rig, 1, 4, false);
    put_headers(&rig, 1, true, "x-sum=9\nx-forwarded-for=1.2.3.4");
    rig_send(&rig);
    assert_string_equal(heard(&rig.told),
                        "1:POST http://a/ te=trailers\n1:data 4\n1:trailers x-sum=9 end\n");
    struct head trailers = head_of(rig.streams[0], 0);
    char value[] = "0"; /* gone before it is sent */
    assert_true(head_add_id(&trailers, FIELD_GRPC_STATUS, slice_str(value)));
    answer(rig.streams[0], 200, false);
    stream_send_data(rig.streams[0], SLICE_LITERAL("abc"), false);
    assert_true(stream_send_trailers(rig.streams[0], &trailers));
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    value[0] = '?';
    assert_string_equal(rig_frames(&rig),
                        "HEADERS 1 :status=200\nDATA 1 3\nHEADERS 1 grpc-status=0 end\n");
    /* No data, and trailers that are none. */
    put_headers(&rig, 3, true, GET);
    put_headers(&rig, 5, true, GET);
    rig_send(&rig);
    heard(&rig.told);
    answer(rig.streams[1], 200, false);
    trailers = head_of(rig.streams[1], 0);
    assert_true(head_add_id(&trailers, FIELD_GRPC_STATUS, SLICE_LITERAL("5")));
    assert_true(stream_send_trailers(rig.streams[1], &trailers));
    answer(rig.streams[2], 200, false);
    trailers = head_of(rig.streams[2], 0);
    assert_true(stream_send_trailers(rig.streams[2], &trailers));
    stream_close(rig.streams[1], STREAM_CUT_NONE);
    stream_close(rig.streams[2], STREAM_CUT_NONE);
    assert_string_equal(rig_frames(&rig), "HEADERS 3 :status=200\nHEADERS 5 :status=200\n"
                                          "HEADERS 3 grpc-status=5 end\nDATA 5 0 end\n");
    rig_end(&rig);
}

static void test_informational_heads(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST "\nexpect=100-continue");
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "1:POST http://a/ expect=100-continue\n");
    answer(rig.streams[0], 100, false);
    assert_string_equal(rig_frames(&rig), "HEADERS 1 :status=100\n");
    put_data(&rig, 1, 1, true);
    rig_send(&rig);
    answer(rig.streams[0], 103, false);
    answer(rig.streams[0], 200, true);
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    assert_string_equal(rig_frames(&rig), "HEADERS 1 :status=103\nHEADERS 1 :status=200 end\n");
    rig_end(&rig);
}

static void test_tunnels(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false,
                ":method=CONNECT\n:protocol=websocket\n:scheme=http\n:path=/chat\n:authority=a");
    put_headers(&rig, 3, false, ":method=CONNECT\n:authority=a:1");
    put_data(&rig, 3, 2, false);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "1:GET http://a/chat upgrade=websocket\n"
                                          "3:CONNECT ://a:1\n3:data 2\n");
    answer(rig.streams[0], 101, false);
    stream_send_data(rig.streams[0], SLICE_LITERAL("ws"), false);
    answer(rig.streams[1], 200, false);
    assert_string_equal(rig_frames(&rig),
                        "HEADERS 1 :status=200\nHEADERS 3 :status=200\nDATA 1 2\n");
    put_data(&rig, 1, 7, true);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "1:data 7 end\n");
    stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
    stream_close(rig.streams[1], STREAM_CUT_CANCELLED);
    assert_string_equal(rig_frames(&rig), "RST 1 8\nRST 3 8\n");
    /* A server that knows nothing of the upgrade has not agreed to it. */
    put_headers(&rig, 5, false,
                ":method=CONNECT\n:protocol=websocket\n:scheme=http\n:path=/chat\n:authority=a");
    rig_send(&rig);
    struct head head = head_of(rig.streams[2], 200);
    assert_false(stream_send_head(rig.streams[2], &head, false));
    stream_close(rig.streams[2], STREAM_CUT_INTERNAL);
    assert_string_equal(rig_frames(&rig), "RST 5 2\n");
    rig_end(&rig);
}

static void test_heads_that_cannot_be_sent(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, true, GET);
    rig_send(&rig);
    static const uint16_t statuses[] = {0, 99, 101, 600};
    for (size_t i = 0; i < 4; i++) {
        struct head head = head_of(rig.streams[0], statuses[i]);
        assert_false(stream_send_head(rig.streams[0], &head, true));
    }
    answer(rig.streams[0], 200, false);
    struct head again = head_of(rig.streams[0], 200);
    assert_false(stream_send_head(rig.streams[0], &again, true));
    stream_close(rig.streams[0], STREAM_CUT_INTERNAL);
    assert_string_equal(rig_frames(&rig), "RST 1 2\n");
    rig_end(&rig);
}

/* ---- flow control --------------------------------------------------------------------------- */

static void test_pause_withholds_the_window(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST);
    rig_send(&rig);
    stream_pause(rig.streams[0]);
    for (int i = 0; i < 4; i++)
        put_data(&rig, 1, 16000, i == 3);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "1:POST http://a/\n");
    assert_string_equal(rig_frames(&rig), "");
    stream_resume(rig.streams[0]);
    assert_string_equal(heard(&rig.told), ""); /* nothing from inside an operation */
    rig_turn(&rig);
    const char *told = heard(&rig.told);
    assert_non_null(strstr(told, " end\n"));
    assert_true(rig.streams[0]->is_received);
    stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
    rig_end(&rig);
}

static void test_the_window_opens_as_data_is_taken(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST);
    for (int i = 0; i < 4; i++)
        put_data(&rig, 1, 16000, false);
    rig_send(&rig);
    const char *frames = rig_frames(&rig);
    /* What was taken shows that more may come: from 65,535 to 256 KiB. */
    assert_non_null(strstr(frames, "WINDOW 1 196609\n"));
    /* One that is not taken is not given back; the others on the connection do not suffer. */
    put_headers(&rig, 3, false, POST);
    rig_send(&rig);
    stream_pause(rig.streams[1]);
    for (int i = 0; i < 4; i++)
        put_data(&rig, 3, 16000, false);
    for (int i = 0; i < 64; i++)
        put_data(&rig, 1, 16000, false);
    rig_send(&rig);
    frames = rig_frames(&rig);
    assert_null(strstr(frames, "WINDOW 3"));
    assert_non_null(strstr(frames, "WINDOW 1 "));
    assert_non_null(strstr(frames, "WINDOW 0 "));
    heard(&rig.told);
    stream_resume(rig.streams[1]);
    assert_non_null(strstr(rig_frames(&rig), "WINDOW 3 64000"));
    stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
    stream_close(rig.streams[1], STREAM_CUT_CANCELLED);
    rig_end(&rig);
}

static size_t window_returned(const char *frames)
{
    size_t returned = 0;
    for (const char *at = frames; (at = strstr(at, "WINDOW 0 ")); at++)
        returned += strtoul(at + 9, NULL, 10);
    return returned;
}

static void test_what_is_held_is_bounded(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    rig.limits.connection_window_bytes =
        66000; /* eight of them may be held; it opens at half of 1 MiB */
    for (uint32_t id = 1; id <= 31; id += 2)
        put_headers(&rig, id, false, POST);
    rig_send(&rig);
    for (int i = 0; i < 16; i++)
        stream_pause(rig.streams[i]);
    rig_frames(&rig);
    for (int round = 0; round < 4; round++)
        for (uint32_t id = 1; id <= 31; id += 2)
            put_data(&rig, id, 16000, false);
    rig_send(&rig);
    assert_in_range(window_returned(rig_frames(&rig)), 524288, 8 * 66000);
    for (int i = 0; i < 16; i++)
        stream_resume(rig.streams[i]);
    assert_non_null(strstr(rig_frames(&rig), "WINDOW 31 64000"));
    for (int i = 0; i < 4; i++)
        put_data(&rig, 1, 16000, false);
    rig_send(&rig);
    assert_in_range(window_returned(rig_frames(&rig)), 524288, 1024 * 1024);
    for (int i = 0; i < 16; i++)
        stream_close(rig.streams[i], STREAM_CUT_CANCELLED);
    rig_end(&rig);
}

static void test_the_peers_window_is_kept(void **state)
{
    (void)state;
    struct rig rig;
    char bytes[70000] = {0};
    rig_open_server(&rig);
    put_setting(&rig, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000);
    put_number(&rig, NGHTTP2_WINDOW_UPDATE, 0, 1000000);
    put_headers(&rig, 1, true, GET);
    rig_send(&rig);
    heard(&rig.told);
    answer(rig.streams[0], 200, false);
    assert_true(stream_send_data(rig.streams[0], slice_of(bytes, 50000), false));
    assert_false(stream_send_data(rig.streams[0], slice_of(bytes, 20000), false));
    assert_string_equal(rig_frames(&rig), "HEADERS 1 :status=200\nDATA 1 1000\n");
    put_number(&rig, NGHTTP2_WINDOW_UPDATE, 1, 50000);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), ""); /* 19000 wait: above a quarter of the high mark */
    put_number(&rig, NGHTTP2_WINDOW_UPDATE, 1, 10000);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "1:drained\n");
    assert_true(stream_send_data(rig.streams[0], slice_of(bytes, 100), true));
    put_number(&rig, NGHTTP2_WINDOW_UPDATE, 1, 50000);
    rig_send(&rig);
    assert_non_null(strstr(rig_frames(&rig), " end\n"));
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    rig_end(&rig);
}

static void test_trailers_come_behind_what_is_held(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST);
    rig_send(&rig);
    heard(&rig.told);
    stream_pause(rig.streams[0]);
    put_data(&rig, 1, 5, false);
    put_headers(&rig, 1, true, "x-sum=9");
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "");
    stream_resume(rig.streams[0]);
    rig_turn(&rig);
    assert_string_equal(heard(&rig.told), "1:data 5\n1:trailers x-sum=9 end\n");
    stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_answer),
        cmocka_unit_test(test_the_end_comes_with_the_last_bytes),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_informational_heads),
        cmocka_unit_test(test_tunnels),
        cmocka_unit_test(test_heads_that_cannot_be_sent),
        cmocka_unit_test(test_pause_withholds_the_window),
        cmocka_unit_test(test_the_window_opens_as_data_is_taken),
        cmocka_unit_test(test_what_is_held_is_bounded),
        cmocka_unit_test(test_the_peers_window_is_kept),
        cmocka_unit_test(test_trailers_come_behind_what_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
