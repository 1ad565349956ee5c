/*
 * Is this the beginning of TLS, and what does the ClientHello ask for? (RFC 8446 4.1.2, 5.1; SNI:
 * RFC 6066 3; ALPN: RFC 7301 3.1.) Pure: looks at the bytes so far, keeps nothing.
 *
 * Only what is needed is judged; the endpoint that terminates TLS judges the rest.
 */
#ifndef OUTRIGGER_PROXY_DETECT_CLIENT_HELLO_H
#define OUTRIGGER_PROXY_DETECT_CLIENT_HELLO_H

#include "common/err.h"
#include "common/slice.h"

/* A longer ClientHello, or one in more records, is taken for TLS of which nothing is known. */
#define CLIENT_HELLO_MAX_BYTES   (16 * 1024)
#define CLIENT_HELLO_MAX_RECORDS 16
/* No more than that of a connection's first bytes need ever be looked at. */
#define CLIENT_HELLO_MAX_INPUT (CLIENT_HELLO_MAX_BYTES + 5 * CLIENT_HELLO_MAX_RECORDS)

enum client_hello_result {
    CLIENT_HELLO_MORE, /* could become one */
    CLIENT_HELLO_NOT_TLS,
    CLIENT_HELLO_TLS,
};

struct client_hello {
    struct slice server_name; /* empty when there is none, or none that is a name */
    struct slice alpn;        /* in wire format (length byte, name, ...), well formed; or empty */
};

/*
 * The records are joined in `scratch` (CLIENT_HELLO_MAX_BYTES); the slices of `hello`, set with
 * CLIENT_HELLO_TLS, point into it.
 */
enum client_hello_result client_hello_parse(struct slice bytes, char *scratch,
                                            struct client_hello *hello) MUST_USE;

/* Does one of the ALPN names begin with `prefix`? */
bool client_hello_offers(const struct client_hello *hello, struct slice prefix);

#endif
