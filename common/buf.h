/*
 * A byte queue with a ceiling: bytes are appended at the end and consumed from the front. It
 * allocates nothing until the first byte and gives its memory back when it is empty, so that an
 * idle connection owns no buffer. (The idea of a named ceiling: curl's dynbuf.)
 */
#ifndef OUTRIGGER_COMMON_BUF_H
#define OUTRIGGER_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/slice.h"

struct buf {
    char *data;
    size_t start; /* first byte that has not been consumed */
    size_t end;   /* one past the last byte */
    size_t size;  /* allocated */
    size_t max;   /* ceiling for end - start, in bytes */
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_fini(struct buf *buf);

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->start;
}

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->data ? buf->data + buf->start : NULL, buf->end - buf->start);
}

/* Appends a copy. False when the ceiling would be passed or memory is short; then nothing changed.
 */
bool buf_append(struct buf *buf, const void *bytes, size_t len) MUST_USE;

/*
 * Room for at least `len` bytes at the end: write there, then call buf_added(). NULL as for
 * buf_append(). The pointer is good until the next call with this buffer.
 */
char *buf_room(struct buf *buf, size_t len) MUST_USE;
void buf_added(struct buf *buf, size_t len);

/* Drops `len` bytes (at most buf_len) from the front; frees the memory when nothing is left. */
void buf_consume(struct buf *buf, size_t len);

/* Appends formatted text, under the same ceiling. */
bool buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
