/*
 * Where the DATA frames begin in what a client sends, because nghttp2 passes over those on streams
 * that have gone without a word, and they are to be judged (h2_past.h) between what came before and
 * what comes after.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_FRAMES_H
#define OUTRIGGER_PROXY_CODEC_H2_FRAMES_H

#include <stdint.h>

#include "common/slice.h"

#define H2_FRAME_HEADER_BYTES 9 /* RFC 9113 4.1 */

struct h2_frames {
    uint32_t skip; /* bytes before the next frame's header */
    uint8_t header[H2_FRAME_HEADER_BYTES];
    uint8_t n_header;
};

/* At the start of a connection, before the client's preface (3.4). */
void h2_frames_init(struct h2_frames *frames);

/*
 * How many bytes of `data`, which follows what was given before, lead to the end of the next DATA
 * frame's header, whose stream is then in `*id`; or all of it, and `*id` is 0.
 */
size_t h2_frames_to_data(struct h2_frames *frames, struct slice data, uint32_t *id);

#endif
