#include "controller/compile/routes.h"

#include <stdlib.h>

#include "controller/compile/endpoints.h"
#include "controller/compile/route_backends.h"
#include "controller/objects/keys.h"

/* A match with all that decides its place. */
struct placed {
    Outrigger__V1__RouteMatch *message;
    const struct route *route;
    const struct route_match *match; /* NULL: the rule has none, and is for everything */
    size_t rule, index;              /* in the route, in the rule */
};

struct rules {
    Outrigger__V1__RouteRule **list;
    size_t n;
    struct placed *placed;
    size_t n_placed;
};

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
        made->filters = route_filters_make(compile, &route->object, backend->filters,
                                           backend->n_filters, family);
        if (!made->filters)
            return false;
        made->n_filters = backend->n_filters;
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

static Outrigger__V1__RouteRule *rule_make(struct compile *compile, const struct route *route,
                                           size_t index, int family)
{
    const struct route_rule *rule = &route->rules[index];
    const struct object *object = &route->object;
    Outrigger__V1__RouteRule *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__route_rule__init(message);
    message->name = *rule->name
                        ? compile_text(compile, "%s/%s/%s/%s", object_kind_name(object->kind),
                                       object->namespace, object->name, rule->name)
                        : compile_text(compile, "%s/%s/%s/%zu", object_kind_name(object->kind),
                                       object->namespace, object->name, index);
    message->request_timeout_ms = rule->request_timeout_ms;
    message->backend_timeout_ms = rule->backend_timeout_ms;
    message->filters = route_filters_make(compile, object, rule->filters, rule->n_filters, family);
    message->n_filters = message->filters ? rule->n_filters : 0;
    bool is_made = message->filters && backends_make(compile, route, rule, family, message) &&
                   retry_make(compile, &rule->retry, message);
    return is_made ? message : NULL;
}

/* ---- matches -------------------------------------------------------------------------------- */

static Outrigger__V1__ValueMatch **values_make(struct compile *compile,
                                               const struct route_values *values)
{
    Outrigger__V1__ValueMatch **list = compile_take(compile, values->n, sizeof(*list));
    for (size_t i = 0; list && i < values->n; i++) {
        list[i] = compile_take(compile, 1, sizeof(**list));
        if (!list[i])
            return NULL;
        outrigger__v1__value_match__init(list[i]);
        list[i]->name = (char *)(uintptr_t)(values->list[i].name);
        list[i]->kind = (Outrigger__V1__ValueKind)values->list[i].kind;
        list[i]->value = (char *)(uintptr_t)(values->list[i].value);
    }
    return list;
}

static Outrigger__V1__RouteMatch *match_make(struct compile *compile,
                                             const struct route_match *match, size_t rule)
{
    Outrigger__V1__RouteMatch *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__route_match__init(message);
    message->rule = (uint32_t)rule;
    if (!match)
        return message;
    message->path_kind = (Outrigger__V1__PathKind)match->path_kind;
    message->path = (char *)(uintptr_t)(match->path);
    message->method = (char *)(uintptr_t)(match->method);
    message->headers = values_make(compile, &match->headers);
    message->query = values_make(compile, &match->query);
    if (!message->headers || !message->query)
        return NULL;
    message->n_headers = match->headers.n;
    message->n_query = match->query.n;
    return message;
}

static int larger_first(size_t a, size_t b)
{
    return (a < b) - (a > b);
}

/* Exact paths, then expressions, then prefixes, each the longer first. */
static int compare_paths(const struct route_match *a, const struct route_match *b)
{
    static const int ranks[] = {[ROUTE_PATH_EXACT] = 0,
                                [ROUTE_PATH_REGEX] = 1,
                                [ROUTE_PATH_PREFIX] = 2,
                                [ROUTE_PATH_ANY] = 3};
    if (ranks[a->path_kind] != ranks[b->path_kind])
        return ranks[a->path_kind] - ranks[b->path_kind];
    return larger_first(strlen(a->path), strlen(b->path));
}

static int compare_matches(const struct placed *a, const struct placed *b)
{
    static const struct route_match everything = {.path = "", .method = ""};
    const struct route_match *x = a->match ? a->match : &everything;
    const struct route_match *y = b->match ? b->match : &everything;
    int order = 0;
    if (a->route->object.kind == OBJECT_GRPC_ROUTE) {
        order = larger_first(x->grpc_service_len, y->grpc_service_len);
        order = order ? order : larger_first(x->grpc_method_len, y->grpc_method_len);
    } else {
        order = compare_paths(x, y);
        order = order ? order : larger_first(*x->method != '\0', *y->method != '\0');
    }
    order = order ? order : larger_first(x->headers.n, y->headers.n);
    return order ? order : larger_first(x->query.n, y->query.n);
}

static int compare_placed(const void *first, const void *second)
{
    const struct placed *a = first, *b = second;
    int order = compare_matches(a, b);
    order = order ? order : object_precedence(&a->route->object, &b->route->object);
    order = order ? order : larger_first(b->rule, a->rule);
    return order ? order : larger_first(b->index, a->index);
}

/* ---- all of them ---------------------------------------------------------------------------- */

/*
 * A route of another namespace would be for the callers of that namespace alone (GAMMA's consumer
 * routes), which this version cannot tell apart: it has no effect, rather than one on everybody.
 */
static bool is_attached(const struct route *route, const struct service *service,
                        const struct service_port *port)
{
    if (strcmp(route->object.namespace, service->object.namespace) != 0)
        return false;
    for (size_t i = 0; i < route->n_parents; i++) {
        const struct route_parent *parent = &route->parents[i];
        if (parent->is_service && strcmp(parent->name, service->object.name) == 0 &&
            strcmp(parent->namespace, service->object.namespace) == 0 &&
            (parent->port == 0 || parent->port == port->port))
            return true;
    }
    return false;
}

static void count_route(const struct route *route, size_t *n_rules, size_t *n_matches)
{
    *n_rules += route->n_rules;
    for (size_t i = 0; i < route->n_rules; i++)
        *n_matches += route->rules[i].n_matches ? route->rules[i].n_matches : 1;
}

static bool add_route(struct compile *compile, const struct route *route, int family,
                      struct rules *rules)
{
    for (size_t i = 0; i < route->n_rules; i++) {
        const struct route_rule *rule = &route->rules[i];
        size_t n = rule->n_matches ? rule->n_matches : 1;
        if (!(rules->list[rules->n] = rule_make(compile, route, i, family)))
            return false;
        for (size_t j = 0; j < n; j++) {
            const struct route_match *match = rule->n_matches ? &rule->matches[j] : NULL;
            Outrigger__V1__RouteMatch *message = match_make(compile, match, rules->n);
            if (!message)
                return false;
            rules->placed[rules->n_placed++] = (struct placed){message, route, match, i, j};
        }
        rules->n++;
    }
    return true;
}

static void fill_message(struct compile *compile, const struct rules *rules,
                         Outrigger__V1__Service *message)
{
    Outrigger__V1__RouteMatch **matches = compile_take(compile, rules->n_placed, sizeof(*matches));
    if (!matches)
        return;
    qsort(rules->placed, rules->n_placed, sizeof(*rules->placed), compare_placed);
    for (size_t i = 0; i < rules->n_placed; i++)
        matches[i] = rules->placed[i].message;
    message->rules = rules->list;
    message->n_rules = rules->n;
    message->matches = matches;
    message->n_matches = rules->n_placed;
}

/* Connections have no matches: the oldest route's first rule is for all of them. */
static void replace_backends(struct compile *compile, const struct route *route, int family,
                             Outrigger__V1__Service *message)
{
    const struct route_rule *rule = route->n_rules ? &route->rules[0] : NULL;
    if (!rule)
        return;
    Outrigger__V1__Backend **list = compile_take(compile, rule->n_backends, sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < rule->n_backends; i++) {
        const struct route_backend *backend = &rule->backends[i];
        if (backend->weight == 0 || route_backend_problem(compile, &route->object, backend))
            continue;
        const struct service *service = route_backend_service(compile, backend);
        if (!(list[n] = compile_take(compile, 1, sizeof(**list))))
            return;
        outrigger__v1__backend__init(list[n]);
        list[n]->endpoints = endpoints_name(compile, service,
                                            service_port_by_number(service, backend->port), family);
        list[n++]->weight = backend->weight;
    }
    message->backends = list;
    message->n_backends = list ? n : 0;
}

void routes_compile(struct compile *compile, const struct service *service,
                    const struct service_port *port, int family, Outrigger__V1__Service *message)
{
    static const enum object_kind order[] = {OBJECT_GRPC_ROUTE, OBJECT_HTTP_ROUTE,
                                             OBJECT_TCP_ROUTE};
    char key[STORE_KEY_BYTES];
    struct found found =
        compile_find(compile, key_of_routes(key, service->object.namespace, service->object.name));
    for (size_t kind = 0; kind < sizeof(order) / sizeof(order[0]); kind++) {
        size_t n_routes = 0, n_rules = 0, n_matches = 0;
        const struct route *oldest = NULL;
        for (size_t i = 0; i < found.n; i++) {
            const struct route *route = (const struct route *)found.list[i];
            if (route->object.kind != order[kind] || !is_attached(route, service, port))
                continue;
            n_routes++;
            count_route(route, &n_rules, &n_matches);
            if (!oldest || object_precedence(&route->object, &oldest->object) < 0)
                oldest = route;
        }
        if (n_routes == 0)
            continue;
        if (order[kind] == OBJECT_TCP_ROUTE) {
            replace_backends(compile, oldest, family, message);
            return;
        }
        struct rules rules = {
            .list = compile_take(compile, n_rules, sizeof(*rules.list)),
            .placed = compile_take(compile, n_matches, sizeof(*rules.placed)),
        };
        for (size_t i = 0; rules.list && rules.placed && i < found.n; i++) {
            const struct route *route = (const struct route *)found.list[i];
            if (route->object.kind == order[kind] && is_attached(route, service, port) &&
                !add_route(compile, route, family, &rules))
                return;
        }
        fill_message(compile, &rules, message);
        return;
    }
}
