/*
 * Pools with fake codecs and a real listener, as each test of them begins and ends.
 */
#ifndef OUTRIGGER_TEST_UNIT_PROXY_UPSTREAM_POOL_RIG_H
#define OUTRIGGER_TEST_UNIT_PROXY_UPSTREAM_POOL_RIG_H

#include "test/unit/proxy/upstream/fake_codec.h"

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)

static struct loop loop;
static struct pools *pools;
static struct sockaddr_any server;
static int server_fd;
static struct pool_limits limits;

static int pool_setup(void **state)
{
    (void)state;
    fakes.h2_streams = 100;
    fakes.made = fakes.freed = fakes.drained = 0;
    fakes.has_no_memory = false;
    list_init(&fakes.alive);
    requests_told = 0;
    limits = (struct pool_limits){.connect_timeout_ms = 30000, .idle_timeout_ms = 3600000};
    loop_init(&loop);
    fakes.graveyard = &loop.workspace.graveyard;
    server_fd = loop_listen("127.0.0.1", 1024, &server);
    pools = pools_new(&loop.workspace, &fake_clients);
    assert_non_null(pools);
    return 0;
}

/* Nothing is left of anything. */
static int pool_teardown(void **state)
{
    (void)state;
    pools_free(pools);
    assert_int_equal(fakes.made, fakes.freed);
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_OPENED), fakes.made);
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_CLOSED), fakes.made);
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_CONNECTIONS), 0);
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_PENDING), 0);
    loop_turn(&loop);
    loop_fini(&loop);
    close(server_fd);
    return 0;
}

static inline struct pool_key h1_key(void)
{
    return (struct pool_key){server, "", "", POOL_HTTP_1_1};
}

static inline struct pool_key h2_key(void)
{
    return (struct pool_key){server, "", "", POOL_HTTP_2};
}

static inline void take_of(struct request *request, struct pool_key key, bool must_be_new)
{
    pool_take(pools, &key, &limits, must_be_new, &request->ticket);
}

static inline void wait_told(struct request *request)
{
    LOOP_WAIT(&loop, request->ready || request->failed);
}

static inline void take_and_wait(struct request *request, struct pool_key key)
{
    take_of(request, key, false);
    wait_told(request);
    assert_int_equal(request->ready, 1);
    assert_int_equal(request->failed, 0);
}

/* An address that nobody listens on. */
static inline struct sockaddr_any refusing(void)
{
    struct sockaddr_any address;
    close(loop_listen("127.0.0.1", 1, &address));
    return address;
}

#endif
