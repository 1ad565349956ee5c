/* Bytes, half-close, resets and back-pressure through a pair of proxies, with mTLS between. */
#include "test/unit/proxy/rig.h"

#include <pthread.h>
#include <sys/resource.h>

static void test_echo_and_half_close(void **state)
{
    struct rig *rig = rig_start_mesh(2, NULL);
    (void)state;
    int client = rig_dial(rig);
    rig_send(client, "hello", 5);
    int server = rig_accept(rig);
    rig_expect(server, "hello");
    rig_send(server, "world", 5);
    rig_expect(client, "world");
    shutdown(client, SHUT_WR);
    rig_expect_eof(server);
    rig_send(server, "still", 5); /* the other half is open */
    rig_expect(client, "still");
    shutdown(server, SHUT_WR);
    rig_expect_eof(client);
    RIG_WAIT(rig, rig_ended(rig, RIG_OUT, REASON_DONE) == 1);
    RIG_WAIT(rig, rig_ended(rig, RIG_IN, REASON_DONE) == 1);
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_TLS_HANDSHAKES), 1);
    assert_int_equal(rig_counter(rig, RIG_IN, COUNTER_TLS_HANDSHAKES), 1);
    rig_expect_nothing_left(rig);
    close(client);
    close(server);
    rig_stop(rig);
}

static void test_server_closes_first(void **state)
{
    struct rig *rig = rig_start_mesh(1, NULL);
    (void)state;
    int client = rig_dial(rig);
    int server = rig_accept(rig);
    shutdown(server, SHUT_WR);
    rig_expect_eof(client);
    rig_send(client, "late", 4);
    rig_expect(server, "late");
    close(client);
    rig_expect_eof(server);
    close(server);
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

static void test_resets_are_carried(void **state)
{
    struct rig *rig = rig_start_mesh(1, NULL);
    (void)state;
    int client = rig_dial(rig);
    int server = rig_accept(rig);
    rig_send(client, "x", 1);
    rig_expect(server, "x");
    rig_reset(client);
    rig_expect_reset(server);
    close(server);
    client = rig_dial(rig);
    server = rig_accept(rig);
    rig_send(server, "y", 1);
    rig_expect(client, "y");
    rig_reset(server);
    rig_expect_reset(client);
    close(client);
    RIG_WAIT(rig, rig_ended(rig, RIG_OUT, REASON_CLIENT_RESET) == 1);
    RIG_WAIT(rig, rig_ended(rig, RIG_IN, REASON_SERVER_RESET) == 1);
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

/* What the server sent before it reset reaches the client, though the client was still sending. */
static void test_answer_before_reset(void **state)
{
    struct rig *rig = rig_start_mesh(1, NULL);
    (void)state;
    int client = rig_dial(rig);
    int server = rig_accept(rig);
    rig_send(client, "request", 7);
    rig_send(server, "too large", 9);
    struct pollfd unread = {.fd = server, .events = POLLIN};
    assert_int_equal(poll(&unread, 1, RIG_PATIENCE_S * 1000), 1);
    close(server); /* with something unread: a RST */
    rig_expect(client, "too large");
    rig_expect_reset(client);
    close(client);
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

#define BULK_BYTES (24u << 20)

/* A pattern whose every byte depends on its place. */
static char bulk_byte(size_t at)
{
    return (char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static void *bulk_sender(void *arg)
{
    int fd = *(int *)arg;
    static const size_t chunk = 100003;
    char *bytes = malloc(chunk);
    for (size_t at = 0; at < BULK_BYTES;) {
        size_t n = BULK_BYTES - at < chunk ? BULK_BYTES - at : chunk;
        for (size_t i = 0; i < n; i++)
            bytes[i] = bulk_byte(at + i);
        rig_send(fd, bytes, n);
        at += n;
    }
    shutdown(fd, SHUT_WR);
    free(bytes);
    return NULL;
}

static void bulk_receive(int fd)
{
    char bytes[65536];
    size_t at = 0;
    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        assert_true(n >= 0);
        if (n == 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            if (bytes[i] != bulk_byte(at + (size_t)i))
                fail_msg("byte %zu is wrong", at + (size_t)i);
        at += (size_t)n;
    }
    assert_int_equal(at, BULK_BYTES);
}

/* Both directions at once: each is blocked by its reader for a while, none blocks the other. */
static void test_bulk_and_back_pressure(void **state)
{
    struct rig *rig = rig_start_mesh(1, NULL);
    (void)state;
    int client = rig_dial(rig);
    int server = rig_accept(rig);
    pthread_t up, down;
    pthread_create(&up, NULL, bulk_sender, &client);
    pthread_create(&down, NULL, bulk_sender, &server);
    /* Nobody reads: both proxies fill up and stand still, with bounded buffers. */
    RIG_WAIT(rig, ({
                 json_t *list = rig_inspect(rig, rig->workers[RIG_OUT][0], WORKER_CONNECTIONS);
                 json_t *one = json_array_get(list, 0);
                 json_integer_value(json_object_get(one, "bytes_buffered")) > 0;
             }));
    json_t *memory = rig_inspect(rig, rig->workers[RIG_OUT][0], WORKER_MEMORY);
    assert_true(json_integer_value(json_object_get(memory, "buffered_bytes")) < (4 << 20));
    bulk_receive(server);
    bulk_receive(client);
    pthread_join(up, NULL);
    pthread_join(down, NULL);
    close(client);
    close(server);
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

/* A side that is not read, because the other is blocked, resets: it is found out all the same. */
static void test_reset_while_blocked(void **state)
{
    struct rig *rig = rig_start_mesh(1, NULL);
    (void)state;
    static char bytes[1 << 16];
    int client = rig_dial(rig);
    int server = rig_accept(rig);
    fcntl(client, F_SETFL, O_NONBLOCK);
    struct pollfd writable = {.fd = client, .events = POLLOUT};
    while (poll(&writable, 1, 300) == 1) /* until nothing moves any more */
        while (send(client, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
            ;
    rig_reset(client);
    RIG_WAIT(rig, rig_ended(rig, RIG_OUT, REASON_CLIENT_RESET) == 1);
    while (recv(server, bytes, sizeof(bytes), 0) > 0)
        ;
    assert_int_equal(errno, ECONNRESET);
    close(server);
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

static void short_idle(struct worker_settings *settings)
{
    settings->idle_timeout_ms = 100;
}

static void test_idle_timeout(void **state)
{
    struct rig *rig = rig_start_mesh(1, short_idle);
    (void)state;
    int client = rig_dial(rig);
    int server = rig_accept(rig);
    rig_expect_reset(client);
    rig_expect_reset(server);
    close(client);
    close(server);
    RIG_WAIT(rig, rig_ended(rig, RIG_OUT, REASON_IDLE_TIMEOUT) +
                          rig_ended(rig, RIG_IN, REASON_IDLE_TIMEOUT) >=
                      1);
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

static void test_drain(void **state)
{
    struct rig *rig = rig_start_mesh(1, NULL);
    (void)state;
    int client = rig_dial(rig);
    int server = rig_accept(rig);
    worker_drain(rig->workers[RIG_OUT][0], 60000);
    rig_inspect(rig, rig->workers[RIG_OUT][0], WORKER_MEMORY);
    int other = rig_dial(rig); /* still accepted while one is open */
    int other_server = rig_accept(rig);
    rig_send(client, "on", 2);
    rig_expect(server, "on");
    close(other);
    rig_expect_eof(other_server);
    close(other_server);
    assert_int_equal(rig->stopped, 0);
    close(client);
    rig_expect_eof(server);
    close(server);
    RIG_WAIT(rig, rig->stopped == 1);
    rig_stop(rig);
}

static void test_drain_deadline(void **state)
{
    struct rig *rig = rig_start_mesh(1, NULL);
    (void)state;
    int client = rig_dial(rig);
    int server = rig_accept(rig);
    worker_drain(rig->workers[RIG_OUT][0], 50);
    rig_expect_reset(client);
    rig_expect_reset(server);
    RIG_WAIT(rig, rig->stopped == 1);
    assert_int_equal(rig_ended(rig, RIG_OUT, REASON_DRAINED), 1);
    /* Asked after its end, it answers that there is nothing to say. */
    worker_drain(rig->workers[RIG_OUT][0], 50);
    close(client);
    close(server);
    rig_stop(rig);
}

/* Connections that come late to the application are hung up on, until none is left anywhere. */
static bool is_quiet(struct rig *rig, uint64_t still_open)
{
    struct pollfd ready = {.fd = rig->app_fd, .events = POLLIN};
    while (poll(&ready, 1, 0) == 1)
        close(accept4(rig->app_fd, NULL, NULL, SOCK_CLOEXEC));
    return rig_open(rig) == still_open;
}

static void test_connects_and_hangups(void **state)
{
    struct rig *rig = rig_start_mesh(RIG_WORKERS, NULL);
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        int client = rig_dial(rig);
        if (i % 3 == 0)
            rig_send(client, "x", 1);
        if (i % 3 == 1)
            rig_reset(client);
        else
            close(client);
        is_quiet(rig, 0);
    }
    RIG_WAIT(rig, is_quiet(rig, 0));
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_ACCEPTED_OUTBOUND), 10000);
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

/* No descriptors: the excess is shed at once, what is open goes on, and then all is well again. */
static void test_no_descriptors(void **state)
{
    struct rig *rig = rig_start_mesh(1, NULL);
    (void)state;
    struct rlimit limit, before;
    int fds[400];
    size_t n = 0;
    int client = rig_dial(rig);
    int server = rig_accept(rig);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = before;
    int next = dup(client);
    limit.rlim_cur = (rlim_t)next + 40;
    close(next);
    setrlimit(RLIMIT_NOFILE, &limit);
    while (n < 400) { /* this process has the clients and both proxies: they soon run out */
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            break;
        struct sockaddr_any to = rig_loopback(rig->settings[RIG_OUT].outbound_port);
        if (connect(fd, &to.sa, to.len) < 0 && errno != EINPROGRESS) {
            close(fd);
            break;
        }
        fds[n++] = fd;
    }
    RIG_WAIT(rig, rig_counter(rig, RIG_OUT, COUNTER_SHED_DESCRIPTORS) +
                          rig_counter(rig, RIG_IN, COUNTER_SHED_DESCRIPTORS) >
                      0);
    rig_send(client, "on", 2);
    rig_expect(server, "on");
    setrlimit(RLIMIT_NOFILE, &before);
    while (n)
        close(fds[--n]);
    RIG_WAIT(rig, is_quiet(rig, 2));
    close(client);
    close(server);
    client = rig_dial(rig);
    rig_send(client, "again", 5);
    char first;
    do /* late ones of those that hung up may come before */
        server = rig_accept(rig);
    while (recv(server, &first, 1, MSG_PEEK) <= 0 && close(server) == 0);
    rig_expect(server, "again");
    close(client);
    close(server);
    RIG_WAIT(rig, is_quiet(rig, 0));
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_and_half_close),    cmocka_unit_test(test_server_closes_first),
        cmocka_unit_test(test_resets_are_carried),     cmocka_unit_test(test_answer_before_reset),
        cmocka_unit_test(test_bulk_and_back_pressure), cmocka_unit_test(test_reset_while_blocked),
        cmocka_unit_test(test_idle_timeout),           cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_deadline),         cmocka_unit_test(test_connects_and_hangups),
        cmocka_unit_test(test_no_descriptors),
    };
    /* As confine_process() does it: where nobody raised them, descriptors are 1024. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
