/*
 * The HTTP/2 client and server back to back: many exchanges, flow control, and what a warm
 * connection allocates.
 */
#include "h2_rig.h"

#define BODY_BYTES 300000

/* Counted where no sanitizer does its own. */
static size_t n_allocations;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS false
#else
#define COUNTS_ALLOCATIONS true
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);

void *malloc(size_t size)
{
    n_allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    n_allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *block, size_t size)
{
    n_allocations++;
    return __libc_realloc(block, size);
}
#endif

struct pair {
    struct rig rig; /* its codec is the server */
    struct codec *client;
    size_t n_asked, n_wanted, n_answered, n_failed;
    size_t n_request_bytes, n_answer_bytes; /* of each, and received of all */
    size_t received, answered, n_drained;
    struct arena arena;
    struct head request;
    struct head answer;
    struct head trailers;
};

static void drained(struct stream *stream)
{
    struct pair *pair = stream->owner;
    pair->n_drained++;
}

/* ---- the server's owner: an answer for each request when it has come whole ------------------- */

static void answer(struct pair *pair, struct stream *stream)
{
    char body[BODY_BYTES];
    memset(body, 'b', pair->n_answer_bytes);
    stream_send_head(stream, &pair->answer, false);
    stream_send_data(stream, slice_of(body, pair->n_answer_bytes), false);
    stream_send_trailers(stream, &pair->trailers);
    stream_close(stream, STREAM_CUT_NONE);
}

static void server_data(struct stream *stream, struct slice data, bool is_end)
{
    struct pair *pair = stream->owner;
    pair->received += data.len;
    if (is_end)
        answer(pair, stream);
}

static void server_reset(struct stream *stream, enum stream_cut cut, bool is_unprocessed)
{
    (void)cut;
    (void)is_unprocessed;
    stream_close(stream, STREAM_CUT_NONE);
}

static void server_request(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    static const struct stream_events events = {
        .on_data = server_data, .on_reset = server_reset, .on_drained = drained};
    assert_int_equal(head->n_fields, 3);
    stream->events = &events;
    stream->owner = owner;
    if (is_end)
        answer(owner, stream);
}

static void server_closed(void *owner, enum reason reason, const char *detail)
{
    struct pair *pair = owner;
    (void)reason;
    (void)detail;
    codec_free(pair->rig.codec);
    pair->rig.codec = NULL;
}

static const struct codec_events server_events = {.on_request = server_request,
                                                  .on_closed = server_closed};

/* ---- the client's --------------------------------------------------------------------------- */

static void client_head(struct stream *stream, struct head *head, bool is_end)
{
    (void)stream;
    assert_int_equal(head->status, 200);
    assert_false(is_end);
}

static void client_data(struct stream *stream, struct slice data, bool is_end)
{
    struct pair *pair = stream->owner;
    pair->answered += data.len;
    assert_false(is_end);
}

static void client_trailers(struct stream *stream, struct head *trailers)
{
    struct pair *pair = stream->owner;
    assert_int_equal(trailers->n_fields, 1);
    pair->n_answered++;
    stream_close(stream, STREAM_CUT_NONE);
}

static void client_reset(struct stream *stream, enum stream_cut cut, bool is_unprocessed)
{
    struct pair *pair = stream->owner;
    (void)cut;
    (void)is_unprocessed;
    pair->n_failed++;
    stream_close(stream, STREAM_CUT_NONE);
}

static void ask(struct pair *pair)
{
    static const struct stream_events events = {.on_head = client_head,
                                                .on_data = client_data,
                                                .on_trailers = client_trailers,
                                                .on_reset = client_reset,
                                                .on_drained = drained};
    char body[BODY_BYTES];
    memset(body, 'q', pair->n_request_bytes);
    while (pair->n_asked < pair->n_wanted && codec_room(pair->client)) {
        bool is_end = pair->n_request_bytes == 0;
        struct stream *stream = codec_open(pair->client, &pair->request, is_end, &events, pair);
        assert_non_null(stream);
        pair->n_asked++;
        if (!is_end)
            stream_send_data(stream, slice_of(body, pair->n_request_bytes), true);
    }
}

static void client_room(void *owner)
{
    ask(owner);
}

static void client_closed(void *owner, enum reason reason, const char *detail)
{
    struct pair *pair = owner;
    (void)reason;
    (void)detail;
    codec_free(pair->client);
    pair->client = NULL;
}

static const struct codec_events client_events = {.on_room = client_room,
                                                  .on_closed = client_closed};

/* ---- the pair ------------------------------------------------------------------------------- */

static void pair_init(struct pair *pair)
{
    struct conn conn;
    *pair = (struct pair){0};
    rig_init(&pair->rig);
    conn_init(&conn, &pair->rig.conns, NULL);
    conn_open(&conn, pair->rig.fds[0]);
    pair->rig.codec = h2_server_new(&pair->rig.shared, &conn, &server_events, pair);
    conn_open(&conn, pair->rig.fds[1]);
    pair->client = h2_client_new(&pair->rig.shared, &conn, &client_events, pair);
    pair->rig.fds[1] = -1;
    struct head *request = &pair->request;
    head_init(request, &pair->arena);
    request->method = SLICE_LITERAL("GET");
    request->authority = SLICE_LITERAL("api:8080");
    request->path = SLICE_LITERAL("/v1/things?of=mine");
    assert_true(head_add_id(request, FIELD_USER_AGENT, SLICE_LITERAL("curl/7.88")));
    assert_true(head_add(request, SLICE_LITERAL("accept"), SLICE_LITERAL("*/*")));
    assert_true(head_add_id(request, FIELD_X_REQUEST_ID, SLICE_LITERAL("8c0f3a1e-77")));
    head_init(&pair->answer, &pair->arena);
    pair->answer.status = 200;
    assert_true(head_add_id(&pair->answer, FIELD_CONTENT_TYPE, SLICE_LITERAL("text/plain")));
    assert_true(head_add_id(&pair->answer, FIELD_DATE, SLICE_LITERAL("today")));
    head_init(&pair->trailers, &pair->arena);
    assert_true(head_add_id(&pair->trailers, FIELD_GRPC_STATUS, SLICE_LITERAL("0")));
}

static void pair_fini(struct pair *pair)
{
    codec_close(pair->client, REASON_DONE);
    for (int i = 0; i < 100 && pair->rig.codec; i++)
        rig_turn(&pair->rig);
    assert_null(pair->rig.codec);
    rig_fini(&pair->rig);
    arena_fini(&pair->arena);
}

static void pair_run(struct pair *pair, size_t n)
{
    pair->n_wanted += n;
    ask(pair);
    rig_once(&pair->rig, EVLOOP_NONBLOCK); /* as if that had been in a turn of the loop */
    while (pair->n_answered + pair->n_failed < pair->n_wanted)
        rig_once(&pair->rig, EVLOOP_ONCE);
    assert_int_equal(pair->n_failed, 0);
}

static void test_thousand_exchanges(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    pair.n_answer_bytes = 128;
    pair_run(&pair, 1000);
    assert_int_equal(pair.answered, 128 * 1000);
    assert_int_equal(codec_n_streams(pair.client), 0);
    assert_int_equal(codec_n_streams(pair.rig.codec), 0);
    pair_fini(&pair);
}

static void test_bodies_beyond_the_windows(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    pair.rig.limits.stream_window_bytes = 100000;
    pair.n_request_bytes = pair.n_answer_bytes = BODY_BYTES;
    pair_run(&pair, 150);
    assert_int_equal(pair.received, (size_t)150 * BODY_BYTES);
    assert_int_equal(pair.answered, (size_t)150 * BODY_BYTES);
    assert_int_equal(pair.n_drained, 150); /* the requests; the answers were let go at once */
    pair_fini(&pair);
}

static void test_nothing_is_allocated_when_warm(void **state)
{
    (void)state;
    struct pair pair;
    if (!COUNTS_ALLOCATIONS)
        skip();
    pair_init(&pair);
    pair.n_request_bytes = 20;
    pair.n_answer_bytes = 128;
    pair_run(&pair, 1000);
    size_t before = n_allocations;
    pair_run(&pair, 1000);
    size_t after = n_allocations;
    print_message("allocations in 1000 warm exchanges, both sides: %zu\n", after - before);
    assert_int_equal(after - before, 0);
    pair_fini(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thousand_exchanges),
        cmocka_unit_test(test_bodies_beyond_the_windows),
        cmocka_unit_test(test_nothing_is_allocated_when_warm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
