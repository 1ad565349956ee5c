/*
 * base64url without padding (RFC 4648 section 5), as JWTs use it. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_BASE64URL_H
#define OUTRIGGER_CONTROLLER_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"

/* Characters that `len` bytes become. */
static inline size_t base64url_encoded_len(size_t len)
{
    return len / 3 * 4 + (len % 3 * 4 + 2) / 3;
}

/* Writes base64url_encoded_len(bytes.len) characters to `out`, and no NUL. */
void base64url_encode(struct slice bytes, char *out);

/*
 * Decodes into `out`, which has room for text.len bytes. False for any other character, padding, an
 * impossible length, or bits set beyond the last byte (a second spelling of the same bytes).
 */
bool base64url_decode(struct slice text, uint8_t *out, size_t *out_len) MUST_USE;

#endif
