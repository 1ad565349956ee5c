/* First bytes and what they are taken for, whole and cut at every byte. */
#include "proxy/detect/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#define BYTES(text) SLICE_LITERAL(text)

static const struct {
    struct slice bytes;
    enum detected detected;
} rows[] = {
    {BYTES(""), DETECTED_MORE},
    /* HTTP/1 */
    {BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), DETECTED_HTTP1},
    {BYTES("GET / HTTP/1."), DETECTED_HTTP1},
    {BYTES("POST /a?b=c HTTP/1.0\r\n"), DETECTED_HTTP1},
    {BYTES("OPTIONS * HTTP/1.1\r\n"), DETECTED_HTTP1},
    {BYTES("GET http://a/ HTTP/1.1\r\n"), DETECTED_HTTP1},
    {BYTES("CONNECT a.example:443 HTTP/1.1\r\n"), DETECTED_HTTP1},
    {BYTES("CONNECT 10.0.0.1:443 HTTP/1.1\r\n"), DETECTED_HTTP1},
    {BYTES("CONNECT [::1]:443 HTTP/1.1\r\n"), DETECTED_HTTP1},
    {BYTES("VERSION-CONTROL /a HTTP/1.1\r\n"), DETECTED_HTTP1},
    {BYTES("M_SEARCH * HTTP/1.1\r\n"), DETECTED_HTTP1},
    {BYTES("PRI * HTTP/1.1\r\n"), DETECTED_HTTP1},
    /* Wrong, but for the codec to say. */
    {BYTES("GET / HTTP/1.9\r\n"), DETECTED_HTTP1},
    {BYTES("GET /\xc3\xa9 HTTP/1.1\r\n"), DETECTED_HTTP1},
    {BYTES("GET /a\"<>\\^`{|} HTTP/1.1\r\n"), DETECTED_HTTP1},
    /* Cut short. */
    {BYTES("G"), DETECTED_MORE},
    {BYTES("GET"), DETECTED_MORE},
    {BYTES("GET "), DETECTED_MORE},
    {BYTES("GET /a/b/c?d"), DETECTED_MORE},
    {BYTES("GET / "), DETECTED_MORE},
    {BYTES("GET / HTTP/1"), DETECTED_MORE},
    {BYTES("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF"), DETECTED_MORE},
    /* HTTP/2 */
    {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), DETECTED_HTTP2},
    {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4"), DETECTED_HTTP2},
    {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r"), DETECTED_MORE},
    {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\n\r"), DETECTED_OPAQUE},
    {BYTES("PRI * HTTP/2.0\n\n"), DETECTED_OPAQUE},
    {BYTES("PRI * HTTP/2.1"), DETECTED_OPAQUE},
    /* What only some would take for HTTP. */
    {BYTES("\r\nGET / HTTP/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES(" GET / HTTP/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("get / HTTP/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("Get / HTTP/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("GET\t/\tHTTP/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("GET  / HTTP/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("GET /  HTTP/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("GET /\r\n"), DETECTED_OPAQUE},
    {BYTES("GET / http/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("GET / HTTP/2.0\r\n"), DETECTED_OPAQUE},
    {BYTES("GET / HTTP/0.9\r\n"), DETECTED_OPAQUE},
    {BYTES("GET / HTTPS/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("GET ?a HTTP/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("GET /\0 HTTP/1.1\r\n"), DETECTED_OPAQUE},
    {BYTES("G\0"), DETECTED_OPAQUE},
    {BYTES("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"), DETECTED_OPAQUE}, /* a word of 33 */
    /* Others. */
    {BYTES("SSH-2.0-OpenSSH_9.2\r\n"), DETECTED_OPAQUE},
    {BYTES("RTSP/1.0 200 OK\r\n"), DETECTED_OPAQUE},
    {BYTES("HTTP/1.1 200 OK\r\n"), DETECTED_OPAQUE},
    {BYTES("OPTIONS rtsp://a/b RTSP/1.0\r\n"), DETECTED_OPAQUE},
    {BYTES("INVITE sip:a@b SIP/2.0\r\n"), DETECTED_OPAQUE},
    {BYTES("EHLO client.example\r\n"), DETECTED_OPAQUE},
    {BYTES("SET key value\r\n"), DETECTED_OPAQUE},
    {BYTES("PING\r\n"), DETECTED_OPAQUE},
    {BYTES("CONNECT {\"verbose\":false}\r\n"), DETECTED_OPAQUE},
    {BYTES("*1\r\n$4\r\nPING\r\n"), DETECTED_OPAQUE},
    {BYTES("\x16\x03\x01\x02\x00\x01"), DETECTED_OPAQUE},
    {BYTES("\x00\x00\x00\x08\x04\xd2\x16\x2f"), DETECTED_OPAQUE}, /* PostgreSQL asks for TLS */
    {BYTES("AMQP\x00\x00\x09\x01"), DETECTED_OPAQUE},
    {BYTES("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"), DETECTED_OPAQUE},
};

/* In an allocation of its own, so that AddressSanitizer sees a byte too many. */
static enum detected detect(struct slice bytes)
{
    char *copy = malloc(bytes.len ? bytes.len : 1);
    assert_non_null(copy);
    memcpy(copy, bytes.ptr, bytes.len);
    enum detected detected = protocol_detect(slice_of(copy, bytes.len));
    free(copy);
    return detected;
}

static void first_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum detected got = detect(rows[i].bytes);
        if (got != rows[i].detected)
            fail_msg("row %zu \"%.*s\": %s, not %s", i, SLICE_ARG(rows[i].bytes),
                     detected_name(got), detected_name(rows[i].detected));
    }
}

/* However little has come: first "more", then the one answer. */
static void every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum detected before = DETECTED_MORE;
        for (size_t len = 0; len <= rows[i].bytes.len; len++) {
            enum detected got = detect(slice_sub(rows[i].bytes, 0, len));
            assert_true(before == DETECTED_MORE || got == before);
            before = got;
        }
        assert_int_equal(before, rows[i].detected);
    }
}

/* A first line that never ends is for the codec to answer. */
static void a_line_without_end(void **state)
{
    (void)state;
    char bytes[PROTOCOL_MAX_BYTES + 1] = "GET /";
    memset(bytes + 5, 'a', sizeof(bytes) - 5);
    assert_int_equal(detect(slice_of(bytes, PROTOCOL_MAX_BYTES - 1)), DETECTED_MORE);
    assert_int_equal(detect(slice_of(bytes, PROTOCOL_MAX_BYTES)), DETECTED_HTTP1);
    bytes[PROTOCOL_MAX_BYTES] = '\n';
    assert_int_equal(detect(slice_of(bytes, sizeof(bytes))), DETECTED_HTTP1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(a_line_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
