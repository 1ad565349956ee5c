/*
 * What a request costs on warm connections: the two codecs with the shortest possible corridor
 * between them, and a count of allocations and system calls.
 */
#include "test/unit/proxy/codec/h1_rig.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

/* ---- counting: the program's own functions stand before those of the libraries ---- */

/* Volatile: the compiler knows that malloc() looks at no variable of ours. */
static volatile struct {
    bool is_on;
    unsigned allocations, reads, writes, epoll_ctls;
} count;

#define COUNT(what) (count.what += count.is_on)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *bytes,
                                                                size_t size),
                                              void (*on_free)(const volatile void *bytes));

static void on_malloc(const volatile void *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    COUNT(allocations);
}

static void on_free(const volatile void *bytes)
{
    (void)bytes;
}

static void hook_allocations(void)
{
    assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free));
}
#else
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *bytes, size_t size);

void *malloc(size_t size)
{
    COUNT(allocations);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    COUNT(allocations);
    return __libc_calloc(n, size);
}

void *realloc(void *bytes, size_t size)
{
    COUNT(allocations);
    return __libc_realloc(bytes, size);
}

static void hook_allocations(void)
{
}
#endif

/* It is ours that is called, or nothing here means anything. */
static void count_allocations(void)
{
    hook_allocations();
    count.is_on = true;
    void *volatile bytes = malloc(1);
    count.is_on = false;
    free(bytes);
    assert_int_equal(count.allocations, 1);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    COUNT(reads);
    return syscall(SYS_recvfrom, fd, bytes, len, flags, NULL, NULL);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    COUNT(writes);
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    COUNT(writes);
    return syscall(SYS_sendmsg, fd, message, flags);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    COUNT(epoll_ctls);
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

/* ---- the corridor ---- */

static struct {
    struct codec *client;
    struct stream *down, *up;
} way;

static void way_end(void)
{
    if (!way.up || !way.up->is_received || !way.up->is_sent || !way.down->is_sent)
        return;
    stream_close(way.up, STREAM_CUT_NONE);
    stream_close(way.down, STREAM_CUT_NONE);
    way.up = way.down = NULL;
}

static void up_on_head(struct stream *stream, struct head *head, bool is_end)
{
    (void)stream;
    assert_true(stream_send_head(way.down, head, is_end));
    way_end();
}

static void up_on_data(struct stream *stream, struct slice data, bool is_end)
{
    (void)stream;
    assert_true(stream_send_data(way.down, data, is_end));
    way_end();
}

static void down_on_data(struct stream *stream, struct slice data, bool is_end)
{
    (void)stream;
    assert_true(stream_send_data(way.up, data, is_end));
}

static const struct stream_events up_events = {.on_head = up_on_head, .on_data = up_on_data};
static const struct stream_events down_events = {.on_data = down_on_data};

static void on_request(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    (void)owner;
    stream->events = &down_events;
    way.down = stream;
    way.up = codec_open(way.client, head, is_end, &up_events, NULL);
    assert_non_null(way.up);
}

static void on_room(void *owner)
{
    (void)owner;
}

static const struct codec_events server_events = {.on_request = on_request,
                                                  .on_closed = rig_on_closed};
static const struct codec_events client_events = {.on_room = on_room, .on_closed = rig_on_closed};

static void move(struct rig *rig, int fd, const char *bytes)
{
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
    rig_turn_once(rig);
}

static size_t take(int fd)
{
    static char bytes[65536];
    ssize_t n = read(fd, bytes, sizeof(bytes));
    assert_true(n > 0);
    return (size_t)n;
}

static void test_cost(void **state)
{
    (void)state;
    static const struct {
        const char *request, *response;
    } rows[] = {
        {"GET /a/path?with=query HTTP/1.1\r\nHost: api.shop\r\nUser-Agent: x\r\nAccept: "
         "*/*\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"},
        {"POST / HTTP/1.1\r\nHost: api.shop\r\nContent-Length: 5\r\n\r\nhello",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
    };
    const unsigned n = 100;
    struct rig rig;
    struct conn conn;
    int down[2], up[2];
    rig_init(&rig);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, down), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, up), 0);
    rig_make_codec(&rig, h1_server_new, &server_events, down);
    conn_init(&conn, &rig.conns, NULL);
    conn_open(&conn, up[0]);
    way.client = h1_client_new(&rig.shared, &conn, &client_events, &rig);
    rig_turn(&rig);
    count_allocations();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned j = 0; j < n + 10; j++) {
            if (j == 10) {
                count.allocations = count.reads = count.writes = count.epoll_ctls = 0;
                count.is_on = true;
            }
            move(&rig, down[1], rows[i].request);
            take(up[1]);
            move(&rig, up[1], rows[i].response);
            take(down[1]);
        }
        count.is_on = false;
        assert_null(way.up);
        assert_int_equal(count.allocations, 0);
        assert_int_equal(count.reads, 2 * n);
        assert_int_equal(count.writes, 2 * n);
        assert_int_equal(count.epoll_ctls, 0);
    }
    codec_free(way.client);
    close(up[1]);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
