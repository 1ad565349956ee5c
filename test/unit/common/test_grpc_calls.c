/* common/grpc/: what can happen to a call, client and server in one event base. */
#include "test/unit/common/grpc_loop.h"

static void test_echo(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    seen_start(&seen, loop, "/t/Echo", 0);
    assert_true(grpc_call_send(seen.call, slice_str("one")));
    assert_true(grpc_call_send(seen.call, slice_str("")));
    assert_int_equal(loop->n_up, 0); /* nothing is called from inside a call of ours */
    LOOP_UNTIL(loop, seen.n_messages == 2);
    assert_true(grpc_call_send(seen.call, slice_str("two")));
    grpc_call_done_sending(seen.call);
    assert_false(grpc_call_send(seen.call, slice_str("three")));
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_OK);
    assert_string_equal(seen.last, "two");
    LOOP_UNTIL(loop, loop->n_closed == 1);
    assert_int_equal(loop->n_up, 1);
    assert_int_equal(grpc_server_stats(loop->server).calls, 1);
    assert_int_equal(grpc_server_stats(loop->server).streams, 0);
}

static void test_many_calls_at_once(void **state)
{
    struct loop *loop = *state;
    struct seen seen[250] = {0}; /* more than the server takes at a time */
    unsigned n_ok = 0;
    for (size_t i = 0; i < 250; i++) {
        seen_start(&seen[i], loop, "/t/Echo", 0);
        assert_true(grpc_call_send(seen[i].call, slice_str("x")));
        grpc_call_done_sending(seen[i].call);
    }
    for (size_t i = 0; i < 250; i++) {
        LOOP_UNTIL(loop, seen[i].n_ends == 1);
        n_ok += seen[i].code == GRPC_OK && seen[i].n_messages == 1;
    }
    assert_int_equal(n_ok, 250);
    assert_int_equal(loop->n_up, 1);
}

static const struct ending {
    const char *path;
    enum grpc_code code;
    const char *text;
} endings[] = {
    {"/t/Refuse", GRPC_PERMISSION_DENIED, "not you"},
    {"/t/Nope", GRPC_UNIMPLEMENTED, "there is no method /t/Nope"},
    {"/t/Forget", GRPC_INTERNAL, "the method has not taken the call"},
};

static void test_trailers_only(void **state)
{
    struct loop *loop = *state;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        struct seen seen = {0};
        seen_start(&seen, loop, endings[i].path, 0);
        LOOP_UNTIL(loop, seen.n_ends == 1);
        assert_int_equal(seen.code, endings[i].code);
        assert_string_equal(seen.text, endings[i].text);
        assert_int_equal(seen.n_messages, 0);
    }
    assert_int_equal(loop->n_closed, 0); /* none was accepted */
}

static void test_deadline(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    uint64_t start = clock_now_ns();
    seen_start(&seen, loop, "/t/Open", 50);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_DEADLINE_EXCEEDED);
    assert_true(clock_now_ns() - start >= 40 * NS_PER_MS);
    LOOP_UNTIL(loop, loop->n_closed == 1);
}

static void test_cancel_tells_the_server_and_not_us(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    seen_start(&seen, loop, "/t/Open", 0);
    LOOP_UNTIL(loop, loop->stream);
    grpc_call_cancel(seen.call);
    LOOP_UNTIL(loop, loop->n_closed == 1);
    assert_int_equal(seen.n_ends, 0);
}

static void test_cancel_before_there_is_a_connection(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    seen_start(&seen, loop, "/t/Open", 0);
    grpc_call_cancel(seen.call);
    loop_settle(loop);
    assert_int_equal(grpc_server_stats(loop->server).calls, 0);
    assert_int_equal(seen.n_ends, 0);
}

static void cancel_now(struct seen *seen)
{
    grpc_call_cancel(seen->call);
    seen->call = NULL;
}

static void test_cancel_inside_on_message(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {.on_message = cancel_now};
    seen_start(&seen, loop, "/t/Echo", 0);
    for (unsigned i = 0; i < 10; i++)
        assert_true(grpc_call_send(seen.call, slice_str("x")));
    LOOP_UNTIL(loop, loop->n_closed == 1);
    assert_int_equal(seen.n_messages, 1);
    assert_int_equal(seen.n_ends, 0);
}

static void free_channel(struct seen *seen)
{
    struct grpc_channel *channel = seen->loop->channel;
    seen->loop->channel = NULL;
    grpc_channel_free(channel);
}

static void test_free_channel_inside_on_message(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {.on_message = free_channel}, other = {0};
    seen_start(&seen, loop, "/t/Echo", 0);
    seen_start(&other, loop, "/t/Open", 0);
    for (unsigned i = 0; i < 10; i++)
        assert_true(grpc_call_send(seen.call, slice_str("x")));
    LOOP_UNTIL(loop, loop->n_closed == 2);
    assert_int_equal(seen.n_messages, 1);
    assert_int_equal(seen.n_ends, 1);
    assert_int_equal(seen.code, GRPC_CANCELLED);
    assert_int_equal(other.n_ends, 1);
    assert_int_equal(other.code, GRPC_CANCELLED);
}

static void test_free_channel_inside_on_end(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {.on_end = free_channel}, other = {0};
    seen_start(&other, loop, "/t/Open", 0);
    seen_start(&seen, loop, "/t/Refuse", 0);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(other.n_ends, 1);
    assert_null(loop->channel);
}

static void start_again(struct seen *seen)
{
    if (seen->n_ends < 3)
        seen_start(seen, seen->loop, "/t/Refuse", 0);
}

static void test_start_inside_on_end(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {.on_end = start_again};
    seen_start(&seen, loop, "/t/Refuse", 0);
    LOOP_UNTIL(loop, seen.n_ends == 3);
}

static void free_server(struct loop *loop, struct grpc_stream *stream)
{
    (void)stream;
    struct grpc_server *server = loop->server;
    loop->server = NULL;
    grpc_server_free(server);
}

static void test_free_server_inside_on_message(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0}, other = {0};
    loop->on_server_message = free_server;
    seen_start(&other, loop, "/t/Open", 0);
    seen_start(&seen, loop, "/t/Open", 0);
    for (unsigned i = 0; i < 10; i++)
        assert_true(grpc_call_send(seen.call, slice_str("x")));
    LOOP_UNTIL(loop, seen.n_ends == 1 && other.n_ends == 1);
    assert_int_equal(loop->n_closed, 2);
    assert_int_equal(loop->server_bytes, 1);
    assert_int_equal(seen.code, GRPC_UNAVAILABLE);
    assert_int_equal(other.code, GRPC_UNAVAILABLE);
}

static void end_stream(struct loop *loop, struct grpc_stream *stream)
{
    (void)loop;
    grpc_stream_end(stream, GRPC_ABORTED, "enough");
    assert_false(grpc_stream_send(stream, slice_str("late")));
}

static void test_end_inside_on_message(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    loop->on_server_message = end_stream;
    seen_start(&seen, loop, "/t/Open", 0);
    for (unsigned i = 0; i < 10; i++)
        assert_true(grpc_call_send(seen.call, slice_str("x")));
    LOOP_UNTIL(loop, seen.n_ends == 1 && loop->n_closed == 1);
    assert_int_equal(seen.code, GRPC_ABORTED);
    assert_string_equal(seen.text, "enough");
    assert_int_equal(loop->server_bytes, 1); /* nothing is handed out after the end */
}

/* Sends until the queue is full and the loop finds nothing to do any more. */
static size_t send_until_stuck(struct loop *loop, struct seen *seen, size_t len)
{
    static const char bytes[100000];
    size_t sent = 0;
    for (unsigned quiet = 0; quiet < 3; quiet++) {
        while (grpc_call_send(seen->call, slice_of(bytes, len))) {
            sent += len;
            quiet = 0;
        }
        loop_settle(loop);
    }
    return sent;
}

static void test_server_that_does_not_read(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0}, other = {0};
    loop->is_server_paused = true;
    seen_start(&seen, loop, "/t/Open", 0);
    LOOP_UNTIL(loop, loop->stream);
    struct grpc_stream *stream = loop->stream;
    size_t sent = send_until_stuck(loop, &seen, 100000);
    /* The queue (4 MiB) and one window (256 KiB): nothing else may hold anything. */
    assert_true(sent > 4000000 && sent < (4 << 20) + 262144 + 100000);
    assert_int_equal(loop->server_bytes, 0);
    assert_int_equal(seen.n_writable, 0);

    loop->is_server_paused = false; /* another stream of the same connection is not held up */
    seen_start(&other, loop, "/t/Echo", 0);
    assert_true(grpc_call_send(other.call, slice_str("x")));
    LOOP_UNTIL(loop, other.n_messages == 1);
    assert_int_equal(loop->server_bytes, 1);

    grpc_stream_resume(stream);
    LOOP_UNTIL(loop, loop->server_bytes == sent + 1);
    assert_int_equal(seen.n_writable, 1);
    assert_true(grpc_call_send(seen.call, slice_str("x")));
    LOOP_UNTIL(loop, loop->server_bytes == sent + 2);
    grpc_call_cancel(seen.call);
    grpc_call_cancel(other.call);
}

static void test_client_that_does_not_read(void **state)
{
    static const char bytes[100000];
    struct loop *loop = *state;
    struct seen seen = {0};
    size_t sent = 0;
    seen_start(&seen, loop, "/t/Open", 0);
    grpc_call_pause(seen.call);
    LOOP_UNTIL(loop, loop->stream);
    for (unsigned quiet = 0; quiet < 3; quiet++) {
        while (grpc_stream_send(loop->stream, slice_of(bytes, sizeof(bytes)))) {
            sent += sizeof(bytes);
            quiet = 0;
        }
        loop_settle(loop);
    }
    assert_true(sent > 16000000 && sent < (16 << 20) + 262144 + 100000);
    assert_int_equal(seen.n_messages, 0);
    grpc_call_resume(seen.call);
    LOOP_UNTIL(loop, seen.bytes == sent);
    assert_int_equal(loop->n_server_writable, 1);
    grpc_stream_end(loop->stream, GRPC_OK, NULL);
    LOOP_UNTIL(loop, seen.n_ends == 1);
}

static void pause_now(struct seen *seen)
{
    grpc_call_pause(seen->call);
}

static void test_pause_inside_on_message(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {.on_message = pause_now};
    seen_start(&seen, loop, "/t/Echo", 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(grpc_call_send(seen.call, slice_str("x")));
    grpc_call_done_sending(seen.call);
    for (unsigned i = 1; i <= 3; i++) {
        LOOP_UNTIL(loop, seen.n_messages == i);
        loop_settle(loop);
        assert_int_equal(seen.n_messages, i);
        assert_int_equal(seen.n_ends, 0);
        grpc_call_resume(seen.call);
    }
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_OK);
}

static void test_paused_answer_outlives_its_connection(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {.on_message = pause_now};
    seen_start(&seen, loop, "/t/Echo", 0);
    assert_true(grpc_call_send(seen.call, slice_str("one")));
    assert_true(grpc_call_send(seen.call, slice_str("two")));
    grpc_call_done_sending(seen.call);
    LOOP_UNTIL(loop, seen.n_messages == 1);
    LOOP_UNTIL(loop, loop->n_closed == 1); /* all of the answer is sent */
    loop_settle(loop);
    grpc_server_free(loop->server);
    loop->server = NULL;
    LOOP_UNTIL(loop, loop->n_down == 1);
    assert_int_equal(seen.n_ends, 0);
    grpc_call_resume(seen.call);
    assert_int_equal(seen.n_messages, 1); /* not from inside */
    LOOP_UNTIL(loop, seen.n_messages == 2);
    grpc_call_resume(seen.call);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_OK);
}

static void test_message_limits(void **state)
{
    struct loop *loop = *state;
    char *bytes = calloc(1, (8 << 20) + 1);
    struct grpc_server_options options = loop_server_options(loop);
    struct seen seen = {0}, big = {0};
    options.max_message_bytes = 1000;
    loop_start_server(loop, &options);
    loop_start_channel(loop, (struct grpc_channel_options){.max_message_bytes = 100});

    seen_start(&seen, loop, "/t/Open", 0);
    assert_true(grpc_call_send(seen.call, slice_of(bytes, 1000)));
    LOOP_UNTIL(loop, loop->server_bytes == 1000);
    assert_true(grpc_call_send(seen.call, slice_of(bytes, 1001)));
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(seen.text, "a message of 1001 bytes, at most 1000 are taken");

    seen_start(&big, loop, "/t/Echo", 0);
    assert_true(grpc_call_send(big.call, slice_of(bytes, 100)));
    LOOP_UNTIL(loop, big.bytes == 100);
    assert_true(grpc_call_send(big.call, slice_of(bytes, 101)));
    LOOP_UNTIL(loop, big.n_ends == 1);
    assert_int_equal(big.code, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(big.text, "the peer sends a message of 101 bytes, at most 100 are taken");
    LOOP_UNTIL(loop, loop->n_closed == 2);

    seen_start(&big, loop, "/t/Echo", 0); /* what no queue can hold is refused at once */
    assert_false(grpc_call_send(big.call, slice_of(bytes, (8 << 20) + 1)));
    grpc_call_cancel(big.call);
    free(bytes);
}

static void test_server_free_closes_streams_once(void **state)
{
    struct loop *loop = *state;
    struct seen seen[3] = {0};
    for (unsigned i = 0; i < 3; i++)
        seen_start(&seen[i], loop, "/t/Open", 0);
    LOOP_UNTIL(loop, grpc_server_stats(loop->server).streams == 3);
    grpc_server_free(loop->server);
    loop->server = NULL;
    assert_int_equal(loop->n_closed, 3);
    for (unsigned i = 0; i < 3; i++) {
        LOOP_UNTIL(loop, seen[i].n_ends == 1);
        assert_int_equal(seen[i].code, GRPC_UNAVAILABLE);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, loop_set_up_both, loop_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_echo),
        TEST(test_many_calls_at_once),
        TEST(test_trailers_only),
        TEST(test_deadline),
        TEST(test_cancel_tells_the_server_and_not_us),
        TEST(test_cancel_before_there_is_a_connection),
        TEST(test_cancel_inside_on_message),
        TEST(test_free_channel_inside_on_message),
        TEST(test_free_channel_inside_on_end),
        TEST(test_start_inside_on_end),
        TEST(test_free_server_inside_on_message),
        TEST(test_end_inside_on_message),
        TEST(test_server_that_does_not_read),
        TEST(test_client_that_does_not_read),
        TEST(test_pause_inside_on_message),
        TEST(test_paused_answer_outlives_its_connection),
        cmocka_unit_test_setup_teardown(test_message_limits, loop_set_up, loop_tear_down),
        TEST(test_server_free_closes_streams_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
