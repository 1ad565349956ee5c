/* common/log.c: lines, formats, limits, and a reader that does not read. */
#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

struct capture {
    int saved, read_fd;
    char text[1 << 17];
};

/* Standard output becomes a pipe. */
static struct capture *capture_begin(void)
{
    struct capture *capture = calloc(1, sizeof(*capture));
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    fflush(stdout);
    capture->saved = dup(STDOUT_FILENO);
    capture->read_fd = fds[0];
    assert_true(dup2(fds[1], STDOUT_FILENO) >= 0);
    close(fds[1]);
    return capture;
}

static void capture_read(struct capture *capture)
{
    size_t len = 0;
    for (ssize_t n;
         (n = read(capture->read_fd, capture->text + len, sizeof(capture->text) - 1 - len)) > 0;)
        len += (size_t)n;
    capture->text[len] = '\0';
}

static void capture_end(struct capture *capture)
{
    assert_true(dup2(capture->saved, STDOUT_FILENO) >= 0);
    close(capture->saved);
    close(capture->read_fd);
}

static void capture_copy(const struct capture *capture, char *out, size_t size)
{
    size_t len = strlen(capture->text);
    assert_true(len < size);
    memcpy(out, capture->text, len + 1);
}

#define CAPTURE(out, ...)                                                                          \
    do {                                                                                           \
        struct capture *capture_ = capture_begin();                                                \
        __VA_ARGS__;                                                                               \
        capture_read(capture_);                                                                    \
        capture_end(capture_);                                                                     \
        capture_copy(capture_, out, sizeof(out));                                                  \
        free(capture_);                                                                            \
    } while (0)

static const char hostile[] = "a \"b\" \\ \n\t\x1b[0m\xc3\xa4";

static void test_text(void **state)
{
    (void)state;
    char out[8192];
    log_setup(LOG_INFO, LOG_TEXT);
    CAPTURE(out, LOG(LOG_WARN, "it_happened", LOG_S("plain", "abc"), LOG_I("n", -5),
                     LOG_S("empty", ""), LOG_S("none", NULL), LOG_S("odd", hostile)));
    assert_int_equal(out[10], 'T');
    assert_string_equal(out + 24,
                        " warn  it_happened plain=abc n=-5 empty=\"\" none=\"\" "
                        "odd=\"a \\\"b\\\" \\\\ \\u000a\\u0009\\u001b[0m\\u00c3\\u00a4\"\n");
}

static void test_json(void **state)
{
    (void)state;
    char out[8192];
    log_setup(LOG_INFO, LOG_JSON);
    CAPTURE(out, LOG(LOG_ERROR, "it_happened", LOG_S("plain", "abc"), LOG_I("n", INT64_MIN),
                     LOG_S("odd", hostile)));
    json_error_t error;
    json_t *json = json_loads(out, 0, &error);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(json, "event")), "it_happened");
    assert_string_equal(json_string_value(json_object_get(json, "plain")), "abc");
    assert_true(json_integer_value(json_object_get(json, "n")) == INT64_MIN);
    assert_non_null(strstr(json_string_value(json_object_get(json, "odd")), "a \"b\" \\ \n\t"));
    json_decref(json);
}

/* However much is logged, a line is a line. */
static void test_long_lines_stay_whole(void **state)
{
    (void)state;
    static char big[5000];
    char out[8192];
    struct log_field fields[40];
    memset(big, '\n', sizeof(big) - 1);
    log_setup(LOG_INFO, LOG_JSON);
    for (unsigned i = 0; i < 40; i++)
        fields[i] = LOG_S("key", big);
    CAPTURE(out, log_write(LOG_INFO, "long", fields, 40));
    json_error_t error;
    json_t *json = json_loads(out, 0, &error);
    assert_non_null(json);
    json_decref(json);
    assert_true(strlen(out) <= 4096);
    assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

static void test_levels(void **state)
{
    (void)state;
    char out[8192];
    enum log_level level;
    log_setup(LOG_WARN, LOG_TEXT);
    CAPTURE(out, LOG(LOG_INFO, "not_seen"); LOG(LOG_WARN, "seen"));
    assert_null(strstr(out, "not_seen"));
    assert_non_null(strstr(out, " seen\n"));
    log_set_level(LOG_DEBUG);
    assert_int_equal(log_get_level(), LOG_DEBUG);
    assert_true(log_is_on(LOG_DEBUG));
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        assert_true(log_level_parse(slice_str(log_level_name((enum log_level)i)), &level));
        assert_int_equal(level, i);
    }
    assert_false(log_level_parse(slice_str("INFO"), &level));
}

static void limited(void)
{
    LOG_LIMITED(LOG_WARN, "again", LOG_I("n", 1));
}

static void test_limit(void **state)
{
    (void)state;
    char out[8192];
    log_setup(LOG_INFO, LOG_TEXT);
    CAPTURE(out, for (int i = 0; i < 100; i++) limited());
    assert_non_null(strstr(out, "again n=1 suppressed=0\n"));
    assert_null(strstr(strstr(out, "again") + 1, "again"));
}

/* A limit whose second has passed tells how many were held back. */
static void test_limit_counts(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    uint64_t suppressed = 99;
    assert_true(log_limit_pass(&limit, &suppressed));
    assert_int_equal(suppressed, 0);
    for (int i = 0; i < 7; i++)
        assert_false(log_limit_pass(&limit, &suppressed));
    limit.next_ns = 0; /* as if a second had passed */
    assert_true(log_limit_pass(&limit, &suppressed));
    assert_int_equal(suppressed, 7);
}

/* Standard output that nobody reads: lines are dropped and counted, nothing blocks. */
static void test_reader_that_does_not_read(void **state)
{
    (void)state;
    static char text[400];
    log_setup(LOG_INFO, LOG_TEXT);
    memset(text, 'x', sizeof(text) - 1);
    struct capture *capture = capture_begin();
    uint64_t before = log_lines_dropped();
    for (int i = 0; i < 1000; i++)
        LOG(LOG_INFO, "filling", LOG_S("text", text));
    uint64_t dropped = log_lines_dropped() - before;
    assert_true(dropped > 500);
    capture_read(capture);
    assert_int_equal(capture->text[strlen(capture->text) - 1], '\n'); /* whole lines only */
    LOG(LOG_INFO, "there_again");
    capture_read(capture);
    char expected[64];
    snprintf(expected, sizeof(expected), "there_again lines_dropped=%llu\n",
             (unsigned long long)dropped);
    assert_non_null(strstr(capture->text, expected));
    LOG(LOG_INFO, "and_on");
    capture_read(capture);
    assert_null(strstr(capture->text, "lines_dropped"));
    capture_end(capture);
    free(capture);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 50; i++)
        LOG(LOG_INFO, "thread", LOG_I("id", *(int *)arg));
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    static char out[1 << 17];
    pthread_t threads[4];
    int ids[4] = {0, 1, 2, 3};
    log_setup(LOG_INFO, LOG_JSON);
    CAPTURE(out, for (int i = 0; i < 4; i++)
                     assert_int_equal(pthread_create(&threads[i], NULL, log_many, &ids[i]), 0);
            for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL));
    unsigned lines = 0;
    for (char *line = out, *end; (end = strchr(line, '\n')); line = end + 1) {
        json_error_t error;
        *end = '\0';
        json_t *json = json_loads(line, 0, &error);
        assert_non_null(json);
        json_decref(json);
        lines++;
    }
    assert_int_equal(lines, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_long_lines_stay_whole),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_limit_counts),
        cmocka_unit_test(test_reader_that_does_not_read),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
