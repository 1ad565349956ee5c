/*
 * What an HTTP peer may make us hold or wait for.
 */
#ifndef OUTRIGGER_PROXY_CODEC_LIMITS_H
#define OUTRIGGER_PROXY_CODEC_LIMITS_H

#include "common/http/h1_parse.h"

/* Ceilings and times, of the process; nearly every one is an option. */
struct codec_limits {
    struct h1_limits h1;
    uint64_t head_timeout_ms;        /* a head that has begun is complete; 10 s: 408 */
    uint64_t keepalive_timeout_ms;   /* server: between two requests; 1 h (the client decides) */
    uint64_t drain_silence_ms;       /* server: the same while it drains; 1 s, no option */
    uint64_t stream_idle_timeout_ms; /* a stream that does not move; 5 min */
    uint32_t max_streams;            /* open at once, offered to a peer; 100 */
    uint32_t max_work;              /* streams whose upstream work has not ended; 2 x max_streams */
    uint32_t max_glitches;          /* frames without progress, and resets that we were provoked
                                       to, in a sliding minute: GOAWAY ENHANCE_YOUR_CALM; 200 */
    size_t stream_window_bytes;     /* HTTP/2 receive window of a stream that is taken; 256 KiB */
    size_t connection_window_bytes; /* 1 MiB */
    size_t output_high_bytes;       /* above it stream_send_data() says stop; 64 KiB */
};
extern const struct codec_limits codec_default_limits;

#endif
