/* common/grpc/: how connections are made, lost, replaced and refused. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/grpc/channel.h"
#include "test/unit/common/grpc_loop.h"

/* A port at which nobody listens. */
static void target_nobody(struct loop *loop)
{
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct sockaddr_any addr = addr_make(&loopback, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, &addr.sa, addr.len), 0);
    assert_int_equal(getsockname(fd, &addr.sa, &addr.len), 0);
    snprintf(loop->target, sizeof(loop->target), "127.0.0.1:%u", addr_port(&addr));
    close(fd);
}

static void test_targets(void **state)
{
    struct loop *loop = *state;
    static const char *const bad[] = {"",       "host",       "host:",   ":80",         "host:0",
                                      "::1:80", "host:65536", "host:8o", "host:999999", "[]:80"};
    struct err err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct grpc_channel_options options = {.target = bad[i]};
        err.text[0] = '\0';
        assert_null(grpc_channel_new(loop->base, &options, &err));
        assert_true(strlen(err.text) > 0);
    }
}

static void test_names_are_resolved(void **state)
{
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    struct seen seen = {0};
    loop_start_server(loop, &options);
    snprintf(loop->target, sizeof(loop->target), "localhost:%u", grpc_server_port(loop->server));
    loop_start_channel(loop, (struct grpc_channel_options){0});
    seen_start(&seen, loop, "/t/Refuse", 5000); /* ::1 is refused, 127.0.0.1 is tried next */
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_PERMISSION_DENIED);
}

/* Until the next attempt; 0 when connected or connecting. */
static uint64_t retry_ms_of(const struct grpc_channel *channel)
{
    uint64_t now = clock_now_ns();
    if (channel->state != GRPC_CHANNEL_BACKOFF)
        return 0;
    return channel->retry_ns > now ? (channel->retry_ns - now) / NS_PER_MS + 1 : 1;
}

static void test_refused_without_deadline(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    target_nobody(loop);
    loop_start_channel(loop, (struct grpc_channel_options){0});
    assert_int_equal(retry_ms_of(loop->channel), 0);
    seen_start(&seen, loop, "/t/Echo", 0);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_UNAVAILABLE);
    assert_non_null(strstr(seen.text, "Connection refused"));
    assert_non_null(strstr(seen.text, loop->target));
    assert_int_equal(loop->n_down, 1);
    assert_true(retry_ms_of(loop->channel) > 0);
}

static void test_back_off_grows_with_jitter(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    uint64_t expected_ms = 16;
    target_nobody(loop);
    loop_start_channel(loop,
                       (struct grpc_channel_options){.backoff_min_ms = 16, .backoff_max_ms = 64});
    for (unsigned i = 1; i <= 5; i++) {
        seen_start(&seen, loop, "/t/Echo", 0);
        LOOP_UNTIL(loop, loop->n_down == i && seen.n_ends == i);
        uint64_t retry_ms = retry_ms_of(loop->channel);
        if (retry_ms + 5 < expected_ms / 2 || retry_ms > expected_ms * 3 / 2 + 1)
            fail_msg("attempt %u: waits %llu ms, about %llu expected", i,
                     (unsigned long long)retry_ms, (unsigned long long)expected_ms);
        expected_ms = expected_ms * 2 < 64 ? expected_ms * 2 : 64;
    }
}

static void test_patient_call_waits_for_the_server(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    target_nobody(loop);
    loop_start_channel(loop, (struct grpc_channel_options){.backoff_min_ms = 5});
    seen_start(&seen, loop, "/t/Echo", 5000);
    assert_true(grpc_call_send(seen.call, slice_str("patience")));
    grpc_call_done_sending(seen.call);
    LOOP_UNTIL(loop, loop->n_down >= 3);
    struct grpc_server_options options = loop_server_options(loop);
    options.listen.in.sin_port = htons((uint16_t)strtoul(strchr(loop->target, ':') + 1, NULL, 10));
    loop_start_server(loop, &options);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_OK);
    assert_string_equal(seen.last, "patience");
}

static void test_deadline_tells_why_there_was_no_connection(void **state)
{
    struct loop *loop = *state;
    struct seen seen = {0};
    target_nobody(loop);
    loop_start_channel(loop, (struct grpc_channel_options){.backoff_min_ms = 5});
    seen_start(&seen, loop, "/t/Echo", 60);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_DEADLINE_EXCEEDED);
    assert_non_null(strstr(seen.text, "Connection refused"));
}

static struct svid_tls *no_certificate(void *context)
{
    (void)context;
    return NULL;
}

static void test_no_certificate_yet(void **state)
{
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    struct seen seen = {0};
    loop_start_server(loop, &options);
    loop_start_channel(loop, (struct grpc_channel_options){.tls = no_certificate});
    seen_start(&seen, loop, "/t/Echo", 0);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_UNAVAILABLE);
    assert_string_equal(seen.text, "no certificate yet");
}

static void test_server_restart(void **state)
{
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    struct seen seen = {0}, again = {0};
    loop_start_server(loop, &options);
    loop_start_channel(loop, (struct grpc_channel_options){.backoff_min_ms = 10});
    seen_start(&seen, loop, "/t/Open", 0);
    LOOP_UNTIL(loop, loop->stream);
    options.listen.in.sin_port = htons(grpc_server_port(loop->server));
    grpc_server_free(loop->server);
    loop->server = NULL;
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_UNAVAILABLE);
    loop_start_server(loop, &options);
    seen_start(&again, loop, "/t/Refuse", 5000);
    LOOP_UNTIL(loop, again.n_ends == 1);
    assert_int_equal(again.code, GRPC_PERMISSION_DENIED);
    assert_int_equal(loop->n_up, 2);
}

static void test_renew(void **state)
{
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    struct seen old = {0}, new = {0};
    loop_start_server(loop, &options);
    loop_start_channel(loop, (struct grpc_channel_options){0});
    seen_start(&old, loop, "/t/Echo", 0);
    assert_true(grpc_call_send(old.call, slice_str("before")));
    LOOP_UNTIL(loop, old.n_messages == 1);
    grpc_channel_renew(loop->channel);
    LOOP_UNTIL(loop, loop->n_up == 2); /* also with no call that needs it */
    seen_start(&new, loop, "/t/Echo", 0);
    assert_true(grpc_call_send(new.call, slice_str("new")));
    grpc_call_done_sending(new.call);
    LOOP_UNTIL(loop, new.n_ends == 1);
    assert_int_equal(grpc_server_stats(loop->server).connections, 2);
    assert_true(grpc_call_send(old.call, slice_str("after")));
    grpc_call_done_sending(old.call);
    LOOP_UNTIL(loop, old.n_ends == 1);
    assert_int_equal(old.code, GRPC_OK);
    assert_string_equal(old.last, "after");
    LOOP_UNTIL(loop, grpc_server_stats(loop->server).connections == 1);
    assert_int_equal(grpc_server_stats(loop->server).accepted, 2);
}

static void test_connections_age(void **state)
{
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    struct seen open = {0}, seen = {0};
    options.max_age_ms = 50;
    options.max_age_grace_ms = 5000;
    loop_start_server(loop, &options);
    loop_start_channel(loop, (struct grpc_channel_options){0});
    seen_start(&open, loop, "/t/Echo", 0);
    while (grpc_server_stats(loop->server).accepted < 4) {
        unsigned n = seen.n_ends;
        seen_start(&seen, loop, "/t/Echo", 0);
        assert_true(grpc_call_send(seen.call, slice_str("x")));
        grpc_call_done_sending(seen.call);
        LOOP_UNTIL(loop, seen.n_ends == n + 1);
        if (seen.code != GRPC_OK)
            fail_msg("call %u: %s", n, seen.text);
    }
    assert_true(grpc_call_send(open.call, slice_str("still here")));
    grpc_call_done_sending(open.call);
    LOOP_UNTIL(loop, open.n_ends == 1);
    assert_int_equal(open.code, GRPC_OK);
    assert_string_equal(open.last, "still here");
}

static void test_grace_ends(void **state)
{
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    struct seen seen = {0};
    options.max_age_ms = 30;
    options.max_age_grace_ms = 30;
    loop_start_server(loop, &options);
    loop_start_channel(loop, (struct grpc_channel_options){0});
    seen_start(&seen, loop, "/t/Open", 0);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_UNAVAILABLE);
    assert_int_equal(loop->n_closed, 1);
    LOOP_UNTIL(loop, grpc_server_stats(loop->server).connections == 0);
}

static void test_drain(void **state)
{
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    struct seen seen = {0}, late = {0};
    loop_start_server(loop, &options);
    loop_start_channel(loop, (struct grpc_channel_options){.backoff_min_ms = 10});
    seen_start(&seen, loop, "/t/Echo", 0);
    LOOP_UNTIL(loop, loop->stream);
    grpc_server_drain(loop->server);
    LOOP_UNTIL(loop, loop->n_down == 1); /* GOAWAY */
    seen_start(&late, loop, "/t/Echo", 0);
    LOOP_UNTIL(loop, late.n_ends == 1);
    assert_int_equal(late.code, GRPC_UNAVAILABLE); /* nobody listens any more */
    assert_true(grpc_call_send(seen.call, slice_str("finish")));
    grpc_call_done_sending(seen.call);
    LOOP_UNTIL(loop, seen.n_ends == 1);
    assert_int_equal(seen.code, GRPC_OK);
    LOOP_UNTIL(loop, grpc_server_stats(loop->server).connections == 0);
}

static int connect_to(const struct loop *loop)
{
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct sockaddr_any addr = addr_make(&loopback, grpc_server_port(loop->server));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &addr.sa, addr.len), 0);
    return fd;
}

static void test_too_many_connections(void **state)
{
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    char byte;
    options.max_connections = 2;
    loop_start_server(loop, &options);
    int fds[3];
    for (unsigned i = 0; i < 3; i++)
        fds[i] = connect_to(loop);
    LOOP_UNTIL(loop, grpc_server_stats(loop->server).refused == 1);
    assert_int_equal(grpc_server_stats(loop->server).connections, 2);
    assert_int_equal(recv(fds[2], &byte, 1, 0), 0); /* closed at once */
    close(fds[0]);
    LOOP_UNTIL(loop, grpc_server_stats(loop->server).connections == 1);
    fds[0] = connect_to(loop);
    LOOP_UNTIL(loop, grpc_server_stats(loop->server).connections == 2);
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
}

static void test_out_of_descriptors(void **state)
{
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    struct rlimit before, none;
    loop_start_server(loop, &options);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int fd = connect_to(loop);
    none = before;
    none.rlim_cur = (rlim_t)fd + 1; /* as many as there are */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    loop_settle(loop);
    assert_int_equal(grpc_server_stats(loop->server).accepted, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    LOOP_UNTIL(loop, grpc_server_stats(loop->server).accepted == 1);
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, loop_set_up, loop_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_targets),
        TEST(test_names_are_resolved),
        TEST(test_refused_without_deadline),
        TEST(test_back_off_grows_with_jitter),
        TEST(test_patient_call_waits_for_the_server),
        TEST(test_deadline_tells_why_there_was_no_connection),
        TEST(test_no_certificate_yet),
        TEST(test_server_restart),
        TEST(test_renew),
        TEST(test_connections_age),
        TEST(test_grace_ends),
        TEST(test_drain),
        TEST(test_too_many_connections),
        TEST(test_out_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
