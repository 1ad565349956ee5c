/*
 * A request on a connection that the server is about to close: which ends prove that it was not
 * read? Over TCP, because the proof is in what the two kernels said to each other.
 */
#include "test/unit/proxy/codec/h1_rig.h"

static void on_head(struct stream *stream, struct head *head, bool is_end)
{
    (void)is_end;
    RIG_LOG((struct rig *)stream->owner, "%d\n", head->status);
}

static const struct stream_events stream_events = {
    .on_head = on_head,
    .on_data = rig_on_data,
    .on_reset = rig_on_reset,
    .on_drained = rig_on_drained,
};

static void on_room(void *owner)
{
    (void)owner;
}

static const struct codec_events events = {.on_room = on_room, .on_closed = rig_on_closed};

/* Lives as long as the test: a request's head must live as long as its stream. */
static struct arena arena;

static void ask(struct rig *rig, const char *method, bool is_end)
{
    struct head *head = arena_take(&arena, sizeof(*head));
    head_init(head, &arena);
    head->method = slice_str(method);
    head->authority = SLICE_LITERAL("a:1");
    head->path = SLICE_LITERAL("/");
    head->content_length = is_end ? CONTENT_LENGTH_NONE : 3;
    rig->stream = codec_open(rig->codec, head, is_end, &stream_events, rig);
    assert_non_null(rig->stream);
}

enum leaving { STAYS_OPEN, CLOSES, HALF_CLOSES, RESETS };

static void leave(struct rig *rig, enum leaving how)
{
    const struct linger at_once = {1, 0};
    if (how == HALF_CLOSES)
        shutdown(rig->fd, SHUT_WR);
    if (how == RESETS)
        setsockopt(rig->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (how == CLOSES || how == RESETS) {
        close(rig->fd);
        rig->fd = -1;
    }
}

struct late_row {
    enum leaving before, after; /* the request comes */
    bool is_read, is_in_two, is_refused;
};

static void run_late(const struct late_row *row, int fds[2])
{
    struct rig rig;
    char bytes[1000];
    rig_init(&rig);
    rig_make_codec(&rig, h1_client_new, &events, fds);
    ask(&rig, "GET", true);
    rig_turn(&rig);
    rig_send(&rig, SLICE_LITERAL("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    stream_close(rig.stream, STREAM_CUT_NONE);
    rig_turn(&rig);
    leave(&rig, row->before);
    ask(&rig, "POST", false);
    if (row->is_in_two)
        codec_shared_flush(&rig.shared);
    stream_send_data(rig.stream, SLICE_LITERAL("abc"), true);
    codec_shared_flush(&rig.shared);
    assert_true(!row->is_read || recv(rig.fd, bytes, sizeof(bytes), 0) > 0);
    leave(&rig, row->after);
    buf_fini(&rig.log);
    rig_turn(&rig);
    assert_true(buf_append(&rig.log, "", 1));
    print_message("%d %d %d: %s", row->before, row->after, row->is_refused,
                  buf_slice(&rig.log).ptr);
    assert_ptr_equal(strstr(buf_slice(&rig.log).ptr, row->is_refused
                                                         ? "reset refused unprocessed\n"
                                                         : "reset connection_lost unprocessed\n"),
                     buf_slice(&rig.log).ptr);
    rig_close(&rig);
}

/*
 * Who has closed before the request came has certainly not read it; all others may have. The last
 * row is the exception that RFC 9112 9.6 makes one: who has ended its side acts on no further
 * request.
 */
static void test_too_late(void **state)
{
    (void)state;
    static const struct late_row rows[] = {
        {CLOSES, STAYS_OPEN, false, false, true},  {CLOSES, STAYS_OPEN, false, true, true},
        {RESETS, STAYS_OPEN, false, false, false}, {STAYS_OPEN, CLOSES, true, false, false},
        {STAYS_OPEN, RESETS, true, false, false},  {STAYS_OPEN, CLOSES, false, false, false},
        {HALF_CLOSES, CLOSES, true, false, false}, {HALF_CLOSES, RESETS, true, false, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fds[2], turned[2];
        rig_tcp_pair(fds);
        run_late(&rows[i], fds);
        rig_tcp_pair(fds);
        turned[0] = fds[1]; /* the side that connected, whose SYN counts */
        turned[1] = fds[0];
        run_late(&rows[i], turned);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_late),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_fini(&arena);
    return failed;
}
