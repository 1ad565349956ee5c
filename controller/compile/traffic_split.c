#include "controller/compile/traffic_split.h"

#include "controller/compile/routes.h"
#include "controller/objects/keys.h"
#include "controller/objects/smi_spec.h"

static const struct service *service_of(struct compile *compile, const struct traffic_split *split,
                                        const char *name)
{
    return (const struct service *)compile_get(compile, OBJECT_SERVICE, split->object.namespace,
                                               name);
}

static const struct http_route_group *group_of(struct compile *compile,
                                               const struct traffic_split *split, const char *name)
{
    return (const struct http_route_group *)compile_get(compile, OBJECT_HTTP_ROUTE_GROUP,
                                                        split->object.namespace, name);
}

/* ---- as a route ----------------------------------------------------------------------------- */

static struct route_backend backend_make(const struct traffic_split *split, const char *service,
                                         uint16_t port, uint32_t weight)
{
    return (struct route_backend){.is_service = true,
                                  .kind = "Service",
                                  .namespace = split->object.namespace,
                                  .name = service,
                                  .port = port,
                                  .weight = weight};
}

static bool fill_backends(struct compile *compile, const struct traffic_split *split, uint16_t port,
                          struct route_rule *rule)
{
    struct route_backend *list = compile_take(compile, split->n_backends, sizeof(*list));
    for (size_t i = 0; list && i < split->n_backends; i++) {
        const struct split_backend *backend = &split->backends[i];
        const struct service *service = service_of(compile, split, backend->service);
        if (service && service_port_by_number(service, port))
            list[rule->n_backends++] = backend_make(split, backend->service, port, backend->weight);
    }
    rule->backends = list;
    return list;
}

/* One for each of the methods, or for any. */
static size_t add_match(const struct smi_match *from, struct route_match *list)
{
    size_t n = from->methods.n ? from->methods.n : 1;
    for (size_t i = 0; i < n; i++)
        list[i] = (struct route_match){.path_kind = *from->path ? ROUTE_PATH_REGEX : ROUTE_PATH_ANY,
                                       .path = from->path,
                                       .method = from->methods.n ? from->methods.list[i] : "",
                                       .headers = from->headers};
    return n;
}

static bool fill_matches(struct compile *compile, const struct traffic_split *split,
                         struct route_rule *rule)
{
    size_t room = split->groups.n * SMI_MATCHES_MAX * SMI_METHODS_MAX;
    struct route_match *list = compile_take(compile, room, sizeof(*list));
    for (size_t i = 0; list && i < split->groups.n; i++) {
        const struct http_route_group *group = group_of(compile, split, split->groups.list[i]);
        for (size_t j = 0; group && j < group->n_matches; j++)
            rule->n_matches += add_match(&group->matches[j], &list[rule->n_matches]);
    }
    rule->matches = list;
    return list;
}

static bool fill_rest(struct compile *compile, const struct traffic_split *split, uint16_t port,
                      struct route_rule *rule)
{
    struct route_backend *backend = compile_take(compile, 1, sizeof(*backend));
    if (!backend)
        return false;
    *backend = backend_make(split, split->service, port, 1);
    *rule =
        (struct route_rule){.name = "rest", .problem = "", .backends = backend, .n_backends = 1};
    return true;
}

const struct route *traffic_split_route(struct compile *compile, const struct traffic_split *split,
                                        const struct service *service,
                                        const struct service_port *port, bool has_rest)
{
    struct route *route = compile_take(compile, 1, sizeof(*route));
    struct route_parent *parent = compile_take(compile, 1, sizeof(*parent));
    struct route_rule *rules = compile_take(compile, 2, sizeof(*rules));
    if (!route || !parent || !rules)
        return NULL;
    *parent = (struct route_parent){.is_service = true,
                                    .namespace = service->object.namespace,
                                    .name = service->object.name,
                                    .section = ""};
    *route = (struct route){.object = split->object, .parents = parent, .n_parents = 1};
    struct route_rule *rule = &rules[0];
    *rule = (struct route_rule){.name = "", .problem = ""};
    if (!fill_backends(compile, split, port->port, rule) || !fill_matches(compile, split, rule))
        return NULL;
    /* Without a match left the rule would be for everything. */
    if (split->groups.n == 0 || rule->n_matches > 0)
        route->n_rules = 1;
    if (has_rest && !fill_rest(compile, split, port->port, &rules[route->n_rules++]))
        return NULL;
    route->rules = rules;
    return route;
}

/* ---- what is wrong with it ------------------------------------------------------------------ */

static const char *backend_problem(struct compile *compile, const struct traffic_split *split,
                                   const struct service *root, size_t index)
{
    const char *name = split->backends[index].service;
    const char *namespace = split->object.namespace;
    const struct service *service = service_of(compile, split, name);
    if (split->backends[index].weight == 0)
        return NULL; /* not yet there, or no longer: that is what weight 0 is for */
    if (!service)
        return compile_text(compile, "spec.backends[%zu]: there is no Service %s/%s: left out",
                            index, namespace, name);
    for (size_t i = 0; i < root->n_ports; i++)
        if (!service_port_by_number(service, root->ports[i].port))
            return compile_text(compile,
                                "spec.backends[%zu]: Service %s/%s has no port %u, which Service "
                                "%s/%s has: left out there",
                                index, namespace, name, root->ports[i].port, namespace,
                                root->object.name);
    return NULL;
}

static const char *decided_elsewhere(struct compile *compile, const struct traffic_split *split,
                                     const struct service *root)
{
    for (size_t i = 0; i < root->n_ports; i++) {
        const struct route *route = routes_before_splits(compile, root, &root->ports[i]);
        if (route)
            return compile_text(compile,
                                "spec.service: %s %s/%s is attached to Service %s/%s and decides "
                                "alone",
                                object_kind_name(route->object.kind), route->object.namespace,
                                route->object.name, split->object.namespace, split->service);
    }
    return NULL;
}

const char *traffic_split_problem(struct compile *compile, const struct traffic_split *split)
{
    const struct service *root = service_of(compile, split, split->service);
    const char *problem = NULL;
    if (!root)
        return compile_text(compile, "spec.service: there is no Service %s/%s",
                            split->object.namespace, split->service);
    for (size_t i = 0; i < split->groups.n; i++)
        if (!group_of(compile, split, split->groups.list[i]))
            return compile_text(compile, "spec.matches[%zu]: there is no HTTPRouteGroup %s/%s", i,
                                split->object.namespace, split->groups.list[i]);
    problem = decided_elsewhere(compile, split, root);
    for (size_t i = 0; i < split->n_backends && !problem; i++)
        problem = backend_problem(compile, split, root, i);
    return problem;
}
