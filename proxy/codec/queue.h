/*
 * Bytes that wait in order, in blocks of the worker's slabs: what a stream still has to send, what
 * it must not yet tell. Empty, it owns nothing.
 */
#ifndef OUTRIGGER_PROXY_CODEC_QUEUE_H
#define OUTRIGGER_PROXY_CODEC_QUEUE_H

#include "common/slice.h"
#include "proxy/codec/slabs.h"

struct queue_block;

/* All zero is an empty queue. */
struct queue {
    struct queue_block *first, *last;
    size_t len; /* bytes that wait */
};

/* A copy at the end. False: memory is short; nothing changed. */
bool queue_append(struct queue *queue, struct slabs *slabs, struct slice bytes) MUST_USE;

/* The first bytes that lie together; empty when nothing waits. Good until they are dropped. */
struct slice queue_first(const struct queue *queue);

/* Those behind the first `offset` bytes, which is less than queue->len, that lie together. */
struct slice queue_at(const struct queue *queue, size_t offset);

/* Drops `n` bytes from the front, at most queue->len. */
void queue_drop(struct queue *queue, struct slabs *slabs, size_t n);
void queue_clear(struct queue *queue, struct slabs *slabs);

#endif
