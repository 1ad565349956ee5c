/* common/grpc/: a client and servers that mean harm, or are broken. */
#include <event2/listener.h>
#include <unistd.h>

#include "test/unit/common/grpc_frames.h"
#include "test/unit/common/grpc_loop.h"

/* ---- a server by hand ----------------------------------------------------------------------- */

/* It says `hello` to whoever connects, and `answer` for each request. */
struct script {
    const char *name;
    struct slice hello; /* {0}: an empty SETTINGS */
    bool closes_at_once;
    void (*answer)(struct buf *out, uint32_t stream, unsigned nth);
    enum grpc_code code;
    const char *text;       /* part of the message of the status */
    unsigned n_connections; /* that the client has made in the end; 0: any number */
};

struct raw_server {
    const struct script *script;
    struct evconnlistener *listener;
    unsigned n_connections, n_requests;
    struct raw_conn *conns; /* freed with the server */
};

struct raw_conn {
    struct raw_conn *next;
    struct raw_server *server;
    int fd;
    struct event *readable;
    struct buf in;
    bool has_preface;
};

static void raw_send(struct raw_conn *conn, struct slice bytes)
{
    /* Small: it fits in the socket's buffer, or the client has gone. */
    (void)send(conn->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
}

static void raw_on_frame(struct raw_conn *conn, uint8_t type, uint8_t flags, uint32_t stream)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    if (type == FRAME_SETTINGS && !(flags & FLAG_ACK) && conn->server->script->answer)
        frame_add(&out, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
    if (type == FRAME_HEADERS && conn->server->script->answer)
        conn->server->script->answer(&out, stream, ++conn->server->n_requests);
    raw_send(conn, buf_slice(&out));
    buf_fini(&out);
}

static void raw_on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct raw_conn *conn = arg;
    char bytes[65536];
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n <= 0) {
        event_del(conn->readable);
        return;
    }
    frames_add(&conn->in, bytes, (size_t)n);
    if (!conn->has_preface && buf_len(&conn->in) >= sizeof(FRAME_PREFACE) - 1) {
        conn->has_preface = true;
        buf_consume(&conn->in, sizeof(FRAME_PREFACE) - 1);
    }
    while (conn->has_preface && buf_len(&conn->in) >= 9) {
        const uint8_t *head = (const uint8_t *)buf_slice(&conn->in).ptr;
        size_t len = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        uint32_t stream =
            (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
        uint8_t type = head[3], flags = head[4];
        if (buf_len(&conn->in) < 9 + len)
            return;
        buf_consume(&conn->in, 9 + len);
        raw_on_frame(conn, type, flags, stream);
    }
}

static void raw_on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *peer, int len, void *arg)
{
    (void)peer;
    (void)len;
    struct raw_server *server = arg;
    struct raw_conn *conn = calloc(1, sizeof(*conn));
    server->n_connections++;
    conn->server = server;
    conn->fd = fd;
    conn->next = server->conns;
    server->conns = conn;
    buf_init(&conn->in, 1 << 20);
    conn->readable = event_new(evconnlistener_get_base(listener), fd, EV_READ | EV_PERSIST,
                               raw_on_readable, conn);
    event_add(conn->readable, NULL);
    if (server->script->hello.ptr) {
        raw_send(conn, server->script->hello);
    } else {
        struct buf out;
        buf_init(&out, 100);
        frame_add(&out, FRAME_SETTINGS, 0, 0, NULL, 0);
        raw_send(conn, buf_slice(&out));
        buf_fini(&out);
    }
    if (server->script->closes_at_once)
        shutdown(fd, SHUT_WR);
}

static void raw_start(struct loop *loop, struct raw_server *server)
{
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct sockaddr_any addr = addr_make(&loopback, 0);
    server->listener = evconnlistener_new_bind(loop->base, raw_on_accept, server,
                                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
                                               &addr.sa, (int)addr.len);
    assert_non_null(server->listener);
    assert_int_equal(getsockname(evconnlistener_get_fd(server->listener), &addr.sa, &addr.len), 0);
    snprintf(loop->target, sizeof(loop->target), "127.0.0.1:%u", addr_port(&addr));
}

static void raw_stop(struct raw_server *server)
{
    evconnlistener_free(server->listener);
    for (struct raw_conn *conn = server->conns, *next; conn; conn = next) {
        next = conn->next;
        event_free(conn->readable);
        close(conn->fd);
        buf_fini(&conn->in);
        free(conn);
    }
}

/* ---- answers -------------------------------------------------------------------------------- */

#define OK_HEAD ":status", "200", "content-type", "application/grpc"

static void good_answer(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    headers_add(out, FLAG_END_STREAM, stream, (const char *[]){OK_HEAD, "grpc-status", "0", NULL});
}

static void answer_503(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    headers_add(out, 0, stream,
                (const char *[]){":status", "503", "content-type", "text/plain", NULL});
    frame_add(out, FRAME_DATA, FLAG_END_STREAM, stream, "no upstream", 11);
}

static void answer_web_page(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    headers_add(out, 0, stream,
                (const char *[]){":status", "200", "content-type", "text/html", NULL});
    frame_add(out, FRAME_DATA, FLAG_END_STREAM, stream, "<html>", 6);
}

static void answer_hints_first(struct buf *out, uint32_t stream, unsigned nth)
{
    headers_add(out, 0, stream, (const char *[]){":status", "103", "grpc-status", "7", NULL});
    good_answer(out, stream, nth);
}

static void answer_nothing(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    headers_add(out, FLAG_END_STREAM, stream, (const char *[]){OK_HEAD, NULL});
}

static void answer_odd_code(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    headers_add(
        out, FLAG_END_STREAM, stream,
        (const char *[]){OK_HEAD, "grpc-status", "4711", "grpc-message", "h%C3%A4?%", NULL});
}

static void answer_bytes(struct buf *out, uint32_t stream, const char *bytes, size_t len)
{
    headers_add(out, 0, stream, (const char *[]){OK_HEAD, NULL});
    frame_add(out, FRAME_DATA, 0, stream, bytes, len);
    headers_add(out, FLAG_END_STREAM, stream, (const char *[]){"grpc-status", "0", NULL});
}

static void answer_compressed(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    answer_bytes(out, stream, "\1\0\0\0\1a", 6);
}

static void answer_cut(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    answer_bytes(out, stream, "\0\0\0\0\5abc", 8);
}

static void answer_garbage(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    answer_bytes(out, stream, "{\"json\": true}", 14);
}

static void answer_huge(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    answer_bytes(out, stream, "\0\xff\xff\xff\xff", 5);
}

static void answer_cancel(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    number_add(out, FRAME_RST_STREAM, stream, 8);
}

static void answer_calm(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    number_add(out, FRAME_RST_STREAM, stream, 11);
}

static void answer_refused(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    number_add(out, FRAME_RST_STREAM, stream, 7);
}

/* Twice no, then yes: the call is tried again without its user noticing. */
static void answer_refused_twice(struct buf *out, uint32_t stream, unsigned nth)
{
    if (nth <= 2)
        answer_refused(out, stream, nth);
    else
        good_answer(out, stream, nth);
}

/* "I have seen no stream of yours", and the next connection is fine. */
static void answer_goaway_once(struct buf *out, uint32_t stream, unsigned nth)
{
    if (nth == 1)
        frame_add(out, FRAME_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    else
        good_answer(out, stream, nth);
}

static void answer_goaway_always(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)stream;
    (void)nth;
    frame_add(out, FRAME_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\13too busy", 16);
}

static void answer_bad_frame(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    frame_add(out, FRAME_WINDOW_UPDATE, 0, stream, "\0", 1);
}

static void answer_push(struct buf *out, uint32_t stream, unsigned nth)
{
    (void)nth;
    frame_add(out, FRAME_PUSH_PROMISE, FLAG_END_HEADERS, stream, "\0\0\0\2\x88", 5);
}

static const struct script scripts[] = {
    {"good", {0}, false, good_answer, GRPC_OK, "", 1},
    {"silence", {"", 0}, false, NULL, GRPC_UNAVAILABLE, "did not begin to speak HTTP/2", 1},
    {"closes", {"", 0}, true, NULL, GRPC_UNAVAILABLE, "closed the connection", 1},
    {"HTTP/1",
     {"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
     false,
     NULL,
     GRPC_UNAVAILABLE,
     "HTTP/2",
     1},
    {"SSH", {"SSH-2.0-OpenSSH_9.2\r\n", 21}, false, NULL, GRPC_UNAVAILABLE, "HTTP/2", 1},
    {"half a frame", {"\0\0\6\4\0", 5}, false, NULL, GRPC_UNAVAILABLE, "did not begin", 1},
    {"half a frame, the end", {"\0\0\6\4\0", 5}, true, NULL, GRPC_UNAVAILABLE, "closed", 1},
    {"no answer, no PING", {0}, false, NULL, GRPC_UNAVAILABLE, "keepalive", 1},
    {"SETTINGS, the end", {0}, true, NULL, GRPC_UNAVAILABLE, "closed the connection", 1},
    {"503", {0}, false, answer_503, GRPC_UNAVAILABLE, "HTTP status 503", 1},
    {"a web page", {0}, false, answer_web_page, GRPC_UNKNOWN, "content type", 1},
    {"early hints", {0}, false, answer_hints_first, GRPC_OK, "", 1},
    {"no status", {0}, false, answer_nothing, GRPC_UNKNOWN, "without a grpc-status", 1},
    {"an odd code", {0}, false, answer_odd_code, GRPC_UNKNOWN, "h\xc3\xa4?%", 1},
    {"compressed", {0}, false, answer_compressed, GRPC_INTERNAL, "compressed", 1},
    {"cut", {0}, false, answer_cut, GRPC_INTERNAL, "in the middle of a message", 1},
    {"garbage", {0}, false, answer_garbage, GRPC_INTERNAL, "no gRPC message", 1},
    {"huge", {0}, false, answer_huge, GRPC_RESOURCE_EXHAUSTED, "4294967295 bytes", 1},
    {"reset", {0}, false, answer_cancel, GRPC_CANCELLED, "reset: CANCEL", 1},
    {"calm", {0}, false, answer_calm, GRPC_RESOURCE_EXHAUSTED, "ENHANCE_YOUR_CALM", 1},
    {"refused for ever", {0}, false, answer_refused, GRPC_UNAVAILABLE, "refused 5 times", 1},
    {"refused twice", {0}, false, answer_refused_twice, GRPC_OK, "", 1},
    {"GOAWAY once", {0}, false, answer_goaway_once, GRPC_OK, "", 2},
    {"GOAWAY for ever", {0}, false, answer_goaway_always, GRPC_UNAVAILABLE, "refused 5 times", 5},
    {"a bad frame", {0}, false, answer_bad_frame, GRPC_UNAVAILABLE, "connection lost", 1},
    {"push", {0}, false, answer_push, GRPC_UNAVAILABLE, "connection lost", 1},
};

static void test_scripts(void **state)
{
    struct loop *loop = *state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        const struct script *script = &scripts[i];
        struct raw_server server = {.script = script};
        struct seen seen = {0};
        raw_start(loop, &server);
        loop_start_channel(loop, (struct grpc_channel_options){.connect_timeout_ms = 60,
                                                               .backoff_min_ms = 2,
                                                               .backoff_max_ms = 8,
                                                               .keepalive_ms = 50,
                                                               .keepalive_timeout_ms = 50});
        seen_start(&seen, loop, "/t/Echo", 0);
        assert_true(grpc_call_send(seen.call, slice_str("hello")));
        LOOP_UNTIL(loop, seen.n_ends == 1);
        if (seen.code != script->code || !strstr(seen.text, script->text))
            fail_msg("%s: %s \"%s\"", script->name, grpc_code_name(seen.code), seen.text);
        if (server.n_connections != script->n_connections)
            fail_msg("%s: %u connections", script->name, server.n_connections);
        grpc_channel_free(loop->channel);
        loop->channel = NULL;
        raw_stop(&server);
    }
}

/* A connection on which nothing was ever answered is backed off from, GOAWAY or not. */
static void test_goaway_does_not_make_us_spin(void **state)
{
    static const struct script script = {.name = "GOAWAY", .answer = answer_goaway_always};
    struct loop *loop = *state;
    struct raw_server server = {.script = &script};
    struct seen seen = {0};
    raw_start(loop, &server);
    loop_start_channel(loop, (struct grpc_channel_options){.backoff_min_ms = 40});
    seen_start(&seen, loop, "/t/Echo", 100);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_DEADLINE_EXCEEDED);
    assert_true(server.n_connections <= 4);
    grpc_channel_free(loop->channel);
    loop->channel = NULL;
    raw_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scripts, loop_set_up, loop_tear_down),
        cmocka_unit_test_setup_teardown(test_goaway_does_not_make_us_spin, loop_set_up,
                                        loop_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
