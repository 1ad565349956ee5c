/*
 * The memory of one worker's exchanges: blocks that were given back are kept, by size, and used
 * again, so that a warm connection allocates nothing. Sizes are powers of two, from 64 bytes to
 * 16 KiB; what is larger comes from malloc() and goes back to it. One thread.
 *
 * What is kept is bounded: SLABS_KEPT_BYTES of each size.
 */
#ifndef OUTRIGGER_PROXY_CODEC_SLABS_H
#define OUTRIGGER_PROXY_CODEC_SLABS_H

#include <stddef.h>

#include "common/err.h"

#define SLABS_KEPT_BYTES    (1024 * 1024)
#define SLABS_LARGEST_BYTES (16 * 1024)

struct slabs;
struct slabs *slabs_new(void); /* NULL when memory is short */
/* Everything that was taken has to be given back before. */
void slabs_free(struct slabs *slabs);

/* At least `size` bytes, aligned for any type, not zeroed. NULL when memory is short. */
void *slabs_take(struct slabs *slabs, size_t size) MUST_USE;
/* How many bytes a block that slabs_take() gave really has. */
size_t slabs_size(const void *block);
/* As realloc(): NULL when memory is short, and `block` is as it was; `block` NULL: slabs_take(). */
void *slabs_resize(struct slabs *slabs, void *block, size_t size) MUST_USE;
void slabs_give(struct slabs *slabs, void *block); /* NULL is in order */

/* Gives back to the system what nobody uses. */
void slabs_trim(struct slabs *slabs);
/* The same of what nobody has used since the last time; returns its bytes. */
size_t slabs_trim_idle(struct slabs *slabs);
/* Bytes that are kept for later. */
size_t slabs_kept(const struct slabs *slabs);

#endif
