/*
 * The HTTP/2 client against a server of raw frames.
 */
#include "h2_rig.h"

struct asked {
    struct rig rig;
    struct arena arena;
    struct head head;
};

static void asked_init(struct asked *asked)
{
    *asked = (struct asked){0};
    rig_init(&asked->rig);
    head_init(&asked->head, &asked->arena);
    asked->head.method = SLICE_LITERAL("GET");
    asked->head.authority = SLICE_LITERAL("a");
    asked->head.path = SLICE_LITERAL("/");
}

static void open_client(struct asked *asked)
{
    asked_init(asked);
    rig_start(&asked->rig, false);
    put_frame(&asked->rig, NGHTTP2_SETTINGS, 0, 0, "", 0);
    put_frame(&asked->rig, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
    rig_send(&asked->rig);
    rig_frames(&asked->rig);
    heard(&asked->rig.told);
}

static void close_client(struct asked *asked)
{
    rig_end(&asked->rig);
    arena_fini(&asked->arena);
}

static struct stream *ask(struct asked *asked, bool is_end)
{
    struct stream *stream =
        codec_open(asked->rig.codec, &asked->head, is_end, &recorder, &asked->rig);
    assert_non_null(stream);
    return stream;
}

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

/* ---- hostile servers ------------------------------------------------------------------------ */

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
        cmocka_unit_test(test_request_and_answer),
        cmocka_unit_test(test_answers_without_a_body),
        cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_a_complete_answer_before_the_request_has_ended),
        cmocka_unit_test(test_closed_by_the_owner),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_limit_lowered_in_between),
        cmocka_unit_test(test_goaway),
        cmocka_unit_test(test_goaway_crosses_a_request),
        cmocka_unit_test(test_resets_of_the_peer),
        cmocka_unit_test(test_connection_is_lost),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_malformed_answers),
        cmocka_unit_test(test_answers_without_end),
        cmocka_unit_test(test_body_that_disagrees_with_its_length),
        cmocka_unit_test(test_breaches_and_floods),
        cmocka_unit_test(test_a_server_that_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
