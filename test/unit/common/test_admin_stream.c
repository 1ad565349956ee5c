/* common/admin_http.c: answers without end. */
#include "test/unit/common/admin_client.h"

struct fixture {
    struct admin_scene scene;
    struct admin_request *stream;
    size_t n_gone, n_refused;
};

static void on_gone(void *context)
{
    struct fixture *f = context;
    f->n_gone++;
    f->stream = NULL;
}

static void serve_tap(struct admin_request *request, void *context)
{
    struct fixture *f = context;
    if (admin_reply_start(request, "application/x-ndjson", on_gone, f))
        f->stream = request;
    else
        f->n_refused++;
}

static const struct admin_page pages[] = {{"/tap", "GET", false, "", serve_tap}};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    scene_open(&f->scene, pages, 1, f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    scene_close(&f->scene);
    free(f);
    return 0;
}

#define TAP "GET /tap HTTP/1.1\r\nHost: localhost\r\n\r\n"

static int open_stream(struct fixture *f, const char *request)
{
    int fd = client_open(&f->scene, request);
    TURN_UNTIL(&f->scene, f->stream);
    return fd;
}

static void test_pieces_and_end(void **state)
{
    struct fixture *f = *state;
    char *answer = calloc(1, ANSWER_BYTES);
    int fd = open_stream(f, TAP);
    client_read(&f->scene, fd, answer, "transfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    assert_true(admin_reply_piece(f->stream, "{}\n", 3));
    client_read(&f->scene, fd, answer, "\r\n\r\n3\r\n{}\n\r\n"); /* at once, not at the end */
    assert_true(admin_reply_piece(f->stream, "", 0));            /* which would have been the end */
    assert_true(admin_reply_piece(f->stream, "abc", 3));
    admin_reply_end(f->stream);
    client_read(&f->scene, fd, answer, NULL);
    assert_non_null(strstr(answer, "3\r\n{}\n\r\n3\r\nabc\r\n0\r\n\r\n"));
    close(fd);
    TURN_UNTIL(&f->scene, counts(&f->scene)->n_open == 0);
    assert_int_equal(f->n_gone, 0);
    free(answer);
}

static void test_http_1_0(void **state)
{
    struct fixture *f = *state;
    char *answer = calloc(1, ANSWER_BYTES);
    int fd = open_stream(f, "GET /tap HTTP/1.0\r\n\r\n");
    assert_true(admin_reply_piece(f->stream, "abc", 3));
    admin_reply_end(f->stream);
    client_read(&f->scene, fd, answer, NULL);
    assert_non_null(strstr(answer, "connection: close\r\n\r\nabc"));
    assert_null(strstr(answer, "chunked"));
    close(fd);
    free(answer);
}

static void test_the_client_goes(void **state)
{
    struct fixture *f = *state;
    int fd = open_stream(f, TAP);
    close(fd);
    TURN_UNTIL(&f->scene, f->n_gone == 1);
    assert_int_equal(counts(&f->scene)->n_open, 0);
}

/* Found out by a write: told later all the same, and what is given until then goes nowhere. */
static void test_the_client_goes_as_a_piece_is_given(void **state)
{
    struct fixture *f = *state;
    const struct linger reset = {.l_onoff = 1};
    int fd = open_stream(f, TAP);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(fd);
    while (admin_reply_piece(f->stream, "abc", 3))
        ;
    assert_int_equal(f->n_gone, 0);
    assert_false(admin_reply_piece(f->stream, "abc", 3));
    TURN_UNTIL(&f->scene, f->n_gone == 1);
}

static void test_end_after_the_client_has_gone(void **state)
{
    struct fixture *f = *state;
    const struct linger reset = {.l_onoff = 1};
    int fd = open_stream(f, TAP);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(fd);
    while (admin_reply_piece(f->stream, "abc", 3))
        ;
    admin_reply_end(f->stream);
    for (int i = 0; i < 10; i++)
        turn(&f->scene);
    assert_int_equal(f->n_gone, 0);
    assert_int_equal(counts(&f->scene)->n_open, 0);
}

static void test_a_client_that_is_not_fast_enough(void **state)
{
    struct fixture *f = *state;
    char piece[4096];
    size_t sum = 0;
    memset(piece, 'x', sizeof(piece));
    int fd = open_stream(f, TAP);
    f->scene.limits.stall_ms = 50;
    while (admin_reply_piece(f->stream, piece, sizeof(piece)))
        sum += sizeof(piece);
    assert_int_equal(f->n_gone, 0);
    assert_true(sum < 64 << 20); /* the sockets' buffers and stream_high_bytes */
    /* When it reads again, it gets what was taken, and pieces are taken again. */
    char *bytes = malloc(1 << 20);
    size_t got = 0;
    while (got < sum) {
        ssize_t n = -1;
        TURN_UNTIL(&f->scene, (n = recv(fd, bytes, 1 << 20, MSG_DONTWAIT)) > 0);
        got += (size_t)n;
    }
    TURN_UNTIL(&f->scene, admin_reply_piece(f->stream, piece, sizeof(piece)));
    /* And when it stands still, it is closed. */
    while (admin_reply_piece(f->stream, piece, sizeof(piece)))
        ;
    TURN_UNTIL(&f->scene, f->n_gone == 1);
    assert_int_equal(counts(&f->scene)->n_stalled, 1);
    close(fd);
    free(bytes);
}

/* It may last: neither the time of an answer nor that of an idle connection ends it. */
static void test_silence_is_no_stall(void **state)
{
    struct fixture *f = *state;
    f->scene.limits.stall_ms = f->scene.limits.idle_ms = f->scene.limits.head_ms = 10;
    int fd = open_stream(f, TAP);
    uint64_t until_ns = clock_now_ns() + 100 * NS_PER_MS;
    TURN_UNTIL(&f->scene, clock_now_ns() > until_ns);
    assert_int_equal(f->n_gone, 0);
    admin_reply_end(f->stream);
    close(fd);
}

static void test_ceiling_of_streams(void **state)
{
    struct fixture *f = *state;
    char *answer = calloc(1, ANSWER_BYTES);
    f->scene.limits.streams = 1;
    int first = open_stream(f, TAP);
    int second = client_open(&f->scene, TAP);
    client_read(&f->scene, second, answer, " 503 ");
    assert_int_equal(f->n_refused, 1);
    assert_int_equal(counts(&f->scene)->n_streams_refused, 1);
    close(second);
    close(first);
    TURN_UNTIL(&f->scene, f->n_gone == 1);
    int third = open_stream(f, TAP); /* there is room again */
    admin_reply_end(f->stream);
    close(third);
    free(answer);
}

static void test_head_has_no_stream(void **state)
{
    struct fixture *f = *state;
    char *answer = calloc(1, ANSWER_BYTES);
    converse(&f->scene, "HEAD /tap HTTP/1.0\r\n\r\n", answer);
    assert_non_null(strstr(answer, " 200 OK\r\n"));
    assert_int_equal(f->n_refused, 1);
    free(answer);
}

static void test_the_server_goes(void **state)
{
    struct fixture *f = *state;
    int fd = open_stream(f, TAP);
    admin_http_free(f->scene.admin);
    f->scene.admin = NULL;
    assert_int_equal(f->n_gone, 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces_and_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_http_1_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_client_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_client_goes_as_a_piece_is_given, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_end_after_the_client_has_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_client_that_is_not_fast_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silence_is_no_stall, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ceiling_of_streams, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_head_has_no_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_server_goes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
