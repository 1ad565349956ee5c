/* common/http/h1_parse.c, requests: one row a case, each cut at every byte. */
#include "test/unit/common/http/h1_rows.h"

#define H   "Host: a\r\n"
#define E   "\r\n"
#define GET "GET / HTTP/1.1\r\n" H
/* GET with one more line. */
#define LINE(text) GET text "\r\n\r\n"

static const struct head_row start_lines[] = {
    GOOD("the smallest", GET E, "GET - a 1.1 / none"),
    GOOD("1.0", "GET / HTTP/1.0\r\n\r\n", "GET -  1.0 / last none"),
    GOOD("1.0 with Host", "GET / HTTP/1.0\r\nHost: a:1\r\n\r\n", "GET - a:1 1.0 / last none"),
    GOOD("what follows is not touched", GET E "GET /2", "GET - a 1.1 / none +6"),
    GOOD("one empty line in front", "\r\n" GET E, "GET - a 1.1 / none"),
    GOOD("two empty lines in front", "\r\n\r\n" GET E, "GET - a 1.1 / none"),
    BAD("three empty lines in front", "\r\n\r\n\r\n" GET E, LINE),
    BAD("a bare LF in front", "\n" GET E, LINE),
    BAD("a bare CR in front", "\r" GET E, LINE),
    BAD("a space in front", " " GET E, LINE),
    BAD("a tab in front", "\t" GET E, LINE),
    BAD("a NUL in front", "\0" GET E, LINE),
    BAD("a byte order mark", "\xef\xbb\xbf" GET E, LINE),
    BAD("a ClientHello", "\x16\x03\x01\x02", LINE),
    GOOD("nothing yet", "", "more"),
    GOOD("half a line end", "\r", "more"),
    GOOD("no end yet", "GET / HTTP/1.1\r\nHost: a\r\n", "more"),
    GOOD("almost the end", "GET / HTTP/1.1\r\nHost: a\r\n\r", "more"),
    GOOD("a method of its own", "PURGE-All_1! / HTTP/1.1\r\n" H E, "PURGE-All_1! - a 1.1 / none"),
    GOOD("methods have case", "get / HTTP/1.1\r\n" H E, "get - a 1.1 / none"),
    BAD("two spaces after the method", "GET  / HTTP/1.1\r\n" H E, TARGET),
    BAD("two spaces before the version", "GET /  HTTP/1.1\r\n" H E, TARGET),
    BAD("a tab after the method", "GET\t/ HTTP/1.1\r\n" H E, METHOD),
    BAD("a tab before the version", "GET /\tHTTP/1.1\r\n" H E, LINE),
    BAD("a space after the version", "GET / HTTP/1.1 \r\n" H E, LINE),
    BAD("a form feed between", "GET\f/ HTTP/1.1\r\n" H E, METHOD),
    BAD("a vertical tab between", "GET / HTTP/1.1\v\r\n" H E, LINE),
    BAD("no target", "GET HTTP/1.1\r\n" H E, LINE),
    BAD("an empty target", "GET  HTTP/1.1\r\n" H E, LINE),
    BAD("HTTP/0.9", "GET /\r\n\r\n", LINE),
    BAD("the method alone", "GET\r\n\r\n", METHOD),
    BAD("a method in brackets", "(GET) / HTTP/1.1\r\n" H E, LINE),
    BAD("a colon in the method", "GET: / HTTP/1.1\r\n" H E, METHOD),
    BAD("a quoted method", "\"GET\" / HTTP/1.1\r\n" H E, LINE),
    BAD("a NUL in the method", "GE\0T / HTTP/1.1\r\n" H E, NUL),
    BAD("a NUL in the target", "GET /\0 HTTP/1.1\r\n" H E, NUL),
    BAD("a CR in the target", "GET /\r HTTP/1.1\r\n" H E, LINE_END),
    BAD("a bell in the target", "GET /\a HTTP/1.1\r\n" H E, LINE),
    BAD("a field in the place of the line", "Host: a\r\n\r\n", METHOD),
    BAD("HTTP/1.2", "GET / HTTP/1.2\r\n" H E, VERSION),
    BAD("HTTP/2.0", "GET / HTTP/2.0\r\n" H E, VERSION),
    BAD("HTTP/0.9 by name", "GET / HTTP/0.9\r\n" H E, VERSION),
    BAD("HTTP/9.9", "GET / HTTP/9.9\r\n" H E, VERSION),
    BAD("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERSION),
    BAD("http/1.1", "GET / http/1.1\r\n" H E, LINE),
    BAD("HTTP/1,1", "GET / HTTP/1,1\r\n" H E, LINE),
    BAD("HTTP/1.10", "GET / HTTP/1.10\r\n" H E, LINE),
    BAD("HTTP/11", "GET / HTTP/11\r\n" H E, LINE),
    BAD("HTTP/01.1", "GET / HTTP/01.1\r\n" H E, LINE),
    BAD("HTTP/1.", "GET / HTTP/1.\r\n" H E, LINE),
    BAD("HTTPS/1.1", "GET / HTTPS/1.1\r\n" H E, LINE),
    BAD("HTP/1.1", "GET / HTP/1.1\r\n" H E, LINE),
    BAD("ICY/1.1", "GET / ICY /1.1\r\n" H E, LINE),
    BAD("words after the version", "GET / HTTP/1.1 x\r\n" H E, LINE),
};

static const struct head_row targets[] = {
    GOOD("a path and a query", "GET /a/b;c=1,2/@:!$&'()*+~?x=/?y HTTP/1.1\r\n" H E,
         "GET - a 1.1 /a/b;c=1,2/@:!$&'()*+~?x=/?y none"),
    GOOD("percent", "GET /%41%ff?%zz HTTP/1.1\r\n" H E, "GET - a 1.1 /%41%ff?%zz none"),
    GOOD("what browsers send", "GET /[a]{b}|^`?q[]={\\|^`} HTTP/1.1\r\n" H E,
         "GET - a 1.1 /[a]{b}|^`?q[]={\\|^`} none"),
    GOOD("two slashes are a path", "GET //b/c HTTP/1.1\r\n" H E, "GET - a 1.1 //b/c none"),
    GOOD("dots are a path", "GET /../.. HTTP/1.1\r\n" H E, "GET - a 1.1 /../.. none"),
    BAD("half a triplet", "GET /%4 HTTP/1.1\r\n" H E, TARGET),
    BAD("no triplet", "GET /%zz HTTP/1.1\r\n" H E, TARGET),
    BAD("a lone percent", "GET /% HTTP/1.1\r\n" H E, TARGET),
    BAD("a fragment", "GET /a#b HTTP/1.1\r\n" H E, TARGET),
    BAD("a fragment in the query", "GET /a?b#c HTTP/1.1\r\n" H E, TARGET),
    BAD("a backslash in the path", "GET /a\\b HTTP/1.1\r\n" H E, TARGET),
    BAD("a backslash in front", "GET \\a HTTP/1.1\r\n" H E, TARGET),
    BAD("a quote", "GET /a\"b HTTP/1.1\r\n" H E, TARGET),
    BAD("angle brackets", "GET /<script> HTTP/1.1\r\n" H E, TARGET),
    BAD("angle brackets in the query", "GET /?<a> HTTP/1.1\r\n" H E, TARGET),
    BAD("raw UTF-8", "GET /\xc3\xa9 HTTP/1.1\r\n" H E, TARGET),
    BAD("a space in the target", "GET /a b HTTP/1.1\r\n" H E, TARGET),
    BAD("a relative target", "GET a/b HTTP/1.1\r\n" H E, TARGET),
    BAD("a query alone", "GET ?a HTTP/1.1\r\n" H E, TARGET),
    GOOD("absolute-form", "GET http://b:80/c?d HTTP/1.1\r\n" H E, "GET http b:80 1.1 /c?d none"),
    GOOD("absolute-form wins over Host", "GET https://b/ HTTP/1.1\r\n" H E,
         "GET https b 1.1 / none"),
    GOOD("a scheme in capitals", "GET HTTPS://B/C HTTP/1.1\r\n" H E, "GET https B 1.1 /C none"),
    GOOD("absolute-form without path", "GET http://b HTTP/1.1\r\n" H E, "GET http b 1.1 / none"),
    GOOD("absolute-form with a query alone", "GET http://b.c:1?d/e HTTP/1.1\r\n" H E,
         "GET http b.c:1 1.1 /?d/e none"),
    GOOD("absolute-form in 1.0", "GET http://b/ HTTP/1.0\r\n\r\n", "GET http b 1.0 / last none"),
    GOOD("OPTIONS for all by absolute-form", "OPTIONS http://b HTTP/1.1\r\n" H E,
         "OPTIONS http b 1.1 * none"),
    BAD("absolute-form does not excuse from Host", "GET http://b/ HTTP/1.1\r\n\r\n", HOST),
    BAD("nor from a good one", "GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n", HOST),
    BAD("absolute-form with a user", "GET http://u@b/ HTTP/1.1\r\n" H E, TARGET),
    BAD("absolute-form with a password", "GET http://u:p@b/ HTTP/1.1\r\n" H E, TARGET),
    BAD("absolute-form without host", "GET http:///c HTTP/1.1\r\n" H E, TARGET),
    BAD("absolute-form with nothing", "GET http:// HTTP/1.1\r\n" H E, TARGET),
    BAD("absolute-form with a port alone", "GET http://:80/ HTTP/1.1\r\n" H E, TARGET),
    BAD("absolute-form with a fragment", "GET http://b#c HTTP/1.1\r\n" H E, TARGET),
    BAD("absolute-form with one slash", "GET http:/b HTTP/1.1\r\n" H E, TARGET),
    BAD("absolute-form with backslashes", "GET http:\\\\b HTTP/1.1\r\n" H E, TARGET),
    BAD("another scheme", "GET ftp://b/ HTTP/1.1\r\n" H E, TARGET),
    BAD("a file", "GET file:///etc/passwd HTTP/1.1\r\n" H E, TARGET),
    GOOD("OPTIONS for all", "OPTIONS * HTTP/1.1\r\n" H E, "OPTIONS - a 1.1 * none"),
    BAD("GET for all", "GET * HTTP/1.1\r\n" H E, TARGET),
    BAD("more than an asterisk", "OPTIONS *a HTTP/1.1\r\n" H E, TARGET),
    GOOD("CONNECT", "CONNECT b.c:443 HTTP/1.1\r\n" H E, "CONNECT - b.c:443 1.1  none"),
    GOOD("CONNECT to v6", "CONNECT [::1]:443 HTTP/1.1\r\n" H E, "CONNECT - [::1]:443 1.1  none"),
    BAD("CONNECT to v6 without port", "CONNECT [::1] HTTP/1.1\r\n" H E, TARGET),
    BAD("CONNECT without port", "CONNECT b.c HTTP/1.1\r\n" H E, TARGET),
    BAD("CONNECT with an empty port", "CONNECT b.c: HTTP/1.1\r\n" H E, TARGET),
    BAD("CONNECT with a path", "CONNECT /b HTTP/1.1\r\n" H E, TARGET),
    BAD("CONNECT by absolute-form", "CONNECT http://b:1/ HTTP/1.1\r\n" H E, TARGET),
    BAD("CONNECT with a body", "CONNECT b:1 HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n",
        CONTENT_LENGTH),
    BAD("CONNECT with chunks", "CONNECT b:1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
        TRANSFER_ENCODING),
    GOOD("CONNECT with a length of 0", "CONNECT b:1 HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
         "CONNECT - b:1 1.1  none"),
    BAD("authority-form without CONNECT", "GET b:443 HTTP/1.1\r\n" H E, TARGET),
};

#define HOST(value) "GET / HTTP/1.1\r\nHost:" value "\r\n\r\n"
static const struct head_row hosts[] = {
    BAD("no Host", "GET / HTTP/1.1\r\n\r\n", HOST),
    BAD("an empty Host", HOST(""), HOST),
    BAD("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", HOST),
    BAD("two Hosts that differ", "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", HOST),
    BAD("two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", HOST),
    GOOD("no blank", HOST("a.b-c_d"), "GET - a.b-c_d 1.1 / none"),
    GOOD("blanks around", HOST(" \t a \t"), "GET - a 1.1 / none"),
    GOOD("a port", HOST("a:65535"), "GET - a:65535 1.1 / none"),
    GOOD("v4", HOST("10.0.0.1:80"), "GET - 10.0.0.1:80 1.1 / none"),
    GOOD("v6", HOST("[fd00::1]:80"), "GET - [fd00::1]:80 1.1 / none"),
    GOOD("v6 without port", HOST("[::]"), "GET - [::] 1.1 / none"),
    GOOD("capitals stay", HOST("Example.COM"), "GET - Example.COM 1.1 / none"),
    BAD("a port too high", HOST("a:65536"), HOST),
    BAD("an endless port", HOST("a:99999999999999999999"), HOST),
    BAD("an empty port", HOST("a:"), HOST),
    BAD("no number as port", HOST("a:http"), HOST),
    BAD("a signed port", HOST("a:+80"), HOST),
    BAD("two ports", HOST("a:1:2"), HOST),
    BAD("a port alone", HOST(":80"), HOST),
    BAD("a user", HOST("u@a"), HOST),
    BAD("a path", HOST("a/b"), HOST),
    BAD("a query", HOST("a?b"), HOST),
    BAD("a fragment", HOST("a#b"), HOST),
    BAD("a backslash", HOST("a\\b"), HOST),
    BAD("a scheme", HOST("http://a"), HOST),
    BAD("a list", HOST("a,b"), HOST),
    BAD("a list with a blank", HOST("a, b"), HOST),
    BAD("percent", HOST("%61"), HOST),
    BAD("v6 without brackets", HOST("::1"), HOST),
    BAD("v6 without end", HOST("[::1"), HOST),
    BAD("v6 with something behind", HOST("[::1]a"), HOST),
    BAD("v6 with a zone", HOST("[fe80::1%25eth0]"), HOST),
    BAD("an address of the future", HOST("[v1.a]"), HOST),
    BAD("empty brackets", HOST("[]"), HOST),
    BAD("brackets of something else", HOST("[a.b]"), HOST),
    BAD("a NUL", HOST("a\0b"), NUL),
    BAD("raw UTF-8", HOST("\xc3\xa9"), HOST),
    BAD("a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", FIELD_NAME),
};

static const struct head_row lines[] = {
    GOOD("names in lower case", LINE("X-Custom: Value"), "GET - a 1.1 / none;x-custom=Value"),
    GOOD("blanks around a value", LINE("x: \t a b \t "), "GET - a 1.1 / none;x=a b"),
    GOOD("an empty value", LINE("x:"), "GET - a 1.1 / none;x="),
    GOOD("a value of blanks", LINE("x: \t"), "GET - a 1.1 / none;x="),
    GOOD("a tab in a value", LINE("x: a\tb"), "GET - a 1.1 / none;x=a\tb"),
    GOOD("a tab in a long value", LINE("x: abcdefgh\tijklmnopqrst"),
         "GET - a 1.1 / none;x=abcdefgh\tijklmnopqrst"),
    GOOD("obs-text", LINE("x: \xff\x80"), "GET - a 1.1 / none;x=\xff\x80"),
    GOOD("colons in a value", LINE("x:::"), "GET - a 1.1 / none;x=::"),
    GOOD("every token character", LINE("!#$%&'*+-.^_`|~9: a"),
         "GET - a 1.1 / none;!#$%&'*+-.^_`|~9=a"),
    GOOD("order and repetition stay", LINE("b: 1\r\na: 2\r\nB: 3"),
         "GET - a 1.1 / none;b=1;a=2;b=3"),
    BAD("a bare LF after the request line", "GET / HTTP/1.1\n" H E, LINE_END),
    BAD("a bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", LINE_END),
    BAD("a bare LF at the end", GET "\n", LINE_END),
    BAD("a bare LF, then the end", GET "x: y\n\r\n", LINE_END),
    BAD("LF CR", GET "x: y\n\r" E, LINE_END),
    BAD("a bare LF in a value", LINE("x: a\nb: c"), LINE_END),
    BAD("a bare CR in a value", LINE("x: a\rb"), LINE_END),
    BAD("a bare CR that hides a field", LINE("x: a\rContent-Length: 5"), LINE_END),
    BAD("CR CR LF", LINE("x: a\r"), LINE_END),
    BAD("a bare CR as a line", GET "\r\r\n\r\n", FIELD_NAME),
    BAD("a CR in a name", LINE("x\ry: a"), FIELD_NAME),
    BAD("a NUL in a value", LINE("x: a\0b"), NUL),
    BAD("a NUL in a name", LINE("x\0: a"), NUL),
    BAD("a NUL at the end of a value", LINE("x: a\0"), NUL),
    BAD("DEL in a value", LINE("x: a\x7f"), FIELD_VALUE),
    BAD("DEL in a long value", LINE("x: abcdefghijkl\x7fmnopq"), FIELD_VALUE),
    BAD("a bell in a value", LINE("x: \a"), FIELD_VALUE),
    BAD("a vertical tab in a value", LINE("x: a\vb"), FIELD_VALUE),
    BAD("a form feed before a value", LINE("x:\fb"), FIELD_VALUE),
    BAD("an escape in a value", LINE("x: \x1b[31m"), FIELD_VALUE),
    BAD("a folded line", LINE("x: a\r\n b"), FOLDED),
    BAD("a line folded with a tab", LINE("x: a\r\n\tb"), FOLDED),
    BAD("a line folded to nothing", LINE("x: a\r\n "), FOLDED),
    BAD("a folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", FOLDED),
    BAD("a field folded at its colon", LINE("x:\r\n a"), FOLDED),
    BAD("a space before the colon", LINE("x : a"), FIELD_NAME),
    BAD("a tab before the colon", LINE("x\t: a"), FIELD_NAME),
    BAD("no colon", LINE("x"), FIELD_NAME),
    BAD("no name", LINE(": a"), FIELD_NAME),
    BAD("a space in a name", LINE("x y: a"), FIELD_NAME),
    BAD("brackets in a name", LINE("x(y): a"), FIELD_NAME),
    BAD("a slash in a name", LINE("x/y: a"), FIELD_NAME),
    BAD("a comma in a name", LINE("x,y: a"), FIELD_NAME),
    BAD("a quote in a name", LINE("\"x\": a"), FIELD_NAME),
    BAD("raw UTF-8 in a name", LINE("\xc3\xa9: a"), FIELD_NAME),
    BAD("a full-width letter in a name", LINE("\xef\xbd\x98: a"), FIELD_NAME),
    BAD("DEL in a name", LINE("x\x7f: a"), FIELD_NAME),
};

/* A line of 20 bytes, a head of 80, 3 fields. */
static const struct h1_limits small = {20, 80, 3};
static const struct head_row limits[] = {
    GOOD("a line of 20", "GET /abcdef HTTP/1.1\r\n" H E, "GET - a 1.1 /abcdef none"),
    BAD("a line of 21", "GET /abcdefg HTTP/1.1\r\n" H E, LINE_TOO_LONG),
    GOOD("a line of 20 after empty lines", "\r\n\r\nGET /abcdef HTTP/1.1\r\n" H E,
         "GET - a 1.1 /abcdef none"),
    BAD("a line without end", "GET /abcdefghijklmnopqrstuvwxyz", LINE_TOO_LONG),
    GOOD("a line that may still end", "GET /abcdefghijklmnop", "more"),
    BAD("a long line that ends badly", "GET /abcdefgh HTTP/1.1\n", LINE_TOO_LONG),
    BAD("a line that ends badly in time", "GET /abcdef HTTP/1.1\n", LINE_END),
    GOOD("three fields", "GET / HTTP/1.1\r\nHost: a\r\nb: 1\r\nc: 2\r\n\r\n",
         "GET - a 1.1 / none;b=1;c=2"),
    BAD("four fields", "GET / HTTP/1.1\r\nHost: a\r\nb: 1\r\nc: 2\r\nd: 3\r\n\r\n",
        TOO_MANY_FIELDS),
    BAD("those that are removed count",
        "GET / HTTP/1.1\r\nHost: a\r\nTE: 1\r\nTE: 2\r\nTE: 3\r\n\r\n", TOO_MANY_FIELDS),
    GOOD("a head of 80",
         "GET / HTTP/1.1\r\nHost: a\r\nb: 890123456789012345678901234567890123456789012345\r\n\r\n",
         "GET - a 1.1 / none;b=890123456789012345678901234567890123456789012345"),
    BAD("a head of 81",
        "GET / HTTP/1.1\r\nHost: a\r\nb: 8901234567890123456789012345678901234567890123456\r\n\r\n",
        HEAD_TOO_LARGE),
    BAD("a head without end",
        "GET / HTTP/1.1\r\nHost: a\r\nb: 89012345678901234567890123456789012345678901234566789",
        HEAD_TOO_LARGE),
    BAD("a line that ends badly after the ceiling",
        "GET / HTTP/1.1\r\nHost: a\r\nb: 890123456789012345678901234567890123456789012345667890\nx",
        HEAD_TOO_LARGE),
};

RUN(start_lines, row_parse_request)
RUN(targets, row_parse_request)
RUN(hosts, row_parse_request)
RUN(lines, row_parse_request)

static void test_limits(void **state)
{
    (void)state;
    rows_run(limits, sizeof(limits) / sizeof(limits[0]), &small, row_parse_request);
}

/* A head of 64 KiB that comes byte by byte is looked at once, not 64 thousand times. */
static void test_linear_time(void **state)
{
    (void)state;
    const struct h1_limits most = {1 << 20, 2 << 20, 128};
    const size_t len = 1 << 20;
    char *text = malloc(len);
    memset(text, 'a', len);
    enum h1_fault fault;
    size_t seen = 0;
    for (size_t i = 1; i <= len; i++) {
        assert_int_equal(h1_head_end(slice_of(text, i), &seen, &most, &fault), 0);
        assert_int_equal(fault, H1_FAULT_NONE);
        assert_int_equal(seen, i);
    }
    free(text);
}

static void test_faults_have_a_status_and_a_text(void **state)
{
    (void)state;
    for (int i = H1_FAULT_LINE; i <= H1_FAULT_NO_MEMORY; i++) {
        assert_true(h1_fault_status(i) >= 400 && h1_fault_status(i) < 600);
        assert_true(strlen(h1_fault_text(i)) > 5);
    }
    assert_int_equal(h1_fault_status(H1_FAULT_LINE_TOO_LONG), 414);
    assert_int_equal(h1_fault_status(H1_FAULT_HEAD_TOO_LARGE), 431);
    assert_int_equal(h1_fault_status(H1_FAULT_TRANSFER_CODING), 501);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_lines),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_linear_time),
        cmocka_unit_test(test_faults_have_a_status_and_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
