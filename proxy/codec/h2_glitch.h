/*
 * A budget for what makes no progress: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, empty
 * DATA, refused streams, and streams that we had to reset because of what the peer sent. It is a
 * bucket that leaks `max` in a minute; data that moves empties it further, so that an honest
 * receiver, which answers each DATA with small WINDOW_UPDATEs, never fills it. Pure.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_GLITCH_H
#define OUTRIGGER_PROXY_CODEC_H2_GLITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define H2_GLITCH_FRAME    1
#define H2_GLITCH_REFUSED  2 /* a stream beyond the work that is allowed */
#define H2_GLITCH_PROVOKED 4 /* a stream that we reset for what the peer sent */

struct h2_glitch {
    uint32_t level, max;
    uint64_t leaked_ns;
};

void h2_glitch_init(struct h2_glitch *glitch, uint32_t max, uint64_t now_ns);
/* False: more than `max` in the last minute. */
bool h2_glitch_spend(struct h2_glitch *glitch, uint32_t cost, uint64_t now_ns) MUST_USE;
/* A DATA frame of `bytes` went or came, or (0) an answer was completed. */
void h2_glitch_earn(struct h2_glitch *glitch, size_t bytes);

#endif
