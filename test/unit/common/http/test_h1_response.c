/* common/http/h1_parse.c, responses: as strict as requests. */
#include "test/unit/common/http/h1_rows.h"

static enum h1_fault parse_answer(struct slice method, char *text, size_t len,
                                  const struct h1_limits *limits, struct buf *dump)
{
    struct arena arena = {0};
    struct head head;
    struct h1_message message;
    head_init(&head, &arena);
    enum h1_fault fault = h1_parse_response(text, len, limits, method, &head, &message);
    if (fault == H1_FAULT_NONE) {
        assert_int_equal(head.method.len + head.path.len + head.authority.len, 0);
        buf_printf(dump, "1.%d %u ", head.version == HTTP_1_1, head.status);
        row_dump_rest(dump, &head, &message);
    }
    arena_fini(&arena);
    return fault;
}

static enum h1_fault to_get(char *text, size_t len, const struct h1_limits *limits,
                            struct buf *dump)
{
    return parse_answer(SLICE_LITERAL("GET"), text, len, limits, dump);
}

static enum h1_fault to_head(char *text, size_t len, const struct h1_limits *limits,
                             struct buf *dump)
{
    return parse_answer(SLICE_LITERAL("HEAD"), text, len, limits, dump);
}

static enum h1_fault to_connect(char *text, size_t len, const struct h1_limits *limits,
                                struct buf *dump)
{
    return parse_answer(SLICE_LITERAL("CONNECT"), text, len, limits, dump);
}

#define OK(lines)         "HTTP/1.1 200 OK\r\n" lines "\r\n"
#define IS(status, lines) "HTTP/1.1 " status " x\r\n" lines "\r\n"
#define CL(n)             "Content-Length: " n "\r\n"
#define CHUNKED           "Transfer-Encoding: chunked\r\n"
#define SWITCH(name)      "Connection: upgrade\r\nUpgrade: " name "\r\n"

static const struct head_row answers[] = {
    GOOD("a length", OK(CL("5")), "1.1 200 length 5"),
    GOOD("a length of 0", OK(CL("0")), "1.1 200 none 0"),
    GOOD("chunks", OK(CHUNKED), "1.1 200 chunked"),
    GOOD("until close", OK(""), "1.1 200 last close"),
    GOOD("until close, whatever it says", OK("Connection: keep-alive\r\n"), "1.1 200 last close"),
    GOOD("close", OK("Connection: close\r\n" CL("5")), "1.1 200 last length 5"),
    GOOD("1.0", "HTTP/1.0 200 OK\r\n" CL("5") "\r\n", "1.0 200 last length 5"),
    GOOD("1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" CL("5") "\r\n",
         "1.0 200 length 5"),
    GOOD("no reason", "HTTP/1.1 200 \r\n" CL("0") "\r\n", "1.1 200 none 0"),
    GOOD("not even a space", "HTTP/1.1 200\r\n" CL("0") "\r\n", "1.1 200 none 0"),
    GOOD("a long reason", "HTTP/1.1 404 a b\tc \xff\r\n" CL("0") "\r\n", "1.1 404 none 0"),
    GOOD("a status that nobody knows", IS("599", CL("0")), "1.1 599 none 0"),
    GOOD("100", IS("100", ""), "1.1 100 none"),
    GOOD("103 with fields", IS("103", "Link: a\r\n"), "1.1 103 none;link=a"),
    GOOD("204", IS("204", ""), "1.1 204 none"),
    GOOD("204 with a length of 0", IS("204", CL("0")), "1.1 204 none"),
    GOOD("304 with the length of what is not sent", IS("304", CL("5")), "1.1 304 none 5"),
    GOOD("304 with chunks that are not sent", IS("304", CHUNKED), "1.1 304 none"),
    GOOD("fields", OK("Server: x\r\nX-A:\r\n" CL("0")), "1.1 200 none 0;server=x;x-a="),
    GOOD("hop-by-hop fields", OK("Connection: a\r\nA: 1\r\nKeep-Alive: 5\r\n" CL("0")),
         "1.1 200 none 0"),
    GOOD("an upgrade that is offered", OK("Upgrade: h2c\r\nConnection: Upgrade\r\n" CL("0")),
         "1.1 200 none 0"),
    GOOD("101", IS("101", SWITCH("websocket")), "1.1 101 last tunnel upgrade=websocket"),
    GOOD("101 with what follows", IS("101", SWITCH("websocket")) "abc",
         "1.1 101 last tunnel upgrade=websocket +3"),
    BAD("101 to nothing", IS("101", ""), CONNECTION),
    BAD("101 without Connection", IS("101", "Upgrade: websocket\r\n"), CONNECTION),
    BAD("101 without Upgrade", IS("101", "Connection: upgrade\r\n"), CONNECTION),
    BAD("101 to h2c", IS("101", SWITCH("h2c")), CONNECTION),
    BAD("101 in 1.0", "HTTP/1.0 101 x\r\n" SWITCH("websocket") "\r\n", CONNECTION),
    BAD("101 with a length", IS("101", SWITCH("websocket") CL("5")), CONTENT_LENGTH),
    BAD("100 with a length", IS("100", CL("5")), CONTENT_LENGTH),
    BAD("100 with chunks", IS("100", CHUNKED), TRANSFER_ENCODING),
    BAD("204 with a length", IS("204", CL("5")), CONTENT_LENGTH),
    BAD("204 with chunks", IS("204", CHUNKED), TRANSFER_ENCODING),
    BAD("two framings", OK(CL("5") CHUNKED), TWO_FRAMINGS),
    BAD("two framings at 304", IS("304", CL("5") CHUNKED), TWO_FRAMINGS),
    BAD("two lengths", OK(CL("5") CL("5")), CONTENT_LENGTH),
    BAD("a list of lengths", OK(CL("5, 5")), CONTENT_LENGTH),
    BAD("a negative length", OK(CL("-1")), CONTENT_LENGTH),
    BAD("chunks in 1.0", "HTTP/1.0 200 OK\r\n" CHUNKED "\r\n", TRANSFER_ENCODING),
    BAD("identity", OK("Transfer-Encoding: identity\r\n"), TRANSFER_ENCODING),
    BAD("gzip", OK("Transfer-Encoding: gzip, chunked\r\n"), TRANSFER_CODING),
    BAD("an empty line in front", "\r\n" OK(CL("0")), LINE),
    BAD("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", STATUS),
    BAD("a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", STATUS),
    BAD("a negative status", "HTTP/1.1 -20 OK\r\n\r\n", STATUS),
    BAD("no number", "HTTP/1.1 abc OK\r\n\r\n", STATUS),
    BAD("status 0", "HTTP/1.1 000 OK\r\n\r\n", STATUS),
    BAD("status 99", "HTTP/1.1 099 OK\r\n\r\n", STATUS),
    BAD("status 600", "HTTP/1.1 600 OK\r\n\r\n", STATUS),
    BAD("status 999", "HTTP/1.1 999 OK\r\n\r\n", STATUS),
    BAD("two spaces", "HTTP/1.1  200 OK\r\n\r\n", STATUS),
    BAD("a tab", "HTTP/1.1\t200 OK\r\n\r\n", LINE),
    BAD("no status", "HTTP/1.1\r\n\r\n", LINE),
    BAD("a tab after the status", "HTTP/1.1 200\tOK\r\n\r\n", STATUS),
    BAD("another protocol", "ICY 200 OK for you\r\n\r\n", LINE),
    BAD("a body and no head", "<html><body>\r\n\r\n", LINE),
    BAD("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", VERSION),
    BAD("HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", VERSION),
    BAD("http/1.1", "http/1.1 200 OK\r\n\r\n", LINE),
    BAD("a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", LINE),
    BAD("a bare LF after the line", "HTTP/1.1 200 OK\n\r\n", LINE_END),
    BAD("a bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", LINE_END),
    BAD("a NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n", NUL),
    BAD("a bell in the reason", "HTTP/1.1 200 \aOK\r\n\r\n", LINE),
    BAD("a space before a colon", OK("X : a\r\n"), FIELD_NAME),
    BAD("a folded line", OK("X: a\r\n b\r\n"), FOLDED),
    BAD("a bare CR in a value", OK("Location: a\rSet-Cookie: b\r\n"), LINE_END),
    BAD("a NUL in a value", OK("X: a\0\r\n"), NUL),
};

static const struct head_row answers_to_head[] = {
    GOOD("a length and no body", OK(CL("5")), "1.1 200 none 5"),
    GOOD("chunks and no body", OK(CHUNKED), "1.1 200 none"),
    GOOD("neither, and the connection stays", OK(""), "1.1 200 none"),
    BAD("two framings", OK(CL("5") CHUNKED), TWO_FRAMINGS),
};

static const struct head_row answers_to_connect[] = {
    GOOD("a tunnel", OK(""), "1.1 200 last tunnel"),
    GOOD("a tunnel, whatever its length", OK(CL("5")), "1.1 200 last tunnel"),
    GOOD("a tunnel, whatever its coding", OK(CHUNKED), "1.1 200 last tunnel"),
    GOOD("any 2xx", IS("204", ""), "1.1 204 last tunnel"),
    GOOD("a refusal has a body", IS("407", CL("5")), "1.1 407 length 5"),
    BAD("two framings", OK(CL("5") CHUNKED), TWO_FRAMINGS),
};

RUN(answers, to_get)
RUN(answers_to_head, to_head)
RUN(answers_to_connect, to_connect)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_to_head),
        cmocka_unit_test(test_answers_to_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
