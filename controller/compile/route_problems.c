#include "controller/compile/route_problems.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "controller/compile/route_status.h"
#include "controller/compile/traffic_split.h"
#include "controller/compile/traffic_target.h"
#include "controller/objects/keys.h"

#define ORIGIN_BYTES 640

static const enum object_kind route_kinds[] = {OBJECT_HTTP_ROUTE, OBJECT_GRPC_ROUTE,
                                               OBJECT_TCP_ROUTE};
static const enum object_kind smi_kinds[] = {OBJECT_TRAFFIC_SPLIT, OBJECT_TRAFFIC_TARGET};
/* On which the status of these depends. */
static const enum object_kind other_kinds[] = {OBJECT_SERVICE, OBJECT_REFERENCE_GRANT,
                                               OBJECT_HTTP_FILTER, OBJECT_HTTP_ROUTE_GROUP,
                                               OBJECT_SMI_TCP_ROUTE};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct route_problems {
    const struct store *store;
    struct problems *problems;
    struct map told; /* origins of problems that this module has set */
};

/* `origin` tells apart what is told about one object. */
static void tell(struct route_problems *routes, const struct object *object, const char *origin,
                 const char *text, struct map *still)
{
    char key[ORIGIN_BYTES], line[1024];
    snprintf(key, sizeof(key), "%s/%s/%s%s", object_kind_name(object->kind), object->namespace,
             object->name, origin);
    snprintf(line, sizeof(line), "%s:%u: %s %s/%s: %s", object->file, object->line,
             object_kind_name(object->kind), object->namespace, object->name, text);
    /* Short of memory the problem is told again at the next change, or stays a while too long. */
    if (!map_set(still, slice_str(key), routes, NULL))
        return;
    if (problems_set(routes->problems, key, line))
        LOG(LOG_WARN, "route_problem", LOG_S("error", line));
}

static void tell_condition(struct route_problems *routes, const struct route *route, size_t parent,
                           const struct route_condition *condition, struct map *still)
{
    char origin[32], text[1024];
    snprintf(origin, sizeof(origin), "[%zu]", parent);
    snprintf(text, sizeof(text), "spec.parentRefs[%zu]: %s: %s", parent, condition->reason,
             condition->message);
    tell(routes, &route->object, origin, text, still);
}

static void check_route(struct route_problems *routes, const struct route *route, struct map *still)
{
    for (size_t i = 0; i < route->n_parents; i++) {
        struct compile compile;
        if (!route->parents[i].is_service)
            continue;
        compile_init(&compile, routes->store, NULL);
        struct route_status status = route_status_of(&compile, route, &route->parents[i]);
        const struct route_condition *condition = route_status_problem(&status);
        if (condition)
            tell_condition(routes, route, i, condition, still);
        compile_fini(&compile);
    }
}

static void check_smi(struct route_problems *routes, const struct object *object, struct map *still)
{
    struct compile compile;
    compile_init(&compile, routes->store, NULL);
    const char *problem =
        object->kind == OBJECT_TRAFFIC_SPLIT
            ? traffic_split_problem(&compile, (const struct traffic_split *)object)
            : traffic_target_problem(&compile, (const struct traffic_target *)object);
    if (problem)
        tell(routes, object, "", problem, still);
    compile_fini(&compile);
}

static void check_all(struct route_problems *routes)
{
    char key[STORE_KEY_BYTES];
    struct map still = {0};
    for (size_t kind = 0; kind < COUNT(route_kinds); kind++) {
        struct found found = store_find(routes->store, key_of_kind(key, route_kinds[kind]));
        for (size_t i = 0; i < found.n; i++)
            check_route(routes, (const struct route *)found.list[i], &still);
    }
    for (size_t kind = 0; kind < COUNT(smi_kinds); kind++) {
        struct found found = store_find(routes->store, key_of_kind(key, smi_kinds[kind]));
        for (size_t i = 0; i < found.n; i++)
            check_smi(routes, found.list[i], &still);
    }
    MAP_EACH(entry, &routes->told) {
        if (!map_get(&still, entry->key))
            problems_clear(routes->problems, entry->key.ptr);
    }
    map_fini(&routes->told, NULL);
    routes->told = still;
}

static bool has_changed(const struct map *changed, const enum object_kind *kinds, size_t n)
{
    char key[STORE_KEY_BYTES];
    for (size_t i = 0; i < n; i++)
        if (!changed || map_get(changed, slice_str(key_of_kind(key, kinds[i]))))
            return true;
    return false;
}

static void on_change(void *context, const struct map *changed)
{
    if (has_changed(changed, route_kinds, COUNT(route_kinds)) ||
        has_changed(changed, smi_kinds, COUNT(smi_kinds)) ||
        has_changed(changed, other_kinds, COUNT(other_kinds)))
        check_all(context);
}

struct route_problems *route_problems_new(struct store *store, struct problems *problems)
{
    struct route_problems *routes = calloc(1, sizeof(*routes));
    if (!routes)
        return NULL;
    routes->store = store;
    routes->problems = problems;
    check_all(routes);
    store_listen(store, on_change, routes);
    return routes;
}

void route_problems_free(struct route_problems *routes)
{
    if (!routes)
        return;
    map_fini(&routes->told, NULL);
    free(routes);
}
