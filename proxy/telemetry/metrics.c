#include "proxy/telemetry/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proxy/telemetry/request_metrics.h"

#define PREFIX "outrigger_"

static const struct {
    const char *name, *help;
    bool is_gauge;
} counters[COUNTER_COUNT] = {
#define COUNTER(enum_name, metric, text) [COUNTER_##enum_name] = {PREFIX metric, text, false},
#define GAUGE(enum_name, metric, text)   [COUNTER_##enum_name] = {PREFIX metric, text, true},
#include "proxy/telemetry/counters.def"
#undef COUNTER
#undef GAUGE
};

/* ---- sums ---------------------------------------------------------------------------------------
 */

static void sum_read(struct flow_sum *sum, const struct flow_stats *flow)
{
    sum->opened = stat_get(&flow->opened);
    sum->open = stat_get(&flow->open);
    sum->requests_open = stat_get(&flow->requests_open);
    for (size_t i = 0; i < REASON_COUNT; i++)
        sum->ended[i] = stat_get(&flow->ended[i]);
    sum->bytes_sent = stat_get(&flow->bytes_sent);
    sum->bytes_received = stat_get(&flow->bytes_received);
    for (size_t i = 0; i <= FLOW_BUCKETS; i++) {
        uint64_t n = stat_get(&flow->connect_bucket[i]);
        sum->connect_bucket[i] = n;
        sum->connect_count += n; /* not the flow's own count: a histogram must agree with itself */
    }
    sum->connect_sum_us = stat_get(&flow->connect_sum_us);
    sum->duration_sum_us = stat_get(&flow->duration_sum_us);
    sum->duration_count = stat_get(&flow->duration_count);
}

static void sum_merge(struct flow_sum *sum, const struct flow_sum *other)
{
    sum->opened += other->opened;
    sum->open += other->open;
    sum->requests_open += other->requests_open;
    for (size_t i = 0; i < REASON_COUNT; i++)
        sum->ended[i] += other->ended[i];
    sum->bytes_sent += other->bytes_sent;
    sum->bytes_received += other->bytes_received;
    for (size_t i = 0; i <= FLOW_BUCKETS; i++)
        sum->connect_bucket[i] += other->connect_bucket[i];
    sum->connect_count += other->connect_count;
    sum->connect_sum_us += other->connect_sum_us;
    sum->duration_sum_us += other->duration_sum_us;
    sum->duration_count += other->duration_count;
}

static int by_labels(const void *a, const void *b)
{
    const struct flow_sum *one = a, *two = b;
    return strcmp(one->labels, two->labels);
}

static const struct flow_stats *shard_first(const struct telemetry_shard *shard)
{
    return atomic_load_explicit(&shard->flows, memory_order_acquire);
}

static const struct flow_stats *flow_after(const struct flow_stats *flow)
{
    return atomic_load_explicit(&flow->next, memory_order_relaxed);
}

/* Sorted already; the same labels are neighbours. */
static size_t merge_neighbours(struct flow_sum *sums, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && strcmp(sums[kept - 1].labels, sums[i].labels) == 0)
            sum_merge(&sums[kept - 1], &sums[i]);
        else
            sums[kept++] = sums[i];
    }
    return kept;
}

struct flow_sum *metrics_sum(const struct telemetry_shard *const *shards, size_t n_shards,
                             size_t *n)
{
    size_t total = 0;
    /* Heads are read once: a shard may grow between counting and copying. */
    const struct flow_stats **heads = calloc(n_shards + 1, sizeof(*heads));
    if (!heads)
        return NULL;
    for (size_t i = 0; i < n_shards; i++) {
        heads[i] = shard_first(shards[i]);
        for (const struct flow_stats *flow = heads[i]; flow; flow = flow_after(flow))
            total++;
    }
    struct flow_sum *sums = calloc(total + 1, sizeof(*sums));
    *n = 0;
    for (size_t i = 0; sums && i < n_shards; i++) {
        for (const struct flow_stats *flow = heads[i]; flow; flow = flow_after(flow)) {
            if (stat_get(&flow->opened) == 0 && stat_get(&flow->connect_count) == 0)
                continue;
            sums[*n].labels = flow->labels;
            sum_read(&sums[(*n)++], flow);
        }
    }
    free(heads);
    if (sums) {
        qsort(sums, *n, sizeof(*sums), by_labels);
        *n = merge_neighbours(sums, *n);
    }
    return sums;
}

/* Copies the value behind `from` (after its opening quote) and returns where it ends. */
static const char *value_copy(const char *from, char *value, size_t size)
{
    size_t len = 0;
    for (; *from && *from != '"'; from++) {
        char c = *from;
        if (c == '\\' && from[1])
            c = *++from == 'n' ? '\n' : *from;
        if (len + 1 < size)
            value[len++] = c;
    }
    value[len] = '\0';
    return from;
}

const char *metrics_label(const char *labels, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);
    while (*labels) {
        const char *equals = strchr(labels, '=');
        if (!equals)
            break;
        bool is_it = (size_t)(equals - labels) == len && memcmp(labels, name, len) == 0;
        const char *end = value_copy(equals + 2, value, size);
        if (is_it)
            return value;
        labels = *end ? end + 1 : end;
        labels += *labels == ',';
    }
    value[0] = '\0';
    return value;
}

/* ---- text ---------------------------------------------------------------------------------------
 */

static bool is_total(const char *name)
{
    return slice_ends_with(slice_str(name), SLICE_LITERAL("_total"));
}

/*
 * The two formats differ in the name of a counter's family: OpenMetrics takes `_total` off it, the
 * older format does not.
 */
bool metrics_family(struct buf *out, enum metrics_format format, const char *name, const char *type,
                    const char *help)
{
    int len = (int)strlen(name);
    if (format == METRICS_OPENMETRICS && is_total(name))
        len -= (int)strlen("_total");
    return buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, name, help, len, name, type);
}

static bool render_counters(struct buf *out, enum metrics_format format,
                            const struct telemetry_shard *const *shards, size_t n_shards)
{
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        uint64_t sum = 0;
        for (size_t j = 0; j < n_shards; j++)
            sum += stat_get(&shards[j]->counters[i]);
        if (!metrics_family(out, format, counters[i].name,
                            counters[i].is_gauge ? "gauge" : "counter", counters[i].help) ||
            !buf_printf(out, "%s %" PRId64 "\n", counters[i].name, (int64_t)sum))
            return false;
    }
    return true;
}

static bool render_samples(struct buf *out, enum metrics_format format,
                           const struct metrics_sample *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct metrics_sample *sample = &samples[i];
        bool is_new = i == 0 || strcmp(samples[i - 1].name, sample->name) != 0;
        if (is_new && !metrics_family(out, format, sample->name,
                                      sample->is_counter ? "counter" : "gauge", sample->help))
            return false;
        if (!buf_printf(out, sample->labels ? "%s{%s} %.17g\n" : "%s%s %.17g\n", sample->name,
                        sample->labels ? sample->labels : "", sample->value))
            return false;
    }
    return true;
}

/* One family with one number for each set of labels. */
struct flow_family {
    const char *name, *help;
    bool is_gauge;
    size_t offset; /* of the uint64_t in struct flow_sum */
};

static const struct flow_family flow_families[] = {
    {PREFIX "connections_opened_total", "connections by who talks to whom", false,
     offsetof(struct flow_sum, opened)},
    {PREFIX "connections_open", "connections open now", true, offsetof(struct flow_sum, open)},
    {PREFIX "requests_in_flight", "HTTP requests that have not ended", true,
     offsetof(struct flow_sum, requests_open)},
    {PREFIX "sent_bytes_total", "bytes from the client to the server", false,
     offsetof(struct flow_sum, bytes_sent)},
    {PREFIX "received_bytes_total", "bytes from the server to the client", false,
     offsetof(struct flow_sum, bytes_received)},
};

static bool render_family(struct buf *out, enum metrics_format format,
                          const struct flow_family *row, const struct flow_sum *sums, size_t n)
{
    if (!metrics_family(out, format, row->name, row->is_gauge ? "gauge" : "counter", row->help))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&sums[i] + row->offset, sizeof(value));
        if (!buf_printf(out, "%s{%s} %" PRId64 "\n", row->name, sums[i].labels, (int64_t)value))
            return false;
    }
    return true;
}

static bool render_ended(struct buf *out, enum metrics_format format, const struct flow_sum *sums,
                         size_t n)
{
    static const char name[] = PREFIX "connections_ended_total";
    if (!metrics_family(out, format, name, "counter", "connections ended, by reason"))
        return false;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < REASON_COUNT; j++) {
            if (sums[i].ended[j] > 0 &&
                !buf_printf(out, "%s{%s,reason=\"%s\"} %" PRIu64 "\n", name, sums[i].labels,
                            reason_word((enum reason)j), sums[i].ended[j]))
                return false;
        }
    }
    return true;
}

static bool render_histogram(struct buf *out, const char *name, const struct flow_sum *sum)
{
    uint64_t count = 0;
    for (size_t i = 0; i < FLOW_BUCKETS; i++) {
        count += sum->connect_bucket[i];
        /* OpenMetrics wants 1.0, not 1. */
        double le = (double)flow_bucket_us[i] / 1e6;
        if (!buf_printf(out, "%s_bucket{%s,le=\"%g%s\"} %" PRIu64 "\n", name, sum->labels, le,
                        flow_bucket_us[i] % 1000000 == 0 ? ".0" : "", count))
            return false;
    }
    return buf_printf(out,
                      "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n%s_sum{%s} %.6f\n"
                      "%s_count{%s} %" PRIu64 "\n",
                      name, sum->labels, sum->connect_count, name, sum->labels,
                      (double)sum->connect_sum_us / 1e6, name, sum->labels, sum->connect_count);
}

static bool render_times(struct buf *out, enum metrics_format format, const struct flow_sum *sums,
                         size_t n)
{
    static const char connect[] = PREFIX "connect_seconds";
    static const char duration[] = PREFIX "connection_duration_seconds";
    if (!metrics_family(out, format, connect, "histogram",
                        "time to connect to the chosen endpoint"))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (sums[i].connect_count > 0 && !render_histogram(out, connect, &sums[i]))
            return false;
    }
    if (!metrics_family(out, format, duration, "summary",
                        "life of a connection, from accept to end"))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (sums[i].duration_count > 0 &&
            !buf_printf(out, "%s_sum{%s} %.6f\n%s_count{%s} %" PRIu64 "\n", duration,
                        sums[i].labels, (double)sums[i].duration_sum_us / 1e6, duration,
                        sums[i].labels, sums[i].duration_count))
            return false;
    }
    return true;
}

bool metrics_render(struct buf *out, enum metrics_format format,
                    const struct telemetry_shard *const *shards, size_t n_shards,
                    const struct metrics_sample *samples, size_t n_samples)
{
    size_t n;
    struct flow_sum *sums = metrics_sum(shards, n_shards, &n);
    if (!sums)
        return false;
    bool ok = render_counters(out, format, shards, n_shards) &&
              render_samples(out, format, samples, n_samples);
    for (size_t i = 0; ok && i < sizeof(flow_families) / sizeof(flow_families[0]); i++)
        ok = render_family(out, format, &flow_families[i], sums, n);
    ok = ok && render_ended(out, format, sums, n) && render_times(out, format, sums, n) &&
         request_metrics_render(out, format, shards, n_shards);
    if (ok && format == METRICS_OPENMETRICS)
        ok = buf_printf(out, "# EOF\n");
    free(sums);
    return ok;
}

/* ---- negotiation --------------------------------------------------------------------------------
 */

/* The part before `separator`; `*rest` moves behind it. */
static struct slice cut(struct slice *rest, char separator)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    struct slice part = end ? slice_of(rest->ptr, (size_t)(end - rest->ptr)) : *rest;
    *rest = end ? slice_sub(*rest, part.len + 1, rest->len) : slice_of(NULL, 0);
    return slice_trim(part, " \t");
}

/* A qvalue in thousandths (RFC 9110, 12.4.2): "1", "0.75". What is not one counts as 0. */
static int parse_weight(struct slice text)
{
    static const int scale[] = {1000, 0, 100, 10, 1};
    int weight = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (i > 4 || (i == 1 ? c != '.' : c < '0' || c > '9'))
            return 0;
        if (i != 1)
            weight += (c - '0') * scale[i];
    }
    return weight > 1000 ? 0 : weight;
}

enum metrics_format metrics_negotiate(const char *accept)
{
    int open = 0, text = 0;
    struct slice rest = slice_str(accept);
    while (rest.len > 0) {
        struct slice item = cut(&rest, ',');
        struct slice type = cut(&item, ';');
        int weight = 1000;
        bool is_known = true;
        while (item.len > 0) {
            struct slice value = cut(&item, ';');
            struct slice name = cut(&value, '=');
            if (slice_eq_str(name, "q"))
                weight = parse_weight(value);
            else if (slice_eq_str(name, "version"))
                is_known =
                    slice_starts_with(value, SLICE_LITERAL("1.")) || slice_eq_str(value, "0.0.1");
        }
        if (slice_eq_str(type, "application/openmetrics-text") && is_known && weight > open)
            open = weight;
        else if (slice_eq_str(type, "text/plain") && weight > text)
            text = weight;
    }
    return open > 0 && open >= text ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}

const char *metrics_content_type(enum metrics_format format)
{
    return format == METRICS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}
