/*
 * The counters of all threads as text for a scraper: Prometheus text format 0.0.4, or
 * OpenMetrics 1.0 for who asks for it. Pure: shards in, text out. Label sets that are the same in
 * several shards are summed; they come out in order of their text, so that two scrapes can be
 * compared.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_METRICS_H
#define OUTRIGGER_PROXY_TELEMETRY_METRICS_H

#include "common/buf.h"
#include "common/err.h"
#include "proxy/telemetry/telemetry.h"

enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };

/*
 * By an Accept field (RFC 9110, 12.5.1), which may be NULL: OpenMetrics when
 * application/openmetrics-text is listed, not weighed less than text/plain, and in no version but
 * 1.x or 0.0.1.
 */
enum metrics_format metrics_negotiate(const char *accept);
const char *metrics_content_type(enum metrics_format format);

/* What is no counter of a shard: certificate times, process memory. */
struct metrics_sample {
    const char *name; /* whole, without a prefix being added; a counter's ends in _total */
    const char *help;
    bool is_counter;
    const char *labels; /* rendered and escaped, `version="1"`; NULL: none */
    double value;
};

/*
 * Appends the whole document to `out`. Any thread, while the shards' owners go on writing. False
 * when memory is short or the ceiling of `out` is reached; `out` then holds a part.
 */
bool metrics_render(struct buf *out, enum metrics_format format,
                    const struct telemetry_shard *const *shards, size_t n_shards,
                    const struct metrics_sample *samples, size_t n_samples) MUST_USE;

/* The same labels in all shards, summed; for the metrics and the admin pages. */
struct flow_sum {
    const char *labels; /* of the first shard that had them; lives as long as the shards */
    uint64_t opened, open, requests_open, ended[REASON_COUNT];
    uint64_t bytes_sent, bytes_received;
    uint64_t connect_count, connect_sum_us, connect_bucket[FLOW_BUCKETS + 1];
    uint64_t duration_sum_us, duration_count;
};

/*
 * All sums, in order of the labels; entries that were never opened are left out. Sets *n. The array
 * is the caller's to free(). NULL when memory is short.
 */
struct flow_sum *metrics_sum(const struct telemetry_shard *const *shards, size_t n_shards,
                             size_t *n) MUST_USE;

/*
 * The value of one label out of rendered labels, unescaped, NUL-terminated, cut at `size` - 1
 * bytes;
 * "" when there is no such label. Returns `value`.
 */
const char *metrics_label(const char *labels, const char *name, char *value, size_t size);

#endif
