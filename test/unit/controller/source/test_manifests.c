#include "controller/source/manifests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

#define WAIT_SEC 10 /* only a test that fails waits so long */

#define POD(name) "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " name "}\n"
#define WRONG     "apiVersion: v1\nkind: Pod\nmetadata: {name: A}\n"

struct fixture {
    char folder[64];
    struct event_base *base;
    struct store *store;
    struct problems problems;
    struct manifests *manifests;
    size_t n_commits;
};

static void on_change(void *context, const struct map *changed)
{
    (void)changed;
    ((struct fixture *)context)->n_commits++;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/outrigger-manifests-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->base = event_base_new();
    fixture->store = store_new();
    store_listen(fixture->store, on_change, fixture);
    problems_init(&fixture->problems);
    *state = fixture;
    return 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    manifests_stop(fixture->manifests);
    store_free(fixture->store);
    problems_fini(&fixture->problems);
    event_base_free(fixture->base);
    nftw(fixture->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture)
{
    struct err err;
    fixture->manifests =
        manifests_start(fixture->base, fixture->folder, fixture->store, &fixture->problems, &err);
    if (!fixture->manifests)
        fail_msg("%s", err.text);
}

static const char *path_of(const struct fixture *fixture, const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", fixture->folder, name);
    return path;
}

static void write_file(const struct fixture *fixture, const char *name, const char *text)
{
    char path[256];
    FILE *file = fopen(path_of(fixture, name, path), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void rename_file(const struct fixture *fixture, const char *from, const char *to)
{
    char path[256], other[256];
    assert_int_equal(rename(path_of(fixture, from, path), path_of(fixture, to, other)), 0);
}

static void remove_file(const struct fixture *fixture, const char *name)
{
    char path[256];
    assert_int_equal(remove(path_of(fixture, name, path)), 0);
}

static void make_folder(const struct fixture *fixture, const char *name)
{
    char path[256];
    assert_int_equal(mkdir(path_of(fixture, name, path), 0755), 0);
}

/* The pods that there are, then the problems, each on a line. */
static void describe(const struct fixture *fixture, char *text, size_t size)
{
    struct found pods = store_find(fixture->store, "pod/");
    const char **problems = problems_list(&fixture->problems);
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < pods.n; i++)
        used += (size_t)snprintf(text + used, size - used, "%s ", pods.list[i]->name);
    for (size_t i = 0; problems && i < problems_count(&fixture->problems); i++)
        used += (size_t)snprintf(text + used, size - used, "\n%s", problems[i]);
    free(problems);
}

/* Runs the loop until things are as described. */
static void expect(struct fixture *fixture, const char *expected)
{
    char text[2048];
    struct timeval slice = {.tv_usec = 200000};
    for (int round = 0; round < WAIT_SEC * 5; round++) {
        describe(fixture, text, sizeof(text));
        if (strcmp(text, expected) == 0)
            return;
        event_base_loopexit(fixture->base, &slice);
        event_base_loop(fixture->base, EVLOOP_ONCE);
    }
    fail_msg("there is \"%s\", expected \"%s\"", text, expected);
}

#define A_IS_WRONG                                                                                 \
    "x.yaml:3: metadata.name: \"A\" is no name: expected a-z, 0-9, - and ., at most 253 bytes"

static void test_reads_what_is_there(void **state)
{
    struct fixture *fixture = *state;
    make_folder(fixture, "sub");
    make_folder(fixture, ".git");
    write_file(fixture, "a.yaml", POD("a-1") POD("a-2"));
    write_file(fixture, "b.yml",
               "apiVersion: v1\nkind: List\nitems:\n"
               "- {apiVersion: v1, kind: Pod, metadata: {name: b-1}}\n");
    write_file(fixture, "sub/c.yaml", POD("c-1") "---\n---\n# nothing\n");
    write_file(fixture, "sub/d.yaml", "");
    write_file(fixture, "e.yaml", "apiVersion: apps/v1\nkind: Deployment\n");
    write_file(fixture, "README.md", "not: [yaml");
    write_file(fixture, ".hidden.yaml", POD("h-1"));
    write_file(fixture, ".git/x.yaml", POD("g-1"));
    write_file(fixture, "x.yaml", WRONG);
    start(fixture);
    char text[1024];
    describe(fixture, text, sizeof(text)); /* at once, without the loop */
    assert_string_equal(text, "a-1 a-2 b-1 c-1 \n" A_IS_WRONG);
    assert_int_equal(fixture->n_commits, 1);
    assert_int_equal(manifests_files(fixture->manifests), 6);
}

static void test_follows_every_kind_of_change(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    write_file(fixture, "x.yaml", POD("one"));
    expect(fixture, "one ");
    write_file(fixture, "x.yaml", POD("two") POD("three"));
    expect(fixture, "three two ");
    write_file(fixture, ".x.tmp", POD("four")); /* as an editor, or kubectl, saves */
    rename_file(fixture, ".x.tmp", "x.yaml");
    expect(fixture, "four ");
    rename_file(fixture, "x.yaml", "y.yaml");
    expect(fixture, "four ");
    make_folder(fixture, "sub");
    write_file(fixture, "sub/z.yaml", POD("five"));
    expect(fixture, "five four ");
    rename_file(fixture, "sub", "other");
    write_file(fixture, "other/z.yaml", POD("six"));
    expect(fixture, "four six ");
    rename_file(fixture, "y.yaml", "y.yaml.off");
    expect(fixture, "six ");
    remove_file(fixture, "other/z.yaml");
    expect(fixture, "");
}

static void test_wrong_file_keeps_its_last_good_version(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "x.yaml", POD("x-1") POD("x-2"));
    write_file(fixture, "y.yaml", POD("y-1"));
    start(fixture);
    write_file(fixture, "x.yaml", WRONG);
    expect(fixture, "x-1 x-2 y-1 \n" A_IS_WRONG);
    write_file(fixture, "y.yaml", POD("y-2")); /* the others go on */
    expect(fixture, "x-1 x-2 y-2 \n" A_IS_WRONG);
    write_file(fixture, "x.yaml", POD("x-1") POD("x-2")); /* back to what it was */
    expect(fixture, "x-1 x-2 y-2 ");
    write_file(fixture, "x.yaml", WRONG);
    expect(fixture, "x-1 x-2 y-2 \n" A_IS_WRONG);
    remove_file(fixture, "x.yaml");
    expect(fixture, "y-2 ");
}

/* A ConfigMap's volume: files are links through ..data, which is swapped as a whole. */
static void test_follows_the_links_of_a_config_map(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    make_folder(fixture, "..v1");
    make_folder(fixture, "..v2");
    write_file(fixture, "..v1/x.yaml", POD("one"));
    write_file(fixture, "..v2/x.yaml", POD("two"));
    assert_int_equal(symlink("..v1", path_of(fixture, "..data", path)), 0);
    assert_int_equal(symlink("..data/x.yaml", path_of(fixture, "x.yaml", path)), 0);
    start(fixture);
    expect(fixture, "one ");
    assert_int_equal(symlink("..v2", path_of(fixture, "..data_tmp", path)), 0);
    rename_file(fixture, "..data_tmp", "..data");
    expect(fixture, "two ");
}

static void test_one_object_in_two_files(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "a.yaml", POD("one"));
    write_file(fixture, "b.yaml", POD("two") POD("one"));
    start(fixture);
    expect(fixture, "one \nb.yaml:6: Pod default/one is in a.yaml:2 too");
    write_file(fixture, "a.yaml", POD("three"));
    expect(fixture, "one three two ");
    write_file(fixture, "c.yaml", POD("four") POD("two"));
    expect(fixture, "one three two \nc.yaml:6: Pod default/two is in b.yaml:2 too");
    remove_file(fixture, "b.yaml");
    expect(fixture, "four three two ");
}

static void test_objects_move_between_files(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "a.yaml", POD("one") POD("same-a"));
    write_file(fixture, "b.yaml", POD("two") POD("same-b"));
    start(fixture);
    size_t n_commits = fixture->n_commits;
    write_file(fixture, "a.yaml", POD("two") POD("same-a"));
    write_file(fixture, "b.yaml", POD("one") POD("same-b") POD("more"));
    expect(fixture, "more one same-a same-b two ");
    assert_int_equal(fixture->n_commits, n_commits + 1); /* nobody saw a state in between */
}

static void test_waits_for_a_writer(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    write_file(fixture, "x.yaml", POD("one"));
    start(fixture);
    int fd = open(path_of(fixture, "x.yaml", path), O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_true(write(fd, POD("two"), sizeof(POD("two")) - 1) > 0);
    write_file(fixture, "y.yaml", POD("other")); /* lets us know that a scan has been made */
    expect(fixture, "one other ");
    assert_true(write(fd, POD("three"), sizeof(POD("three")) - 1) > 0);
    write_file(fixture, "y.yaml", POD("again"));
    expect(fixture, "again one ");
    close(fd);
    expect(fixture, "again three two ");
}

static void test_files_that_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    assert_int_equal(symlink("nowhere", path_of(fixture, "l.yaml", path)), 0);
    assert_int_equal(mkfifo(path_of(fixture, "p.yaml", path), 0644), 0);
    make_folder(fixture, "d");
    assert_int_equal(symlink("..", path_of(fixture, "d/up", path)), 0);
    write_file(fixture, "a.yaml", POD("one"));
    start(fixture);
    expect(fixture, "one \nd/up/: leads back to a folder that it is in"
                    "\nl.yaml: No such file or directory\np.yaml: not a regular file");
    remove_file(fixture, "l.yaml");
    remove_file(fixture, "p.yaml");
    remove_file(fixture, "d/up");
    expect(fixture, "one ");
}

static void test_a_folder_that_is_away_for_a_while(void **state)
{
    struct fixture *fixture = *state;
    char folder[64], away[128], text[256];
    snprintf(folder, sizeof(folder), "%s", fixture->folder);
    make_folder(fixture, "m");
    write_file(fixture, "m/a.yaml", POD("one"));
    snprintf(fixture->folder, sizeof(fixture->folder), "%.40s/m", folder);
    start(fixture);
    snprintf(away, sizeof(away), "%s/away", folder);
    assert_int_equal(rename(fixture->folder, away), 0);
    snprintf(text, sizeof(text), "one \n%s: No such file or directory", fixture->folder);
    expect(fixture, text); /* what is not there cannot be said to have been removed */
    assert_int_equal(rename(away, fixture->folder), 0);
    write_file(fixture, "a.yaml", POD("two"));
    expect(fixture, "two ");
    snprintf(fixture->folder, sizeof(fixture->folder), "%s", folder);
}

static void test_no_such_folder(void **state)
{
    struct fixture *fixture = *state;
    struct err err;
    assert_null(manifests_start(fixture->base, "/nowhere/at/all", fixture->store,
                                &fixture->problems, &err));
    assert_string_equal(err.text, "/nowhere/at/all: No such file or directory");
}

int main(void)
{
    log_setup(LOG_ERROR, LOG_TEXT);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_reads_what_is_there),
        TEST(test_follows_every_kind_of_change),
        TEST(test_wrong_file_keeps_its_last_good_version),
        TEST(test_follows_the_links_of_a_config_map),
        TEST(test_one_object_in_two_files),
        TEST(test_objects_move_between_files),
        TEST(test_waits_for_a_writer),
        TEST(test_files_that_cannot_be_read),
        TEST(test_a_folder_that_is_away_for_a_while),
        TEST(test_no_such_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
