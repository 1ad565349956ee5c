/* What a port's appProtocol and name say of what is spoken there. */
#include "controller/compile/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define UNKNOWN OUTRIGGER__V1__PROTOCOL__PROTOCOL_UNSPECIFIED
#define TCP     OUTRIGGER__V1__PROTOCOL__TCP
#define TLS     OUTRIGGER__V1__PROTOCOL__TLS
#define HTTP1   OUTRIGGER__V1__PROTOCOL__HTTP1
#define HTTP2   OUTRIGGER__V1__PROTOCOL__HTTP2
#define GRPC    OUTRIGGER__V1__PROTOCOL__GRPC

static void what_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *app_protocol, *name;
        Outrigger__V1__Protocol protocol;
    } rows[] = {
        {"", "", UNKNOWN},
        {"", "web", UNKNOWN},
        /* Names. */
        {"", "http", HTTP1},
        {"", "http-web", HTTP1},
        {"", "http2", HTTP2},
        {"", "http2-api", HTTP2},
        {"", "http3", UNKNOWN},
        {"", "httpx", UNKNOWN},
        {"", "grpc", GRPC},
        {"", "grpc-cart", GRPC},
        {"", "grpc-web", HTTP1},
        {"", "grpc-web-cart", HTTP1},
        {"", "grpc-webs", GRPC},
        {"", "https-web", TLS},
        {"", "tls-broker", TLS},
        {"", "tcp-thing", TCP},
        {"", "mysql", TCP},
        {"", "mysql-main", TCP},
        {"", "ms-sql-s-1", TCP},
        {"", "redis-http", TCP},
        {"", "my-http", UNKNOWN},
        {"", "-http", UNKNOWN},
        {"", "-", UNKNOWN},
        /* appProtocol goes first, and is whole. */
        {"http", "tcp-x", HTTP1},
        {"tcp", "http", TCP},
        {"HTTP", "", HTTP1},
        {"grpc", "http", GRPC},
        {"kubernetes.io/h2c", "", HTTP2},
        {"kubernetes.io/ws", "", HTTP1},
        {"kubernetes.io/wss", "http", TLS},
        {"https", "", TLS},
        {"postgresql", "", TCP},
        {"submission", "", TCP},
        {"submissions", "", TLS},
        /* What is not known leaves it to the name. */
        {"http-main", "", UNKNOWN},
        {"example.com/other", "", UNKNOWN},
        {"example.com/other", "http-x", HTTP1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Outrigger__V1__Protocol got = protocol_of_port(rows[i].app_protocol, rows[i].name);
        if (got != rows[i].protocol)
            fail_msg("\"%s\", \"%s\": %d", rows[i].app_protocol, rows[i].name, (int)got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
