/*
 * Memory that is taken bit by bit and given back all at once: for what lives and dies together, as
 * one Kubernetes object or one request. There is no way to give back a part.
 */
#ifndef OUTRIGGER_COMMON_ARENA_H
#define OUTRIGGER_COMMON_ARENA_H

#include <stddef.h>

#include "common/err.h"
#include "common/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* the newest first; NULL until the first byte is taken */
    size_t next_bytes;          /* size of the next block: doubles up to 64 KiB */
    size_t total_bytes;         /* of all blocks, for those who count memory */
    struct arena_block *lent;   /* the first block when it is the caller's memory, else NULL */
};

/* An empty arena, which allocates nothing; `(struct arena){0}` is one as well. */
void arena_init(struct arena *arena);
/*
 * An empty arena whose first block is `memory`: `size` bytes, aligned for any type, the caller's,
 * and needed until arena_fini(), which does not free it.
 */
void arena_init_with(struct arena *arena, void *memory, size_t size);
void arena_fini(struct arena *arena);

/* `bytes` zero bytes, aligned for any type. NULL when memory is short. */
void *arena_take(struct arena *arena, size_t bytes) MUST_USE;

/* `n` zeroed elements of `size` bytes; NULL also when the product would overflow. */
void *arena_take_array(struct arena *arena, size_t n, size_t size) MUST_USE;

/* A copy with a NUL at the end. NULL when memory is short. */
char *arena_text(struct arena *arena, struct slice text) MUST_USE;

/* Formatted text. NULL when memory is short. */
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3) MUST_USE;

#endif
