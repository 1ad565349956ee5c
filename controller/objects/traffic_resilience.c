#include "controller/objects/traffic_resilience.h"

#define PANIC_PERCENT   50
#define COUNT(array)    (sizeof(array) / sizeof((array)[0]))
#define CONSECUTIVE_MAX 1000000u
#define DEVIATION_MAX   100000u
#define OPEN_MAX        10000000u
#define EJECTION_MAX_MS (24ull * 3600 * 1000)

static uint32_t read_count(const struct field *up, const char *name, uint32_t max)
{
    struct field count = field_get(up, name);
    return (uint32_t)field_uint(&count, 1, max, 0);
}

static uint64_t read_time(const struct field *up, const char *name)
{
    struct field duration = field_get(up, name);
    return field_duration_ms(&duration, 1, EJECTION_MAX_MS);
}

static void read_success_rate(const struct field *field, struct traffic_outlier *outlier)
{
    static const char *const names[] = {"interval", "minHosts", "minRequests",
                                        "deviationThousandths"};
    if (!field_is_set(field))
        return;
    field_allow_only(field, names, COUNT(names));
    outlier->judges_rates = true;
    outlier->interval_ms = read_time(field, "interval");
    outlier->min_hosts = read_count(field, "minHosts", CONSECUTIVE_MAX);
    outlier->min_requests = read_count(field, "minRequests", CONSECUTIVE_MAX);
    outlier->deviation_thousandths = read_count(field, "deviationThousandths", DEVIATION_MAX);
}

static void read_outlier(const struct field *field, struct traffic_outlier *outlier)
{
    static const char *const names[] = {"consecutive5xx",
                                        "consecutiveGatewayErrors",
                                        "consecutiveLocalFailures",
                                        "baseEjectionTime",
                                        "maxEjectionTime",
                                        "maxEjectedPercent",
                                        "panicPercent",
                                        "successRate"};
    if (!field_is_set(field))
        return;
    field_allow_only(field, names, COUNT(names));
    struct field panic = field_get(field, "panicPercent");
    outlier->is_set = true;
    outlier->panic_percent = (uint32_t)field_uint(&panic, 0, 100, PANIC_PERCENT);
    outlier->consecutive_5xx = read_count(field, "consecutive5xx", CONSECUTIVE_MAX);
    outlier->consecutive_gateway_errors =
        read_count(field, "consecutiveGatewayErrors", CONSECUTIVE_MAX);
    outlier->consecutive_local_failures =
        read_count(field, "consecutiveLocalFailures", CONSECUTIVE_MAX);
    outlier->base_ms = read_time(field, "baseEjectionTime");
    outlier->max_ms = read_time(field, "maxEjectionTime");
    outlier->max_percent = read_count(field, "maxEjectedPercent", 100);
    struct field rate = field_get(field, "successRate");
    read_success_rate(&rate, outlier);
    if (!outlier->consecutive_5xx && !outlier->consecutive_gateway_errors &&
        !outlier->consecutive_local_failures && !outlier->judges_rates)
        field_fail(field, "ejects nothing: expected consecutive5xx, consecutiveGatewayErrors, "
                          "consecutiveLocalFailures or successRate");
    if (outlier->base_ms && outlier->max_ms && outlier->max_ms < outlier->base_ms)
        field_fail(field, "maxEjectionTime is shorter than baseEjectionTime");
}

static void read_breaker(const struct field *field, struct traffic_resilience *resilience)
{
    static const char *const names[] = {"maxRequests", "maxPendingRequests", "maxRetries"};
    if (!field_is_set(field))
        return;
    field_allow_only(field, names, COUNT(names));
    resilience->max_requests = read_count(field, "maxRequests", OPEN_MAX);
    resilience->max_pending = read_count(field, "maxPendingRequests", OPEN_MAX);
    resilience->max_retries = read_count(field, "maxRetries", OPEN_MAX);
    if (!resilience->max_requests && !resilience->max_pending && !resilience->max_retries)
        field_fail(field, "sets nothing: expected maxRequests, maxPendingRequests or maxRetries");
}

void traffic_resilience_read(const struct field *service, struct traffic_resilience *resilience)
{
    struct field balancing = field_get(service, "balancing");
    struct field outlier = field_get(service, "outlierEjection");
    struct field breaker = field_get(service, "circuitBreaker");
    traffic_balancing_read(&balancing, &resilience->balancing);
    read_outlier(&outlier, &resilience->outlier);
    read_breaker(&breaker, resilience);
}
