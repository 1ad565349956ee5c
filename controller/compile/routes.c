#include "controller/compile/routes.h"

#include "controller/compile/route_backend.h"
#include "controller/compile/route_match.h"
#include "controller/compile/route_rule.h"
#include "controller/compile/traffic_split.h"
#include "controller/objects/keys.h"

#define WEIGHT_MAX 1000000

/* What decides: routes of one kind. */
struct deciding {
    enum object_kind kind;
    const struct route **list; /* the caller's own first */
    size_t n;
    size_t n_consumers; /* how many of them are the caller's own */
};

/* ---- which routes --------------------------------------------------------------------------- */

bool route_parent_is(const struct route_parent *parent, const struct service *service,
                     const struct service_port *port)
{
    return parent->is_service && strcmp(parent->name, service->object.name) == 0 &&
           strcmp(parent->namespace, service->object.namespace) == 0 &&
           (parent->port == 0 || parent->port == port->port) &&
           (!*parent->section || strcmp(parent->section, port->name) == 0);
}

static bool is_attached(const struct route *route, const struct service *service,
                        const struct service_port *port)
{
    for (size_t i = 0; i < route->n_parents; i++)
        if (route_parent_is(&route->parents[i], service, port))
            return route_has_effect(route);
    return false;
}

/* Attached to the port, TrafficSplits among them. */
struct attached {
    const struct route **list;
    size_t n;
};

static bool splits_everything(const struct object *object)
{
    return object->kind == OBJECT_TRAFFIC_SPLIT &&
           ((const struct traffic_split *)object)->groups.n == 0;
}

/* What no split describes goes to the Service itself, unless one is for everything. */
static bool has_rest(struct found found)
{
    for (size_t i = 0; i < found.n; i++)
        if (splits_everything(found.list[i]))
            return false;
    return true;
}

static struct attached find_attached(struct compile *compile, const struct service *service,
                                     const struct service_port *port)
{
    char key[STORE_KEY_BYTES];
    struct found found =
        compile_find(compile, key_of_routes(key, service->object.namespace, service->object.name));
    struct attached attached = {.list = compile_take(compile, found.n, sizeof(*attached.list))};
    bool wants_rest = has_rest(found);
    for (size_t i = 0; attached.list && i < found.n; i++) {
        const struct route *route = (const struct route *)found.list[i];
        if (found.list[i]->kind == OBJECT_TRAFFIC_SPLIT)
            route = traffic_split_route(compile, (const struct traffic_split *)found.list[i],
                                        service, port, wants_rest);
        if (route && is_attached(route, service, port))
            attached.list[attached.n++] = route;
    }
    return attached;
}

/* Appends those of the namespace: of the kind that decides there, or of `kind` when it is given. */
static void add_namespace(struct deciding *deciding, struct attached attached,
                          const char *namespace)
{
    static const enum object_kind kinds[] = {OBJECT_GRPC_ROUTE, OBJECT_HTTP_ROUTE, OBJECT_TCP_ROUTE,
                                             OBJECT_TRAFFIC_SPLIT};
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        bool is_there = false;
        for (size_t i = 0; i < attached.n; i++) {
            const struct route *route = attached.list[i];
            if (route->object.kind != kinds[kind] ||
                strcmp(route->object.namespace, namespace) != 0)
                continue;
            is_there = true;
            if (deciding->n_consumers == 0 || deciding->kind == kinds[kind])
                deciding->list[deciding->n++] = route;
        }
        if (!is_there)
            continue;
        if (deciding->n_consumers == 0)
            deciding->kind = kinds[kind];
        return;
    }
}

static struct deciding choose(struct compile *compile, const char *consumer,
                              const struct service *service, const struct service_port *port)
{
    struct attached attached = find_attached(compile, service, port);
    struct deciding deciding = {.list = compile_take(compile, attached.n, sizeof(*deciding.list))};
    if (!deciding.list)
        return deciding;
    if (consumer)
        add_namespace(&deciding, attached, consumer);
    deciding.n_consumers = deciding.n;
    add_namespace(&deciding, attached, service->object.namespace);
    return deciding;
}

static void note_consumers(struct compile *compile, const struct service *service,
                           const struct service_port *port)
{
    struct attached attached = find_attached(compile, service, port);
    for (size_t i = 0; i < attached.n; i++) {
        const char *namespace = attached.list[i]->object.namespace;
        if (strcmp(namespace, service->object.namespace) != 0)
            compile_note_consumer(compile, namespace);
    }
}

/* Of connections one route alone decides: the oldest, of the caller's own if there are any. */
static const struct route *oldest(const struct deciding *deciding)
{
    size_t n = deciding->n_consumers ? deciding->n_consumers : deciding->n;
    const struct route *first = deciding->list[0];
    for (size_t i = 1; i < n; i++)
        if (object_precedence(&deciding->list[i]->object, &first->object) < 0)
            first = deciding->list[i];
    return first;
}

const struct route *routes_instead_of(struct compile *compile, const struct route *route,
                                      const struct service *service,
                                      const struct service_port *port)
{
    bool is_consumers = strcmp(route->object.namespace, service->object.namespace) != 0;
    struct deciding deciding =
        choose(compile, is_consumers ? route->object.namespace : NULL, service, port);
    if (deciding.n == 0)
        return NULL; /* short of memory */
    if (deciding.kind == OBJECT_TCP_ROUTE)
        return oldest(&deciding) == route ? NULL : oldest(&deciding);
    for (size_t i = 0; i < deciding.n; i++)
        if (deciding.list[i] == route)
            return NULL;
    return deciding.list[0];
}

const struct route *routes_before_splits(struct compile *compile, const struct service *service,
                                         const struct service_port *port)
{
    struct deciding deciding = choose(compile, NULL, service, port);
    return deciding.n > 0 && deciding.kind != OBJECT_TRAFFIC_SPLIT ? deciding.list[0] : NULL;
}

/* The oldest split that is for everything, and so for connections, too; NULL: none. */
static const struct route *split_of_connections(const struct deciding *deciding)
{
    const struct route *first = NULL;
    for (size_t i = 0; i < deciding->n; i++) {
        const struct route *route = deciding->list[i];
        bool is_whole =
            route->n_rules == 1 && route->rules[0].n_matches == 0 && !*route->rules[0].name;
        if (is_whole && (!first || object_precedence(&route->object, &first->object) < 0))
            first = route;
    }
    return first;
}

/* ---- requests ------------------------------------------------------------------------------- */

struct rules {
    Outrigger__V1__RouteRule **list;
    size_t n;
    struct placed_match *placed;
    size_t n_placed;
};

static void count_route(const struct route *route, size_t *n_rules, size_t *n_matches)
{
    *n_rules += route->n_rules;
    for (size_t i = 0; i < route->n_rules; i++)
        *n_matches += route->rules[i].n_matches ? route->rules[i].n_matches : 1;
}

static bool add_route(struct compile *compile, const struct route *route, bool is_consumers,
                      int family, struct rules *rules)
{
    for (size_t i = 0; i < route->n_rules; i++) {
        const struct route_rule *rule = &route->rules[i];
        size_t n = rule->n_matches ? rule->n_matches : 1;
        if (*rule->problem)
            continue;
        if (!(rules->list[rules->n] = route_rule_make(compile, route, i, family)))
            return false;
        for (size_t j = 0; j < n; j++) {
            const struct route_match *match = rule->n_matches ? &rule->matches[j] : NULL;
            Outrigger__V1__RouteMatch *message = route_match_make(compile, match, rules->n);
            if (!message)
                return false;
            rules->placed[rules->n_placed++] =
                (struct placed_match){message, route, match, i, j, is_consumers};
        }
        rules->n++;
    }
    return true;
}

static void fill_rules(struct compile *compile, const struct deciding *deciding, int family,
                       Outrigger__V1__Service *message)
{
    size_t n_rules = 0, n_matches = 0;
    for (size_t i = 0; i < deciding->n; i++)
        count_route(deciding->list[i], &n_rules, &n_matches);
    struct rules rules = {.list = compile_take(compile, n_rules, sizeof(*rules.list)),
                          .placed = compile_take(compile, n_matches, sizeof(*rules.placed))};
    Outrigger__V1__RouteMatch **matches = compile_take(compile, n_matches, sizeof(*matches));
    if (!rules.list || !rules.placed || !matches)
        return;
    for (size_t i = 0; i < deciding->n; i++)
        if (!add_route(compile, deciding->list[i], i < deciding->n_consumers, family, &rules))
            return;
    route_match_sort(rules.placed, rules.n_placed);
    for (size_t i = 0; i < rules.n_placed; i++)
        matches[i] = rules.placed[i].message;
    message->rules = rules.list;
    message->n_rules = rules.n;
    message->matches = matches;
    message->n_matches = rules.n_placed;
}

/* ---- connections ---------------------------------------------------------------------------- */

/* A proxy takes no Endpoints twice: the weights are added up. */
static bool add_backend(struct compile *compile, Outrigger__V1__Service *message, char *endpoints,
                        uint32_t weight)
{
    for (size_t i = 0; i < message->n_backends; i++) {
        Outrigger__V1__Backend *before = message->backends[i];
        if (strcmp(before->endpoints, endpoints) != 0)
            continue;
        before->weight =
            before->weight > WEIGHT_MAX - weight ? WEIGHT_MAX : before->weight + weight;
        return true;
    }
    Outrigger__V1__Backend *backend = compile_take(compile, 1, sizeof(*backend));
    if (!backend)
        return false;
    outrigger__v1__backend__init(backend);
    backend->endpoints = endpoints;
    backend->weight = weight;
    message->backends[message->n_backends++] = backend;
    return true;
}

/*
 * The first rule is for all connections. What cannot be sent to keeps its share, as Endpoints that
 * nothing has, so that its connections are refused (Gateway API, TCPRouteRule.backendRefs).
 */
static void replace_backends(struct compile *compile, const struct route *route, int family,
                             Outrigger__V1__Service *message)
{
    const struct route_rule *rule = &route->rules[0];
    char *nowhere =
        compile_text(compile, "%s/%s/nowhere/", route->object.namespace, route->object.name);
    message->n_backends = 0;
    message->backends = compile_take(compile, rule->n_backends + 1, sizeof(*message->backends));
    if (!message->backends)
        return;
    for (size_t i = 0; i < rule->n_backends; i++) {
        Outrigger__V1__RouteBackend backend;
        if (rule->backends[i].weight == 0)
            continue;
        route_backend_fill(compile, &route->object, &rule->backends[i], family, &backend);
        if (!add_backend(compile, message, *backend.endpoints ? backend.endpoints : nowhere,
                         backend.weight))
            return;
    }
    if (message->n_backends == 0 && !add_backend(compile, message, nowhere, 1))
        return;
}

void routes_compile(struct compile *compile, const struct service *service,
                    const struct service_port *port, int family, Outrigger__V1__Service *message)
{
    note_consumers(compile, service, port);
    struct deciding deciding = choose(compile, compile->consumer, service, port);
    if (deciding.n == 0)
        return;
    const struct route *of_connections = NULL;
    if (deciding.kind == OBJECT_TCP_ROUTE)
        of_connections = oldest(&deciding);
    else
        fill_rules(compile, &deciding, family, message);
    if (deciding.kind == OBJECT_TRAFFIC_SPLIT)
        of_connections = split_of_connections(&deciding);
    if (of_connections)
        replace_backends(compile, of_connections, family, message);
}
