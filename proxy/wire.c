#include "proxy/wire.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void *wire_alloc(void *data, size_t size)
{
    size_t *left = data;
    if (size > *left)
        return NULL;
    *left -= size;
    return malloc(size);
}

static void wire_release(void *data, void *memory)
{
    (void)data;
    free(memory);
}

void *wire_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes, struct err *err)
{
    size_t left = WIRE_MAX_UNPACKED_BYTES;
    ProtobufCAllocator allocator = {wire_alloc, wire_release, &left};
    void *message =
        protobuf_c_message_unpack(type, &allocator, bytes.len, (const uint8_t *)bytes.ptr);
    if (!message)
        err_set(err, "%zu bytes that are not a valid %s", bytes.len, type->name);
    return message;
}

void wire_free(void *message)
{
    ProtobufCAllocator allocator = {wire_alloc, wire_release, NULL};
    if (message)
        protobuf_c_message_free_unpacked(message, &allocator);
}

/* The length of a text that may stand in logs and labels; -1 with `err`. */
static ssize_t name_len(const char *text, const char *field, struct err *err)
{
    size_t len = strnlen(text, WIRE_MAX_NAME_BYTES + 1);
    if (len > WIRE_MAX_NAME_BYTES) {
        err_set(err, "%s: longer than %d bytes", field, WIRE_MAX_NAME_BYTES);
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e) {
            err_set(err, "%s: byte 0x%02x at %zu is not printable ASCII", field,
                    (unsigned char)text[i], i);
            return -1;
        }
    }
    return (ssize_t)len;
}

char *wire_text(const char *text, const char *field, struct err *err)
{
    ssize_t len = name_len(text, field, err);
    char *copy = len < 0 ? NULL : strndup(text, (size_t)len);
    if (len >= 0 && !copy)
        err_set(err, "%s: out of memory", field);
    return copy;
}

bool wire_copy(struct arena *arena, const char *text, size_t max, struct slice *copy,
               const char *field, struct err *err)
{
    size_t len = strnlen(text, max + 1);
    if (len > max)
        return err_set(err, "%s: longer than %zu bytes", field, max);
    const char *kept = arena_text(arena, slice_of(text, len));
    *copy = slice_of(kept, len);
    return kept || err_set(err, "%s: out of memory", field);
}

bool wire_name(struct arena *arena, const char *text, const char **copy, const char *field,
               struct err *err)
{
    struct slice kept;
    if (name_len(text, field, err) < 0 ||
        !wire_copy(arena, text, WIRE_MAX_NAME_BYTES, &kept, field, err))
        return false;
    *copy = kept.ptr;
    return true;
}

bool wire_is_namespaced(struct slice name)
{
    const char *slash = name.len ? memchr(name.ptr, '/', name.len) : NULL;
    if (!slash)
        return false;
    size_t namespace_len = (size_t)(slash - name.ptr);
    struct slice rest = slice_sub(name, namespace_len + 1, name.len);
    return namespace_len > 0 && rest.len > 0 && !memchr(rest.ptr, '/', rest.len);
}

bool wire_at(struct err *err, const char *format, ...)
{
    char path[64];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof(path), format, args);
    va_end(args);
    struct err inner = *err;
    return err_set(err, "%s.%s", path, inner.text);
}

bool wire_port(uint32_t port, const char *field, struct err *err)
{
    if (port >= 1 && port <= UINT16_MAX)
        return true;
    return err_set(err, "%s: %" PRIu32 " is not a port (1-65535)", field, port);
}

bool wire_at_most(uint64_t value, uint64_t max, const char *field, struct err *err)
{
    if (value <= max)
        return true;
    return err_set(err, "%s: %" PRIu64 " is more than %" PRIu64, field, value, max);
}
