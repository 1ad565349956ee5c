/* common/http/h1_body.c and trailers: one row a body, cut at every byte. */
#include <inttypes.h>

#include "test/unit/common/http/h1_rows.h"

struct body_row {
    const char *name;
    enum h1_framing framing;
    int64_t length;
    struct slice bytes;
    const char
        *result; /* "data|end", "data|more", "data|bad", "data|trailers"; "+n": what is left */
};
#define BODY(name, framing, length, bytes, result)                                                 \
    {                                                                                              \
        name, framing, length, SLICE_LITERAL(bytes), result                                        \
    }
#define CHUNKS(name, bytes, result) BODY(name, H1_CHUNKED, -1, bytes, result)
#define X16                         "xxxxxxxxxxxxxxxx"
#define X240                        X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16

static const struct body_row rows[] = {
    BODY("none", H1_NO_BODY, -1, "abc", "|end+3"),
    BODY("a length", H1_LENGTH, 3, "abcd", "abc|end+1"),
    BODY("half of it", H1_LENGTH, 3, "ab", "ab|more"),
    BODY("nothing of it", H1_LENGTH, 3, "", "|more"),
    BODY("until close", H1_UNTIL_CLOSE, -1, "abc\r\n\r\n", "abc\r\n\r\n|more"),
    BODY("a tunnel", H1_TUNNEL, -1, "\0abc", "\0abc|more"),
    CHUNKS("one chunk", "3\r\nabc\r\n0\r\n\r\n", "abc|trailers+2"),
    CHUNKS("two chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n", "abc|trailers"),
    CHUNKS("no chunk", "0\r\n\r\n", "|trailers+2"),
    CHUNKS("hex", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n", "01234567890123456789|trailers"),
    CHUNKS("leading zeros", "0000000000000001\r\na\r\n0000000000000000\r\n", "a|trailers"),
    CHUNKS("CRLF as data", "2\r\n\r\n\r\n0\r\n", "\r\n|trailers"),
    CHUNKS("data that looks like the end", "5\r\n0\r\n\r\n\r\n0\r\n", "0\r\n\r\n|trailers"),
    CHUNKS("half a size", "1", "|more"),
    CHUNKS("half a line end", "1\r", "|more"),
    CHUNKS("half the data", "5\r\nab", "ab|more"),
    CHUNKS("half the end", "1\r\na\r", "a|more"),
    CHUNKS("the highest size", "7fffffffffffffff\r\na", "a|more"),
    CHUNKS("one higher", "8000000000000000\r\n", "|bad"),
    CHUNKS("all ones", "ffffffffffffffff\r\n", "|bad"),
    CHUNKS("17 digits", "00000000000000001\r\na\r\n", "|bad"),
    CHUNKS("17 digits that overflow to 1", "10000000000000001\r\na\r\n", "|bad"),
    CHUNKS("an empty size", "\r\n", "|bad"),
    CHUNKS("an extension and no size", ";a\r\n", "|bad"),
    CHUNKS("a plus", "+1\r\na\r\n", "|bad"),
    CHUNKS("a minus", "-1\r\na\r\n", "|bad"),
    CHUNKS("minus zero", "-0\r\n\r\n", "|bad"),
    CHUNKS("a prefix", "0x1\r\na\r\n", "|bad"),
    CHUNKS("an underscore", "1_0\r\n", "|bad"),
    CHUNKS("a space in front", " 1\r\na\r\n", "|bad"),
    CHUNKS("a space behind", "1 \r\na\r\n", "|bad"),
    CHUNKS("a tab behind", "1\t\r\na\r\n", "|bad"),
    CHUNKS("a space before the extension", "1 ;a\r\na\r\n", "|bad"),
    CHUNKS("no hex", "g\r\n", "|bad"),
    CHUNKS("a point", "1.0\r\na\r\n", "|bad"),
    CHUNKS("a comma", "1,1\r\na\r\n", "|bad"),
    CHUNKS("a NUL", "1\0\r\na\r\n", "|bad"),
    CHUNKS("a bare LF after the size", "1\na\r\n", "|bad"),
    CHUNKS("a bare CR after the size", "1\ra\r\n", "|bad"),
    CHUNKS("CR CR LF after the size", "1\r\r\na\r\n", "|bad"),
    CHUNKS("a bare LF after the data", "1\r\na\n0\r\n", "a|bad"),
    CHUNKS("a bare CR after the data", "1\r\na\r0\r\n", "a|bad"),
    CHUNKS("too much data", "1\r\nab\r\n", "a|bad"),
    CHUNKS("no line end after the data", "1\r\na0\r\n", "a|bad"),
    CHUNKS("too little data", "3\r\na\r\n0\r\n", "a\r\n|bad"),
    CHUNKS("an empty line before a size", "1\r\na\r\n\r\n0\r\n", "a|bad"),
    CHUNKS("a bare LF after the last size", "0\n\r\n", "|bad"),
    CHUNKS("a bare CR after the last size", "0\r\r\n", "|bad"),
    CHUNKS("an extension", "1;a\r\nx\r\n0;b=c\r\n", "x|trailers"),
    CHUNKS("several", "1;a;b=c;d=\"e;f\\\"\"\r\nx\r\n", "x|more"),
    CHUNKS("blanks within", "1; a = b ;\tc\r\nx\r\n", "x|more"),
    CHUNKS("an empty quoted value", "1;a=\"\"\r\nx\r\n", "x|more"),
    CHUNKS("a blank at the end", "1;a \r\nx\r\n", "|bad"),
    CHUNKS("a semicolon alone", "1;\r\nx\r\n", "|bad"),
    CHUNKS("two semicolons", "1;;a\r\nx\r\n", "|bad"),
    CHUNKS("an equals sign alone", "1;a=\r\nx\r\n", "|bad"),
    CHUNKS("a value without a name", "1;=a\r\nx\r\n", "|bad"),
    CHUNKS("an open quote", "1;a=\"\r\nx\r\n", "|bad"),
    CHUNKS("something after a quote", "1;a=\"b\"c\r\nx\r\n", "|bad"),
    CHUNKS("a LF in an extension", "1;a\nx\r\n", "|bad"),
    CHUNKS("a CR in an extension", "1;a\rb\r\nx\r\n", "|bad"),
    CHUNKS("a CR in a quoted one", "1;a=\"\rb\"\r\nx\r\n", "|bad"),
    CHUNKS("an escaped LF", "1;a=\"\\\n\"\r\nx\r\n", "|bad"),
    CHUNKS("a NUL in an extension", "1;a\0\r\nx\r\n", "|bad"),
    CHUNKS("a bell in an extension", "1;a\a\r\nx\r\n", "|bad"),
    CHUNKS("DEL in an extension", "1;a=\"\x7f\"\r\nx\r\n", "|bad"),
    CHUNKS("256 bytes of it", "1;" X240 "xxxxxxxxxxxxxxx\r\nx\r\n", "x|more"),
    CHUNKS("257 bytes of it", "1;" X240 "xxxxxxxxxxxxxxxx\r\nx\r\n", "|bad"),
    CHUNKS("each chunk may have as many", "1;" X240 "\r\nx\r\n1;" X240 "\r\ny\r\n", "xy|more"),
};

static enum h1_body_result feed(struct h1_body *body, struct slice *input, struct buf *out)
{
    for (;;) {
        struct slice data;
        enum h1_body_result result = h1_body_next(body, input, &data);
        assert_int_equal(result == H1_BODY_DATA, data.len > 0);
        if (result != H1_BODY_DATA)
            return result;
        assert_true(buf_append(out, data.ptr, data.len));
    }
}

/* In pieces of exact allocations that end at `cuts`; a verdict stays what it is. */
static void read_body(const struct body_row *row, const size_t *cuts, size_t n, struct buf *out)
{
    static const char *const results[] = {"more", "data", "trailers", "end", "bad"};
    const struct h1_message message = {.framing = row->framing};
    const struct head head = {.content_length = row->length};
    enum h1_body_result result = H1_BODY_MORE;
    struct h1_body body;
    size_t left = 0, from = 0;
    h1_body_init(&body, &message, &head);
    for (size_t i = 0; i < n; from = cuts[i++]) {
        size_t len = cuts[i] - from;
        char *piece = malloc(len ? len : 1);
        memcpy(piece, row->bytes.ptr + from, len);
        struct slice input = slice_of(piece, len);
        enum h1_body_result before = result;
        result = feed(&body, &input, out);
        if (before != H1_BODY_MORE) {
            assert_int_equal(result, before);
            assert_int_equal(input.len, len);
        }
        left += input.len;
        free(piece);
    }
    buf_printf(out, "|%s", results[result]);
    if (left > 0 && result != H1_BODY_BAD)
        buf_printf(out, "+%zu", left);
}

static void check_body(const struct body_row *row, const size_t *cuts, size_t n)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    read_body(row, cuts, n, &out);
    struct slice got = buf_slice(&out);
    /* A NUL may be among the data: compare from the end of what the row says. */
    size_t len = row->result[0] == '\0' ? strlen(row->result + 1) + 1 : strlen(row->result);
    if (!slice_eq(got, slice_of(row->result, len)))
        fail_msg("%s: %.*s, not %s", row->name, SLICE_ARG(got), row->result);
    buf_fini(&out);
}

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t len = rows[i].bytes.len;
        size_t *each = calloc(len + 1, sizeof(*each));
        check_body(&rows[i], &len, 1);
        for (size_t at = 0; at < len; at++) {
            const size_t cuts[] = {at, len};
            check_body(&rows[i], cuts, 2);
            each[at] = at + 1;
        }
        if (len > 0)
            check_body(&rows[i], each, len);
        free(each);
    }
}

static const struct head_row trailers[] = {
    GOOD("none", "\r\n", ""),
    GOOD("one", "Grpc-Status: 0\r\n\r\n", ";grpc-status=0"),
    GOOD("with what follows", "a: 1\r\nb:\r\n\r\nGET", ";a=1;b= +3"),
    GOOD("not all yet", "a: 1\r\n\r", "more"),
    GOOD("hop-by-hop ones",
         "Connection: close\r\nKeep-Alive: 1\r\nTE: trailers\r\nUpgrade: a\r\n\r\n", ""),
    BAD("a length", "Content-Length: 5\r\n\r\n", TRAILER),
    BAD("a coding", "Transfer-Encoding: chunked\r\n\r\n", TRAILER),
    BAD("Host", "Host: a\r\n\r\n", TRAILER),
    BAD("authorization", "Authorization: Basic eA==\r\n\r\n", TRAILER),
    BAD("authorization for a proxy", "Proxy-Authorization: Basic eA==\r\n\r\n", TRAILER),
    BAD("a cookie", "Cookie: a=b\r\n\r\n", TRAILER),
    BAD("where it comes from", "X-Forwarded-For: 127.0.0.1\r\n\r\n", TRAILER),
    BAD("who it comes from", "X-Forwarded-Client-Cert: a\r\n\r\n", TRAILER),
    BAD("ours", "Outrigger-Orig-Proto: h2\r\n\r\n", TRAILER),
    BAD("ours as well", "Outrigger-Anything: h2\r\n\r\n", TRAILER),
    BAD("a bare LF", "a: 1\n\r\n", LINE_END),
    BAD("a bare LF as the end", "a: 1\r\n\n", LINE_END),
    BAD("a bare LF alone", "\n", LINE_END),
    BAD("a folded line", "a: 1\r\n b\r\n\r\n", FOLDED),
    BAD("a space in front", " a: 1\r\n\r\n", FOLDED),
    BAD("a space before the colon", "a : 1\r\n\r\n", FIELD_NAME),
    BAD("no colon", "a\r\n\r\n", FIELD_NAME),
    BAD("a request line", "GET / HTTP/1.1\r\n\r\n", FIELD_NAME),
    BAD("a NUL", "a: \0\r\n\r\n", NUL),
    BAD("five", "a: 1\r\na: 2\r\na: 3\r\na: 4\r\na: 5\r\n\r\n", TOO_MANY_FIELDS),
    BAD("too much", "a: 890123456789012345678901234567890123456789012345678901234567890\r\n\r\n",
        HEAD_TOO_LARGE),
};

static void check_trailers(const struct head_row *row, size_t cut)
{
    static const struct h1_limits small = {16, 64, 4};
    struct arena arena = {0};
    struct head head;
    struct buf dump;
    enum h1_fault fault;
    size_t seen = 0, len = h1_trailers_end(slice_sub(row->bytes, 0, cut), &seen, &small, &fault);
    if (len == 0 && fault == H1_FAULT_NONE)
        len = h1_trailers_end(row->bytes, &seen, &small, &fault);
    buf_init(&dump, 4096);
    head_init(&head, &arena);
    if (len > 0) {
        char *text = malloc(len);
        memcpy(text, row->bytes.ptr, len);
        fault = h1_parse_trailers(text, len, &small, &head);
        for (size_t i = 0; i < head.n_fields; i++)
            buf_printf(&dump, ";%.*s=%.*s", SLICE_ARG(head.fields[i].name),
                       SLICE_ARG(head.fields[i].value));
        if (len < row->bytes.len)
            buf_printf(&dump, " +%zu", row->bytes.len - len);
        free(text);
    } else if (fault == H1_FAULT_NONE) {
        buf_printf(&dump, "more");
    }
    if (fault != row->fault)
        fail_msg("%s: \"%s\", not \"%s\"", row->name, h1_fault_text(fault),
                 h1_fault_text(row->fault));
    if (row->head && !slice_eq_str(buf_slice(&dump), row->head))
        fail_msg("%s: %.*s, not %s", row->name, SLICE_ARG(buf_slice(&dump)), row->head);
    buf_fini(&dump);
    arena_fini(&arena);
}

static void test_trailers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(trailers) / sizeof(trailers[0]); i++)
        for (size_t cut = 0; cut <= trailers[i].bytes.len; cut++)
            check_trailers(&trailers[i], cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_trailers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
