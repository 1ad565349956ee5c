/*
 * What a request allocates on its way through whole workers, warm: at one proxy with HTTP/1.1 on
 * both sides, and at a pair with HTTP/2 over mutual TLS between them. Everything that the process
 * allocates is counted, in any thread; the test itself only reads and writes meanwhile.
 */
#include "proxy/tls/mesh_handshake.h"
#define RIG_ALPN mesh_alpn_accepted()
#include "test/unit/proxy/rig.h"

#define WARM     200
#define REQUESTS 500
/* BoringSSL takes a buffer for each record that it writes or reads, and gives it back with it:
 * alone on the connection, a request is a record and so is its answer. nghttp2 and we take nothing.
 */
#define RECORD_BUFFERS (4 * REQUESTS)
#define OTHER_RECORDS  (REQUESTS / 10) /* window updates and the like */

static atomic_bool is_counting;
static atomic_uint allocations;

static void count(void)
{
    if (atomic_load_explicit(&is_counting, memory_order_relaxed))
        atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *bytes,
                                                                size_t size),
                                              void (*on_free)(const volatile void *bytes));

static void on_malloc(const volatile void *bytes, size_t size)
{
    (void)bytes, (void)size;
    count();
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
    count();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *bytes, size_t size)
{
    count();
    return __libc_realloc(bytes, size);
}

static void hook_allocations(void)
{
}
#endif

/* Up to and with the end of the last thing that is written, which no head here has. */
static void read_message(int fd, const char *end)
{
    char bytes[4096];
    size_t n = 0, end_len = strlen(end);
    while (n < end_len || memcmp(bytes + n - end_len, end, end_len) != 0) {
        ssize_t got = recv(fd, bytes + n, sizeof(bytes) - n, 0);
        if (got <= 0)
            fail_msg("\"%.*s\" and then nothing", (int)n, bytes);
        n += (size_t)got;
    }
}

static void exchange(int client, int server, unsigned n)
{
    static const char request[] = "GET /a/path?with=query HTTP/1.1\r\nHost: api.shop\r\n"
                                  "User-Agent: test\r\nAccept: */*\r\n\r\n";
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                   "Content-Length: 5\r\n\r\nhello";
    for (unsigned i = 0; i < n; i++) {
        rig_send(client, request, sizeof(request) - 1);
        read_message(server, "\r\n\r\n");
        rig_send(server, response, sizeof(response) - 1);
        read_message(client, "hello");
    }
}

/* Allocations in REQUESTS requests from `client`. */
static unsigned measure(struct rig *rig, int client)
{
    static const char first[] = "GET / HTTP/1.1\r\nHost: api.shop\r\n\r\n";
    rig_send(client, first, sizeof(first) - 1);
    int server = rig_accept(rig);
    read_message(server, "\r\n\r\n");
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    rig_send(server, answer, sizeof(answer) - 1);
    read_message(client, "hello");
    exchange(client, server, WARM);
    atomic_store(&allocations, 0);
    atomic_store(&is_counting, true);
    exchange(client, server, REQUESTS);
    atomic_store(&is_counting, false);
    unsigned counted = atomic_load(&allocations);
    close(client);
    close(server);
    return counted;
}

static void test_counting(void **state)
{
    (void)state;
    hook_allocations();
    atomic_store(&is_counting, true);
    void *volatile bytes = malloc(1);
    atomic_store(&is_counting, false);
    free(bytes);
    assert_int_equal(atomic_load(&allocations), 1);
}

static void test_http_1_edges(void **state)
{
    (void)state;
    struct rig *rig = rig_start_mesh(1, NULL);
    unsigned counted = measure(rig, rig_dial_port(rig->settings[RIG_IN].inbound_port));
    print_message("HTTP/1.1 on both sides: %u allocations in %u requests\n", counted, REQUESTS);
    assert_int_equal(counted, 0);
    rig_stop(rig);
}

static void test_pair(void **state)
{
    (void)state;
    struct rig *rig = rig_start_mesh(1, NULL);
    unsigned counted = measure(rig, rig_dial(rig));
    print_message("HTTP/2 between: %u allocations in %u requests\n", counted, REQUESTS);
    assert_int_equal(rig_counter(rig, RIG_IN, COUNTER_PLAINTEXT_INBOUND), 0);
    assert_in_range(counted, 0, RECORD_BUFFERS + OTHER_RECORDS);
    rig_stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting),
        cmocka_unit_test(test_http_1_edges),
        cmocka_unit_test(test_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
