#include "common/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_FIRST_BYTES 512
#define ARENA_MOST_BYTES  (64 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t used; /* of `size`, both without this header */
    size_t size;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

void arena_init_with(struct arena *arena, void *memory, size_t size)
{
    assert((uintptr_t)memory % alignof(max_align_t) == 0 && size > sizeof(struct arena_block));
    struct arena_block *block = memory;
    *block = (struct arena_block){.size = size - sizeof(*block)};
    *arena = (struct arena){.blocks = block, .total_bytes = block->size, .lent = block};
}

void arena_fini(struct arena *arena)
{
    struct arena_block *next;
    for (struct arena_block *block = arena->blocks; block; block = next) {
        next = block->next;
        if (block != arena->lent)
            free(block);
    }
    arena_init(arena);
}

static struct arena_block *arena_grow(struct arena *arena, size_t bytes)
{
    size_t size = arena->next_bytes ? arena->next_bytes : ARENA_FIRST_BYTES;
    arena->next_bytes = size < ARENA_MOST_BYTES ? size * 2 : size;
    if (size < bytes)
        size = bytes;
    struct arena_block *block = malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    *block = (struct arena_block){.next = arena->blocks, .size = size};
    arena->blocks = block;
    arena->total_bytes += size;
    return block;
}

/* As it is: whoever takes it writes all of it. */
static void *take_raw(struct arena *arena, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + align - 1) / align * align;
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < bytes)
        block = arena_grow(arena, bytes);
    if (!block)
        return NULL;
    void *taken = block->bytes + block->used;
    block->used += bytes;
    return taken;
}

void *arena_take(struct arena *arena, size_t bytes)
{
    void *taken = take_raw(arena, bytes);
    return taken ? memset(taken, 0, bytes) : NULL;
}

void *arena_take_array(struct arena *arena, size_t n, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(n, size, &bytes) ? NULL : arena_take(arena, bytes);
}

char *arena_text(struct arena *arena, struct slice text)
{
    char *copy = text.len < SIZE_MAX ? take_raw(arena, text.len + 1) : NULL;
    if (copy && text.len)
        memcpy(copy, text.ptr, text.len);
    if (copy)
        copy[text.len] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : take_raw(arena, (size_t)len + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}
