#include "proxy/codec/queue.h"

#include <assert.h>

struct queue_block {
    struct queue_block *next;
    size_t start, end, size;
    char bytes[];
};

static struct queue_block *block_take(struct slabs *slabs, size_t len)
{
    size_t wanted = sizeof(struct queue_block) + len;
    struct queue_block *block =
        slabs_take(slabs, wanted < SLABS_LARGEST_BYTES ? wanted : SLABS_LARGEST_BYTES);
    if (block) {
        size_t size = slabs_size(block) - sizeof(*block);
        *block = (struct queue_block){.size = size};
    }
    return block;
}

static void blocks_give(struct slabs *slabs, struct queue_block *block)
{
    while (block) {
        struct queue_block *next = block->next;
        slabs_give(slabs, block);
        block = next;
    }
}

static size_t block_fill(struct queue_block *block, struct slice bytes)
{
    size_t n = block->size - block->end;
    if (n > bytes.len)
        n = bytes.len;
    memcpy(block->bytes + block->end, bytes.ptr, n);
    block->end += n;
    return n;
}

bool queue_append(struct queue *queue, struct slabs *slabs, struct slice bytes)
{
    struct queue_block *made = NULL, *last = NULL;
    size_t room = queue->last ? queue->last->size - queue->last->end : 0;
    struct slice rest = slice_sub(bytes, room, bytes.len);
    if (bytes.len == 0)
        return true;
    /* The new blocks first, so that nothing has changed when one cannot be had. */
    while (rest.len) {
        struct queue_block *block = block_take(slabs, rest.len);
        if (!block) {
            blocks_give(slabs, made);
            return false;
        }
        rest = slice_sub(rest, block_fill(block, rest), rest.len);
        if (last)
            last->next = block;
        else
            made = block;
        last = block;
    }
    if (room)
        block_fill(queue->last, bytes);
    if (made) {
        if (queue->last)
            queue->last->next = made;
        else
            queue->first = made;
        queue->last = last;
    }
    queue->len += bytes.len;
    return true;
}

struct slice queue_first(const struct queue *queue)
{
    const struct queue_block *block = queue->first;
    return block ? slice_of(block->bytes + block->start, block->end - block->start)
                 : slice_of("", 0);
}

struct slice queue_at(const struct queue *queue, size_t offset)
{
    const struct queue_block *block = queue->first;
    assert(offset < queue->len);
    while (offset >= block->end - block->start) {
        offset -= block->end - block->start;
        block = block->next;
    }
    return slice_of(block->bytes + block->start + offset, block->end - block->start - offset);
}

void queue_drop(struct queue *queue, struct slabs *slabs, size_t n)
{
    assert(n <= queue->len);
    queue->len -= n;
    while (queue->first) {
        struct queue_block *block = queue->first;
        size_t there = block->end - block->start;
        if (n < there) {
            block->start += n;
            return;
        }
        n -= there;
        queue->first = block->next;
        slabs_give(slabs, block);
    }
    queue->last = NULL;
}

void queue_clear(struct queue *queue, struct slabs *slabs)
{
    blocks_give(slabs, queue->first);
    *queue = (struct queue){0};
}
