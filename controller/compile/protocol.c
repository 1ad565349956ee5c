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

/* The names that Kubernetes defines for appProtocol, those of IANA's registry of services that are
 * in use, and those that other meshes know. */
static const struct row rows[] = {
    {"http", HTTP1},
    {"http1", HTTP1},
    {"http-alt", HTTP1},
    {"www", HTTP1},
    {"www-http", HTTP1},
    {"ws", HTTP1},
    {"kubernetes.io/ws", HTTP1},
    {"grpc-web", HTTP1},
    {"http2", HTTP2},
    {"h2c", HTTP2},
    {"kubernetes.io/h2c", HTTP2},
    {"grpc", GRPC},
    /* The application's own TLS, from its first byte. */
    {"https", TLS},
    {"tls", TLS},
    {"ssl", TLS},
    {"wss", TLS},
    {"kubernetes.io/wss", TLS},
    {"amqps", TLS},
    {"imaps", TLS},
    {"ldaps", TLS},
    {"pop3s", TLS},
    {"secure-mqtt", TLS},
    {"smtps", TLS},
    {"submissions", TLS},
    {"tcp", TCP},
    {"opaque", TCP},
    /* The server speaks first, or there is nothing that a proxy could read in it. */
    {"amqp", TCP},
    {"cassandra", TCP},
    {"cql", TCP},
    {"dns", TCP},
    {"domain", TCP},
    {"ftp", TCP},
    {"imap", TCP},
    {"kafka", TCP},
    {"ldap", TCP},
    {"mariadb", TCP},
    {"memcache", TCP},
    {"memcached", TCP},
    {"mongo", TCP},
    {"mongodb", TCP},
    {"mqtt", TCP},
    {"ms-sql-s", TCP},
    {"mssql", TCP},
    {"mysql", TCP},
    {"nats", TCP},
    {"nfs", TCP},
    {"pop3", TCP},
    {"postgres", TCP},
    {"postgresql", TCP},
    {"redis", TCP},
    {"rtsp", TCP},
    {"sip", TCP},
    {"smtp", TCP},
    {"ssh", TCP},
    {"submission", TCP},
    {"telnet", TCP},
    {"zookeeper", TCP},
};

static Outrigger__V1__Protocol find_word(struct slice word)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (word.len == strlen(rows[i].word) && strncasecmp(word.ptr, rows[i].word, word.len) == 0)
            return rows[i].protocol;
    return OUTRIGGER__V1__PROTOCOL__PROTOCOL_UNSPECIFIED;
}

/* "grpc-web-main" is "grpc-web" and not "grpc": the longest beginning counts. */
static Outrigger__V1__Protocol find_beginning(struct slice name)
{
    Outrigger__V1__Protocol protocol = find_word(name);
    while (protocol == OUTRIGGER__V1__PROTOCOL__PROTOCOL_UNSPECIFIED && name.len > 0) {
        do
            name.len--;
        while (name.len > 0 && name.ptr[name.len] != '-');
        protocol = find_word(name);
    }
    return protocol;
}

Outrigger__V1__Protocol protocol_of_port(const char *app_protocol, const char *port_name)
{
    Outrigger__V1__Protocol protocol = find_word(slice_str(app_protocol));
    return protocol != OUTRIGGER__V1__PROTOCOL__PROTOCOL_UNSPECIFIED
               ? protocol
               : find_beginning(slice_str(port_name));
}
