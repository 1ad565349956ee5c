/*
 * HTTP/2 frames made by hand, for peers that do what no library would let them do.
 */
#ifndef OUTRIGGER_TEST_UNIT_COMMON_GRPC_FRAMES_H
#define OUTRIGGER_TEST_UNIT_COMMON_GRPC_FRAMES_H

#include <stdint.h>
#include <stdlib.h>

#include "common/buf.h"

enum frame_type {
    FRAME_DATA,
    FRAME_HEADERS,
    FRAME_PRIORITY,
    FRAME_RST_STREAM,
    FRAME_SETTINGS,
    FRAME_PUSH_PROMISE,
    FRAME_PING,
    FRAME_GOAWAY,
    FRAME_WINDOW_UPDATE,
    FRAME_CONTINUATION,
};
#define FLAG_END_STREAM  1
#define FLAG_ACK         1
#define FLAG_END_HEADERS 4

#define FRAME_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static inline void frames_add(struct buf *frames, const void *bytes, size_t len)
{
    if (!buf_append(frames, bytes, len))
        abort();
}

static inline void frame_add(struct buf *frames, enum frame_type type, uint8_t flags,
                             uint32_t stream, const void *payload, size_t len)
{
    const uint8_t head[9] = {(uint8_t)(len >> 16),
                             (uint8_t)(len >> 8),
                             (uint8_t)len,
                             (uint8_t)type,
                             flags,
                             (uint8_t)(stream >> 24),
                             (uint8_t)(stream >> 16),
                             (uint8_t)(stream >> 8),
                             (uint8_t)stream};
    frames_add(frames, head, sizeof(head));
    frames_add(frames, payload, len);
}

/* A field, literal without indexing (RFC 7541 section 6.2.2), of less than 127 + 2^14 bytes. */
static inline void field_add(struct buf *block, const char *name, const char *value, size_t len)
{
    uint8_t head[2] = {0, (uint8_t)strlen(name)};
    frames_add(block, head, 2);
    frames_add(block, name, strlen(name));
    if (len < 127) {
        uint8_t byte = (uint8_t)len;
        frames_add(block, &byte, 1);
    } else {
        uint8_t number[3] = {127, (uint8_t)((len - 127) & 127) | 128, (uint8_t)((len - 127) >> 7)};
        frames_add(block, number, 3);
    }
    frames_add(block, value, len);
}

/* HEADERS of pairs of strings, ended by NULL. */
static inline void headers_add(struct buf *frames, uint8_t flags, uint32_t stream,
                               const char *const *pairs)
{
    struct buf block;
    buf_init(&block, 1 << 20);
    for (; pairs[0]; pairs += 2)
        field_add(&block, pairs[0], pairs[1], strlen(pairs[1]));
    struct slice all = buf_slice(&block);
    frame_add(frames, FRAME_HEADERS, (uint8_t)(flags | FLAG_END_HEADERS), stream, all.ptr, all.len);
    buf_fini(&block);
}

static inline void number_add(struct buf *frames, enum frame_type type, uint32_t stream,
                              uint32_t number)
{
    const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                              (uint8_t)(number >> 8), (uint8_t)number};
    frame_add(frames, type, 0, stream, bytes, 4);
}

#endif
