/*
 * The HTTP/2 client against a server of raw frames.
 */
#include "h2_asked.h"

#define GET_1 "HEADERS 1 :method=GET :scheme=http :path=/ :authority=a end\n"

/* ---- exchanges ------------------------------------------------------------------------------ */

static void test_request_and_answer(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    asked.head.content_length = 3;
    assert_true(head_add_id(&asked.head, FIELD_TE, SLICE_LITERAL("trailers")));
    assert_true(head_add(&asked.head, SLICE_LITERAL("x-own"), SLICE_LITERAL("1")));
    struct stream *stream = ask(&asked, false);
    assert_true(stream_send_data(stream, SLICE_LITERAL("abc"), true));
    assert_string_equal(rig_frames(rig), "HEADERS 1 :method=GET :scheme=http :path=/ :authority=a "
                                         "content-length=3 te=trailers x-own=1\nDATA 1 3 end\n");
    put_headers(rig, 1, false, ":status=103\nlink=x");
    put_headers(rig, 1, false, ":status=200\ncontent-length=5\nhost=b");
    put_data(rig, 1, 5, false);
    put_headers(rig, 1, true, "grpc-status=0");
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "1:103 link=x\n1:200 length=5\n1:data 5\n"
                                           "1:trailers grpc-status=0 end\n");
    assert_true(stream->is_sent && stream->is_received);
    stream_close(stream, STREAM_CUT_NONE);
    assert_string_equal(rig_frames(rig), "");
    assert_int_equal(codec_n_streams(rig->codec), 0);
    close_client(&asked);
}

static void test_answers_without_a_body(void **state)
{
    (void)state;
    static const struct {
        const char *method, *answer, *told;
    } cases[] = {
        {"HEAD", ":status=200\ncontent-length=5", "200 length=5 end\n"},
        {"GET", ":status=304\ncontent-length=5", "304 length=5 end\n"},
        {"GET", ":status=204", "204 end\n"},
        {"GET", ":status=200", "200 end\n"},
    };
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    for (uint32_t i = 0; i < 4; i++) {
        char told[64];
        asked.head.method = slice_str(cases[i].method);
        struct stream *stream = ask(&asked, true);
        rig_frames(rig);
        put_headers(rig, 2 * i + 1, true, cases[i].answer);
        rig_send(rig);
        snprintf(told, sizeof(told), "%u:%s", 2 * i + 1, cases[i].told);
        assert_string_equal(heard(&rig->told), told);
        stream_close(stream, STREAM_CUT_NONE);
    }
    assert_string_equal(rig_frames(rig), "");
    close_client(&asked);
}

static void test_upgrades(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    asked.head.upgrade = SLICE_LITERAL("websocket");
    /* Not towards who has not said that it understands (RFC 8441 3). */
    assert_null(codec_open(rig->codec, &asked.head, false, &recorder, rig));
    put_setting(rig, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
    rig_send(rig);
    struct stream *stream = ask(&asked, false);
    assert_string_equal(rig_frames(rig),
                        "HEADERS 1 :method=CONNECT :protocol=websocket :scheme=http :path=/ "
                        ":authority=a\n");
    put_headers(rig, 1, false, ":status=200");
    put_data(rig, 1, 2, false);
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "1:101 upgrade=websocket\n1:data 2\n");
    assert_true(stream_send_data(stream, SLICE_LITERAL("xyz"), false));
    assert_string_equal(rig_frames(rig), "DATA 1 3\n");
    stream_close(stream, STREAM_CUT_CANCELLED);
    asked.head.upgrade = slice_of("", 0);
    asked.head.method = SLICE_LITERAL("CONNECT");
    asked.head.path = slice_of("", 0);
    stream = ask(&asked, false);
    assert_string_equal(rig_frames(rig), "RST 1 8\nHEADERS 3 :method=CONNECT :authority=a\n");
    stream_close(stream, STREAM_CUT_CANCELLED);
    close_client(&asked);
}

static void test_a_complete_answer_before_the_request_has_ended(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    struct stream *stream = ask(&asked, false);
    rig_frames(rig);
    put_headers(rig, 1, false, ":status=413");
    put_data(rig, 1, 2, true);
    put_number(rig, NGHTTP2_RST_STREAM, 1, NGHTTP2_NO_ERROR);
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "1:413\n1:data 2 end\n1:reset none\n");
    assert_true(stream_send_data(stream, SLICE_LITERAL("x"), true));
    stream_close(stream, STREAM_CUT_NONE);
    assert_string_equal(rig_frames(rig), "");
    close_client(&asked);
}

static void test_closed_by_the_owner(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    /* Before it was sent: it never is, and its bytes may be gone. */
    char path[] = "/gone";
    asked.head.path = slice_str(path);
    struct stream *stream = ask(&asked, false);
    stream_close(stream, STREAM_CUT_CANCELLED);
    memset(path, '\n', sizeof(path));
    assert_string_equal(rig_frames(rig), "");
    asked.head.path = SLICE_LITERAL("/");
    stream = ask(&asked, true);
    rig_frames(rig);
    stream_close(stream, STREAM_CUT_NONE); /* an answer was still to come */
    assert_string_equal(rig_frames(rig), "RST 3 8\n");
    assert_int_equal(codec_room(rig->codec), 100);
    close_client(&asked);
}

/* ---- room ----------------------------------------------------------------------------------- */

static unsigned n_room_told;
static void note_room(void *owner)
{
    (void)owner;
    n_room_told++;
}
static const struct codec_events room_events = {.on_room = note_room, .on_closed = on_closed};

static void test_room(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    asked_init(&asked);
    rig_start(rig, false);
    rig->codec->events = &room_events;
    assert_int_equal(codec_room(rig->codec), 100); /* before anything was said */
    put_setting(rig, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2);
    n_room_told = 0;
    rig_send(rig);
    assert_int_equal(n_room_told, 1);
    assert_int_equal(codec_room(rig->codec), 2);
    struct stream *first = ask(&asked, true), *second = ask(&asked, true);
    assert_int_equal(codec_room(rig->codec), 0);
    assert_null(codec_open(rig->codec, &asked.head, true, &recorder, rig));
    rig_frames(rig);
    n_room_told = 0;
    put_headers(rig, 1, true, ":status=200");
    rig_send(rig);
    assert_int_equal(n_room_told, 1);
    assert_int_equal(codec_room(rig->codec), 1);
    stream_close(first, STREAM_CUT_NONE);
    put_setting(rig, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000);
    rig_send(rig);
    assert_int_equal(codec_room(rig->codec), 99); /* ours is the lower one */
    n_room_told = 0;
    stream_close(second, STREAM_CUT_CANCELLED);
    rig_turn(rig);
    assert_in_range(n_room_told, 1, 2);
    codec_drain(rig->codec);
    assert_int_equal(codec_room(rig->codec), 0);
    rig_turn(rig);
    rig_leave(rig);
    close_client(&asked);
}

/* Whose answer is not taken must not keep others waiting behind it. */
static void test_no_room_beside_answers_that_are_not_taken(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    asked_init(&asked);
    rig->limits.connection_window_bytes = 70000;
    rig_start(rig, false);
    rig->codec->events = &room_events;
    put_frame(rig, NGHTTP2_SETTINGS, 0, 0, "", 0);
    struct stream *slow = ask(&asked, true);
    stream_pause(slow);
    rig_send(rig);
    put_headers(rig, 1, false, ":status=200");
    for (int i = 0; i < 35; i++)
        put_data(rig, 1, 1000, false);
    rig_send(rig);
    assert_int_equal(codec_room(rig->codec), 99);
    put_data(rig, 1, 1000, false);
    rig_send(rig);
    assert_int_equal(codec_room(rig->codec), 0);
    n_room_told = 0;
    stream_resume(slow);
    rig_turn(rig);
    assert_int_equal(n_room_told, 1);
    assert_int_equal(codec_room(rig->codec), 99);
    stream_close(slow, STREAM_CUT_CANCELLED);
    rig_turn(rig);
    rig_leave(rig);
    close_client(&asked);
}

/* The peer lowers its limit while a request waits to be framed: it goes when there is room. */
static void test_limit_lowered_in_between(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    struct stream *first = ask(&asked, true);
    rig_frames(rig);
    put_setting(rig, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    send(rig->fds[1], buf_slice(&rig->from_peer).ptr, buf_len(&rig->from_peer), 0);
    buf_consume(&rig->from_peer, buf_len(&rig->from_peer));
    struct stream *second = ask(&asked, true);
    event_base_loop(rig->base, EVLOOP_NONBLOCK); /* SETTINGS are read before the turn ends */
    assert_string_equal(rig_frames(rig), "");
    put_headers(rig, 1, true, ":status=200");
    rig_send(rig);
    assert_non_null(strstr(rig_frames(rig), "HEADERS 3 "));
    stream_close(first, STREAM_CUT_NONE);
    stream_close(second, STREAM_CUT_CANCELLED);
    close_client(&asked);
}

/* ---- the peer goes -------------------------------------------------------------------------- */

static void put_goaway(struct rig *rig, uint32_t last, uint32_t error)
{
    uint8_t bytes[8] = {0, 0, 0, (uint8_t)last, 0, 0, 0, (uint8_t)error};
    put_frame(rig, NGHTTP2_GOAWAY, 0, 0, bytes, 8);
}

static void test_goaway(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    struct stream *streams[3];
    open_client(&asked);
    for (int i = 0; i < 3; i++)
        streams[i] = ask(&asked, true);
    rig_frames(rig);
    put_goaway(rig, 0x7f, 0); /* the first step of a drain */
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "");
    assert_int_equal(codec_room(rig->codec), 0);
    put_goaway(rig, 3, 0);
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "5:reset refused unprocessed\n");
    stream_close(streams[2], STREAM_CUT_NONE);
    put_headers(rig, 1, true, ":status=200");
    put_headers(rig, 3, true, ":status=200");
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "1:200 end\n3:200 end\n");
    assert_false(rig->is_closed);
    stream_close(streams[0], STREAM_CUT_NONE);
    stream_close(streams[1], STREAM_CUT_NONE);
    rig_turn(rig);
    rig_leave(rig);
    assert_int_equal(rig->reason, REASON_DONE);
    close_client(&asked);
}

/* GOAWAY is read in the turn in which a request was made: it has not left and never does. */
static void test_goaway_crosses_a_request(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    struct stream *first = ask(&asked, true);
    rig_frames(rig);
    put_goaway(rig, 1, 0);
    send(rig->fds[1], buf_slice(&rig->from_peer).ptr, buf_len(&rig->from_peer), 0);
    buf_consume(&rig->from_peer, buf_len(&rig->from_peer));
    struct stream *second = ask(&asked, true);
    event_base_loop(rig->base, EVLOOP_NONBLOCK);
    rig_turn(rig);
    assert_string_equal(heard(&rig->told), "3:reset refused unprocessed\n");
    stream_close(second, STREAM_CUT_NONE);
    assert_string_equal(rig_frames(rig), "");
    put_headers(rig, 1, true, ":status=200");
    rig_send(rig);
    stream_close(first, STREAM_CUT_NONE);
    rig_turn(rig);
    rig_leave(rig);
    close_client(&asked);
}

static void test_resets_of_the_peer(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    struct stream *streams[4];
    open_client(&asked);
    for (int i = 0; i < 4; i++)
        streams[i] = ask(&asked, true);
    rig_frames(rig);
    put_number(rig, NGHTTP2_RST_STREAM, 1, NGHTTP2_REFUSED_STREAM);
    put_headers(rig, 3, false, ":status=200");
    put_number(rig, NGHTTP2_RST_STREAM, 3, NGHTTP2_REFUSED_STREAM);
    put_number(rig, NGHTTP2_RST_STREAM, 5, NGHTTP2_HTTP_1_1_REQUIRED);
    put_number(rig, NGHTTP2_RST_STREAM, 7, NGHTTP2_NO_ERROR);
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "3:200\n1:reset refused unprocessed\n3:reset refused\n"
                                           "5:reset http_1_1_required\n7:reset cancelled\n");
    for (int i = 0; i < 4; i++)
        stream_close(streams[i], STREAM_CUT_NONE);
    close_client(&asked);
}

static void test_connection_is_lost(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    struct stream *first = ask(&asked, true);
    rig_frames(rig);
    shutdown(rig->fds[1], SHUT_WR);
    struct stream *second = ask(&asked, true);
    event_base_loop(rig->base, EVLOOP_NONBLOCK);
    assert_string_equal(heard(&rig->told),
                        "1:reset connection_lost\n3:reset connection_lost unprocessed\n");
    assert_true(rig->is_closed);
    assert_int_equal(rig->reason, REASON_SERVER_RESET);
    stream_close(first, STREAM_CUT_NONE);
    stream_close(second, STREAM_CUT_NONE);
    close_client(&asked);
}

static void test_drain(void **state)
{
    (void)state;
    struct asked asked;
    struct rig *rig = &asked.rig;
    open_client(&asked);
    struct stream *stream = ask(&asked, true);
    rig_turn(rig);
    codec_drain(rig->codec);
    assert_string_equal(rig_frames(rig), GET_1 "GOAWAY 0 0\n");
    put_headers(rig, 1, true, ":status=200");
    rig_send(rig);
    assert_string_equal(heard(&rig->told), "1:200 end\n");
    rig_turn(rig);
    assert_false(rig->is_closed);
    stream_close(stream, STREAM_CUT_NONE);
    rig_turn(rig);
    rig_leave(rig);
    assert_int_equal(rig->reason, REASON_DONE);
    close_client(&asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_answer),
        cmocka_unit_test(test_answers_without_a_body),
        cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_a_complete_answer_before_the_request_has_ended),
        cmocka_unit_test(test_closed_by_the_owner),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_no_room_beside_answers_that_are_not_taken),
        cmocka_unit_test(test_limit_lowered_in_between),
        cmocka_unit_test(test_goaway),
        cmocka_unit_test(test_goaway_crosses_a_request),
        cmocka_unit_test(test_resets_of_the_peer),
        cmocka_unit_test(test_connection_is_lost),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
