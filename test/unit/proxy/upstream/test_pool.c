/* Who shares which connection, and what becomes of those that wait. Real sockets, fake codecs. */
#include "test/unit/proxy/upstream/pool_rig.h"

#define MANY 150

/* ---- sharing ---- */

static void test_http1_takes_the_warmest(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make(), c = request_make();
    take_and_wait(&a, h1_key());
    assert_true(a.is_new && a.connect_ns > 0);
    take_and_wait(&b, h1_key());
    assert_ptr_not_equal(a.fake, b.fake);
    struct fake *first = a.fake, *second = b.fake;
    request_finish(&a);
    request_finish(&b); /* the warmest now */
    take_of(&c, h1_key(), false);
    assert_int_equal(c.ready, 1); /* at once */
    assert_ptr_equal(c.fake, second);
    assert_false(c.is_new);
    assert_int_equal(c.connect_ns, 0);
    request_finish(&c);
    struct request d = request_make(), e = request_make();
    take_of(&d, h1_key(), false);
    take_of(&e, h1_key(), false);
    assert_ptr_equal(d.fake, second);
    assert_ptr_equal(e.fake, first);
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_REUSED), 3);
    assert_int_equal(fakes.made, 2);
}

static void test_http2_shares_until_there_is_no_room(void **state)
{
    (void)state;
    struct request requests[MANY];
    for (size_t i = 0; i < MANY; i++) {
        requests[i] = request_make();
        take_of(&requests[i], h2_key(), false);
    }
    /* No stampede: as many as are needed at about 100 streams each. */
    assert_int_equal(pools_n_connections(pools), 2);
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_PENDING), MANY);
    for (size_t i = 0; i < MANY; i++)
        wait_told(&requests[i]);
    assert_int_equal(fakes.made, 2);
    unsigned on_first = 0;
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(requests[i].ready, 1);
        assert_int_equal(requests[i].order, i + 1); /* in the order of coming */
        on_first += requests[i].fake == requests[0].fake;
    }
    assert_int_equal(on_first, 100);
    struct request more = request_make();
    take_of(&more, h2_key(), false);
    assert_ptr_equal(more.fake, requests[MANY - 1].fake); /* the one with room */
    assert_false(more.is_new);
}

/* A peer that takes few streams is learned of: still no more connections than are needed. */
static void test_http2_with_few_streams(void **state)
{
    (void)state;
    struct request requests[9];
    fakes.h2_streams = 3;
    for (size_t i = 0; i < 9; i++) {
        requests[i] = request_make();
        take_of(&requests[i], h2_key(), false);
    }
    assert_int_equal(pools_n_connections(pools), 1);
    for (size_t i = 0; i < 9; i++)
        wait_told(&requests[i]);
    assert_int_equal(fakes.made, 3);
}

static void test_nothing_is_shared_between_keys(void **state)
{
    (void)state;
    struct sockaddr_any other;
    int other_fd = loop_listen("127.0.0.1", 16, &other);
    struct sockaddr_any same_port = loop_address("127.0.0.2", addr_port(&server));
    int same_port_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(bind(same_port_fd, &same_port.sa, same_port.len) == 0 &&
                listen(same_port_fd, 16) == 0);
    /* Strings that would be the same if they were only put one behind the other. */
    struct pool_key keys[] = {
        {server, "", "", POOL_HTTP_2},    {server, "", "", POOL_HTTP_1_1},
        {server, "", "ab", POOL_HTTP_2},  {server, "", "a", POOL_HTTP_2},
        {server, "", "b", POOL_HTTP_2},   {other, "", "", POOL_HTTP_2},
        {same_port, "", "", POOL_HTTP_2},
    };
    enum { N = sizeof(keys) / sizeof(keys[0]) };
    struct request requests[N], again[N];
    for (size_t i = 0; i < N; i++) {
        requests[i] = again[i] = request_make();
        take_and_wait(&requests[i], keys[i]);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(requests[i].fake, requests[j].fake);
    }
    struct fake *own[N];
    for (size_t i = 0; i < N; i++) {
        own[i] = requests[i].fake;
        request_finish(&requests[i]);
    }
    for (size_t i = N; i-- > 0;) {
        char on_behalf[4]; /* by its content, not by its address */
        snprintf(on_behalf, sizeof(on_behalf), "%s", keys[i].on_behalf);
        keys[i].on_behalf = on_behalf;
        take_of(&again[i], keys[i], false);
        assert_ptr_equal(again[i].fake, own[i]);
    }
    assert_int_equal(fakes.made, N);
    close(other_fd);
    close(same_port_fd);
}

/* An identity is never spoken to without TLS, whatever else is open to that address. */
static void test_an_identity_needs_a_certificate(void **state)
{
    (void)state;
    struct request plain = request_make(), secure = request_make();
    struct pool_key key = h2_key();
    take_and_wait(&plain, key);
    key.identity = "spiffe://mesh.test/ns/a/sa/b";
    take_of(&secure, key, false);
    assert_int_equal(secure.failed, 1); /* before it returns */
    assert_int_equal(secure.reason, REASON_NO_CERTIFICATE);
    assert_int_equal(pools_n_connections(pools), 1);
}

static void test_a_new_one_is_new(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make(), c = request_make();
    take_and_wait(&a, h1_key());
    struct fake *old = a.fake;
    request_finish(&a);
    take_of(&b, h1_key(), true);
    assert_int_equal(b.ready, 0);
    wait_told(&b);
    assert_ptr_not_equal(b.fake, old);
    assert_true(b.is_new);

    struct request d = request_make(), e = request_make(), f = request_make();
    take_and_wait(&d, h2_key());
    take_of(&e, h2_key(), true);
    take_of(&f, h2_key(), true);
    take_of(&c, h2_key(), false);
    assert_ptr_equal(c.fake, d.fake);
    wait_told(&e);
    wait_told(&f);
    assert_ptr_not_equal(e.fake, d.fake);
    assert_ptr_equal(e.fake, f.fake); /* made after both had asked */
    assert_int_equal(fakes.made, 4);
}

/* What serves one who waits is the first that becomes free, if it may. */
static void test_a_new_one_under_a_cap(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make();
    limits.max_connections = 1;
    take_and_wait(&a, h1_key());
    struct fake *old = a.fake;
    take_of(&b, h1_key(), true);
    request_finish(&a);
    wait_told(&b);
    assert_int_equal(b.ready, 1);
    assert_true(b.is_new && b.fake != old);
    assert_int_equal(fakes.drained, 1);
}

/* ---- waiting ---- */

static void test_order_under_a_cap(void **state)
{
    (void)state;
    struct request requests[6];
    limits.max_connections = 2;
    for (size_t i = 0; i < 6; i++) {
        requests[i] = request_make();
        take_of(&requests[i], h1_key(), false);
    }
    wait_told(&requests[0]);
    wait_told(&requests[1]);
    assert_int_equal(requests[2].ready, 0);
    assert_int_equal(pools_n_connections(pools), 2);
    for (size_t i = 0; i < 4; i++) {
        request_finish(&requests[i]);
        assert_int_equal(requests[i + 2].ready, 1);
        assert_int_equal(requests[i + 2].order, i + 3);
    }
    assert_int_equal(fakes.made, 2);
}

static void test_too_many_wait(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make(), c = request_make();
    limits.max_connections = 1;
    limits.max_pending = 1;
    take_and_wait(&a, h1_key());
    take_of(&b, h1_key(), false);
    take_of(&c, h1_key(), false);
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.reason, REASON_LIMIT_PENDING);
    assert_int_equal(b.failed, 0);
    request_finish(&a);
    assert_int_equal(b.ready, 1);
}

static void test_deadline_under_a_cap(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make(), c = request_make();
    limits.max_connections = 1;
    take_and_wait(&a, h1_key());
    take_of(&c, h1_key(), false); /* has more time */
    limits.connect_timeout_ms = 10;
    take_of(&b, h1_key(), false);
    wait_told(&b);
    assert_int_equal(b.reason, REASON_LIMIT_CONNECTIONS);
    assert_int_equal(c.failed, 0);
    request_finish(&a);
    assert_int_equal(c.ready, 1);
}

/* Nobody answers: a listener whose queue is full drops what comes. */
static void test_connect_timeout(void **state)
{
    (void)state;
    struct request requests[3];
    struct sockaddr_any full;
    int fd = loop_listen("127.0.0.1", 0, &full), fillers[2];
    for (size_t i = 0; i < 2; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], &full.sa, full.len);
    }
    limits.connect_timeout_ms = 20;
    for (size_t i = 0; i < 3; i++) {
        requests[i] = request_make();
        take_of(&requests[i], (struct pool_key){full, "", "", POOL_HTTP_2}, false);
    }
    assert_int_equal(pools_n_connections(pools), 1);
    for (size_t i = 0; i < 3; i++) {
        wait_told(&requests[i]);
        assert_int_equal(requests[i].reason, REASON_CONNECT_TIMEOUT);
        assert_string_equal(requests[i].detail, "connecting took too long"); /* the attempt's */
    }
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_CONNECT_FAILURES), 1);
    assert_int_equal(pools_n_connections(pools), 0);
    for (size_t i = 0; i < 2; i++)
        close(fillers[i]);
    close(fd);
}

static void test_refused(void **state)
{
    (void)state;
    struct pool_key keys[] = {{refusing(), "", "", POOL_HTTP_1_1},
                              {refusing(), "", "", POOL_HTTP_2}};
    for (size_t k = 0; k < 2; k++) {
        struct request requests[5];
        for (size_t i = 0; i < 5; i++) {
            requests[i] = request_make();
            take_of(&requests[i], keys[k], false);
        }
        assert_int_equal(pools_n_connections(pools), k == 0 ? 5 : 1);
        for (size_t i = 0; i < 5; i++) {
            wait_told(&requests[i]);
            assert_int_equal(requests[i].failed, 1);
            assert_int_equal(requests[i].reason, REASON_CONNECT_FAILED);
            assert_string_equal(requests[i].detail, "connect: Connection refused");
        }
    }
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_CONNECT_FAILURES), 6);
    assert_int_equal(pools_n_connections(pools), 0);
}

/* Who waits for a cap with connections alive does not all fail with one attempt. */
static void test_only_whom_it_would_have_served_fail(void **state)
{
    (void)state;
    struct request requests[4];
    limits.max_connections = 2;
    struct request a = request_make();
    take_and_wait(&a, h1_key());
    close(server_fd);
    for (size_t i = 0; i < 3; i++) {
        requests[i] = request_make();
        take_of(&requests[i], h1_key(), false);
    }
    request_finish(&a); /* serves the first, while a second connection is tried */
    assert_int_equal(requests[0].ready, 1);
    wait_told(&requests[1]);
    assert_int_equal(requests[1].failed, 1);
    wait_told(&requests[2]);
    assert_int_equal(requests[2].failed, 1);
    server_fd = -1;
}

static void test_no_memory_for_a_codec(void **state)
{
    (void)state;
    struct request a = request_make();
    fakes.has_no_memory = true;
    take_of(&a, h2_key(), false);
    wait_told(&a);
    assert_int_equal(a.reason, REASON_NO_MEMORY);
    assert_int_equal(pools_n_connections(pools), 0);
}

static void test_leaving(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make(), c = request_make();
    pool_leave(&a.ticket); /* never taken */
    take_of(&a, h1_key(), false);
    pool_leave(&a.ticket); /* while it connects */
    pool_leave(&a.ticket); /* twice */
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_PENDING), 0);
    take_and_wait(&b, h1_key()); /* gets what was opened for the other */
    assert_int_equal(fakes.made, 1);
    pool_leave(&b.ticket); /* after on_ready */
    limits.max_connections = 1;
    take_of(&a, h1_key(), false);
    take_of(&c, h1_key(), false);
    pool_leave(&a.ticket); /* the first in the queue */
    request_finish(&b);
    assert_int_equal(c.ready, 1);
    assert_int_equal(a.ready + a.failed, 0);
    struct request d = request_make();
    take_of(&d, (struct pool_key){refusing(), "", "", POOL_HTTP_1_1}, false);
    wait_told(&d);
    pool_leave(&d.ticket); /* after on_failed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(test_http1_takes_the_warmest),
        POOL_TEST(test_http2_shares_until_there_is_no_room),
        POOL_TEST(test_http2_with_few_streams),
        POOL_TEST(test_nothing_is_shared_between_keys),
        POOL_TEST(test_an_identity_needs_a_certificate),
        POOL_TEST(test_a_new_one_is_new),
        POOL_TEST(test_a_new_one_under_a_cap),
        POOL_TEST(test_order_under_a_cap),
        POOL_TEST(test_too_many_wait),
        POOL_TEST(test_deadline_under_a_cap),
        POOL_TEST(test_connect_timeout),
        POOL_TEST(test_refused),
        POOL_TEST(test_only_whom_it_would_have_served_fail),
        POOL_TEST(test_no_memory_for_a_codec),
        POOL_TEST(test_leaving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
