#include "proxy/telemetry/request_filter.h"

#include "common/form.h"
#include "common/options.h"

#define MAX_DURATION_MS (24ull * 3600 * 1000)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum condition {
    CONDITION_DIRECTION,
    CONDITION_METHOD,
    CONDITION_PATH,
    CONDITION_STATUS,
    CONDITION_REASON,
    CONDITION_IDENTITY,
    CONDITION_SERVICE,
    CONDITION_MIN_DURATION,
    CONDITION_SAMPLE,
};
static const char *const names[] = {
    [CONDITION_DIRECTION] = "direction", [CONDITION_METHOD] = "method",
    [CONDITION_PATH] = "path",           [CONDITION_STATUS] = "status",
    [CONDITION_REASON] = "reason",       [CONDITION_IDENTITY] = "identity",
    [CONDITION_SERVICE] = "service",     [CONDITION_MIN_DURATION] = "min-duration",
    [CONDITION_SAMPLE] = "sample",
};

void request_filter_init(struct request_filter *filter)
{
    *filter = (struct request_filter){.share = TRACE_ALL};
}

static bool set_direction(struct request_filter *filter, const char *value, struct err *err)
{
    filter->has_direction = true;
    filter->direction = strcmp(value, "outbound") == 0 ? DIRECTION_OUTBOUND : DIRECTION_INBOUND;
    return strcmp(value, direction_name(filter->direction)) == 0 ||
           err_set(err, "direction: \"%.64s\" is neither inbound nor outbound", value);
}

static bool set_status(struct request_filter *filter, const char *value, struct err *err)
{
    bool is_good = strlen(value) == 3 && value[0] >= '1' && value[0] <= '5';
    bool is_class = is_good && strcmp(value + 1, "xx") == 0;
    for (size_t i = 1; is_good && !is_class && i < 3; i++)
        is_good = value[i] >= '0' && value[i] <= '9';
    if (!is_good)
        return err_set(err, "status: \"%.64s\" is neither a status (503) nor a class (5xx)", value);
    unsigned hundred = (unsigned)(value[0] - '0') * 100;
    unsigned rest = is_class ? 0 : (unsigned)(value[1] - '0') * 10 + (unsigned)(value[2] - '0');
    filter->status_first = hundred + rest;
    filter->status_last = is_class ? hundred + 99 : hundred + rest;
    return true;
}

static bool set_duration(struct request_filter *filter, const char *value, struct err *err)
{
    uint64_t ms;
    if (!option_parse_duration(slice_str(value), 1, MAX_DURATION_MS, &ms, err))
        return err_prefix(err, "min-duration");
    filter->min_duration_us = ms * 1000;
    return true;
}

static bool set_text(const char **text, const char *name, const char *value, struct err *err)
{
    *text = value;
    return *value || err_set(err, "%s: empty", name);
}

static bool fail_name(const char *name, struct err *err)
{
    const char *nearest = option_nearest(slice_str(name), names, COUNT(names));
    if (nearest)
        return err_set(err, "\"%.64s\" is no condition; did you mean \"%s\"?", name, nearest);
    return err_set(err,
                   "\"%.64s\" is no condition: expected direction, method, path, status, reason, "
                   "identity, service, min-duration or sample",
                   name);
}

bool request_filter_add(struct request_filter *filter, const char *name, const char *value,
                        struct err *err)
{
    size_t which = 0;
    while (which < COUNT(names) && strcmp(name, names[which]) != 0)
        which++;
    if (which == COUNT(names))
        return fail_name(name, err);
    if (filter->given & 1u << which)
        return err_set(err, "%s: is there twice", name);
    filter->given |= 1u << which;
    switch ((enum condition)which) {
    case CONDITION_DIRECTION:
        return set_direction(filter, value, err);
    case CONDITION_METHOD:
        return set_text(&filter->method, name, value, err);
    case CONDITION_PATH:
        return set_text(&filter->path, name, value, err);
    case CONDITION_STATUS:
        return set_status(filter, value, err);
    case CONDITION_REASON:
        return set_text(&filter->reason, name, value, err);
    case CONDITION_IDENTITY:
        return set_text(&filter->identity, name, value, err);
    case CONDITION_SERVICE:
        return set_text(&filter->service, name, value, err);
    case CONDITION_MIN_DURATION:
        return set_duration(filter, value, err);
    case CONDITION_SAMPLE:
        return trace_parse_ratio(slice_str(value), &filter->share) ||
               err_set(err, "sample: \"%.64s\" is no share (0-1)", value);
    }
    return false;
}

bool request_filter_parse(struct request_filter *filter, struct slice query, struct arena *arena,
                          struct err *err)
{
    struct form form;
    request_filter_init(filter);
    if (!form_parse(&form, arena, query))
        return err_set(err, "\"%.*s\" is not written as the query of a URL: a=b&c=d",
                       SLICE_ARG(slice_sub(query, 0, 200)));
    for (size_t i = 0; i < form.n; i++)
        if (!request_filter_add(filter, form.params[i].name, form.params[i].value, err))
            return false;
    return true;
}

/* Exact, or what begins as the pattern does before its star. */
static bool fits(const char *pattern, struct slice text)
{
    struct slice wanted = slice_str(pattern);
    if (slice_ends_with(wanted, SLICE_LITERAL("*")))
        return slice_starts_with(text, slice_sub(wanted, 0, wanted.len - 1));
    return slice_eq(text, wanted);
}

static bool reason_fits(const char *wanted, const char *reason)
{
    if (strcmp(wanted, "any") == 0)
        return *reason;
    return strcmp(strcmp(wanted, "none") == 0 ? "" : wanted, reason) == 0;
}

bool request_filter_passes(const struct request_filter *filter, const struct request_facts *facts,
                           uint64_t random)
{
    if (filter->has_direction && filter->direction != facts->direction)
        return false;
    if (filter->status_first &&
        (facts->status < filter->status_first || facts->status > filter->status_last))
        return false;
    return facts->duration_us >= filter->min_duration_us &&
           (!filter->method || slice_eq_str(facts->method, filter->method)) &&
           (!filter->path || fits(filter->path, facts->path)) &&
           (!filter->reason || reason_fits(filter->reason, facts->reason)) &&
           (!filter->service || strcmp(filter->service, facts->service) == 0) &&
           (!filter->identity || fits(filter->identity, slice_str(facts->source_identity)) ||
            fits(filter->identity, slice_str(facts->destination_identity))) &&
           random < filter->share;
}
