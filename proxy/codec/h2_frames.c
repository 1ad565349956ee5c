#include "proxy/codec/h2_frames.h"

#include <string.h>

#define PREFACE_BYTES 24
#define TYPE_DATA     0
#define TYPE_LAST     9 /* CONTINUATION */

void h2_frames_init(struct h2_frames *frames, bool is_server)
{
    *frames = (struct h2_frames){.skip = is_server ? PREFACE_BYTES : 0, .is_server = is_server};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The header is whole: the next one comes after the payload. */
static enum h2_frames_stop begin_frame(struct h2_frames *frames, uint32_t *id)
{
    const uint8_t *h = frames->header;
    frames->skip = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    frames->n_header = 0;
    *id = (uint32_t)(h[5] & 0x7f) << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8];
    if (h[3] == TYPE_DATA && *id != 0 && frames->is_server)
        return H2_FRAMES_DATA;
    return h[3] > TYPE_LAST ? H2_FRAMES_UNKNOWN : H2_FRAMES_NONE;
}

size_t h2_frames_next(struct h2_frames *frames, struct slice data, enum h2_frames_stop *stop,
                      uint32_t *id)
{
    size_t at = 0;
    while (at < data.len) {
        size_t n = least(frames->skip, data.len - at);
        frames->skip -= (uint32_t)n;
        at += n;
        n = least(H2_FRAME_HEADER_BYTES - frames->n_header, data.len - at);
        memcpy(frames->header + frames->n_header, data.ptr + at, n);
        frames->n_header += (uint8_t)n;
        at += n;
        *stop =
            frames->n_header == H2_FRAME_HEADER_BYTES ? begin_frame(frames, id) : H2_FRAMES_NONE;
        if (*stop != H2_FRAMES_NONE)
            return at;
    }
    *stop = H2_FRAMES_NONE;
    return at;
}
