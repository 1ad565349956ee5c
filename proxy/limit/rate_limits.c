#include "proxy/limit/rate_limits.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/http/pattern.h"
#include "proxy/wire.h"

#define REQUESTS_MAX 1000000000u
#define PER_MAX_MS   (24ull * 3600 * 1000)

static bool limit_set_by(struct rate_limit *limit, const Outrigger__V1__RateLimit *message,
                         struct err *err)
{
    /* One that is not known would limit less than it says: refused. */
    if ((int)message->by < LIMIT_BY_WORKLOAD || (int)message->by > LIMIT_BY_HEADER)
        return err_set(err, "by: %d is not known to this version", (int)message->by);
    limit->by = (enum rate_limit_by)message->by; /* the same numbers */
    if (limit->by != LIMIT_BY_HEADER)
        return true;
    return pattern_check(PATTERN_HEADER_NAME, slice_str(limit->header), err) ||
           err_prefix(err, "header");
}

/* The rule as an AccessPolicy that allows what it matches, and nothing else is. */
static bool limit_set_match(struct rate_limit *limit, Outrigger__V1__AccessRule *rule,
                            struct err *err)
{
    if (!rule)
        return true;
    Outrigger__V1__AccessPolicy policy = OUTRIGGER__V1__ACCESS_POLICY__INIT, *one = &policy;
    policy.name = limit->name;
    policy.action = OUTRIGGER__V1__ACCESS_ACTION__ALLOW;
    policy.rules = &rule;
    policy.n_rules = 1;
    limit->match = access_build(&one, 1, ACCESS_DEFAULT_DENY, err);
    if (!limit->match)
        return err_prefix(err, "match");
    size_t len = protobuf_c_message_get_packed_size(&rule->base);
    uint8_t *bytes = malloc(len ? len : 1);
    if (!bytes)
        return err_set(err, "match: out of memory");
    limit->match_bytes = slice_of((char *)bytes, protobuf_c_message_pack(&rule->base, bytes));
    return true;
}

static bool limit_fill(struct rate_limit *limit, const Outrigger__V1__RateLimit *message,
                       struct err *err)
{
    if (!(limit->name = wire_text(message->name, "name", err)) ||
        !(limit->policy = wire_text(message->policy, "policy", err)) ||
        !(limit->header = wire_text(message->header, "header", err)) ||
        !limit_set_by(limit, message, err) || !limit_set_match(limit, message->match, err))
        return false;
    if (message->requests < 1 || message->requests > REQUESTS_MAX)
        return err_set(err, "requests: %u is not within 1-%u", message->requests, REQUESTS_MAX);
    if (message->per_ms < 1 || message->per_ms > PER_MAX_MS)
        return err_set(err, "per_ms: %llu is not within 1-%llu",
                       (unsigned long long)message->per_ms, PER_MAX_MS);
    if (!wire_at_most(message->burst, REQUESTS_MAX, "burst", err))
        return false;
    limit->requests = message->requests;
    limit->per_ms = message->per_ms;
    limit->burst = message->burst ? message->burst : message->requests;
    limit->rate = gcra_rate_of(limit->requests, limit->per_ms * NS_PER_MS, limit->burst);
    limit->buckets = buckets_new(limit->by == LIMIT_BY_WORKLOAD ? 1 : RATE_LIMITS_MAX_KEYS);
    return limit->buckets || err_set(err, "out of memory");
}

bool rate_limits_build(struct rate_limits *limits, Outrigger__V1__RateLimit *const *messages,
                       size_t n, const char *field, struct err *err)
{
    if (n > RATE_LIMITS_MAX)
        return err_set(err, "%s: %zu, at most %d are taken", field, n, RATE_LIMITS_MAX);
    if (n == 0)
        return true;
    limits->list = calloc(n, sizeof(*limits->list));
    if (!limits->list)
        return err_set(err, "%s: out of memory", field);
    for (size_t i = 0; i < n; i++) {
        limits->n++;
        if (!limit_fill(&limits->list[i], messages[i], err))
            return wire_at(err, "%s[%zu]", field, i);
    }
    return true;
}

bool connection_rates_build(struct rate_limits *limits, Outrigger__V1__RateLimit *const *messages,
                            size_t n, struct err *err)
{
    if (!rate_limits_build(limits, messages, n, "connection_rates", err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (limits->list[i].match ||
            (limits->list[i].by != LIMIT_BY_WORKLOAD && limits->list[i].by != LIMIT_BY_SOURCE))
            return err_set(err,
                           "connection_rates[%zu]: by an identity, a header or a match, which "
                           "a new connection does not have",
                           i);
    return true;
}

void rate_limits_fini(struct rate_limits *limits)
{
    for (size_t i = 0; i < limits->n; i++) {
        free(limits->list[i].name);
        free(limits->list[i].policy);
        free(limits->list[i].header);
        access_free(limits->list[i].match);
        free((char *)(uintptr_t)limits->list[i].match_bytes.ptr);
        buckets_drop(limits->list[i].buckets);
    }
    free(limits->list);
    *limits = (struct rate_limits){0};
}

static bool is_same(const struct rate_limit *a, const struct rate_limit *b)
{
    return a->requests == b->requests && a->burst == b->burst && a->per_ms == b->per_ms &&
           a->by == b->by && strcmp(a->header, b->header) == 0 && strcmp(a->name, b->name) == 0 &&
           strcmp(a->policy, b->policy) == 0 && !a->match == !b->match &&
           slice_eq(a->match_bytes, b->match_bytes);
}

void rate_limits_inherit(struct rate_limits *limits, const struct rate_limits *old)
{
    for (size_t i = 0; i < limits->n; i++)
        for (size_t j = 0; j < old->n; j++)
            if (is_same(&limits->list[i], &old->list[j])) {
                buckets_drop(limits->list[i].buckets);
                limits->list[i].buckets = buckets_hold(old->list[j].buckets);
                break;
            }
}

static struct slice key_of(const struct rate_limit *limit, const struct rate_limit_request *request)
{
    const struct field *field;
    switch (limit->by) {
    case LIMIT_BY_WORKLOAD:
        break;
    case LIMIT_BY_IDENTITY:
        return request->asked.identity;
    case LIMIT_BY_SOURCE:
        return request->source;
    case LIMIT_BY_HEADER:
        field = head_find_name(request->asked.head, slice_str(limit->header));
        return field ? field->value : slice_of(NULL, 0);
    }
    return slice_of(NULL, 0);
}

bool rate_limit_is_for(const struct rate_limit *limit, const struct access_request *asked)
{
    if (!limit->match)
        return true;
    struct access_verdict verdict = access_check(limit->match, asked);
    return verdict.is_allowed || verdict.why == ACCESS_NOT_UNDERSTOOD;
}

bool rate_limits_read_paths(const struct rate_limits *limits)
{
    for (size_t i = 0; i < limits->n; i++)
        if (limits->list[i].match && access_reads_paths(limits->list[i].match))
            return true;
    return false;
}

static void give_back(const struct rate_limits *limits, size_t n,
                      const struct rate_limit_request *request)
{
    for (size_t i = 0; i < n; i++) {
        const struct rate_limit *limit = &limits->list[i];
        if (rate_limit_is_for(limit, &request->asked))
            buckets_give(limit->buckets, key_of(limit, request), limit->rate);
    }
}

const struct rate_limit *rate_limits_take(const struct rate_limits *limits,
                                          const struct rate_limit_request *request, uint64_t now_ns,
                                          uint64_t *wait_ns)
{
    for (size_t i = 0; i < limits->n; i++) {
        const struct rate_limit *limit = &limits->list[i];
        if (rate_limit_is_for(limit, &request->asked) &&
            !buckets_take(limit->buckets, key_of(limit, request), limit->rate, now_ns, wait_ns)) {
            give_back(limits, i, request);
            return limit;
        }
    }
    return NULL;
}

const char *rate_limit_by_name(enum rate_limit_by by)
{
    static const char *const names[] = {[LIMIT_BY_WORKLOAD] = "workload",
                                        [LIMIT_BY_IDENTITY] = "identity",
                                        [LIMIT_BY_SOURCE] = "source",
                                        [LIMIT_BY_HEADER] = "header"};
    return names[by];
}
