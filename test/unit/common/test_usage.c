#include "common/usage.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCKS      50000
#define BLOCK_BYTES 64

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1 /* their allocators keep memory in ways of their own */
#else
#define IS_SANITIZED 0
#endif

/* As usage_now() has it, but without malloc, of which each use may give memory back. */
static uint64_t resident_bytes(void)
{
    char text[128] = "";
    unsigned long pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0 || sscanf(text, "%*u %lu", &pages) != 1)
        pages = 0;
    close(fd);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct trimmed {
    uint64_t full_bytes, trimmed_bytes;
};

/* Small blocks are merged late, with nothing above them but the end of the heap. */
static void *fill_and_trim(void *arg)
{
    struct trimmed *result = arg;
    static void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        if (blocks[i])
            *(char *)blocks[i] = 1;
    }
    result->full_bytes = resident_bytes();
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    usage_trim();
    result->trimmed_bytes = resident_bytes();
    return NULL;
}

static void check_fill_and_trim(bool in_thread)
{
    struct trimmed result = {0};
    pthread_t thread;
    if (in_thread) {
        assert_int_equal(pthread_create(&thread, NULL, fill_and_trim, &result), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    } else {
        fill_and_trim(&result);
    }
    uint64_t held = (uint64_t)BLOCKS * BLOCK_BYTES;
    assert_true(result.full_bytes > held);
    assert_true(result.full_bytes - result.trimmed_bytes > held * 9 / 10);
}

static void test_trim_of_the_main_heap(void **state)
{
    (void)state;
    if (IS_SANITIZED)
        skip();
    check_fill_and_trim(false);
}

static void test_trim_of_a_threads_heap(void **state)
{
    (void)state;
    if (IS_SANITIZED)
        skip();
    check_fill_and_trim(true);
}

static void test_usage_counts_a_descriptor(void **state)
{
    (void)state;
    struct usage before = usage_now();
    FILE *file = fopen("/dev/null", "re");
    assert_non_null(file);
    assert_int_equal(usage_now().descriptors, before.descriptors + 1);
    fclose(file);
    assert_int_equal(usage_now().descriptors, before.descriptors);
    assert_in_range(before.descriptors, 3, before.max_descriptors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trim_of_the_main_heap),
        cmocka_unit_test(test_trim_of_a_threads_heap),
        cmocka_unit_test(test_usage_counts_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
