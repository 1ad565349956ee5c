#include "init/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_input_and_output(void **state)
{
    (void)state;
    /* More than a pipe holds, so that a runner which writes first and reads later would hang. */
    const size_t len = 1 << 20;
    char *input = malloc(len), *output;
    size_t output_len;
    struct err err;
    assert_non_null(input);
    memset(input, 'x', len);
    assert_int_equal(program_run((const char *[]){"cat", NULL}, slice_of(input, len), &output,
                                 &output_len, &err),
                     PROGRAM_OK);
    assert_int_equal(output_len, len);
    assert_memory_equal(output, input, len);
    free(output);
    free(input);
}

static void test_failure(void **state)
{
    (void)state;
    static const struct {
        const char *script, *error;
    } cases[] = {
        {"echo wrong >&2; echo again >&2; exit 3", "sh: wrong"},
        {"exit 1", "sh: failed and did not say why"},
        {"kill -9 $$", "sh: failed and did not say why"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *output;
        size_t len;
        struct err err = {.text = ""};
        assert_int_equal(program_run((const char *[]){"sh", "-c", cases[i].script, NULL},
                                     slice_of(NULL, 0), &output, &len, &err),
                         PROGRAM_FAILED);
        assert_string_equal(err.text, cases[i].error);
        assert_null(output);
    }
}

static void test_missing(void **state)
{
    (void)state;
    struct err err = {.text = ""};
    assert_int_equal(program_run((const char *[]){"outrigger-no-such-program", NULL},
                                 slice_of(NULL, 0), NULL, NULL, &err),
                     PROGRAM_MISSING);
    assert_string_equal(err.text, "outrigger-no-such-program: not found on the PATH");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input_and_output),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
