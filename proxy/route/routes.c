#include "proxy/route/routes.h"

#include <stdlib.h>

#include "common/http/pattern.h"
#include "proxy/wire.h"

#define TEXT_MAX           4096 /* bytes of one path or value */
#define MATCH_VALUES_MAX   64   /* headers of a match, and parameters */
#define RULE_BACKENDS_MAX  256
#define RETRY_ATTEMPTS_MAX 10
#define BACKOFF_MS         25
#define BUDGET_PERCENT     20
#define BUDGET_MIN         10

static bool no_memory(struct err *err)
{
    return err_set(err, "out of memory");
}

static bool copy_regex(const char *text, struct regex **regex, const char *field, struct err *err)
{
    *regex = regex_new(slice_str(text), err);
    return *regex || err_prefix(err, "%s", field);
}

static bool value_fill(struct routes *routes, struct route_value *value,
                       const Outrigger__V1__ValueMatch *message, bool is_header, struct err *err)
{
    if (!wire_copy(&routes->arena, message->name, TEXT_MAX, &value->name, "name", err))
        return false;
    if (value->name.len == 0)
        return err_set(err, "name: empty");
    if (is_header && !pattern_check(PATTERN_HEADER_NAME, value->name, err))
        return err_prefix(err, "name");
    switch ((int)message->kind) {
    case OUTRIGGER__V1__VALUE_KIND__VALUE_PRESENT:
        value->kind = VALUE_PRESENT;
        return true;
    case OUTRIGGER__V1__VALUE_KIND__VALUE_EXACT:
        value->kind = VALUE_EXACT;
        return wire_copy(&routes->arena, message->value, TEXT_MAX, &value->value, "value", err);
    case OUTRIGGER__V1__VALUE_KIND__VALUE_REGEX:
        value->kind = VALUE_REGEX;
        return wire_copy(&routes->arena, message->value, TEXT_MAX, &value->value, "value", err) &&
               copy_regex(message->value, &value->regex, "value", err);
    default:
        return err_set(err, "kind: %d is not known to this version", (int)message->kind);
    }
}

static bool values_fill(struct routes *routes, const struct route_value **list, size_t *n,
                        Outrigger__V1__ValueMatch *const *messages, size_t n_messages,
                        const char *field, struct err *err)
{
    if (n_messages > MATCH_VALUES_MAX)
        return err_set(err, "%s: %zu are too many (at most %d)", field, n_messages,
                       MATCH_VALUES_MAX);
    struct route_value *values = arena_take_array(&routes->arena, n_messages, sizeof(*values));
    if (!values && n_messages > 0)
        return no_memory(err);
    *list = values;
    for (size_t i = 0; i < n_messages; i++) {
        *n = i + 1; /* so that its expression is freed */
        if (!value_fill(routes, &values[i], messages[i], strcmp(field, "headers") == 0, err))
            return wire_at(err, "%s[%zu]", field, i);
    }
    return true;
}

static bool path_fill(struct routes *routes, struct route_match *match,
                      const Outrigger__V1__RouteMatch *message, struct err *err)
{
    if (!wire_copy(&routes->arena, message->path, TEXT_MAX, &match->path, "path", err))
        return false;
    switch ((int)message->path_kind) {
    case OUTRIGGER__V1__PATH_KIND__PATH_ANY:
        match->path_kind = PATH_ANY;
        return true;
    case OUTRIGGER__V1__PATH_KIND__PATH_EXACT:
    case OUTRIGGER__V1__PATH_KIND__PATH_PREFIX:
        match->path_kind =
            message->path_kind == OUTRIGGER__V1__PATH_KIND__PATH_EXACT ? PATH_EXACT : PATH_PREFIX;
        if (!slice_starts_with(match->path, SLICE_LITERAL("/")))
            return err_set(err, "path: \"%.64s\" does not begin with '/'", message->path);
        if (match->path_kind == PATH_PREFIX && slice_ends_with(match->path, SLICE_LITERAL("/")))
            match->path.len--;
        return true;
    case OUTRIGGER__V1__PATH_KIND__PATH_REGEX:
        match->path_kind = PATH_REGEX;
        return copy_regex(message->path, &match->path_regex, "path", err);
    default:
        return err_set(err, "path_kind: %d is not known to this version", (int)message->path_kind);
    }
}

static bool match_fill(struct routes *routes, struct route_match *match,
                       const Outrigger__V1__RouteMatch *message, struct err *err)
{
    if (message->rule >= routes->n_rules)
        return err_set(err, "rule: %u, and there are %zu rules", message->rule, routes->n_rules);
    match->rule = &routes->rules[message->rule];
    return path_fill(routes, match, message, err) &&
           wire_copy(&routes->arena, message->method, TEXT_MAX, &match->method, "method", err) &&
           values_fill(routes, &match->headers, &match->n_headers, message->headers,
                       message->n_headers, "headers", err) &&
           values_fill(routes, &match->query, &match->n_query, message->query, message->n_query,
                       "query", err);
}

/* Puts the match behind those of its path. `last` is the map of the ends of these chains. */
static bool index_by_path(struct map *first, struct map *last, struct route_match *match)
{
    struct route_match *before = map_get(last, match->path);
    if (!before && !map_set(first, match->path, match, NULL))
        return false;
    if (before)
        before->next_same_path = match;
    return map_set(last, match->path, match, NULL);
}

static bool index_prefix(struct routes *routes, struct map *last, struct route_match *match)
{
    if (match->path.len > routes->longest_prefix)
        routes->longest_prefix = match->path.len;
    return index_by_path(&routes->prefix, last, match);
}

static bool index_matches(struct routes *routes, struct route_match *matches, struct err *err)
{
    struct map last_exact = {0}, last_prefix = {0};
    bool is_ok = true;
    routes->rest = arena_take_array(&routes->arena, routes->n_matches, sizeof(*routes->rest));
    is_ok = routes->rest || routes->n_matches == 0;
    for (size_t i = 0; is_ok && i < routes->n_matches; i++) {
        if (matches[i].path_kind == PATH_EXACT)
            is_ok = index_by_path(&routes->exact, &last_exact, &matches[i]);
        else if (matches[i].path_kind == PATH_PREFIX)
            is_ok = index_prefix(routes, &last_prefix, &matches[i]);
        else
            routes->rest[routes->n_rest++] = &matches[i];
    }
    map_fini(&last_exact, NULL);
    map_fini(&last_prefix, NULL);
    return is_ok || no_memory(err);
}

static bool matches_fill(struct routes *routes, const Outrigger__V1__Service *message,
                         struct err *err)
{
    size_t n = message->n_matches;
    if (!wire_at_most(n, ROUTES_MAX_MATCHES, "matches: their number", err))
        return false;
    struct route_match *matches = arena_take_array(&routes->arena, n, sizeof(*matches));
    if (!matches && n > 0)
        return no_memory(err);
    routes->matches = matches;
    for (size_t i = 0; i < n; i++) {
        routes->n_matches = i + 1;
        if (!match_fill(routes, &matches[i], message->matches[i], err))
            return wire_at(err, "matches[%zu]", i);
    }
    return index_matches(routes, matches, err);
}

static bool backend_fill(struct routes *routes, struct route_backend *backend,
                         const Outrigger__V1__RouteBackend *message, struct err *err)
{
    if (!wire_name(&routes->arena, message->endpoints, &backend->endpoints, "endpoints", err) ||
        !wire_name(&routes->arena, message->service, &backend->service, "service", err) ||
        !wire_name(&routes->arena, message->why, &backend->why, "why", err) ||
        !wire_at_most(message->weight, WIRE_MAX_WEIGHT, "weight", err))
        return false;
    return filters_build(&backend->filters, message->filters, message->n_filters, &routes->arena,
                         err);
}

static bool backends_fill(struct routes *routes, struct route_rule *rule,
                          const Outrigger__V1__RouteRule *message, struct err *err)
{
    size_t n = message->n_backends;
    uint64_t sum = 0;
    if (!wire_at_most(n, RULE_BACKENDS_MAX, "backends: their number", err))
        return false;
    struct route_backend *backends = arena_take_array(&routes->arena, n, sizeof(*backends));
    if (!backends && n > 0)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (!backend_fill(routes, &backends[i], message->backends[i], err))
            return wire_at(err, "backends[%zu]", i);
        backends[i].weight_end = sum += message->backends[i]->weight;
    }
    rule->backends = backends;
    rule->n_backends = n;
    return true;
}

static bool statuses_fill(struct routes *routes, struct retry_rules *retry,
                          const Outrigger__V1__Retry *message, struct err *err)
{
    uint16_t *statuses = arena_take_array(&routes->arena, message->n_statuses, sizeof(*statuses));
    if (!statuses && message->n_statuses > 0)
        return no_memory(err);
    for (size_t i = 0; i < message->n_statuses; i++) {
        if (message->statuses[i] < 400 || message->statuses[i] > 599)
            return err_set(err, "statuses[%zu]: %u is no status of a failure (400-599)", i,
                           message->statuses[i]);
        statuses[i] = (uint16_t)message->statuses[i];
    }
    retry->statuses = statuses;
    retry->n_statuses = message->n_statuses;
    return true;
}

static bool retry_fill(struct routes *routes, struct retry_rules *retry,
                       const Outrigger__V1__Retry *message, struct err *err)
{
    if (!wire_at_most(message->attempts, RETRY_ATTEMPTS_MAX, "attempts", err) ||
        !wire_at_most(message->backoff_ms, WIRE_MAX_CONNECT_MS, "backoff_ms", err) ||
        !wire_at_most(message->backoff_max_ms, WIRE_MAX_CONNECT_MS, "backoff_max_ms", err))
        return false;
    for (size_t i = 0; i < message->n_grpc_codes; i++) {
        if (message->grpc_codes[i] < 1 || message->grpc_codes[i] > 16)
            return err_set(err, "grpc_codes[%zu]: %u is no code of a failure (1-16)", i,
                           message->grpc_codes[i]);
        retry->grpc_codes |= 1u << message->grpc_codes[i];
    }
    retry->attempts = message->attempts;
    retry->on_connect_failure = message->on_connect_failure;
    retry->on_reset = message->on_reset;
    retry->backoff_ms = message->backoff_ms ? message->backoff_ms : BACKOFF_MS;
    retry->backoff_max_ms =
        message->backoff_max_ms ? message->backoff_max_ms : retry->backoff_ms * 10;
    return statuses_fill(routes, retry, message, err);
}

static bool rule_fill(struct routes *routes, struct route_rule *rule,
                      const Outrigger__V1__RouteRule *message, struct err *err)
{
    if (!wire_name(&routes->arena, message->name, &rule->name, "name", err) ||
        !wire_at_most(message->request_timeout_ms, WIRE_MAX_IDLE_MS, "request_timeout_ms", err) ||
        !wire_at_most(message->backend_timeout_ms, WIRE_MAX_IDLE_MS, "backend_timeout_ms", err))
        return false;
    rule->request_timeout_ms = message->request_timeout_ms;
    rule->backend_timeout_ms = message->backend_timeout_ms;
    if (!filters_build(&rule->filters, message->filters, message->n_filters, &routes->arena, err) ||
        !backends_fill(routes, rule, message, err))
        return false;
    return !message->retry || retry_fill(routes, &rule->retry, message->retry, err) ||
           wire_at(err, "retry");
}

static bool rules_fill(struct routes *routes, const Outrigger__V1__Service *message,
                       struct err *err)
{
    size_t n = message->n_rules;
    if (!wire_at_most(n, ROUTES_MAX_RULES, "rules: their number", err))
        return false;
    struct route_rule *rules = arena_take_array(&routes->arena, n, sizeof(*rules));
    if (!rules && n > 0)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        if (!rule_fill(routes, &rules[i], message->rules[i], err))
            return wire_at(err, "rules[%zu]", i);
    routes->rules = rules;
    routes->n_rules = n;
    return true;
}

static bool budget_fill(struct routes *routes, const Outrigger__V1__RetryBudget *message,
                        struct err *err)
{
    routes->budget_percent = message && message->percent ? message->percent : BUDGET_PERCENT;
    routes->budget_min_per_second =
        message && message->min_per_second ? message->min_per_second : BUDGET_MIN;
    return wire_at_most(routes->budget_percent, 100, "retry_budget.percent", err) &&
           wire_at_most(routes->budget_min_per_second, 1000000, "retry_budget.min_per_second", err);
}

bool routes_build(struct routes *routes, const Outrigger__V1__Service *message, struct err *err)
{
    return budget_fill(routes, message->retry_budget, err) && rules_fill(routes, message, err) &&
           matches_fill(routes, message, err);
}

static void values_fini(const struct route_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        regex_free(values[i].regex);
}

void routes_fini(struct routes *routes)
{
    for (size_t i = 0; i < routes->n_matches; i++) {
        regex_free(routes->matches[i].path_regex);
        values_fini(routes->matches[i].headers, routes->matches[i].n_headers);
        values_fini(routes->matches[i].query, routes->matches[i].n_query);
    }
    map_fini(&routes->exact, NULL);
    map_fini(&routes->prefix, NULL);
    arena_fini(&routes->arena);
    *routes = (struct routes){0};
}

const struct route_backend *route_backend_choose(const struct route_rule *rule, uint64_t random)
{
    uint64_t sum = rule->n_backends ? rule->backends[rule->n_backends - 1].weight_end : 0;
    if (sum == 0)
        return NULL;
    uint64_t at = random % sum; /* the sum is far below 2^64: the bias is not measurable */
    const struct route_backend *backend = rule->backends;
    while (backend->weight_end <= at)
        backend++;
    return backend;
}

static bool each_mirror(const struct filters *filters,
                        bool (*each)(void *context, const char *endpoints), void *context)
{
    for (size_t i = 0; i < filters->n; i++)
        if (filters->list[i].kind == FILTER_MIRROR &&
            !each(context, filters->list[i].mirror.endpoints))
            return false;
    return true;
}

bool route_rule_each_reference(const struct route_rule *rule,
                               bool (*each)(void *context, const char *endpoints), void *context)
{
    if (!each_mirror(&rule->filters, each, context))
        return false;
    for (size_t i = 0; i < rule->n_backends; i++)
        if (!each(context, rule->backends[i].endpoints) ||
            !each_mirror(&rule->backends[i].filters, each, context))
            return false;
    return true;
}

static bool count_one(void *context, const char *endpoints)
{
    (void)endpoints;
    ++*(size_t *)context;
    return true;
}

size_t route_rule_n_references(const struct route_rule *rule)
{
    size_t n = 0;
    (void)route_rule_each_reference(rule, count_one, &n);
    return n;
}
