/*
 * The values of gRPC's own header fields (PROTOCOL-HTTP2.md): timeouts, percent-coded messages,
 * content types, status codes. Pure.
 */
#ifndef OUTRIGGER_COMMON_GRPC_METADATA_H
#define OUTRIGGER_COMMON_GRPC_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/grpc/status.h"
#include "common/slice.h"

#define GRPC_TIMEOUT_TEXT_BYTES 12 /* 8 digits, a unit and the NUL */

/* "1500m", "20S": the smallest unit that holds it in 8 digits; rounded up, never to 0. */
const char *grpc_timeout_format(uint64_t timeout_ms, char text[GRPC_TIMEOUT_TEXT_BYTES]);

/*
 * Milliseconds, rounded up, of 1 to 8 digits and one of H M S m u n. False for everything else.
 * The largest, 99999999H, fits well.
 */
bool grpc_timeout_parse(struct slice text, uint64_t *timeout_ms) MUST_USE;

/*
 * Percent-codes what is not printable ASCII, and the percent sign, cut at the last whole character
 * of UTF-8 that fits in `size` bytes. Returns the number of bytes written; no NUL is.
 */
size_t grpc_message_encode(struct slice message, char *out, size_t size);

/* Undoes it; what is no valid percent coding stays as it is. `out` has `coded.len` bytes. */
size_t grpc_message_decode(struct slice coded, char *out);

/* "application/grpc", alone or followed by "+..." or ";...". */
bool grpc_content_type_is_ours(struct slice content_type);

/* A decimal grpc-status; a number that has no name, or no number, is GRPC_UNKNOWN. */
enum grpc_code grpc_code_parse(struct slice text);

#endif
