/*
 * base64 (RFC 4648). Written without padding, read strictly: one spelling of the same bytes. Pure.
 */
#ifndef OUTRIGGER_COMMON_BASE64_H
#define OUTRIGGER_COMMON_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/slice.h"

enum base64_kind {
    BASE64_STANDARD, /* section 4; padding may be there when it is read, as gRPC has it */
    BASE64_URL,      /* section 5, as JWTs have it: padding is an error */
};

/* Bytes that coding or decoding `len` bytes takes at most. */
size_t base64_encoded_len(size_t len);
size_t base64_decoded_len(size_t len);

/* Writes base64_encoded_len(bytes.len) characters, and no NUL; returns how many. */
size_t base64_encode(enum base64_kind kind, struct slice bytes, char *out);

/*
 * Writes at most base64_decoded_len(text.len) bytes to `out`. False for any other character, an
 * impossible length, or bits set beyond the last byte.
 */
bool base64_decode(enum base64_kind kind, struct slice text, void *out, size_t *len) MUST_USE;

#endif
