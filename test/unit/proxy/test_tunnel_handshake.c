/* A handshake whose messages find no room at first, and no peer when there is room. */
#include "test/unit/proxy/rig.h"

#include <sys/syscall.h>

/* The port whose connections break while a ClientHello is sent; 0: none. How many did. */
static _Atomic uint16_t breaking_port;
static _Atomic unsigned held_up, broken;

static bool is_client_hello(const void *bytes, size_t len)
{
    return len > 5 && memcmp(bytes, "\x16\x03\x01", 3) == 0;
}

/*
 * In the place of libc's: a socket's own buffer cannot be so small that a ClientHello is held up,
 * but the kernel may be short of memory (ENOBUFS). What was held up finds the connection reset.
 */
ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    struct sockaddr_any peer = {.len = sizeof(peer.in6)};
    uint16_t port = atomic_load(&breaking_port);
    if (port && is_client_hello(bytes, len) && getpeername(fd, &peer.sa, &peer.len) == 0 &&
        addr_port(&peer) == port) {
        bool is_first = atomic_load(&held_up) == atomic_load(&broken);
        atomic_fetch_add(is_first ? &held_up : &broken, 1);
        errno = is_first ? ENOBUFS : ECONNRESET;
        return -1;
    }
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

/* One connection from the application to the application. */
static void expect_carried(struct rig *rig)
{
    int client = rig_dial(rig);
    rig_send(client, "any", 3);
    int server = rig_accept(rig);
    rig_expect(server, "any");
    close(client);
    rig_expect_eof(server);
    close(server);
}

static void test_the_next_endpoint_is_tried(void **state)
{
    (void)state;
    struct rig *rig = rig_start_mesh(1, NULL);
    struct sockaddr_any other;
    int listener = rig_listen(&other);
    struct rig_endpoint two[] = {{addr_port(&other), RIG_API},
                                 {rig->settings[RIG_IN].inbound_port, RIG_API}};
    atomic_store(&breaking_port, addr_port(&other));
    rig_set_service(rig, two, 2, 0);
    for (int i = 0; i < 64 && atomic_load(&broken) == 0; i++)
        expect_carried(rig);
    assert_true(atomic_load(&broken) >= 1);
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_CONNECT_RETRIES), atomic_load(&broken));
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_TLS_FAILURES), atomic_load(&broken));

    rig_set_service(rig, two, 1, 0); /* no other: so is the application */
    int client = rig_dial(rig);
    rig_expect_reset(client);
    close(client);
    RIG_WAIT(rig, rig_ended(rig, RIG_OUT, REASON_TLS_FAILED) == 1);
    atomic_store(&breaking_port, 0);
    rig_expect_nothing_left(rig);
    close(listener);
    rig_stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_next_endpoint_is_tried)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
