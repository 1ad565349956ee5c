/* common/grpc/framing.c: the five bytes before a message. */
#include "common/grpc/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define LIMIT 10

static const struct row {
    const char *name;
    struct slice bytes;
    enum grpc_framing expected;
    struct slice message;
} rows[] = {
    {"nothing", {"", 0}, GRPC_FRAMING_MORE, {0}},
    {"a flag", {"\0", 1}, GRPC_FRAMING_MORE, {0}},
    {"half a head", {"\0\0\0\0", 4}, GRPC_FRAMING_MORE, {0}},
    {"an empty message", {"\0\0\0\0\0", 5}, GRPC_FRAMING_MESSAGE, {"", 0}},
    {"a message", {"\0\0\0\0\3abc", 8}, GRPC_FRAMING_MESSAGE, {"abc", 3}},
    {"a message and more", {"\0\0\0\0\3abc\0\0", 10}, GRPC_FRAMING_MESSAGE, {"abc", 3}},
    {"half a message", {"\0\0\0\0\3ab", 7}, GRPC_FRAMING_MORE, {0}},
    {"at the limit", {"\0\0\0\0\12aaaaaaaaaa", 15}, GRPC_FRAMING_MESSAGE, {"aaaaaaaaaa", 10}},
    {"above the limit, by its head", {"\0\0\0\0\13", 5}, GRPC_FRAMING_TOO_LONG, {0}},
    {"the longest", {"\0\xff\xff\xff\xff", 5}, GRPC_FRAMING_TOO_LONG, {0}},
    {"compressed, by its first byte", {"\1", 1}, GRPC_FRAMING_COMPRESSED, {0}},
    {"other flags", {"\2\0\0\0\0", 5}, GRPC_FRAMING_BAD_FLAG, {0}},
    {"text", {"HTTP/1.1", 8}, GRPC_FRAMING_BAD_FLAG, {0}},
};

static void test_next(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice message = {NULL, 0};
        uint32_t announced = 0;
        /* An allocation of its own, so that AddressSanitizer sees a byte too many. */
        char *copy = malloc(rows[i].bytes.len ? rows[i].bytes.len : 1);
        memcpy(copy, rows[i].bytes.ptr, rows[i].bytes.len);
        enum grpc_framing result =
            grpc_framing_next(slice_of(copy, rows[i].bytes.len), LIMIT, &message, &announced);
        if (result != rows[i].expected ||
            (result == GRPC_FRAMING_MESSAGE && !slice_eq(message, rows[i].message)))
            fail_msg("%s: got %d", rows[i].name, (int)result);
        if (result == GRPC_FRAMING_TOO_LONG)
            assert_true(announced > LIMIT);
        free(copy);
    }
}

static void test_head_is_read_back(void **state)
{
    (void)state;
    static const uint32_t lens[] = {0, 1, 255, 256, 65536, 16777216, UINT32_MAX};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        uint8_t head[GRPC_FRAMING_HEAD_BYTES];
        struct slice message;
        uint32_t announced = 0;
        grpc_framing_head(lens[i], head);
        enum grpc_framing result =
            grpc_framing_next(slice_of(head, sizeof(head)), SIZE_MAX, &message, &announced);
        assert_int_equal(announced, lens[i]);
        assert_int_equal(result, lens[i] ? GRPC_FRAMING_MORE : GRPC_FRAMING_MESSAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_head_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
