#include "common/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST_BYTES 512

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max = max_bytes};
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

static bool fits(const struct buf *buf, size_t len)
{
    size_t used = buf_len(buf);
    return used <= buf->max && len <= buf->max - used;
}

/* Room for `len` bytes, whatever the ceiling. */
static char *make_room(struct buf *buf, size_t len)
{
    size_t used = buf_len(buf);
    if (buf->size - buf->end >= len && buf->data)
        return buf->data + buf->end;
    if (buf->data && buf->start > 0 && buf->size - used >= len && buf->start >= used) {
        memcpy(buf->data, buf->data + buf->start, used);
    } else {
        size_t size = buf->size ? buf->size : BUF_FIRST_BYTES;
        while (size < used + len)
            size *= 2;
        char *data = malloc(size);
        if (!data)
            return NULL;
        if (used)
            memcpy(data, buf->data + buf->start, used);
        free(buf->data);
        buf->data = data;
        buf->size = size;
    }
    buf->start = 0;
    buf->end = used;
    return buf->data + buf->end;
}

char *buf_room(struct buf *buf, size_t len)
{
    return fits(buf, len) ? make_room(buf, len) : NULL;
}

void buf_added(struct buf *buf, size_t len)
{
    assert(len <= buf->size - buf->end);
    buf->end += len;
}

bool buf_append(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return true;
    char *room = buf_room(buf, len);
    if (!room)
        return false;
    memcpy(room, bytes, len);
    buf_added(buf, len);
    return true;
}

void buf_consume(struct buf *buf, size_t len)
{
    assert(len <= buf_len(buf));
    buf->start += len;
    if (buf->start == buf->end)
        buf_fini(buf);
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len <= 0)
        return len == 0;
    if (!fits(buf, (size_t)len))
        return false;
    char *room = make_room(buf, (size_t)len + 1); /* the NUL does not stay */
    if (!room)
        return false;
    va_start(args, format);
    vsnprintf(room, (size_t)len + 1, format, args);
    va_end(args);
    buf_added(buf, (size_t)len);
    return true;
}
