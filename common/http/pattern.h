/*
 * What policies compare requests with, as people write it. The controller checks it where it is
 * written, the proxy where it arrives; both by these rules, so that they cannot differ. Pure.
 */
#ifndef OUTRIGGER_COMMON_HTTP_PATTERN_H
#define OUTRIGGER_COMMON_HTTP_PATTERN_H

#include "common/err.h"
#include "common/slice.h"

enum pattern {
    PATTERN_METHOD,       /* a token without small letters: methods are case-sensitive */
    PATTERN_PATH,         /* `/a/b`; `/a/b*`; `/a/b` and `/` and `*`; `*` */
    PATTERN_HOST,         /* a name or address without a port; `*.NAME` */
    PATTERN_GRPC_METHOD,  /* package.Service/Method; package.Service and `/` and `*` */
    PATTERN_HEADER_NAME,  /* in lower case, of a field that a head has (common/http/head.h) */
    PATTERN_HEADER_VALUE, /* exact, maybe empty; or with one `*` at the end */
};

/*
 * A path must be in normal form (proxy/route/path.h), or it would never be met. False with `err`
 * quoting the text and saying what was expected.
 */
bool pattern_check(enum pattern pattern, struct slice text, struct err *err) MUST_USE;

#endif
