/*
 * Heads and trailers that the HTTP/2 server refuses, and how.
 */
#include "h2_rig.h"

static void test_malformed_requests(void **state)
{
    (void)state;
    static const char *const requests[] = {
        /* pseudo-header fields (RFC 9113 8.3) */
        ":method=GET\n:scheme=http\n:path=/", ":method=GET\n:scheme=http\n:authority=a",
        ":method=GET\n:authority=a\n:path=/", ":scheme=http\n:authority=a\n:path=/",
        ":method=GET\n:method=GET\n:scheme=http\n:authority=a\n:path=/",
        ":method=GET\n:scheme=http\n:authority=a\n:path=/\n:path=/b",
        ":method=GET\n:scheme=http\n:authority=a\n:path=/\n:other=1",
        ":method=GET\n:scheme=http\n:authority=a\n:path=/\n:status=200",
        ":method=GET\n:scheme=http\n:authority=a\nx=y\n:path=/",
        ":method=GET\n:scheme=http\n:authority=a\n:path=",
        ":method=GET\n:scheme=http\n:authority=a\n:path=b",
        ":method=GET\n:scheme=http\n:authority=a\n:path=*",
        ":method=GET\n:scheme=http\n:authority=a\n:path=/#f",
        ":method=GET\n:scheme=http\n:authority=a\n:path=/a b",
        ":method=GET\n:scheme=http\n:authority=a\n:path=/\x7f",
        ":method=GET\n:scheme=http\n:authority=a\n:path=http://b/",
        ":method=GET\n:scheme=http\n:authority=u@a\n:path=/",
        ":method=GET\n:scheme=http\n:authority=a/b\n:path=/",
        ":method=GET\n:scheme=http\n:authority=\n:path=/",
        ":method=GET\n:scheme=ftp\n:authority=a\n:path=/",
        ":method=G ET\n:scheme=http\n:authority=a\n:path=/",
        ":method=\n:scheme=http\n:authority=a\n:path=/", GET "\nhost=b", GET "\nhost=a\nhost=a",
        /* CONNECT (8.5, RFC 8441) */
        ":method=CONNECT\n:scheme=http\n:authority=a:1\n:path=/", ":method=CONNECT",
        ":method=CONNECT\n:authority=a", ":method=CONNECT\n:authority=[::1]",
        ":method=CONNECT\n:protocol=websocket\n:authority=a",
        ":method=GET\n:protocol=websocket\n:scheme=http\n:authority=a\n:path=/",
        /* names and values (8.2.1) */
        GET "\nX-Upper=1", GET "\nx y=1", GET "\nx:y=1", GET "\nx\r=1", GET "\nx=a\rb",
        GET "\nx=a\x01", GET "\nx= a", GET "\nx=a\t", GET "\nx\x80=1",
        /* connection-specific (8.2.2) */
        GET "\nconnection=close", GET "\nkeep-alive=1", GET "\nproxy-connection=close",
        GET "\ntransfer-encoding=chunked", GET "\nupgrade=h2c", GET "\nte=gzip",
        /* framing */
        GET "\ncontent-length=", GET "\ncontent-length=+1", GET "\ncontent-length=1,1",
        GET "\ncontent-length=0x1", GET "\ncontent-length=9223372036854775808",
        GET "\ncontent-length=1\ncontent-length=2", GET "\ncontent-length=1", /* and no body */
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct rig rig;
        rig_open_server(&rig);
        put_headers(&rig, 1, true, requests[i]);
        put_headers(&rig, 3, true, GET);
        rig_send(&rig);
        const char *frames = rig_frames(&rig);
        if (strcmp(frames, "RST 1 1\n") != 0 ||
            strcmp(rig.told.bytes, "3:GET http://a/ end\n") != 0)
            fail_msg("%s\n-> %s-> %s", requests[i], frames, rig.told.bytes);
        stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
        rig_end(&rig);
    }
}

static void test_a_line_of_its_own_cannot_be_smuggled(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t block[256];
    rig_open_server(&rig);
    size_t len = hpack_block(block, GET "\nx=a_evil");
    for (const char *c = "\n\0"; c < "\n\0" + 2; c++) {
        block[len - 5] = (uint8_t)*c;
        put_frame(&rig, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                  *c ? 1 : 3, block, len);
    }
    rig_send(&rig);
    assert_string_equal(rig_frames(&rig), "RST 1 1\nRST 3 1\n");
    assert_string_equal(heard(&rig.told), "");
    rig_end(&rig);
}

static void test_malformed_trailers(void **state)
{
    (void)state;
    static const char *const trailers[] = {
        ":path=/b", "host=b",   "content-length=4", "transfer-encoding=chunked",
        "te=a",     "cookie=a", "authorization=me", "connection=x",
        "X=1",      "x=a\x01",
    };
    for (size_t i = 0; i < sizeof(trailers) / sizeof(trailers[0]); i++) {
        struct rig rig;
        rig_open_server(&rig);
        put_headers(&rig, 1, false, POST);
        put_data(&rig, 1, 4, false);
        put_headers(&rig, 1, true, trailers[i]);
        rig_send(&rig);
        const char *frames = rig_frames(&rig);
        if (strcmp(frames, "RST 1 1\n") != 0)
            fail_msg("%s -> %s", trailers[i], frames);
        assert_string_equal(heard(&rig.told),
                            "1:POST http://a/\n1:data 4\n1:reset protocol_error\n");
        stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
        rig_end(&rig);
    }
}

/* The application that is reached only now must not take what was held for the whole request. */
static void test_malformed_trailers_behind_held_data(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_server(&rig);
    put_headers(&rig, 1, false, POST);
    rig_send(&rig);
    stream_pause(rig.streams[0]);
    put_data(&rig, 1, 4, false);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "1:POST http://a/\n");
    put_headers(&rig, 1, true, "host=b");
    stream_resume(rig.streams[0]);
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "1:data 4\n1:reset protocol_error\n");
    assert_string_equal(rig_frames(&rig), "RST 1 1\n");
    stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
    rig_end(&rig);
}

static char *many_fields(const char *beginning, const char *field, size_t n)
{
    size_t size = strlen(beginning) + n * (strlen(field) + 1) + 1;
    char *text = malloc(size);
    char *at = stpcpy(text, beginning);
    for (size_t i = 0; i < n; i++) {
        *at++ = '\n';
        at = stpcpy(at, field);
    }
    return text;
}

static void test_large_heads_are_answered(void **state)
{
    (void)state;
    char large[8000];
    memset(large, 'v', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    large[0] = 'x';
    large[1] = '=';
    char *heads[] = {
        many_fields(GET, "x=y", 129),
        many_fields(GET, "cookie=a", 1400), /* 32 is added for each crumb */
    };
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        rig_open_server(&rig);
        rig.limits.h1.head_bytes = 50000;
        put_headers(&rig, 1, false, heads[i]);
        put_headers(&rig, 3, true, GET "\nx=y");
        rig_send(&rig);
        assert_string_equal(heard(&rig.told), "3:GET http://a/ x=y end\n");
        assert_string_equal(rig_frames(&rig),
                            "HEADERS 1 :status=431 content-length=0 end\nRST 1 0\n");
        stream_close(rig.streams[0], STREAM_CUT_CANCELLED);
        rig_end(&rig);
        free(heads[i]);
    }
}

/* A large field in the dynamic table, referred to by one byte each: 64 KiB on the wire are MiBs. */
static void test_header_bomb(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t block[16384];
    char value[3000];
    memset(value, 'v', sizeof(value));
    rig_open_server(&rig);
    size_t start = hpack_block(block, GET);
    uint8_t *at = block + start;
    *at++ = 0x40; /* literal with incremental indexing */
    at = hpack_text(at, "x-bomb", 6);
    at = hpack_text(at, value, sizeof(value));
    memset(at, 0x80 | 62, sizeof(block) - (size_t)(at - block));
    put_frame(&rig, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block,
              sizeof(block));
    rig_send(&rig);
    assert_string_equal(heard(&rig.told), "");
    assert_string_equal(rig_frames(&rig), "HEADERS 1 :status=431 content-length=0 end\n");
    rig_end(&rig);
}

static void test_continuation_flood(void **state)
{
    (void)state;
    struct rig rig;
    uint8_t block[256];
    rig_open_server(&rig);
    size_t len = hpack_block(block, GET);
    put_frame(&rig, NGHTTP2_HEADERS, 0, 1, block, len);
    for (int i = 0; i < 100; i++)
        put_frame(&rig, NGHTTP2_CONTINUATION, 0, 1, "", 0);
    rig_send(&rig);
    rig_leave(&rig);
    assert_string_equal(heard(&rig.told), "");
    assert_int_equal(rig.reason, REASON_GLITCHES);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_a_line_of_its_own_cannot_be_smuggled),
        cmocka_unit_test(test_malformed_trailers),
        cmocka_unit_test(test_malformed_trailers_behind_held_data),
        cmocka_unit_test(test_large_heads_are_answered),
        cmocka_unit_test(test_header_bomb),
        cmocka_unit_test(test_continuation_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
