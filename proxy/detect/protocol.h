/*
 * What is spoken, from the first bytes of a client (after TLS, if there was any). Pure.
 *
 * HTTP/2 begins with the preface of RFC 9113 3.4. HTTP/1 begins with a method that is a token of
 * capital letters (and '-', '_'), one space, a target that begins with '/', '*', a letter, a digit
 * or '[' (the last two: authority-form, RFC 9112 3.2.3), a space and "HTTP/1."; what can still
 * become that is MORE. Anything else is opaque. What only some servers would take for HTTP (an
 * empty line first, small letters, tabs, HTTP/0.9) is opaque as well, which policy that looks at
 * requests refuses (proxy/policy/access.h). What is wrong within a first line that is HTTP's for
 * all readers is for the codec to answer.
 */
#ifndef OUTRIGGER_PROXY_DETECT_PROTOCOL_H
#define OUTRIGGER_PROXY_DETECT_PROTOCOL_H

#include "common/err.h"
#include "common/slice.h"

/* More of a connection's first bytes is never looked at: a longer first line is taken for HTTP/1,
 * whose codec answers 414. */
#define PROTOCOL_MAX_BYTES 8192
/* A longer word is no method; the longest registered one has 17 (UPDATEREDIRECTREF). */
#define PROTOCOL_MAX_METHOD_BYTES 32

enum detected {
    DETECTED_MORE,
    DETECTED_HTTP1,
    DETECTED_HTTP2,
    DETECTED_OPAQUE,
};

/* More bytes never turn round an answer that was not DETECTED_MORE. */
enum detected protocol_detect(struct slice bytes) MUST_USE;
const char *detected_name(enum detected detected);

#endif
