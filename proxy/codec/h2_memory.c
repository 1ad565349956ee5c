#include "proxy/codec/h2_memory.h"

#include <string.h>

static void *on_malloc(size_t size, void *slabs)
{
    return slabs_take(slabs, size);
}

static void on_free(void *block, void *slabs)
{
    slabs_give(slabs, block);
}

static void *on_calloc(size_t n, size_t size, void *slabs)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    void *block = slabs_take(slabs, bytes);
    return block ? memset(block, 0, bytes) : NULL;
}

static void *on_realloc(void *block, size_t size, void *slabs)
{
    return slabs_resize(slabs, block, size);
}

nghttp2_mem h2_memory_of(struct slabs *slabs)
{
    return (nghttp2_mem){slabs, on_malloc, on_free, on_calloc, on_realloc};
}
