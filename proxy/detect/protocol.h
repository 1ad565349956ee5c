/*
 * What is spoken, from the first bytes of a client (after TLS, if there was any). Pure.
 *
 * HTTP/2 begins with the preface of RFC 9113 3.4. HTTP/1 begins with a method that is a token of
 * capital letters (and '-', '_'), one space, a target that begins with '/', '*' or a letter, a
 * space and "HTTP/1."; what can still become that is MORE. Anything else is opaque.
 */
#ifndef OUTRIGGER_PROXY_DETECT_PROTOCOL_H
#define OUTRIGGER_PROXY_DETECT_PROTOCOL_H

#include "common/err.h"
#include "common/slice.h"

/* More of a connection's first bytes is never looked at: a longer first line is taken for HTTP/1,
 * whose codec answers 414. */
#define PROTOCOL_MAX_BYTES 8192

enum detected {
    DETECTED_MORE,
    DETECTED_HTTP1,
    DETECTED_HTTP2,
    DETECTED_OPAQUE,
};

enum detected protocol_detect(struct slice bytes) MUST_USE;
const char *detected_name(enum detected detected);

#endif
