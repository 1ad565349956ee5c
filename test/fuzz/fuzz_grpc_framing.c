/*
 * The bytes of a stream as gRPC messages, as pipe.c cuts them.
 */
// fuzz: common
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/base64.h"
#include "common/grpc/framing.h"
#include "common/grpc/metadata.h"

#define LIMIT 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cut_into_messages(struct slice bytes)
{
    for (;;) {
        struct slice message;
        uint32_t announced = 0;
        enum grpc_framing result = grpc_framing_next(bytes, LIMIT, &message, &announced);
        if (result == GRPC_FRAMING_TOO_LONG && announced <= LIMIT)
            abort();
        if (result != GRPC_FRAMING_MESSAGE)
            return;
        if (message.len > LIMIT || message.ptr != bytes.ptr + GRPC_FRAMING_HEAD_BYTES ||
            message.len > bytes.len - GRPC_FRAMING_HEAD_BYTES)
            abort();
        bytes = slice_sub(bytes, GRPC_FRAMING_HEAD_BYTES + message.len, bytes.len);
    }
}

/* The values of header fields; what is coded must be read back the same. */
static void read_as_values(struct slice bytes)
{
    uint64_t timeout_ms;
    size_t len, back_len;
    char *coded = malloc(bytes.len * 3 + 4), *back = malloc(bytes.len * 3 + 4);
    if (!coded || !back)
        abort();
    if (grpc_timeout_parse(bytes, &timeout_ms) && timeout_ms > 359999996400000)
        abort();
    (void)grpc_code_parse(bytes);
    (void)grpc_content_type_is_ours(bytes);
    if (grpc_message_decode(bytes, coded) > bytes.len)
        abort();
    len = grpc_message_encode(bytes, coded, bytes.len * 3);
    back_len = grpc_message_decode(slice_of(coded, len), back);
    if (!slice_eq(slice_of(back, back_len), bytes))
        abort();
    len = base64_encode(BASE64_STANDARD, bytes, coded);
    if (!base64_decode(BASE64_STANDARD, slice_of(coded, len), back, &back_len) ||
        !slice_eq(slice_of(back, back_len), bytes))
        abort();
    if (base64_decode(BASE64_STANDARD, bytes, back, &back_len) &&
        back_len > base64_decoded_len(bytes.len))
        abort();
    free(coded);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cut_into_messages(slice_of(data, size));
    if (size < 4096)
        read_as_values(slice_of(data, size));
    return 0;
}
