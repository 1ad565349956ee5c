#include "common/grpc/framing.h"

enum grpc_framing grpc_framing_next(struct slice bytes, size_t max_message_bytes,
                                    struct slice *message, uint32_t *announced)
{
    const uint8_t *head = (const uint8_t *)bytes.ptr;
    /* The flag is judged by itself, so that garbage is refused at its first byte. */
    if (bytes.len > 0 && head[0] == 1)
        return GRPC_FRAMING_COMPRESSED;
    if (bytes.len > 0 && head[0] != 0)
        return GRPC_FRAMING_BAD_FLAG;
    if (bytes.len < GRPC_FRAMING_HEAD_BYTES)
        return GRPC_FRAMING_MORE;
    *announced =
        (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
    if (*announced > max_message_bytes)
        return GRPC_FRAMING_TOO_LONG;
    if (bytes.len - GRPC_FRAMING_HEAD_BYTES < *announced)
        return GRPC_FRAMING_MORE;
    *message = slice_of(bytes.ptr + GRPC_FRAMING_HEAD_BYTES, *announced);
    return GRPC_FRAMING_MESSAGE;
}

void grpc_framing_head(uint32_t message_len, uint8_t head[GRPC_FRAMING_HEAD_BYTES])
{
    head[0] = 0;
    head[1] = (uint8_t)(message_len >> 24);
    head[2] = (uint8_t)(message_len >> 16);
    head[3] = (uint8_t)(message_len >> 8);
    head[4] = (uint8_t)message_len;
}
