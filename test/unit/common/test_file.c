#include "common/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/wait.h>

#include "test/unit/scratch_dir.h"

struct world {
    struct scratch_dir dir;
    char path[PATH_MAX];
};

static int world_start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    scratch_dir_init(&world->dir);
    scratch_dir_file(&world->dir, "file", world->path);
    umask(0);
    *state = world;
    return 0;
}

static int world_stop(void **state)
{
    struct world *world = *state;
    scratch_dir_fini(&world->dir);
    free(world);
    return 0;
}

static void holds(const char *path, const char *expected, mode_t mode)
{
    struct err err;
    struct stat stat;
    size_t len;
    char *bytes = file_read(path, 64, &len, &stat, &err);
    if (!bytes)
        fail_msg("%s", err.text);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(bytes, expected);
    assert_int_equal(stat.st_mode & 07777, mode);
    free(bytes);
}

/* Nothing but the file may be in the folder: no temporary one is left behind. */
static size_t files_in(const struct scratch_dir *scratch)
{
    size_t n = 0;
    DIR *dir = opendir(scratch->path);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void test_write(void **state)
{
    struct world *world = *state;
    struct err err;
    bool existed = true;
    assert_true(file_create(world->path, SLICE_LITERAL("one"), 0600, &existed, &err));
    assert_false(existed);
    holds(world->path, "one", 0600);
    assert_true(file_create(world->path, SLICE_LITERAL("two"), 0644, &existed, &err));
    assert_true(existed);
    holds(world->path, "one", 0600);
    assert_int_equal(files_in(&world->dir), 1);
    assert_int_equal(unlink(world->path), 0);
    assert_true(file_create(world->path, SLICE_LITERAL(""), 0640, &existed, &err));
    assert_false(existed);
    holds(world->path, "", 0640);
    assert_int_equal(files_in(&world->dir), 1);
}

static void test_read_limits(void **state)
{
    struct world *world = *state;
    struct err err;
    size_t len;
    char *bytes;
    scratch_file_write(world->path, SLICE_LITERAL("12345"), 0600);
    bytes = file_read(world->path, 5, &len, NULL, &err);
    assert_non_null(bytes);
    assert_int_equal(len, 5);
    free(bytes);
    assert_null(file_read(world->path, 4, &len, NULL, &err));
    assert_non_null(strstr(err.text, "5 bytes, at most 4"));
    assert_null(file_read(world->dir.path, 100, &len, NULL, &err));
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_null(file_read("/proc/nowhere", 100, &len, NULL, &err));
    assert_non_null(strstr(err.text, "/proc/nowhere: No such file"));
}

/* A FIFO that nobody writes to is refused and does not hang. */
static void test_fifo(void **state)
{
    struct world *world = *state;
    struct err err;
    size_t len;
    assert_int_equal(mkfifo(world->path, 0600), 0);
    assert_null(file_read(world->path, 100, &len, NULL, &err));
    assert_non_null(strstr(err.text, "not a regular file"));
}

static void test_write_where_it_cannot_be(void **state)
{
    (void)state;
    struct err err;
    bool existed;
    char path[PATH_MAX];
    assert_false(file_create("/proc/nowhere/file", SLICE_LITERAL("x"), 0600, &existed, &err));
    assert_non_null(strstr(err.text, "/proc/nowhere/file"));
    memset(path, 'a', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_false(file_create(path, SLICE_LITERAL("x"), 0600, &existed, &err));
}

/* Of many that create at once exactly one wins, and nobody sees half a file. */
static void test_race(void **state)
{
    struct world *world = *state;
    enum { RACERS = 8 };
    int start[2], winners = 0;
    pid_t racers[RACERS];
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = fork();
        if (racers[i] == 0) {
            struct err err;
            bool existed;
            char byte;
            close(start[1]);
            ssize_t got = read(start[0], &byte, 1);
            bool is_done =
                got == 0 && file_create(world->path, SLICE_LITERAL("whole"), 0600, &existed, &err);
            size_t len = 0;
            char *bytes = is_done ? file_read(world->path, 64, &len, NULL, &err) : NULL;
            _exit(!bytes || len != 5 ? 2 : existed ? 0 : 1);
        }
    }
    close(start[0]);
    close(start[1]);
    for (int i = 0; i < RACERS; i++) {
        int status;
        assert_int_equal(waitpid(racers[i], &status, 0), racers[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        winners += WEXITSTATUS(status);
    }
    assert_int_equal(winners, 1);
    assert_int_equal(files_in(&world->dir), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_stop)
    const struct CMUnitTest tests[] = {
        TEST(test_write), TEST(test_read_limits),
        TEST(test_fifo),  TEST(test_write_where_it_cannot_be),
        TEST(test_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
