/*
 * The HTTP/2 server against a peer of raw frames: how exchanges are cut, and
 * how the connection ends.
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

/* ---- resets --------------------------------------------------------------------------------- */

static void test_resets_of_the_peer(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        const char *told;
    } cases[] = {
        {NGHTTP2_CANCEL, "1:reset cancelled\n"},
        {NGHTTP2_NO_ERROR, "1:reset cancelled\n"},
        {NGHTTP2_INTERNAL_ERROR, "1:reset internal_error\n"},
        {NGHTTP2_PROTOCOL_ERROR, "1:reset protocol_error\n"},
        {NGHTTP2_REFUSED_STREAM, "1:reset refused\n"},
        {NGHTTP2_HTTP_1_1_REQUIRED, "1:reset http_1_1_required\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        rig_open_server(&rig);
        put_headers(&rig, 1, false, POST);
        rig_send(&rig);
        heard(&rig.told);
        put_number(&rig, NGHTTP2_RST_STREAM, 1, cases[i].code);
        rig_send(&rig);
        assert_string_equal(heard(&rig.told), cases[i].told);
        /* Nothing that is done with it now does harm. */
        answer(rig.streams[0], 200, false);
        assert_true(stream_send_data(rig.streams[0], SLICE_LITERAL("x"), true));
        stream_pause(rig.streams[0]);
        stream_resume(rig.streams[0]);
        assert_int_equal(codec_n_streams(rig.codec), 1);
        stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
        assert_string_equal(rig_frames(&rig), "");
        rig_end(&rig);
    }
}

static void test_resets_of_the_owner(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    /* before the head; in the body; complete but not yet sent; with a body still coming */
    for (uint32_t id = 1; id <= 7; id += 2)
        put_headers(&rig, id, id != 7, id == 7 ? POST : GET);
    rig_send(&rig);
    stream_close(rig.streams[0], STREAM_CUT_HTTP_1_1_REQUIRED);
    answer(rig.streams[1], 200, false);
    assert_non_null(strstr(rig_frames(&rig), "HEADERS 3"));
    stream_send_data(rig.streams[1], SLICE_LITERAL("x"), false);
    stream_close(rig.streams[1], STREAM_CUT_TRUNCATED);
    answer(rig.streams[2], 200, true);
    stream_close(rig.streams[2], STREAM_CUT_CANCELLED);
    answer(rig.streams[3], 200, false);
    stream_close(rig.streams[3], STREAM_CUT_INTERNAL);
    /* Those that were not framed are not sent at all: their bytes may be gone. */
    assert_string_equal(rig_frames(&rig), "RST 3 2\nRST 5 8\nRST 7 2\n");
    rig_end(&rig);
}

static void test_an_early_answer_stops_the_request(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST);
    put_headers(&rig, 3, false, POST);
    rig_send(&rig);
    heard(&rig.told);
    answer(rig.streams[0], 403, true);
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    assert_string_equal(rig_frames(&rig), "HEADERS 1 :status=403 end\nRST 1 0\n");
    answer(rig.streams[1], 403, true);
    assert_string_equal(rig_frames(&rig), "HEADERS 3 :status=403 end\n");
    put_data(&rig, 3, 10, false); /* still wanted until it is closed */
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "3:data 10\n");
    stream_close(rig.streams[1], STREAM_CUT_NONE);
    assert_string_equal(rig_frames(&rig), "RST 3 0\n");
    put_data(&rig, 1, 10, false); /* on its way meanwhile */
    put_data(&rig, 3, 10, true);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "");
    assert_string_equal(rig_frames(&rig), "");
    rig_end(&rig);
}

static void test_body_that_disagrees_with_its_length(void **state)
{
    (void)state;
    static const size_t lens[] = {4, 6};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        rig_open_server(&rig);
        put_headers(&rig, 1, false, POST "\ncontent-length=5");
        put_data(&rig, 1, lens[i], true);
        rig_send(&rig);
        const char *told = heard(&rig.told);
        assert_null(strstr(told, "end"));
        assert_non_null(strstr(told, "1:reset protocol_error\n"));
        assert_string_equal(rig_frames(&rig), "RST 1 1\n");
        stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
        rig_end(&rig);
    }
}

/* ---- the end -------------------------------------------------------------------------------- */

static void test_drain_in_two_steps(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, true, GET);
    rig_send(&rig);
    codec_drain(rig.codec);
    codec_drain(rig.codec);
    put_headers(&rig, 3, true, GET); /* was on its way */
    assert_string_equal(rig_frames(&rig), "GOAWAY 2147483647 0\nPING\n");
    rig_send(&rig); /* with the answer to PING */
    assert_int_equal(rig.n_streams, 2);
    assert_string_equal(rig_frames(&rig), "GOAWAY 3 0\n");
    put_headers(&rig, 5, true, GET);
    rig_send(&rig);
    assert_int_equal(rig.n_streams, 2);
    answer(rig.streams[0], 200, true);
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    assert_string_equal(rig_frames(&rig), "HEADERS 1 :status=200 end\n");
    assert_false(rig.is_closed);
    answer(rig.streams[1], 200, true);
    stream_close(rig.streams[1], STREAM_CUT_NONE);
    assert_string_equal(rig_frames(&rig), "HEADERS 3 :status=200 end\n");
    char byte;
    assert_int_equal(recv(rig.fds[1], &byte, 1, 0), 0); /* FIN, and our last words were read */
    assert_false(rig.is_closed);
    rig_leave(&rig);
    assert_int_equal(rig.reason, REASON_DONE);
    rig_end(&rig);
}

/* It was begun: a client that is told it was not asks for it again, and goes on with the body. */
static void test_drain_counts_what_comes_with_the_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    codec_drain(rig.codec);
    assert_string_equal(rig_frames(&rig), "GOAWAY 2147483647 0\nPING\n");
    put_headers(&rig, 1, false, POST); /* behind the answer to PING, read at once with it */
    rig_send(&rig);
    assert_string_equal(rig_frames(&rig), "GOAWAY 1 0\n");
    assert_int_equal(rig.n_streams, 1);
    heard(&rig.told);
    put_data(&rig, 1, 10, true);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "1:data 10 end\n");
    answer(rig.streams[0], 200, true);
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    assert_string_equal(rig_frames(&rig), "HEADERS 1 :status=200 end\n");
    rig_leave(&rig);
    assert_int_equal(rig.reason, REASON_DONE);
    rig_end(&rig);
}

static void test_idle_drain_without_an_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    codec_drain(rig.codec);
    assert_string_equal(rig_frames(&rig), "GOAWAY 2147483647 0\nPING\n");
    rig.from_peer.end = rig.from_peer.start; /* it is not answered */
    while (!rig.is_closed)
        rig_once(&rig, EVLOOP_ONCE);
    assert_string_equal(rig_frames(&rig), "GOAWAY 0 0\n");
    assert_int_equal(rig.reason, REASON_DONE);
    rig_end(&rig);
}

static void test_peer_goes_with_streams_open(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST);
    put_headers(&rig, 3, true, GET);
    rig_send(&rig);
    heard(&rig.told);
    answer(rig.streams[1], 200, false);
    shutdown(rig.fds[1], SHUT_RDWR);
    rig_turn(&rig);
    assert_true(rig.is_closed);
    assert_int_equal(rig.reason, REASON_CLIENT_RESET);
    assert_string_equal(heard(&rig.told), "1:reset connection_lost\n3:reset connection_lost\n");
    /* The connection is gone, and its streams are good until they are closed. */
    stream_resume(rig.streams[0]);
    rig_turn(&rig);
    assert_true(stream_send_data(rig.streams[1], SLICE_LITERAL("x"), true));
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    stream_close(rig.streams[1], STREAM_CUT_CANCELLED);
    rig_end(&rig);
}

static void test_what_came_whole_is_still_told(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST);
    rig_send(&rig);
    stream_pause(rig.streams[0]);
    answer(rig.streams[0], 200, true);
    rig_turn(&rig);
    put_data(&rig, 1, 9, true);
    rig_send(&rig);
    heard(&rig.told);
    shutdown(rig.fds[1], SHUT_RDWR);
    rig_turn(&rig);
    assert_true(rig.is_closed);
    assert_string_equal(heard(&rig.told), "");
    stream_resume(rig.streams[0]);
    rig_turn(&rig);
    assert_string_equal(heard(&rig.told), "1:data 9 end\n");
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    rig_end(&rig);
}

static void close_inside(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    struct rig *rig = owner;
    on_request(owner, stream, head, is_end);
    codec_close(rig->codec, REASON_DRAINED);
}

static void test_closed_from_inside_an_event(void **state)
{
    (void)state;
    static const struct codec_events events = {close_inside, on_room, on_closed};
    struct rig rig;
    rig_open_server(&rig);
    rig.codec->events = &events;
    put_headers(&rig, 1, true, GET);
    put_headers(&rig, 3, true, GET);
    rig_send(&rig);
    assert_true(rig.is_closed);
    assert_int_equal(rig.reason, REASON_DRAINED);
    assert_int_equal(rig.n_streams, 1);
    assert_string_equal(heard(&rig.told), "1:GET http://a/ end\n1:reset connection_lost\n");
    stream_close(rig.streams[0], STREAM_CUT_NONE);
    rig_end(&rig);
}

static void test_freed_with_streams_open(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, true, GET);
    rig_send(&rig);
    heard(&rig.told);
    codec_free(rig.codec);
    rig.codec = NULL;
    rig_turn(&rig);
    assert_false(rig.is_closed); /* nobody is told */
    assert_string_equal(heard(&rig.told), "");
    stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
    rig_turn(&rig);
    rig.is_closed = true;
    rig_end(&rig);
}

static void test_last_words_of_a_close(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    codec_close(rig.codec, REASON_DRAINED);
    assert_true(rig.is_closed);
    assert_int_equal(rig.reason, REASON_DRAINED);
    assert_string_equal(rig_frames(&rig), "GOAWAY 0 0\n");
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resets_of_the_peer),
        cmocka_unit_test(test_resets_of_the_owner),
        cmocka_unit_test(test_an_early_answer_stops_the_request),
        cmocka_unit_test(test_body_that_disagrees_with_its_length),
        cmocka_unit_test(test_drain_in_two_steps),
        cmocka_unit_test(test_drain_counts_what_comes_with_the_answer),
        cmocka_unit_test(test_idle_drain_without_an_answer),
        cmocka_unit_test(test_peer_goes_with_streams_open),
        cmocka_unit_test(test_what_came_whole_is_still_told),
        cmocka_unit_test(test_closed_from_inside_an_event),
        cmocka_unit_test(test_freed_with_streams_open),
        cmocka_unit_test(test_last_words_of_a_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
