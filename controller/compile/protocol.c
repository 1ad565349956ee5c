#include "controller/compile/protocol.h"

#include "common/slice.h"

struct row {
    const char *word;
    Outrigger__V1__Protocol protocol;
};

#define TCP   OUTRIGGER__V1__PROTOCOL__TCP
#define TLS   OUTRIGGER__V1__PROTOCOL__TLS
#define HTTP1 OUTRIGGER__V1__PROTOCOL__HTTP1
#define HTTP2 OUTRIGGER__V1__PROTOCOL__HTTP2
#define GRPC  OUTRIGGER__V1__PROTOCOL__GRPC

/* The registered names of Kubernetes' appProtocol, and those that other meshes know. */
static const struct row rows[] = {
    {"http", HTTP1},
    {"http1", HTTP1},
    {"kubernetes.io/ws", HTTP1},
    {"grpc-web", HTTP1},
    {"http2", HTTP2},
    {"h2c", HTTP2},
    {"kubernetes.io/h2c", HTTP2},
    {"grpc", GRPC},
    {"https", TLS},
    {"tls", TLS},
    {"kubernetes.io/wss", TLS},
    {"tcp", TCP},
    {"opaque", TCP},
    /* The server speaks first, or there is nothing that a proxy could read in it. */
    {"mysql", TCP},
    {"mariadb", TCP},
    {"mongo", TCP},
    {"mongodb", TCP},
    {"postgres", TCP},
    {"postgresql", TCP},
    {"redis", TCP},
    {"memcached", TCP},
    {"kafka", TCP},
    {"amqp", TCP},
    {"mqtt", TCP},
    {"nats", TCP},
    {"smtp", TCP},
    {"imap", TCP},
    {"pop3", TCP},
    {"ftp", TCP},
    {"ssh", TCP},
};

static Outrigger__V1__Protocol find_word(struct slice word)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (slice_eq_str(word, rows[i].word))
            return rows[i].protocol;
    return OUTRIGGER__V1__PROTOCOL__PROTOCOL_UNSPECIFIED;
}

Outrigger__V1__Protocol protocol_of_port(const char *app_protocol, const char *port_name)
{
    Outrigger__V1__Protocol protocol = find_word(slice_str(app_protocol));
    if (protocol == OUTRIGGER__V1__PROTOCOL__PROTOCOL_UNSPECIFIED)
        protocol = find_word(slice_str(port_name));
    if (protocol == OUTRIGGER__V1__PROTOCOL__PROTOCOL_UNSPECIFIED)
        protocol = find_word(slice_of(port_name, strcspn(port_name, "-")));
    return protocol;
}
