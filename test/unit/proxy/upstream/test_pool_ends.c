/* How connections of a pool end, and callbacks that come back into it. */
#include "test/unit/proxy/upstream/pool_rig.h"

#include <jansson.h>

/* Puts `n` connections into the pool, none of them in use. */
static void fill(struct pool_key key, unsigned n)
{
    struct request *requests = calloc(n, sizeof(*requests));
    for (unsigned i = 0; i < n; i++) {
        requests[i] = request_make();
        take_and_wait(&requests[i], key);
    }
    for (unsigned i = 0; i < n; i++)
        request_finish(&requests[i]);
    free(requests);
}

static void test_idle_ones_are_closed(void **state)
{
    (void)state;
    struct request a = request_make();
    limits.idle_timeout_ms = 20;
    fill(h1_key(), 3);
    take_of(&a, h1_key(), false);
    LOOP_WAIT(&loop, pools_n_connections(pools) == 1); /* all but the one in use */
    assert_false(a.fake->is_dead);
    uint64_t since_ns = clock_now_ns();
    request_finish(&a);
    LOOP_WAIT(&loop, pools_n_connections(pools) == 0);
    assert_true(clock_now_ns() - since_ns >= 20 * NS_PER_MS); /* counted from its last use */
}

static void test_idle_ones_are_bounded(void **state)
{
    (void)state;
    limits.max_idle = 2;
    fill(h1_key(), 5);
    assert_int_equal(pools_n_connections(pools), 2);
}

static void test_old_ones_drain(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make();
    limits.max_age_ms = 20;
    take_and_wait(&a, h2_key());
    struct fake *old = a.fake;
    LOOP_WAIT(&loop, old->is_draining);
    assert_false(old->is_dead); /* what is on it goes on */
    limits.max_age_ms = 0;
    take_and_wait(&b, h2_key());
    assert_ptr_not_equal(b.fake, old);
    assert_int_equal(pools_n_connections(pools), 2);
    request_finish(&a);
    assert_int_equal(pools_n_connections(pools), 1);
}

static void test_an_endpoint_goes(void **state)
{
    (void)state;
    struct sockaddr_any other;
    int other_fd = loop_listen("127.0.0.1", 16, &other);
    struct request here = request_make(), there = request_make(), opening = request_make();
    fill(h1_key(), 3);
    take_and_wait(&here, h2_key());
    take_and_wait(&there, (struct pool_key){other, "", "", POOL_HTTP_2});
    take_of(&opening, (struct pool_key){server, "", "x", POOL_HTTP_1_1}, false);
    pools_drain_address(pools, &server);
    LOOP_WAIT(&loop, here.fake->is_draining && pools_n_connections(pools) == 3);
    assert_false(there.fake->is_draining);
    wait_told(&opening); /* who waits for what is being opened is served, once */
    struct fake *late = opening.fake;
    LOOP_WAIT(&loop, late->is_draining);
    request_finish(&here);
    request_finish(&opening);
    assert_int_equal(pools_n_connections(pools), 1);
    close(other_fd);
}

/* Plaintext has no certificate: only what has an identity is renewed (test_http_connect.c). */
static void test_renewal_leaves_plaintext_alone(void **state)
{
    (void)state;
    fill(h1_key(), 2);
    pools_renew(pools, 0);
    for (uint64_t until_ns = clock_now_ns() + 10 * TIMER_TICK_NS; clock_now_ns() < until_ns;)
        loop_turn(&loop);
    assert_int_equal(pools_n_connections(pools), 2);
}

static void test_the_process_ends(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make();
    fill(h1_key(), 3);
    take_and_wait(&a, h2_key());
    pools_drain(pools);
    assert_int_equal(pools_n_connections(pools), 1);
    take_of(&b, h2_key(), false); /* still served, on what there is */
    assert_ptr_equal(a.fake, b.fake);
    request_finish(&a);
    assert_int_equal(pools_n_connections(pools), 1);
    request_finish(&b);
    assert_int_equal(pools_n_connections(pools), 0);
    struct request c = request_make();
    take_and_wait(&c, h1_key()); /* and on what is opened anew */
    request_finish(&c);
    assert_int_equal(pools_n_connections(pools), 0);
}

/* GOAWAY: the connection has no room any more, and goes with its last stream. */
static void test_the_peer_goes_away(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make();
    take_and_wait(&a, h2_key());
    struct fake *old = a.fake;
    old->max = 0;
    old->codec.events->on_room(old->codec.owner);
    take_of(&b, h2_key(), false);
    assert_int_equal(b.ready, 0);
    wait_told(&b);
    assert_ptr_not_equal(b.fake, old);
    request_finish(&a);
    assert_int_equal(pools_n_connections(pools), 1);
}

/* The room comes with the peer's SETTINGS: those who wait, wait for that. */
static void test_room_comes_late(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make();
    fakes.h2_streams = 0;
    take_of(&a, h2_key(), false);
    LOOP_WAIT(&loop, fakes.made == 1);
    take_of(&b, h2_key(), false);
    assert_int_equal(pools_n_connections(pools), 1);
    struct fake *fake = LIST_ENTRY(fakes.alive.next, struct fake, node);
    fake->max = 10;
    fake->codec.events->on_room(fake->codec.owner);
    assert_ptr_equal(a.fake, fake);
    assert_ptr_equal(b.fake, fake);
    assert_true(a.connect_ns > 0);
}

static void test_the_peer_closes(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make();
    fill(h1_key(), 2);
    take_of(&a, h1_key(), false);
    struct fake *used = a.fake;
    fake_end(LIST_ENTRY(fakes.alive.next, struct fake, node), REASON_SERVER_RESET, "");
    assert_int_equal(pools_n_connections(pools), 1);
    limits.max_connections = 1;
    take_of(&b, h1_key(), false);
    used->n = 0; /* its stream was told */
    fake_end(used, REASON_SERVER_RESET, "");
    wait_told(&b); /* the cap has room for another */
    assert_int_equal(b.ready, 1);
    assert_true(b.is_new);
}

/* It breaks, and a stream of it asks for another connection before the pool has been told. */
static void test_asks_while_it_breaks(void **state)
{
    (void)state;
    for (int is_h2 = 0; is_h2 < 2; is_h2++) {
        struct request a = request_make(), b = request_make();
        struct pool_key key = is_h2 ? h2_key() : h1_key();
        take_and_wait(&a, key);
        struct fake *broken = a.fake;
        broken->is_dead = true;
        take_of(&b, key, false);
        assert_int_equal(b.ready, 0);
        broken->n = 0;
        fake_end(broken, REASON_SERVER_RESET, "");
        wait_told(&b);
        assert_int_equal(b.ready, 1);
        assert_ptr_not_equal(b.fake, broken);
    }
}

/* Or it would be opened again and again. */
static void test_closed_before_it_had_room(void **state)
{
    (void)state;
    struct request a = request_make();
    fakes.h2_streams = 0;
    take_of(&a, h2_key(), false);
    LOOP_WAIT(&loop, fakes.made == 1);
    fake_end(LIST_ENTRY(fakes.alive.next, struct fake, node), REASON_MALFORMED, "no SETTINGS");
    assert_int_equal(a.failed, 1);
    assert_int_equal(a.reason, REASON_CONNECT_FAILED);
    assert_string_equal(a.detail, "closed before it was used: no SETTINGS");
    assert_int_equal(fakes.made, 1);
    assert_int_equal(pools_n_connections(pools), 0);
}

/* ---- callbacks that come back ---- */

static struct pool_key again_key;
static struct request *other; /* of the test that runs */

static void then_take_again(struct request *request)
{
    request->failed = 0;
    take_of(request, again_key, false);
}

static void then_take_other(struct request *request)
{
    (void)request;
    take_of(other, again_key, false);
}

static void then_leave_other(struct request *request)
{
    (void)request;
    pool_leave(&other->ticket);
}

static void then_decline(struct request *request)
{
    request->fake = NULL;
}

static void then_close(struct request *request)
{
    struct fake *fake = request->fake;
    request->fake = NULL;
    codec_close(&fake->codec, REASON_DONE);
}

static void test_failed_takes_elsewhere(void **state)
{
    (void)state;
    struct pool_key dead = {refusing(), "", "", POOL_HTTP_2};
    struct request requests[20];
    again_key = h2_key();
    for (size_t i = 0; i < 20; i++) {
        requests[i] = request_make();
        requests[i].then = then_take_again;
        take_of(&requests[i], dead, false);
    }
    for (size_t i = 0; i < 20; i++) {
        LOOP_WAIT(&loop, requests[i].ready);
        assert_int_equal(requests[i].failed, 0);
    }
    assert_int_equal(fakes.made, 1);
    assert_int_equal(pools_n_connections(pools), 1);
}

/* The same again: one new attempt for all, not one for each. */
static void test_failed_takes_the_same(void **state)
{
    (void)state;
    struct request requests[20];
    again_key = (struct pool_key){refusing(), "", "", POOL_HTTP_2};
    for (size_t i = 0; i < 20; i++) {
        requests[i] = request_make();
        requests[i].then = then_take_again;
        take_of(&requests[i], again_key, false);
    }
    LOOP_WAIT(&loop, requests[0].failed);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(requests[i].failed, 1);
    assert_int_equal(loop_counter(&loop, COUNTER_POOL_CONNECT_FAILURES), 2);
}

static void test_failed_at_once_takes_again(void **state)
{
    (void)state;
    struct request a = request_make();
    again_key = h1_key();
    again_key.identity = "spiffe://mesh.test/ns/a/sa/b"; /* and there is no certificate */
    a.then = then_take_again;
    take_of(&a, again_key, false);
    assert_int_equal(a.failed, 1);
    assert_int_equal(a.reason, REASON_NO_CERTIFICATE);
    assert_int_equal(pools_n_connections(pools), 0);
}

/* Room is not given twice while its first taker has not used it yet. */
static void test_ready_takes_another(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make();
    again_key = h1_key();
    other = &b;
    fill(h1_key(), 1);
    a.then = then_take_other;
    take_of(&a, h1_key(), false);
    assert_int_equal(a.ready, 1);
    wait_told(&b);
    assert_ptr_not_equal(a.fake, b.fake);
    assert_int_equal(b.ready, 1);
    other = NULL;
}

static void test_ready_and_failed_leave_another(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make();
    struct pool_key dead = {refusing(), "", "", POOL_HTTP_2};
    other = &b;
    struct pool_key keys[] = {h2_key(), dead};
    for (size_t i = 0; i < 2; i++) {
        a = b = request_make();
        a.then = then_leave_other;
        take_of(&a, keys[i], false);
        take_of(&b, keys[i], false);
        wait_told(&a);
        loop_turn(&loop);
        assert_int_equal(b.ready + b.failed, 0);
    }
    other = NULL;
}

static void test_ready_declines_or_closes(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make(), c = request_make();
    limits.max_connections = 1;
    a.then = then_decline;
    b.then = then_close;
    take_of(&a, h1_key(), false);
    take_of(&b, h1_key(), false);
    take_of(&c, h1_key(), false);
    wait_told(&a);
    assert_int_equal(b.ready, 1);
    assert_true(b.is_new); /* the first has not used it */
    wait_told(&c);
    assert_int_equal(c.ready, 1);
    assert_int_equal(fakes.made, 2);
}

/* What is open, opening, draining and waiting when the worker ends. */
static void test_free_with_everything(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make(), c = request_make(), d = request_make();
    limits.max_connections = 1;
    take_and_wait(&a, h1_key());
    take_and_wait(&b, h2_key());
    pools_drain_address(pools, &server);
    struct fake *drained = a.fake;
    LOOP_WAIT(&loop, drained->is_draining);
    again_key = h1_key();
    c.then = then_take_again;
    take_of(&c, h1_key(), false); /* the cap does not count what drains */
    take_of(&d, (struct pool_key){server, "", "x", POOL_HTTP_2}, false);
    assert_int_equal(pools_n_connections(pools), 4);
    pools_free(pools);
    pools = NULL;
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.reason, REASON_DRAINED);
    assert_int_equal(d.reason, REASON_DRAINED);
}

static void test_describe(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make();
    limits.max_connections = 1;
    take_and_wait(&a, (struct pool_key){server, "", "spiffe://mesh.test/x", POOL_HTTP_1_1});
    take_of(&b, (struct pool_key){server, "", "spiffe://mesh.test/x", POOL_HTTP_1_1}, false);
    json_t *list = pools_describe(pools), *pool = json_array_get(list, 0);
    pool_leave(&b.ticket);
    assert_int_equal(json_array_size(list), 1);
    char address[ADDR_TEXT_BYTES];
    addr_format(&server, address);
    assert_string_equal(json_string_value(json_object_get(pool, "address")), address);
    assert_string_equal(json_string_value(json_object_get(pool, "on_behalf_of")),
                        "spiffe://mesh.test/x");
    assert_string_equal(json_string_value(json_object_get(pool, "protocol")), "http/1.1");
    assert_int_equal(json_integer_value(json_object_get(pool, "waiting")), 1);
    json_t *conn = json_array_get(json_object_get(pool, "connections"), 0);
    assert_string_equal(json_string_value(json_object_get(conn, "state")), "full");
    assert_non_null(json_object_get(conn, "age_ms"));
    assert_int_equal(json_integer_value(json_object_get(conn, "streams")), 1); /* the codec's */
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(test_idle_ones_are_closed),
        POOL_TEST(test_idle_ones_are_bounded),
        POOL_TEST(test_old_ones_drain),
        POOL_TEST(test_an_endpoint_goes),
        POOL_TEST(test_renewal_leaves_plaintext_alone),
        POOL_TEST(test_the_process_ends),
        POOL_TEST(test_the_peer_goes_away),
        POOL_TEST(test_room_comes_late),
        POOL_TEST(test_the_peer_closes),
        POOL_TEST(test_asks_while_it_breaks),
        POOL_TEST(test_closed_before_it_had_room),
        POOL_TEST(test_failed_takes_elsewhere),
        POOL_TEST(test_failed_takes_the_same),
        POOL_TEST(test_failed_at_once_takes_again),
        POOL_TEST(test_ready_takes_another),
        POOL_TEST(test_ready_and_failed_leave_another),
        POOL_TEST(test_ready_declines_or_closes),
        POOL_TEST(test_free_with_everything),
        POOL_TEST(test_describe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
