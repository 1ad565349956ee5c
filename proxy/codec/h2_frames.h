/*
 * Where the frames begin that nghttp2 passes over without a word: DATA of a client, on streams that
 * have gone, which are to be judged (h2_past.h) between what came before and what comes after; and
 * frames of unknown types (RFC 9113 4.1: ignored), which are to be counted.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_FRAMES_H
#define OUTRIGGER_PROXY_CODEC_H2_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

#define H2_FRAME_HEADER_BYTES 9 /* RFC 9113 4.1 */

struct h2_frames {
    uint32_t skip; /* bytes before the next frame's header */
    uint8_t header[H2_FRAME_HEADER_BYTES];
    uint8_t n_header;
    bool is_server; /* we are: a client sends */
};

enum h2_frames_stop {
    H2_FRAMES_NONE,
    H2_FRAMES_DATA, /* and its stream is not 0 */
    H2_FRAMES_UNKNOWN,
};

/* At the start of a connection; a client's begins with its preface (3.4). */
void h2_frames_init(struct h2_frames *frames, bool is_server);

/*
 * How many bytes of `data`, which follows what was given before, lead to the end of the next header
 * of such a frame, whose kind is then in `*stop` and stream in `*id`; or all of it, and `*stop` is
 * H2_FRAMES_NONE.
 */
size_t h2_frames_next(struct h2_frames *frames, struct slice data, enum h2_frames_stop *stop,
                      uint32_t *id);

#endif
