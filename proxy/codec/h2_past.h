/*
 * What became of the latest streams that a peer opened, in two bits each, because nghttp2 forgets a
 * stream as soon as it is closed, or would keep all of it: whether a frame on a stream that has
 * gone was on its way when we reset the stream (to be ignored, RFC 9113 5.1), or comes from a peer
 * that has lost count. Of streams older than the latest H2_PAST_STREAMS nothing is known: to be
 * ignored.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_PAST_H
#define OUTRIGGER_PROXY_CODEC_H2_PAST_H

#include <stdbool.h>
#include <stdint.h>

#define H2_PAST_STREAMS 256

/* All zeros is a connection without a stream. */
struct h2_past {
    uint32_t newest; /* stream id; 0: none */
    uint64_t opened[H2_PAST_STREAMS / 64];
    uint64_t ended[H2_PAST_STREAMS / 64];
};

enum h2_past_state {
    H2_PAST_UNKNOWN, /* open, never opened yet, reset by us, or too long ago */
    H2_PAST_SKIPPED, /* never opened, and a newer one was: it never can be (5.1.1) */
    H2_PAST_ENDED,   /* the peer ended it and knows that */
};

/* The peer has opened the stream; `id` is odd. */
void h2_past_open(struct h2_past *past, uint32_t id);
/* The stream is closed, and not by a reset of ours. */
void h2_past_end(struct h2_past *past, uint32_t id);
enum h2_past_state h2_past_state(const struct h2_past *past, uint32_t id);

#endif
