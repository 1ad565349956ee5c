#include "proxy/codec/slabs.h"

#include <assert.h>
#include <limits.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A block on a free list is nobody's: the sanitizer is told, as free() would. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define FORBID(bytes, len) __asan_poison_memory_region(bytes, len)
#define ALLOW(bytes, len)  __asan_unpoison_memory_region(bytes, len)
#else
#define FORBID(bytes, len) ((void)(bytes), (void)(len))
#define ALLOW(bytes, len)  ((void)(bytes), (void)(len))
#endif

#define SMALLEST_BYTES 64
#define N_KINDS        9 /* 64 bytes to 16 KiB */
#define KIND_NONE      N_KINDS

struct block {
    union {
        struct block *next; /* while it is kept */
        size_t size;        /* while it is used; of `bytes` */
    };
    uint32_t kind;
    alignas(max_align_t) char bytes[];
};

struct slabs {
    struct block *kept[N_KINDS];
    size_t n_kept[N_KINDS];
    size_t n_idle[N_KINDS]; /* the fewest that were kept since slabs_trim_idle() */
    size_t kept_bytes;
};

static size_t kind_bytes(uint32_t kind)
{
    return (size_t)SMALLEST_BYTES << kind;
}

static uint32_t kind_of(size_t size)
{
    if (size > SLABS_LARGEST_BYTES)
        return KIND_NONE;
    if (size <= SMALLEST_BYTES)
        return 0;
    /* How many times 64 must be doubled. */
    return (uint32_t)(sizeof(long) * CHAR_BIT) -
           (uint32_t)__builtin_clzl((size - 1) / SMALLEST_BYTES);
}

static struct block *block_of(const void *bytes)
{
    return (struct block *)((uintptr_t)bytes - offsetof(struct block, bytes));
}

struct slabs *slabs_new(void)
{
    return calloc(1, sizeof(struct slabs));
}

void slabs_free(struct slabs *slabs)
{
    if (!slabs)
        return;
    slabs_trim(slabs);
    free(slabs);
}

void *slabs_take(struct slabs *slabs, size_t size)
{
    uint32_t kind = kind_of(size);
    struct block *block = kind == KIND_NONE ? NULL : slabs->kept[kind];
    if (block) {
        slabs->kept[kind] = block->next;
        slabs->kept_bytes -= kind_bytes(kind);
        if (--slabs->n_kept[kind] < slabs->n_idle[kind])
            slabs->n_idle[kind] = slabs->n_kept[kind];
        ALLOW(block->bytes, kind_bytes(kind));
    } else {
        if (kind != KIND_NONE)
            size = kind_bytes(kind);
        if (size > SIZE_MAX - sizeof(*block))
            return NULL;
        block = malloc(sizeof(*block) + size);
        if (!block)
            return NULL;
        block->kind = kind;
    }
    block->size = kind == KIND_NONE ? size : kind_bytes(kind);
    return block->bytes;
}

size_t slabs_size(const void *bytes)
{
    return block_of(bytes)->size;
}

void *slabs_resize(struct slabs *slabs, void *bytes, size_t size)
{
    if (bytes && size <= block_of(bytes)->size)
        return bytes;
    void *larger = slabs_take(slabs, size);
    if (bytes && larger) {
        memcpy(larger, bytes, block_of(bytes)->size);
        slabs_give(slabs, bytes);
    }
    return larger;
}

void slabs_give(struct slabs *slabs, void *bytes)
{
    if (!bytes)
        return;
    struct block *block = block_of(bytes);
    uint32_t kind = block->kind;
    if (kind == KIND_NONE || (slabs->n_kept[kind] + 1) * kind_bytes(kind) > SLABS_KEPT_BYTES) {
        free(block);
        return;
    }
    FORBID(block->bytes, kind_bytes(kind));
    block->next = slabs->kept[kind];
    slabs->kept[kind] = block;
    slabs->n_kept[kind]++;
    slabs->kept_bytes += kind_bytes(kind);
}

static void free_kept(struct slabs *slabs, uint32_t kind, size_t n)
{
    slabs->n_kept[kind] -= n;
    slabs->kept_bytes -= n * kind_bytes(kind);
    for (; n > 0; n--) {
        struct block *block = slabs->kept[kind];
        slabs->kept[kind] = block->next;
        ALLOW(block->bytes, kind_bytes(kind));
        free(block);
    }
    slabs->n_idle[kind] = slabs->n_kept[kind];
}

void slabs_trim(struct slabs *slabs)
{
    for (uint32_t kind = 0; kind < N_KINDS; kind++)
        free_kept(slabs, kind, slabs->n_kept[kind]);
}

size_t slabs_trim_idle(struct slabs *slabs)
{
    size_t before = slabs->kept_bytes;
    for (uint32_t kind = 0; kind < N_KINDS; kind++)
        free_kept(slabs, kind, slabs->n_idle[kind]);
    return before - slabs->kept_bytes;
}

size_t slabs_kept(const struct slabs *slabs)
{
    return slabs->kept_bytes;
}
