#include "proxy/admin/gather.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Workers that answer when the test wants, as real ones do through mailboxes. */
#define WORKERS 3

struct worker {
    void (*done)(void *context, json_t *json);
    void *context;
};

static bool answers_at_once;

void worker_inspect(struct worker *worker, enum worker_view view,
                    void (*done)(void *context, json_t *json), void *context)
{
    assert_int_equal(view, WORKER_CONNECTIONS);
    if (answers_at_once)
        done(context, NULL);
    worker->done = done;
    worker->context = context;
}

static json_t *result;
static int n_results;

static void on_gathered(void *context, json_t *array)
{
    assert_ptr_equal(context, &result);
    result = array;
    n_results++;
}

static struct worker workers[WORKERS];
static struct worker *const pointers[WORKERS] = {&workers[0], &workers[1], &workers[2]};

static void answers_are_joined_when_all_are_there(void **state)
{
    (void)state;
    struct admin_sources sources = {.workers = pointers, .n_workers = WORKERS};
    answers_at_once = false;
    n_results = 0;
    gather_start(&sources, WORKER_CONNECTIONS, on_gathered, &result);
    workers[1].done(workers[1].context, json_pack("[i,i]", 1, 2));
    workers[0].done(workers[0].context, json_pack("{s:i}", "a", 3));
    assert_int_equal(n_results, 0);
    workers[2].done(workers[2].context, NULL); /* it could not */
    assert_int_equal(n_results, 1);
    json_t *expected = json_pack("[i,i,{s:i}]", 1, 2, "a", 3);
    assert_true(json_equal(result, expected));
    json_decref(expected);
    json_decref(result);
}

static void answers_may_come_at_once_or_nobody_may_be_there(void **state)
{
    (void)state;
    for (size_t n = 0; n <= WORKERS; n++) {
        struct admin_sources sources = {.workers = pointers, .n_workers = n};
        answers_at_once = true;
        n_results = 0;
        gather_start(&sources, WORKER_CONNECTIONS, on_gathered, &result);
        assert_int_equal(n_results, 1);
        assert_int_equal(json_array_size(result), 0);
        json_decref(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_joined_when_all_are_there),
        cmocka_unit_test(answers_may_come_at_once_or_nobody_may_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
