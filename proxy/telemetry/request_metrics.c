#include "proxy/telemetry/request_metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/telemetry/request_stats.h"

#define PREFIX "outrigger_"

struct request_sum {
    const char *labels;
    uint64_t bucket[REQUEST_BUCKETS + 1], count, sum_us, request_bytes, response_bytes;
    struct exemplar exemplar[REQUEST_BUCKETS + 1]; /* wall_ms 0: none */
};

static void sum_add_exemplars(struct request_sum *sum, const struct request_stats *stats)
{
    const struct request_exemplar *all =
        atomic_load_explicit(&stats->exemplars, memory_order_acquire);
    for (size_t i = 0; all && i <= REQUEST_BUCKETS; i++) {
        struct exemplar exemplar;
        if (request_exemplar_read(&all[i], &exemplar) &&
            exemplar.wall_ms > sum->exemplar[i].wall_ms)
            sum->exemplar[i] = exemplar;
    }
}

static void sum_add(struct request_sum *sum, const struct request_stats *stats)
{
    for (size_t i = 0; i <= REQUEST_BUCKETS; i++) {
        uint64_t n = stat_get(&stats->bucket[i]);
        sum->bucket[i] += n;
        sum->count += n; /* a histogram must agree with itself */
    }
    sum->sum_us += stat_get(&stats->sum_us);
    sum->request_bytes += stat_get(&stats->request_bytes);
    sum->response_bytes += stat_get(&stats->response_bytes);
    sum_add_exemplars(sum, stats);
}

static int by_labels(const void *a, const void *b)
{
    const struct request_stats *const *one = a, *const *two = b;
    return strcmp((*one)->labels, (*two)->labels);
}

static const struct request_stats *stats_after(const struct request_stats *stats)
{
    return atomic_load_explicit(&stats->next, memory_order_relaxed);
}

/* Every entry of all shards, sorted by labels. Heads are read once: a shard may grow meanwhile. */
static const struct request_stats **stats_sorted(const struct telemetry_shard *const *shards,
                                                 size_t n_shards, size_t *n)
{
    const struct request_stats **heads = calloc(n_shards + 1, sizeof(*heads));
    size_t total = 0;
    if (!heads)
        return NULL;
    for (size_t i = 0; i < n_shards; i++) {
        heads[i] = atomic_load_explicit(&shards[i]->requests->all, memory_order_acquire);
        for (const struct request_stats *stats = heads[i]; stats; stats = stats_after(stats))
            total++;
    }
    const struct request_stats **all = calloc(total + 1, sizeof(*all));
    *n = 0;
    for (size_t i = 0; all && i < n_shards; i++)
        for (const struct request_stats *stats = heads[i]; stats; stats = stats_after(stats))
            all[(*n)++] = stats;
    free(heads);
    if (all)
        qsort(all, *n, sizeof(*all), by_labels);
    return all;
}

/* Sums of what was counted at all. */
static struct request_sum *request_sums(const struct telemetry_shard *const *shards,
                                        size_t n_shards, size_t *n)
{
    size_t total;
    const struct request_stats **all = stats_sorted(shards, n_shards, &total);
    struct request_sum *sums = all ? calloc(total + 1, sizeof(*sums)) : NULL;
    *n = 0;
    for (size_t i = 0; sums && i < total; i++) {
        struct request_sum *sum = &sums[*n];
        if (!sum->labels)
            sum->labels = all[i]->labels;
        sum_add(sum, all[i]);
        bool is_last = i + 1 == total || strcmp(all[i + 1]->labels, sum->labels) != 0;
        if (is_last && sum->count > 0)
            ++*n;
        else if (is_last)
            *sum = (struct request_sum){0};
    }
    free(all);
    return sums;
}

static const struct {
    const char *name, *help;
    size_t offset; /* of the uint64_t in struct request_sum */
} families[] = {
    {PREFIX "requests_total", "HTTP requests that have ended", offsetof(struct request_sum, count)},
    {PREFIX "request_bytes_total", "bytes of requests' bodies",
     offsetof(struct request_sum, request_bytes)},
    {PREFIX "response_bytes_total", "bytes of answers' bodies",
     offsetof(struct request_sum, response_bytes)},
};

static bool render_family(struct buf *out, enum metrics_format format, size_t row,
                          const struct request_sum *sums, size_t n)
{
    if (!metrics_family(out, format, families[row].name, "counter", families[row].help))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&sums[i] + families[row].offset, sizeof(value));
        if (!buf_printf(out, "%s{%s} %" PRIu64 "\n", families[row].name, sums[i].labels, value))
            return false;
    }
    return true;
}

/* " # {trace_id="..."} 0.012 1700000000.123", and the end of the line. */
static bool render_exemplar(struct buf *out, const struct exemplar *exemplar)
{
    char id[2 * REQUEST_TRACE_ID_BYTES + 1];
    if (exemplar->wall_ms == 0)
        return buf_printf(out, "\n");
    for (size_t i = 0; i < REQUEST_TRACE_ID_BYTES; i++)
        snprintf(id + 2 * i, 3, "%02x", exemplar->trace_id[i]);
    return buf_printf(out, " # {trace_id=\"%s\"} %.6f %" PRIu64 ".%03u\n", id,
                      (double)exemplar->duration_us / 1e6, exemplar->wall_ms / 1000,
                      (unsigned)(exemplar->wall_ms % 1000));
}

#define DURATION PREFIX "request_duration_seconds"

static bool render_duration(struct buf *out, enum metrics_format format,
                            const struct request_sum *sum)
{
    static const struct exemplar none;
    bool is_open = format == METRICS_OPENMETRICS;
    uint64_t count = 0;
    for (size_t i = 0; i <= REQUEST_BUCKETS; i++) {
        char le[32] = "+Inf";
        count += sum->bucket[i];
        if (i < REQUEST_BUCKETS) /* OpenMetrics wants 1.0, not 1 */
            snprintf(le, sizeof(le), "%g%s", (double)request_bucket_us[i] / 1e6,
                     request_bucket_us[i] % 1000000 == 0 ? ".0" : "");
        if (!buf_printf(out, DURATION "_bucket{%s,le=\"%s\"} %" PRIu64, sum->labels, le, count) ||
            !render_exemplar(out, is_open ? &sum->exemplar[i] : &none))
            return false;
    }
    return buf_printf(out, DURATION "_sum{%s} %.6f\n" DURATION "_count{%s} %" PRIu64 "\n",
                      sum->labels, (double)sum->sum_us / 1e6, sum->labels, count);
}

bool request_metrics_render(struct buf *out, enum metrics_format format,
                            const struct telemetry_shard *const *shards, size_t n_shards)
{
    size_t n;
    struct request_sum *sums = request_sums(shards, n_shards, &n);
    if (!sums)
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof(families) / sizeof(families[0]); i++)
        ok = render_family(out, format, i, sums, n);
    ok = ok && metrics_family(out, format, DURATION, "histogram",
                              "from a request's head to the end of its answer");
    for (size_t i = 0; ok && i < n; i++)
        ok = render_duration(out, format, &sums[i]);
    free(sums);
    return ok;
}
