/* common/grpc/metadata.c, status.c: the values of gRPC's header fields. */
#include "common/grpc/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void test_timeout_format(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        {0, "1m"},
        {1, "1m"},
        {1500, "1500m"},
        {99999999, "99999999m"},
        {100000000, "100000S"},
        {100000001, "100001S"},
        {99999999000, "99999999S"},
        {99999999001, "1666667M"},
        {5999999940000, "99999999M"},
        {5999999940001, "1666667H"},
        {359999996400000, "99999999H"},
        {359999996400001, "99999999H"},
        {UINT64_MAX, "99999999H"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[GRPC_TIMEOUT_TEXT_BYTES];
        assert_string_equal(grpc_timeout_format(rows[i].ms, text), rows[i].text);
    }
}

static void test_timeout_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
        uint64_t ms;
    } rows[] = {
        {"1m", true, 1},          {"0m", true, 0},       {"00000001S", true, 1000},
        {"2S", true, 2000},       {"3M", true, 180000},  {"4H", true, 14400000},
        {"1n", true, 1},          {"1000000n", true, 1}, {"1000001n", true, 2},
        {"999u", true, 1},        {"1001u", true, 2},    {"99999999H", true, 359999996400000},
        {"", false, 0},           {"m", false, 0},       {"1", false, 0},
        {"123456789m", false, 0}, {"1s", false, 0},      {"-1m", false, 0},
        {"+1m", false, 0},        {" 1m", false, 0},     {"1 m", false, 0},
        {"1mm", false, 0},        {"0x1m", false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t ms = 12345;
        bool is_good = grpc_timeout_parse(slice_str(rows[i].text), &ms);
        if (is_good != rows[i].is_good || (is_good && ms != rows[i].ms))
            fail_msg("\"%s\": %d, %llu", rows[i].text, is_good, (unsigned long long)ms);
    }
}

static void test_message_coding(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *coded;
    } rows[] = {
        {"", ""},
        {"plain text!", "plain text!"},
        {"100 %", "100 %25"},
        {"a\nb\tc", "a%0Ab%09c"},
        {"n\xc3\xa4h", "n%C3%A4h"},
        {"\xe2\x9c\x93", "%E2%9C%93"},
        {"\x7f\xff", "%7F%FF"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char coded[64], plain[64];
        size_t len = grpc_message_encode(slice_str(rows[i].plain), coded, sizeof(coded));
        if (!slice_eq_str(slice_of(coded, len), rows[i].coded))
            fail_msg("encode \"%s\": %.*s", rows[i].plain, (int)len, coded);
        len = grpc_message_decode(slice_str(rows[i].coded), plain);
        if (!slice_eq_str(slice_of(plain, len), rows[i].plain))
            fail_msg("decode \"%s\": %.*s", rows[i].coded, (int)len, plain);
    }
}

static void test_message_is_cut_between_characters(void **state)
{
    (void)state;
    char coded[12];
    /* "ab" takes 2, each of the signs 9. */
    size_t len = grpc_message_encode(slice_str("ab\xe2\x9c\x93\xe2\x9c\x93"), coded, sizeof(coded));
    assert_true(slice_eq_str(slice_of(coded, len), "ab%E2%9C%93"));
    len = grpc_message_encode(slice_str("abcdefghijklmnop"), coded, sizeof(coded));
    assert_int_equal(len, sizeof(coded));
    /* The first byte of a character whose rest is missing. */
    len = grpc_message_encode(slice_of("a\xe2", 2), coded, sizeof(coded));
    assert_true(slice_eq_str(slice_of(coded, len), "a%E2"));
}

static void test_message_that_is_badly_coded(void **state)
{
    (void)state;
    static const char *const texts[] = {"%", "%4", "%zz", "100%", "%4g", "%%"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        char plain[16];
        size_t len = grpc_message_decode(slice_str(texts[i]), plain);
        assert_true(slice_eq_str(slice_of(plain, len), texts[i]));
    }
}

static void test_content_type(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_ours;
    } rows[] = {
        {"application/grpc", true},      {"application/grpc+proto", true},
        {"Application/GRPC", true},      {"application/grpc;charset=utf-8", true},
        {"application/grpc-web", false}, {"application/grpcx", false},
        {"application/json", false},     {"", false},
        {"application/grp", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(grpc_content_type_is_ours(slice_str(rows[i].text)), rows[i].is_ours);
}

static void test_codes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum grpc_code code;
    } rows[] = {
        {"0", GRPC_OK},       {"16", GRPC_UNAUTHENTICATED}, {"05", GRPC_NOT_FOUND},
        {"17", GRPC_UNKNOWN}, {"99", GRPC_UNKNOWN},         {"", GRPC_UNKNOWN},
        {"-1", GRPC_UNKNOWN}, {"000", GRPC_UNKNOWN},        {"1x", GRPC_UNKNOWN},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(grpc_code_parse(slice_str(rows[i].text)), rows[i].code);
    assert_string_equal(grpc_code_name(GRPC_DEADLINE_EXCEEDED), "DEADLINE_EXCEEDED");
    assert_string_equal(grpc_code_name((enum grpc_code)77), "UNKNOWN");
    assert_int_equal(grpc_code_of_http(503), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_code_of_http(404), GRPC_UNIMPLEMENTED);
    assert_int_equal(grpc_code_of_http(401), GRPC_UNAUTHENTICATED);
    assert_int_equal(grpc_code_of_http(200), GRPC_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeout_format),
        cmocka_unit_test(test_timeout_parse),
        cmocka_unit_test(test_message_coding),
        cmocka_unit_test(test_message_is_cut_between_characters),
        cmocka_unit_test(test_message_that_is_badly_coded),
        cmocka_unit_test(test_content_type),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
