#include "controller/objects/route.h"

#include "controller/objects/ports.h"
#include "controller/objects/route_parts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define GATEWAY_GROUP  "gateway.networking.k8s.io"
#define WEIGHT_MAX     1000000
#define TIMEOUT_MAX_MS (24ull * 3600 * 1000)
#define BACKOFF_MAX_MS (60ull * 1000)
#define RETRIES_MAX    10

void *route_list(const struct field *list, size_t max, size_t size, size_t *n)
{
    static const char nothing[1];
    *n = field_count(list);
    if (*n > max)
        field_fail(list, "has more than %zu items", max);
    if (*n == 0 || list->reading->has_failed) {
        *n = 0;
        return (void *)(uintptr_t)nothing; /* never looked at */
    }
    void *items = arena_take_array(list->reading->arena, *n, size);
    if (!field_has_memory(list, items))
        *n = 0;
    return items;
}

/* ---- what it is attached to ----------------------------------------------------------------- */

static void read_parent(const struct field *ref, const struct object *route,
                        struct route_parent *parent)
{
    static const char *const names[] = {"group", "kind",        "namespace",
                                        "name",  "sectionName", "port"};
    field_allow_only(ref, names, COUNT(names));
    struct field group = field_get(ref, "group");
    struct field kind = field_get(ref, "kind");
    struct field namespace = field_get(ref, "namespace");
    struct field name = field_get(ref, "name");
    struct field section = field_get(ref, "sectionName");
    struct field port = field_get(ref, "port");
    field_require(&name);
    struct slice group_text =
        field_is_set(&group) ? field_slice(&group) : SLICE_LITERAL(GATEWAY_GROUP);
    struct slice kind_text = field_is_set(&kind) ? field_slice(&kind) : SLICE_LITERAL("Gateway");
    parent->is_service = (group_text.len == 0 || slice_eq_str(group_text, "core")) &&
                         slice_eq_str(kind_text, "Service");
    parent->namespace = field_is_set(&namespace) ? field_label_name(&namespace) : route->namespace;
    parent->name = field_dns_name(&name);
    parent->section = field_dns_name(&section);
    parent->port = field_is_set(&port) ? field_port(&port) : 0;
}

static void read_parents(const struct field *spec, struct route *route)
{
    struct field list = field_get(spec, "parentRefs");
    struct field item = {0};
    struct route_parent *parents =
        route_list(&list, ROUTE_PARENTS_MAX, sizeof(*parents), &route->n_parents);
    while (route->n_parents > 0 && field_next_item(&list, &item))
        read_parent(&item, &route->object, &parents[item.index]);
    route->parents = parents;
}

/* ---- backends ------------------------------------------------------------------------------- */

void route_backend_read(const struct field *ref, const struct object *route,
                        struct route_backend *backend)
{
    struct field group = field_get(ref, "group");
    struct field kind = field_get(ref, "kind");
    struct field namespace = field_get(ref, "namespace");
    struct field name = field_get(ref, "name");
    struct field port = field_get(ref, "port");
    field_require(&name);
    struct slice group_text = field_slice(&group);
    backend->kind = field_is_set(&kind) ? field_text(&kind) : "Service";
    backend->is_service = (group_text.len == 0 || slice_eq_str(group_text, "core")) &&
                          strcmp(backend->kind, "Service") == 0;
    backend->namespace = field_is_set(&namespace) ? field_label_name(&namespace) : route->namespace;
    backend->name = field_dns_name(&name);
    backend->port = field_is_set(&port) ? field_port(&port) : 0;
    backend->weight = 1;
}

static void read_backends(const struct field *rule_field, const struct object *route,
                          struct route_rule *rule)
{
    static const char *const names[] = {"group", "kind",   "namespace", "name",
                                        "port",  "weight", "filters"};
    struct field list = field_get(rule_field, "backendRefs");
    struct field item = {0};
    struct route_backend *backends =
        route_list(&list, ROUTE_BACKENDS_MAX, sizeof(*backends), &rule->n_backends);
    while (rule->n_backends > 0 && field_next_item(&list, &item)) {
        struct route_backend *backend = &backends[item.index];
        field_allow_only(&item, names, COUNT(names));
        route_backend_read(&item, route, backend);
        struct field weight = field_get(&item, "weight");
        struct field filters = field_get(&item, "filters");
        backend->weight = (uint32_t)field_uint(&weight, 0, WEIGHT_MAX, 1);
        route_filters_read(&filters, route, rule, &backend->filters, &backend->n_filters);
    }
    rule->backends = backends;
}

/* ---- timeouts and retries ------------------------------------------------------------------- */

static uint64_t read_timeout(const struct field *up, const char *name)
{
    struct field timeout = field_get(up, name);
    struct slice text = field_slice(&timeout);
    if (slice_eq_str(text, "0") || slice_eq_str(text, "0s")) /* none, as the Gateway API says */
        return 0;
    return field_duration_ms(&timeout, 1, TIMEOUT_MAX_MS);
}

static void read_timeouts(const struct field *rule_field, struct route_rule *rule)
{
    static const char *const names[] = {"request", "backendRequest"};
    struct field timeouts = field_get(rule_field, "timeouts");
    if (!field_is_set(&timeouts))
        return;
    field_allow_only(&timeouts, names, COUNT(names));
    rule->request_timeout_ms = read_timeout(&timeouts, "request");
    rule->backend_timeout_ms = read_timeout(&timeouts, "backendRequest");
    if (rule->request_timeout_ms && rule->backend_timeout_ms > rule->request_timeout_ms) {
        struct field backend = field_get(&timeouts, "backendRequest");
        field_fail(&backend, "is longer than `request`, which it is a part of");
    }
}

static void read_retry(const struct field *rule_field, struct route_retry *retry)
{
    static const char *const names[] = {"codes", "attempts", "backoff"};
    struct field field = field_get(rule_field, "retry");
    if (!field_is_set(&field))
        return;
    field_allow_only(&field, names, COUNT(names));
    struct field codes = field_get(&field, "codes");
    struct field attempts = field_get(&field, "attempts");
    struct field backoff = field_get(&field, "backoff");
    struct field item = {0};
    uint16_t *statuses = route_list(&codes, 200, sizeof(*statuses), &retry->n_statuses);
    while (retry->n_statuses > 0 && field_next_item(&codes, &item))
        statuses[item.index] = (uint16_t)field_uint(&item, 400, 599, 500);
    retry->is_set = true;
    retry->statuses = statuses;
    retry->attempts = (uint32_t)field_uint(&attempts, 0, RETRIES_MAX, 1);
    retry->backoff_ms = field_duration_ms(&backoff, 1, BACKOFF_MAX_MS);
}

/* ---- rules ---------------------------------------------------------------------------------- */

void route_rule_drop(struct route_rule *rule, const struct field *field, const char *text)
{
    if (*rule->problem || !field_is_set(field))
        return;
    /* Worded by field_fail(), which knows the field's place, into a reading of its own. */
    struct err err;
    struct reading aside = {.file = field->reading->file, .err = &err};
    struct field place = *field;
    place.reading = &aside;
    field_fail(&place, "%s", text);
    const char *problem = arena_text(field->reading->arena, slice_str(err.text));
    rule->problem = field_has_memory(field, problem) ? problem : "";
}

static void read_rule(const struct field *item, const struct route *route, struct route_rule *rule)
{
    static const char *const names[] = {
        "name", "matches", "filters", "backendRefs", "sessionPersistence", "timeouts", "retry"};
    static const char *const tcp_names[] = {"name", "backendRefs"};
    bool is_grpc = route->object.kind == OBJECT_GRPC_ROUTE;
    bool is_tcp = route->object.kind == OBJECT_TCP_ROUTE;
    if (is_tcp)
        field_allow_only(item, tcp_names, COUNT(tcp_names));
    else /* a GRPCRoute has neither timeouts nor retry, which stand last */
        field_allow_only(item, names, COUNT(names) - (is_grpc ? 2 : 0));
    struct field name = field_get(item, "name");
    struct field filters = field_get(item, "filters");
    struct field session = field_get(item, "sessionPersistence");
    rule->problem = "";
    rule->name = field_dns_name(&name);
    read_backends(item, &route->object, rule);
    if (is_tcp)
        return;
    route_matches_read(item, &route->object, rule);
    route_filters_read(&filters, &route->object, rule, &rule->filters, &rule->n_filters);
    route_filters_check(item, rule);
    read_timeouts(item, rule);
    read_retry(item, &rule->retry);
    route_rule_drop(rule, &session, "this version does not keep sessions at one endpoint");
}

static bool has_service_parent(const struct route *route)
{
    for (size_t i = 0; i < route->n_parents; i++)
        if (route->parents[i].is_service)
            return true;
    return false;
}

bool route_has_effect(const struct route *route)
{
    for (size_t i = 0; i < route->n_rules; i++)
        if (!*route->rules[i].problem)
            return true;
    return false;
}

void route_read(const struct field *root, struct object *object)
{
    static const char *const names[] = {"parentRefs", "hostnames", "rules"};
    struct route *route = (struct route *)object;
    struct field spec = field_get(root, "spec");
    field_require(&spec);
    read_parents(&spec, route);
    if (root->reading->has_failed || !has_service_parent(route))
        return;                                   /* a gateway's, which may know what we do not */
    field_allow_only(&spec, names, COUNT(names)); /* hostnames say nothing in a mesh (GAMMA) */
    struct field list = field_get(&spec, "rules");
    struct field item = {0};
    field_require(&list);
    struct route_rule *rules = route_list(&list, ROUTE_RULES_MAX, sizeof(*rules), &route->n_rules);
    while (route->n_rules > 0 && field_next_item(&list, &item))
        read_rule(&item, route, &rules[item.index]);
    route->rules = rules;
}
