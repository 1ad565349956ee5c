#include "controller/compile/route_status.h"

#include "controller/compile/route_filter.h"
#include "controller/compile/routes.h"

const char *route_condition_name(enum route_condition_type type)
{
    static const char *const names[ROUTE_CONDITIONS] = {[ROUTE_ACCEPTED] = "Accepted",
                                                        [ROUTE_RESOLVED_REFS] = "ResolvedRefs",
                                                        [ROUTE_PARTIALLY_INVALID] =
                                                            "PartiallyInvalid"};
    return names[type];
}

/* ---- Accepted ------------------------------------------------------------------------------- */

static struct route_condition refused(const char *reason, const char *message)
{
    return (struct route_condition){true, false, reason, message};
}

static struct route_condition no_port(struct compile *compile, const struct route_parent *parent)
{
    const char *text = *parent->section
                           ? compile_text(compile, "Service %s/%s has no port with the name %s%s",
                                          parent->namespace, parent->name, parent->section,
                                          parent->port ? " and the number that is said" : "")
                           : compile_text(compile, "Service %s/%s has no port %u",
                                          parent->namespace, parent->name, parent->port);
    return refused("NoMatchingParent", text);
}

static const char *first_problem(const struct route *route)
{
    for (size_t i = 0; i < route->n_rules; i++)
        if (*route->rules[i].problem)
            return route->rules[i].problem;
    return "";
}

/* Of all ports that the parent names one where the route decides is enough. */
static struct route_condition accepted(struct compile *compile, const struct route *route,
                                       const struct route_parent *parent)
{
    const struct service *service = (const struct service *)compile_get(
        compile, OBJECT_SERVICE, parent->namespace, parent->name);
    const struct route *instead = NULL;
    bool has_port = false;
    if (!service)
        return refused("NoMatchingParent", compile_text(compile, "there is no Service %s/%s",
                                                        parent->namespace, parent->name));
    if (!route_has_effect(route))
        return refused("UnsupportedValue", first_problem(route));
    for (size_t i = 0; i < service->n_ports; i++) {
        if (!route_parent_is(parent, service, &service->ports[i]))
            continue;
        has_port = true;
        instead = routes_instead_of(compile, route, service, &service->ports[i]);
        if (!instead)
            return (struct route_condition){true, true, "Accepted", ""};
    }
    if (!has_port)
        return no_port(compile, parent);
    return refused("Conflicted",
                   compile_text(compile, "%s %s/%s is attached too, and decides alone",
                                object_kind_name(instead->object.kind), instead->object.namespace,
                                instead->object.name));
}

/* ---- ResolvedRefs --------------------------------------------------------------------------- */

static struct route_problem filters_problem(struct compile *compile, const struct object *route,
                                            const struct route_filter *filters, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (filters[i].kind != ROUTE_FILTER_MIRROR)
            continue;
        struct route_problem problem =
            route_backend_problem(compile, route, &filters[i].mirror.backend);
        if (problem.reason)
            return problem;
    }
    return route_filter_problem(compile, route, filters, n);
}

static struct route_problem rule_problem(struct compile *compile, const struct object *route,
                                         const struct route_rule *rule)
{
    struct route_problem problem = filters_problem(compile, route, rule->filters, rule->n_filters);
    for (size_t i = 0; i < rule->n_backends && !problem.reason; i++) {
        const struct route_backend *backend = &rule->backends[i];
        problem = route_backend_problem(compile, route, backend);
        if (!problem.reason)
            problem = filters_problem(compile, route, backend->filters, backend->n_filters);
    }
    return problem;
}

static struct route_condition resolved_refs(struct compile *compile, const struct route *route)
{
    for (size_t i = 0; i < route->n_rules; i++) {
        struct route_problem problem = rule_problem(compile, &route->object, &route->rules[i]);
        if (problem.reason)
            return refused(problem.reason,
                           compile_text(compile, "spec.rules[%zu]: %s", i, problem.text));
    }
    return (struct route_condition){true, true, "ResolvedRefs", ""};
}

/* ---- all of it ------------------------------------------------------------------------------ */

struct route_status route_status_of(struct compile *compile, const struct route *route,
                                    const struct route_parent *parent)
{
    struct route_status status = {0};
    const char *problem = first_problem(route);
    status.conditions[ROUTE_ACCEPTED] = accepted(compile, route, parent);
    status.conditions[ROUTE_RESOLVED_REFS] = resolved_refs(compile, route);
    if (*problem && route_has_effect(route))
        status.conditions[ROUTE_PARTIALLY_INVALID] = (struct route_condition){
            true, true, "UnsupportedValue", compile_text(compile, "Dropped Rule: %s", problem)};
    return status;
}

const struct route_condition *route_status_problem(const struct route_status *status)
{
    for (int type = 0; type < ROUTE_CONDITIONS; type++) {
        const struct route_condition *condition = &status->conditions[type];
        if (condition->is_there && condition->is_true == (type == ROUTE_PARTIALLY_INVALID))
            return condition;
    }
    return NULL;
}
