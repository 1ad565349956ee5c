#include "controller/compile/route_rule.h"

#include "controller/compile/route_filter.h"

#define NAME_MAX_BYTES 512

static bool backend_filters_make(struct compile *compile, const struct object *route,
                                 const struct route_backend *backend, int family,
                                 Outrigger__V1__RouteBackend *made)
{
    struct route_problem problem =
        route_filter_problem(compile, route, backend->filters, backend->n_filters);
    if (problem.reason) {
        made->endpoints = (char *)(uintptr_t)protobuf_c_empty_string;
        made->why = compile_text(compile, "%s: %s", problem.reason, problem.text);
        return true;
    }
    struct route_filter_messages filters =
        route_filter_list(compile, route, backend->filters, backend->n_filters, family);
    made->filters = filters.list;
    made->n_filters = filters.n;
    return filters.list;
}

static bool backends_make(struct compile *compile, const struct route *route,
                          const struct route_rule *rule, int family,
                          Outrigger__V1__RouteRule *message)
{
    message->backends = compile_take(compile, rule->n_backends, sizeof(*message->backends));
    for (size_t i = 0; message->backends && i < rule->n_backends; i++) {
        const struct route_backend *backend = &rule->backends[i];
        Outrigger__V1__RouteBackend *made = compile_take(compile, 1, sizeof(*made));
        if (!made)
            return false;
        route_backend_fill(compile, &route->object, backend, family, made);
        if (!backend_filters_make(compile, &route->object, backend, family, made))
            return false;
        message->backends[message->n_backends++] = made;
    }
    return message->backends;
}

static bool retry_make(struct compile *compile, const struct route_retry *retry,
                       Outrigger__V1__RouteRule *message)
{
    if (!retry->is_set)
        return true;
    Outrigger__V1__Retry *made = compile_take(compile, 1, sizeof(*made));
    uint32_t *statuses = compile_take(compile, retry->n_statuses, sizeof(*statuses));
    if (!made || !statuses)
        return false;
    outrigger__v1__retry__init(made);
    for (size_t i = 0; i < retry->n_statuses; i++)
        statuses[i] = retry->statuses[i];
    made->statuses = statuses;
    made->n_statuses = retry->n_statuses;
    made->attempts = retry->attempts;
    made->on_connect_failure = true; /* as the Gateway API says of every retry */
    made->on_reset = true;
    made->backoff_ms = retry->backoff_ms;
    message->retry = made;
    return true;
}

/* The index in place of a name that is so long that a proxy would not take it. */
static char *rule_name(struct compile *compile, const struct route *route, size_t index)
{
    const struct object *object = &route->object;
    const char *name = route->rules[index].name;
    const char *kind = object_kind_name(object->kind);
    char *text = compile_text(compile, "%s/%s/%s/%s", kind, object->namespace, object->name, name);
    if (*name && strlen(text) <= NAME_MAX_BYTES)
        return text;
    return compile_text(compile, "%s/%s/%s/%zu", kind, object->namespace, object->name, index);
}

static bool break_rule(struct compile *compile, struct route_problem problem,
                       Outrigger__V1__RouteRule *message)
{
    message->backends = compile_take(compile, 1, sizeof(*message->backends));
    if (!message->backends)
        return false;
    message->backends[0] = route_backend_broken(
        compile, compile_text(compile, "%s: %s", problem.reason, problem.text));
    message->n_backends = 1;
    return message->backends[0];
}

Outrigger__V1__RouteRule *route_rule_make(struct compile *compile, const struct route *route,
                                          size_t index, int family)
{
    const struct route_rule *rule = &route->rules[index];
    const struct object *object = &route->object;
    Outrigger__V1__RouteRule *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__route_rule__init(message);
    message->name = rule_name(compile, route, index);
    message->request_timeout_ms = rule->request_timeout_ms;
    message->backend_timeout_ms = rule->backend_timeout_ms;
    struct route_problem problem =
        route_filter_problem(compile, object, rule->filters, rule->n_filters);
    if (problem.reason)
        return break_rule(compile, problem, message) ? message : NULL;
    struct route_filter_messages filters =
        route_filter_list(compile, object, rule->filters, rule->n_filters, family);
    message->filters = filters.list;
    message->n_filters = filters.n;
    bool is_made = filters.list && backends_make(compile, route, rule, family, message) &&
                   retry_make(compile, &rule->retry, message);
    return is_made ? message : NULL;
}
