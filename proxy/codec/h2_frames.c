#include "proxy/codec/h2_frames.h"

#include <string.h>

#define PREFACE_BYTES 24
#define TYPE_DATA     0

void h2_frames_init(struct h2_frames *frames)
{
    *frames = (struct h2_frames){.skip = PREFACE_BYTES};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The header is whole: the next one comes after the payload. */
static bool is_data(struct h2_frames *frames, uint32_t *id)
{
    const uint8_t *h = frames->header;
    frames->skip = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    frames->n_header = 0;
    *id = (uint32_t)(h[5] & 0x7f) << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8];
    return h[3] == TYPE_DATA && *id != 0;
}

size_t h2_frames_to_data(struct h2_frames *frames, struct slice data, uint32_t *id)
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
        if (frames->n_header == H2_FRAME_HEADER_BYTES && is_data(frames, id))
            return at;
    }
    *id = 0;
    return at;
}
