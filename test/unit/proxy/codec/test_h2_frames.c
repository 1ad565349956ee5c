#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/codec/h2_frames.h"

/* clang-format off */
static const char client[] =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    "\0\0\0\4\0\0\0\0\0"         /* SETTINGS */
    "\0\0\3\1\4\0\0\0\1" "abc"   /* HEADERS of 1 */
    "\0\0\2\0\0\0\0\0\1" "xy"    /* DATA of 1 */
    "\0\0\0\0\1\x80\0\1\3"       /* DATA of 259, empty, the reserved bit set */
    "\0\0\1\0\0\0\0\0\0" "x"     /* DATA of 0: nghttp2's business */
    "\0\0\1\x42\0\0\0\0\5" "x"  /* of no known type */
    "\0\0\4\3\0\0\0\0\1" "abcd"; /* RST_STREAM */
/* clang-format on */

static const struct {
    size_t end;
    uint32_t id;
    enum h2_frames_stop stop;
} expected[] = {{24 + 9 + 12 + 9, 1, H2_FRAMES_DATA},
                {24 + 9 + 12 + 11 + 9, 259, H2_FRAMES_DATA},
                {24 + 9 + 12 + 11 + 9 + 10 + 9, 5, H2_FRAMES_UNKNOWN}};

/* Whatever the pieces are in which it comes. */
static void test_stops_behind_headers(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < sizeof(client); piece++) {
        struct h2_frames frames;
        size_t at = 0, found = 0;
        h2_frames_init(&frames, true);
        while (at < sizeof(client) - 1) {
            size_t left = sizeof(client) - 1 - at;
            struct slice data = slice_of(client + at, left < piece ? left : piece);
            while (data.len) {
                uint32_t id;
                enum h2_frames_stop stop;
                size_t n = h2_frames_next(&frames, data, &stop, &id);
                assert_true(n > 0 && n <= data.len);
                at += n;
                data = slice_sub(data, n, data.len);
                if (stop == H2_FRAMES_NONE) {
                    assert_int_equal(data.len, 0);
                    continue;
                }
                assert_true(found < 3);
                assert_int_equal(at, expected[found].end);
                assert_int_equal(id, expected[found].id);
                assert_int_equal(stop, expected[found].stop);
                found++;
            }
        }
        assert_int_equal(found, 3);
        assert_int_equal(frames.skip, 0);
        assert_int_equal(frames.n_header, 0);
    }
}

static void test_a_servers_data_is_passed_over(void **state)
{
    (void)state;
    static const char server[] = "\0\0\0\4\0\0\0\0\0"
                                 "\0\0\0\0\0\0\0\0\1"
                                 "\0\0\0\xff\0\0\0\0\7";
    struct h2_frames frames;
    enum h2_frames_stop stop;
    uint32_t id;
    h2_frames_init(&frames, false);
    assert_int_equal(h2_frames_next(&frames, slice_of(server, 27), &stop, &id), 27);
    assert_int_equal(stop, H2_FRAMES_UNKNOWN);
    assert_int_equal(id, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_behind_headers),
        cmocka_unit_test(test_a_servers_data_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
