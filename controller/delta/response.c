#include "controller/delta/response.h"

#include <stdint.h>

/* Protocol Buffers encoding: a field of length-delimited type is its number << 3 | 2, then a
 * varint. */
#define WIRE_TAG(field)    ((char)((field) << 3 | 2))
#define WIRE_HEAD_MAX      11 /* tag of one byte and a varint of 64 bits */
#define RESOURCE_VERSION   1
#define RESOURCE_ANY       2
#define RESOURCE_NAME      3
#define ANY_TYPE_URL       1
#define ANY_VALUE          2
#define RESPONSE_RESOURCES 2
#define RESPONSE_TYPE_URL  4
#define RESPONSE_NONCE     5
#define RESPONSE_REMOVED   6

static size_t wire_varint(char *out, uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (char)(value | 0x80);
    out[n++] = (char)value;
    return n;
}

static bool wire_head(struct buf *out, int field, size_t len)
{
    char head[WIRE_HEAD_MAX] = {WIRE_TAG(field)};
    return buf_append(out, head, 1 + wire_varint(head + 1, len));
}

static bool wire_field(struct buf *out, int field, struct slice value)
{
    return wire_head(out, field, value.len) && buf_append(out, value.ptr, value.len);
}

static size_t wire_size(size_t len)
{
    char varint[WIRE_HEAD_MAX];
    return 1 + wire_varint(varint, len) + len;
}

bool delta_response_begin(struct buf *out, const char *type_url, const char *nonce)
{
    return wire_field(out, RESPONSE_TYPE_URL, slice_str(type_url)) &&
           wire_field(out, RESPONSE_NONCE, slice_str(nonce));
}

bool delta_response_resource(struct buf *out, const char *type_url, const char *name,
                             const char *version, struct slice bytes)
{
    struct slice url = slice_str(type_url);
    size_t any = wire_size(url.len) + wire_size(bytes.len);
    size_t all = wire_size(strlen(version)) + wire_size(any) + wire_size(strlen(name));
    return wire_head(out, RESPONSE_RESOURCES, all) &&
           wire_field(out, RESOURCE_VERSION, slice_str(version)) &&
           wire_head(out, RESOURCE_ANY, any) && wire_field(out, ANY_TYPE_URL, url) &&
           wire_field(out, ANY_VALUE, bytes) && wire_field(out, RESOURCE_NAME, slice_str(name));
}

bool delta_response_removed(struct buf *out, const char *name)
{
    return wire_field(out, RESPONSE_REMOVED, slice_str(name));
}

size_t delta_response_cost(const char *type_url, const char *name, struct slice bytes)
{
    return strlen(type_url) + strlen(name) + bytes.len + 64 + 6 * WIRE_HEAD_MAX;
}
