/* Messages as bytes, for tests: what the controller would have sent. */
#ifndef OUTRIGGER_TEST_PROXY_PACK_H
#define OUTRIGGER_TEST_PROXY_PACK_H

#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>

#include "common/slice.h"

/* malloc'd; free it with free((char *)slice.ptr). */
static inline struct slice pack(const void *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(len ? len : 1);
    if (bytes)
        protobuf_c_message_pack(message, bytes);
    return slice_of(bytes, len);
}

#endif
