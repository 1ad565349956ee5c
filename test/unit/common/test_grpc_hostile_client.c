/* common/grpc/: a server and clients that mean harm, or are broken. */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <unistd.h>

#include "test/unit/common/grpc_frames.h"
#include "test/unit/common/grpc_loop.h"

#define FLOOD 6000

/* ---- a client by hand ----------------------------------------------------------------------- */

struct raw {
    int fd;
    struct buf out; /* to be sent */
    struct buf in;  /* received, up to a ceiling */
    bool is_closed; /* by the server */
};

static struct raw raw_open(struct loop *loop)
{
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct sockaddr_any addr = addr_make(&loopback, grpc_server_port(loop->server));
    struct raw raw = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(raw.fd, &addr.sa, addr.len), 0);
    buf_init(&raw.out, 16 << 20);
    buf_init(&raw.in, 16 << 20);
    return raw;
}

static void raw_close(struct raw *raw)
{
    close(raw->fd);
    buf_fini(&raw->out);
    buf_fini(&raw->in);
}

/* Preface and empty SETTINGS, as every client begins. */
static struct raw raw_open_h2(struct loop *loop)
{
    struct raw raw = raw_open(loop);
    frames_add(&raw.out, FRAME_PREFACE, sizeof(FRAME_PREFACE) - 1);
    frame_add(&raw.out, FRAME_SETTINGS, 0, 0, NULL, 0);
    return raw;
}

/* Sends and receives what can be, and lets the server have its turn. */
static void raw_turn(struct loop *loop, struct raw *raw)
{
    char bytes[16384];
    struct slice out = buf_slice(&raw->out);
    if (out.len > 0 && !raw->is_closed) {
        ssize_t n = send(raw->fd, out.ptr, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            buf_consume(&raw->out, (size_t)n);
        else if (errno != EAGAIN)
            raw->is_closed = true;
    }
    event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    for (ssize_t n; (n = recv(raw->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) != -1;) {
        if (n == 0) {
            raw->is_closed = true;
            break;
        }
        frames_add(&raw->in, bytes, (size_t)n);
    }
    if (errno == ECONNRESET)
        raw->is_closed = true;
}

/* Goes on until the server has closed; it must. */
static void raw_until_closed(struct loop *loop, struct raw *raw)
{
    uint64_t limit_ns = clock_now_ns() + LOOP_WAIT_MS * NS_PER_MS;
    while (!raw->is_closed && clock_now_ns() < limit_ns)
        raw_turn(loop, raw);
    assert_true(raw->is_closed);
    LOOP_UNTIL(loop, grpc_server_stats(loop->server).connections == 0);
}

/* The payload of the first frame of a type, on any stream; empty when there is none. */
static struct slice raw_frame(const struct raw *raw, enum frame_type type)
{
    struct slice in = buf_slice(&raw->in);
    while (in.len >= 9) {
        const uint8_t *head = (const uint8_t *)in.ptr;
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (head[3] == type)
            return slice_sub(in, 9, len);
        in = slice_sub(in, 9 + len, in.len);
    }
    return slice_of(NULL, 0);
}

static const char *const request[] = {
    ":method",    "POST", ":scheme", "http",     ":path",        "/t/Open",
    ":authority", "x",    "te",      "trailers", "content-type", "application/grpc",
    NULL,
};

/* A server that gives up soon. */
static int set_up_impatient(void **state)
{
    loop_set_up(state);
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    options.handshake_timeout_ms = 50;
    options.keepalive_ms = 50;
    options.keepalive_timeout_ms = 50;
    loop_start_server(loop, &options);
    return 0;
}

static int set_up_server(void **state)
{
    loop_set_up(state);
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    loop_start_server(loop, &options);
    return 0;
}

/* ---- what comes before HTTP/2 --------------------------------------------------------------- */

static void test_bad_beginnings(void **state)
{
    struct loop *loop = *state;
    static const struct slice beginnings[] = {
        {"", 0},
        {"P", 1},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n", 22},
        {FRAME_PREFACE, sizeof(FRAME_PREFACE) - 1}, /* and no SETTINGS */
        {FRAME_PREFACE "\0\0", sizeof(FRAME_PREFACE) + 1},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11},
        {FRAME_PREFACE "\0\0\0\6\0\0\0\0\0", sizeof(FRAME_PREFACE) + 8}, /* PING, no SETTINGS */
        {FRAME_PREFACE "\xff\xff\xff\xff\xff\xff\xff\xff\xff", sizeof(FRAME_PREFACE) + 8},
    };
    const unsigned n = sizeof(beginnings) / sizeof(beginnings[0]);
    for (unsigned i = 0; i < n; i++) {
        struct raw raw = raw_open(loop);
        frames_add(&raw.out, beginnings[i].ptr, beginnings[i].len);
        raw_until_closed(loop, &raw);
        assert_int_equal(grpc_server_stats(loop->server).handshake_failures, i + 1);
        raw_close(&raw);
    }
}

static void test_silence_after_half_a_frame(void **state)
{
    struct loop *loop = *state;
    struct raw raw = raw_open_h2(loop);
    headers_add(&raw.out, 0, 1, request);
    frames_add(&raw.out, "\0\0\12\0\0", 5);
    raw_until_closed(loop, &raw); /* it answers no PING */
    assert_int_equal(loop->n_closed, 1);
    assert_int_equal(grpc_server_stats(loop->server).streams, 0);
    raw_close(&raw);
}

/* ---- floods --------------------------------------------------------------------------------- */

static void flood_reset(struct buf *out, unsigned i)
{
    headers_add(out, 0, 2 * i + 1, request);
    number_add(out, FRAME_RST_STREAM, 2 * i + 1, 8);
}

static void flood_ping(struct buf *out, unsigned i)
{
    (void)i;
    frame_add(out, FRAME_PING, 0, 0, "12345678", 8);
}

static void flood_settings(struct buf *out, unsigned i)
{
    (void)i;
    frame_add(out, FRAME_SETTINGS, 0, 0, "\0\4\0\1\0\0", 6);
}

static void flood_empty_data(struct buf *out, unsigned i)
{
    if (i == 0)
        headers_add(out, 0, 1, request);
    frame_add(out, FRAME_DATA, 0, 1, NULL, 0);
}

static void flood_priority(struct buf *out, unsigned i)
{
    frame_add(out, FRAME_PRIORITY, 0, 2 * i + 1, "\0\0\0\0\1", 5);
}

static void flood_window_update(struct buf *out, unsigned i)
{
    (void)i;
    number_add(out, FRAME_WINDOW_UPDATE, 0, 1);
}

static void flood_continuation(struct buf *out, unsigned i)
{
    struct buf block;
    buf_init(&block, 1 << 16);
    field_add(&block, "x", "y", 1);
    struct slice all = buf_slice(&block);
    frame_add(out, i == 0 ? FRAME_HEADERS : FRAME_CONTINUATION, 0, 1, all.ptr, all.len);
    buf_fini(&block);
}

/* A stream that is reset by us, again and again: a window of more than 2^31-1 ("made you reset").
 */
static void flood_provoke(struct buf *out, unsigned i)
{
    headers_add(out, 0, 2 * i + 1, request);
    number_add(out, FRAME_WINDOW_UPDATE, 2 * i + 1, 0x7fffffff);
}

static const struct flood {
    const char *name;
    void (*add)(struct buf *out, unsigned i);
} floods[] = {
    {"rapid reset", flood_reset},         {"PING", flood_ping},
    {"SETTINGS", flood_settings},         {"empty DATA", flood_empty_data},
    {"PRIORITY", flood_priority},         {"WINDOW_UPDATE", flood_window_update},
    {"CONTINUATION", flood_continuation}, {"provoked resets", flood_provoke},
};

static void test_floods(void **state)
{
    struct loop *loop = *state;
    for (size_t f = 0; f < sizeof(floods) / sizeof(floods[0]); f++) {
        uint64_t calls = grpc_server_stats(loop->server).calls;
        struct raw raw = raw_open_h2(loop);
        for (unsigned i = 0; i < FLOOD; i++)
            floods[f].add(&raw.out, i);
        for (unsigned i = 0; i < 100000 && !raw.is_closed; i++)
            raw_turn(loop, &raw);
        if (!raw.is_closed)
            fail_msg("%s: not closed", floods[f].name);
        LOOP_UNTIL(loop, grpc_server_stats(loop->server).connections == 0);
        assert_int_equal(grpc_server_stats(loop->server).streams, 0);
        /* What was reset before its turn came has not reached the method. */
        assert_true(grpc_server_stats(loop->server).calls - calls < 1500);
        raw_close(&raw);
    }
}

static void test_honest_client_after_the_floods(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    loop_start_channel(loop, (struct grpc_channel_options){0});
    seen_start(&seen, loop, "/t/Refuse", 5000);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_PERMISSION_DENIED);
}

static void test_header_bomb(void **state)
{
    struct loop *loop = *state;
    struct raw raw = raw_open_h2(loop);
    struct buf block;
    buf_init(&block, 1 << 20);
    for (const char *const *pair = request; pair[0]; pair += 2)
        field_add(&block, pair[0], pair[1], strlen(pair[1]));
    for (unsigned i = 0; i < 600; i++) /* 3,000 bytes here, 20,000 by RFC 9113 10.5.1 */
        field_add(&block, "x", "y", 1);
    struct slice all = buf_slice(&block);
    frame_add(&raw.out, FRAME_HEADERS, FLAG_END_HEADERS, 1, all.ptr, all.len);
    buf_fini(&block);
    for (unsigned i = 0; i < 10000 && raw_frame(&raw, FRAME_RST_STREAM).len == 0; i++)
        raw_turn(loop, &raw);
    assert_int_equal(raw_frame(&raw, FRAME_RST_STREAM).len, 4);
    headers_add(&raw.out, 0, 3, request); /* the connection is fine */
    for (unsigned i = 0; i < 10000 && !loop->stream; i++)
        raw_turn(loop, &raw);
    assert_int_equal(grpc_server_stats(loop->server).calls, 1);
    raw_close(&raw);
    LOOP_UNTIL(loop, loop->n_closed == 1);
}

/* ---- requests that are none ----------------------------------------------------------------- */

static const struct bad_request {
    const char *name;
    const char *pairs[16];
    struct slice data; /* with END_STREAM, if any */
    const char *answer;
} bad_requests[] = {
    {"no POST",
     {":method", "GET", ":scheme", "http", ":path", "/t/Open", ":authority", "x", "content-type",
      "application/grpc"},
     {"", 0},
     "405"},
    {"no gRPC",
     {":method", "POST", ":scheme", "http", ":path", "/t/Open", ":authority", "x", "content-type",
      "application/json"},
     {"", 0},
     "415"},
    {"a timeout of no unit",
     {":method", "POST", ":scheme", "http", ":path", "/t/Open", ":authority", "x", "content-type",
      "application/grpc", "grpc-timeout", "100"},
     {NULL, 0},
     "grpc-timeout is not understood"},
    {"half a message",
     {":method", "POST", ":scheme", "http", ":path", "/t/Open", ":authority", "x", "content-type",
      "application/grpc"},
     {"\0\0\0\0\5abc", 8},
     "ended in the middle of a message"},
    {"half a head of a message",
     {":method", "POST", ":scheme", "http", ":path", "/t/Open", ":authority", "x", "content-type",
      "application/grpc"},
     {"\0\0", 2},
     "ended in the middle of a message"},
    {"no message",
     {":method", "POST", ":scheme", "http", ":path", "/t/Open", ":authority", "x", "content-type",
      "application/grpc"},
     {"{\"json\": 1}", 11},
     "no gRPC message"},
    {"compressed and not said so",
     {":method", "POST", ":scheme", "http", ":path", "/t/Open", ":authority", "x", "content-type",
      "application/grpc"},
     {"\1\0\0\0\1a", 6},
     "without grpc-encoding"},
    {"compressed",
     {":method", "POST", ":scheme", "http", ":path", "/t/Open", ":authority", "x", "content-type",
      "application/grpc", "grpc-encoding", "gzip"},
     {"\1\0\0\0\1a", 6},
     "compressed messages are not taken"},
};

/* Does a field of the block hold the text? */
static bool head_has(struct slice block, const char *text)
{
    nghttp2_hd_inflater *inflater;
    bool is_found = false;
    assert_int_equal(nghttp2_hd_inflate_new(&inflater), 0);
    while (block.len > 0) {
        nghttp2_nv field;
        int flags;
        ssize_t n = nghttp2_hd_inflate_hd2(inflater, &field, &flags, (const uint8_t *)block.ptr,
                                           block.len, 1);
        assert_true(n >= 0);
        block = slice_sub(block, (size_t)n, block.len);
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            is_found = is_found || memmem(field.value, field.valuelen, text, strlen(text));
    }
    nghttp2_hd_inflate_del(inflater);
    return is_found;
}

static void test_bad_requests(void **state)
{
    struct loop *loop = *state;
    for (size_t i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++) {
        const struct bad_request *row = &bad_requests[i];
        struct raw raw = raw_open_h2(loop);
        headers_add(&raw.out, row->data.ptr ? 0 : FLAG_END_STREAM, 1, row->pairs);
        if (row->data.ptr)
            frame_add(&raw.out, FRAME_DATA, FLAG_END_STREAM, 1, row->data.ptr, row->data.len);
        for (unsigned turn = 0; turn < 1000 && !raw_frame(&raw, FRAME_HEADERS).len; turn++)
            raw_turn(loop, &raw);
        bool is_found = head_has(raw_frame(&raw, FRAME_HEADERS), row->answer);
        if (!is_found)
            fail_msg("%s: not answered with %s", row->name, row->answer);
        raw_close(&raw);
        LOOP_UNTIL(loop, grpc_server_stats(loop->server).connections == 0);
    }
}

static void test_deadline_is_the_servers_too(void **state)
{
    struct loop *loop = *state;
    struct raw raw = raw_open_h2(loop);
    const char *const pairs[] = {
        ":method",      "POST",       ":scheme", "http",         ":path",
        "/t/Open",      ":authority", "x",       "content-type", "application/grpc",
        "grpc-timeout", "30m",        NULL};
    headers_add(&raw.out, 0, 1, pairs);
    uint64_t limit_ns = clock_now_ns() + LOOP_WAIT_MS * NS_PER_MS;
    while (loop->n_closed == 0 && clock_now_ns() < limit_ns)
        raw_turn(loop, &raw);
    assert_int_equal(loop->n_closed, 1);
    raw_turn(loop, &raw);
    assert_true(raw_frame(&raw, FRAME_HEADERS).len > 0);
    raw_close(&raw);
}

int main(void)
{
#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, loop_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_bad_beginnings, set_up_impatient),
        TEST(test_silence_after_half_a_frame, set_up_impatient),
        TEST(test_floods, set_up_server),
        TEST(test_honest_client_after_the_floods, set_up_server),
        TEST(test_header_bomb, set_up_server),
        TEST(test_bad_requests, set_up_server),
        TEST(test_deadline_is_the_servers_too, set_up_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
