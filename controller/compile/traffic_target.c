#include "controller/compile/traffic_target.h"

#include "controller/objects/smi_spec.h"

static char *text(const char *text)
{
    return (char *)(uintptr_t)text;
}

static const struct http_route_group *group_of(struct compile *compile,
                                               const struct traffic_target *target,
                                               const struct target_rule *rule)
{
    return (const struct http_route_group *)compile_get(compile, OBJECT_HTTP_ROUTE_GROUP,
                                                        target->object.namespace, rule->name);
}

static const struct smi_tcp_route *tcp_route_of(struct compile *compile,
                                                const struct traffic_target *target,
                                                const struct target_rule *rule)
{
    return (const struct smi_tcp_route *)compile_get(compile, OBJECT_SMI_TCP_ROUTE,
                                                     target->object.namespace, rule->name);
}

/* ---- to ------------------------------------------------------------------------------------- */

static bool add_port(struct compile *compile, uint16_t first, uint16_t last,
                     Outrigger__V1__AccessTarget *to)
{
    Outrigger__V1__PortRange *range = compile_take(compile, 1, sizeof(*range));
    if (!range)
        return false;
    outrigger__v1__port_range__init(range);
    range->first = first;
    range->last = last;
    to->ports[to->n_ports++] = range;
    return true;
}

/* With room for n ranges of ports. */
static Outrigger__V1__AccessTarget *to_make(struct compile *compile, size_t n_ports)
{
    Outrigger__V1__AccessTarget *to = compile_take(compile, 1, sizeof(*to));
    if (!to)
        return NULL;
    outrigger__v1__access_target__init(to);
    to->ports = compile_take(compile, n_ports, sizeof(*to->ports));
    return to->ports ? to : NULL;
}

static bool add_headers(struct compile *compile, const struct route_values *headers,
                        Outrigger__V1__AccessTarget *to)
{
    to->headers = compile_take(compile, headers->n, sizeof(*to->headers));
    for (size_t i = 0; to->headers && i < headers->n; i++) {
        Outrigger__V1__HeaderCondition *header = compile_take(compile, 1, sizeof(*header));
        char **regexes = compile_take(compile, 1, sizeof(*regexes));
        if (!header || !regexes)
            return false;
        outrigger__v1__header_condition__init(header);
        regexes[0] = text(headers->list[i].value);
        header->name = text(headers->list[i].name);
        header->regexes = regexes;
        header->n_regexes = 1;
        to->headers[to->n_headers++] = header;
    }
    return to->headers;
}

/* Any path, where there is none said: what is not HTTP must not pass for it. */
static Outrigger__V1__AccessTarget *http_make(struct compile *compile, uint16_t port,
                                              const struct smi_match *match)
{
    Outrigger__V1__AccessTarget *to = to_make(compile, 1);
    char **paths = compile_take(compile, 1, sizeof(*paths));
    if (!to || !paths || (port && !add_port(compile, port, port, to)) ||
        !add_headers(compile, &match->headers, to))
        return NULL;
    to->methods = (char **)(uintptr_t)match->methods.list;
    to->n_methods = match->methods.n;
    if (*match->path) {
        paths[0] = text(match->path);
        to->path_regexes = paths;
        to->n_path_regexes = 1;
    } else {
        paths[0] = text("*");
        to->paths = paths;
        to->n_paths = 1;
    }
    return to;
}

/* NULL also when the destination's port is none of the route's. */
static Outrigger__V1__AccessTarget *tcp_make(struct compile *compile, uint16_t port,
                                             const struct smi_tcp_route *route)
{
    if (port && route->ports.n > 0 && !port_ranges_has(route->ports, port))
        return NULL;
    Outrigger__V1__AccessTarget *to = to_make(compile, route->ports.n + 1);
    if (!to)
        return NULL;
    if (port || route->ports.n == 0)
        return add_port(compile, port ? port : 1, port ? port : UINT16_MAX, to) ? to : NULL;
    for (size_t i = 0; i < route->ports.n; i++)
        if (!add_port(compile, route->ports.list[i].first, route->ports.list[i].last, to))
            return NULL;
    return to;
}

static bool is_wanted(const struct target_rule *rule, const struct smi_match *match)
{
    for (size_t i = 0; i < rule->matches.n; i++)
        if (strcmp(rule->matches.list[i], match->name) == 0)
            return true;
    return rule->matches.n == 0;
}

static void add_to(Outrigger__V1__AccessRule *message, Outrigger__V1__AccessTarget *to)
{
    if (to)
        message->to[message->n_to++] = to;
}

static void add_rule(struct compile *compile, const struct traffic_target *target,
                     const struct target_rule *rule, Outrigger__V1__AccessRule *message)
{
    if (!rule->is_http) {
        const struct smi_tcp_route *route = tcp_route_of(compile, target, rule);
        if (route)
            add_to(message, tcp_make(compile, target->port, route));
        return;
    }
    const struct http_route_group *group = group_of(compile, target, rule);
    for (size_t i = 0; group && i < group->n_matches; i++)
        if (is_wanted(rule, &group->matches[i]))
            add_to(message, http_make(compile, target->port, &group->matches[i]));
}

/* ---- the policy ----------------------------------------------------------------------------- */

static Outrigger__V1__AccessRule *rule_make(struct compile *compile,
                                            const struct traffic_target *target)
{
    Outrigger__V1__AccessRule *message = compile_take(compile, 1, sizeof(*message));
    Outrigger__V1__AccessSource *source = compile_take(compile, 1, sizeof(*source));
    if (!message || !source)
        return NULL;
    outrigger__v1__access_rule__init(message);
    outrigger__v1__access_source__init(source);
    source->service_accounts = (char **)(uintptr_t)target->sources.list;
    source->n_service_accounts = target->sources.n;
    message->from = compile_take(compile, 1, sizeof(*message->from));
    message->to = compile_take(compile, target->n_rules * SMI_MATCHES_MAX, sizeof(*message->to));
    if (!message->from || !message->to)
        return NULL;
    message->from[message->n_from++] = source;
    for (size_t i = 0; i < target->n_rules; i++)
        add_rule(compile, target, &target->rules[i], message);
    return message;
}

static Outrigger__V1__AccessPolicy *allow_make(struct compile *compile, char *name)
{
    Outrigger__V1__AccessPolicy *policy = compile_take(compile, 1, sizeof(*policy));
    if (!policy)
        return NULL;
    outrigger__v1__access_policy__init(policy);
    policy->name = name;
    policy->action = OUTRIGGER__V1__ACCESS_ACTION__ALLOW;
    return policy;
}

Outrigger__V1__AccessPolicy *traffic_target_policy(struct compile *compile,
                                                   const struct traffic_target *target)
{
    Outrigger__V1__AccessPolicy *policy =
        allow_make(compile, compile_text(compile, "TrafficTarget/%s/%s", target->object.namespace,
                                         target->object.name));
    Outrigger__V1__AccessRule **rules = compile_take(compile, 1, sizeof(*rules));
    Outrigger__V1__AccessRule *rule = rule_make(compile, target);
    if (!policy || !rules || !rule)
        return NULL;
    policy->rules = rules;
    if (rule->n_to > 0) /* a rule without `to` would be for everything */
        rules[policy->n_rules++] = rule;
    return policy;
}

Outrigger__V1__AccessPolicy *traffic_target_closure(struct compile *compile, const char *namespace)
{
    return allow_make(compile, compile_text(compile, "TrafficTargets/%s", namespace));
}

static const char *rule_problem(struct compile *compile, const struct traffic_target *target,
                                size_t index)
{
    const struct target_rule *rule = &target->rules[index];
    const char *namespace = target->object.namespace;
    if (!rule->is_http) {
        const struct smi_tcp_route *route = tcp_route_of(compile, target, rule);
        if (!route)
            return compile_text(compile, "spec.rules[%zu]: there is no TCPRoute %s/%s", index,
                                namespace, rule->name);
        if (target->port && route->ports.n > 0 && !port_ranges_has(route->ports, target->port))
            return compile_text(compile,
                                "spec.rules[%zu]: TCPRoute %s/%s is not for port %u, which the "
                                "destination names",
                                index, namespace, rule->name, target->port);
        return NULL;
    }
    const struct http_route_group *group = group_of(compile, target, rule);
    if (!group)
        return compile_text(compile, "spec.rules[%zu]: there is no HTTPRouteGroup %s/%s", index,
                            namespace, rule->name);
    for (size_t i = 0; i < rule->matches.n; i++)
        if (!http_route_group_match(group, rule->matches.list[i]))
            return compile_text(compile,
                                "spec.rules[%zu].matches[%zu]: HTTPRouteGroup %s/%s has no match "
                                "of the name \"%s\"",
                                index, i, namespace, rule->name, rule->matches.list[i]);
    return NULL;
}

const char *traffic_target_problem(struct compile *compile, const struct traffic_target *target)
{
    const char *problem = NULL;
    for (size_t i = 0; i < target->n_rules && !problem; i++)
        problem = rule_problem(compile, target, i);
    return problem;
}
