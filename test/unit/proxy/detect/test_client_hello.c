/* ClientHellos made by BoringSSL and by hand, whole, cut at every byte, and over several records.
 */
#include "proxy/detect/client_hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/ssl.h>
#include <stdlib.h>

#define MESH SLICE_LITERAL("outrigger-")

static char scratch[CLIENT_HELLO_MAX_BYTES];

struct hello {
    uint8_t bytes[4096];
    size_t len;
};

static struct hello make(const char *server_name, const char *alpn)
{
    struct hello made = {.len = 0};
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    SSL *ssl = SSL_new(context);
    SSL_set_connect_state(ssl);
    if (server_name)
        SSL_set_tlsext_host_name(ssl, server_name);
    if (alpn)
        SSL_set_alpn_protos(ssl, (const uint8_t *)alpn, (unsigned)strlen(alpn));
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_do_handshake(ssl);
    int len = BIO_read(out, made.bytes, sizeof(made.bytes));
    assert_true(len > 0);
    made.len = (size_t)len;
    SSL_free(ssl);
    SSL_CTX_free(context);
    return made;
}

/* The same message in records of `size` bytes. */
static struct hello split(const struct hello *whole, size_t size)
{
    struct hello made = {.len = 0};
    for (size_t at = 5; at < whole->len; at += size) {
        size_t n = whole->len - at < size ? whole->len - at : size;
        const uint8_t head[] = {22, 3, 1, (uint8_t)(n >> 8), (uint8_t)n};
        assert_true(made.len + sizeof(head) + n <= sizeof(made.bytes));
        memcpy(made.bytes + made.len, head, sizeof(head));
        memcpy(made.bytes + made.len + sizeof(head), whole->bytes + at, n);
        made.len += sizeof(head) + n;
    }
    return made;
}

static enum client_hello_result parse(const struct hello *hello, size_t len,
                                      struct client_hello *out)
{
    /* A copy of exactly that length: AddressSanitizer sees a read beyond it. */
    char *copy = malloc(len ? len : 1);
    memcpy(copy, hello->bytes, len);
    enum client_hello_result result = client_hello_parse(slice_of(copy, len), scratch, out);
    free(copy);
    return result;
}

static void test_whole_and_cut(void **state)
{
    static const struct {
        const char *name, *alpn;
        bool is_mesh;
        size_t record; /* 0: one record */
    } cases[] = {
        {NULL, NULL, false, 0},
        {"shop.example", NULL, false, 0},
        {"shop.example", "\x02h2\x08http/1.1", false, 0},
        {NULL, "\x0doutrigger-tcp", true, 0},
        {"a.b", "\x02h2\x0coutrigger-h2", true, 0},
        {"shop.example", "\x0doutrigger-tcp", true, 100},
        {"shop.example", "\x0doutrigger-tcp", true, 40},
        {NULL, "\x0cOutrigger-h2", false, 0},
        {NULL, "\x09outrigger", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client_hello out;
        struct hello hello = make(cases[i].name, cases[i].alpn);
        if (cases[i].record)
            hello = split(&hello, cases[i].record);
        for (size_t len = 0; len < hello.len; len++)
            assert_int_equal(parse(&hello, len, &out), CLIENT_HELLO_MORE);
        assert_int_equal(parse(&hello, hello.len, &out), CLIENT_HELLO_TLS);
        assert_true(slice_eq(out.server_name, slice_str(cases[i].name)));
        assert_true(slice_eq(out.alpn, slice_str(cases[i].alpn)));
        assert_int_equal(client_hello_offers(&out, MESH), cases[i].is_mesh);
        hello.bytes[hello.len] = 'x'; /* what follows changes nothing */
        assert_int_equal(parse(&hello, hello.len + 1, &out), CLIENT_HELLO_TLS);
        assert_true(slice_eq(out.server_name, slice_str(cases[i].name)));
    }
}

static void test_first_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum client_hello_result result;
    } cases[] = {
        {"", 0, CLIENT_HELLO_MORE},
        {"\x16", 1, CLIENT_HELLO_MORE},
        {"\x16\x03", 2, CLIENT_HELLO_MORE},
        {"\x16\x03\x01\x02\x00", 5, CLIENT_HELLO_MORE},
        {"\x16\x03\x01\x02\x00\x01", 6, CLIENT_HELLO_MORE},
        {"G", 1, CLIENT_HELLO_NOT_TLS},
        {"GET / HTTP/1.1\r\n\r\n", 18, CLIENT_HELLO_NOT_TLS},
        {"PRI * HTTP/2.0\r\n\r\n", 18, CLIENT_HELLO_NOT_TLS},
        {"\x15\x03\x01\x00\x02", 5, CLIENT_HELLO_NOT_TLS}, /* an alert */
        {"\x16\x02", 2, CLIENT_HELLO_NOT_TLS},             /* no version 2 */
        {"\x16\x03\x05", 3, CLIENT_HELLO_NOT_TLS},
        {"\x16\x03\x01\x00\x00", 5, CLIENT_HELLO_NOT_TLS}, /* an empty record */
        {"\x16\x03\x01\x40\x01", 5, CLIENT_HELLO_NOT_TLS}, /* 16385 bytes */
        {"\x16\x03\x01\x41", 4, CLIENT_HELLO_NOT_TLS},
        {"\x16\x03\x01\x00\x10\x02", 6, CLIENT_HELLO_NOT_TLS}, /* a ServerHello */
        {"\x80\x2e\x01\x00\x02", 5, CLIENT_HELLO_NOT_TLS},     /* SSL 2 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client_hello out;
        struct hello hello = {.len = cases[i].len};
        memcpy(hello.bytes, cases[i].bytes, cases[i].len);
        assert_int_equal(parse(&hello, hello.len, &out), cases[i].result);
    }
}

/* Beyond our bounds it is TLS that we know nothing of, and no more input is asked for. */
static void test_bounds(void **state)
{
    struct client_hello out;
    (void)state;
    struct hello whole = make("shop.example", NULL);
    struct hello many = split(&whole, 10);
    assert_int_equal(parse(&many, many.len, &out), CLIENT_HELLO_TLS);
    assert_int_equal(out.server_name.len, 0);
    struct hello huge = {.bytes = {22, 3, 1, 0, 4, 1, 0x01, 0x00, 0x00}, .len = 9};
    assert_int_equal(parse(&huge, huge.len, &out), CLIENT_HELLO_TLS);
    struct hello long_rest = {.bytes = {22, 3, 1, 0, 4, 1, 0, 0x3e, 0x80, 22, 3, 1, 0x40, 0},
                              .len = 14}; /* the second record would not fit */
    assert_int_equal(parse(&long_rest, long_rest.len, &out), CLIENT_HELLO_TLS);
    struct hello other_follows = {.bytes = {22, 3, 1, 0, 4, 1, 0, 1, 0, 23}, .len = 10};
    assert_int_equal(parse(&other_follows, other_follows.len, &out), CLIENT_HELLO_TLS);
}

/* One byte changed at a time: never a crash, and every slice within the scratch. */
static void test_damage(void **state)
{
    struct client_hello out;
    (void)state;
    struct hello good = make("shop.example", "\x0doutrigger-tcp");
    for (size_t at = 0; at < good.len; at++)
        for (unsigned value = 0; value < 256; value += 51) {
            struct hello bad = good;
            bad.bytes[at] = (uint8_t)value;
            if (parse(&bad, bad.len, &out) != CLIENT_HELLO_TLS)
                continue;
            client_hello_offers(&out, MESH);
            const struct slice parts[] = {out.server_name, out.alpn};
            for (int i = 0; i < 2; i++)
                assert_true(parts[i].len == 0 ||
                            (parts[i].ptr >= scratch &&
                             parts[i].ptr + parts[i].len <= scratch + sizeof(scratch)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_and_cut),
        cmocka_unit_test(test_first_bytes),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
