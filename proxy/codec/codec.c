#include "proxy/codec/codec.h"

#include <jansson.h>

#include "common/clock.h"
#include "proxy/codec/output.h"
#include "proxy/codec/slabs.h"

const struct codec_limits codec_default_limits = {
    .h1 = {.line_bytes = 8 * 1024, .head_bytes = 64 * 1024, .n_fields = 128},
    .head_timeout_ms = 10 * 1000,
    .keepalive_timeout_ms = 60 * 60 * 1000,
    .drain_silence_ms = 1000,
    .stream_idle_timeout_ms = 5 * 60 * 1000,
    .max_streams = 100,
    .max_work = 200,
    .max_glitches = 200,
    .stream_window_bytes = 256 * 1024,
    .connection_window_bytes = 1024 * 1024,
    .output_high_bytes = 64 * 1024,
};

bool codec_shared_init(struct codec_shared *shared, struct conn_shared *conns,
                       struct graveyard *graveyard, struct timer_wheel *timers,
                       struct telemetry_shard *telemetry, const struct codec_limits *limits)
{
    *shared = (struct codec_shared){
        .conns = conns,
        .graveyard = graveyard,
        .timers = timers,
        .telemetry = telemetry,
        .limits = limits,
        .slabs = slabs_new(),
    };
    list_init(&shared->dirty);
    return shared->slabs != NULL;
}

void codec_shared_fini(struct codec_shared *shared)
{
    slabs_free(shared->slabs);
    shared->slabs = NULL;
}

/* What one connection does may mark another; it ends because events are not made here, only told.
 */
void codec_shared_flush(struct codec_shared *shared)
{
    while (!list_is_empty(&shared->dirty))
        output_turn(LIST_ENTRY(shared->dirty.next, struct output, node));
}

json_t *codec_describe(const struct codec *codec)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "protocol", codec->ops->protocol,
                     "role", codec->ops->is_server ? "server" : "client", "streams",
                     (json_int_t)codec_n_streams(codec), "requests", (json_int_t)codec->n_requests,
                     "bytes_read", (json_int_t)codec->bytes_read, "bytes_written",
                     (json_int_t)codec->bytes_written, "idle_ms",
                     (json_int_t)((clock_now_ns() - codec->active_ns) / NS_PER_MS),
                     "buffered_bytes", (json_int_t)conn_buffered(&codec->conn));
}
