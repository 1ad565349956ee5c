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
    "\0\0\4\3\0\0\0\0\1" "abcd"; /* RST_STREAM */
/* clang-format on */

static const struct {
    size_t end;
    uint32_t id;
} expected[] = {{24 + 9 + 12 + 9, 1}, {24 + 9 + 12 + 11 + 9, 259}};

/* Whatever the pieces are in which it comes. */
static void test_stops_behind_headers_of_data(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < sizeof(client); piece++) {
        struct h2_frames frames;
        size_t at = 0, found = 0;
        h2_frames_init(&frames);
        while (at < sizeof(client) - 1) {
            size_t left = sizeof(client) - 1 - at;
            struct slice data = slice_of(client + at, left < piece ? left : piece);
            while (data.len) {
                uint32_t id;
                size_t n = h2_frames_to_data(&frames, data, &id);
                assert_true(n > 0 && n <= data.len);
                at += n;
                data = slice_sub(data, n, data.len);
                if (!id) {
                    assert_int_equal(data.len, 0);
                    continue;
                }
                assert_true(found < 2);
                assert_int_equal(at, expected[found].end);
                assert_int_equal(id, expected[found].id);
                found++;
            }
        }
        assert_int_equal(found, 2);
        assert_int_equal(frames.skip, 0);
        assert_int_equal(frames.n_header, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_behind_headers_of_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
