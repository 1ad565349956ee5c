#include "proxy/telemetry/trace_context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define SHORT  "a3ce929d0e0e4736"
#define SPAN   "00f067aa0ba902b7"
#define PARENT "05e3ac9a4f6e3b90"
#define ZEROS  "00000000000000000000000000000000"

static void traceparents(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_ok, is_sampled;
    } rows[] = {
        {"00-" TRACE "-" SPAN "-01", true, true},
        {"00-" TRACE "-" SPAN "-00", true, false},
        {"00-" TRACE "-" SPAN "-03", true, true},
        {"00-" TRACE "-" SPAN "-ff", true, true},
        {"cc-" TRACE "-" SPAN "-01", true, true},
        {"cc-" TRACE "-" SPAN "-01-what-the-future-holds", true, true},
        {"cc-" TRACE "-" SPAN "-01.what", false, false},
        {"00-" TRACE "-" SPAN "-01-more", false, false},
        {"00-" TRACE "-" SPAN "-01-", false, false},
        {"ff-" TRACE "-" SPAN "-01", false, false},
        {"00-" ZEROS "-" SPAN "-01", false, false},
        {"00-" TRACE "-0000000000000000-01", false, false},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", false, false},
        {"00-" TRACE "-" SPAN "-0", false, false},
        {"00-" TRACE "-" SPAN "-0g", false, false},
        {"0-" TRACE "-" SPAN "-01", false, false},
        {"00_" TRACE "_" SPAN "_01", false, false},
        {"00-" TRACE "-" SPAN, false, false},
        {"00-" SHORT "-" SPAN "-01", false, false},
        {" 00-" TRACE "-" SPAN "-01", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trace_context context = {0};
        bool is_ok = trace_parse_traceparent(slice_str(rows[i].text), &context);
        char trace[TRACE_ID_TEXT_BYTES], span[SPAN_ID_TEXT_BYTES];
        if (is_ok != rows[i].is_ok || trace_is_sampled(&context) != rows[i].is_sampled)
            fail_msg("%s", rows[i].text);
        if (is_ok) {
            assert_string_equal(trace_id_text(&context, trace), TRACE);
            assert_string_equal(span_id_text(context.parent_id, span), SPAN);
        }
    }
}

static void one_field_b3(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_ok;
        enum trace_decision decision;
        const char *trace;
    } rows[] = {
        {TRACE "-" SPAN, true, TRACE_UNDECIDED, TRACE},
        {TRACE "-" SPAN "-1", true, TRACE_SAMPLED, TRACE},
        {TRACE "-" SPAN "-0", true, TRACE_UNSAMPLED, TRACE},
        {TRACE "-" SPAN "-d", true, TRACE_DEBUG, TRACE},
        {TRACE "-" SPAN "-1-" PARENT, true, TRACE_SAMPLED, TRACE},
        {SHORT "-" SPAN "-1", true, TRACE_SAMPLED, "0000000000000000" SHORT},
        {"0", true, TRACE_UNSAMPLED, ZEROS},
        {"1", true, TRACE_SAMPLED, ZEROS},
        {"d", true, TRACE_DEBUG, ZEROS},
        {"2", false, 0, ""},
        {"", false, 0, ""},
        {"-", false, 0, ""},
        {TRACE, false, 0, ""},
        {TRACE "-", false, 0, ""},
        {TRACE "-" SPAN "-", false, 0, ""},
        {TRACE "-" SPAN "-true", false, 0, ""},
        {TRACE "-" SPAN "-1-", false, 0, ""},
        {TRACE "-" SPAN "-1-" PARENT "-", false, 0, ""},
        {TRACE "-" SPAN "-1-" PARENT "-1", false, 0, ""},
        {TRACE "-" SPAN "-" PARENT, false, 0, ""},
        {ZEROS "-" SPAN "-1", false, 0, ""},
        {TRACE "-0000000000000000-1", false, 0, ""},
        {"4bf92f3577b34da6a3ce929d-" SPAN "-1", false, 0, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trace_context context = {0};
        char trace[TRACE_ID_TEXT_BYTES];
        bool is_ok = trace_parse_b3(slice_str(rows[i].text), &context);
        if (is_ok != rows[i].is_ok || context.decision != rows[i].decision ||
            (is_ok && strcmp(trace_id_text(&context, trace), rows[i].trace) != 0))
            fail_msg("%s", rows[i].text);
    }
}

#define TEN(x) x x x x x x x x x x
static void tracestates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_ok;
    } rows[] = {
        {"rojo=00f067aa0ba902b7", true},
        {"rojo=1,congo=t61rcWkgMzE", true},
        {" rojo=1 ,\tcongo=2 ,", true},
        {"", true},
        {",,", true},
        {"fw529a3039@dt=FfAAA/00==", false},
        {"fw529a3039@dt=Ff A A", true},
        {"0tenant/a*b-c_d@sys=1", true},
        {"a=1,a=2", true},
        {"Rojo=1", false},
        {"rojo", false},
        {"rojo=", false},
        {"=1", false},
        {"@sys=1", false},
        {"tenant@=1", false},
        {"tenant@abcdefghijklmno=1", false},
        {"a@b@c=1", false},
        {"rojo=\x7f", false},
        {"rojo=\xc3\xa4", false},
        {TEN("a=1,") TEN("b=1,") TEN("c=1,") "d=1,e=1", true},
        {TEN("a=1,") TEN("b=1,") TEN("c=1,") "d=1,e=1,f=1", false},
        {TEN("aaaaaaaaaaaaaaaaaaaaaaaaa") "aaaaaa=1", true},
        {TEN("aaaaaaaaaaaaaaaaaaaaaaaaa") "aaaaaaa=1", false},
        {"a=" TEN("aaaaaaaaaaaaaaaaaaaaaaaaa") "aaaaaa", true},
        {"a=" TEN("aaaaaaaaaaaaaaaaaaaaaaaaa") "aaaaaaa", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (trace_state_ok(slice_str(rows[i].text)) != rows[i].is_ok)
            fail_msg("%s", rows[i].text);
}

/* "name: value\n..." */
static void head_of(struct head *head, struct arena *arena, const char *text)
{
    head_init(head, arena);
    while (*text) {
        const char *colon = strchr(text, ':'), *end = strchr(text, '\n');
        struct slice name = slice_of(text, (size_t)(colon - text));
        assert_true(head_add_field(
            head, (struct field){.name = name,
                                 .value = slice_of(colon + 2, (size_t)(end - colon) - 2),
                                 .id = field_name_of(name)}));
        text = end + 1;
    }
}

static char *head_text(const struct head *head)
{
    static char text[2048];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < head->n_fields; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s: %.*s\n",
                                SLICE_ARG(head->fields[i].name), SLICE_ARG(head->fields[i].value));
    return text;
}

#define OWN "0102030405060708"
static const uint8_t random_bytes[TRACE_RANDOM_BYTES] = {
    0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x80, 0x11, 0x11,
    0x11, 0x11, 0x11, 0x11, 1,    2,    3,    4,    5,    6,    7,    8,
};
#define MADE "11111111111111111180111111111111"

#define MULTI(sampled) "x-b3-traceid: " TRACE "\nx-b3-spanid: " SPAN "\n" sampled

static void heads_go_on_with_our_span(void **state)
{
    (void)state;
    static const struct {
        const char *came, *goes;
        uint64_t ratio;
    } rows[] = {
        /* made */
        {"", "traceparent: 00-" MADE "-" OWN "-03\n", TRACE_ALL},
        {"", "traceparent: 00-" MADE "-" OWN "-02\n", 0},
        {"", "traceparent: 00-" MADE "-" OWN "-02\n", TRACE_ALL / 2},
        {"", "traceparent: 00-" MADE "-" OWN "-03\n", TRACE_ALL / 2 + TRACE_ALL / 8},
        {"a: b\n", "a: b\ntraceparent: 00-" MADE "-" OWN "-02\n", 0},
        /* W3C, whose parent decides */
        {"traceparent: 00-" TRACE "-" SPAN "-01\ntracestate: a=1\n",
         "tracestate: a=1\ntraceparent: 00-" TRACE "-" OWN "-01\n", 0},
        {"traceparent: 00-" TRACE "-" SPAN "-00\n", "traceparent: 00-" TRACE "-" SPAN "-00\n",
         TRACE_ALL},
        {"traceparent: 00-" TRACE "-" SPAN "-01\ntracestate: A=1\n",
         "traceparent: 00-" TRACE "-" OWN "-01\n", 0},
        {"traceparent: 00-" TRACE "-" SPAN "-01\ntracestate: a=1\ntracestate: b=\n",
         "traceparent: 00-" TRACE "-" OWN "-01\n", 0},
        {"traceparent: 00-" TRACE "-" SPAN "-01\ntraceparent: 00-" TRACE "-" SPAN "-01\n",
         "traceparent: 00-" MADE "-" OWN "-02\n", 0},
        {"tracestate: a=1\n", "traceparent: 00-" MADE "-" OWN "-02\n", 0},
        {"traceparent: nonsense\n", "traceparent: 00-" MADE "-" OWN "-02\n", 0},
        /* B3 */
        {"b3: " TRACE "-" SPAN "-1\n", "b3: " TRACE "-" OWN "-1-" SPAN "\n", 0},
        {"b3: " SHORT "-" SPAN "-d\n", "b3: " SHORT "-" OWN "-d-" SPAN "\n", 0},
        {"b3: " TRACE "-" SPAN "\n", "b3: " TRACE "-" OWN "-1-" SPAN "\n", TRACE_ALL},
        {"b3: " TRACE "-" SPAN "\n", "b3: " TRACE "-" SPAN "-0\n", 0},
        {"b3: 0\n", "b3: " MADE "-" OWN "-0\n", TRACE_ALL},
        {"b3: 1\n", "b3: " MADE "-" OWN "-1\n", 0},
        {MULTI("x-b3-sampled: 1\n"),
         "x-b3-traceid: " TRACE "\nx-b3-spanid: " OWN "\nx-b3-parentspanid: " SPAN
         "\nx-b3-sampled: 1\n",
         0},
        {MULTI("x-b3-sampled: true\nx-b3-parentspanid: " PARENT "\n"),
         "x-b3-traceid: " TRACE "\nx-b3-spanid: " OWN "\nx-b3-parentspanid: " SPAN
         "\nx-b3-sampled: 1\n",
         0},
        {MULTI("x-b3-flags: 1\n"),
         "x-b3-traceid: " TRACE "\nx-b3-spanid: " OWN "\nx-b3-parentspanid: " SPAN
         "\nx-b3-flags: 1\n",
         0},
        {MULTI("x-b3-sampled: yes\n"), "traceparent: 00-" MADE "-" OWN "-02\n", 0},
        {"x-b3-traceid: " TRACE "\n", "traceparent: 00-" MADE "-" OWN "-02\n", 0},
        {"x-b3-sampled: 0\n", "x-b3-traceid: " MADE "\nx-b3-spanid: " OWN "\nx-b3-sampled: 0\n",
         TRACE_ALL},
        /* both: one trace, W3C's */
        {"traceparent: 00-" TRACE "-" SPAN "-01\nb3: " SHORT "-" PARENT "-0\n",
         "traceparent: 00-" TRACE "-" OWN "-01\nb3: " TRACE "-" OWN "-1-" SPAN "\n", 0},
        {"traceparent: nonsense\nb3: " TRACE "-" SPAN "-1\n", "b3: " TRACE "-" OWN "-1-" SPAN "\n",
         0},
        {"b3: 0\n" MULTI("x-b3-sampled: 1\n"),
         "b3: " TRACE "-" SPAN "-0\nx-b3-traceid: " TRACE "\nx-b3-spanid: " SPAN
         "\nx-b3-sampled: 0\n",
         TRACE_ALL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = {0};
        struct head head;
        struct trace_context context;
        head_of(&head, &arena, rows[i].came);
        trace_read(&head, &context);
        trace_start(&context, rows[i].ratio, random_bytes);
        assert_true(trace_write(&context, &head));
        if (strcmp(head_text(&head), rows[i].goes) != 0)
            fail_msg("%s became\n%s", rows[i].came, head_text(&head));
        arena_fini(&arena);
    }
}

static void ratios(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_ok;
        uint64_t ratio;
    } rows[] = {
        {"0", true, 0},
        {"1", true, TRACE_ALL},
        {"1.0", true, TRACE_ALL},
        {"0.5", true, TRACE_ALL / 2},
        {".25", true, TRACE_ALL / 4},
        {"0.", true, 0},
        {"0.01", true, TRACE_ALL / 100},
        {"0.50000000000000000000001", true, TRACE_ALL / 2},
        {"1.01", false, 0},
        {"2", false, 0},
        {"-1", false, 0},
        {"", false, 0},
        {".", false, 0},
        {"1%", false, 0},
        {"0,5", false, 0},
        {"1e-2", false, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ratio = 0;
        if (trace_parse_ratio(slice_str(rows[i].text), &ratio) != rows[i].is_ok ||
            ratio != rows[i].ratio)
            fail_msg("%s", rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparents), cmocka_unit_test(one_field_b3),
        cmocka_unit_test(tracestates),  cmocka_unit_test(heads_go_on_with_our_span),
        cmocka_unit_test(ratios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
