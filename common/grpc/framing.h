/*
 * The length-prefixed messages of gRPC (PROTOCOL-HTTP2.md, "Length-Prefixed-Message"): one byte of
 * flags, four bytes of length in network order, the message. Pure.
 */
#ifndef OUTRIGGER_COMMON_GRPC_FRAMING_H
#define OUTRIGGER_COMMON_GRPC_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

#define GRPC_FRAMING_HEAD_BYTES 5

enum grpc_framing {
    GRPC_FRAMING_MESSAGE,    /* `message` is whole */
    GRPC_FRAMING_MORE,       /* good so far, but not whole */
    GRPC_FRAMING_TOO_LONG,   /* announces more than the limit; `announced` says how much */
    GRPC_FRAMING_COMPRESSED, /* the flag is set, and we have offered no compression */
    GRPC_FRAMING_BAD_FLAG,   /* flags that nobody has defined */
};

/*
 * Judges the bytes of a stream from the start of a message on. It needs no state: the caller keeps
 * the bytes until a message is whole, then drops GRPC_FRAMING_HEAD_BYTES + message->len. The limit
 * is enforced as soon as the head is there, before the message is. `message` points into `bytes`.
 */
enum grpc_framing grpc_framing_next(struct slice bytes, size_t max_message_bytes,
                                    struct slice *message, uint32_t *announced);

/* Writes the head of an uncompressed message. */
void grpc_framing_head(uint32_t message_len, uint8_t head[GRPC_FRAMING_HEAD_BYTES]);

#endif
