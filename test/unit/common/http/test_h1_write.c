/* common/http/h1_write.c: what is written, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/http/h1_write.h"

struct pair {
    const char *name, *value;
};
struct write_row {
    const char *name;
    const char *method, *authority, *path; /* of a request */
    uint16_t status;                       /* of a response */
    int64_t content_length;
    const char *upgrade;
    struct h1_write how;
    struct pair fields[3];
    const char *written; /* NULL: it is not */
};

#define GET   .method = "GET", .authority = "a", .path = "/", .content_length = -1
#define IS(n) .status = n, .content_length = -1

static const struct write_row rows[] = {
    {"the smallest", GET, .written = "GET / HTTP/1.1\r\nhost: a\r\n\r\n"},
    {"fields", GET, .fields = {{"b", "1"}, {"c", ""}},
     .written = "GET / HTTP/1.1\r\nhost: a\r\nb: 1\r\nc: \r\n\r\n"},
    {"no authority", .method = "GET", .path = "/", .content_length = -1,
     .written = "GET / HTTP/1.1\r\nhost: \r\n\r\n"},
    {"CONNECT", .method = "CONNECT", .authority = "a:1", .content_length = -1,
     .written = "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n"},
    {"OPTIONS for all", .method = "OPTIONS", .authority = "a", .path = "*", .content_length = -1,
     .written = "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"},
    {"a length", .method = "PUT", .authority = "a", .path = "/", .content_length = 1234567890123,
     .how = {.framing = H1_LENGTH},
     .written = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 1234567890123\r\n\r\n"},
    {"a length of 0", .method = "PUT", .authority = "a", .path = "/", .content_length = 0,
     .written = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"},
    {"chunks", GET, .how = {.framing = H1_CHUNKED},
     .written = "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"},
    {"an upgrade", GET, .upgrade = "websocket",
     .written = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"},
    {"all that Connection can say", GET, .upgrade = "websocket", .how = {.close = true},
     .fields = {{"te", "trailers"}},
     .written = "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close, upgrade, te\r\n"
                "upgrade: websocket\r\n\r\n"},
    {"keep-alive", GET, .how = {.keep_alive = true},
     .written = "GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\n\r\n"},
    {"close before keep-alive", GET, .how = {.keep_alive = true, .close = true},
     .written = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"},
    {"a method that is none", .method = "G T", .authority = "a", .path = "/"},
    {"no method", .method = "", .authority = "a", .path = "/"},
    {"a line end in the method", .method = "GET\r\n", .authority = "a", .path = "/"},
    {"a line end in the path", .method = "GET", .authority = "a", .path = "/\r\nx: y"},
    {"a space in the path", .method = "GET", .authority = "a", .path = "/ HTTP/1.1"},
    {"a path that is none", .method = "GET", .authority = "a", .path = "x"},
    {"no path", .method = "GET", .authority = "a", .path = ""},
    {"GET for all", .method = "GET", .authority = "a", .path = "*"},
    {"a line end in the authority", .method = "GET", .authority = "a\r\nx: y", .path = "/"},
    {"a user in the authority", .method = "GET", .authority = "u@a", .path = "/"},
    {"CONNECT with a path", .method = "CONNECT", .authority = "a:1", .path = "/",
     .content_length = -1},
    {"CONNECT without authority", .method = "CONNECT", .content_length = -1},
    {"CONNECT with a body", .method = "CONNECT", .authority = "a:1", .content_length = -1,
     .how = {.framing = H1_CHUNKED}},
    {"a line end in the upgrade", GET, .upgrade = "a\r\nb: c"},
    {"an upgrade to h2c", GET, .upgrade = "h2c"},
    {"a list of upgrades", GET, .upgrade = "a, b"},
    {"an upgrade with a body", GET, .upgrade = "a", .how = {.framing = H1_CHUNKED}},
    {"a length and no body", .method = "GET", .authority = "a", .path = "/", .content_length = 5},
    {"an empty name", GET, .fields = {{"", "1"}}},
    {"a space in a name", GET, .fields = {{"b ", "1"}}},
    {"a colon in a name", GET, .fields = {{"b:", "1"}}},
    {"a pseudo-field", GET, .fields = {{":path", "/"}}},
    {"capitals", GET, .fields = {{"B", "1"}}},
    {"a line end in a name", GET, .fields = {{"b\r\nc", "1"}}},
    {"a line end in a value", GET, .fields = {{"b", "1\r\nc: 2"}}},
    {"a CR in a value", GET, .fields = {{"b", "1\r2"}}},
    {"a LF in a value", GET, .fields = {{"b", "1\n2"}}},
    {"a bell in a value", GET, .fields = {{"b", "\a"}}},
    {"a blank in front of a value", GET, .fields = {{"b", " 1"}}},
    {"a blank behind a value", GET, .fields = {{"b", "1\t"}}},
    {"Host among the fields", GET, .fields = {{"host", "b"}}},
    {"a length among the fields", GET, .fields = {{"content-length", "1"}}},
    {"a coding among the fields", GET, .fields = {{"transfer-encoding", "chunked"}}},
    {"Connection among the fields", GET, .fields = {{"connection", "close"}}},
    {"Upgrade among the fields", GET, .fields = {{"upgrade", "h2c"}}},
    {"HTTP2-Settings among the fields", GET, .fields = {{"http2-settings", "AAA"}}},
    {"another te", GET, .fields = {{"te", "gzip"}}},
    {"a length that is not known", GET, .how = {.framing = H1_LENGTH}},
    {"a request until close", GET, .how = {.framing = H1_UNTIL_CLOSE}},
    {"a tunnel without CONNECT", GET, .how = {.framing = H1_TUNNEL}},
    {"a request with a status", .method = "GET", .authority = "a", .path = "/", .status = 200},

    {"OK", IS(200), .how = {.framing = H1_CHUNKED}, .fields = {{"server", "x"}},
     .written = "HTTP/1.1 200 OK\r\nserver: x\r\ntransfer-encoding: chunked\r\n\r\n"},
    {"a status without text", IS(299), .written = "HTTP/1.1 299 \r\n\r\n"},
    {"an answer to HEAD", .status = 200, .content_length = 5,
     .written = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"},
    {"304", .status = 304, .content_length = 5,
     .written = "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"},
    {"204 has no length", .status = 204, .content_length = 0,
     .written = "HTTP/1.1 204 No Content\r\n\r\n"},
    {"100", IS(100), .written = "HTTP/1.1 100 Continue\r\n\r\n"},
    {"103", IS(103), .fields = {{"link", "x"}},
     .written = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"},
    {"until close", IS(200), .how = {.framing = H1_UNTIL_CLOSE},
     .written = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"},
    {"101", IS(101), .upgrade = "websocket", .how = {.framing = H1_TUNNEL},
     .written = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
                "upgrade: websocket\r\n\r\n"},
    {"a tunnel", IS(200), .how = {.framing = H1_TUNNEL}, .written = "HTTP/1.1 200 OK\r\n\r\n"},
    {"204 with chunks", IS(204), .how = {.framing = H1_CHUNKED}},
    {"204 with a body", .status = 204, .content_length = 5, .how = {.framing = H1_LENGTH}},
    {"304 with a body", .status = 304, .content_length = 5, .how = {.framing = H1_LENGTH}},
    {"304 with chunks", IS(304), .how = {.framing = H1_CHUNKED}},
    {"304 until close", IS(304), .how = {.framing = H1_UNTIL_CLOSE}},
    {"100 with chunks", IS(100), .how = {.framing = H1_CHUNKED}},
    {"101 without upgrade", IS(101), .how = {.framing = H1_TUNNEL}},
    {"101 that is no tunnel", IS(101), .upgrade = "websocket"},
    {"404 as a tunnel", IS(404), .how = {.framing = H1_TUNNEL}},
    {"a status too low", IS(99)},
    {"a status too high", IS(600)},
    {"a line end in a value", IS(200), .fields = {{"b", "1\r\nc: 2"}}},
};

static void make_head(const struct write_row *row, struct head *head, struct arena *arena)
{
    head_init(head, arena);
    head->method = slice_str(row->method);
    head->authority = slice_str(row->authority);
    head->path = slice_str(row->path);
    head->status = row->status;
    head->content_length = row->content_length;
    head->upgrade = slice_str(row->upgrade);
    for (size_t i = 0; i < 3 && row->fields[i].name; i++)
        assert_true(
            head_add(head, slice_str(row->fields[i].name), slice_str(row->fields[i].value)));
}

static void test_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct write_row *row = &rows[i];
        struct arena arena = {0};
        struct head head;
        struct buf out;
        make_head(row, &head, &arena);
        buf_init(&out, 4096);
        assert_true(buf_append(&out, "before", 6));
        bool is_written = row->method ? h1_write_request(&out, &head, &row->how)
                                      : h1_write_response(&out, &head, &row->how);
        struct slice got = slice_sub(buf_slice(&out), 6, 4096);
        if (is_written != (row->written != NULL) ||
            !slice_eq_str(got, row->written ? row->written : ""))
            fail_msg("%s: %s\n%.*s", row->name, is_written ? "written" : "not written",
                     SLICE_ARG(got));
        buf_fini(&out);
        arena_fini(&arena);
    }
}

static void test_no_room(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct head head;
    struct buf out;
    const struct h1_write how = {.framing = H1_NO_BODY};
    make_head(&rows[0], &head, &arena);
    buf_init(&out, 20);
    assert_false(h1_write_request(&out, &head, &how));
    assert_int_equal(buf_len(&out), 0);
    buf_fini(&out);
    arena_fini(&arena);
}

static void test_chunks(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct head trailers;
    struct buf out;
    head_init(&trailers, &arena);
    buf_init(&out, 4096);
    assert_true(head_add(&trailers, SLICE_LITERAL("grpc-status"), SLICE_LITERAL("0")));
    assert_true(head_add(&trailers, SLICE_LITERAL("authorization"), SLICE_LITERAL("x")));
    assert_true(h1_write_chunk_start(&out, 0x1a2b));
    assert_true(h1_write_chunk_end(&out));
    assert_true(h1_write_last_chunk(&out, NULL));
    assert_true(h1_write_last_chunk(&out, &trailers));
    assert_true(slice_eq_str(buf_slice(&out), "1a2b\r\n\r\n0\r\n\r\n0\r\ngrpc-status: 0\r\n\r\n"));
    assert_true(head_add(&trailers, SLICE_LITERAL("x"), SLICE_LITERAL("\r\n")));
    assert_false(h1_write_last_chunk(&out, &trailers));
    buf_fini(&out);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
