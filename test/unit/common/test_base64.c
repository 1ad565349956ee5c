#include "common/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_base64(void **state)
{
    (void)state;
    static const struct {
        struct slice bytes;
        const char *text;
    } rows[] = {
        {{"", 0}, ""},
        {{"f", 1}, "Zg"},
        {{"fo", 2}, "Zm8"},
        {{"foo", 3}, "Zm9v"},
        {{"foob", 4}, "Zm9vYg"},
        {{"fooba", 5}, "Zm9vYmE"},
        {{"\0\0\0", 3}, "AAAA"},
        {{"\xff\xfe\xfd", 3}, "//79"},
        {{"\xfb\xef", 2}, "++8"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[16], bytes[16], padded[17];
        size_t len = base64_encode(BASE64_STANDARD, rows[i].bytes, text);
        assert_int_equal(len, base64_encoded_len(rows[i].bytes.len));
        assert_true(slice_eq_str(slice_of(text, len), rows[i].text));
        assert_true(base64_decode(BASE64_STANDARD, slice_str(rows[i].text), bytes, &len));
        assert_true(slice_eq(slice_of(bytes, len), rows[i].bytes));
        assert_int_equal(len, base64_decoded_len(strlen(rows[i].text)));
        size_t padded_len = (strlen(rows[i].text) + 3) / 4 * 4;
        memset(padded, '=', sizeof(padded));
        memcpy(padded, rows[i].text, strlen(rows[i].text));
        assert_true(base64_decode(BASE64_STANDARD, slice_of(padded, padded_len), bytes, &len));
        assert_true(slice_eq(slice_of(bytes, len), rows[i].bytes));
    }
}

static void test_base64_is_strict(void **state)
{
    (void)state;
    static const char *const texts[] = {"Z",    "Zg=", "Zh",   "Zm9",  "Zg==Zg==", "Z g=",
                                        "Zm-v", "=",   "====", "A===", "Zm9v\n",   "Zm9v="};
    for (size_t i = 0; i < COUNT(texts); i++) {
        char bytes[16];
        size_t len;
        if (base64_decode(BASE64_STANDARD, slice_str(texts[i]), bytes, &len))
            fail_msg("\"%s\" was taken", texts[i]);
    }
}

static void test_base64url(void **state)
{
    (void)state;
    uint8_t bytes[32], out[64];
    char text[64];
    size_t len;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 250);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        size_t text_len = base64_encoded_len(n);
        base64_encode(BASE64_URL, slice_of(bytes, n), text);
        assert_true(base64_decode(BASE64_URL, slice_of(text, text_len), out, &len));
        assert_int_equal(len, n);
        assert_memory_equal(out, bytes, n);
    }
    /* RFC 4648 section 10, in this alphabet and without padding. */
    base64_encode(BASE64_URL, SLICE_LITERAL("foob"), text);
    assert_memory_equal(text, "Zm9vYg", 6);
    static const char *const bad[] = {"A",  "AAAAA", "AA=", "AA==", "A+",
                                      "A/", "A A",   "AB",  "AAB",  "AA\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (base64_decode(BASE64_URL, slice_str(bad[i]), out, &len))
            fail_msg("decoded \"%s\"", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_base64url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
