/*
 * The counted requests of all threads as text: part of metrics.h's document. Pure.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_REQUEST_METRICS_H
#define OUTRIGGER_PROXY_TELEMETRY_REQUEST_METRICS_H

#include "proxy/telemetry/metrics.h"

/*
 * Appends the families of requests: count, duration (with exemplars in OpenMetrics, which alone
 * knows them), bytes both ways. The same labels in several shards are summed; in order of the
 * labels. False as metrics_render().
 */
bool request_metrics_render(struct buf *out, enum metrics_format format,
                            const struct telemetry_shard *const *shards, size_t n_shards) MUST_USE;

/* # HELP and # TYPE; in OpenMetrics a counter's family is named without its `_total`. metrics.c */
bool metrics_family(struct buf *out, enum metrics_format format, const char *name, const char *type,
                    const char *help) MUST_USE;

#endif
