/*
 * The alphabets of HTTP: which bytes may stand where. One table, one bit a class. Pure.
 */
#ifndef OUTRIGGER_COMMON_HTTP_CHARS_H
#define OUTRIGGER_COMMON_HTTP_CHARS_H

#include <stdint.h>

#include "common/slice.h"

enum http_class {
    HTTP_TCHAR = 1 << 0, /* of a token (RFC 9110 5.6.2) */
    HTTP_UPPER = 1 << 1,
    HTTP_VALUE = 1 << 2, /* inside a field value: VCHAR, obs-text, SP, HTAB (RFC 9110 5.5) */
    HTTP_PATH = 1 << 3,  /* of a path, '/' among them, '%' not */
    HTTP_QUERY = 1 << 4, /* of a query, '%' among them */
    HTTP_HOST = 1 << 5,  /* of a host that is a name or an IPv4 address */
    HTTP_HEX = 1 << 6,
};
extern const uint8_t http_classes[256];

static inline bool http_char_is(char c, enum http_class class)
{
    return http_classes[(unsigned char)c] & class;
}

/* The value of a hexadecimal digit, or -1. */
int http_hex_value(char c);

bool http_is_token(struct slice text);       /* 1*tchar */
bool http_is_lower_token(struct slice text); /* the same without upper case (RFC 9113 8.2.1) */

/* VCHAR, obs-text, inner blanks; no CR, LF, NUL, other controls, no blanks at the ends. */
bool http_is_field_value(struct slice text);
/* The same with blanks at the ends. */
bool http_is_field_text(struct slice text);

/*
 * host [":" port]: a name, IPv4, bracketed IPv6; no user, no path (RFC 9110 7.2). Narrower than the
 * reg-name of RFC 3986 3.2.2, in what two readers could see differently: no percent-encoding, no
 * comma, no empty port, no IPvFuture, no zone.
 */
bool http_is_authority(struct slice text);
/* The same, and the port is there: what CONNECT asks for (RFC 9112 3.2.3, RFC 9113 8.5). */
bool http_is_host_and_port(struct slice text);

/*
 * An origin-form: '/' first, then path and query, no fragment. RFC 3986's characters, whole percent
 * triplets in the path; and what browsers send as it is, because they follow another standard
 * (WHATWG URL): [ ] ^ ` { | } everywhere, and in the query also a lone % and \.
 */
bool http_is_path(struct slice text);

#endif
