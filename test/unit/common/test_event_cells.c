#include "common/event_cells.h"

#include <event2/event.h>
#include <event2/keyvalq_struct.h>
#include <event2/http.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/usage.h"

#define CROWD       2000
#define OWN_BYTES   1200 /* as much as a tunnel has */
#define DESCRIPTORS 4096

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1 /* their allocators keep memory in ways of their own */
#else
#define IS_SANITIZED 0
#endif

struct guest {
    int fd;
    struct event *event;
    char *own;
};

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void crowd_come(struct guest *guests, struct event_base *base)
{
    for (int i = 0; i < CROWD; i++) {
        guests[i].own = calloc(1, OWN_BYTES);
        guests[i].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        assert_true(guests[i].own && guests[i].fd >= 0);
        guests[i].event = event_new(base, guests[i].fd, EV_READ | EV_PERSIST, on_event, NULL);
        assert_int_equal(event_add(guests[i].event, NULL), 0);
    }
}

static void crowd_go(struct guest *guests)
{
    for (int i = 0; i < CROWD; i++) {
        event_free(guests[i].event);
        close(guests[i].fd);
        free(guests[i].own);
    }
}

/* The first crowd leaves libevent's records behind, and nothing else; the second not even those. */
static void test_a_crowd_leaves_no_pages_behind(void **state)
{
    (void)state;
    if (IS_SANITIZED)
        skip();
    static struct guest guests[CROWD];
    struct event_base *base = event_base_new();
    assert_non_null(base);
    usage_trim();
    uint64_t before = usage_now().resident_bytes;
    for (int turn = 0; turn < 2; turn++) {
        crowd_come(guests, base);
        assert_true(usage_now().resident_bytes > before + CROWD * OWN_BYTES);
        crowd_go(guests);
        usage_trim();
        assert_true(usage_now().resident_bytes < before + CROWD * OWN_BYTES / 4);
    }
    event_base_free(base);
}

/* More than there is room for, and growing from cell to block: nothing is lost or mixed up. */
static void test_cells_and_blocks_keep_what_is_in_them(void **state)
{
    (void)state;
    enum { QUERIES = 2 * DESCRIPTORS };
    static struct evkeyvalq queries[QUERIES];
    char text[32];
    for (int i = 0; i < QUERIES; i++) {
        /* a copy of each word: short ones are cells while there are any */
        snprintf(text, sizeof(text), "k%d=a-longer-value-%d", i, i);
        assert_int_equal(evhttp_parse_query_str(text, &queries[i]), 0);
    }
    for (int i = 0; i < QUERIES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "k%d", i);
        snprintf(text, sizeof(text), "a-longer-value-%d", i);
        assert_string_equal(evhttp_find_header(&queries[i], name), text);
        evhttp_clear_headers(&queries[i]);
    }
}

static int set_up(void **state)
{
    (void)state;
    struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    event_cells_use(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    libevent_global_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crowd_leaves_no_pages_behind),
        cmocka_unit_test(test_cells_and_blocks_keep_what_is_in_them),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
